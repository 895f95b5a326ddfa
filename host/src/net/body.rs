//! Bodies that know their connection: a request's that must keep coming, a response's that ends an exchange.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};

use crate::limits::request::BODY_STALL_MS;
use crate::net::sweep::ExchangeGuard;

/// Why a request's body did not arrive whole.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("the client sent nothing of the body for {} ms", .0.as_millis())]
    Stalled(Duration),
    #[error("the client's body broke off: {0}")]
    Broken(#[from] hyper::Error),
}

/// A request's body that fails when the client stops sending while somebody waits for it.
///
/// A timer is made only when a read has to wait, so that a body that is already here costs nothing.
pub struct SteadyBody {
    incoming: Incoming,
    patience: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl SteadyBody {
    pub fn new(incoming: Incoming) -> SteadyBody {
        SteadyBody::with_patience(incoming, Duration::from_millis(BODY_STALL_MS))
    }

    pub fn with_patience(incoming: Incoming, patience: Duration) -> SteadyBody {
        SteadyBody { incoming, patience, timer: None, waiting: false }
    }
}

impl Body for SteadyBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.incoming).poll_frame(cx) {
            this.waiting = false;
            return Poll::Ready(frame.map(|frame| frame.map_err(BodyError::from)));
        }
        let patience = this.patience;
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep(patience)));
        if !this.waiting {
            this.waiting = true;
            timer.as_mut().reset(Instant::now() + patience);
        }
        timer.as_mut().poll(cx).map(|()| Some(Err(BodyError::Stalled(patience))))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

pin_project! {
    /// A response's body; when hyper drops it, the exchange is over.
    pub(crate) struct ExchangeBody<B> {
        #[pin]
        body: B,
        exchange: Option<ExchangeGuard>,
    }
}

impl<B> ExchangeBody<B> {
    pub(crate) fn new(body: B, exchange: Option<ExchangeGuard>) -> ExchangeBody<B> {
        ExchangeBody { body, exchange }
    }
}

impl<B: Body> Body for ExchangeBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let polled = this.body.poll_frame(cx);
        if let (Poll::Ready(Some(_)), Some(exchange)) = (&polled, this.exchange) {
            exchange.moved();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
