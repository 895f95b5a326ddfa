//! The body of a server's answer, read from its connection.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use crate::edge::body::PolledFrame;
use crate::edge::body::request::Progress;
use crate::edge::origin::connection::Connection;
use crate::edge::origin::pool;

/// How long the next part of an answer may take.
pub(crate) struct BodyTimeout {
    pub(crate) timeout: Duration,
    /// Of the request's body, which may still be sent while the answer comes: a server that answers as it reads has
    /// nothing to say while its client sends nothing.
    pub(crate) progress: Option<Arc<Progress>>,
}

/// What came of a body with its head. Small, because it is moved for every request; trailers hardly ever come so early.
pub(crate) enum FirstFrame {
    Data(Bytes),
    Trailers(Box<HeaderMap>),
}

impl FirstFrame {
    pub(crate) fn of(frame: Frame<Bytes>) -> Option<FirstFrame> {
        match frame.into_data() {
            Ok(data) => Some(FirstFrame::Data(data)),
            Err(frame) => frame.into_trailers().ok().map(|trailers| FirstFrame::Trailers(Box::new(trailers))),
        }
    }

    fn into_frame(self) -> Frame<Bytes> {
        match self {
            FirstFrame::Data(data) => Frame::data(data),
            FirstFrame::Trailers(trailers) => Frame::trailers(*trailers),
        }
    }

    fn len(&self) -> usize {
        match self {
            FirstFrame::Data(data) => data.len(),
            FirstFrame::Trailers(_) => 0,
        }
    }
}

/// The body of a server's answer. It drives its connection and gives it back at its end; dropped earlier, it closes it.
pub(crate) struct Upstream {
    first: Option<FirstFrame>,
    incoming: Incoming,
    connection: Option<Box<Connection>>,
    timeout: BodyTimeout,
}

impl Upstream {
    pub(crate) fn new(
        first: Option<FirstFrame>,
        incoming: Incoming,
        connection: Option<Box<Connection>>,
        timeout: BodyTimeout,
    ) -> Upstream {
        Upstream { first, incoming, connection, timeout }
    }

    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> PolledFrame {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first.into_frame())));
        }
        let mut driven = false;
        loop {
            // Only `drive` brings frames, so nobody needs to be woken here.
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
                Poll::Pending if self.timeout.progress.as_ref().is_some_and(|progress| progress.is_awaited()) => {
                    connection.timer().disarm();
                    return Poll::Pending;
                }
                Poll::Pending => {
                    let timeout = self.timeout.timeout;
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
