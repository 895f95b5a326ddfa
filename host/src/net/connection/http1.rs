//! HTTP/1.1 on one connection: requests until it drains, is refused, is cut, or becomes a tunnel.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::ending;
use super::service::BoxError;
use crate::limits::request;
use crate::net::guard::GuardedStream;
use crate::net::relay;
use crate::net::sweep::OpenConnection;

/// hyper's settings, made once per worker.
pub(super) fn builder() -> Builder {
    let mut http1 = Builder::new();
    // The sweep keeps the deadlines; hyper would arm a timer for each request. The number of headers stays
    // hyper's default, because setting it moves them to the heap. `pipeline_flush` stays off: with it hyper
    // buffers a body without bound when the client does not read (`Conn::can_buffer_body`).
    http1.header_read_timeout(None).max_header_size(request::HEAD_BYTES).max_buf_size(request::H1_BUFFER_BYTES).half_close(false);
    http1
}

/// Serves requests until the connection ends; the error, if hyper ended it.
pub(super) fn serve<'e, S, A, B>(
    builder: &Builder,
    io: TokioIo<GuardedStream<S>>,
    service: A,
    entry: &'e OpenConnection,
) -> impl Future<Output = Option<hyper::Error>> + use<'e, S, A, B>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    A: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    B: Body + 'static,
    B::Error: Into<BoxError>,
{
    let mut connection = builder.serve_connection(io, service);
    let state = entry.state();
    async move {
        let mut told = false;
        let end = poll_fn(|cx| {
            state.attend(cx);
            if state.is_draining() && state.exchanges() > 0 && !told {
                // The response that is under way says that it is the last.
                told = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            // Without a request the connection waits for a moment: one may be on its way (`CloseReason::Drained`).
            let polled = Pin::new(&mut connection).poll(cx);
            match (polled, state.close_reason()) {
                (Poll::Ready(result), None) => Poll::Ready(Ok(result)),
                (_, Some(close_reason)) => Poll::Ready(Err(close_reason)),
                (Poll::Pending, None) => Poll::Pending,
            }
        })
        .await;
        // After a framing error before the switch there is no tunnel.
        if let (Ok(Ok(())), None, Some(tunnel)) = (&end, state.refusal(), state.take_switch()) {
            let parts = connection.into_parts();
            let end = Box::pin(relay::carry(parts.io.into_inner(), parts.read_buf, tunnel, state)).await;
            if let Some(close_reason) = end {
                ending::count(close_reason, entry);
            }
            return None;
        }
        let stream = || connection.into_parts().io.into_inner().into_inner();
        let refusal = state.refusal();
        if let (Ok(_), Some(refusal)) = (&end, refusal) {
            // The body was malformed in the middle of its exchange.
            entry.metrics().refused(refusal.name());
        }
        match end {
            Ok(Ok(())) => {
                Box::pin(ending::linger(stream())).await;
                None
            }
            Ok(Err(error)) => {
                if error.is_parse() {
                    entry.metrics().refused("malformed");
                }
                if error.is_parse() || refusal.is_some() {
                    Box::pin(ending::linger(stream())).await;
                }
                Some(error)
            }
            Err(close_reason) => {
                Box::pin(ending::cut(stream(), close_reason, entry, state.exchanges())).await;
                None
            }
        }
    }
}
