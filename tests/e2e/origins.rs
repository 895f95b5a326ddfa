//! Origins of each kind, and what happens when they fail.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use crate::harness::{Config, Edge, Origin, Reply, closed_port, component};

#[test]
fn bodies_stream_both_ways_unchanged() {
    let origin = Origin::start(|seen| Reply::new(200, seen.body.clone()));
    let edge = Edge::start(Config::new().origin("o", origin.url()).site("o"));
    let body: Vec<u8> = (0..3_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let answer = edge.request("POST", "/upload", "", &body);
    assert_eq!(answer.status, 200);
    assert!(answer.body == body, "{} of {} bytes", answer.body.len(), body.len());
    let mut chunked = edge.connect();
    chunked
        .send("POST /upload HTTP/1.1\r\nHost: www\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
    assert_eq!(chunked.answer(false).unwrap().text(), "hello world");
}

#[test]
fn connections_to_an_origin_are_reused() {
    let origin = Origin::echo();
    let edge = Edge::start(Config::new().origin("o", origin.url()).site("o"));
    let mut client = edge.connect();
    for _ in 0..20 {
        assert_eq!(client.request("GET", "/", "www", "", b"").status, 200);
    }
    assert_eq!(edge.metric("edgeward_edge_origin_connections_total{kind=\"new\""), 1.0);
}

/// A copy is kept of requests that may be sent twice; it must never be taken for that of another request.
#[test]
fn a_failed_request_never_gets_an_earlier_response() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            // Keeps the connection, but for a POST, of which it closes it without a word.
            while let Some(line) = head(&mut stream) {
                let is_post = line.starts_with("POST");
                log.lock().unwrap().push(line);
                if is_post {
                    break;
                }
                stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
            }
        }
    });
    let edge = Edge::start(Config::new().origin("o", url).site("o"));
    let mut client = edge.connect();
    assert_eq!(client.request("GET", "/1", "www", "", b"").text(), "ok");
    assert_eq!(client.request("GET", "/2", "www", "Cookie: user=alice\r\n", b"").text(), "ok");
    let broken = client.request("POST", "/3", "www", "Cookie: user=bob\r\n", b"");
    assert_eq!(broken.status, 502, "{broken:?}");
    assert_eq!(*seen.lock().unwrap(), ["GET /1 HTTP/1.1", "GET /2 HTTP/1.1", "POST /3 HTTP/1.1"]);
}

/// Reads a request's head; its first line.
fn head(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut first = String::new();
    stream.read_line(&mut first).ok().filter(|&bytes| bytes > 0)?;
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        stream.read_line(&mut line).ok().filter(|&bytes| bytes > 0)?;
    }
    Some(first.trim_end().to_owned())
}

#[test]
fn an_unreachable_origin_is_502_and_a_silent_one_504() {
    let slow = Origin::start(|_| Reply::new(200, "late").after(Duration::from_secs(20)));
    let origins = Config::new()
        .origin("away", format!("http://127.0.0.1:{}", closed_port()))
        .set("connect_attempts", 2)
        .origin("slow", slow.url())
        .set("read_timeout_s", 1);
    let edge = Edge::start(origins.site("away").behavior("/slow").set("origin", "slow"));
    let away = edge.get("/");
    assert_eq!((away.status, away.header("x-cache")), (502, "Error from cloudfront"));
    assert!(away.text().contains("origin-unreachable"), "{away:?}");
    let late = edge.get("/slow");
    assert_eq!((late.status, late.header("x-cache")), (504, "Error from cloudfront"));
}

#[test]
fn a_group_fails_over_for_reads_only() {
    let primary = Origin::start(|seen| Reply::new(if seen.target == "/missing" { 404 } else { 500 }, "primary"));
    let secondary = Origin::start(|_| Reply::new(200, "secondary"));
    let origins = Config::new()
        .origin("one", primary.url())
        .origin("two", secondary.url())
        .table("origin_group.both")
        .set("primary", "one")
        .set("secondary", "two")
        .set("status", [500, 502]);
    let edge = Edge::start(origins.site("both"));
    assert_eq!(edge.get("/").text(), "secondary");
    assert_eq!(edge.get("/missing").text(), "primary");
    assert_eq!(edge.request("POST", "/", "", b"x").text(), "primary");
    assert_eq!(secondary.seen().len(), 1);
}

#[test]
fn a_group_fails_over_when_the_primary_is_away() {
    let secondary = Origin::echo();
    let origins = Config::new()
        .origin("one", format!("http://127.0.0.1:{}", closed_port()))
        .set("connect_attempts", 1)
        .origin("two", secondary.url())
        .table("origin_group.both")
        .set("primary", "one")
        .set("secondary", "two")
        .set("status", [500]);
    let edge = Edge::start(origins.site("both"));
    assert_eq!(edge.get("/x").text(), "GET /x\n");
}

#[test]
fn a_folder_serves_its_files_and_nothing_above_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("www/docs")).unwrap();
    std::fs::write(folder.path().join("www/index.html"), "home").unwrap();
    std::fs::write(folder.path().join("www/docs/index.html"), "docs").unwrap();
    std::fs::write(folder.path().join("www/a b.css"), "css").unwrap();
    std::fs::write(folder.path().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink("../secret", folder.path().join("www/link")).unwrap();
    let edge = Edge::start_in(folder, Config::new().folder("www", "www").site("www"));
    assert_eq!(edge.get("/").text(), "home");
    assert_eq!(edge.get("/docs/").text(), "docs");
    let css = edge.get("/a%20b.css");
    assert!(css.text() == "css" && css.header("content-type").starts_with("text/css"), "{css:?}");
    for above in ["/../secret", "/docs/../../secret", "/%2e%2e/secret", "/..%2fsecret", "/docs/%2e%2e/%2e%2e/secret", "/link"] {
        let answer = edge.get(above);
        assert!(answer.status >= 400 && !answer.text().contains("secret"), "{above}: {answer:?}");
    }
    assert!(matches!(edge.get("/missing").status, 403 | 404));
    let head = edge.request("HEAD", "/", "", b"");
    assert_eq!((head.status, head.header("content-length")), (200, "4"));
}

#[test]
fn a_fixed_response_needs_no_origin() {
    let fixed = json!({ "status": 410, "headers": { "content-type": "text/plain" }, "body": "gone\n" });
    let edge = Edge::start(Config::new().table("origin.gone").set("fixed", fixed).site("gone"));
    let answer = edge.get("/anything");
    assert_eq!((answer.status, answer.text().as_str(), answer.header("content-type")), (410, "gone\n", "text/plain"));
}

#[test]
fn sites_are_told_by_host_and_behaviors_by_path() {
    let fixed = Config::new().fixed("a", "a").fixed("b", "b").fixed("c", "c");
    let www = fixed.site_named("www", "www.example.com", "a").set("allowed_methods", ["GET", "HEAD"]);
    let edge = Edge::start(www.behavior("/img/*.png").set("origin", "b").site_named("rest", "*.example.com", "c"));
    let body = |host: &str, target: &str| crate::harness::get(edge.http(), host, target, "").text();
    assert_eq!(body("www.example.com", "/img/x/y.png"), "b");
    assert_eq!(body("WWW.EXAMPLE.COM:8080", "/img/y.jpg"), "a");
    assert_eq!(body("other.example.com", "/"), "c");
    assert_eq!(crate::harness::get(edge.http(), "unknown.test", "/", "").status, 403);
    assert_eq!(edge.request("DELETE", "/", "", b"").status, 403);
}

#[test]
fn services_of_wasi_http_run_unchanged_as_origins() {
    for service in ["service-p2", "service-p3"] {
        let function = Config::new().function("service", component(service)).service("app", "service");
        let edge = Edge::start(function.site("app"));
        assert_eq!(edge.get("/page").body.len(), 1024, "{service}");
        let body = vec![b'x'; 100_000];
        let echo = edge.request("POST", "/echo?a=b", "X-One: 1\r\n", &body);
        assert_eq!((echo.status, echo.header("x-method"), echo.header("x-path")), (200, "POST", "/echo?a=b"), "{service}");
        assert!(echo.body == body && echo.header("x-echo-x-one") == "1", "{service}");
        let trap = edge.get("/trap");
        assert_eq!((trap.status, trap.header("x-cache")), (503, "LambdaExecutionError from cloudfront"), "{service}");
        assert!(trap.text().contains("category: trap"), "{service}: {trap:?}");
        assert_eq!(edge.get("/page").status, 200, "{service}: after a trap");
    }
}

#[test]
fn a_service_that_refuses_a_request_serves_the_next_one() {
    for service in ["service-p2", "service-p3"] {
        let function = Config::new().function("service", component(service)).set("policy", json!({ "reuse": {} }));
        let edge = Edge::start(function.service("app", "service").site("app").server("workers", 1));
        let refused = edge.get("/refuse");
        assert_eq!((refused.status, refused.header("x-cache")), (503, "LambdaExecutionError from cloudfront"), "{service}");
        assert!(refused.text().contains("category: guest-error"), "{service}: {refused:?}");
        // Its guest may have gone on for a moment.
        edge.wait_for_metric("edgeward_function_calls_total{function=\"service\",result=\"guest-error\"}", 1.0);
        assert_eq!(edge.get("/page").status, 200, "{service}");
        assert_eq!(edge.metric("edgeward_function_instances_total{event=\"reused\",function=\"service\""), 1.0, "{service}");
    }
}

#[test]
fn a_component_over_its_limit_is_told_as_a_hook_over_its_limit() {
    for service in ["service-p2", "service-p3"] {
        let function =
            Config::new().function("service", component(service)).set("limits", json!({ "cpu_us": 1 })).service("app", "service");
        let edge = Edge::start(function.site("app"));
        // It looks for a `?` in the target before it answers.
        let over = edge.get(&format!("/{}", "x".repeat(8_000)));
        assert_eq!((over.status, over.header("x-cache")), (503, "LambdaLimitExceeded from cloudfront"), "{service}: {over:?}");
        assert!(over.text().contains("category: limit"), "{service}: {over:?}");
    }
}

#[test]
fn a_folder_sends_a_part_of_a_file_when_it_is_asked_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let large: Vec<u8> = (0..300_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    std::fs::create_dir(folder.path().join("www")).unwrap();
    std::fs::write(folder.path().join("www/large"), &large).unwrap();
    let edge = Edge::start_in(folder, Config::new().folder("www", "www").site("www"));
    let whole = edge.get("/large");
    assert_eq!((whole.status, whole.header("accept-ranges")), (200, "bytes"));
    assert!(whole.body == large);
    let tag = whole.header("etag").to_owned();

    for (range, first, last) in [("0-0", 0, 0), ("10-99999", 10, 99_999), ("299990-", 299_990, 299_999), ("-5", 299_995, 299_999)]
    {
        let part = edge.get_with("/large", &format!("Range: bytes={range}\r\nIf-Range: {tag}\r\n"));
        assert_eq!(part.status, 206, "{range}");
        assert_eq!(part.header("content-range"), format!("bytes {first}-{last}/300000"));
        assert_eq!(part.header("content-length"), (last - first + 1).to_string());
        assert!(part.body == large[first..=last], "{range}: {} bytes", part.body.len());
    }
    let beyond = edge.get_with("/large", "Range: bytes=300000-\r\n");
    assert_eq!((beyond.status, beyond.header("content-range")), (416, "bytes */300000"));
    let stale = edge.get_with("/large", "Range: bytes=0-0\r\nIf-Range: \"other\"\r\n");
    assert_eq!((stale.status, stale.body.len()), (200, large.len()));
    let same = edge.get_with("/large", &format!("If-None-Match: {tag}\r\nRange: bytes=0-0\r\n"));
    assert_eq!((same.status, same.header("etag")), (304, tag.as_str()));
    assert_eq!(edge.get_with("/large", "If-Match: \"other\"\r\n").status, 412);
    assert_eq!(edge.get_with("/large", "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n").status, 412);
    let head = edge.request("HEAD", "/large", "Range: bytes=0-0\r\n", b"");
    assert_eq!((head.status, head.header("content-length")), (200, "300000"), "a range is for GET");
}

#[test]
fn a_component_streams_its_answer_while_it_makes_it() {
    for service in ["service-p2", "service-p3"] {
        let function = Config::new().function("service", component(service)).service("app", "service");
        let edge = Edge::start(function.site("app"));
        let mut client = edge.connect();
        client.send("GET /trap-in-body HTTP/1.1\r\nHost: www\r\nConnection: close\r\n\r\n");
        // Where the panic comes before the head is out there may be an answer or none; after it the body must
        // end torn, not as if it were whole.
        let rest = client.rest();
        let refused = rest.starts_with("HTTP/1.1 503") && rest.contains("category: trap");
        let torn = rest.starts_with("HTTP/1.1 200") && !rest.ends_with("0\r\n\r\n");
        assert!(refused || torn || rest.is_empty(), "{service}: {rest:?}");
        assert_eq!(edge.get("/slow?3").text().lines().count(), 3, "{service}");
    }
}
