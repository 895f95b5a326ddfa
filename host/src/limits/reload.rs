//! What bounds reloads of the configuration.

/// Files are written in several steps: nothing must have happened for so long,
pub const QUIET_MS: u64 = 100;
/// but it is not waited for longer than this.
pub const QUIET_MS_MAX: u64 = 2_000;
/// How often it is seen whether the last request has left what was replaced.
pub const RETIRED_POLL_MS: u64 = 1_000;
/// Replaced configurations that are waited for; one more, and a worker may have to drop it.
pub const RETIRED: usize = 16;
/// Names that are told of one kind of change; the rest is counted.
pub const NAMES_TOLD: usize = 10;
