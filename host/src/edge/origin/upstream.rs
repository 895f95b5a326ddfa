//! One request to a server: over an idle connection or a new one, its head, then its body as it comes.
//!
//! A server may close an idle connection while the next request is on its way. The request is then sent once more over a
//! new connection, if it had not left, or if sending it twice is safe.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tokio::time::Instant;

use crate::edge::body::content::Content;
use crate::edge::body::request::{Progress, RequestBody};
use crate::edge::body::switched::Switched;
use crate::edge::body::upstream::{BodyTimeout, FirstFrame, Upstream};
use crate::edge::origin::connect;
use crate::edge::origin::connection::{Connection, ConnectionSlot};
use crate::edge::origin::error::FetchError;
use crate::edge::origin::pool;
use crate::edge::origin::server::OriginServer;
use crate::edge::origin::slots::SlotOffer;
use crate::edge::record::tally::Tally;
use crate::edge::request::head::RequestHead;
use crate::edge::request::header_rules::strip_response;
use crate::edge::request::websocket;
use crate::net::Interim;
use crate::telemetry::OriginMetrics;

/// Why there is no answer.
struct SendError {
    error: FetchError,
    /// The request, if it may be sent over another connection: it never left, or the server closed the connection while it
    /// was on its way and it is safe to send twice.
    again: Option<Request<RequestBody>>,
}

impl From<FetchError> for SendError {
    fn from(error: FetchError) -> SendError {
        SendError { error, again: None }
    }
}

pub(crate) async fn fetch(
    server: &OriginServer,
    metrics: &OriginMetrics,
    head: &mut RequestHead,
    body: &mut RequestBody,
    mut now: Instant,
    tally: &Tally,
) -> Result<Response<Content>, FetchError> {
    let mut request = server.request(head, body);
    if head.websocket {
        return Box::pin(switch(server, metrics, request, now, tally)).await;
    }
    let interim = head.interim.take();
    let (idle, fresh) = match pool::take(server, now) {
        Some(connection) => (Some(connection), None),
        None => match Box::pin(pool::turn(server, metrics)).await? {
            SlotOffer::Idle(connection) => {
                now = Instant::now();
                (Some(connection), None)
            }
            SlotOffer::New(slot) => (None, Some(slot)),
        },
    };
    if let Some(connection) = idle {
        metrics.reused();
        tally.asked(connection.address(), None);
        match send(connection, request, server.read_timeout, now, Purpose::AskOverIdle, interim.as_ref()).await {
            Ok(response) => return Ok(response),
            Err(SendError { again: Some(again), .. }) => request = again,
            Err(SendError { error, again: None }) => return Err(error),
        }
    }
    let connection = Box::pin(open(server, fresh, metrics, tally)).await?;
    let sent = send(connection, request, server.read_timeout, Instant::now(), Purpose::Ask, interim.as_ref());
    sent.await.map_err(|error| error.error)
}

/// Asks to go on as WebSocket, over a connection that nobody has used.
async fn switch(
    server: &OriginServer,
    metrics: &OriginMetrics,
    mut request: Request<RequestBody>,
    now: Instant,
    tally: &Tally,
) -> Result<Response<Content>, FetchError> {
    request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    request.headers_mut().insert(header::UPGRADE, websocket::PROTOCOL);
    let accept = request.headers().get(header::SEC_WEBSOCKET_KEY).map(websocket::accept_of);
    // An idle connection gives up its slot.
    let slot = pool::take(server, now).map(|idle| idle.into_slot());
    let connection = open(server, slot, metrics, tally).await?;
    let sent = send(connection, request, server.read_timeout, Instant::now(), Purpose::Switch, None);
    let response = sent.await.map_err(|error| error.error)?;
    let agreed = response.headers().get(header::SEC_WEBSOCKET_ACCEPT);
    // A server that cannot compute the key has not understood the handshake (RFC 6455 section 4.1).
    if response.status() == StatusCode::SWITCHING_PROTOCOLS && (accept.is_none() || agreed != accept.as_ref()) {
        return Err(FetchError::Switched);
    }
    Ok(response)
}

/// Opens a new connection, with this slot or one that is waited for.
async fn open(
    server: &OriginServer,
    slot: Option<ConnectionSlot>,
    metrics: &OriginMetrics,
    tally: &Tally,
) -> Result<Box<Connection>, FetchError> {
    let slot = match slot {
        Some(slot) => slot,
        None => match pool::turn(server, metrics).await? {
            SlotOffer::New(slot) => slot,
            SlotOffer::Idle(connection) => connection.into_slot(),
        },
    };
    let started = Instant::now();
    let stream = connect::connect(server).await?;
    metrics.connected();
    let connection = Connection::start(server, stream, slot).await.map_err(FetchError::Broken)?;
    tally.asked(connection.address(), Some(started.elapsed()));
    Ok(connection)
}

fn is_replayable(request: &Request<RequestBody>) -> bool {
    request.body().is_empty() && is_idempotent(request.method())
}

/// By RFC 9110 section 9.2.2 and the registry of methods.
fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE)
        || matches!(
            method.as_str(),
            "COPY" | "MKCOL" | "MOVE" | "PROPFIND" | "PROPPATCH" | "QUERY" | "REPORT" | "SEARCH" | "UNLOCK"
        )
}

/// Whether the connection closed before anything of an answer came.
fn was_closed(error: &hyper::Error) -> bool {
    error.is_incomplete_message() || error.is_closed() || error.is_canceled() || is_io(error)
}

fn is_io(error: &hyper::Error) -> bool {
    // A server that does not speak HTTP will not do so the next time.
    let is_broken = |error: &std::io::Error| error.kind() != std::io::ErrorKind::InvalidData;
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    source.is_some_and(is_broken) && !error.is_parse()
}

/// Not an async function, because that would keep room for its arguments until it ends.
fn send(
    mut connection: Box<Connection>,
    mut request: Request<RequestBody>,
    timeout: Duration,
    now: Instant,
    purpose: Purpose,
    interim: Option<&Interim>,
) -> impl Future<Output = Result<Response<Content>, SendError>> {
    // While a body is being sent, the server need not answer: the timeout begins with the last byte. And while the client
    // has not sent the next part, the server has nothing to do; the body has a timeout of its own for that.
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
    connection.interims.asked();
    let response = Box::pin(connection.sender.try_send_request(request));
    answered(connection, response, timeout, SentRequest { purpose, is_head, progress, interim })
}

/// What is known of a request that is on its way.
struct SentRequest<'i> {
    purpose: Purpose,
    is_head: bool,
    /// How the sending of its body proceeds.
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
    SentRequest { purpose, is_head, progress, interim }: SentRequest<'_>,
) -> Result<Response<Content>, SendError>
where
    F: Future<Output = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>>,
{
    let mut moved = 0;
    let sent = std::future::poll_fn(|cx| {
        connection.drive(cx);
        for (status, headers) in connection.interims.take() {
            pass_interim(interim, status, headers);
        }
        // Only `drive` makes an answer ready, so no waker is needed here.
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
    // The origin has not got the whole request, so its answer does not matter.
    if !matches!(sent, Some(Ok(_)))
        && let Some(failure) = progress.as_ref().and_then(|progress| progress.take_failure())
    {
        return Err(FetchError::Body(failure).into());
    }
    match sent {
        Some(Ok(response)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            // No client may reach a protocol that it has not asked for.
            let agreed = response.headers().get(header::UPGRADE);
            if purpose != Purpose::Switch
                || !agreed.is_some_and(|agreed| agreed.as_bytes().eq_ignore_ascii_case(websocket::PROTOCOL.as_bytes()))
            {
                return Err(FetchError::Switched.into());
            }
            let (stream, early, slot) = connection.into_stream();
            Ok(response.map(|_| Content::Switched(Box::new(Switched { stream, early, slot, permit: None }))))
        }
        Some(Ok(response)) if !is_head && !is_read_whole(response.headers()) => Err(FetchError::Coding.into()),
        Some(Ok(response)) => {
            connection.timer().disarm();
            let (parts, incoming) = response.into_parts();
            let content = content(incoming, connection, BodyTimeout { timeout, progress }, is_head)?;
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

/// Whether hyper decodes all transfer codings: it knows `chunked` only, and passes on what is inside.
fn is_read_whole(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

/// Passes an interim response on to the client.
fn pass_interim(interim: Option<&Interim>, status: StatusCode, mut headers: HeaderMap) {
    if let Some(interim) = interim {
        strip_response(&mut headers, false);
        // It has no body and so no length (RFC 9110 section 8.6).
        headers.remove(header::CONTENT_LENGTH);
        interim.send(status, &headers);
    }
}

/// The content of an answer whose head has come. A small body came with it: it is taken out here, and the connection is
/// free at once. A body that breaks off before its first byte is an error here.
fn content(
    mut incoming: Incoming,
    mut connection: Box<Connection>,
    timeout: BodyTimeout,
    is_head: bool,
) -> Result<Content, FetchError> {
    if is_head || incoming.is_end_stream() {
        pool::put(connection);
        return Ok(Content::Empty);
    }
    let nobody = &mut Context::from_waker(Waker::noop());
    let mut polled = Pin::new(&mut incoming).poll_frame(nobody);
    if polled.is_pending() {
        // hyper reads a body when it is polled. Its later reader drives again, with a waker.
        connection.drive(nobody);
        polled = Pin::new(&mut incoming).poll_frame(nobody);
    }
    let first = match polled {
        Poll::Ready(Some(Err(error))) => return Err(FetchError::Broken(error)),
        Poll::Ready(None) => {
            pool::put(connection);
            return Ok(Content::Empty);
        }
        Poll::Ready(Some(Ok(frame))) => FirstFrame::of(frame),
        Poll::Pending => None,
    };
    if incoming.is_end_stream() {
        pool::put(connection);
        return Ok(match first {
            Some(FirstFrame::Data(data)) => Content::full(data),
            Some(first) => Content::Upstream(Upstream::new(Some(first), incoming, None, timeout)),
            None => Content::Empty,
        });
    }
    Ok(Content::Upstream(Upstream::new(first, incoming, Some(connection), timeout)))
}
