//! The life of a connection: accepted, served, drained.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::sweep::{Phase, Pulse, Sweeper};
use super::tls::TlsSlot;
use super::{Client, Tls};
use crate::limits::request;
use crate::telemetry::NetMetrics;

/// Where connections come from, and how.
pub struct Acceptor {
    pub listener: std::net::TcpListener,
    /// None for cleartext.
    pub tls: Option<Arc<TlsSlot>>,
}

/// Becomes true when connections are to end after their current request.
pub type Drain = watch::Receiver<bool>;

/// Accepts on all sockets of this worker until `drain`, then waits for the connections to end. Runs on a
/// `LocalSet`; the caller bounds how long it waits.
pub async fn serve<H, F, B>(acceptors: Vec<Acceptor>, drain: Drain, metrics: NetMetrics, handler: H) -> io::Result<()>
where
    H: Fn(Client, Request<Incoming>) -> F + Clone + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body + 'static,
    B::Data: 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let sweeper = Sweeper::new();
    let sweeping = tokio::task::spawn_local(sweeper.clone().run(metrics.clone()));
    let open = Rc::new(Open::default());
    let mut accepting = Vec::new();
    for acceptor in acceptors {
        let listener = TcpListener::from_std(acceptor.listener)?;
        let (drain, metrics, handler) = (drain.clone(), metrics.clone(), handler.clone());
        accepting.push(tokio::task::spawn_local(accept(
            listener,
            acceptor.tls,
            drain,
            metrics,
            handler,
            sweeper.clone(),
            open.clone(),
        )));
    }
    for task in accepting {
        let _ = task.await;
    }
    open.none().await;
    sweeping.abort();
    Ok(())
}

async fn accept<H, F, B>(
    listener: TcpListener,
    tls: Option<Arc<TlsSlot>>,
    mut drain: Drain,
    metrics: NetMetrics,
    handler: H,
    sweeper: Sweeper,
    open: Rc<Open>,
) where
    H: Fn(Client, Request<Incoming>) -> F + Clone + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body + 'static,
    B::Data: 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = drain.wait_for(|draining| *draining) => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly: without the pause this would spin.
                tracing::warn!(%error, "cannot accept a connection");
                metrics.refused("accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        if open.count.get() >= request::CONNECTIONS_PER_WORKER {
            metrics.refused("connections");
            continue;
        }
        let guard = open.enter();
        metrics.accepted();
        let pulse = sweeper.watch();
        let client = Client { peer, ip: peer.ip().to_canonical().to_string().into(), tls: None };
        let connection = connection(stream, tls.clone(), client, pulse.clone(), drain.clone(), metrics.clone(), handler.clone());
        let closed = metrics.clone();
        let task = tokio::task::spawn_local(async move {
            let _guard = guard;
            let _closed = OnDrop(closed);
            connection.await;
        });
        pulse.set_abort(task.abort_handle());
    }
}

/// Also runs when the sweeper aborts the task.
struct OnDrop(NetMetrics);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.closed();
    }
}

async fn connection<H, F, B>(
    stream: TcpStream,
    tls: Option<Arc<TlsSlot>>,
    mut client: Client,
    pulse: Rc<Pulse>,
    drain: Drain,
    metrics: NetMetrics,
    handler: H,
) where
    H: Fn(Client, Request<Incoming>) -> F + Clone + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body + 'static,
    B::Data: 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // Without it a response in two writes waits for the client's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    match tls {
        None => {
            let Ok(http2) = begins_http2(&stream).await else { return };
            http(Watched { stream, pulse: pulse.clone() }, http2, client, pulse, drain, metrics, handler).await;
        }
        Some(slot) => {
            let stream = match slot.acceptor().accept(stream).await {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::debug!(peer = %client.peer, %error, "TLS handshake failed");
                    metrics.refused("tls-handshake");
                    return;
                }
            };
            let session = stream.get_ref().1;
            let http2 = session.alpn_protocol() == Some(b"h2");
            client.tls = Some(Tls {
                protocol: match session.protocol_version() {
                    Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
                    _ => "TLSv1.2",
                },
                cipher: session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("-"),
                sni: session.server_name().map(Arc::from),
            });
            http(Watched { stream, pulse: pulse.clone() }, http2, client, pulse, drain, metrics, handler).await;
        }
    }
}

/// Whether the client speaks HTTP/2 with prior knowledge (RFC 9113 §3.4): no method begins with `PRI`.
async fn begins_http2(stream: &TcpStream) -> io::Result<bool> {
    const PREFACE: &[u8] = b"PRI";
    let mut seen = [0; 3];
    loop {
        let n = stream.peek(&mut seen).await?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !PREFACE.starts_with(&seen[..n]) {
            return Ok(false);
        }
        if n == PREFACE.len() {
            return Ok(true);
        }
        // `P` or `PR` alone: the socket stays readable, so the rest has to be waited for by the clock.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn http<S, H, F, B>(
    stream: Watched<S>,
    http2: bool,
    client: Client,
    pulse: Rc<Pulse>,
    mut drain: Drain,
    metrics: NetMetrics,
    handler: H,
) where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    H: Fn(Client, Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body + 'static,
    B::Data: 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let streams = Rc::new(Cell::new(0u32));
    let requests = metrics.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        requests.request(http2);
        pulse.enter(Phase::Busy);
        let stream = Stream::open(&streams, &pulse);
        let response = handler(client.clone(), request);
        async move {
            let response = response.await;
            drop(stream);
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let io = TokioIo::new(stream);
    let result = if http2 {
        let mut builder = http2::Builder::new(LocalExec);
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(request::H2_STREAMS)
            .max_header_list_size(u32::try_from(request::HEAD_BYTES).unwrap_or(u32::MAX))
            .max_pending_accept_reset_streams(request::H2_RESETS)
            .max_local_error_reset_streams(request::H2_RESETS)
            .initial_stream_window_size(256 << 10)
            .initial_connection_window_size(1 << 20)
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10));
        let mut connection = std::pin::pin!(builder.serve_connection(io, service));
        tokio::select! {
            result = connection.as_mut() => result,
            _ = drain.wait_for(|draining| *draining) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    } else {
        let mut builder = http1::Builder::new();
        builder.max_headers(request::HEADERS).max_buf_size(request::H1_BUFFER_BYTES).header_read_timeout(None).half_close(false);
        builder.pipeline_flush(true);
        let mut connection = std::pin::pin!(builder.serve_connection(io, service));
        tokio::select! {
            result = connection.as_mut() => result,
            _ = drain.wait_for(|draining| *draining) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    if let Err(error) = result {
        if error.is_parse() || error.is_parse_too_large() {
            metrics.refused("malformed");
        }
        tracing::debug!(%error, "connection ended");
    }
}

/// A request in the handler's hands.
struct Stream {
    open: Rc<Cell<u32>>,
    pulse: Rc<Pulse>,
}

impl Stream {
    fn open(open: &Rc<Cell<u32>>, pulse: &Rc<Pulse>) -> Stream {
        open.set(open.get() + 1);
        Stream { open: open.clone(), pulse: pulse.clone() }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.open.set(self.open.get() - 1);
        if self.open.get() == 0 {
            self.pulse.enter(Phase::Idle);
        }
    }
}

/// A stream that tells its pulse what moves.
struct Watched<S> {
    stream: S,
    pulse: Rc<Pulse>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            match self.pulse.phase() {
                Phase::Idle => self.pulse.enter(Phase::Head),
                Phase::Head | Phase::Busy => self.pulse.moved(),
            }
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        if result.is_ready() {
            self.pulse.moved();
        }
        result
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        if result.is_ready() {
            self.pulse.moved();
        }
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// HTTP/2 streams run on the worker's own thread.
#[derive(Clone)]
struct LocalExec;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExec {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

/// Counts open connections, and tells when there are none.
#[derive(Default)]
struct Open {
    count: Cell<usize>,
    changed: tokio::sync::Notify,
}

struct OpenGuard(Rc<Open>);

impl Open {
    fn enter(self: &Rc<Self>) -> OpenGuard {
        self.count.set(self.count.get() + 1);
        OpenGuard(self.clone())
    }

    async fn none(&self) {
        while self.count.get() > 0 {
            self.changed.notified().await;
        }
    }
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.count.set(self.0.count.get() - 1);
        self.0.changed.notify_one();
    }
}
