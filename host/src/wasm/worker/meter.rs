//! What fuel does not see: time in the host, and how often the guest calls it.
//!
//! Fuel bounds the guest's own instructions and makes it yield. A host function burns none, so a guest that
//! does little but call the host would run far longer than its CPU limit. So each time the guest yields or
//! waits, its books are read: the time it has been polled for, and its calls into the host. WASI has no door
//! through which a host function could end the guest, so a limit takes effect at the next yield only.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::limits::{Limit, Limits};

/// Time polled is time on the wall: on a busy machine the thread may have waited for its core meanwhile.
const POLLED_PER_CPU: u64 = 2;

/// The books of the call that runs in an instance.
#[derive(Debug)]
pub(super) struct Meter {
    host_calls: AtomicU64,
    host_calls_max: u64,
    polled_max: Duration,
}

impl Meter {
    pub(super) fn new(limits: &Limits) -> Meter {
        Meter {
            host_calls: AtomicU64::new(0),
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
