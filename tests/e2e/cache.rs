//! The cache from outside: what is answered from it, what is not, and what is said about it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use tokio::sync::Notify;

use crate::harness::{Config, Edge, Origin, PATIENCE, Reply, component, edgeward, eventually, ten_thousand};

fn config(origin: &Origin, policy: impl Into<Config>, more: &str) -> Config {
    Config::new().origin("o", origin.url()).with(policy).site("o").with(more)
}

fn cloudfront(origin: &Origin) -> Edge {
    Edge::start(config(origin, "", "cache_policy = \"CachingOptimized\""))
}

fn standards(origin: &Origin) -> Edge {
    let policy = Config::new().table("cache_policy.rfc").set("mode", "standards");
    Edge::start(config(origin, policy, "cache_policy = \"rfc\""))
}

/// Counts its answers in their bodies.
fn counting(headers: &'static [(&'static str, &'static str)]) -> Origin {
    let count = AtomicU32::new(0);
    Origin::start(move |_| {
        let reply = Reply::new(200, format!("answer {}", count.fetch_add(1, SeqCst) + 1));
        headers.iter().fold(reply, |reply, (name, value)| reply.header(name, *value))
    })
}

#[test]
fn a_second_request_is_a_hit() {
    let origin = counting(&[("cache-control", "max-age=60"), ("etag", "\"v1\"")]);
    let edge = cloudfront(&origin);
    let first = edge.get("/a");
    assert_eq!((first.status, first.header("x-cache"), first.header("age")), (200, "Miss from cloudfront", ""));
    assert!(first.header("cache-status").starts_with("Edgeward; fwd=uri-miss"), "{first:?}");
    let second = edge.get("/a?ignored=1");
    assert_eq!((second.text(), second.header("x-cache")), ("answer 1".to_owned(), "Hit from cloudfront"));
    assert_eq!((second.header("age"), second.header("etag")), ("0", "\"v1\""));
    assert!(second.header("cache-status").starts_with("Edgeward; hit; ttl="), "{second:?}");
    let head = edge.request("HEAD", "/a", "", b"");
    assert_eq!((head.header("x-cache"), head.header("content-length"), head.body.len()), ("Hit from cloudfront", "8", 0));
    assert_eq!(origin.seen().len(), 1);
    assert_eq!(edge.metric("edgeward_cache_hits_total{tier=\"memory\"}"), 2.0);
}

#[test]
fn conditions_and_ranges_are_answered_from_what_is_stored() {
    let origin = counting(&[("cache-control", "max-age=60"), ("etag", "\"v1\"")]);
    let edge = cloudfront(&origin);
    edge.get("/a");
    let fresh = edge.get_with("/a", "If-None-Match: W/\"v1\"\r\n");
    assert_eq!((fresh.status, fresh.header("x-cache"), fresh.body.len()), (304, "Hit from cloudfront", 0));
    let part = edge.get_with("/a", "Range: bytes=0-5\r\n");
    assert_eq!((part.status, part.text(), part.header("content-range")), (206, "answer".to_owned(), "bytes 0-5/8"));
    let parts = edge.get_with("/a", "Range: bytes=0-1,6-7\r\n");
    assert_eq!(parts.status, 206);
    assert!(parts.header("content-type").starts_with("multipart/byteranges; boundary="), "{parts:?}");
    assert!(parts.text().contains("Content-Range: bytes 6-7/8\r\n\r\n 1\r\n--"), "{}", parts.text());
    let beyond = edge.get_with("/a", "Range: bytes=8-\r\n");
    assert_eq!((beyond.status, beyond.header("content-range")), (416, "bytes */8"));
    // A range that misses fetches the whole.
    let other = edge.get_with("/b", "Range: bytes=0-5\r\n");
    assert_eq!((other.status, other.text()), (206, "answer".to_owned()));
    assert!(origin.seen().iter().all(|seen| !seen.has("range") && !seen.has("if-none-match")));
    assert_eq!(origin.seen().len(), 2);
}

#[test]
fn stale_responses_are_validated() {
    let origin = Origin::start(|seen| {
        let valid = seen.header("if-none-match") == "\"v1\"";
        Reply::new(if valid { 304 } else { 200 }, if valid { "" } else { "body" })
            .header("cache-control", "max-age=0")
            .header("etag", "\"v1\"")
    });
    let edge = standards(&origin);
    assert_eq!(edge.get("/a").header("x-cache"), "Miss from cloudfront");
    let again = edge.get("/a");
    assert_eq!((again.status, again.text(), again.header("x-cache")), (200, "body".to_owned(), "RefreshHit from cloudfront"));
    assert!(again.header("cache-status").contains("fwd=stale; fwd-status=304"), "{again:?}");
    assert_eq!(origin.seen().len(), 2);
}

#[test]
fn uncacheable_responses_are_not_stored() {
    let origin = counting(&[("cache-control", "no-store")]);
    let edge = standards(&origin);
    for n in 1..=3 {
        let answer = edge.get("/a");
        assert_eq!((answer.text(), answer.header("x-cache")), (format!("answer {n}"), "Miss from cloudfront"));
    }
}

#[test]
fn the_key_is_what_the_policy_says_and_the_rest_is_not_forwarded() {
    let origin = Origin::start(|seen| Reply::new(200, seen.target.clone()).header("cache-control", "max-age=60"));
    let policy = Config::new().table("cache_policy.p").set("query", ["a"]).set("headers", ["x-tenant"]).set("cookies", ["sid"]);
    let edge = Edge::start(config(&origin, policy, "cache_policy = \"p\""));
    let get = |target: &str, headers: &str| edge.get_with(target, headers);
    let first = get("/x?b=2&a=1", "X-Tenant: t\r\nX-Other: o\r\nCookie: sid=1; tracking=2\r\nAccept-Encoding: gzip\r\n");
    assert_eq!(first.text(), "/x?a=1");
    let seen = origin.last();
    assert_eq!((seen.header("x-tenant"), seen.header("cookie"), seen.header("accept-encoding")), ("t", "sid=1", "identity"));
    assert!(!seen.has("x-other") && seen.header("user-agent") == "Amazon CloudFront", "{seen:?}");
    for (target, headers, hit) in [
        ("/x?a=1", "X-Tenant: t\r\nCookie: sid=1\r\n", true),
        ("/x?a=1&b=9", "X-Tenant: t\r\nCookie: other=3; sid=1\r\n", true),
        ("/x?a=2", "X-Tenant: t\r\nCookie: sid=1\r\n", false),
        ("/x?a=1", "X-Tenant: u\r\nCookie: sid=1\r\n", false),
        ("/x?a=1", "X-Tenant: t\r\nCookie: sid=2\r\n", false),
    ] {
        let expected = if hit { "Hit from cloudfront" } else { "Miss from cloudfront" };
        assert_eq!(get(target, headers).header("x-cache"), expected, "{target} {headers}");
    }
}

#[test]
fn ten_thousand_requests_for_a_cold_key_are_one_fetch() {
    let gate = Arc::new(Notify::new());
    let origin = {
        let gate = gate.clone();
        Origin::start(move |_| Reply::new(200, vec![b'x'; 10_000]).header("cache-control", "max-age=60").held(gate.clone()))
    };
    let edge = cloudfront(&origin);
    let clients: Vec<TcpStream> = (0..ten_thousand())
        .map(|_| {
            let mut stream = TcpStream::connect(edge.http()).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(b"GET /cold HTTP/1.1\r\nHost: www\r\nConnection: close\r\n\r\n").unwrap();
            stream
        })
        .collect();
    let all = f64::from(u32::try_from(clients.len()).unwrap());
    eventually("all but one wait", || edge.metric("edgeward_cache_collapsed_total") >= all - 1.0);
    gate.notify_one();
    for mut client in clients {
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(&[b'x'; 10_000]), "{} bytes", answer.len());
    }
    assert_eq!(origin.seen().len(), 1);
    assert_eq!(edge.metric("edgeward_cache_collapsed_total"), all - 1.0);
}

#[test]
fn a_stale_response_is_served_while_the_origin_fails() {
    let fails = Arc::new(AtomicU32::new(0));
    let origin = {
        let fails = fails.clone();
        Origin::start(move |_| match fails.fetch_add(1, SeqCst) {
            0 => Reply::new(200, "good").header("cache-control", "max-age=0, stale-if-error=60").header("etag", "\"v\""),
            _ => Reply::new(503, "bad"),
        })
    };
    let edge = standards(&origin);
    assert_eq!(edge.get("/a").text(), "good");
    let stale = edge.get("/a");
    assert_eq!((stale.status, stale.text()), (200, "good".to_owned()));
    assert!(stale.header("cache-status").contains("stale-if-error"), "{stale:?}");
}

#[test]
fn a_body_that_is_cut_short_is_not_stored() {
    let origin = Origin::start(|_| Reply::new(200, "1234567890").header("cache-control", "max-age=60").cut_at(5));
    let edge = cloudfront(&origin);
    for _ in 0..2 {
        let mut client = edge.connect();
        client.send("GET /a HTTP/1.1\r\nHost: www\r\n\r\n");
        let rest = client.rest();
        assert!(rest.contains("Miss from cloudfront") && !rest.contains("67890"), "{rest}");
    }
    assert_eq!(edge.metric("edgeward_cache_fills_total{result=\"cut\"}"), 2.0);
}

#[test]
fn a_purge_takes_effect_at_once() {
    let origin = counting(&[("cache-control", "max-age=60"), ("surrogate-key", "news front")]);
    let edge = cloudfront(&origin);
    let purge = |body: &str| {
        let headers = "Content-Type: application/json\r\n";
        let answer = edge.admin_request("POST", "/cache/purges", headers, body.as_bytes());
        assert_eq!(answer.status, 201, "{answer:?}");
    };
    assert_eq!(edge.get("/a/1").text(), "answer 1");
    purge("{\"site\": \"www\", \"path\": \"/b*\"}");
    assert_eq!(edge.get("/a/1").text(), "answer 1");
    purge("{\"site\": \"www\", \"path\": \"/a/*\"}");
    assert_eq!(edge.get("/a/1").text(), "answer 2");
    purge("{\"tag\": \"news\"}");
    assert_eq!(edge.get("/a/1").text(), "answer 3");
    purge("{\"everything\": true}");
    assert_eq!(edge.get("/a/1").text(), "answer 4");
    let wrong = edge.admin_request("POST", "/cache/purges", "Content-Type: application/json\r\n", b"{}");
    assert_eq!(wrong.status, 400);
    let misspelt = edge.admin_request("POST", "/cache/purges", "Content-Type: application/json\r\n", b"{\"site\": \"wwww\"}");
    assert!(misspelt.status == 404 && misspelt.text().contains("`wwww`"), "{misspelt:?}");
    assert_eq!((edge.admin("/cache/purges/4").status, edge.admin("/cache/purges/5").status), (200, 404));
}

#[test]
fn the_disk_survives_a_kill() {
    let origin = counting(&[("cache-control", "max-age=600")]);
    let disk = "[cache.disk]\nfolder = \"cache\"\nbytes = 100_000_000";
    let text = config(&origin, disk, "cache_policy = \"CachingOptimized\"");
    let edge = Edge::start(&text);
    assert_eq!(edge.get("/a").text(), "answer 1");
    edge.wait_for_metric("edgeward_cache_objects{tier=\"disk\"}", 1.0);
    let edge = edge.kill_and_restart(&text);
    edge.wait_for_metric("edgeward_cache_objects{tier=\"disk\"}", 1.0);
    let again = edge.get("/a");
    assert_eq!((again.text(), again.header("x-cache")), ("answer 1".to_owned(), "Hit from cloudfront"));
}

/// What is stored are copies: slices of read buffers would hold several times as much.
#[test]
fn small_objects_take_the_memory_that_is_counted() {
    const OBJECTS: usize = 16_000;
    const MEMORY_BYTES: u64 = 16 << 20;
    let origin = Origin::start(|_| Reply::new(200, vec![b'x'; 100]).header("cache-control", "max-age=600"));
    let cache = Config::new().table("cache").set("memory_bytes", MEMORY_BYTES);
    let edge = Edge::start(config(&origin, cache, "cache_policy = \"CachingOptimized\""));
    edge.get("/first");
    let before = edge.resident_bytes();
    std::thread::scope(|scope| {
        for quarter in 0..4 {
            let mut client = edge.connect();
            scope.spawn(move || {
                for at in 0..OBJECTS / 4 {
                    assert_eq!(client.request("GET", &format!("/{quarter}/{at}"), "www", "", b"").body.len(), 100);
                }
            });
        }
    });
    let counted = edge.metric("edgeward_cache_bytes{tier=\"memory\"}");
    assert!(counted > 0.9 * MEMORY_BYTES as f64, "the cache is full: {counted}");
    let grown = edge.resident_bytes() - before;
    // The constant of `docs/limits.md`.
    assert!(grown <= MEMORY_BYTES / 10 * 11 + (24 << 20), "{grown} bytes for {counted}");
}

#[test]
fn damage_in_the_middle_of_a_body_ends_it_and_is_logged() {
    let whole: Vec<u8> = (0..20_000_000_u32).map(|at| (at / 7) as u8).collect();
    let origin = {
        let whole = whole.clone();
        Origin::start(move |_| Reply::new(200, whole.clone()).header("cache-control", "max-age=600"))
    };
    let disk = "[cache.disk]\nfolder = \"cache\"\nbytes = 1_000_000_000";
    let edge = Edge::start(config(&origin, disk, "cache_policy = \"CachingOptimized\""));
    assert!(edge.get("/a").body == whole);
    edge.wait_for_metric("edgeward_cache_objects{tier=\"disk\"}", 1.0);
    let groups = std::fs::read_dir(edge.folder().join("cache/objects")).unwrap();
    let mut files = groups.flat_map(|group| std::fs::read_dir(group.unwrap().path()).unwrap());
    let path = files.next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[10_000_000] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let mut stream = TcpStream::connect(edge.http()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET /a HTTP/1.1\r\nHost: www\r\n\r\n").unwrap();
    let mut came = Vec::new();
    // The connection ends; the client knows by the length that this is not all.
    let _ = stream.read_to_end(&mut came);
    let body_at = came.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    assert!(came.len() - body_at < whole.len() && whole.starts_with(&came[body_at..]));
    eventually("the log says so", || edge.log().contains("the stored object is damaged"));
    assert!(edge.get("/a").body == whole, "it is fetched again");
    assert_eq!(origin.seen().len(), 2);
}

#[test]
fn variants_are_kept_apart() {
    let origin = Origin::start(|seen| {
        Reply::new(200, seen.header("accept-language").to_owned())
            .header("cache-control", "max-age=60")
            .header("vary", "Accept-Language")
    });
    let edge = standards(&origin);
    for (language, x_cache) in [("de", "Miss"), ("en", "Miss"), ("de", "Hit"), ("en", "Hit")] {
        let answer = edge.get_with("/a", &format!("Accept-Language: {language}\r\n"));
        assert_eq!(answer.text(), language);
        assert!(answer.header("x-cache").starts_with(x_cache), "{language} {answer:?}");
        let of_a_variant = answer.header("cache-status").starts_with("Edgeward; fwd=vary-miss");
        assert_eq!(of_a_variant, x_cache == "Miss" && language == "en", "{answer:?}");
    }
}

#[test]
fn an_unsafe_request_invalidates_stored_responses() {
    let origin = counting(&[("cache-control", "max-age=60")]);
    let edge = standards(&origin);
    assert_eq!(edge.get("/a").text(), "answer 1");
    assert_eq!(edge.request("POST", "/a", "", b"x").text(), "answer 2");
    assert_eq!(edge.get("/a").text(), "answer 3");
    assert_eq!(edge.get("/a").text(), "answer 3");
}

#[test]
fn origin_hooks_run_on_misses_and_viewer_hooks_on_hits_too() {
    let origin = counting(&[("cache-control", "max-age=60")]);
    let hooks = Config::new().function("security", component("security-headers"));
    let text = config(&origin, hooks, "cache_policy = \"CachingOptimized\"\nviewer_response = \"security\"");
    let edge = Edge::start(&text);
    for x_cache in ["Miss from cloudfront", "Hit from cloudfront"] {
        let answer = edge.get("/a");
        assert_eq!((answer.header("x-cache"), answer.header("x-content-type-options")), (x_cache, "nosniff"));
    }
}

#[test]
fn the_command_line_shows_and_purges() {
    let origin = counting(&[("cache-control", "max-age=60")]);
    let edge = cloudfront(&origin);
    edge.get("/a");
    let run = |arguments: &[&str]| {
        let ran = edgeward().args(["cache", "--admin", &edge.admin_address()]).args(arguments).output().unwrap();
        (ran.status.code(), String::from_utf8_lossy(&ran.stdout).into_owned(), String::from_utf8_lossy(&ran.stderr).into_owned())
    };
    let (code, stats, _) = run(&["stats"]);
    let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
    assert_eq!((code, stats["memory_objects"].as_u64()), (Some(0), Some(1)));
    let look = |more: &[&str]| {
        let (code, found, error) = run(&[&["lookup", "--host", "www.example.com"], more].concat());
        (code, serde_json::from_str::<serde_json::Value>(&found).unwrap_or_default(), error)
    };
    let (code, found, _) = look(&["/a?not-in-the-key", "-H", "Accept-Encoding: identity"]);
    assert_eq!(code, Some(0));
    for (key, value) in [("site", "www"), ("tier", "memory"), ("verdict", "fresh")] {
        assert_eq!(found[key], value, "{found}");
    }
    assert_eq!((found["status"].as_u64(), found["body_bytes"].as_u64()), (Some(200), Some(8)));
    assert!(found["ttl_s"].as_u64() > Some(50), "{found}");
    assert_eq!(found["headers"]["cache-control"], "max-age=60");
    // Nothing there, or another coding's place; and nothing of that was a lookup.
    assert_eq!(look(&["/b"]), (Some(0), serde_json::Value::Null, String::new()));
    assert_eq!(look(&["/a", "-H", "Accept-Encoding: br"]).1, serde_json::Value::Null);
    assert_eq!(edge.metric("edgeward_cache_misses_total"), 1.0);
    assert_eq!(edge.metric("edgeward_cache_hits_total"), 0.0);
    let (code, _, error) = look(&["/a", "-H", "no colon"]);
    assert!(code == Some(64) && error.contains("colon"), "{error}");
    let (code, _, error) = look(&["not-a-path"]);
    assert!(code == Some(1) && error.contains("400"), "{error}");
    assert_eq!(
        run(&["purge", "--site", "www", "--path", "/a", "--wait"]),
        (Some(0), "purge 1: Completed, 1 stored responses purged\n".to_owned(), String::new())
    );
    assert_eq!(edge.get("/a").text(), "answer 2");
    let (code, _, error) = run(&["purge"]);
    assert!(code == Some(64) && error.contains("--everything"), "{error}");
    let nobody = edgeward().args(["cache", "--admin", "127.0.0.1:1", "stats"]).output().unwrap();
    let error = String::from_utf8_lossy(&nobody.stderr);
    assert!(nobody.status.code() == Some(1) && error.contains("127.0.0.1:1"), "{error}");
}
