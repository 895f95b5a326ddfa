//! The right to let an answer be still for longer than others: its origin may be silent for longer.
//!
//! A `Record` that has one goes along with a tunnel, which may be on any thread: hence the atomic.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use crate::limits::request::STALL_MARGIN_MS;
use crate::net::ticks::ticks;

/// Of one connection.
#[derive(Debug, Clone, Default)]
pub struct Stillness(Arc<AtomicU32>);

impl Stillness {
    /// Of what is under way on this connection, until nothing is.
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
