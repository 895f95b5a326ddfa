//! Permission for a response to pause for longer than others, since its origin may be silent for longer.
//!
//! A `Record` that has one moves with a tunnel, which may be on any thread: hence the atomic.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use crate::limits::request::STALL_MARGIN_MS;
use crate::net::ticks::ticks;

/// Of one connection.
#[derive(Debug, Clone, Default)]
pub struct Stillness(Arc<AtomicU32>);

impl Stillness {
    /// Allows this pause on the connection until no exchange is under way.
    pub fn allow(&self, silence: Duration) {
        self.0.fetch_max(ticks(silence + Duration::from_millis(STALL_MARGIN_MS)), Relaxed);
    }

    pub(super) fn ticks(&self) -> u32 {
        self.0.load(Relaxed)
    }

    pub(super) fn end(&self) {
        self.0.store(0, Relaxed);
    }
}
