//! Slow clients are ended, each at what it is slow at, and harm nobody.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{Bounds, ClientRules, Worker, quick, to_end};

#[test]
fn a_head_that_does_not_end_in_time_is_answered_with_408() {
    let worker = Worker::with(quick(), None);
    let answer = worker.exchange("GET / HTTP/1.1\r\nHost: a\r\n");
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer:?}");
    worker.assert_metric(r#"edgeward_net_connections_ended_total{reason="slow-head"} 1"#);
}

#[test]
fn the_first_bytes_of_the_http2_preface_do_not_extend_the_deadline() {
    let worker = Worker::with(quick(), None);
    let answer = worker.exchange("PRI * HTT");
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer:?}");
}

#[test]
fn an_idle_connection_is_closed_without_a_response() {
    let worker = Worker::with(quick(), None);
    assert_eq!(worker.exchange(""), "");
    let after_a_request = worker.exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(after_a_request.matches("HTTP/1.1").count(), 1, "{after_a_request:?}");
    worker.assert_metric(r#"edgeward_net_connections_ended_total{reason="idle"} 2"#);
}

#[test]
fn a_body_that_stops_fails_where_it_is_read() {
    let worker = Worker::start();
    let answer = worker.exchange("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhalf");
    assert!(answer.contains("body=the client sent nothing of the body for 300 ms"), "{answer:?}");
}

/// Each byte comes in time, and all of them would take for ever.
#[test]
fn a_slow_body_fails_unless_slow_bodies_are_allowed() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\nConnection: close\r\n\r\n";
    for (rate, told) in [(240, "body=the client sent the body at less than 240 bytes a second"), (0, "body=xxxxxxxxxxxx\n")] {
        let rules = ClientRules::default();
        rules.set(None, rate);
        let worker = Worker::under(Bounds::default(), rules, None);
        let mut stream = worker.connect();
        stream.write_all(head.as_bytes()).unwrap();
        // An answer ends the waiting for the next drop.
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut answer = [0; 1];
        for _ in 0..12 {
            stream.write_all(b"x").unwrap();
            if stream.peek(&mut answer).is_ok() {
                break;
            }
        }
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let answer = to_end(stream);
        assert!(answer.contains(told), "{answer:?}");
    }
}

#[test]
fn a_client_that_does_not_read_is_disconnected() {
    let worker = Worker::with(quick(), None);
    let mut stream = worker.connect();
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    worker.dropped.recv_timeout(Duration::from_secs(10)).expect("the response is dropped");
    worker.assert_metric(r#"edgeward_net_connections_ended_total{reason="slow-reader"} 1"#);
}

#[test]
fn a_connection_over_the_cap_is_closed_and_counted() {
    let worker = Worker::with(Bounds { connections: 1, ..Bounds::default() }, None);
    let mut first = worker.connect();
    first.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut byte = [0];
    first.read_exact(&mut byte).unwrap();
    // Busy: with `idle` it would be the one to go.
    first.write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    while worker.requests() < 2 {
        std::thread::yield_now();
    }
    assert_eq!(worker.exchange(""), "");
    worker.assert_metric(r#"edgeward_net_refused_total{reason="connections"} 1"#);
    drop(first);
}

#[test]
fn an_idle_connection_makes_room_for_another() {
    let worker = Worker::with(Bounds { connections: 1, ..Bounds::default() }, None);
    let idle = worker.connect();
    worker.assert_metric("edgeward_net_connections_open 1");
    let answer = worker.exchange("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
    assert_eq!(to_end(idle), "");
    worker.assert_metric(r#"edgeward_net_connections_ended_total{reason="shed"} 1"#);
}

/// Each frame's type and what is in it.
fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<9>() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let Some((payload, rest)) = rest.split_at_checked(length) else { break };
        frames.push((head[3], payload.to_vec()));
        bytes = rest;
    }
    frames
}

#[test]
fn an_idle_http2_connection_that_makes_room_is_told_so() {
    const GOAWAY: u8 = 7;
    let worker = Worker::with(Bounds { connections: 1, ..Bounds::default() }, None);
    let mut idle = worker.connect();
    idle.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let mut said = vec![0; 9];
    idle.read_exact(&mut said).unwrap();
    let answer = worker.exchange("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
    idle.read_to_end(&mut said).unwrap();
    let farewells: Vec<_> = frames(&said).into_iter().filter(|(kind, _)| *kind == GOAWAY).collect();
    // Whatever was on its way was not answered and may be sent again; the code is NO_ERROR.
    assert!(matches!(&farewells[..], [(_, payload)] if payload[4..8] == [0; 4]), "{farewells:?}");
    worker.assert_metric(r#"edgeward_net_connections_ended_total{reason="shed"} 1"#);
}

/// Its number tells that descriptors are short.
#[test]
fn a_connection_beyond_what_clients_may_have_of_the_descriptors_costs_an_idle_one() {
    let worker = Worker::with(Bounds { descriptors: 0, ..Bounds::default() }, None);
    let mut first = worker.connect();
    assert_eq!(to_end(worker.connect()), "", "nobody is idle: the new one goes");
    worker.assert_metric(r#"edgeward_net_refused_total{reason="descriptors"} 2"#);
    assert_eq!(first.read(&mut [0]).unwrap_or(0), 0);
}

#[test]
fn a_request_that_comes_as_we_drain_is_answered_and_told_that_it_was_the_last() {
    let worker = Worker::start();
    let (mut busy, mut recent) = (worker.connect(), worker.connect());
    busy.write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    recent.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    while worker.requests() < 2 {
        std::thread::yield_now();
    }
    worker.departure.begin(None);
    recent.write_all(b"GET /more HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let answers = to_end(recent);
    assert!(answers.contains("GET /more") && answers.contains("connection: close"), "{answers:?}");
    // A request is open, so that listening goes on, for a successor to come.
    let answer = worker.exchange("GET /new HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(answer.contains("GET /new") && answer.contains("connection: close"), "{answer:?}");
    worker.gate.send_replace(true);
    assert!(to_end(busy).starts_with("HTTP/1.1 200"));
    worker.ended.recv_timeout(Duration::from_secs(10)).expect("the worker ends");
    assert!(TcpStream::connect(worker.address).is_err());
}

/// Who waits in the queue of a socket believes to be connected.
#[test]
fn who_waits_to_be_accepted_when_listening_ends_is_answered() {
    let worker = Worker::start();
    worker.assert_metric("edgeward_net_connections_open 0");
    let mut waiting: Vec<TcpStream> = (0..50).map(|_| worker.connect()).collect();
    worker.departure.close();
    for stream in &mut waiting {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    }
    for stream in waiting {
        let answer = to_end(stream);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer:?}");
    }
    worker.ended.recv_timeout(Duration::from_secs(10)).expect("the worker ends");
}

#[test]
fn a_thousand_slow_clients_do_not_slow_the_others() {
    let worker = Worker::start();
    let slow: Vec<TcpStream> = (0..1_000)
        .map(|_| {
            let mut stream = worker.connect();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nA: ").unwrap();
            stream
        })
        .collect();
    let start = Instant::now();
    for _ in 0..50 {
        let answer = worker.exchange("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
    }
    assert!(start.elapsed() < Duration::from_secs(5), "50 requests took {:?}", start.elapsed());
    worker.assert_metric("edgeward_net_connections_accepted_total 1050");
    drop(slow);
}

#[test]
fn a_drain_lets_the_open_request_finish_and_closes_idle_connections() {
    let worker = Worker::start();
    let mut idle = worker.connect();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut head = [0; 12];
    idle.read_exact(&mut head).unwrap();
    let mut busy = worker.connect();
    busy.write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    while worker.requests() < 2 {
        std::thread::yield_now();
    }
    worker.departure.begin(None);
    to_end(idle);
    assert!(worker.ended.try_recv().is_err(), "a request is open");
    worker.gate.send_replace(true);
    let answer = to_end(busy);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer:?}");
    worker.ended.recv_timeout(Duration::from_secs(10)).expect("the worker ends");
    worker.assert_metric("edgeward_net_connections_open 0");
}
