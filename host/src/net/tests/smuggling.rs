//! Requests that two readers could understand differently never reach the handler.

use super::Worker;

#[test]
fn a_request_with_an_ambiguous_length_is_refused_and_the_connection_closed() {
    let worker = Worker::start();
    for (name, status, head) in [
        ("length, then chunked", "400", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"),
        ("chunked, then length", "400", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"),
        ("two lengths", "400", "Content-Length: 4\r\nContent-Length: 5\r\n"),
        ("two equal lengths", "400", "Content-Length: 4\r\nContent-Length: 4\r\n"),
        ("a list of lengths", "400", "Content-Length: 4, 4\r\n"),
        ("a signed length", "400", "Content-Length: +4\r\n"),
        ("chunked twice", "400", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        ("chunked in a list", "501", "Transfer-Encoding: chunked, chunked\r\n"),
        ("chunked not last", "501", "Transfer-Encoding: chunked, identity\r\n"),
        ("another coding", "501", "Transfer-Encoding: gzip, chunked\r\n"),
        ("a folded header", "400", "A: b\r\n Transfer-Encoding: chunked\r\n"),
        ("a bare LF", "400", "A: b\nTransfer-Encoding: chunked\r\n"),
        ("two hosts", "400", "Host: other\r\n"),
        ("white space before the colon", "400", "Transfer-Encoding : chunked\r\n"),
        ("a bare CR", "400", "A: b\rTransfer-Encoding: chunked\r\n"),
        ("a NUL", "400", "A: b\0c\r\n"),
        ("white space in a name", "400", "A b: c\r\n"),
        ("an empty name", "400", ": c\r\n"),
    ] {
        let answer = worker
            .exchange(format!("POST /first HTTP/1.1\r\nHost: a\r\n{head}\r\n0\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{name}: {answer:?}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{name}: {answer:?}");
    }
    assert_eq!(worker.requests(), 0);
    worker.assert_metric(r#"edgeward_net_refused_total{reason="length-and-chunked"} 2"#);
}

#[test]
fn a_request_line_that_is_none_is_refused() {
    let worker = Worker::start();
    for line in
        ["GET  / HTTP/1.1", "GET /a b HTTP/1.1", "GET / HTTP/1.x", "GET / HTTP/3.0", "GET /", "{} / HTTP/1.1", " GET / HTTP/1.1"]
    {
        let answer = worker.exchange(format!("{line}\r\nHost: a\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 400"), "{line:?}: {answer:?}");
    }
    assert_eq!(worker.requests(), 0);
    worker.assert_metric(r#"edgeward_net_refused_total{reason="malformed"} 7"#);
}

#[test]
fn http_1_0_knows_no_chunks() {
    let worker = Worker::start();
    let answer = worker.exchange("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.0 400"), "{answer:?}");
    assert_eq!(worker.requests(), 0);
}

#[test]
fn a_chunk_with_a_wrong_size_closes_the_connection() {
    let worker = Worker::start();
    for body in ["4\r\nabcde\r\n0\r\n\r\n", "0x4\r\nabcd\r\n0\r\n\r\n", "4\nabcd\r\n0\r\n\r\n", "4;\nabcd\r\n0\r\n\r\n"] {
        let answer = worker.exchange(format!(
            "POST /first HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}GET /second HTTP/1.1\r\nHost: a\r\n\r\n"
        ));
        assert!(!answer.contains("/second"), "{body:?}: {answer:?}");
    }
}

#[test]
fn the_target_outranks_the_host_header() {
    let worker = Worker::start();
    let answer = worker.exchange("GET http://right.example:81/x HTTP/1.1\r\nHost: wrong.example\r\nConnection: close\r\n\r\n");
    assert!(answer.contains("GET /x host=right.example:81 "), "{answer:?}");
}

#[test]
fn too_many_or_too_large_headers_are_answered_with_431() {
    let worker = Worker::start();
    let many = |n: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{}\r\n", "A: b\r\n".repeat(n - 2));
    assert!(worker.exchange(many(100)).starts_with("HTTP/1.1 200"));
    assert!(worker.exchange(many(101)).starts_with("HTTP/1.1 431"));
    let large = |n: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nA: {}\r\n\r\n", "b".repeat(n));
    let fits = crate::limits::request::HEAD_BYTES - large(0).len();
    assert!(worker.exchange(large(fits)).starts_with("HTTP/1.1 200"));
    assert!(worker.exchange(large(fits + 1)).starts_with("HTTP/1.1 431"));
    assert_eq!(worker.requests(), 2);
}

#[test]
fn pipelined_requests_with_bodies_are_answered_in_order() {
    let worker = Worker::start();
    let answer = worker.exchange(concat!(
        "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none",
        "POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\ntwo\r\n0\r\nSum: 1\r\n\r\n",
        "GET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    ));
    let bodies: Vec<&str> = answer.lines().filter(|line| line.contains("host=")).collect();
    assert_eq!(bodies, ["POST /1 host=a tls=- body=one", "POST /2 host=a tls=- body=two", "GET /3 host=a tls=- body="]);
}
