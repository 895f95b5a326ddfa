//! WebSocket through the edge: real clients, real servers, and shapes that neither would send.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Config, EchoSocket, Edge, Origin, PATIENCE, Socket, component, eventually};
use crate::protocol::{connect_by, issue};

fn site(url: &str, more: impl Into<Config>) -> Config {
    Config::new().origin("o", url).site("o").with(more)
}

const OPEN: &str = "edgeward_edge_tunnels_open";

/// A handshake as a client sends it, with these header lines beside.
fn handshake(target: &str, more: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: www.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// Waits for the line of a request that has ended.
#[track_caller]
fn logged(edge: &Edge, status: u16) -> serde_json::Value {
    let mut found = None;
    eventually("the request is logged", || {
        found = edge.access_log().into_iter().find(|line| line["sc-status"] == status);
        found.is_some()
    });
    found.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_all_kinds_pass_both_ways_and_the_end_is_logged() {
    let origin = EchoSocket::start();
    let edge = Edge::start(site(&origin.url(), ""));
    let headers = [("sec-websocket-protocol", "chat"), ("cookie", "a=b"), ("x-custom", "1"), ("te", "trailers")];
    let mut socket = Socket::try_open(edge.http(), "/chat?room=1", &headers).await.unwrap();
    assert_eq!(socket.answer.status(), 101);
    let answer = |name: &str| socket.answer.headers().get(name).map_or("", |value| value.to_str().unwrap());
    assert_eq!((answer("sec-websocket-protocol"), answer("x-cache")), ("chat", "Miss from cloudfront"));
    assert_eq!((answer("upgrade"), answer("connection"), answer("content-length")), ("websocket", "Upgrade", ""));

    let asked = origin.last();
    assert_eq!(asked.target, "/chat?room=1");
    assert_eq!(
        (&asked.headers["upgrade"], &asked.headers["connection"]),
        (&"websocket".parse().unwrap(), &"Upgrade".parse().unwrap())
    );
    assert_eq!(
        (&asked.headers["cookie"], &asked.headers["x-forwarded-for"]),
        (&"a=b".parse().unwrap(), &"127.0.0.1".parse().unwrap())
    );
    assert!(asked.headers.contains_key("via") && !asked.headers.contains_key("te"), "{asked:?}");

    socket.echoes(Message::text("grüße")).await;
    socket.echoes(Message::binary(vec![0, 255, 13, 10])).await;
    socket.echoes(Message::binary(vec![7; 4 << 20])).await;
    socket.send(Message::Ping("?".into())).await;
    assert_eq!(socket.next().await, Some(Message::Pong("?".into())));
    assert_eq!(edge.metric(OPEN), 1.0);
    socket.close().await;

    edge.wait_for_metric(OPEN, 0.0);
    origin.wait_until_left();
    let line = logged(&edge, 101);
    let (sent, received) = (line["sc-bytes"].as_u64().unwrap(), line["cs-bytes"].as_u64().unwrap());
    // What a client sends is masked, which takes four bytes of each frame.
    assert!(sent > 4 << 20 && received > sent && received < sent + 64, "{line}");
    assert_eq!((&line["x-edge-detailed-result-type"], &line["cs-uri-stem"]), (&"Miss".into(), &"/chat".into()));
    assert_eq!(edge.metric("edgeward_edge_tunnel_bytes_total{to=\"viewer\"}"), sent as f64);
    assert_eq!(edge.metric("edgeward_edge_tunnel_bytes_total{to=\"origin\"}"), received as f64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_websocket_handshake_is_an_ordinary_response() {
    let origin = EchoSocket::start();
    let edge = Edge::start(site(&origin.url(), ""));
    let answer = Socket::try_open(edge.http(), "/forbidden", &[]).await.err().expect("no WebSocket");
    assert_eq!((answer.status().as_u16(), answer.body().as_deref()), (403, Some(&b"no"[..])));
    // The connection goes on in HTTP.
    let mut client = edge.connect();
    client.send(handshake("/forbidden", ""));
    client.send(handshake("/forbidden/second", ""));
    for _ in 0..2 {
        let answer = client.answer(false).unwrap();
        assert_eq!((answer.status, answer.text().as_str(), answer.header("x-origin")), (403, "no", "no"));
        assert_eq!((answer.header("upgrade"), answer.header("x-cache")), ("", "Error from cloudfront"));
    }
    edge.wait_for_metric(OPEN, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls() {
    let origin = EchoSocket::start();
    let folder = tempfile::tempdir().unwrap();
    let mut roots = rustls::RootCertStore::empty();
    issue(folder.path(), "one", &["www.example.com"], &mut roots);
    let site = site(&origin.url(), "viewer_protocol = \"https-only\"");
    let edge = Edge::start_in(folder, Config::new().https("one.pem", "one.key").with(site));
    let stream = connect_by(&edge, "www.example.com", &roots, b"http/1.1").await;
    let mut socket = Socket::over(stream, "/", &[]).await.unwrap();
    socket.echoes(Message::text("secret")).await;
    socket.echoes(Message::binary(vec![1; 1 << 20])).await;
    socket.close().await;
    assert_eq!(logged(&edge, 101)["cs-protocol"], "https");
    // What holds for requests holds for these.
    assert_eq!(Socket::try_open(edge.http(), "/", &[]).await.err().unwrap().status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_may_rewrite_or_answer_and_none_sees_the_101() {
    let origin = EchoSocket::start();
    let edge = Edge::start(
        Config::new()
            .function("f", component("edge-rules"))
            .with(site(&origin.url(), "viewer_request = \"f\"\nviewer_response = \"f\"")),
    );
    let mut socket = Socket::open(edge.http(), "/chat/").await;
    assert_eq!(origin.last().target, "/chat/index.html");
    assert!(!socket.answer.headers().contains_key("x-frame-options"), "{:?}", socket.answer);
    socket.echoes(Message::text("x")).await;
    socket.close().await;
    let answer = Socket::try_open(edge.http(), "/chat/", &[("x-block", "1")]).await.err().expect("an answer of the hook");
    assert_eq!((answer.status().as_u16(), answer.body().as_deref()), (403, Some(&b"blocked\n"[..])));
    assert_eq!(origin.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn websocket_bypasses_the_cache_of_its_behavior() {
    let origin = EchoSocket::start();
    let edge = Edge::start(site(&origin.url(), "cache_policy = \"CachingOptimized\""));
    for n in 1..=2 {
        let mut socket = Socket::try_open(edge.http(), "/", &[("origin", "https://www.example.com")]).await.unwrap();
        assert_eq!(socket.answer.headers()["cache-status"], "Edgeward; fwd=bypass");
        socket.echoes(Message::text("x")).await;
        assert_eq!(origin.last().headers["origin"], "https://www.example.com");
        assert_eq!(origin.asked().len(), n);
    }
}

#[test]
fn where_websocket_is_not_to_be_had_the_answer_is_ordinary() {
    let origin = Origin::echo();
    let edge = Edge::start(site(
        &origin.url(),
        Config::new()
            .behavior("/off")
            .set("websocket", false)
            .behavior("/fixed")
            .set("origin", "f")
            .behavior("/cached")
            .set("origin", "f")
            .cached()
            .fixed("f", "f"),
    ));
    for (target, text) in [("/off", "GET /off\n"), ("/fixed", "f"), ("/cached", "f"), ("/on", "GET /on\n")] {
        let mut client = edge.connect();
        client.send(handshake(target, ""));
        let answer = client.answer(false).unwrap();
        assert_eq!((answer.status, answer.text().as_str(), answer.header("upgrade")), (200, text, ""), "{target}");
    }
    let upgrades: Vec<_> = origin.seen().iter().map(|seen| (seen.target.clone(), seen.has("upgrade"))).collect();
    assert_eq!(upgrades, [("/off".to_owned(), false), ("/on".to_owned(), true)]);
    assert_eq!(edge.metric(OPEN), 0.0);
}

#[test]
fn ambiguous_websocket_requests_are_no_handshake() {
    let origin = Origin::echo();
    let edge = Edge::start(site(&origin.url(), ""));
    let ws = "Upgrade: websocket\r\n";
    for (head, status) in [
        // A request with a body.
        (format!("GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n{ws}Content-Length: 5\r\n\r\nhello"), 403),
        (format!("GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n{ws}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 403),
        (format!("POST /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n{ws}Content-Length: 5\r\n\r\nhello"), 200),
        (format!("GET /a HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\n{ws}\r\n"), 200),
        (format!("GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n{ws}{ws}\r\n"), 200),
        (format!("GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n{ws}Upgrade: h2c\r\n\r\n"), 200),
        ("GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\r\n".to_owned(), 200),
        (format!("GET /a HTTP/1.1\r\nHost: a\r\n{ws}\r\n"), 200),
        ("GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n".to_owned(), 200),
    ] {
        let mut client = edge.connect();
        client.send(&head);
        let answer = client.answer(false).unwrap();
        assert_eq!((answer.status, answer.header("upgrade")), (status, ""), "{head:?}");
    }
    for seen in origin.seen() {
        assert!(!seen.has("upgrade") && !seen.has("http2-settings"), "{seen:?}");
    }
}

#[test]
fn a_request_behind_a_refused_handshake_is_a_request_of_its_own() {
    let origin = Origin::echo();
    let edge = Edge::start(site(&origin.url(), Config::new().behavior("/secret").set("viewer_protocol", "https-only")));
    let mut client = edge.connect();
    client.send(format!("{}GET /secret HTTP/1.1\r\nHost: a\r\n\r\n", handshake("/first", "")));
    assert_eq!(client.answer(false).unwrap().text(), "GET /first\n");
    assert_eq!(client.answer(false).unwrap().status, 403);
    assert_eq!(origin.seen().len(), 1);
}

/// A server for one connection that says what it is told to, whatever it is asked.
fn raw(script: impl FnOnce(TcpStream) + Send + 'static) -> (String, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        script(stream);
    });
    (url, thread)
}

const AGREED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

fn raw_client(edge: &Edge) -> TcpStream {
    let stream = TcpStream::connect(edge.http()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads a head, byte by byte so that nothing behind it is lost.
fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

#[test]
fn an_unrequested_101_is_a_broken_response() {
    for (request, agreed) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), AGREED),
        (handshake("/", ""), b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"),
        (handshake("/", ""), b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        // It has not read the key (RFC 6455 section 4.1).
        (handshake("/", ""), b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
        (handshake("/", "").replace("dGhl", "dGhm"), AGREED),
    ] {
        let (url, origin) = raw(move |mut stream| {
            stream.write_all(agreed).unwrap();
            // And nothing of what the client says reaches it.
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest);
            assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest));
        });
        let edge = Edge::start(site(&url, ""));
        let mut client = edge.connect();
        client.send(&request);
        assert_eq!(client.answer(false).unwrap().status, 502, "{request:?}");
        origin.join().unwrap();
        assert_eq!(edge.metric("edgeward_edge_origin_failures_total{origin=\"o\",reason=\"switched\"}"), 1.0);
    }
}

#[test]
fn each_side_may_half_close_and_bytes_before_the_switch_are_not_lost() {
    let (url, origin) = raw(|mut stream| {
        stream.write_all(&[AGREED, b"early"].concat()).unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"GET /no HTTP/1.1\r\nHost: a\r\n\r\n\0\x01\n\nbytes");
        // The other way is still open.
        stream.write_all(b", late").unwrap();
    });
    let edge = Edge::start(site(&url, ""));
    let mut client = raw_client(&edge);
    // What is sent without waiting for the answer looks like another request, and is none.
    client.write_all(format!("{}GET /no HTTP/1.1\r\nHost: a\r\n\r\n", handshake("/", "")).as_bytes()).unwrap();
    assert!(head(&mut client).starts_with("HTTP/1.1 101 "));
    // Neither is this, and nobody takes offence.
    client.write_all(b"\0\x01\n\nbytes").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let mut rest = String::new();
    client.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "early, late");
    origin.join().unwrap();
    let line = logged(&edge, 101);
    assert_eq!((&line["sc-bytes"], &line["cs-bytes"]), (&11.into(), &38.into()));
    assert_eq!(edge.access_log().len(), 1);
}

#[test]
fn who_reads_slowly_holds_the_sender_up_and_nothing_is_kept() {
    const BYTES: usize = 64 << 20;
    let (url, origin) = raw(|mut stream| {
        stream.write_all(AGREED).unwrap();
        let block = vec![b'x'; 1 << 20];
        for _ in 0..BYTES >> 20 {
            stream.write_all(&block).unwrap();
        }
    });
    let edge = Edge::start(site(&url, ""));
    let before = edge.resident_bytes();
    let mut client = raw_client(&edge);
    client.write_all(handshake("/", "").as_bytes()).unwrap();
    head(&mut client);
    let mut block = vec![0; 64 << 10];
    let (mut total, mut most) = (0, 0);
    loop {
        let n = client.read(&mut block).unwrap();
        if n == 0 {
            break;
        }
        total += n;
        if total % 16 == 0 {
            most = most.max(edge.resident_bytes());
        }
    }
    assert_eq!(total, BYTES);
    assert!(most.saturating_sub(before) < 8 << 20, "{} bytes are kept", most - before);
    origin.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_tunnel_ends_at_its_deadline() {
    let origin = EchoSocket::start();
    let edge = Edge::start(site(&origin.url(), "websocket_idle_s = 1"));
    let start = Instant::now();
    let mut socket = Socket::open(edge.http(), "/").await;
    assert!(socket.next().await.is_none());
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    edge.wait_for_metric("edgeward_net_connections_ended_total{reason=\"quiet-tunnel\"}", 1.0);
    edge.wait_for_metric(OPEN, 0.0);
    origin.wait_until_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_lets_tunnels_go_on_until_its_deadline() {
    let origin = EchoSocket::start();
    let mut edge = Edge::start(site(&origin.url(), "").server("drain_s", 2));
    let mut socket = Socket::open(edge.http(), "/").await;
    edge.signal("TERM");
    eventually("it drains", || edge.admin("/readyz").status == 503);
    socket.echoes(Message::text("still here")).await;
    assert!(socket.next().await.is_none());
    edge.ended();
    assert!(logged(&edge, 101)["cs-bytes"].as_u64().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_tunnels_at_once() {
    let origin = EchoSocket::start();
    let edge = Edge::start(site(&origin.url(), ""));
    let mut sockets = Vec::new();
    for _ in 0..100 {
        sockets.push(Socket::open(edge.http(), "/").await);
    }
    assert_eq!(edge.metric(OPEN), 100.0);
    for (n, socket) in sockets.iter_mut().enumerate() {
        socket.send(Message::text(format!("message {n}"))).await;
    }
    for (n, socket) in sockets.iter_mut().enumerate().rev() {
        assert_eq!(socket.next().await, Some(Message::text(format!("message {n}"))));
    }
    for socket in sockets {
        socket.close().await;
    }
    edge.wait_for_metric(OPEN, 0.0);
    origin.wait_until_left();
    eventually("each is logged", || edge.access_log().len() == 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_has_a_maximum_number_of_tunnels() {
    let origin = EchoSocket::start();
    // The harness gives two workers: of three tunnels one finds no place.
    let page = Config::new().behavior("/page").set("origin", "f").fixed("f", "f");
    let edge = Edge::start(site(&origin.url(), page).server("websockets_per_worker", 1));
    let mut sockets = Vec::new();
    let refused = loop {
        match Socket::try_open(edge.http(), "/", &[]).await {
            Ok(socket) => sockets.push(socket),
            Err(answer) => break answer,
        }
        assert!(sockets.len() <= 2);
    };
    assert_eq!(refused.status(), 503);
    assert!(String::from_utf8_lossy(refused.body().as_deref().unwrap()).contains("category: tunnels"), "{refused:?}");
    assert_eq!(edge.metric("edgeward_edge_refusals_total{reason=\"tunnels\"}"), 1.0);
    assert_eq!(origin.asked().len(), sockets.len(), "the origin has not heard of it");
    // Other requests are served, and a place that is given back is free again.
    assert_eq!(edge.get("/page").status, 200);
    sockets.clear();
    edge.wait_for_metric(OPEN, 0.0);
    Socket::open(edge.http(), "/").await.echoes(Message::text("x")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_vanishes_takes_the_other_side_along() {
    let origin = EchoSocket::start();
    let edge = Edge::start(site(&origin.url(), ""));
    let mut socket = Socket::open(edge.http(), "/client").await;
    socket.echoes(Message::text("x")).await;
    drop(socket);
    origin.wait_until_left();
    edge.wait_for_metric(OPEN, 0.0);
    let mut socket = Socket::open(edge.http(), "/origin").await;
    socket.send(Message::text("leave")).await;
    assert!(socket.next().await.is_none());
    drop(socket);
    edge.wait_for_metric(OPEN, 0.0);
    eventually("both are logged", || edge.access_log().len() == 2);
}

#[test]
fn no_other_upgrade_becomes_a_tunnel() {
    let origin = EchoSocket::start();
    let edge = Edge::start(site(&origin.url(), ""));
    let mut client = edge.connect();
    client.send("CONNECT www.example.com:80 HTTP/1.1\r\nHost: www.example.com\r\n\r\n");
    assert_eq!(client.answer(false).unwrap().status, 400);
    assert!(origin.asked().is_empty());
}
