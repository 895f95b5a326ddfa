//! What bounds the admin port.

/// Open connections; further ones are closed and counted.
pub const CONNECTIONS: usize = 256;

/// Where few descriptors are kept back, the admin port has a third of them: origins, files and reloads need some, too.
pub fn connections(reserve: u64) -> usize {
    usize::try_from(reserve / 3).map_or(CONNECTIONS, |part| part.clamp(1, CONNECTIONS))
}

/// From the end of the last answer, or the beginning, to the end of a head.
pub const HEAD_TIMEOUT_MS: u64 = 10_000;
pub const HEAD_BYTES: usize = 32 << 10;
/// A purge, or what is looked up.
pub const BODY_BYTES: usize = 64 << 10;
/// From a request's head to that of its answer.
pub const REQUEST_MS: u64 = 30_000;
/// From the beginning of a connection to its end.
pub const CONNECTION_MS: u64 = 600_000;
/// Texts of metrics that are on their way.
pub const METRICS_AT_ONCE: usize = 16;
/// After an accept that failed.
pub const ACCEPT_PAUSE_MS: u64 = 100;
/// Of a name, as a response shows it.
pub const SHOWN_CHARS: usize = 100;
