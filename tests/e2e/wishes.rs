//! What one client wants, or brings along, is its own affair: others are answered, and objects stored, as if it had not come.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use tokio::sync::Notify;

use crate::harness::{Answer, Config, Edge, Origin, Reply, Seen, eventually, get};

fn edge(origin: &Origin, policy: &str) -> Edge {
    Edge::start(
        Config::new()
            .origin("o", origin.url())
            .table("cache_policy.p")
            .set("mode", "standards")
            .with(policy)
            .site("o")
            .set("cache_policy", "p"),
    )
}

/// Counts its answers in their bodies.
fn counting(reply: impl Fn(&Seen, Reply) -> Reply + Send + Sync + 'static) -> Origin {
    let count = AtomicU32::new(0);
    Origin::start(move |seen| reply(seen, Reply::new(200, format!("answer {}", count.fetch_add(1, SeqCst) + 1))))
}

fn cached(answer: &Answer) -> bool {
    answer.header("x-cache").starts_with("Hit")
}

#[test]
fn the_directives_of_one_request_do_not_affect_others() {
    let origin = counting(|_, reply| reply.header("cache-control", "max-age=60").header("etag", "\"1\""));
    let edge = edge(&origin, "");
    for (path, wish) in [
        ("/authorization", "Authorization: Basic eA==\r\n"),
        ("/no-store", "Cache-Control: no-store\r\n"),
        ("/no-cache", "Cache-Control: no-cache\r\n"),
        ("/max-age", "Cache-Control: max-age=0\r\n"),
        ("/pragma", "Pragma: no-cache\r\n"),
        ("/if-match", "If-Match: \"1\"\r\n"),
        ("/if-none-match", "If-None-Match: \"1\"\r\n"),
        ("/range", "Range: bytes=0-1\r\n"),
        ("/cookie", "Cookie: a=1\r\n"),
        ("/only-if-cached", "Cache-Control: only-if-cached\r\n"),
    ] {
        edge.get_with(path, wish);
        edge.get(path);
        let third = edge.get(path);
        assert!(cached(&third), "{path}: {third:?}");
    }
}

#[test]
fn an_answer_for_one_client_is_not_remembered_for_the_others() {
    let origin = counting(|seen, reply| {
        reply.header("cache-control", if seen.has("cookie") || seen.has("x-debug") { "private" } else { "max-age=60" })
    });
    let edge = edge(&origin, "");
    for (path, mine) in [("/a", "Cookie: session=1\r\n"), ("/b", "X-Debug: 1\r\n")] {
        for _ in 0..3 {
            assert_eq!(edge.get_with(path, mine).header("cache-control"), "private");
        }
        edge.get(path);
        assert!(cached(&edge.get(path)), "{path}");
    }
}

#[test]
fn a_request_with_credentials_does_not_end_the_waiting_of_others() {
    let gate = Arc::new(Notify::new());
    let origin = {
        let gate = gate.clone();
        counting(move |_, reply| reply.header("cache-control", "max-age=60").held(gate.clone()))
    };
    let edge = edge(&origin, "");
    let address = edge.http();
    let ask = |headers: &'static str| std::thread::spawn(move || get(address, "www", "/a", headers));
    let asked = |n: usize| eventually("the origin is asked", || origin.seen().len() == n);
    let mine = ask("Authorization: Basic eA==\r\n");
    asked(1);
    let others: Vec<_> = (0..5).map(|_| ask("")).collect();
    edge.wait_for_metric("edgeward_cache_collapsed_total", 5.0);
    // Another with credentials does not wait for what may be somebody else's.
    let also = ask("Authorization: Basic eQ==\r\n");
    asked(2);
    eventually("all are answered", || {
        gate.notify_one();
        mine.is_finished() && also.is_finished() && others.iter().all(std::thread::JoinHandle::is_finished)
    });
    assert_eq!((mine.join().unwrap().status, also.join().unwrap().status), (200, 200));
    // One of those who have waited has asked for all of them.
    for other in others {
        assert_eq!(other.join().unwrap().text(), "answer 3");
    }
    assert_eq!(origin.seen().len(), 3);
}

#[test]
fn what_sets_a_cookie_is_for_the_one_who_asked() {
    let cookie = |seen: &Seen, reply: Reply| {
        let said = if seen.target == "/shared" { "max-age=60, no-cache=\"set-cookie\"" } else { "max-age=60" };
        reply.header("cache-control", said).header("set-cookie", "id=1").header("set-cookie", "other=2")
    };
    let origin = counting(cookie);
    let standard = edge(&origin, "");
    for n in 1..=3 {
        let answer = standard.get("/a");
        assert_eq!((answer.text(), answer.header("set-cookie")), (format!("answer {n}"), "id=1"));
        assert!(answer.header("cache-status").contains("detail=set-cookie"), "{answer:?}");
    }
    // Its origin says that all but the cookies is for everybody.
    let lines = |answer: &Answer| answer.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")).count();
    let first = standard.get("/shared");
    assert_eq!((lines(&first), cached(&first)), (2, false));
    let second = standard.get("/shared");
    assert_eq!((second.text(), lines(&second), cached(&second)), (first.text(), 0, true));
    for policy in ["store_set_cookie = true", "cookies = [\"session\"]"] {
        let edge = edge(&origin, policy);
        edge.get("/b");
        let hit = edge.get("/b");
        assert_eq!((lines(&hit), cached(&hit)), (2, true), "{policy}");
    }
}

#[test]
fn a_cookie_of_a_validation_reaches_only_the_client_that_caused_it() {
    let origin = Origin::start(|seen| {
        let valid = seen.header("if-none-match") == "\"1\"";
        let reply = Reply::new(if valid { 304 } else { 200 }, if valid { "" } else { "body" });
        let reply = reply.header("cache-control", "max-age=0").header("etag", "\"1\"");
        if valid { reply.header("set-cookie", "id=1") } else { reply }
    });
    let edge = edge(&origin, "");
    edge.get("/a");
    for _ in 0..2 {
        let answer = edge.get("/a");
        assert_eq!((answer.text().as_str(), answer.header("set-cookie")), ("body", "id=1"));
    }
    let stale = edge.get_with("/a", "Cache-Control: max-stale=60\r\n");
    assert_eq!((stale.header("set-cookie"), cached(&stale)), ("", true), "it was not kept");
}
