//! One request to a server: over an idle connection or a new one, its head, then its body as it comes.
//!
//! A connection that was idle may have been closed by the server while the request was on its way. The
//! request is then sent once more over a new one, if it had not left, or if sending it twice is safe.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tokio::time::Instant;

use crate::edge::body::{Content, Progress};
use crate::edge::head::Head;
use crate::edge::header::strip_response;
use crate::edge::origin::places::{self, Place, Turn};
use crate::edge::origin::pool::{self, Connection};
use crate::edge::origin::{FetchError, Target, connect};
use crate::edge::tally::Tally;
use crate::edge::tunnel::{self, Switched};
use crate::net::Interim;
use crate::telemetry::OriginMetrics;

/// Why there is no answer.
struct SendError {
    error: FetchError,
    /// The request, if it may be sent over another connection: it never left, or the server closed while it
    /// was on its way and it is safe to send twice.
    again: Option<Request<Content>>,
}

impl From<FetchError> for SendError {
    fn from(error: FetchError) -> SendError {
        SendError { error, again: None }
    }
}

pub(crate) async fn fetch(
    target: &Target,
    metrics: &OriginMetrics,
    head: &mut Head,
    content: &mut Content,
    mut now: Instant,
    tally: &Tally,
) -> Result<Response<Content>, FetchError> {
    let mut request = target.request(head, content);
    if head.websocket {
        return Box::pin(switch(target, metrics, request, now, tally)).await;
    }
    let interim = head.interim.take();
    let (idle, fresh) = match pool::take(target, now) {
        Some(connection) => (Some(connection), None),
        None => match Box::pin(places::turn(target, metrics)).await? {
            Turn::Idle(connection) => {
                now = Instant::now();
                (Some(connection), None)
            }
            Turn::Fresh(place) => (None, Some(place)),
        },
    };
    if let Some(connection) = idle {
        metrics.reused();
        tally.asked(connection.address(), None);
        match send(connection, request, target.read_timeout, now, Purpose::AskOverIdle, interim.as_ref()).await {
            Ok(response) => return Ok(response),
            Err(SendError { again: Some(again), .. }) => request = again,
            Err(SendError { error, again: None }) => return Err(error),
        }
    }
    let connection = Box::pin(open(target, fresh, metrics, tally)).await?;
    let sent = send(connection, request, target.read_timeout, Instant::now(), Purpose::Ask, interim.as_ref());
    sent.await.map_err(|error| error.error)
}

/// Asks to go on as WebSocket, over a connection that nobody has used.
async fn switch(
    target: &Target,
    metrics: &OriginMetrics,
    mut request: Request<Content>,
    now: Instant,
    tally: &Tally,
) -> Result<Response<Content>, FetchError> {
    request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    request.headers_mut().insert(header::UPGRADE, tunnel::PROTOCOL);
    let accept = request.headers().get(header::SEC_WEBSOCKET_KEY).map(tunnel::accept_of);
    // A kept connection gives up its place.
    let place = pool::take(target, now).map(|idle| idle.into_place());
    let connection = open(target, place, metrics, tally).await?;
    let sent = send(connection, request, target.read_timeout, Instant::now(), Purpose::Switch, None);
    let response = sent.await.map_err(|error| error.error)?;
    let agreed = response.headers().get(header::SEC_WEBSOCKET_ACCEPT);
    // Whoever cannot say what only a server of WebSocket can has not read the question (RFC 6455 section 4.1).
    if response.status() == StatusCode::SWITCHING_PROTOCOLS && (accept.is_none() || agreed != accept.as_ref()) {
        return Err(FetchError::Switched);
    }
    Ok(response)
}

/// A new connection, with this place or one that is waited for.
async fn open(
    target: &Target,
    place: Option<Place>,
    metrics: &OriginMetrics,
    tally: &Tally,
) -> Result<Box<Connection>, FetchError> {
    let place = match place {
        Some(place) => place,
        None => match places::turn(target, metrics).await? {
            Turn::Fresh(place) => place,
            Turn::Idle(connection) => connection.into_place(),
        },
    };
    let started = Instant::now();
    let stream = connect::connect(target).await?;
    metrics.connected();
    let connection = Connection::start(target, stream, place).await.map_err(FetchError::Broken)?;
    tally.asked(connection.address(), Some(started.elapsed()));
    Ok(connection)
}

fn is_replayable(request: &Request<Content>) -> bool {
    request.body().is_empty() && is_idempotent(request.method())
}

/// Twice is as good as once (RFC 9110 section 9.2.2, and the registry of methods).
fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE)
        || matches!(
            method.as_str(),
            "COPY" | "MKCOL" | "MOVE" | "PROPFIND" | "PROPPATCH" | "QUERY" | "REPORT" | "SEARCH" | "UNLOCK"
        )
}

/// Nothing of an answer had come.
fn was_closed(error: &hyper::Error) -> bool {
    error.is_incomplete_message() || error.is_closed() || error.is_canceled() || is_io(error)
}

fn is_io(error: &hyper::Error) -> bool {
    // What is no HTTP will not be any the next time.
    let is_broken = |error: &std::io::Error| error.kind() != std::io::ErrorKind::InvalidData;
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    source.is_some_and(is_broken) && !error.is_parse()
}

/// Not an async function, because that would keep room for its arguments until it ends.
fn send(
    mut connection: Box<Connection>,
    mut request: Request<Content>,
    timeout: Duration,
    now: Instant,
    purpose: Purpose,
    interim: Option<&Interim>,
) -> impl Future<Output = Result<Response<Content>, SendError>> {
    // While a body is being sent, the server has nothing to answer yet: the timeout begins with its last byte. And while
    // the client has not sent the next part of it, nothing is the server's to do; how long that may take, the body knows.
    let progress = (!request.body().is_empty()).then(Arc::<Progress>::default);
    if let Some(progress) = &progress {
        request = request.map(|content| content.watched(progress.clone()));
    }
    connection.timer().arm(now + timeout);
    let is_head = request.method() == Method::HEAD;
    connection.copy.clear();
    if purpose == Purpose::AskOverIdle && is_replayable(&request) {
        connection.copy.write(&request);
    }
    connection.ear.asked();
    let response = Box::pin(connection.sender.try_send_request(request));
    answered(connection, response, timeout, Sent { purpose, is_head, progress, interim })
}

/// What is remembered of a request that is on its way.
struct Sent<'i> {
    purpose: Purpose,
    is_head: bool,
    /// Of its body.
    progress: Option<Arc<Progress>>,
    interim: Option<&'i Interim>,
}

/// What a connection is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Ask,
    /// The server may be closing it at this moment.
    AskOverIdle,
    /// To go on as WebSocket.
    Switch,
}

async fn answered<F>(
    mut connection: Box<Connection>,
    mut response: Pin<Box<F>>,
    timeout: Duration,
    Sent { purpose, is_head, progress, interim }: Sent<'_>,
) -> Result<Response<Content>, SendError>
where
    F: Future<Output = Result<Response<Incoming>, TrySendError<Request<Content>>>>,
{
    let mut moved = 0;
    let sent = std::future::poll_fn(|cx| {
        connection.drive(cx);
        for (status, headers) in connection.ear.take() {
            pass(interim, status, headers);
        }
        // Only `drive` makes an answer ready, so that it needs nobody to wake.
        let polled = response.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(sent) = polled {
            return Poll::Ready(Some(sent));
        }
        if connection.has_ended() {
            return Poll::Ready(None);
        }
        if let Some(progress) = &progress {
            let now = progress.moves();
            if now != moved {
                moved = now;
                connection.timer().disarm();
            }
            if progress.is_awaited() {
                return Poll::Pending;
            }
        }
        connection.timer().poll(cx, timeout).map(|()| None)
    });
    let sent = sent.await;
    // Whatever came of it: the origin has not been asked what its client wanted to ask.
    if !matches!(sent, Some(Ok(_)))
        && let Some(failure) = progress.as_ref().and_then(|progress| progress.take_failure())
    {
        return Err(FetchError::Body(failure).into());
    }
    match sent {
        Some(Ok(response)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            // Nobody may be led through to a protocol that was not asked for.
            let agreed = response.headers().get(header::UPGRADE);
            if purpose != Purpose::Switch
                || !agreed.is_some_and(|agreed| agreed.as_bytes().eq_ignore_ascii_case(tunnel::PROTOCOL.as_bytes()))
            {
                return Err(FetchError::Switched.into());
            }
            let (stream, early, at_origin) = connection.into_stream();
            Ok(response.map(|_| Content::Switched(Box::new(Switched { stream, early, at_origin, place: None }))))
        }
        Some(Ok(response)) if !is_head && !is_read_whole(response.headers()) => Err(FetchError::Coding.into()),
        Some(Ok(response)) => {
            connection.timer().disarm();
            let (parts, incoming) = response.into_parts();
            let content = content(incoming, connection, Patience { timeout, progress }, is_head)?;
            Ok(Response::from_parts(parts, content))
        }
        Some(Err(mut error)) => Err(match error.take_message() {
            Some(request) => SendError {
                error: FetchError::Unreachable("it closed, or spoke, before it was asked".to_owned()),
                again: (purpose == Purpose::AskOverIdle).then_some(request),
            },
            None => {
                let error = error.into_error();
                let again = if was_closed(&error) { connection.copy.read() } else { None };
                SendError { error: FetchError::Broken(error), again }
            }
        }),
        None if connection.has_ended() => Err(FetchError::Unreachable("the connection ended".to_owned()).into()),
        None => Err(FetchError::ReadTimeout(timeout).into()),
    }
}

/// Whether hyper takes all transfer codings off: it knows `chunked`, and passes what is inside of it on as the body.
fn is_read_whole(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

/// Tells a client what the origin says before its answer. Nobody is told of other protocols, which are not for them.
fn pass(interim: Option<&Interim>, status: StatusCode, mut headers: HeaderMap) {
    if let Some(interim) = interim {
        strip_response(&mut headers, false);
        // It has no body of which to tell the length (RFC 9110 section 8.6).
        headers.remove(header::CONTENT_LENGTH);
        interim.send(status, &headers);
    }
}

/// A small answer came with its head: it is taken out here, and the connection is free at once. An answer of which it is
/// known here that it breaks off before its first byte is none.
fn content(
    mut incoming: Incoming,
    mut connection: Box<Connection>,
    patience: Patience,
    is_head: bool,
) -> Result<Content, FetchError> {
    if is_head || incoming.is_end_stream() {
        pool::put(connection);
        return Ok(Content::Empty);
    }
    let nobody = &mut Context::from_waker(Waker::noop());
    let mut polled = Pin::new(&mut incoming).poll_frame(nobody);
    if polled.is_pending() {
        // hyper reads a body when it is asked for it. Whoever has it later drives again, to be woken.
        connection.drive(nobody);
        polled = Pin::new(&mut incoming).poll_frame(nobody);
    }
    let first = match polled {
        Poll::Ready(Some(Err(error))) => return Err(FetchError::Broken(error)),
        Poll::Ready(None) => {
            pool::put(connection);
            return Ok(Content::Empty);
        }
        Poll::Ready(Some(Ok(frame))) => First::of(frame),
        Poll::Pending => None,
    };
    if incoming.is_end_stream() {
        pool::put(connection);
        return Ok(match first {
            Some(First::Data(data)) => Content::full(data),
            Some(first) => Content::Upstream(Upstream { first: Some(first), incoming, connection: None, patience }),
            None => Content::Empty,
        });
    }
    Ok(Content::Upstream(Upstream { first, incoming, connection: Some(connection), patience }))
}

/// How long the next part of an answer may take.
struct Patience {
    timeout: Duration,
    /// Of the request's body, which may go on while it is answered already: a server that answers as it is asked has
    /// nothing to say while its client says nothing.
    progress: Option<Arc<Progress>>,
}

/// What came of a body with the head. Small: it is moved for every request, and trailers hardly ever come so early.
enum First {
    Data(Bytes),
    Trailers(Box<HeaderMap>),
}

impl First {
    fn of(frame: Frame<Bytes>) -> Option<First> {
        match frame.into_data() {
            Ok(data) => Some(First::Data(data)),
            Err(frame) => frame.into_trailers().ok().map(|trailers| First::Trailers(Box::new(trailers))),
        }
    }

    fn into_frame(self) -> Frame<Bytes> {
        match self {
            First::Data(data) => Frame::data(data),
            First::Trailers(trailers) => Frame::trailers(*trailers),
        }
    }

    fn len(&self) -> usize {
        match self {
            First::Data(data) => data.len(),
            First::Trailers(_) => 0,
        }
    }
}

/// The rest of an answer. It drives its connection, and gives it back at the end; dropped before, it closes it.
pub(crate) struct Upstream {
    first: Option<First>,
    incoming: Incoming,
    connection: Option<Box<Connection>>,
    patience: Patience,
}

impl Upstream {
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, anyhow::Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first.into_frame())));
        }
        let mut driven = false;
        loop {
            // As with the head: only `drive` brings frames.
            let polled = Pin::new(&mut self.incoming).poll_frame(&mut Context::from_waker(Waker::noop()));
            let Some(connection) = &mut self.connection else {
                return match polled {
                    Poll::Ready(frame) => Poll::Ready(frame.map(|frame| frame.map_err(anyhow::Error::new))),
                    Poll::Pending => Poll::Ready(None),
                };
            };
            match polled {
                Poll::Ready(Some(Ok(frame))) => {
                    connection.timer().disarm();
                    if self.incoming.is_end_stream() {
                        self.give_back();
                    }
                    return Poll::Ready(Some(Ok(frame)));
                }
                Poll::Ready(None) => {
                    self.give_back();
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(Err(error))) => {
                    self.connection = None;
                    return Poll::Ready(Some(Err(anyhow::Error::new(error).context("origin"))));
                }
                Poll::Pending if !driven => {
                    driven = true;
                    connection.drive(cx);
                }
                Poll::Pending if connection.has_ended() => {
                    self.connection = None;
                    return Poll::Ready(Some(Err(anyhow::anyhow!("the origin's connection ended within the body"))));
                }
                Poll::Pending if self.patience.progress.as_ref().is_some_and(|progress| progress.is_awaited()) => {
                    connection.timer().disarm();
                    return Poll::Pending;
                }
                Poll::Pending => {
                    let timeout = self.patience.timeout;
                    return connection.timer().poll(cx, timeout).map(|()| {
                        self.connection = None;
                        Some(Err(anyhow::anyhow!("nothing came from the origin for {} ms", timeout.as_millis())))
                    });
                }
            }
        }
    }

    fn give_back(&mut self) {
        if let Some(connection) = self.connection.take() {
            pool::put(connection);
        }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.incoming.is_end_stream()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        let mut hint = self.incoming.size_hint();
        if let Some(first) = &self.first {
            let seen = first.len() as u64;
            let upper = hint.upper().map(|upper| upper + seen);
            hint = SizeHint::new();
            hint.set_lower(self.incoming.size_hint().lower() + seen);
            if let Some(upper) = upper {
                hint.set_upper(upper);
            }
        }
        hint
    }
}
