//! Origins: real servers in the test's process, that remember what they were asked.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::body::{Body, Frame, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::Notify;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Seen {
    /// The first value of a header; empty without one.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }

    pub fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(found, _)| found == name)
    }
}

/// What an origin answers.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// Waited for before the answer.
    pub after: Duration,
    /// Waited for before the answer.
    pub held: Option<Arc<Notify>>,
    /// The connection is closed after so many bytes of the body.
    pub cut_at: Option<usize>,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Reply {
        Reply { status, headers: Vec::new(), body: body.into(), after: Duration::ZERO, held: None, cut_at: None }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }

    /// The answer waits until the gate is told.
    pub fn held(mut self, gate: Arc<Notify>) -> Reply {
        self.held = Some(gate);
        self
    }

    pub fn cut_at(mut self, bytes: usize) -> Reply {
        self.cut_at = Some(bytes);
        self
    }

    pub fn after(mut self, time: Duration) -> Reply {
        self.after = time;
        self
    }
}

/// A server that runs until it is dropped.
pub struct Origin {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Drop for Origin {
    fn drop(&mut self) {
        // A runtime must not be waited for in an asynchronous test.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Origin {
    /// Answers with method and target.
    pub fn echo() -> Origin {
        Origin::start(|seen| Reply::new(200, format!("{} {}\n", seen.method, seen.target)))
    }

    pub fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Origin {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (answer, log) = (Arc::new(answer), seen.clone());
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, log) = (answer.clone(), log.clone());
                let service = service_fn(move |request| respond(request, answer.clone(), log.clone()));
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Origin { address, seen, runtime: Some(runtime) }
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    #[track_caller]
    pub fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().cloned().expect("the origin was asked")
    }

    /// The URL for a configuration.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn respond(
    request: http::Request<Incoming>,
    answer: Arc<impl Fn(&Seen) -> Reply>,
    log: Arc<Mutex<Vec<Seen>>>,
) -> Result<http::Response<Cut>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let seen = Seen {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body,
    };
    let reply = answer(&seen);
    log.lock().unwrap().push(seen);
    if !reply.after.is_zero() {
        tokio::time::sleep(reply.after).await;
    }
    if let Some(gate) = &reply.held {
        gate.notified().await;
    }
    let mut response = http::Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        response = response.header(name, value);
    }
    let said = reply.body.len();
    let mut bytes = Bytes::from(reply.body);
    if let Some(at) = reply.cut_at {
        bytes.truncate(at);
        response = response.header("content-length", said);
    }
    Ok(response.body(Cut { bytes: Some(bytes), breaks: reply.cut_at.is_some(), flushed: false }).expect("a valid reply"))
}

/// A body that may break off.
struct Cut {
    bytes: Option<Bytes>,
    breaks: bool,
    flushed: bool,
}

impl Body for Cut {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match self.bytes.take().filter(|bytes| !bytes.is_empty()) {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None if self.breaks && !self.flushed => {
                // hyper sends what it has only when there is nothing more to be had.
                self.flushed = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            None if self.breaks => Poll::Ready(Some(Err(std::io::ErrorKind::BrokenPipe.into()))),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        !self.breaks && self.bytes.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.bytes {
            Some(bytes) if !self.breaks => SizeHint::with_exact(bytes.len() as u64),
            _ => SizeHint::default(),
        }
    }
}

/// A port on which nobody listens.
pub fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
