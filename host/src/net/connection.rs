//! One connection from its first byte to its last.
//!
//! hyper speaks HTTP; I decide what it hears (`guard`), when it must end (`sweep`), and what the client is
//! told when it ends before there was a request.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::header::{CONNECTION, HOST};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::limits::request;
use crate::net::body::ExchangeBody;
use crate::net::guard::{Guarded, Opening, Protocol};
use crate::net::sweep::{Entry, ExchangeGuard, Pulse, Stage, Verdict};
use crate::net::tunnel::{self, Switch};
use crate::net::{Client, Interim, Tls, TlsSlot};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// hyper's settings, made once per worker.
pub(crate) struct Protocols {
    http1: http1::Builder,
    http2: http2::Builder<LocalExecutor>,
}

impl Protocols {
    pub(crate) fn new() -> Protocols {
        let mut http1 = http1::Builder::new();
        // Deadlines are the pulse's; hyper would arm a timer for each request. The number of headers stays
        // hyper's default, because setting it moves them to the heap. `pipeline_flush` stays off: with it hyper
        // buffers a body without bound when the client does not read (`Conn::can_buffer_body`).
        http1
            .header_read_timeout(None)
            .max_header_size(request::HEAD_BYTES)
            .max_buf_size(request::H1_BUFFER_BYTES)
            .half_close(false);
        let mut http2 = http2::Builder::new(LocalExecutor);
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(request::H2_STREAMS)
            .max_header_list_size(u32::try_from(request::HEAD_BYTES).expect("a small number"))
            .max_pending_accept_reset_streams(request::H2_RESETS)
            .max_local_error_reset_streams(request::H2_RESETS)
            .max_send_buf_size(64 << 10)
            .initial_stream_window_size(256 << 10)
            .initial_connection_window_size(1 << 20)
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10));
        Protocols { http1, http2 }
    }
}

/// Runs the streams of an HTTP/2 connection on the thread of the connection.
#[derive(Clone, Copy)]
pub(crate) struct LocalExecutor;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

/// Shakes hands, then serves.
pub(crate) async fn serve_tls<H, F, B>(
    stream: TcpStream,
    slot: Arc<TlsSlot>,
    mut client: Client,
    entry: Entry,
    protocols: Rc<Protocols>,
    handler: Rc<H>,
) where
    H: Fn(Arc<Client>, Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body + 'static,
    B::Error: Into<BoxError>,
{
    let handshake = slot.acceptor().accept(stream);
    let stream = match attended(entry.pulse(), handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(peer = %client.peer, %error, "TLS handshake failed");
            entry.metrics().refused("tls-handshake");
            return;
        }
        Err(verdict) => return count(verdict, &entry),
    };
    let (_, session) = stream.get_ref();
    client.tls = Some(Tls {
        protocol: match session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
            _ => "TLSv1.2",
        },
        cipher: session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("unknown"),
        sni: session.server_name().map(Arc::from),
        hosts: slot.hosts(session.server_name().unwrap_or_default()),
    });
    let protocol = if session.alpn_protocol() == Some(b"h2") { Protocol::Http2 } else { Protocol::Http1 };
    entry.pulse().enter(Stage::Idle);
    serve(stream, Opening::default(), protocol, client, entry, protocols, handler).await;
}

/// Tells HTTP/2 by its preface, then serves.
pub(crate) async fn serve_cleartext<H, F, B>(
    mut stream: TcpStream,
    client: Client,
    entry: Entry,
    protocols: Rc<Protocols>,
    handler: Rc<H>,
) where
    H: Fn(Arc<Client>, Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body + 'static,
    B::Error: Into<BoxError>,
{
    let pulse = entry.pulse().clone();
    let opened = attended(&pulse, Opening::read(&mut stream, &pulse)).await;
    match opened {
        Ok(Ok((opening, protocol))) => {
            if protocol == Protocol::Http2 {
                pulse.enter(Stage::Idle);
            }
            serve(stream, opening, protocol, client, entry, protocols, handler).await;
        }
        Ok(Err(_)) => {} // Closed before it said anything.
        Err(verdict) => Box::pin(cut(stream, verdict, &entry, 0)).await,
    }
}

async fn serve<S, H, F, B>(
    stream: S,
    opening: Opening,
    protocol: Protocol,
    mut client: Client,
    entry: Entry,
    protocols: Rc<Protocols>,
    handler: Rc<H>,
) where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    H: Fn(Arc<Client>, Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body + 'static,
    B::Error: Into<BoxError>,
{
    let pulse = entry.pulse().clone();
    let peer = client.peer;
    let metrics = entry.metrics().clone();
    if protocol == Protocol::Http1 {
        client.interim = Some(Interim::default());
    }
    client.stillness = Some(pulse.stillness());
    let interim = client.interim.clone();
    // Shared by the requests of this connection.
    let client = Arc::new(client);
    let service = {
        let pulse = pulse.clone();
        service_fn(move |mut request: Request<Incoming>| {
            let exchange = pulse.exchange();
            metrics.request(protocol == Protocol::Http2);
            name_one_host(&mut request);
            let interim = client.interim.clone();
            Answering {
                answer: handler(client.clone(), request),
                exchange: Some(exchange),
                may_say_close: protocol == Protocol::Http1,
                interim,
            }
        })
    };
    let io = TokioIo::new(Guarded::new(stream, opening, interim, pulse.clone()));
    let error = match protocol {
        Protocol::Http1 => {
            let mut connection = protocols.http1.serve_connection(io, service);
            let mut told = false;
            let end = poll_fn(|cx| {
                pulse.attend(cx);
                if pulse.is_draining() && pulse.exchanges() > 0 && !told {
                    // The answer that is under way says that it is the last.
                    told = true;
                    Pin::new(&mut connection).graceful_shutdown();
                }
                // Without a request it is left alone for a moment: one may be on its way (`Verdict::Drained`).
                let polled = Pin::new(&mut connection).poll(cx);
                match (polled, pulse.verdict()) {
                    (Poll::Ready(result), None) => Poll::Ready(Ok(result)),
                    (_, Some(verdict)) => Poll::Ready(Err(verdict)),
                    (Poll::Pending, None) => Poll::Pending,
                }
            })
            .await;
            // What was refused before the switch is lost to the tunnel: there is none then.
            if let (Ok(Ok(())), None, Some(tunnel)) = (&end, pulse.refusal(), pulse.take_switch()) {
                let parts = connection.into_parts();
                let end = Box::pin(tunnel::carry(parts.io.into_inner(), parts.read_buf, tunnel, &pulse)).await;
                if let Some(verdict) = end {
                    count(verdict, &entry);
                }
                return;
            }
            let stream = || connection.into_parts().io.into_inner().into_inner();
            let refusal = pulse.refusal();
            if let (Ok(_), Some(refusal)) = (&end, refusal) {
                // Of a body that broke in the middle of its exchange.
                entry.metrics().refused(refusal.name());
            }
            match end {
                Ok(Ok(())) => {
                    Box::pin(linger(stream())).await;
                    None
                }
                Ok(Err(error)) => {
                    if error.is_parse() {
                        entry.metrics().refused("malformed");
                    }
                    if error.is_parse() || refusal.is_some() {
                        Box::pin(linger(stream())).await;
                    }
                    Some(error)
                }
                Err(verdict) => return Box::pin(cut(stream(), verdict, &entry, pulse.exchanges())).await,
            }
        }
        Protocol::Http2 => {
            let mut connection = Box::pin(protocols.http2.serve_connection(io, service));
            let mut told = false;
            let end = poll_fn(|cx| {
                pulse.attend(cx);
                let mut polled = connection.as_mut().poll(cx);
                // An idle connection is asked to go before it is cut: its client may be about to send.
                let idle = if told { None } else { pulse.take_idle() };
                if let Some(idle) = idle {
                    count(idle, &entry);
                }
                // Who has come while we drain is answered first: sent away at once, it would only come again.
                let drained = pulse.is_draining() && pulse.was_asked();
                if polled.is_pending() && (drained || idle.is_some()) && !told {
                    told = true;
                    pulse.is_told_to_go();
                    connection.as_mut().graceful_shutdown();
                    polled = connection.as_mut().poll(cx);
                }
                if polled.is_pending() && pulse.verdict() == Some(Verdict::Shed) && !told {
                    // Others need its descriptor now: the GOAWAY goes out, and nobody waits for what is said to it.
                    told = true;
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.as_mut().poll(cx);
                }
                match (polled, pulse.verdict()) {
                    (Poll::Ready(result), _) => Poll::Ready(Ok(result)),
                    (Poll::Pending, Some(verdict)) => Poll::Ready(Err(verdict)),
                    (Poll::Pending, None) => Poll::Pending,
                }
            })
            .await;
            match end {
                Ok(result) => result.err(),
                Err(verdict) => {
                    count(verdict, &entry);
                    if let Verdict::Offence(_) = verdict {
                        // The guard reads what still comes, until the client closes.
                        let rest = poll_fn(|cx| connection.as_mut().poll(cx));
                        let _ = Box::pin(tokio::time::timeout(LINGER, rest)).await;
                    }
                    None
                }
            }
        }
    };
    if let Some(error) = error {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

pin_project! {
    /// An answer on its way, within its exchange. An async block would hold the handler's future twice.
    struct Answering<F> {
        #[pin]
        answer: F,
        exchange: Option<ExchangeGuard>,
        // HTTP/1.1 has a header for it, HTTP/2 a frame.
        may_say_close: bool,
        interim: Option<Interim>,
    }
}

impl<B, F: Future<Output = Response<B>>> Future for Answering<F> {
    type Output = Result<Response<ExchangeBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.answer.poll(cx));
        let exchange = this.exchange.take();
        if let (Some(interim), Some(exchange)) = (this.interim, &exchange)
            && exchange.is_unflushed()
        {
            // What could not go before the answer goes no more.
            drop(interim.take());
        }
        if response.status() == StatusCode::SWITCHING_PROTOCOLS
            && let Some(tunnel) = response.extensions_mut().remove::<Switch>().and_then(Switch::take)
            && let Some(exchange) = &exchange
        {
            exchange.switch(tunnel);
        } else if *this.may_say_close && exchange.as_ref().is_some_and(ExchangeGuard::is_last) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Poll::Ready(Ok(response.map(|body| ExchangeBody::new(body, exchange))))
    }
}

/// Runs a future of a connection that hyper does not own yet; an error is the verdict that ended it.
async fn attended<T>(pulse: &Pulse, future: impl Future<Output = T>) -> Result<T, Verdict> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        pulse.attend(cx);
        if let Some(verdict) = pulse.verdict() {
            return Poll::Ready(Err(verdict));
        }
        future.as_mut().poll(cx).map(Ok)
    })
    .await
}

/// Ends an HTTP/1.1 connection, with an answer where the client can tell what it answers.
async fn cut<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, verdict: Verdict, entry: &Entry, exchanges: u32) {
    count(verdict, entry);
    let status = match verdict {
        Verdict::Refused(refusal) => refusal.status(),
        Verdict::Head => "408 Request Timeout",
        Verdict::Handshake
        | Verdict::Idle
        | Verdict::Write
        | Verdict::Stalled
        | Verdict::Quiet
        | Verdict::Offence(_)
        | Verdict::Shed
        | Verdict::Drained => return,
    };
    if exchanges > 0 {
        return; // An answer is under way; another one in the middle of it would be taken for it.
    }
    let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    let farewell = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    };
    if let Ok(Ok(())) = tokio::time::timeout(LINGER, farewell).await {
        linger(stream).await;
    }
}

/// How long a client may take to notice that we have closed.
const LINGER: Duration = Duration::from_secs(1);

/// Reads what still comes after we have said our last word: closing with unread bytes would reset the
/// connection, and the client might lose the answer.
async fn linger<S: AsyncRead + Unpin>(mut stream: S) {
    let rest = async {
        let mut rest = vec![0; 4096];
        for _ in 0..64 {
            if stream.read(&mut rest).await? == 0 {
                break;
            }
        }
        std::io::Result::Ok(())
    };
    // Whatever comes of it, the connection ends here.
    let _ = tokio::time::timeout(LINGER, rest).await;
}

fn count(verdict: Verdict, entry: &Entry) {
    match verdict {
        Verdict::Handshake => entry.metrics().ended("slow-handshake"),
        Verdict::Idle => entry.metrics().ended("idle"),
        Verdict::Head => entry.metrics().ended("slow-head"),
        Verdict::Write => entry.metrics().ended("slow-reader"),
        Verdict::Stalled => entry.metrics().ended("stalled"),
        Verdict::Quiet => entry.metrics().ended("quiet-tunnel"),
        Verdict::Refused(refusal) => entry.metrics().refused(refusal.name()),
        Verdict::Offence(offence) => entry.metrics().refused(offence.name()),
        Verdict::Shed => entry.metrics().ended("shed"),
        Verdict::Drained => {}
    }
}

/// Makes Host say what the request is for: a target with an authority (HTTP/2, or a whole URL in
/// HTTP/1.1) outranks the header (RFC 9112 §3.2.2, RFC 9113 §8.3.1).
fn name_one_host(request: &mut Request<Incoming>) {
    let Some(authority) = request.uri().authority() else { return };
    if request.headers().get_all(HOST).iter().nth(1).is_some() {
        // Whoever reads the request refuses it: two of them are not made one.
        return;
    }
    // User information has no place in Host (RFC 9110 §4.2.4).
    let host = authority.as_str().rsplit('@').next().unwrap_or_default();
    if let Ok(host) = HeaderValue::from_str(host) {
        debug_assert!(request.version() >= Version::HTTP_10);
        request.headers_mut().insert(HOST, host);
    }
}
