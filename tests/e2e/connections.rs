//! Many connections, few descriptors, floods: who pays, and who does not.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use crate::harness::{Client, Config, Edge, Origin, PATIENCE, component, eventually, ten_thousand};

fn uncached(origin: &Origin) -> Config {
    Config::new().origin("o", origin.url()).site("o")
}

fn site(origin: &Origin) -> Config {
    uncached(origin).cached()
}

#[test]
fn idle_clients_do_not_exhaust_the_descriptors() {
    let origin = Origin::echo();
    let edge = Edge::start_behind("ulimit -n 120", site(&origin));
    assert_eq!(edge.metric("edgeward_net_descriptors{of=\"process\"}"), 120.0);
    let mut idle: Vec<TcpStream> = Vec::new();
    for n in 0..150 {
        idle.push(TcpStream::connect(edge.http()).unwrap());
        if n % 30 == 29 {
            // The reserve is there for an origin that was not asked yet, and for a reload.
            let answer = edge.get(&format!("/cold-{n}"));
            assert_eq!((answer.status, answer.header("x-cache")), (200, "Miss from cloudfront"), "{answer:?}");
        }
    }
    eventually("idle clients have made room", || edge.metric("edgeward_net_connections_ended_total{reason=\"shed\"}") >= 60.0);
    edge.reconfigure(uncached(&origin).set("cache_policy", "CachingDisabled"));
    eventually("a reload goes on", || edge.metric("edgeward_config_reloads_total{result=\"ok\"}") == 1.0);
    assert_eq!(edge.get("/after").status, 200);
    let told = edge.log().lines().filter(|line| line.contains("descriptors")).count();
    assert_eq!(told, 1, "said once: {}", edge.log());
    drop(idle);
    assert_eq!(edge.get("/after").status, 200);
    assert_eq!(edge.metric("edgeward_net_refused_total"), 0.0, "nobody was refused");
}

#[test]
fn the_soft_limit_of_descriptors_is_raised_to_the_hard_one() {
    let origin = Origin::echo();
    let edge = Edge::start_behind("ulimit -S -n 100; ulimit -H -n 300", site(&origin));
    assert_eq!(edge.metric("edgeward_net_descriptors{of=\"process\"}"), 300.0);
    assert_eq!(edge.metric("edgeward_net_descriptors{of=\"clients\"}"), 225.0);
}

#[test]
fn connections_over_the_maximum_of_an_address_are_closed() {
    let origin = Origin::echo();
    let edge = Edge::start(site(&origin).server("connections_per_client", 3));
    let from = Ipv4Addr::new(127, 0, 0, 7);
    let ask = |client: &mut Client| client.request("GET", "/", "www", "", b"").status;
    let mut open: Vec<Client> = (0..3).map(|_| Client::connect_from(from, edge.http())).collect();
    assert!(open.iter_mut().all(|client| ask(client) == 200));
    assert_eq!(Client::connect_from(from, edge.http()).rest(), "");
    edge.wait_for_metric("edgeward_net_refused_total{reason=\"client-connections\"}", 1.0);
    assert_eq!(edge.get("/").status, 200, "others have their own");
    open.pop();
    edge.wait_for_metric("edgeward_net_connections_open", 2.0);
    assert_eq!(ask(&mut Client::connect_from(from, edge.http())), 200);
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0, 0, u8::try_from(payload.len()).unwrap(), kind, flags, 0, 0, 0, stream];
    frame.extend_from_slice(payload);
    frame
}

/// Sends the preface, SETTINGS and these frames; the error code of the GOAWAY that comes back.
fn goaway(edge: &Edge, frames: &[u8]) -> Option<u8> {
    let mut stream = TcpStream::connect(edge.http()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    stream.write_all(&frame(4, 0, 0, &[])).unwrap();
    // The edge may hang up before it has read all of a flood.
    let _ = stream.write_all(frames);
    let mut code = None;
    let mut head = [0; 9];
    while stream.read_exact(&mut head).is_ok() {
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        if stream.read_exact(&mut payload).is_err() {
            break;
        }
        if head[3] == 7 {
            code = Some(payload[7]);
            let _ = stream.shutdown(std::net::Shutdown::Write);
        }
    }
    code
}

const CALM: Option<u8> = Some(0xb);

#[test]
fn floods_of_frames_that_ask_for_nothing_end_their_connection() {
    let origin = Origin::echo();
    let edge = Edge::start(site(&origin));
    // HEADERS without END_STREAM open stream 1: GET, http, /, and the authority a.
    let open = frame(1, 0x4, 1, &[0x82, 0x86, 0x84, 0x41, 0x01, b'a']);
    for (what, one) in [
        ("PRIORITY", frame(2, 0, 1, &[0, 0, 0, 0, 1])),
        ("WINDOW_UPDATE", frame(8, 0, 0, &[0, 0, 0, 1])),
        ("SETTINGS", frame(4, 0, 0, &[])),
        ("PING", frame(6, 0, 0, &[0; 8])),
        ("PING ACK", frame(6, 1, 0, &[0; 8])),
        ("empty DATA", frame(0, 0, 1, &[])),
        ("an unknown frame", frame(0xfa, 0, 0, b"?")),
        ("PRIORITY_UPDATE", frame(0x10, 0, 0, &[0, 0, 0, 1, b'u'])),
        ("ORIGIN", frame(0xc, 0, 0, &[])),
    ] {
        assert_eq!(goaway(&edge, &[open.clone(), one.repeat(10_000)].concat()), CALM, "{what}");
    }
    // Some of them h2 has noticed first.
    assert!(edge.metric("edgeward_net_refused_total{reason=\"h2-flood\"}") >= 5.0);
    assert_eq!(edge.get("/").status, 200);
}

/// h2 bounds these by itself.
#[test]
fn floods_of_continuations_and_resets_end_their_connection() {
    let origin = Origin::echo();
    let edge = Edge::start(site(&origin));
    let mut continued = frame(1, 0, 1, &[0x82, 0x86, 0x84, 0x41, 0x01, b'a']);
    continued.extend(frame(9, 0, 1, &[]).repeat(1_000));
    assert_eq!(goaway(&edge, &continued), CALM, "CONTINUATION");
    let mut reset = Vec::new();
    for stream in (1..=199).step_by(2) {
        reset.extend(frame(1, 0x5, stream, &[0x82, 0x86, 0x84, 0x41, 0x01, b'a']));
        reset.extend(frame(3, 0, stream, &[0, 0, 0, 8]));
    }
    assert_eq!(goaway(&edge, &reset.repeat(1)), CALM, "RST_STREAM");
    assert_eq!(edge.get("/").status, 200);
}

#[test]
fn a_frame_of_a_wrong_size_is_a_frame_size_error() {
    let origin = Origin::echo();
    let edge = Edge::start(site(&origin));
    let mut long = frame(0xfa, 0, 0, &[]);
    (long[1], long[2]) = (0x40, 0x01);
    long.extend(vec![0; 16_385]);
    for (what, bytes) in [
        ("PRIORITY", frame(2, 0, 1, &[0; 4])),
        ("RST_STREAM", frame(3, 0, 1, &[0; 5])),
        ("SETTINGS", frame(4, 0, 0, &[0; 5])),
        ("SETTINGS ACK", frame(4, 1, 0, &[0; 6])),
        ("PING", frame(6, 0, 0, &[0; 7])),
        ("WINDOW_UPDATE", frame(8, 0, 0, &[0; 5])),
        ("over SETTINGS_MAX_FRAME_SIZE", long),
    ] {
        assert_eq!(goaway(&edge, &bytes), Some(0x6), "{what}");
    }
    assert_eq!(edge.metric("edgeward_net_refused_total{reason=\"h2-frame-size\"}"), 7.0);
}

#[test]
fn a_frame_of_a_stream_that_was_ended_is_a_stream_closed_error() {
    let origin = Origin::echo();
    let edge = Edge::start(site(&origin));
    let headers = |flags: u8| frame(1, flags, 1, &[0x82, 0x86, 0x84, 0x41, 0x01, b'a']);
    for (what, frames) in [
        ("DATA after END_STREAM", [headers(0x5), frame(0, 0, 1, b"x")].concat()),
        ("HEADERS after END_STREAM", [headers(0x5), headers(0x5)].concat()),
        ("DATA after RST_STREAM", [headers(0x4), frame(3, 0, 1, &[0, 0, 0, 8]), frame(0, 0, 1, b"x")].concat()),
    ] {
        assert_eq!(goaway(&edge, &frames), Some(0x5), "{what}");
    }
}

/// What is held of the memory of 10,000 clients once they have gone, while nothing else happens.
const KEPT_BYTES: u64 = 32 << 20;

#[test]
fn the_memory_of_closed_connections_is_released_without_new_load() {
    let origin = Origin::echo();
    let edge = Edge::start(site(&origin).set("viewer_request", "f").function("f", component("spa-rewrite")));
    for _ in 0..100 {
        assert_eq!(edge.get("/route").status, 200);
    }
    let before = edge.resident_bytes();
    let count = ten_thousand();
    let many = f64::from(u32::try_from(count).unwrap());
    let mut open: Vec<TcpStream> = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(edge.http()).unwrap();
        stream.write_all(b"GET /route HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nX: ").unwrap();
        open.push(stream);
    }
    eventually("all are open", || edge.metric("edgeward_net_connections_open") >= many);
    let held = edge.resident_bytes();
    drop(open);
    edge.wait_for_metric("edgeward_net_connections_open", 0.0);
    let mut after = u64::MAX;
    eventually("their memory is given back", || {
        after = after.min(edge.resident_bytes());
        after < before + KEPT_BYTES
    });
    println!("before {} MB, with {count} connections {} MB, after {} MB", before >> 20, held >> 20, after >> 20);
}
