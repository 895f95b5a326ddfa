//! What CloudFront documents of a distribution, row by row, from outside: TTLs, errors, methods, headers, protocols,
//! sharing of misses, ranges, the log.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

use crate::harness::{Answer, Config, Edge, Origin, Reply, Seen, eventually};

fn config(origin: &Origin, policy: &str, behavior: impl Into<Config>) -> Config {
    Config::new().origin("o", origin.url()).table("cache_policy.p").with(policy).site("o").set("cache_policy", "p").with(behavior)
}

/// Answers as the request says: `x-status`, and every `x-say-NAME` as `NAME`; its body counts.
fn obedient() -> Origin {
    let count = AtomicU32::new(0);
    Origin::start(move |seen: &Seen| {
        let status = seen.header("x-status").parse().unwrap_or(200);
        let reply = Reply::new(status, format!("answer {}", count.fetch_add(1, SeqCst) + 1));
        SAID.iter().filter(|(said, _)| seen.has(said)).fold(reply, |reply, (said, name)| reply.header(name, seen.header(said)))
    })
}

const SAID: [(&str, &str); 6] = [
    ("x-say-cache-control", "cache-control"),
    ("x-say-expires", "expires"),
    ("x-say-set-cookie", "set-cookie"),
    ("x-say-trailer", "trailer"),
    ("x-say-etag", "etag"),
    ("x-say-content-type", "content-type"),
];

/// Lets all of these through to the origin without a place in the key.
const FORWARD: &str = "origin_request_policy = \"all\"\n[origin_request_policy.all]\nheaders = \"all\"\nquery = \"all\"\n";

/// The seconds that what is stored is good for, by what a hit says of it; None if there is no hit.
fn ttl(edge: &Edge, path: &str, headers: &str) -> Option<i64> {
    edge.get_with(path, headers);
    let hit = edge.get_with(path, headers);
    let status = hit.header("cache-status").to_owned();
    let ttl = status.strip_prefix("Edgeward; hit; ttl=")?;
    Some(ttl.split(';').next()?.trim().parse().unwrap())
}

#[test]
fn how_long_an_answer_is_good_for() {
    let origin = obedient();
    let rfc = |seconds: u64| httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(seconds));
    let expires = format!("X-Say-Expires: {}\r\n", rfc(300));
    let past = format!("X-Say-Expires: {}\r\n", httpdate::fmt_http_date(SystemTime::UNIX_EPOCH));
    let says = |value: &str| format!("X-Say-Cache-Control: {value}\r\n");
    let both = format!("{}{expires}", says("max-age=100"));
    for (policy, rows) in [
        (
            "min_ttl_s = 0\ndefault_ttl_s = 50\nmax_ttl_s = 1000",
            vec![
                (says("max-age=100"), Some(100)),
                (says("max-age=5000"), Some(1000)),
                (says("max-age=100, s-maxage=200"), Some(200)),
                (expires.clone(), Some(300)),
                (both.clone(), Some(100)),
                (past.clone(), None),
                (String::new(), Some(50)),
                (says("no-cache"), None),
                (says("no-store"), None),
                (says("private"), None),
            ],
        ),
        (
            "min_ttl_s = 150\ndefault_ttl_s = 50\nmax_ttl_s = 1000",
            vec![
                (says("max-age=100"), Some(150)),
                (says("max-age=5000"), Some(1000)),
                (says("max-age=500, s-maxage=200"), Some(200)),
                (expires.clone(), Some(300)),
                (past.clone(), Some(150)),
                (String::new(), Some(150)),
                (says("no-cache"), Some(150)),
                (says("no-store"), Some(150)),
                (says("private"), Some(150)),
            ],
        ),
        ("min_ttl_s = 0\ndefault_ttl_s = 0\nmax_ttl_s = 0", vec![(says("max-age=100"), None), (String::new(), None)]),
    ] {
        let edge = Edge::start(config(&origin, policy, FORWARD));
        for (number, (said, expected)) in rows.into_iter().enumerate() {
            let found = ttl(&edge, &format!("/{number}"), &said);
            // A second may pass, or begin, meanwhile.
            let alike = match (found, expected) {
                (Some(found), Some(expected)) => (expected - 2..=expected).contains(&found),
                (found, expected) => found == expected,
            };
            assert!(alike, "{policy} {said}: {found:?}, not {expected:?}");
        }
    }
}

#[test]
fn cache_directives_of_a_viewer_are_ignored() {
    let origin = obedient();
    let edge = Edge::start(config(&origin, "default_ttl_s = 60", ""));
    edge.get("/a");
    for said in
        ["Cache-Control: no-cache\r\n", "Cache-Control: no-store\r\n", "Cache-Control: max-age=0\r\n", "Pragma: no-cache\r\n"]
    {
        assert_eq!(edge.get_with("/a", said).header("x-cache"), "Hit from cloudfront", "{said}");
    }
}

#[test]
fn which_errors_are_kept() {
    let origin = obedient();
    let edge = Edge::start(config(&origin, "default_ttl_s = 60", FORWARD));
    let kept = |status: u16, said: &str| {
        let headers = format!("X-Status: {status}\r\n{said}");
        let path = format!("/{status}-{}", said.len());
        let first = edge.get_with(&path, &headers);
        assert_eq!((first.status, first.header("x-cache")), (status, "Error from cloudfront"));
        edge.get_with(&path, &headers).body == first.body
    };
    for status in [404, 414, 500, 501, 502, 503, 504] {
        assert!(kept(status, ""), "{status}");
    }
    for status in [400, 403, 405, 412, 415] {
        assert!(!kept(status, ""), "{status}");
        assert!(kept(status, "X-Say-Cache-Control: max-age=60\r\n"), "{status}");
    }
    for said in ["", "X-Say-Cache-Control: max-age=60\r\n"] {
        assert!(!kept(416, said), "{said}");
    }
}

#[test]
fn which_methods_are_kept_and_allowed() {
    let origin = obedient();
    let policies = format!("allowed_methods = [\"GET\", \"HEAD\", \"OPTIONS\", \"POST\"]\n{FORWARD}");
    let edge = Edge::start(config(&origin, "default_ttl_s = 60", &policies));
    let body = |method: &str| edge.request(method, "/a", "", if method == "POST" { b"x" } else { b"" }).text();
    assert_eq!((body("POST"), body("POST"), body("OPTIONS")), ("answer 1".into(), "answer 2".into(), "answer 3".into()));
    assert_eq!((body("GET"), body("GET")), ("answer 4".into(), "answer 4".into()));
    assert_eq!(edge.request("HEAD", "/a", "", b"").header("x-cache"), "Hit from cloudfront");
    assert_eq!(edge.request("DELETE", "/a", "", b"").status, 403);
    assert_eq!(edge.request("GET", "/a", "", b"a body").status, 403);
    assert_eq!(origin.seen().len(), 4);
}

#[test]
fn what_a_stored_answer_does_not_have() {
    let origin = obedient();
    let edge = Edge::start(config(&origin, "default_ttl_s = 60", FORWARD));
    let headers = "X-Say-Set-Cookie: id=1\r\nX-Say-Trailer: x-sum\r\nX-Say-Etag: \"1\"\r\nX-Say-Content-Type: text/plain\r\n";
    for answer in [edge.get_with("/a", headers), edge.get_with("/a", headers)] {
        for gone in ["set-cookie", "trailer", "upgrade", "transfer-encoding"] {
            assert_eq!(answer.header(gone), "", "{gone}: {answer:?}");
        }
        assert_eq!((answer.header("etag"), answer.header("content-type")), ("\"1\"", "text/plain"));
        assert_eq!(answer.header("via"), "1.1 TST1 (edgeward)");
        assert_eq!(answer.header("x-amz-cf-pop"), "TST1");
        assert!(answer.header("x-amz-cf-id").len() >= 20, "{answer:?}");
    }
    // With cookies in the key they belong to whoever sends the same.
    let edge = Edge::start(config(&origin, "default_ttl_s = 60\ncookies = \"all\"", FORWARD));
    edge.get_with("/a", headers);
    let hit = edge.get_with("/a", headers);
    assert_eq!((hit.header("x-cache"), hit.header("set-cookie")), ("Hit from cloudfront", "id=1"));
}

#[test]
fn what_the_origin_of_a_caching_behavior_is_not_told() {
    let origin = obedient();
    let edge = Edge::start(config(&origin, "gzip = true\nheaders = [\"accept-language\"]", ""));
    let sent = "Accept: text/html\r\nAccept-Language: de\r\nAccept-Encoding: gzip, br\r\nAuthorization: Basic eA==\r\nCookie: a=1\r\n\
                Referer: http://x/\r\nUser-Agent: curl\r\nOrigin: http://x\r\nExpect: 100-continue\r\nProxy-Authorization: Basic eA==\r\n\
                X-Forwarded-Proto: https\r\nX-Real-IP: 192.0.2.1\r\nX-HTTP-Method-Override: PUT\r\nX-Custom: 1\r\n";
    edge.get_with("/a?q=1", sent);
    let seen = origin.last();
    assert_eq!(seen.target, "/a");
    let told = [("accept-language", "de"), ("accept-encoding", "gzip"), ("user-agent", "Amazon CloudFront")];
    for (name, value) in told {
        assert_eq!(seen.header(name), value, "{name}: {seen:?}");
    }
    for gone in [
        "accept",
        "authorization",
        "cookie",
        "referer",
        "origin",
        "expect",
        "proxy-authorization",
        "x-forwarded-proto",
        "x-real-ip",
        "x-http-method-override",
        "x-custom",
    ] {
        assert!(!seen.has(gone), "{gone}: {seen:?}");
    }
}

#[test]
fn how_accept_encoding_is_normalised() {
    let origin = obedient();
    let edge = Edge::start(config(&origin, "gzip = true\nbrotli = true", ""));
    for (sent, forwarded) in [
        ("gzip, deflate, br, zstd", "br,gzip"),
        ("br;q=1.0, gzip;q=0.8", "br,gzip"),
        ("gzip", "gzip"),
        ("br", "br"),
        ("deflate", "identity"),
        ("gzip;q=0", "identity"),
        ("", "identity"),
    ] {
        let header = if sent.is_empty() { String::new() } else { format!("Accept-Encoding: {sent}\r\n") };
        let asked = origin.seen().len();
        let answer = edge.get_with("/a", &header);
        match answer.header("x-cache") {
            "Miss from cloudfront" => assert_eq!(origin.last().header("accept-encoding"), forwarded, "{sent}"),
            // An earlier row has the same key.
            hit => assert_eq!((hit, origin.seen().len()), ("Hit from cloudfront", asked), "{sent}"),
        }
    }
    assert_eq!(origin.seen().len(), 4);
}

#[test]
fn misses_of_a_behavior_that_keeps_nothing_do_not_wait_for_one_another() {
    let gate = Arc::new(Notify::new());
    let origin = {
        let gate = gate.clone();
        Origin::start(move |_| Reply::new(200, "x").held(gate.clone()))
    };
    let edge = Arc::new(Edge::start(config(&origin, "min_ttl_s = 0\ndefault_ttl_s = 0\nmax_ttl_s = 0", "")));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let edge = edge.clone();
            std::thread::spawn(move || edge.get("/a").status)
        })
        .collect();
    eventually("all have reached the origin", || origin.seen().len() == 8);
    eventually("all are answered", || {
        // Again, for those that come to the gate after the others have been told.
        gate.notify_waiters();
        clients.iter().all(std::thread::JoinHandle::is_finished)
    });
    for client in clients {
        assert_eq!(client.join().unwrap(), 200);
    }
}

#[test]
fn ranges_of_what_is_stored() {
    let origin = Origin::start(|_| Reply::new(200, "0123456789").header("cache-control", "max-age=60").header("etag", "\"v\""));
    let edge = Edge::start(config(&origin, "", ""));
    // Of what is not stored yet: the whole is fetched, and the part is sent.
    let part = |range: &str, more: &str| edge.get_with("/a", &format!("Range: bytes={range}\r\n{more}"));
    let content = |answer: &Answer| (answer.status, answer.text(), answer.header("content-range").to_owned());
    assert_eq!(content(&part("2-4", "")), (206, "234".into(), "bytes 2-4/10".into()));
    assert!(!origin.last().has("range"));
    for (range, more, expected) in [
        ("0-0", "", (206, "0", "bytes 0-0/10")),
        ("5-", "", (206, "56789", "bytes 5-9/10")),
        ("-3", "", (206, "789", "bytes 7-9/10")),
        ("8-100", "", (206, "89", "bytes 8-9/10")),
        ("10-", "", (416, "", "bytes */10")),
        // Malformed, descending and overlapping ones are not heard.
        ("4-2", "", (200, "0123456789", "")),
        ("a-b", "", (200, "0123456789", "")),
        ("5-8,0-6", "", (200, "0123456789", "")),
        ("0-4,3-6", "", (200, "0123456789", "")),
        ("2-4", "If-Range: \"v\"\r\n", (206, "234", "bytes 2-4/10")),
        ("2-4", "If-Range: \"old\"\r\n", (200, "0123456789", "")),
    ] {
        let (status, text, content_range) = expected;
        assert_eq!(content(&part(range, more)), (status, text.to_owned(), content_range.to_owned()), "{range} {more}");
    }
    assert_eq!(origin.seen().len(), 1);
}

#[test]
fn which_protocol_a_viewer_must_speak() {
    let origin = obedient();
    let more = Config::new().set("viewer_protocol", "redirect-to-https").behavior("/only/*").set("viewer_protocol", "https-only");
    let edge = Edge::start(config(&origin, "", more));
    let redirect = edge.get("/a/b?c=d");
    assert_eq!((redirect.status, redirect.header("x-cache")), (301, "Redirect from cloudfront"));
    assert_eq!(redirect.header("location"), "https://www.example.com/a/b?c=d");
    // What must not be repeated as a GET keeps its method.
    assert_eq!(edge.request("POST", "/a", "", b"x").status, 307);
    let mut old = std::net::TcpStream::connect(edge.http()).unwrap();
    old.write_all(b"POST /a HTTP/1.0\r\nHost: a\r\nContent-Length: 1\r\n\r\nx").unwrap();
    let mut answer = String::new();
    old.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 403 "), "{answer}");
    assert_eq!(edge.get("/only/a").status, 403);
    assert!(origin.seen().is_empty());
}

#[test]
fn the_log_has_cloudfronts_fields() {
    let origin = Origin::start(|_| {
        Reply::new(200, "0123456789").header("cache-control", "max-age=60").header("content-type", "text/plain")
    });
    let edge = Edge::start(config(&origin, "", ""));
    let headers = "Referer: http://r/\r\nUser-Agent: agent\r\nCookie: a=1\r\nX-Forwarded-For: 192.0.2.1\r\n";
    let id = edge.get_with("/a%20b?q=1", headers).header("x-amz-cf-id").to_owned();
    edge.get_with("/a%20b", "Range: bytes=2-4\r\n");
    eventually("both are logged", || edge.access_log().len() == 2);
    let log = edge.access_log();
    for (field, value) in [
        ("x-edge-location", "TST1"),
        ("c-ip", "127.0.0.1"),
        ("cs-method", "GET"),
        ("cs-uri-stem", "/a%20b"),
        ("cs-uri-query", "q=1"),
        ("cs(Referer)", "http://r/"),
        ("cs(User-Agent)", "agent"),
        ("x-edge-result-type", "Miss"),
        ("x-edge-response-result-type", "Miss"),
        ("x-edge-detailed-result-type", "Miss"),
        ("x-edge-request-id", &id),
        ("x-host-header", "www.example.com"),
        ("cs-protocol", "http"),
        ("cs-protocol-version", "HTTP/1.1"),
        ("x-forwarded-for", "192.0.2.1"),
        ("sc-content-type", "text/plain"),
    ] {
        assert_eq!(log[0][field], value, "{field}: {}", log[0]);
    }
    assert_eq!((&log[0]["sc-status"], &log[0]["sc-bytes"], &log[0]["sc-content-len"]), (&200.into(), &10.into(), &10.into()));
    assert!(log[0]["time-taken"].as_f64() >= log[0]["time-to-first-byte"].as_f64(), "{}", log[0]);
    assert_eq!((&log[1]["x-edge-result-type"], &log[1]["sc-status"]), (&"Hit".into(), &206.into()));
    assert_eq!((&log[1]["sc-range-start"], &log[1]["sc-range-end"]), (&2.into(), &4.into()));
}

#[test]
fn a_byte_that_is_no_ascii_hides_nothing_in_the_log() {
    let origin = Origin::echo();
    let edge = Edge::start(Config::new().origin("o", origin.url()).site("o"));
    let mut client = edge.connect();
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: caf\xe9 2.0\r\nReferer: http://r/\xff\r\n\r\n");
    assert_eq!(client.answer(false).unwrap().status, 200);
    eventually("it is logged", || edge.access_log().len() == 1);
    let line = edge.access_log().remove(0);
    assert_eq!((&line["cs(User-Agent)"], &line["cs(Referer)"]), (&"caf%E9 2.0".into(), &"http://r/%FF".into()), "{line}");
}
