//! Bodies that know their connection: a request's body with a deadline, a response's body that ends an exchange.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};

use crate::limits::request::{BODY_RATE_GRACE_MS, BODY_STALL_MS};
use crate::net::state::ExchangeGuard;

/// Why a request's body did not arrive whole.
#[derive(Debug, thiserror::Error)]
pub enum RequestBodyError {
    #[error("the client sent nothing of the body for {} ms", .0.as_millis())]
    Stalled(Duration),
    #[error("the client sent the body at less than {0} bytes a second")]
    Slow(usize),
    #[error("the client's body broke off: {0}")]
    Broken(#[from] hyper::Error),
}

/// A request's body that fails when the client stops sending, or sends too slowly, while a reader waits for it.
///
/// Only the time in which a read waits counts: a slow origin is not the client's fault.
/// A timer is made only when a read has to wait, so that a body that has already arrived costs nothing.
pub struct SteadyBody {
    incoming: Incoming,
    pace: Pace,
    timer: Option<Pin<Box<Sleep>>>,
    /// When the current read began to wait.
    since: Option<Instant>,
    /// How long earlier reads have waited in all.
    waited: Duration,
    bytes: usize,
}

/// How patient a reader is.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between two reads.
    pub stall: Duration,
    /// The average rate, once `grace` has been waited. 0 disables the check.
    pub bytes_per_s: usize,
    pub grace: Duration,
}

impl Pace {
    pub fn of(bytes_per_s: usize) -> Pace {
        let (stall, grace) = (Duration::from_millis(BODY_STALL_MS), Duration::from_millis(BODY_RATE_GRACE_MS));
        Pace { stall, bytes_per_s, grace }
    }

    /// How long reads may wait in all for a body of which so many bytes have arrived.
    fn patience(self, bytes: usize) -> Duration {
        // A body has fewer than 2^53 bytes, or the rounding does not matter.
        #[expect(clippy::cast_precision_loss, reason = "of a time that is measured in minutes")]
        let earned = |bytes_per_s: usize| Duration::from_secs_f64((bytes as f64 / bytes_per_s as f64).min(1e9));
        if self.bytes_per_s == 0 { Duration::MAX } else { self.grace + earned(self.bytes_per_s) }
    }
}

impl SteadyBody {
    pub fn new(incoming: Incoming, pace: Pace) -> SteadyBody {
        SteadyBody { incoming, pace, timer: None, since: None, waited: Duration::ZERO, bytes: 0 }
    }
}

impl Body for SteadyBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.incoming).poll_frame(cx) {
            if let Some(since) = this.since.take() {
                this.waited += since.elapsed();
            }
            if let Some(Ok(frame)) = &frame {
                this.bytes = this.bytes.saturating_add(frame.data_ref().map_or(0, Bytes::len));
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(RequestBodyError::from)));
        }
        let left = this.pace.patience(this.bytes).saturating_sub(this.waited);
        let Pace { stall, bytes_per_s, .. } = this.pace;
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep(stall)));
        if this.since.is_none() {
            let now = Instant::now();
            this.since = Some(now);
            timer.as_mut().reset(now + stall.min(left));
        }
        timer.as_mut().poll(cx).map(|()| {
            Some(Err(if left < stall { RequestBodyError::Slow(bytes_per_s) } else { RequestBodyError::Stalled(stall) }))
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_of_a_body_extends_its_deadline() {
        let pace = Pace { stall: Duration::from_secs(30), bytes_per_s: 240, grace: Duration::from_secs(30) };
        for (bytes, seconds) in [(0, 30.0), (1, 30.0 + 1.0 / 240.0), (240, 31.0), (2_400, 40.0), (240 << 20, 30.0 + 1_048_576.0)]
        {
            assert!((pace.patience(bytes).as_secs_f64() - seconds).abs() < 1e-6, "{bytes}");
        }
        assert_eq!(Pace { bytes_per_s: 0, ..pace }.patience(0), Duration::MAX);
        assert!(pace.patience(usize::MAX) < Duration::MAX);
    }
}
