//! What bounds a request before any code runs. CloudFront's ("Quotas", Developer Guide).

/// Request line and headers together.
pub const HEAD_BYTES: usize = 20_480;
/// Path and query string.
pub const URL_BYTES: usize = 8_192;
/// Ways in one path by which servers may read it differently (`path`); each doubles the readings that are looked at.
pub const PATH_DOUBTS: u32 = 4;
pub const HEADERS: usize = 100;
/// Room in a header map that a thread keeps for its next response.
pub const SPARE_HEADERS: usize = 128;
/// From the first byte of a request to the end of its headers.
pub const HEAD_TIMEOUT_MS: u64 = 10_000;
/// A connection without a request.
pub const IDLE_TIMEOUT_MS: u64 = 60_000;
/// From the accepted connection to the end of its TLS handshake.
pub const TLS_HANDSHAKE_MS: u64 = 10_000;
/// Between two reads of a request body that somebody waits for.
pub const BODY_STALL_MS: u64 = 30_000;
/// A client that takes no byte of what is written to it.
pub const WRITE_STALL_MS: u64 = 30_000;
/// Nothing moves while a request is being answered; longer than any origin may take.
pub const STALL_TIMEOUT_MS: u64 = 150_000;
/// An exchange whose origin may be silent for longer ends so much after it.
pub const STALL_MARGIN_MS: u64 = 30_000;
/// hyper reads a head into a buffer of at most this size; a larger head is answered with 431.
pub const H1_BUFFER_BYTES: usize = 32 << 10;
pub const H2_STREAMS: u32 = 128;
/// Streams that a client may open and reset before we are through with them (CVE-2023-44487).
pub const H2_RESETS: usize = 20;
/// Frames of an HTTP/2 connection that ask for nothing, and how many more it may send each second.
pub const H2_SPARE_FRAMES: u32 = 2_000;
pub const H2_SPARE_FRAMES_A_SECOND: u32 = 100;
/// Open connections of one worker; above it idle ones go, and new ones are refused when there are none.
pub const CONNECTIONS_PER_WORKER: usize = 50_000;
/// Open connections of one address that is not of a private network, unless the configuration says otherwise.
pub const CONNECTIONS_PER_CLIENT: usize = 4_096;
pub const CONNECTIONS_PER_CLIENT_MAX: u64 = 1_000_000;
/// What a request's body must bring on average while it is waited for, once it was waited for so long. Configurable.
pub const BODY_RATE_BYTES_S: usize = 240;
pub const BODY_RATE_BYTES_S_MAX: u64 = 1 << 20;
pub const BODY_RATE_GRACE_MS: u64 = 30_000;
/// After the end of a connection, memory is handed back for so long, by freeing a block of this size.
pub const LEFTOVER_S: u32 = 5;
pub const LEFTOVER_BLOCK_BYTES: usize = 8 << 20;
/// A connection that is idle for so long is closed once we drain; and after a drain has begun under load, listening goes
/// on for so long at least.
pub const DRAIN_IDLE_MS: u64 = 1_000;
/// What a client may still send after its offence.
pub const OVER_BYTES: usize = 256 << 10;
/// Connections that the kernel keeps for a listening socket until they are accepted.
pub const BACKLOG: i32 = 4_096;
/// Spare frames that a client earns by each stream it opens, and by each DATA frame that it is sent.
pub const H2_EARNED_BY_STREAM: u32 = 20;
pub const H2_EARNED_BY_DATA: u32 = 4;
/// Streams that have ended and are remembered.
pub const H2_ENDED_STREAMS: usize = 64;
/// How long a client may take to notice that we have closed.
pub const LINGER_MS: u64 = 1_000;
/// What a stream keeps to be sent; what its client may send ahead of being read, by stream and by connection.
pub const H2_SEND_BYTES: usize = 64 << 10;
pub const H2_STREAM_WINDOW_BYTES: u32 = 256 << 10;
pub const H2_CONNECTION_WINDOW_BYTES: u32 = 1 << 20;
/// After so long without a frame a client is asked for a sign of life, and so long it may take.
pub const H2_PING_MS: u64 = 20_000;
pub const H2_PONG_MS: u64 = 10_000;
/// How often a worker looks at the deadlines of all its connections.
pub const SWEEPS_A_SECOND: u32 = 4;
