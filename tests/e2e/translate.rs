//! HTTP's versions are translated once, at the door: what stands behind it sees one shape of a request and of an answer.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::harness::{Answer, Config, Edge, Origin, Says, Script, get};
use crate::protocol::{connect_by, issue};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn site(url: &str) -> Config {
    Config::new().origin("o", url).set("read_timeout_s", 5).site("o")
}

fn cached(url: &str) -> Config {
    site(url).set("cache_policy", "p").table("cache_policy.p").set("mode", "standards")
}

/// Says this over a connection of its own, and reads all that comes until the edge closes it.
fn said(edge: &Edge, bytes: &str) -> String {
    let mut client = edge.connect();
    client.send(bytes);
    client.rest()
}

async fn http2_to(edge: &Edge) -> http2::SendRequest<http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>> {
    let stream = tokio::net::TcpStream::connect(edge.http()).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn nothing() -> http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error> {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

#[tokio::test]
async fn cookies_of_several_lines_reach_the_origin_as_one() {
    let origin = Origin::echo();
    let edge = Edge::start(site(&origin.url()));
    let mut sender = http2_to(&edge).await;
    let request = http::Request::get("http://www.example.com/").header("cookie", "a=1").header("cookie", "b=2");
    assert_eq!(sender.send_request(request.body(nothing()).unwrap()).await.unwrap().status(), 200);
    let cookies = |seen: &crate::harness::Seen| {
        seen.headers.iter().filter(|(name, _)| name == "cookie").map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    assert_eq!(cookies(&origin.last()), ["a=1; b=2"]);
    edge.get_with("/", "Cookie: c=3\r\nCookie: d=4; e=5\r\n");
    assert_eq!(cookies(&origin.last()), ["c=3; d=4; e=5"]);
}

#[test]
fn interim_responses_are_forwarded_and_leave_the_response_intact() {
    let hint = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n";
    let answer = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\nbody";
    let origin = Script::saying(&format!("{hint}HTTP/1.1 100 Continue\r\n\r\n{hint}{answer}"));
    let edge = Edge::start(cached(&origin.url));
    let mut client = edge.connect();
    for target in ["/a", "/b"] {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: www\r\n\r\n"));
        for _ in 0..2 {
            let hint = interim(&mut client);
            assert_eq!((hint.status, hint.header("link"), hint.header("x-hop")), (103, "</a.css>; rel=preload", ""), "{hint:?}");
        }
        let answer = client.answer(false).unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "body"));
    }
    // It is not stored, and HTTP/1.0 does not know of it.
    client.send("GET /a HTTP/1.1\r\nHost: www\r\n\r\n");
    let hit = client.answer(false).unwrap();
    assert_eq!((hit.status, hit.header("x-cache")), (200, "Hit from cloudfront"));
    let old = said(&edge, "GET /c HTTP/1.0\r\nHost: www\r\n\r\n");
    assert!(old.starts_with("HTTP/1.0 200 OK\r\n") || old.starts_with("HTTP/1.1 200 OK\r\n"), "{old}");
    // Of two requests at once, each has its own.
    client.send("GET /d HTTP/1.1\r\nHost: www\r\n\r\nGET /e HTTP/1.1\r\nHost: www\r\nConnection: close\r\n\r\n");
    let rest = client.rest();
    let statuses: Vec<&str> = rest.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["103", "103", "200", "103", "103", "200"], "{rest}");
}

/// An answer 1xx has no body, whatever it says.
fn interim(client: &mut crate::harness::Client) -> Answer {
    client.answer(true).expect("an answer 1xx")
}

#[test]
fn endless_interim_responses_are_ended() {
    let origin = Script::start(|request, _| match request.starts_with("GET /good ") {
        true => Says::Answer(OK.into()),
        false => Says::Endless(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n".to_vec()),
    });
    let edge = Edge::start(site(&origin.url));
    let mut client = edge.connect();
    client.send("GET /bad HTTP/1.1\r\nHost: www\r\n\r\n");
    let (mut hints, mut answer) = (0, interim(&mut client));
    while answer.status == 103 {
        hints += 1;
        answer = client.answer(true).unwrap();
    }
    assert_eq!((answer.status, hints <= 32), (502, true), "{hints}");
    assert_eq!(edge.get("/good").status, 200);
}

#[tokio::test]
async fn over_http2_the_response_comes_without_interim_responses() {
    let origin = Script::saying(&format!("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n{OK}"));
    let edge = Edge::start(site(&origin.url));
    let request = http::Request::get("http://www.example.com/").body(nothing()).unwrap();
    let answer = http2_to(&edge).await.send_request(request).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.collect().await.unwrap().to_bytes()), (200, "ok".into()));
}

#[test]
fn a_client_that_expects_to_be_told_to_continue_is_told() {
    let origin = Origin::start(|seen| crate::harness::Reply::new(200, seen.body.clone()));
    let edge = Edge::start(site(&origin.url()));
    let mut client = edge.connect();
    client.send("POST / HTTP/1.1\r\nHost: www\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(interim(&mut client).status, 100);
    client.send("hello");
    assert_eq!(client.answer(false).unwrap().text(), "hello");
    assert!(!origin.last().has("expect"));
}

#[test]
fn an_unsupported_transfer_coding_is_a_broken_response_and_not_stored() {
    for coding in [
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked, chunked",
    ] {
        let bad = format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n{coding}\r\nConnection: close\r\n\r\n3\r\n\x1f\x08x\r\n0\r\n\r\n"
        );
        let origin = Script::start({
            let asked = std::sync::atomic::AtomicUsize::new(0);
            move |_, _| match asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
                0 => Says::Answer(bad.clone().into_bytes()),
                _ => Says::Answer(OK.into()),
            }
        });
        let edge = Edge::start(cached(&origin.url).set("error_ttl_s", 0));
        let answer = edge.get("/");
        assert_eq!(answer.status, 502, "{coding} {answer:?}");
        assert_eq!(edge.get("/").text(), "ok", "{coding}");
    }
    let origin = Script::saying("HTTP/1.1 200 OK\r\nTransfer-Encoding:  Chunked \r\n\r\n2\r\nok\r\n0\r\n\r\n");
    assert_eq!(Edge::start(site(&origin.url)).get("/").text(), "ok");
}

#[test]
fn an_origin_may_be_of_a_newer_version_and_leave_space_before_a_colon() {
    let origin = Script::saying("HTTP/1.2 200 OK\r\nX-Spaced : yes\r\nContent-Length\t: 2\r\n\r\nok");
    let answer = Edge::start(site(&origin.url)).get("/");
    assert_eq!((answer.text().as_str(), answer.header("x-spaced")), ("ok", "yes"));
}

#[test]
fn a_client_is_answered_in_the_edges_version_and_not_in_the_origins() {
    let origin = Script::saying("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let edge = Edge::start(site(&origin.url));
    let mut stream = std::net::TcpStream::connect(edge.http()).unwrap();
    let mut first_line = |request: &str| {
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"ok") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("the connection is kept");
            answer.push(byte[0]);
        }
        String::from_utf8_lossy(&answer).lines().next().unwrap().to_owned()
    };
    for _ in 0..2 {
        assert_eq!(first_line("GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n"), "HTTP/1.1 200 OK");
    }
    assert_eq!(first_line("GET / HTTP/1.0\r\nHost: www.example.com\r\n\r\n"), "HTTP/1.0 200 OK");
}

#[test]
fn a_request_has_one_target_and_one_host() {
    let origin = Script::saying(OK);
    let edge = Edge::start(Config::new().origin("o", &origin.url).set("forward_host", true).site("o"));
    let told = |request: &str| {
        let mut client = edge.connect();
        client.send(request);
        client.answer(false).expect("an answer").status
    };
    let asked = |request: &str| {
        assert_eq!(told(request), 200, "{request:?}");
        let head = origin.last();
        let host = head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default().to_owned();
        (head.lines().next().unwrap().to_owned(), host)
    };
    for (request, line, host) in [
        ("GET /a HTTP/1.1\r\nHost: example.com:\r\n\r\n", "GET /a HTTP/1.1", "example.com"),
        ("GET /a HTTP/1.1\r\nHost: example.com.\r\n\r\n", "GET /a HTTP/1.1", "example.com"),
        ("GET /a HTTP/1.1\r\nHost: example.com.:81\r\n\r\n", "GET /a HTTP/1.1", "example.com:81"),
        ("GET http://one.example/a HTTP/1.1\r\nHost: two.example\r\n\r\n", "GET /a HTTP/1.1", "one.example"),
        ("GET http://one.example?q HTTP/1.1\r\nHost: two.example\r\n\r\n", "GET /?q HTTP/1.1", "one.example"),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1", "a"),
        ("OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS / HTTP/1.1", "a"),
        ("OPTIONS http://one.example HTTP/1.1\r\nHost: two.example\r\n\r\n", "OPTIONS * HTTP/1.1", "one.example"),
        ("OPTIONS HTTP://one.example:81 HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1", "one.example:81"),
        ("OPTIONS http://one.example/ HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS / HTTP/1.1", "one.example"),
        ("OPTIONS http://one.example?q HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS /?q HTTP/1.1", "one.example"),
        ("GET /a HTTP/1.2\r\nHost: a\r\n\r\n", "GET /a HTTP/1.1", "a"),
        ("GET /a HTTP/1.9\r\nHost: a\r\n\r\n", "GET /a HTTP/1.1", "a"),
        ("GET /a HTTP/1.0\r\nHost: a\r\n\r\n", "GET /a HTTP/1.1", "a"),
    ] {
        assert_eq!(asked(request), (line.to_owned(), host.to_owned()), "{request:?}");
    }
    // Who serves all hosts serves those that do not know of hosts; the origin knows its own.
    let (_, host) = asked("GET /a HTTP/1.0\r\n\r\n");
    assert_eq!(format!("http://{host}"), origin.url);
    let before = origin.asked().len();
    for request in [
        "GET ftp://example.com/a HTTP/1.1\r\nHost: example.com\r\n\r\n",
        "GET file:///etc/passwd HTTP/1.1\r\nHost: example.com\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: .\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS ftp://example.com HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost:\r\n\r\n",
        "GET /a HTTP/1.1\r\n\r\n",
        "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
    ] {
        assert_eq!(told(request), 400, "{request:?}");
    }
    assert_eq!(origin.asked().len(), before);
}

#[test]
fn a_newer_version_may_come_byte_by_byte() {
    let origin = Script::saying(OK);
    let edge = Edge::start(site(&origin.url));
    let mut client = edge.connect();
    for byte in b"GET /a HTTP/1.2\r\nHost: a\r\n\r\n" {
        client.send([*byte]);
    }
    assert_eq!(client.answer(false).unwrap().status, 200);
}

#[test]
fn a_request_that_is_expected_to_have_a_body_says_that_it_has_none() {
    let origin = Script::saying(OK);
    let edge = Edge::start(site(&origin.url));
    for (method, says) in [("POST", true), ("PUT", true), ("PATCH", true), ("GET", false), ("DELETE", false), ("OPTIONS", false)]
    {
        assert_eq!(edge.request(method, "/", "", b"").status, 200);
        let head = origin.last();
        assert_eq!(head.contains("content-length: 0\r\n"), says, "{head}");
        assert!(!head.contains("transfer-encoding"), "{head}");
    }
}

#[test]
fn a_good_request_is_answered_though_a_bad_one_follows_it() {
    let origin = Script::saying(OK);
    let edge = Edge::start(site(&origin.url));
    let good = "GET /good HTTP/1.1\r\nHost: a\r\n\r\n";
    let upload = "POST /good HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    for bad in [
        "GET /bad HTTP/1.1\r\n\r\n",
        "GET /bad HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /bad HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
        "POST /bad HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /b a d HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        for before in [good.to_owned(), format!("{good}{good}"), upload.to_owned()] {
            let asked = origin.asked().len();
            let answers = said(&edge, &format!("{before}{bad}GET /never HTTP/1.1\r\nHost: a\r\n\r\n"));
            let n = before.matches("HTTP/1.1").count();
            let statuses: Vec<&str> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
            assert_eq!(statuses, [&vec!["200"; n][..], &["400"]].concat(), "{before:?} {bad:?}: {answers:?}");
            assert_eq!(origin.asked().len() - asked, n, "{before:?} {bad:?}");
        }
    }
    assert!(!origin.asked().iter().any(|head| head.contains("/bad") || head.contains("/never")), "{:?}", origin.asked());
}

const TRAILING: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Set-Cookie, X-Late\r\n\r\n\
                        2\r\nok\r\n0\r\nX-Sum: 1\r\nSet-Cookie: a=b\r\nX-Late: 2\r\n\r\n";

#[test]
fn what_follows_the_body_of_an_answer_reaches_a_client_that_takes_it() {
    let origin = Script::saying(TRAILING);
    let edge = Edge::start(site(&origin.url));
    let takes = said(&edge, "GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE, close\r\n\r\n");
    assert!(takes.ends_with("0\r\nx-sum: 1\r\nx-late: 2\r\n\r\n"), "{takes}");
    assert!(origin.last().contains("\r\nte: trailers\r\n"), "{}", origin.last());
    let does_not = said(&edge, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(does_not.ends_with("2\r\nok\r\n0\r\n\r\n") && !does_not.contains("trailer:"), "{does_not}");
    assert!(!origin.last().contains("\r\nte: "), "{}", origin.last());
    // Nobody has what follows a body that is stored.
    let edge = Edge::start(cached(&origin.url));
    let stored = said(&edge, "GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE, close\r\n\r\n");
    assert!(stored.contains("ok") && !stored.to_ascii_lowercase().contains("x-sum"), "{stored}");
}

#[tokio::test]
async fn what_follows_a_body_passes_between_http2_and_http1() {
    let origin = Script::saying(TRAILING);
    let edge = Edge::start(site(&origin.url));
    let mut sender = http2_to(&edge).await;
    let answer = sender.send_request(http::Request::get("http://a/").body(nothing()).unwrap()).await.unwrap();
    let body = answer.into_body().collect().await.unwrap();
    let trailers = body.trailers().expect("trailers").clone();
    assert_eq!((&trailers["x-sum"], trailers.contains_key("set-cookie")), (&"1".parse().unwrap(), false));
    assert_eq!(body.to_bytes(), "ok");

    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-sum", "7".parse().unwrap());
    trailers.insert("authorization", "x".parse().unwrap());
    trailers.insert("x-unannounced", "x".parse().unwrap());
    let frames = [Ok(Frame::data(Bytes::from("hello"))), Ok(Frame::trailers(trailers))];
    let body = StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync();
    let request = http::Request::post("http://a/").header("trailer", "x-sum, authorization").body(body).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
    let asked = origin.last();
    assert!(asked.ends_with("\r\nhello\r\n0\r\nx-sum: 7\r\n\r\n"), "{asked}");
}

#[test]
fn what_follows_the_body_of_a_request_reaches_the_origin() {
    let origin = Script::saying(OK);
    let edge = Edge::start(site(&origin.url));
    let answer = said(
        &edge,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Host\r\nConnection: close\r\n\r\n\
         2\r\nok\r\n0\r\nX-Sum: 1\r\nHost: evil\r\nX-Other: 1\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(origin.last().ends_with("2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n"), "{}", origin.last());
}

#[tokio::test]
async fn a_request_for_another_site_than_its_connection_was_made_for_is_misdirected() {
    let origin = Origin::echo();
    let folder = tempfile::tempdir().unwrap();
    let mut roots = rustls::RootCertStore::empty();
    issue(folder.path(), "one", &["one.example", "also.example", "*.wild.example", "private.example"], &mut roots);
    issue(folder.path(), "two", &["two.example"], &mut roots);
    std::fs::write(folder.path().join("key.pem"), include_bytes!("signed/rsa.pem")).unwrap();
    let certificates = Config::new().https("one.pem", "one.key").certificate("two.pem", "two.key");
    let keys = certificates.table("public_key.k").set("file", "key.pem").table("key_group.g").set("keys", ["k"]);
    let private = keys.origin("o", origin.url()).site_named("private", "private.example", "o");
    let config = private.set("trusted_key_groups", ["g"]).site_named("also", "also.example", "o").site("o");
    let edge = Edge::start_in(folder, config);
    let stream = connect_by(&edge, "one.example", &roots, b"h2").await;
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for (host, status) in [
        ("one.example", 200),
        ("ONE.example:443", 200),
        ("also.example", 200),
        ("a.wild.example", 200),
        ("a.b.wild.example", 421),
        ("two.example", 421),
        ("unknown.example", 421),
        ("private.example", 421),
    ] {
        let request = http::Request::get(format!("https://{host}/")).body(Empty::<Bytes>::new()).unwrap();
        assert_eq!(sender.send_request(request).await.unwrap().status().as_u16(), status, "{host}");
    }
    // Over a connection of its own it is served.
    let stream = connect_by(&edge, "two.example", &roots, b"h2").await;
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("https://two.example/").body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
    // In the clear nobody was promised anything.
    assert_eq!(get(edge.http(), "two.example", "/", "").status, 200);
}

#[test]
fn methods_beyond_cloudfronts_pass_where_they_are_allowed() {
    let origin = Script::start(|request, _| {
        let body = request.split(' ').next().unwrap().to_owned();
        Says::Answer(
            format!("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into(),
        )
    });
    let edge = Edge::start(
        site(&origin.url)
            .set("allowed_methods", ["GET", "PROPFIND", "M-SEARCH"])
            .behavior("/default")
            .set("allowed_methods", ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]),
    );
    for (method, target, status) in [
        ("PROPFIND", "/", 200),
        ("M-SEARCH", "/", 200),
        ("POST", "/", 403),
        ("REPORT", "/", 403),
        ("PROPFIND", "/default", 403),
        ("TRACE", "/", 403),
    ] {
        let answer = edge.request(method, target, "", b"");
        assert_eq!(answer.status, status, "{method} {target}");
        assert!(status != 200 || answer.text() == method);
    }
    // HTTP's own rules: all pass, and what is not known to be safe makes what is stored doubtful.
    let edge = Edge::start(cached(&origin.url));
    for (method, invalidates) in [("PROPFIND", false), ("REPORT", false), ("M-SEARCH", true), ("MKCOL", true), ("WHATEVER", true)]
    {
        edge.get("/x");
        assert_eq!(edge.get("/x").header("x-cache"), "Hit from cloudfront");
        assert_eq!(edge.request(method, "/x", "", b"").text(), method);
        let hit = edge.get("/x").header("x-cache") == "Hit from cloudfront";
        assert_eq!(hit, !invalidates, "{method}");
    }
    assert_eq!(edge.request("TRACE", "/x", "", b"").status, 403);
}
