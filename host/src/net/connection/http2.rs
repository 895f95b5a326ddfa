//! HTTP/2 on one connection: streams until it drains, is idle, offends, or is cut.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::rt::bounds::Http2ServerConnExec;
use hyper::server::conn::http2::Builder;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::ending;
use super::service::BoxError;
use crate::limits::request;
use crate::net::guard::GuardedStream;
use crate::net::state::CloseReason;
use crate::net::sweep::OpenConnection;

/// hyper's settings, made once per worker.
pub(super) fn builder() -> Builder<LocalExecutor> {
    let mut http2 = Builder::new(LocalExecutor);
    http2
        .timer(TokioTimer::new())
        .max_concurrent_streams(request::H2_STREAMS)
        .max_header_list_size(u32::try_from(request::HEAD_BYTES).expect("a small number"))
        .max_pending_accept_reset_streams(request::H2_RESETS)
        .max_local_error_reset_streams(request::H2_RESETS)
        .max_send_buf_size(request::H2_SEND_BYTES)
        .initial_stream_window_size(request::H2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(request::H2_CONNECTION_WINDOW_BYTES)
        .keep_alive_interval(Duration::from_millis(request::H2_PING_MS))
        .keep_alive_timeout(Duration::from_millis(request::H2_PONG_MS));
    http2
}

/// Runs the streams of an HTTP/2 connection on the thread of the connection.
#[derive(Clone, Copy)]
pub(super) struct LocalExecutor;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

/// Serves requests until the connection ends; the error, if hyper ended it.
pub(super) fn serve<'e, S, A, B>(
    builder: &Builder<LocalExecutor>,
    io: TokioIo<GuardedStream<S>>,
    service: A,
    entry: &'e OpenConnection,
) -> impl Future<Output = Option<hyper::Error>> + use<'e, S, A, B>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    A: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + 'static,
    A::Future: 'static,
    B: Body + 'static,
    B::Error: Into<BoxError>,
    LocalExecutor: Http2ServerConnExec<A::Future, B>,
{
    let mut connection = Box::pin(builder.serve_connection(io, service));
    let state = entry.state();
    async move {
        let mut told = false;
        let end = poll_fn(|cx| {
            state.attend(cx);
            let mut polled = connection.as_mut().poll(cx);
            // An idle connection is asked to go before it is cut: its client may be about to send.
            let idle = if told { None } else { state.take_idle() };
            if let Some(idle) = idle {
                ending::count(idle, entry);
            }
            // A client that connects while we drain gets a response first: closed at once, it would only connect again.
            let drained = state.is_draining() && state.has_served();
            if polled.is_pending() && (drained || idle.is_some()) && !told {
                told = true;
                state.goaway_sent();
                connection.as_mut().graceful_shutdown();
                polled = connection.as_mut().poll(cx);
            }
            if polled.is_pending() && state.close_reason() == Some(CloseReason::Shed) && !told {
                // Other clients need its descriptor now: the GOAWAY is sent, and nothing is awaited.
                told = true;
                connection.as_mut().graceful_shutdown();
                let _ = connection.as_mut().poll(cx);
            }
            match (polled, state.close_reason()) {
                (Poll::Ready(result), _) => Poll::Ready(Ok(result)),
                (Poll::Pending, Some(close_reason)) => Poll::Ready(Err(close_reason)),
                (Poll::Pending, None) => Poll::Pending,
            }
        })
        .await;
        match end {
            Ok(result) => result.err(),
            Err(close_reason) => {
                ending::count(close_reason, entry);
                if let CloseReason::Http2Error(_) = close_reason {
                    // The guard reads what still arrives, until the client closes.
                    let rest = poll_fn(|cx| connection.as_mut().poll(cx));
                    let _ = Box::pin(tokio::time::timeout(ending::LINGER, rest)).await;
                }
                None
            }
        }
    }
}
