//! Errors: which pages are served in their place, and how long they are remembered.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use crate::harness::{Config, Edge, Origin, Reply, closed_port, component};

/// An origin with pages under `/errors/`, behind a cache.
fn config(origin: &str, pages: &Origin) -> Config {
    config_by("CachingOptimized", origin, pages)
}

fn config_by(policy: &str, origin: &str, pages: &Origin) -> Config {
    let site = Config::new().origin("app", origin).origin("pages", pages.url()).site("app").set("cache_policy", policy);
    site.behavior("/errors/*").set("origin", "pages").set("cache_policy", policy)
}

fn pages() -> Origin {
    Origin::start(|seen| match seen.target.as_str() {
        "/errors/away.html" => Reply::new(404, "no such page"),
        target => Reply::new(200, format!("page {target}")).header("content-type", "text/html"),
    })
}

/// Takes connections and closes them without an answer; counts them.
fn broken_origin() -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicU32::new(0));
    let counted = count.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            counted.fetch_add(1, SeqCst);
            drop(stream);
        }
    });
    (url, count)
}

#[test]
fn an_error_page_replaces_the_error_response() {
    let (origin, pages) = (Origin::start(|_| Reply::new(404, "bare")), pages());
    let config = config(&origin.url(), &pages).error_page(404).set("path", "/errors/404.html").set("response_status", 200);
    let edge = Edge::start(config);
    // Neither the condition nor the range of what is not there are the page's.
    for headers in ["", "If-None-Match: *\r\n", "Range: bytes=0-3\r\n"] {
        let answer = edge.get_with("/missing", headers);
        assert_eq!((answer.status, answer.text()), (200, "page /errors/404.html".to_owned()), "{headers}");
        assert_eq!((answer.header("x-cache"), answer.header("content-type")), ("Error from cloudfront", "text/html"));
    }
    let head = edge.request("HEAD", "/missing", "", b"");
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, "21", 0));
    let posted = edge.request("POST", "/missing", "", b"x");
    assert_eq!((posted.status, posted.text()), (200, "page /errors/404.html".to_owned()));
    // The error and the page are in the cache, and the page is its own self under its own path.
    assert_eq!((origin.seen().len(), pages.seen().len()), (2, 1));
    assert_eq!(edge.get("/errors/404.html").header("x-cache"), "Hit from cloudfront");
    assert_eq!(pages.seen()[0].header("host"), pages.address.to_string());
}

#[test]
fn an_error_page_replaces_the_error_of_an_unreachable_origin() {
    let pages = pages();
    let config = config(&format!("http://127.0.0.1:{}", closed_port()), &pages);
    let edge = Edge::start(config.error_page(502).set("path", "/errors/502.html"));
    let answer = edge.get("/a");
    assert_eq!((answer.status, answer.text()), (502, "page /errors/502.html".to_owned()));
    assert_eq!(edge.metric("edgeward_edge_refusals_total{reason=\"origin-unreachable\"}"), 1.0);
}

#[test]
fn a_missing_error_page_is_answered_with_404() {
    let (origin, pages) = (Origin::start(|_| Reply::new(500, "bare")), pages());
    let config = config(&origin.url(), &pages).error_page(500).set("path", "/errors/away.html").set("response_status", 200);
    let edge = Edge::start(config);
    let answer = edge.get("/a");
    assert_eq!((answer.status, answer.text()), (404, "no such page".to_owned()));
}

#[test]
fn what_a_viewer_hook_answers_is_left_alone() {
    let (origin, pages) = (Origin::echo(), pages());
    let hook = config(&origin.url(), &pages)
        .behavior("/private/*")
        .set("viewer_request", "jwt")
        .error_page(401)
        .set("path", "/errors/401.html")
        .function("jwt", component("jwt-check"))
        .set("key_value_store", "keys")
        .table("key_value_store.keys")
        .set("file", "keys.json");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("keys.json"), r#"{"jwt-secret": "secret"}"#).unwrap();
    let edge = Edge::start_in(folder, hook);
    let answer = edge.get("/private/a");
    assert_eq!((answer.status, answer.header("x-cache")), (401, "FunctionGeneratedResponse from cloudfront"));
    assert_eq!((origin.seen().len(), pages.seen().len()), (0, 0));
}

#[test]
fn a_failing_origin_gets_one_request_for_many_clients() {
    let (origin, count) = broken_origin();
    let pages = pages();
    let edge = Edge::start(config(&origin, &pages));
    let first = edge.get("/a");
    let asked = count.load(SeqCst);
    assert!(first.status == 502 && asked > 0, "{first:?}");
    for _ in 0..3 {
        let again = edge.get("/a");
        assert_eq!((again.status, &again.body, again.header("x-cache")), (502, &first.body, "Error from cloudfront"));
        assert!(again.header("cache-status").starts_with("Edgeward; hit; ttl="), "{}", again.header("cache-status"));
    }
    assert_eq!(count.load(SeqCst), asked, "the error is remembered");
    edge.get("/b");
    assert!(count.load(SeqCst) > asked, "of this path only");
}

#[test]
fn the_site_chooses_how_long_errors_are_cached() {
    let (origin, pages) = (Origin::start(|_| Reply::new(404, "bare")), pages());
    let edge = Edge::start(config(&origin.url(), &pages).error_page(404).set("min_ttl_s", 0));
    for asked in 1..=2 {
        let answer = edge.get("/a");
        assert_eq!((answer.status, answer.text(), origin.seen().len()), (404, "bare".to_owned(), asked));
    }
}

#[test]
fn stale_responses_are_used_for_a_while_after_the_origin_failed() {
    let count = AtomicU32::new(0);
    let origin = Origin::start(move |seen| match (seen.target.as_str(), count.fetch_add(1, SeqCst)) {
        ("/a", 0) => Reply::new(200, "good").header("cache-control", "max-age=0").header("etag", "\"v\""),
        _ => Reply::new(503, "bad"),
    });
    // CachingOptimized keeps everything for a second.
    let config = config_by("zero", &origin.url(), &pages()).table("cache_policy.zero").set("error_ttl_s", 60);
    let edge = Edge::start(config);
    assert_eq!(edge.get("/a").text(), "good");
    for _ in 0..3 {
        let stale = edge.get("/a");
        assert_eq!((stale.status, stale.text()), (200, "good".to_owned()));
        assert!(stale.header("cache-status").contains("stale-if-error"), "{stale:?}");
    }
    assert_eq!(origin.seen().len(), 2, "it failed once and was left in peace");
}
