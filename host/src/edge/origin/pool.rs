//! Idle connections to origins, kept by each worker for itself: no lock, and no task per connection.
//!
//! hyper's connection is a future that somebody has to drive. Here it is whoever uses the connection: the
//! request that waits for a head, then the body that is being read. So an answer wakes one task, not two.
//! An idle connection is driven by nobody; whether it still lives is found out when it is taken.
//!
//!     take ──► in use ──put──► idle ──► taken again (last in, first out); or given to one who waits for a place
//!                │               └────► swept, when idle for too long
//!                └─ broken, or not at a message's end: dropped

use std::cell::RefCell;
use std::collections::HashMap;
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

use crate::edge::body::Content;
use crate::edge::origin::Target;
use crate::edge::origin::connect::{Endpoint, Stream};
use crate::edge::origin::heard::{Attentive, Ear};
use crate::edge::origin::places::Place;
use crate::limits;

/// A connection, with the future that moves its bytes.
pub(crate) struct Connection {
    pub(crate) sender: SendRequest<Content>,
    driver: http1::Connection<TokioIo<Attentive>, Content>,
    pub(crate) ear: Arc<Ear>,
    ended: bool,
    timer: Timer,
    pub(crate) copy: Copy,
    keepalive: Duration,
    max_idle: usize,
    endpoint: Arc<Endpoint>,
    /// What the endpoint's name has led to.
    address: Option<SocketAddr>,
    place: Place,
}

impl Connection {
    pub(crate) async fn start(target: &Target, stream: Stream, place: Place) -> hyper::Result<Box<Connection>> {
        let address = stream.address();
        let ear = Arc::new(Ear::default());
        let handshake = http1::Builder::new()
            .max_headers(limits::origin::HEADERS)
            .max_buf_size(limits::origin::HEAD_BYTES)
            // A proxy removes it (RFC 9112 section 5.1).
            .allow_spaces_after_header_name_in_responses(true)
            .handshake(TokioIo::new(Attentive::new(stream, ear.clone())));
        let (sender, driver) = handshake.await?;
        Ok(Box::new(Connection {
            sender,
            driver,
            ear,
            ended: false,
            timer: Timer::default(),
            copy: Copy::default(),
            keepalive: target.keepalive,
            max_idle: target.max_idle,
            endpoint: target.endpoint.clone(),
            address,
            place,
        }))
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Moves bytes both ways, as far as they go now.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.ended {
            // What went wrong is told to whoever waits for the head or the body.
            self.ended = Pin::new(&mut self.driver).poll(cx).is_ready();
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    pub(crate) fn timer(&mut self) -> &mut Timer {
        &mut self.timer
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Closes it, to connect anew.
    pub(crate) fn into_place(self) -> Place {
        self.place
    }

    /// The bytes themselves, behind an answer that has switched protocols, and those of them that came with it.
    pub(crate) fn into_stream(self) -> (Stream, Bytes, Place) {
        let parts = self.driver.into_parts();
        let (stream, held) = parts.io.into_inner().into_parts();
        let early = if held.is_empty() { parts.read_buf } else { [&parts.read_buf[..], &held].concat().into() };
        (stream, early, self.place)
    }

    /// Whether a request can be sent. Drives the connection without anybody to wake: a close that has
    /// arrived meanwhile is seen, and no earlier user is woken for what comes next.
    fn is_ready(&mut self) -> bool {
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

/// A request without a body, written down to be sent once more. In bytes, and in a buffer that stays with its
/// connection: of the many requests that are never sent twice, each pays for a copy and for nothing else.
#[derive(Default)]
pub(crate) struct Copy {
    line: Option<(Method, Uri)>,
    /// Name and value in turn, each behind its length.
    headers: Vec<u8>,
}

impl Copy {
    /// What was written is of another request now.
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

    /// What was written, once.
    pub(crate) fn read(&mut self) -> Option<Request<Content>> {
        let (method, uri) = self.line.take()?;
        let mut request = Request::new(Content::Empty);
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

struct Idle {
    connection: Box<Connection>,
    until: Instant,
}

#[derive(Default)]
struct Pool {
    idle: HashMap<Arc<Endpoint>, Vec<Idle>>,
    swept: bool,
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// The connection that was used last, if it still lives.
pub(crate) fn take(target: &Target, now: Instant) -> Option<Box<Connection>> {
    loop {
        let idle = POOL.with_borrow_mut(|pool| pool.idle.get_mut(&target.endpoint)?.pop())?;
        let mut connection = idle.connection;
        if idle.until > now && connection.is_ready() {
            connection.timer.disarm();
            return Some(connection);
        }
    }
}

/// Keeps a connection whose answer has been read. One that is not at a message's end is dropped.
pub(crate) fn put(mut connection: Box<Connection>) {
    let idle_enough = !connection.ended && (connection.sender.is_ready() || connection.is_ready());
    if !idle_enough {
        return;
    }
    let Some(connection) = Place::hand_on(connection) else { return };
    if connection.max_idle == 0 {
        return;
    }
    let until = Instant::now() + connection.keepalive;
    // What is dropped is dropped outside the borrow.
    let (_surplus, sweep) = POOL.with_borrow_mut(|pool| {
        let most = connection.max_idle;
        let endpoint = connection.endpoint.clone();
        let idle = pool.idle.entry(endpoint).or_default();
        let surplus = (idle.len() >= most).then(|| idle.remove(0));
        idle.push(Idle { connection, until });
        (surplus, !std::mem::replace(&mut pool.swept, true))
    });
    if sweep {
        // May be lost with its runtime: idle connections are lost with it then.
        tokio::task::spawn_local(sweeper());
    }
}

/// Once a second closes what was idle for too long; ends when nothing is left.
async fn sweeper() {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = Instant::now();
        let (_expired, left) = POOL.with_borrow_mut(|pool| {
            let mut expired = Vec::new();
            pool.idle.retain(|_, idle| {
                // Oldest first.
                let fresh = idle.iter().position(|idle| idle.until > now).unwrap_or(idle.len());
                expired.extend(idle.drain(..fresh));
                !idle.is_empty()
            });
            pool.swept = !pool.idle.is_empty();
            (expired, pool.swept)
        });
        if !left {
            return;
        }
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
            request.body(Content::Empty).unwrap()
        };
        let mut copy = Copy::default();
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
