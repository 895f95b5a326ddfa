//! HTTP/2 with and without TLS, certificates by name, replaced while connections are open.

use std::path::PathBuf;
use std::sync::Arc;

use http_body_util::Empty;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::config::Certificate;

/// Self-signed certificates in a folder.
struct Authority {
    folder: tempfile::TempDir,
    roots: RootCertStore,
}

impl Authority {
    fn new() -> Authority {
        Authority { folder: tempfile::tempdir().unwrap(), roots: RootCertStore::empty() }
    }

    fn issue(&mut self, file: &str, hosts: &[&str]) -> (Certificate, CertificateDer<'static>) {
        let names: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let issued = rcgen::generate_simple_self_signed(names).unwrap();
        let chain = self.file(&format!("{file}.pem"), &issued.cert.pem());
        let key = self.file(&format!("{file}.key"), &issued.signing_key.serialize_pem());
        self.roots.add(issued.cert.der().clone()).unwrap();
        (Certificate { hosts: Vec::new(), chain, key, not_after_s: None }, issued.cert.der().clone())
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    async fn connect(&self, worker: &Worker, name: &str, alpn: &[&str]) -> std::io::Result<TlsStream<tokio::net::TcpStream>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = tokio::net::TcpStream::connect(worker.address).await?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await
    }
}

fn shown(stream: &TlsStream<tokio::net::TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

async fn ask_h2<S>(stream: S, url: &str) -> String
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let answer = sender.send_request(Request::get(url).body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn http2_is_told_by_its_preface() {
    let worker = Worker::start();
    let stream = tokio::net::TcpStream::connect(worker.address).await.unwrap();
    assert_eq!(ask_h2(stream, "http://a.example/x").await, "GET /x host=a.example tls=- body=\n");
    worker.assert_metric(r#"edgeward_net_requests_total{protocol="h2"} 1"#);
}

#[tokio::test]
async fn alpn_chooses_the_protocol_under_tls() {
    let mut authority = Authority::new();
    let (certificate, _) = authority.issue("a", &["a.example"]);
    let worker = Worker::with(Bounds::default(), Some(Arc::new(TlsSlot::load(&[certificate]).unwrap())));

    let stream = authority.connect(&worker, "a.example", &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(ask_h2(stream, "https://a.example/x").await, "GET /x host=a.example tls=TLSv1.3 a.example body=\n");

    let stream = authority.connect(&worker, "a.example", &["http/1.1"]).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("/y").header("host", "a.example").body(Empty::<Bytes>::new()).unwrap();
    let answer = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    assert_eq!(answer, "GET /y host=a.example tls=TLSv1.3 a.example body=\n");
}

#[tokio::test]
async fn the_name_a_client_asks_for_chooses_the_certificate() {
    let mut authority = Authority::new();
    let (first, _) = authority.issue("first", &["first.example"]);
    let (exact, exact_der) = authority.issue("exact", &["www.b.example"]);
    let (wild, wild_der) = authority.issue("wild", &["*.b.example"]);
    let slot = Arc::new(TlsSlot::load(&[first, exact, wild]).unwrap());
    let worker = Worker::with(Bounds::default(), Some(slot));
    let stream = authority.connect(&worker, "www.b.example", &[]).await.unwrap();
    assert_eq!(shown(&stream), exact_der);
    let stream = authority.connect(&worker, "other.b.example", &[]).await.unwrap();
    assert_eq!(shown(&stream), wild_der);
    let error = authority.connect(&worker, "c.example", &[]).await.unwrap_err();
    assert!(error.to_string().contains("not valid for name"), "{error}");
}

#[tokio::test]
async fn certificates_are_replaced_while_a_connection_stays_open() {
    let mut authority = Authority::new();
    let (old, old_der) = authority.issue("old", &["a.example"]);
    let (new, new_der) = authority.issue("new", &["a.example"]);
    let slot = Arc::new(TlsSlot::load(&[old]).unwrap());
    let worker = Worker::with(Bounds::default(), Some(slot.clone()));
    let before = authority.connect(&worker, "a.example", &["h2"]).await.unwrap();
    assert_eq!(shown(&before), old_der);

    slot.reload(std::slice::from_ref(&new)).unwrap();
    let after = authority.connect(&worker, "a.example", &["h2"]).await.unwrap();
    assert_eq!(shown(&after), new_der);
    assert!(ask_h2(before, "https://a.example/").await.starts_with("GET /"));

    let broken = Certificate { key: authority.file("not.key", "nothing"), ..new };
    let error = slot.reload(&[broken]).unwrap_err().to_string();
    assert!(error.contains("not.key"), "{error}");
    let still = authority.connect(&worker, "a.example", &["h2"]).await.unwrap();
    assert_eq!(shown(&still), new_der);
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_cut_off() {
    let mut authority = Authority::new();
    let (certificate, _) = authority.issue("a", &["a.example"]);
    let worker = Worker::with(quick(), Some(Arc::new(TlsSlot::load(&[certificate]).unwrap())));
    assert_eq!(worker.exchange([0x16, 0x03, 0x01]), "");
    worker.assert_metric(r#"edgeward_net_connections_ended_total{reason="slow-handshake"} 1"#);
}

#[tokio::test]
async fn a_drain_lets_http2_streams_finish() {
    let worker = Worker::start();
    let stream = tokio::net::TcpStream::connect(worker.address).await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let open = tokio::spawn(sender.send_request(Request::get("http://a/wait").body(Empty::<Bytes>::new()).unwrap()));
    while worker.requests() < 1 {
        tokio::task::yield_now().await;
    }
    worker.departure.begin(None);
    worker.gate.send_replace(true);
    assert_eq!(open.await.unwrap().unwrap().status(), 200);
    connection.await.unwrap().expect("GOAWAY without an error");
    worker.ended.recv_timeout(Duration::from_secs(10)).expect("the worker ends");
}

#[tokio::test]
async fn an_http2_connection_without_requests_is_asked_to_go() {
    let worker = Worker::with(quick(), None);
    let stream = tokio::net::TcpStream::connect(worker.address).await.unwrap();
    let (_sender, connection) = http2::handshake::<_, _, Empty<Bytes>>(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    connection.await.expect("GOAWAY without an error");
    worker.assert_metric(r#"edgeward_net_connections_ended_total{reason="idle"} 1"#);
}

/// Its pings are answered, so that bytes go both ways; what it asked for does not move.
#[tokio::test]
async fn an_http2_client_that_reads_nothing_is_disconnected() {
    let worker = Worker::with(Bounds { stall: Duration::from_secs(1), ..quick() }, None);
    let stream = tokio::net::TcpStream::connect(worker.address).await.unwrap();
    let mut client = http2::Builder::new(TokioExecutor::new());
    client.timer(TokioTimer::new()).keep_alive_interval(Duration::from_millis(100)).keep_alive_while_idle(true);
    client.initial_stream_window_size(1_024);
    let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("http://a/endless").body(Empty::<Bytes>::new()).unwrap();
    let unread = sender.send_request(request).await.unwrap();
    connection.await.unwrap().unwrap_err();
    worker.dropped.recv_timeout(Duration::from_secs(10)).expect("the response is dropped");
    worker.assert_metric(r#"edgeward_net_connections_ended_total{reason="stalled"} 1"#);
    drop(unread);
}

#[tokio::test]
async fn a_new_http2_client_during_a_drain_is_answered_before_the_goaway() {
    let worker = Worker::start();
    let mut busy = worker.connect();
    busy.write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    while worker.requests() < 1 {
        tokio::task::yield_now().await;
    }
    worker.departure.begin(None);
    let stream = tokio::net::TcpStream::connect(worker.address).await.unwrap();
    assert_eq!(ask_h2(stream, "http://a.example/x").await, "GET /x host=a.example tls=- body=\n");
    worker.gate.send_replace(true);
    worker.ended.recv_timeout(Duration::from_secs(10)).expect("the worker ends");
}
