//! One connection from its first byte to its last.
//!
//! hyper speaks HTTP. This decides what it reads (`guard`), when it must end (`sweep`), and what the client is
//! told when it ends before there was a request (`ending`).

mod ending;
mod http1;
mod http2;
mod service;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::net::client::{Client, Tls};
use crate::net::guard::{GuardedStream, Opening, Protocol};
use crate::net::interim::Interim;
use crate::net::state::{CloseReason, ConnectionStage, ConnectionState};
use crate::net::sweep::OpenConnection;
use crate::net::tls::TlsSlot;
use service::BoxError;

/// What the connections of a worker share: hyper's settings, and the handler of requests.
pub(crate) struct HttpServer<H> {
    http1: hyper::server::conn::http1::Builder,
    http2: hyper::server::conn::http2::Builder<http2::LocalExecutor>,
    handler: Rc<H>,
}

impl<H> HttpServer<H> {
    pub(crate) fn new(handler: H) -> HttpServer<H> {
        HttpServer { http1: http1::builder(), http2: http2::builder(), handler: Rc::new(handler) }
    }
}

/// Does the TLS handshake, then serves.
pub(crate) async fn serve_tls<H, F, B>(
    stream: TcpStream,
    slot: Arc<TlsSlot>,
    mut client: Client,
    entry: OpenConnection,
    server: Rc<HttpServer<H>>,
) where
    H: Fn(Arc<Client>, Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body + 'static,
    B::Error: Into<BoxError>,
{
    let handshake = slot.acceptor().accept(stream);
    let stream = match attended(entry.state(), handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(peer = %client.peer, %error, "TLS handshake failed");
            entry.metrics().refused("tls-handshake");
            return;
        }
        Err(close_reason) => return ending::count(close_reason, &entry),
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
    entry.state().enter(ConnectionStage::Idle);
    serve(ReadyStream { stream, opening: Opening::default(), protocol }, client, entry, server).await;
}

/// Recognises HTTP/2 by its preface, then serves.
pub(crate) async fn serve_cleartext<H, F, B>(
    mut stream: TcpStream,
    client: Client,
    entry: OpenConnection,
    server: Rc<HttpServer<H>>,
) where
    H: Fn(Arc<Client>, Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body + 'static,
    B::Error: Into<BoxError>,
{
    let state = entry.state().clone();
    let opened = attended(&state, Opening::read(&mut stream, &state)).await;
    match opened {
        Ok(Ok((opening, protocol))) => {
            if protocol == Protocol::Http2 {
                state.enter(ConnectionStage::Idle);
            }
            serve(ReadyStream { stream, opening, protocol }, client, entry, server).await;
        }
        Ok(Err(_)) => {} // Closed before it sent anything.
        Err(close_reason) => Box::pin(ending::cut(stream, close_reason, &entry, 0)).await,
    }
}

/// A connection whose protocol is known.
struct ReadyStream<S> {
    stream: S,
    /// The bytes that were read to tell the protocol.
    opening: Opening,
    protocol: Protocol,
}

/// Serves requests until the connection ends.
async fn serve<S, H, F, B>(opened: ReadyStream<S>, mut client: Client, entry: OpenConnection, server: Rc<HttpServer<H>>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    H: Fn(Arc<Client>, Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body + 'static,
    B::Error: Into<BoxError>,
{
    let ReadyStream { stream, opening, protocol } = opened;
    let state = entry.state().clone();
    let peer = client.peer;
    if protocol == Protocol::Http1 {
        client.interim = Some(Interim::default());
    }
    client.stillness = Some(state.stillness());
    let io = TokioIo::new(GuardedStream::new(stream, opening, client.interim.clone(), state));
    let service = service::service(server.handler.clone(), client, protocol, &entry);
    let error = match protocol {
        Protocol::Http1 => http1::serve(&server.http1, io, service, &entry).await,
        Protocol::Http2 => http2::serve(&server.http2, io, service, &entry).await,
    };
    if let Some(error) = error {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

/// Runs a future of a connection that hyper does not own yet. An error is the reason to close it.
async fn attended<T>(state: &ConnectionState, future: impl Future<Output = T>) -> Result<T, CloseReason> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        state.attend(cx);
        if let Some(close_reason) = state.close_reason() {
            return Poll::Ready(Err(close_reason));
        }
        future.as_mut().poll(cx).map(Ok)
    })
    .await
}
