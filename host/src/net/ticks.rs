//! Time as a worker's sweep counts it: in ticks, so that no clock is read for a request.

use std::time::Duration;

pub(crate) use crate::limits::request::SWEEPS_A_SECOND as TICKS_A_SECOND;

pub(crate) const TICK: Duration = Duration::from_millis(1_000 / TICKS_A_SECOND as u64);

/// How many ticks a time lasts; at least one.
pub(super) fn ticks(patience: Duration) -> u32 {
    u32::try_from(patience.as_millis() / TICK.as_millis()).unwrap_or(u32::MAX).max(1)
}
