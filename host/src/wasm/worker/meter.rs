//! What fuel does not see: time in the host, and how often the guest calls it.
//!
//! Fuel bounds the guest's own instructions and makes it yield. A host function burns none, so a guest that
//! does little but call the host would run far longer than its CPU limit. So each time the guest yields or
//! waits, its books are read: the time it has been polled for, and its calls into the host.
//!
//! Our own interfaces give way by themselves when they have worked for a slice. WASI's functions have no door
//! for that: a guest that only calls those yields when its fuel says so, by estimate after 25,000 calls or
//! 0.03 s, and is found over `Limit::HostCalls` then. (`Store::call_hook` would be such a door, at a price for every
//! call; it is a feature of wasmtime that is not compiled in.)

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::limits::{Limit, Limits};

/// Time polled is time on the wall: on a busy machine the thread may have waited for its core meanwhile. And
/// fuel that is a microsecond of ordinary code is several of the slowest.
const POLLED_PER_CPU: u64 = 4;

/// Estimates, rather too high than too low.
const CALL_NS: u64 = 500;
const BYTE_NS: u64 = 1;
const SLICE_NS: u64 = 100_000;

/// The books of the call that runs in an instance.
#[derive(Debug)]
pub(super) struct Meter {
    host_calls: AtomicU64,
    host_calls_max: u64,
    /// Estimated work of our own interfaces since they last gave way.
    worked_ns: AtomicU64,
    polled_max: Duration,
}

impl Meter {
    pub(super) fn new(limits: &Limits) -> Meter {
        Meter {
            host_calls: AtomicU64::new(0),
            worked_ns: AtomicU64::new(0),
            host_calls_max: limits.value(Limit::HostCalls),
            polled_max: Duration::from_micros(limits.value(Limit::CpuUs).saturating_mul(POLLED_PER_CPU)),
        }
    }

    /// A call begins.
    pub(super) fn reset(&self) {
        self.host_calls.store(0, Relaxed);
    }

    /// Counts a call into the host; false if it is one too many.
    pub(super) fn enter(&self) -> bool {
        self.host_calls.fetch_add(1, Relaxed) < self.host_calls_max
    }

    /// One of our own interfaces did something with so many bytes.
    pub(super) fn worked(&self, bytes: usize) {
        self.worked_ns.fetch_add(CALL_NS + BYTE_NS * bytes as u64, Relaxed);
    }

    /// Lets others run if the host has worked for a slice.
    pub(super) async fn give_way(self: Arc<Meter>) {
        if self.worked_ns.load(Relaxed) >= SLICE_NS {
            self.worked_ns.store(0, Relaxed);
            tokio::task::yield_now().await;
        }
    }

    /// Runs a guest until it ends or is over a limit; then it is dropped where it stands.
    pub(super) async fn run<F: Future>(&self, guest: F, polled_max: Duration) -> Result<F::Output, Limit> {
        let mut guest = pin!(guest);
        let mut polled = Duration::ZERO;
        std::future::poll_fn(|cx| {
            let start = Instant::now();
            let poll = guest.as_mut().poll(cx);
            polled += start.elapsed();
            match poll {
                Poll::Ready(output) => Poll::Ready(Ok(output)),
                Poll::Pending if self.host_calls.load(Relaxed) > self.host_calls_max => Poll::Ready(Err(Limit::HostCalls)),
                Poll::Pending if polled > polled_max => Poll::Ready(Err(Limit::CpuUs)),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// How long a call may be polled for.
    pub(super) fn polled_max(&self) -> Duration {
        self.polled_max
    }
}
