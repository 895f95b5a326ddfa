//! One connection to an origin, the deadline of what it does now, and a copy of what it was asked.
//!
//! hyper's connection is a future that somebody has to drive. Here it is driven by its user: the request that waits for a
//! head, then the body that is being read. So an answer wakes one task, not two. An idle connection is driven by nobody;
//! whether it is still alive is found out when it is taken.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, Sleep};

use crate::edge::body::request::RequestBody;
use crate::edge::origin::connect::OriginStream;
use crate::edge::origin::endpoint::Endpoint;
use crate::edge::origin::interim::{InterimReader, Interims};
use crate::edge::origin::server::OriginServer;
use crate::edge::origin::slots::LaneSlot;
use crate::limits;

/// The right to a connection, which goes with it.
pub(crate) type ConnectionSlot = LaneSlot<Box<Connection>>;

/// A connection, with the future that moves its bytes.
pub(crate) struct Connection {
    pub(crate) sender: SendRequest<RequestBody>,
    driver: http1::Connection<TokioIo<InterimReader>, RequestBody>,
    pub(crate) interims: Arc<Interims>,
    ended: bool,
    timer: Timer,
    pub(crate) copy: ReplayCopy,
    pub(crate) keepalive: Duration,
    pub(crate) max_idle: usize,
    pub(crate) endpoint: Arc<Endpoint>,
    /// What the endpoint's name was resolved to.
    address: Option<SocketAddr>,
    slot: ConnectionSlot,
}

impl Connection {
    pub(crate) async fn start(
        server: &OriginServer,
        stream: OriginStream,
        slot: ConnectionSlot,
    ) -> hyper::Result<Box<Connection>> {
        let address = stream.address();
        let interims = Arc::<Interims>::default();
        let handshake = http1::Builder::new()
            .max_headers(limits::origin::HEADERS)
            .max_buf_size(limits::origin::HEAD_BYTES)
            // A proxy removes such spaces (RFC 9112 section 5.1).
            .allow_spaces_after_header_name_in_responses(true)
            .handshake(TokioIo::new(InterimReader::new(stream, interims.clone())));
        let (sender, driver) = handshake.await?;
        Ok(Box::new(Connection {
            sender,
            driver,
            interims,
            ended: false,
            timer: Timer::default(),
            copy: ReplayCopy::default(),
            keepalive: server.keepalive,
            max_idle: server.max_idle,
            endpoint: server.endpoint.clone(),
            address,
            slot,
        }))
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Moves bytes both ways, as far as that goes now.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.ended {
            // An error is reported to whoever waits for the head or the body.
            self.ended = Pin::new(&mut self.driver).poll(cx).is_ready();
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    pub(crate) fn timer(&mut self) -> &mut Timer {
        &mut self.timer
    }

    pub(crate) fn slot(&self) -> &ConnectionSlot {
        &self.slot
    }

    /// Closes it and frees its slot for a new one.
    pub(crate) fn into_slot(self) -> ConnectionSlot {
        self.slot
    }

    /// The byte stream after an answer that switches protocols, and the bytes that came with the answer.
    pub(crate) fn into_stream(self) -> (OriginStream, Bytes, ConnectionSlot) {
        let parts = self.driver.into_parts();
        let (stream, held) = parts.io.into_inner().into_parts();
        let early = if held.is_empty() { parts.read_buf } else { [&parts.read_buf[..], &held].concat().into() };
        (stream, early, self.slot)
    }

    /// Whether a request can be sent. Drives the connection without a waker: a close that has arrived
    /// meanwhile is seen, and no earlier user is woken for what comes next.
    pub(crate) fn is_ready(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        !self.ended && self.sender.is_ready()
    }
}

/// A deadline that moves with every request, on a timer that does not: it is set again only when it fires
/// early. A request then arms no timer.
#[derive(Default)]
pub(crate) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    deadline: Option<Instant>,
}

impl Timer {
    pub(crate) fn arm(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
    }

    pub(crate) fn disarm(&mut self) {
        self.deadline = None;
    }

    /// Ready at the deadline; without one, when `timeout` has passed since the first call after `disarm`.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, timeout: Duration) -> Poll<()> {
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + timeout);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

/// A request without a body, kept to be sent once more. It is kept as bytes in a buffer that stays with the
/// connection: a request that is never sent twice, as nearly all are, pays for a copy and nothing else.
#[derive(Default)]
pub(crate) struct ReplayCopy {
    line: Option<(Method, Uri)>,
    /// Name and value in turn, each after its length.
    headers: Vec<u8>,
}

impl ReplayCopy {
    /// Forgets what was written.
    pub(crate) fn clear(&mut self) {
        self.line = None;
    }

    #[expect(clippy::cast_possible_truncation, reason = "a head is limited far below 4 GiB")]
    pub(crate) fn write<B>(&mut self, request: &Request<B>) {
        self.headers.clear();
        self.line = Some((request.method().clone(), request.uri().clone()));
        for (name, value) in request.headers() {
            for part in [name.as_str().as_bytes(), value.as_bytes()] {
                self.headers.extend_from_slice(&(part.len() as u32).to_le_bytes());
                self.headers.extend_from_slice(part);
            }
        }
    }

    /// Returns what was written, once.
    pub(crate) fn read(&mut self) -> Option<Request<RequestBody>> {
        let (method, uri) = self.line.take()?;
        let mut request = Request::new(RequestBody::Empty);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let mut rest = &self.headers[..];
        let mut part = || {
            let (length, after) = rest.split_first_chunk()?;
            let (part, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            rest = after;
            Some(part)
        };
        while let (Some(name), Some(value)) = (part(), part()) {
            let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) else { return None };
            request.headers_mut().append(name, value);
        }
        Some(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_what_was_written_and_is_read_once() {
        let request = |uri: &str, headers: &[(&str, &str)]| {
            let mut request = Request::builder().uri(uri);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            request.body(RequestBody::Empty).unwrap()
        };
        let mut copy = ReplayCopy::default();
        copy.write(&request("/other", &[("x", "longer than what follows")]));
        let original = request("/a?b=c", &[("host", "h"), ("cookie", "a=1"), ("cookie", "b=2"), ("empty", "")]);
        copy.write(&original);
        let again = copy.read().unwrap();
        assert_eq!((again.method(), again.uri(), again.headers()), (original.method(), original.uri(), original.headers()));
        assert!(copy.read().is_none());
        copy.write(&original);
        copy.clear();
        assert!(copy.read().is_none());
    }
}
