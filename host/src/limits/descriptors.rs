//! How file descriptors are divided.

/// One in so many is not for clients, but for origins, files, reloads and the admin port,
pub const RESERVE_PART: u64 = 4;
/// and of many, no more than this.
pub const RESERVE_MAX: u64 = 4_096;
/// Of the rest, one in so many may be outgoing connections of functions, all of them together.
pub const FUNCTIONS_PART: u64 = 2;
/// Idle connections that make room at once: one in so many of the worker's, and at least one.
pub const SHED_PART: usize = 64;
/// After an accept that failed, doubling up to the second.
pub const PAUSE_MS: u64 = 10;
pub const PAUSE_MS_MAX: u64 = 1_000;
/// The log says again that they are short.
pub const TELL_AGAIN_MS: u64 = 60_000;

/// Of so many, those that are neither for clients nor for functions.
pub fn reserve(limit: u64) -> u64 {
    (limit / RESERVE_PART).min(RESERVE_MAX)
}

/// Of so many, those that outgoing connections of functions may have.
pub fn functions(limit: u64) -> u64 {
    (limit - reserve(limit)) / FUNCTIONS_PART
}
