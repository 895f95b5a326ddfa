//! Whose fault it was: what the edge lacks and what a client says wrong is nothing that an origin has done.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::json;

use crate::harness::{Config, Edge, Origin, PATIENCE, Reply, Says, Script, component, eventually};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const FAILURES: &str = "edgeward_edge_origin_failures_total";

fn site(url: &str) -> Config {
    Config::new().origin("o", url).site("o")
}

fn said(edge: &Edge, bytes: &str) -> String {
    let mut client = edge.connect();
    client.send(bytes);
    client.rest()
}

#[test]
fn a_body_that_a_client_breaks_is_the_clients_fault() {
    let origin = Script::saying(OK);
    let edge = Edge::start(site(&origin.url));
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in [
        "5\r\nhello\r\nzz\r\n",
        "5\r\nhelloworld\r\n",
        "5\r\nhello\r\n-1\r\n",
        "5\r\nhello\r\n5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\n\r\n",
        "5\r\nhello\r\n0\r\nno field\r\n\r\n",
    ] {
        let answer = said(&edge, &format!("{head}{body}"));
        assert!(answer.starts_with("HTTP/1.1 400 "), "{body:?}: {answer:?}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    }
    // It comes after some of it has gone to the origin.
    let mut client = edge.connect();
    let before = edge.metric("edgeward_edge_origin_connections_total");
    client.send(format!("{head}5\r\nhello\r\n"));
    eventually("the origin is being asked", || edge.metric("edgeward_edge_origin_connections_total") > before);
    client.send("zz\r\n");
    assert!(client.rest().starts_with("HTTP/1.1 400 "));
    // Whoever leaves has not failed either.
    let mut client = edge.connect();
    let before = edge.metric("edgeward_edge_origin_connections_total");
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    eventually("the origin is being asked", || edge.metric("edgeward_edge_origin_connections_total") > before);
    drop(client);
    eventually("it has ended", || edge.metric("edgeward_edge_requests_open") == 0.0);
    assert_eq!(edge.metric(FAILURES), 0.0, "{}", edge.admin("/metrics").text());
    assert!(!edge.log().contains("origin-broken"), "{}", edge.log());
    assert_eq!(edge.request("POST", "/", "", b"x").status, 200);
}

/// On a connection of its own. One that has not been heard yet may be taken for an idle one, and make room: None.
fn asked(edge: &Edge, target: &str) -> Option<(u16, String)> {
    let mut client = TcpStream::connect(edge.http()).ok()?;
    client.set_read_timeout(Some(PATIENCE)).ok()?;
    client.write_all(format!("GET {target} HTTP/1.1\r\nHost: www\r\nConnection: close\r\n\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    client.read_to_string(&mut answer).ok()?;
    Some((answer.split(' ').nth(1)?.parse().ok()?, answer))
}

#[test]
fn what_the_edge_lacks_is_nothing_that_an_origin_has_done() {
    let origin = Origin::start(|_| Reply::new(200, "ok").header("cache-control", "max-age=60"));
    let edge = Edge::start_behind("ulimit -n 120", site(&origin.url()).cached());
    assert_eq!(edge.get("/warm").status, 200);
    let idle: Vec<TcpStream> = (0..150).filter_map(|_| TcpStream::connect(edge.http()).ok()).collect();
    let mut refused = 0;
    for n in 0..3 {
        let mut answered = None;
        eventually("an answer", || {
            answered = asked(&edge, &format!("/cold/{n}"));
            answered.is_some()
        });
        let (status, answer) = answered.expect("it is there");
        assert!(status == 200 || (status == 503 && answer.contains("edge-exhausted")), "{answer}");
        refused += u32::from(status == 503);
    }
    drop(idle);
    for n in 0..3 {
        let target = format!("/cold/{n}");
        eventually("nothing is remembered", || asked(&edge, &target).is_some_and(|(status, _)| status == 200));
    }
    assert_eq!(edge.metric(FAILURES), 0.0, "{refused} refused: {}", edge.log());
}

/// A file needs a descriptor, and its folder has nothing to do with that there is none.
#[test]
fn without_descriptors_a_file_is_not_missing() {
    let edge =
        Edge::start_behind("mkdir -p f; echo hello > f/a; ulimit -n 120", Config::new().folder("o", "f").site("o").cached());
    let idle: Vec<TcpStream> = (0..150).filter_map(|_| TcpStream::connect(edge.http()).ok()).collect();
    let mut answered = None;
    eventually("an answer", || {
        answered = asked(&edge, "/a");
        answered.is_some()
    });
    let (status, answer) = answered.expect("it is there");
    assert!(status == 200 || (status == 503 && answer.contains("edge-exhausted")), "{answer}");
    drop(idle);
    eventually("it is there", || asked(&edge, "/a").is_some_and(|(status, _)| status == 200));
}

#[test]
fn idempotent_requests_are_retried_when_a_kept_connection_ends() {
    for (method, body, again) in [
        ("GET", "", true),
        ("PUT", "", true),
        ("DELETE", "", true),
        ("OPTIONS", "", true),
        ("POST", "", false),
        ("PATCH", "", false),
        ("PUT", "x", false),
        ("DELETE", "x", false),
    ] {
        // A connection answers once, and goes at the second request without a word.
        let origin = Script::start(|_, number| if number == 0 { Says::Answer(OK.into()) } else { Says::Nothing });
        let edge = Edge::start(site(&origin.url));
        let mut client = edge.connect();
        assert_eq!(client.request("GET", "/first", "www", "", b"").status, 200);
        let answer = client.request(method, "/second", "www", "", body.as_bytes());
        assert_eq!(answer.status, if again { 200 } else { 502 }, "{method} {body:?}");
        let asked = origin.asked().iter().filter(|request| request.contains("/second")).count();
        assert_eq!(asked, if again { 2 } else { 1 }, "{method} {body:?}");
    }
}

/// An edge whose configuration has its own address in it.
fn knowing_itself(config: impl Fn(&str) -> Config) -> Edge {
    let edge = Edge::start(config("127.0.0.1:1"));
    edge.reconfigure(config(&edge.http().to_string()));
    edge.wait_for_metric("edgeward_config_reloads_total{result=\"ok\"}", 1.0);
    edge
}

#[test]
fn a_site_that_is_its_own_origin_is_refused_at_the_first_return() {
    let edge = knowing_itself(|own| site(&format!("http://{own}")));
    let answer = edge.get("/x");
    assert_eq!(answer.status, 508, "{answer:?}");
    assert_eq!(edge.metric("edgeward_net_requests_total"), 2.0);
    assert_eq!(edge.metric("edgeward_edge_refusals_total{reason=\"loop\"}"), 1.0);
}

#[test]
fn where_a_request_has_been_is_told_and_heeded() {
    let origin = Origin::echo();
    let edge = Edge::start(site(&origin.url()).behavior("/cached/*").cached());
    let values = |name: &str| {
        let seen = origin.last();
        seen.headers.iter().filter(|(found, _)| found == name).map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    for target in ["/", "/cached/x"] {
        assert_eq!(
            edge.get_with(target, "CDN-Loop: other.example\r\nVia: 1.1 other.example\r\nConnection: cdn-loop\r\n").status,
            200
        );
        let (passed, via) = (values("cdn-loop"), values("via"));
        assert_eq!(
            (passed.len(), passed[0].as_str(), passed[1].starts_with("edgeward-")),
            (2, "other.example", true),
            "{passed:?}"
        );
        // What is fetched for all has only what is in its key: of these two, CDN-Loop.
        let before: &[&str] = if target == "/" { &["1.1 other.example"] } else { &[] };
        let (own, others) = via.split_last().unwrap();
        assert_eq!(others, before, "{via:?}");
        for (name, value) in [("CDN-Loop", &passed[1]), ("Via", own)] {
            let back = edge.get_with("/back", &format!("{name}: {value}\r\n"));
            assert_eq!((back.status, back.text().contains("category: loop")), (508, true), "{name} {back:?}");
        }
    }
    // Another edge is another one.
    let before = Edge::start(site(&format!("http://{}", edge.http())));
    assert_eq!(before.get("/two").status, 200);
    assert_eq!(values("cdn-loop").len(), 2);
}

#[test]
fn a_function_that_asks_its_own_edge_is_refused_at_the_first_return() {
    let origin = Origin::echo();
    let edge = knowing_itself(|own| {
        let function = Config::new()
            .function("f", component("http-lookup"))
            .set("network", [own])
            .set("environment", json!({ "DATABASE": own }));
        site(&origin.url()).set("origin_request", "f").with(function)
    });
    let answer = edge.get("/products/7");
    assert_eq!(answer.status, 503, "{answer:?}");
    eventually("the function says why", || edge.log().contains("the database answered 508"));
    assert_eq!(edge.metric("edgeward_net_requests_total"), 2.0);
    assert!(origin.seen().is_empty());
}

/// A single worker with a single connection to its origin.
fn one_connection(url: &str, connect_timeout_s: u32) -> Config {
    let origin = Config::new().server("workers", 1).origin("o", url).set("connections_per_worker", 1);
    origin.set("connect_timeout_s", connect_timeout_s).site("o")
}

/// One connection, and an origin that answers when it is told to.
fn narrow(connect_timeout_s: u32) -> (std::sync::Arc<tokio::sync::Notify>, Origin, Edge) {
    let gate = std::sync::Arc::new(tokio::sync::Notify::new());
    let held = gate.clone();
    let origin = Origin::start(move |seen| {
        let reply = Reply::new(200, "ok");
        if seen.target.starts_with("/held") { reply.held(held.clone()) } else { reply }
    });
    let edge = Edge::start(one_connection(&origin.url(), connect_timeout_s));
    (gate, origin, edge)
}

const WAITED: &str = "edgeward_edge_origin_connections_total{kind=\"waited\"";

#[test]
fn who_finds_all_connections_in_use_waits_for_one_and_is_answered_over_it() {
    let (gate, origin, edge) = narrow(10);
    let mut first = edge.connect();
    first.send("GET /held HTTP/1.1\r\nHost: www\r\nConnection: close\r\n\r\n");
    eventually("the origin is asked", || origin.seen().len() == 1);
    let mut second = edge.connect();
    second.send("GET /second HTTP/1.1\r\nHost: www\r\nConnection: close\r\n\r\n");
    edge.wait_for_metric(WAITED, 1.0);
    assert_eq!(origin.seen().len(), 1);
    gate.notify_one();
    for client in [first, second] {
        assert!(client.rest().starts_with("HTTP/1.1 200 "));
    }
    assert_eq!(edge.metric("edgeward_edge_origin_connections_total{kind=\"new\""), 1.0);
}

#[test]
fn who_finds_no_connection_in_time_is_refused_and_the_origin_has_not_failed() {
    let (gate, origin, edge) = narrow(1);
    let mut first = edge.connect();
    first.send("GET /held HTTP/1.1\r\nHost: www\r\nConnection: close\r\n\r\n");
    eventually("the origin is asked", || origin.seen().len() == 1);
    let refused = edge.get("/second");
    assert_eq!(refused.status, 503);
    assert!(refused.text().contains("origin-connections"), "{}", refused.text());
    assert_eq!(edge.metric("edgeward_edge_refusals_total{reason=\"origin-connections\"}"), 1.0);
    assert_eq!(edge.metric(FAILURES), 0.0);
    gate.notify_one();
    assert!(first.rest().starts_with("HTTP/1.1 200 "));
    // Who has left gives its place back: one that was idle, and one in the middle of its answer.
    let mut leaver = edge.connect();
    leaver.send("GET /held HTTP/1.1\r\nHost: www\r\n\r\n");
    eventually("the origin is asked", || origin.seen().len() == 2);
    drop(leaver);
    assert_eq!(edge.get("/third").status, 200);
}

#[test]
fn a_tunnel_is_one_of_the_connections_to_its_origin() {
    use crate::harness::EchoSocket;
    let origin = EchoSocket::start();
    let edge = Edge::start(one_connection(&origin.url(), 1).set("websocket", true));
    let handshake = "GET / HTTP/1.1\r\nHost: www\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut tunnel = edge.connect();
    tunnel.send(handshake);
    edge.wait_for_metric("edgeward_edge_tunnels_open", 1.0);
    let mut second = edge.connect();
    second.send(handshake);
    let refused = second.answer(false).expect("an answer");
    assert_eq!(refused.status, 503);
    drop(tunnel);
    eventually("its place is free", || {
        let mut third = edge.connect();
        third.send(handshake);
        third.answer(true).is_some_and(|answer| answer.status == 101)
    });
}
