//! TLS, HTTP/2, malformed HTTP and slow clients, against the whole program.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;

use crate::harness::{Config, Edge, Origin, eventually, ten_thousand};

fn site(origin: &Origin) -> Config {
    Config::new().origin("o", origin.url()).site("o")
}

/// Writes a self-signed certificate for these hosts into a folder.
pub fn issue(folder: &std::path::Path, name: &str, hosts: &[&str], roots: &mut rustls::RootCertStore) -> Vec<u8> {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let issued = rcgen::generate_simple_self_signed(hosts).unwrap();
    std::fs::write(folder.join(format!("{name}.pem")), issued.cert.pem()).unwrap();
    std::fs::write(folder.join(format!("{name}.key")), issued.signing_key.serialize_pem()).unwrap();
    roots.add(issued.cert.der().clone()).unwrap();
    issued.cert.der().to_vec()
}

async fn connect(
    edge: &Edge,
    name: &'static str,
    roots: &rustls::RootCertStore,
) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
    connect_by(edge, name, roots, b"h2").await
}

/// With this protocol in ALPN.
pub async fn connect_by(
    edge: &Edge,
    name: &'static str,
    roots: &rustls::RootCertStore,
    protocol: &[u8],
) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots.clone()).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = tokio::net::TcpStream::connect(edge.https()).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    connector.connect(ServerName::try_from(name).unwrap(), stream).await.unwrap()
}

async fn ask_http2(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    url: &str,
) -> (u16, String) {
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let answer = sender.send_request(http::Request::get(url).body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
    let status = answer.status().as_u16();
    (status, String::from_utf8_lossy(&answer.into_body().collect().await.unwrap().to_bytes()).into_owned())
}

#[tokio::test]
async fn http2_by_prior_knowledge() {
    let origin = Origin::echo();
    let edge = Edge::start(site(&origin));
    let stream = tokio::net::TcpStream::connect(edge.http()).await.unwrap();
    assert_eq!(ask_http2(stream, "http://www.example.com/x?y").await, (200, "GET /x?y\n".to_owned()));
    assert!(origin.last().header("via").starts_with("2.0 "), "{:?}", origin.last());
}

#[tokio::test]
async fn https_by_sni_with_http2_and_certificates_that_are_replaced() {
    let origin = Origin::echo();
    let folder = tempfile::tempdir().unwrap();
    let mut roots = rustls::RootCertStore::empty();
    let first = issue(folder.path(), "first", &["first.example"], &mut roots);
    let second = issue(folder.path(), "second", &["second.example"], &mut roots);
    let certificates = Config::new().https("first.pem", "first.key").certificate("second.pem", "second.key");
    let edge = Edge::start_in(folder, certificates.with(site(&origin)));
    let shown = |stream: &tokio_rustls::client::TlsStream<tokio::net::TcpStream>| {
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    };
    let stream = connect(&edge, "first.example", &roots).await;
    assert_eq!(shown(&stream), first);
    assert_eq!(ask_http2(stream, "https://first.example/").await.0, 200);
    let open = connect(&edge, "second.example", &roots).await;
    assert_eq!(shown(&open), second);

    let renewed = issue(edge.folder(), "renewed", &["second.example"], &mut roots);
    std::fs::rename(edge.folder().join("renewed.key"), edge.folder().join("second.key")).unwrap();
    std::fs::rename(edge.folder().join("renewed.pem"), edge.folder().join("second.pem")).unwrap();
    let start = Instant::now();
    while shown(&connect(&edge, "second.example", &roots).await) != renewed {
        assert!(start.elapsed() < Duration::from_secs(30), "the renewed certificate is not shown");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(ask_http2(open, "https://second.example/").await.0, 200, "an open connection stays");
}

#[test]
fn malformed_requests_are_refused_and_never_reach_the_origin() {
    let origin = Origin::echo();
    let edge = Edge::start(site(&origin));
    for shape in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n folded: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
    ] {
        let mut client = edge.connect();
        client.send(shape);
        let answer = client.rest();
        assert!(answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.1 501"), "{shape:?}: {answer:?}");
    }
    assert!(origin.seen().is_empty(), "{:?}", origin.seen());
    assert_eq!(edge.get("/").status, 200);
}

#[test]
fn a_url_and_a_head_have_limits() {
    let edge = Edge::start(Config::new().fixed("o", "ok").site("o"));
    let status = |head: String| {
        let mut client = edge.connect();
        client.send(head);
        client.answer(false).expect("an answer").status
    };
    let url = |bytes: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(bytes - 1));
    assert_eq!([status(url(8_192)), status(url(8_193))], [200, 414]);
    let whole = |bytes: usize| {
        let (before, after) = ("GET / HTTP/1.1\r\nHost: a\r\nX: ", "\r\n\r\n");
        format!("{before}{}{after}", "x".repeat(bytes - before.len() - after.len()))
    };
    assert_eq!([status(whole(20_480)), status(whole(20_481))], [200, 431]);
    let headers = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(count - 1));
    assert_eq!([status(headers(100)), status(headers(101))], [200, 431]);
}

#[test]
fn ten_thousand_slow_clients_cost_little_and_harm_nobody() {
    let origin = Origin::echo();
    let edge = Edge::start(site(&origin));
    assert_eq!(edge.get("/").status, 200);
    let before = edge.resident_bytes();
    let clients = ten_thousand();
    let slow: Vec<TcpStream> = (0..clients)
        .map(|_| {
            let mut stream = TcpStream::connect(edge.http()).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX: ").unwrap();
            stream
        })
        .collect();
    let many = f64::from(u32::try_from(clients).unwrap());
    eventually("all are accepted", || edge.metric("edgeward_net_connections_open") >= many);
    let mut slowest = Duration::ZERO;
    for _ in 0..100 {
        let start = Instant::now();
        assert_eq!(edge.get("/").status, 200);
        slowest = slowest.max(start.elapsed());
    }
    let each = edge.resident_bytes().saturating_sub(before) / u64::try_from(clients).unwrap();
    assert!(slowest < Duration::from_secs(1), "a neighbour waited {slowest:?}");
    // Mostly hyper's buffers for reading and writing, 8 to 16 KiB each.
    assert!(each < 64 << 10, "a slow client costs {each} bytes");
    // They are ended without having to be asked.
    eventually("all are ended", || edge.metric("edgeward_net_connections_ended_total{reason=\"slow-head\"}") >= many);
    drop(slow);
}
