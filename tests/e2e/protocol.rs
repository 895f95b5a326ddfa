//! HTTP as strangers speak it: malformed, smuggled, slow, and over TLS.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::{Edge, Origin, send};

fn edge(origin: &Origin) -> Edge {
    Edge::start(&format!(
        "[origin.app]\nurl = \"http://127.0.0.1:{}\"\n[[site]]\nname = \"s\"\nhosts = [\"edge.test\"]\norigin = \"app\"\n",
        origin.port
    ))
}

#[test]
fn smuggling_shapes_are_refused_or_made_harmless() {
    let origin = Origin::start();
    let edge = edge(&origin);
    for (what, head) in [
        ("two lengths", "POST / HTTP/1.1\r\nhost: edge.test\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"),
        ("chunked not last", "POST / HTTP/1.1\r\nhost: edge.test\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
        ("space before colon", "GET / HTTP/1.1\r\nhost : edge.test\r\n\r\n"),
        ("folded line", "GET / HTTP/1.1\r\nhost: edge.test\r\nx: a\r\n b\r\n\r\n"),
        ("no host", "GET / HTTP/1.1\r\n\r\n"),
        ("two hosts", "GET / HTTP/1.1\r\nhost: edge.test\r\nhost: other.test\r\nconnection: close\r\n\r\n"),
        ("user in host", "GET / HTTP/1.1\r\nhost: a@edge.test\r\nconnection: close\r\n\r\n"),
        ("negative length", "POST / HTTP/1.1\r\nhost: edge.test\r\ncontent-length: -1\r\n\r\n"),
        ("NUL in value", "GET / HTTP/1.1\r\nhost: edge.test\r\nx: a\0b\r\n\r\n"),
    ] {
        let (status, _, _) = send(edge.http, head);
        assert!(status == 400 || status == 0, "{what}: {status}");
    }
    assert!(origin.seen().is_empty(), "{:?}", origin.seen());
}

#[test]
fn a_length_beside_chunks_never_reaches_the_origin() {
    let origin = Origin::start();
    let edge = edge(&origin);
    let request = "POST /x HTTP/1.1\r\nhost: edge.test\r\nconnection: close\r\ncontent-length: 100\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    send(edge.http, request);
    for seen in origin.seen() {
        assert!(!(seen.header("content-length").is_some() && seen.header("transfer-encoding").is_some()), "{seen:?}");
        assert_ne!(seen.header("content-length"), Some("100"));
    }
}

#[test]
fn heads_over_the_limits_are_refused() {
    let origin = Origin::start();
    let edge = edge(&origin);
    let long = "a".repeat(9_000);
    assert_eq!(edge.get(&format!("/{long}")).status, 414);
    let many: String = (0..150).map(|i| format!("x-{i}: 1\r\n")).collect();
    let (status, _, _) = send(edge.http, &format!("GET / HTTP/1.1\r\nhost: edge.test\r\n{many}\r\n"));
    // The rest of the head is not read, so that the answer may be lost with the connection.
    assert!(status == 431 || status == 0, "{status}");
}

#[test]
fn thousands_of_slow_clients_do_not_hold_up_the_others() {
    let origin = Origin::start();
    let edge = edge(&origin);
    assert_eq!(edge.get("/x").status, 200);
    let before = edge.resident();
    let slow: Vec<TcpStream> = (0..400)
        .map(|_| {
            let mut stream = TcpStream::connect(edge.http).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nhost: edge").unwrap();
            stream
        })
        .collect();
    assert_eq!(edge.get("/x").status, 200);
    let each = edge.resident().saturating_sub(before) / slow.len() as u64;
    assert!(each < 96 << 10, "{each} bytes for a slow client");
}

#[test]
fn a_kept_connection_carries_several_requests() {
    let origin = Origin::start();
    let edge = edge(&origin);
    let mut stream = TcpStream::connect(edge.http).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    for path in ["/1", "/2"] {
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: edge.test\r\n\r\n").as_bytes()).unwrap();
        let mut seen = Vec::new();
        let mut chunk = [0; 4096];
        while !String::from_utf8_lossy(&seen).ends_with(&format!("origin saw {path}\n")) {
            let n = stream.read(&mut chunk).unwrap();
            assert!(n > 0, "{}", String::from_utf8_lossy(&seen));
            seen.extend_from_slice(&chunk[..n]);
        }
    }
}

#[test]
fn tls_serves_by_name_over_http2_and_http1() {
    let origin = Origin::start();
    let directory = tempfile::tempdir().unwrap();
    let certificate = rcgen::generate_simple_self_signed(["edge.test".to_owned()]).unwrap();
    std::fs::write(directory.path().join("chain.pem"), certificate.cert.pem()).unwrap();
    std::fs::write(directory.path().join("key.pem"), certificate.signing_key.serialize_pem()).unwrap();
    let port = crate::harness::free_port();
    let edge = Edge::start_with(
        &format!(
            "https = [\"127.0.0.1:{port}\"]\n[[server.certificate]]\nchain = {:?}\nkey = {:?}\n",
            directory.path().join("chain.pem"),
            directory.path().join("key.pem")
        ),
        &format!(
            "[origin.app]\nurl = \"http://127.0.0.1:{}\"\n[[site]]\nname = \"s\"\nhosts = [\"edge.test\"]\norigin = \"app\"\n",
            origin.port
        ),
    );
    for version in ["--http1.1", "--http2"] {
        let output = std::process::Command::new("curl")
            .args(["-s", "-i", version, "--cacert"])
            .arg(directory.path().join("chain.pem"))
            .args(["--resolve", &format!("edge.test:{port}:127.0.0.1"), &format!("https://edge.test:{port}/secure")])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            text.contains("origin saw /secure"),
            "{version}: {text} {} {}",
            String::from_utf8_lossy(&output.stderr),
            edge.log()
        );
        assert!(text.starts_with(if version == "--http2" { "HTTP/2 200" } else { "HTTP/1.1 200" }), "{text}");
    }
}
