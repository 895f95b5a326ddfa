//! One request over HTTP/1.1 to an origin.
//!
//! The connection is driven by the task that waits for the response, not by a task of its own: that saves a
//! wake-up and a switch for each message. So a connection moves only while somebody waits on it; an idle one
//! is looked at when it is taken from the pool.
//!
//!     send ──► head ──► OriginBody ──(end)──► pool
//!                            └──(dropped early)──► closed

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, Sleep};

use super::connect::{Stream, connect};
use super::{FetchError, Url, pool};
use crate::edge::Body;
use crate::limits::request as limits;

/// An open connection, with the future that moves it.
pub(super) struct Connection {
    sender: http1::SendRequest<Body>,
    driver: Pin<Box<http1::Connection<TokioIo<Stream>, Body>>>,
    /// The driver has ended: with it the connection.
    over: bool,
}

/// Sends a request that is ready for the wire.
pub(super) async fn send(url: &Arc<Url>, request: Request<Body>) -> Result<Response<Body>, FetchError> {
    let mut request = request;
    // A kept connection may have been closed under us. Then nothing of the request was seen, or (idempotent,
    // without a body) it may be sent again: RFC 9110 §9.2.2.
    if let Some(connection) = pool::take(url) {
        let again = (request.method().is_idempotent() && request.body().is_empty()).then(|| copy(&request));
        match exchange(url, connection, request).await {
            Err(Failed { returned, error: _, early: true }) if returned.is_some() || again.is_some() => {
                request = returned.or(again).expect("one of them is there");
            }
            Err(failed) => return Err(failed.error),
            Ok(response) => return Ok(response),
        }
    }
    let connection = handshake(url).await?;
    exchange(url, connection, request).await.map_err(|failed| failed.error)
}

fn copy(request: &Request<Body>) -> Request<Body> {
    let mut copy = Request::new(Body::empty());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}

async fn handshake(url: &Url) -> Result<Connection, FetchError> {
    let stream = connect(url).await?;
    let mut builder = http1::Builder::new();
    builder.max_headers(limits::HEADERS * 2).max_buf_size(limits::H1_BUFFER_BYTES * 2);
    let (sender, driver) = builder.handshake(TokioIo::new(stream)).await.map_err(|error| protocol(url, &error))?;
    Ok(Connection { sender, driver: Box::pin(driver), over: false })
}

struct Failed {
    error: FetchError,
    /// The request, if nothing of it was sent.
    returned: Option<Request<Body>>,
    /// The connection ended before the first byte of a response.
    early: bool,
}

async fn exchange(url: &Arc<Url>, mut connection: Connection, request: Request<Body>) -> Result<Response<Body>, Failed> {
    let mut response = std::pin::pin!(connection.sender.try_send_request(request));
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    let head = std::future::poll_fn(|cx| {
        // The driver first: it puts the request on the wire, and the response into the channel.
        let mut before = connection.over;
        loop {
            if !connection.over {
                connection.over = connection.driver.as_mut().poll(cx).is_ready();
            }
            if let Poll::Ready(result) = response.as_mut().poll(cx) {
                return Poll::Ready(Some(result));
            }
            if connection.over == before {
                break;
            }
            before = connection.over;
        }
        let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(url.read_timeout)));
        timer.as_mut().poll(cx).map(|()| None)
    })
    .await;
    match head {
        Some(Ok(mut response)) => {
            // An origin of HTTP/1.0 must not end the client's keep-alive (RFC 9110 §2.5).
            *response.version_mut() = http::Version::HTTP_11;
            Ok(response.map(|incoming| OriginBody::body(incoming, connection, url.clone())))
        }
        Some(Err(mut failed)) => {
            let returned = failed.take_message();
            let error = failed.into_error();
            let early = error.is_incomplete_message() || error.is_canceled() || error.is_closed() || is_reset(&error);
            let error = if error.is_user() { FetchError::RequestBody } else { protocol(url, &error) };
            Err(Failed { error, returned, early })
        }
        None => {
            let error = FetchError::ReadTimeout { host: url.host.clone(), ms: url.read_timeout.as_millis() };
            Err(Failed { error, returned: None, early: false })
        }
    }
}

fn is_reset(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    source.is_some_and(|io| matches!(io.kind(), std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe))
}

fn protocol(url: &Url, error: &hyper::Error) -> FetchError {
    FetchError::Protocol { host: url.host.clone(), why: error.to_string() }
}

impl Connection {
    /// Looks whether the origin has closed it meanwhile.
    pub(super) fn is_open(&mut self) -> bool {
        if !self.over {
            self.over = self.driver.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
        }
        !self.over && !self.sender.is_closed()
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.over {
            self.over = self.driver.as_mut().poll(cx).is_ready();
        }
    }
}

/// A response's body, with the connection that it comes over.
pub(crate) struct OriginBody {
    incoming: Incoming,
    connection: Option<Connection>,
    url: Arc<Url>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl OriginBody {
    fn body(incoming: Incoming, connection: Connection, url: Arc<Url>) -> Body {
        let mut body = OriginBody { incoming, connection: Some(connection), url, timer: None };
        if body.incoming.is_end_stream() {
            body.give_back();
            return Body::empty();
        }
        Body::origin(Box::new(body))
    }

    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, anyhow::Error>>> {
        let mut frame = Pin::new(&mut self.incoming).poll_frame(cx);
        if frame.is_pending() {
            let Some(connection) = &mut self.connection else { return Poll::Ready(None) };
            connection.drive(cx);
            frame = Pin::new(&mut self.incoming).poll_frame(cx);
        }
        if frame.is_pending() {
            let url = &self.url;
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(url.read_timeout)));
            ready!(timer.as_mut().poll(cx));
            self.connection = None;
            let ms = self.url.read_timeout.as_millis();
            return Poll::Ready(Some(Err(FetchError::ReadTimeout { host: self.url.host.clone(), ms }.into())));
        }
        if let Some(timer) = &mut self.timer {
            timer.as_mut().reset(Instant::now() + self.url.read_timeout);
        }
        if matches!(frame, Poll::Ready(None)) || self.incoming.is_end_stream() {
            self.give_back();
        }
        frame.map_err(anyhow::Error::from)
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }

    /// Only a connection that is through with its response can carry another.
    fn give_back(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        if connection.is_open() && connection.sender.is_ready() {
            pool::put(&self.url, connection);
        }
    }
}
