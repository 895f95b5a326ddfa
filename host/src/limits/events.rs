//! What bounds events that wait.

/// Of the database's cache: events are written once and read once.
pub const CACHE_BYTES: usize = 64 << 20;
/// A commit takes no further changes once it has so many bytes: those who wait for it wait for all of it.
pub const COMMIT_BYTES: usize = 8 << 20;
/// A file in which nothing waits is made small again at a start if it is larger.
pub const COMPACT_BYTES: u64 = 64 << 20;

/// Of all that waits.
pub const WAITING_BYTES: u64 = 16 << 30;
/// Whoever is refused for that is asked to wait for so long.
pub const FULL_WAIT_S: u32 = 60;
/// What of a line is in memory before it is claimed: at most so many events, and no more once they have so many bytes.
pub const READY: usize = 64;
pub const READY_BYTES: usize = 256 << 10;
/// What could not be written is written again after so long.
pub const WRITE_AGAIN_MS: u64 = 1_000;

/// Between a function's failure and the next attempt, for each attempt that there was.
pub const FAILURE_WAIT_S: u64 = 60;
/// What could not be tried waits for so long, and twice as long each time, up to the longest.
pub const PUT_OFF_S: u64 = 1;
pub const PUT_OFF_S_MAX: u64 = 300;

/// Of an event that is invoked asynchronously.
pub const ASYNCHRONOUS_BYTES: usize = 1 << 20;
/// Events that are shown at a time, and by how much the clock is moved at a time.
pub const PEEK: usize = 100;
pub const PEEK_BYTES: usize = 4 << 20;
pub const ADVANCE_S: u64 = 31_622_400;
/// Attempts after the first, and the age at which an event is given up, unless a function has other settings.
pub const RETRIES: u32 = 2;
pub const AGE_S: u64 = 21_600;
/// Of the text of an error that a dead letter has.
pub const DEAD_LETTER_CHARS: usize = 1_024;
/// Calls for events that run at the same time: three quarters of the account's, so that there is room for who calls and waits.
pub const CALLS: usize = 750;
/// Events that cannot be read are read again after so long.
pub const READ_AGAIN_MS: u64 = 1_000;
/// Records that are brought to one destination at the same time, and for how long it is tried.
pub const DELIVERIES: usize = 64;
pub const DELIVERY_AGE_S: u64 = 21_600;
