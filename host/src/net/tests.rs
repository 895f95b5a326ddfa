//! The room through its door: real sockets on loopback, a handler that tells what it saw.

mod deadlines;
mod protocols;
mod smuggling;

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use tokio::sync::watch;

use super::*;
use crate::telemetry::Telemetry;

type Answer = UnsyncBoxBody<Bytes, Infallible>;

/// A worker on a thread of its own; it drains when this is dropped.
struct Worker {
    address: SocketAddr,
    telemetry: Arc<Telemetry>,
    departure: Arc<Departure>,
    /// True lets `/wait` answer.
    gate: watch::Sender<bool>,
    requests: Arc<AtomicUsize>,
    ended: mpsc::Receiver<()>,
    /// Told when the endless body of `/endless` is dropped.
    dropped: mpsc::Receiver<()>,
}

/// Deadlines that a test can wait for.
fn quick() -> Bounds {
    let short = Duration::from_millis(500);
    Bounds { handshake: short, head: short, idle: short * 2, write: short, ..Bounds::default() }
}

impl Worker {
    fn start() -> Worker {
        Worker::with(Bounds::default(), None)
    }

    fn with(bounds: Bounds, tls: Option<Arc<TlsSlot>>) -> Worker {
        Worker::under(bounds, ClientRules::default(), tls)
    }

    fn under(bounds: Bounds, rules: ClientRules, tls: Option<Arc<TlsSlot>>) -> Worker {
        let listener = bind("127.0.0.1:0".parse().unwrap(), 1).unwrap().remove(0);
        let address = listener.local_addr().unwrap();
        let telemetry = Arc::new(Telemetry::new());
        let departure = Departure::new(1);
        let leaving = departure.clone();
        let rules = Arc::new(rules);
        let (gate, gated) = watch::channel(false);
        let (end, ended) = mpsc::channel();
        let (drop, dropped) = mpsc::channel();
        let requests = Arc::new(AtomicUsize::new(0));
        let handler = {
            let requests = requests.clone();
            move |client: Arc<Client>, request: Request<Incoming>| {
                requests.fetch_add(1, Ordering::SeqCst);
                answer(client, request, gated.clone(), drop.clone())
            }
        };
        let metrics = telemetry.net();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let tasks = tokio::task::LocalSet::new();
            let serving =
                serve(bounds, vec![Acceptor { listener, entrance: Entrance::Sites, tls }], rules, leaving, metrics, handler);
            tasks.block_on(&runtime, serving).unwrap();
            let _ = end.send(());
        });
        Worker { address, telemetry, departure, gate, requests, ended, dropped }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    /// Sends bytes and reads until the worker closes.
    fn exchange(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes.as_ref()).unwrap();
        to_end(stream)
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Waits for it: a client may see the end of its connection before the worker has counted it.
    #[track_caller]
    fn assert_metric(&self, line: &str) {
        let start = std::time::Instant::now();
        while !self.telemetry.render().lines().any(|found| found == line) {
            assert!(start.elapsed() < Duration::from_secs(10), "no `{line}` in\n{}", self.telemetry.render());
            std::thread::yield_now();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.departure.begin(None);
    }
}

fn to_end(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("{error}, after {:?}", String::from_utf8_lossy(&answer)),
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Tells method, target, Host and body; `/wait` waits for the gate, `/endless` never ends.
async fn answer(
    client: Arc<Client>,
    request: Request<Incoming>,
    mut gate: watch::Receiver<bool>,
    dropped: mpsc::Sender<()>,
) -> Response<Answer> {
    let (head, body) = request.into_parts();
    match head.uri.path() {
        "/wait" => drop(gate.wait_for(|open| *open).await),
        "/endless" => return Response::new(UnsyncBoxBody::new(Endless(dropped))),
        _ => {}
    }
    let pace =
        Pace { stall: Duration::from_millis(300), bytes_per_s: client.upload_bytes_per_s, grace: Duration::from_millis(500) };
    let body = match SteadyBody::new(body, pace).collect().await {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        Err(error) => error.to_string(),
    };
    let host = head.headers.get("host").map_or("-", |host| host.to_str().unwrap());
    let tls = client.tls.as_ref().map_or("-".to_owned(), |tls| format!("{} {}", tls.protocol, tls.sni.as_deref().unwrap_or("-")));
    let text = format!("{} {} host={host} tls={tls} body={body}\n", head.method, head.uri.path());
    Response::new(UnsyncBoxBody::new(Full::from(text)))
}

struct Endless(mpsc::Sender<()>);

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        static BLOCK: [u8; 16 << 10] = [b'x'; 16 << 10];
        std::task::Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from_static(&BLOCK)))))
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}
