//! Bounds of signatures: how long one holds, and what is read before it has been checked.

/// How far the clocks of client and server may be apart, in seconds. The age at which a signature in a header expires, and a
/// presigned one that does not say when it does.
pub const SKEW_S: u64 = 15 * 60;
/// The longest that a presigned request may hold, in seconds: one week.
pub const EXPIRES_S_MAX: u64 = 7 * 24 * 60 * 60;
/// The longest trailer of a body in chunks. The SDKs send one checksum.
pub const TRAILER_BYTES: usize = 4_096;
/// The longest line before a chunk: a length of sixteen digits and a signature.
pub const CHUNK_LINE_BYTES: usize = 128;
/// How much of what was sent the text of an error shows.
pub const EXCERPT_CHARS: usize = 64;
