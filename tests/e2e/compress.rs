//! Compression from outside: what is compressed, for whom, what is said about it, and what is left alone.

use std::io::Read as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use crate::harness::{Answer, Client, Config, Edge, Origin, Reply, eventually};

const ALL: &str = "gzip = true\nbrotli = true\nzstd = true";

fn uncompressed(origin: &Origin, policy: &str) -> Config {
    Config::new().origin("o", origin.url()).table("cache_policy.p").with(policy).site("o").set("cache_policy", "p")
}

fn config(origin: &Origin, policy: &str) -> Config {
    uncompressed(origin, policy).set("compress", true)
}

fn start(origin: &Origin) -> Edge {
    Edge::start(config(origin, ALL))
}

/// 100,000 bytes of what pages are like.
fn page() -> Vec<u8> {
    (0..).flat_map(|n: u32| format!("<li>item {}</li>\n", n.wrapping_mul(2_654_435_761)).into_bytes()).take(100_000).collect()
}

fn html(body: Vec<u8>) -> Reply {
    Reply::new(200, body)
        .header("content-type", "text/html; charset=utf-8")
        .header("cache-control", "max-age=60")
        .header("etag", "\"v1\"")
        .header("accept-ranges", "bytes")
        .header("content-digest", "sha-256=:x:")
}

fn decoded(answer: &Answer) -> Vec<u8> {
    let mut body = Vec::new();
    match answer.header("content-encoding") {
        "" => body.clone_from(&answer.body),
        "gzip" => drop(flate2::read::GzDecoder::new(&answer.body[..]).read_to_end(&mut body).unwrap()),
        "br" => drop(brotli::Decompressor::new(&answer.body[..], 4_096).read_to_end(&mut body).unwrap()),
        "zstd" => body = zstd::stream::decode_all(&answer.body[..]).unwrap(),
        other => panic!("an unknown coding: {other}"),
    }
    body
}

fn accepts(edge: &Edge, codings: &str) -> Answer {
    edge.get_with("/a", &format!("Accept-Encoding: {codings}\r\n"))
}

#[test]
fn each_client_gets_a_coding_that_it_reads_and_each_form_is_made_once() {
    let origin = Origin::start(|_| html(page()));
    let edge = start(&origin);
    for (asked, coding, sent) in [
        ("gzip", "gzip", "gzip"),
        ("br;q=0.1, deflate", "br", "br"),
        ("zstd", "zstd", "zstd"),
        ("gzip, deflate, br, zstd", "br", "br,zstd,gzip"),
        ("gzip;q=0, *", "br", "br,zstd"),
        ("deflate, br;q=0", "", "identity"),
    ] {
        let miss = accepts(&edge, asked);
        assert_eq!((miss.header("x-cache"), miss.header("content-encoding")), ("Miss from cloudfront", coding), "{asked}");
        assert_eq!(origin.last().header("accept-encoding"), sent);
        let hit = accepts(&edge, asked);
        assert_eq!((hit.header("x-cache"), hit.header("content-encoding")), ("Hit from cloudfront", coding), "{asked}");
        assert_eq!(hit.header("content-length"), hit.body.len().to_string());
        for answer in [miss, hit] {
            assert!(decoded(&answer) == page(), "{asked}");
            assert_eq!(answer.header("vary"), "Accept-Encoding");
            if coding.is_empty() {
                assert_eq!((answer.header("etag"), answer.header("content-digest")), ("\"v1\"", "sha-256=:x:"));
                assert_eq!(answer.header("accept-ranges"), "bytes");
            } else {
                assert!(answer.body.len() < 30_000, "{asked}: {}", answer.body.len());
                assert_eq!((answer.header("etag"), answer.header("content-digest")), ("W/\"v1\"", ""));
                assert_eq!(answer.header("accept-ranges"), "");
            }
        }
    }
    assert_eq!(edge.metric("edgeward_cache_compressions_total"), 5.0);
    assert_eq!(edge.metric("edgeward_cache_compression_input_bytes_total{coding=\"zstd\"}"), 100_000.0);
    assert!(edge.metric("edgeward_cache_compression_output_bytes_total{coding=\"zstd\"}") < 30_000.0);
    assert_eq!(edge.get("/a").header("x-cache"), "Hit from cloudfront", "no Accept-Encoding is as identity");
}

#[test]
fn curl_reads_it() {
    let origin = Origin::start(|_| html(page()));
    let edge = start(&origin);
    for _ in 0..2 {
        let curl = Command::new("curl").args(["-sS", "--compressed", &format!("http://{}/a", edge.http())]).output();
        let curl = curl.expect("curl runs");
        assert!(curl.status.success() && curl.stdout == page(), "{}", String::from_utf8_lossy(&curl.stderr));
    }
    assert_eq!((origin.seen().len(), edge.metric("edgeward_cache_compressions_total")), (1, 1.0));
}

#[test]
fn head_and_conditions_are_about_the_compressed_form() {
    let origin = Origin::start(|_| html(page()));
    let edge = start(&origin);
    let head = edge.request("HEAD", "/a", "Accept-Encoding: br\r\n", b"");
    assert_eq!((head.status, head.header("content-encoding"), head.header("etag")), (200, "br", "W/\"v1\""));
    assert_eq!(origin.last().method, "GET");
    edge.wait_for_metric("edgeward_cache_compressions_total", 1.0);
    let whole = accepts(&edge, "br");
    let head = edge.request("HEAD", "/a", "Accept-Encoding: br\r\n", b"");
    assert_eq!((head.header("content-length"), head.header("x-cache")), (&*whole.body.len().to_string(), "Hit from cloudfront"));
    // A client that has it uncompressed has it too.
    for tag in ["W/\"v1\"", "\"v1\""] {
        let fresh = edge.get_with("/a", &format!("Accept-Encoding: br\r\nIf-None-Match: {tag}\r\n"));
        assert_eq!((fresh.status, fresh.header("etag"), fresh.header("vary")), (304, "W/\"v1\"", "Accept-Encoding"), "{tag}");
        assert_eq!(fresh.header("content-encoding"), "");
    }
    assert_eq!(edge.get_with("/a", "Accept-Encoding: br\r\nIf-None-Match: \"v2\"\r\n").status, 200);
}

#[test]
fn only_what_is_not_compressed_has_ranges() {
    let origin = Origin::start(|_| html(page()));
    let edge = start(&origin);
    for _ in 0..2 {
        for more in ["", "If-Range: W/\"v1\"\r\n", "If-Range: \"v1\"\r\n"] {
            let compressed = edge.get_with("/a", &format!("Accept-Encoding: gzip\r\nRange: bytes=0-9\r\n{more}"));
            assert_eq!((compressed.status, compressed.header("content-encoding")), (200, "gzip"), "{more}");
            assert!(decoded(&compressed) == page());
        }
        let plain = edge.get_with("/a", "Range: bytes=0-9\r\nIf-Range: \"v1\"\r\n");
        assert_eq!((plain.status, &plain.body[..]), (206, &page()[..10]));
    }
}

/// Compares tags byte by byte, as many do.
fn strict(version: Arc<AtomicU32>) -> Origin {
    Origin::start(move |seen| {
        let tag = format!("\"v{}\"", version.load(SeqCst));
        let valid = seen.header("if-none-match") == tag;
        Reply::new(if valid { 304 } else { 200 }, if valid { Vec::new() } else { page() })
            .header("cache-control", "max-age=0")
            .header("content-type", "text/html")
            .header("content-md5", "x")
            .header("accept-ranges", "bytes")
            .header("vary", "Origin")
            .header("x-count", if valid { "again" } else { "first" })
            .header("etag", tag)
    })
}

const STANDARDS: &str = "mode = \"standards\"\ngzip = true\nbrotli = true\nzstd = true";

fn assert_compressed(answer: &Answer, x_cache: &str, tag: &str, count: &str) {
    assert_eq!((answer.status, answer.header("x-cache"), answer.header("content-encoding")), (200, x_cache, "br"));
    assert_eq!((answer.header("etag"), answer.header("x-count")), (tag, count));
    assert_eq!((answer.header("content-md5"), answer.header("accept-ranges")), ("", ""));
    let vary: Vec<_> = answer.headers.iter().filter(|(name, _)| name == "vary").map(|(_, value)| value.as_str()).collect();
    assert_eq!(vary, ["Origin", "Accept-Encoding"]);
    assert!(decoded(answer) == page());
}

#[test]
fn the_origin_validates_by_its_own_tag_and_nothing_is_compressed_again() {
    let version = Arc::new(AtomicU32::new(1));
    let origin = strict(version.clone());
    let edge = Edge::start(config(&origin, STANDARDS));
    assert_compressed(&accepts(&edge, "br"), "Miss from cloudfront", "W/\"v1\"", "first");
    edge.wait_for_metric("edgeward_cache_compressions_total", 1.0);
    for _ in 0..3 {
        assert_compressed(&accepts(&edge, "br"), "RefreshHit from cloudfront", "W/\"v1\"", "again");
        assert_eq!(origin.last().header("if-none-match"), "\"v1\"");
    }
    assert_eq!(edge.metric("edgeward_cache_compressions_total"), 1.0);
    version.store(2, SeqCst);
    assert_compressed(&accepts(&edge, "br"), "Miss from cloudfront", "W/\"v2\"", "first");
    edge.wait_for_metric("edgeward_cache_compressions_total", 2.0);
    assert_compressed(&accepts(&edge, "br"), "RefreshHit from cloudfront", "W/\"v2\"", "again");
}

#[test]
fn the_disk_tier_keeps_the_origins_entity_tag() {
    let origin = strict(Arc::new(AtomicU32::new(1)));
    let text = config(&origin, STANDARDS).table("cache.disk").set("folder", "cache").set("bytes", 100_000_000);
    let edge = Edge::start(&text);
    assert_compressed(&accepts(&edge, "br"), "Miss from cloudfront", "W/\"v1\"", "first");
    // What it varies by is written down too, and may be counted.
    eventually("it is on the disk", || edge.metric("edgeward_cache_objects{tier=\"disk\"}") > 0.0);
    let edge = edge.kill_and_restart(&text);
    eventually("it is found again", || edge.metric("edgeward_cache_objects{tier=\"disk\"}") > 0.0);
    assert_compressed(&accepts(&edge, "br"), "RefreshHit from cloudfront", "W/\"v1\"", "again");
    assert_eq!(origin.last().header("if-none-match"), "\"v1\"");
}

#[test]
fn what_is_not_to_be_compressed_is_not_touched() {
    let text = |length: usize| Reply::new(200, vec![b'x'; length]).header("cache-control", "max-age=60").header("etag", "\"v1\"");
    let origin = Origin::start(move |seen| match seen.target.as_str() {
        "/small" => text(999).header("content-type", "text/plain"),
        "/large" => text(10_000_001).header("content-type", "text/plain"),
        "/image" => text(5_000).header("content-type", "image/png"),
        "/untyped" => text(5_000),
        "/encoded" => text(5_000).header("content-type", "text/plain").header("content-encoding", "x-own"),
        "/to-stay" => Reply { headers: vec![], ..text(5_000) }
            .header("content-type", "text/plain")
            .header("cache-control", "max-age=60, no-transform")
            .header("etag", "\"v1\""),
        "/unmeasured" => text(5_000).header("content-type", "text/plain").header("transfer-encoding", "chunked"),
        "/unstored" => Reply { headers: vec![], ..text(5_000) }
            .header("content-type", "text/plain")
            .header("cache-control", "no-store")
            .header("etag", "\"v1\""),
        "/gone" => Reply { status: 410, ..text(5_000).header("content-type", "text/plain") },
        _ => text(1_000).header("content-type", "text/plain"),
    });
    let edge = start(&origin);
    for target in ["/small", "/large", "/image", "/untyped", "/encoded", "/to-stay", "/unmeasured", "/unstored", "/gone"] {
        for _ in 0..2 {
            let answer = edge.get_with(target, "Accept-Encoding: gzip, br\r\n");
            let coding = if target == "/encoded" { "x-own" } else { "" };
            assert_eq!((answer.header("content-encoding"), answer.header("etag")), (coding, "\"v1\""), "{target}");
            assert!(answer.body.len() >= 999 && answer.body.iter().all(|&byte| byte == b'x'), "{target}");
        }
    }
    assert_eq!(edge.metric("edgeward_cache_compressions_total"), 0.0);
    assert_eq!(edge.get_with("/just-enough", "Accept-Encoding: gzip, br\r\n").header("content-encoding"), "br");
    let posted = edge.request("POST", "/just-enough", "Accept-Encoding: gzip, br\r\n", b"x");
    assert_eq!(posted.header("content-encoding"), "", "it is not stored");
}

#[test]
fn nothing_is_compressed_where_it_is_not_asked_for() {
    let origin = Origin::start(|_| html(page()));
    let edge = Edge::start(uncompressed(&origin, ALL));
    let answer = accepts(&edge, "gzip, br, zstd");
    assert_eq!((answer.header("content-encoding"), answer.header("vary"), answer.body.len()), ("", "", 100_000));
}

#[test]
fn a_client_of_http_1_0_gets_it_as_it_is() {
    let origin = Origin::start(|_| html(page()));
    let edge = start(&origin);
    assert_eq!(accepts(&edge, "gzip").header("content-encoding"), "gzip");
    for _ in 0..2 {
        let mut client = Client::connect(edge.http());
        client.send("GET /a HTTP/1.0\r\nHost: www\r\nAccept-Encoding: gzip\r\n\r\n");
        let answer = client.answer(false).unwrap();
        assert_eq!((answer.header("content-encoding"), answer.body.len()), ("", 100_000));
    }
    assert_eq!(accepts(&edge, "gzip").header("content-encoding"), "gzip");
}

#[test]
fn many_clients_share_one_compression() {
    let origin = Origin::start(|_| html(page()).after(std::time::Duration::from_millis(200)));
    let edge = Arc::new(start(&origin));
    let clients: Vec<_> = (0..16)
        .map(|_| {
            let edge = edge.clone();
            std::thread::spawn(move || decoded(&accepts(&edge, "zstd")) == page())
        })
        .collect();
    assert!(clients.into_iter().all(|client| client.join().unwrap()));
    assert_eq!((origin.seen().len(), edge.metric("edgeward_cache_compressions_total")), (1, 1.0));
}

#[test]
fn a_client_that_leaves_does_not_end_it() {
    let body: Vec<u8> = page().into_iter().cycle().take(9_000_000).collect();
    let expected = body.clone();
    let origin = Origin::start(move |_| html(body.clone()));
    let edge = start(&origin);
    let mut client = edge.connect();
    client.send("GET /a HTTP/1.1\r\nHost: www\r\nAccept-Encoding: gzip\r\n\r\n");
    // A request whose client leaves before its response has begun is given up.
    client.until("\r\n\r\n");
    drop(client);
    edge.wait_for_metric("edgeward_cache_compressions_total", 1.0);
    let hit = accepts(&edge, "gzip");
    assert_eq!(hit.header("x-cache"), "Hit from cloudfront");
    assert!(decoded(&hit) == expected);
}

#[test]
fn an_incomplete_response_is_not_stored() {
    let origin = Origin::start(|_| html(page()).cut_at(50_000));
    let edge = start(&origin);
    for n in 1..=2 {
        let mut client = edge.connect();
        client.send("GET /a HTTP/1.1\r\nHost: www\r\nAccept-Encoding: br\r\nConnection: close\r\n\r\n");
        let rest = client.rest();
        assert!(rest.contains("Miss from cloudfront") && rest.contains("content-encoding: br"), "{n}");
        assert!(!rest.ends_with("\r\n0\r\n\r\n"), "a client must see that it is not whole");
    }
    assert_eq!(edge.metric("edgeward_cache_fills_total{result=\"cut\"}"), 2.0);
    assert_eq!(edge.metric("edgeward_cache_compressions_total"), 0.0);
    assert_eq!(edge.metric("edgeward_cache_objects{tier=\"memory\"}"), 0.0);
}
