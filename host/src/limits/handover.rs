//! What bounds a hand-over between two processes.

/// For each step of what the two say to each other.
pub const ANSWER_MS: u64 = 5_000;
/// Listening sockets that are given: as many as a configuration can have.
pub const SOCKETS: usize = 129 * 256;
/// A taken port is asked for again, and so long, if its owner may be about to leave.
pub const ASK_AGAIN_MS: u64 = 20;
pub const TAKE_MS: u64 = 1_000;
/// Of a line of it.
pub const LINE_BYTES: usize = 32;
/// The address of a socket file has room for so many bytes.
pub const PATH_BYTES: usize = 100;
