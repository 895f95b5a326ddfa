//! What bounds the edge: its talk to origins, what hooks make of a response, tunnels, signed URLs.

/// What bounds the edge's talk to origins, beside what an origin's configuration says.
pub mod origin {
    /// Connections of one worker to one origin, unless the configuration says otherwise, and the most that it may say.
    pub const CONNECTIONS: usize = 10_000;
    pub const CONNECTIONS_MAX: u64 = 50_000;
    /// Requests of one worker that wait for one of these; how long, the origin's `connect_timeout_s` says.
    pub const WAITING: usize = 1_024;
    /// Headers of an origin's response; more of them is a broken response.
    pub const HEADERS: usize = 200;
    /// hyper reads an origin's head into a buffer of at most this size.
    pub const HEAD_BYTES: usize = 64 << 10;
    /// Answers 1xx before one answer, and their bytes together; with more of them it is a broken response.
    pub const INTERIMS: u32 = 32;
    pub const INTERIM_BYTES: usize = 64 << 10;
    /// Between two reads of a request's body that an origin hook is to see.
    pub const BODY_READ_TIMEOUT_MS: u64 = 30_000;
    /// The longest that an origin may be allowed to be silent: for streams of events and long polls.
    pub const READ_TIMEOUT_S_MAX: u64 = 3_600;
    /// For the file system to find and open a folder's file.
    pub const FILE_TIMEOUT_MS: u64 = 30_000;
    /// A folder's file is read and sent in pieces of this size.
    pub const FILE_CHUNK_BYTES: usize = 64 << 10;
    /// CloudFront's defaults, also for an address that a hook made up, and its maximums.
    pub const CONNECT_TIMEOUT_MS: u64 = 10_000;
    pub const CONNECT_TIMEOUT_S_MAX: u64 = 10;
    pub const CONNECT_ATTEMPTS: u32 = 3;
    pub const READ_TIMEOUT_MS: u64 = 30_000;
    pub const KEEPALIVE_MS: u64 = 5_000;
    pub const KEEPALIVE_S_MAX: u64 = 120;
    /// Connections that one worker keeps idle to an origin, unless the configuration says otherwise; and to an address that a
    /// hook made up.
    pub const IDLE_CONNECTIONS: u64 = 128;
    pub const IDLE: usize = 32;
    /// Between two searches for kept connections that were idle for too long.
    pub const SWEEP_MS: u64 = 1_000;
    /// Attempts to open a folder's file: while folders are being moved, the kernel may be unable to tell whether the path
    /// leads out, and asks for another attempt.
    pub const OPEN_ATTEMPTS: usize = 16;
}

/// What bounds the body and headers of a response that a hook makes ("Quotas on Lambda@Edge").
pub mod generated {
    pub const VIEWER_BYTES: usize = 40 << 10;
    pub const ORIGIN_BYTES: usize = 1 << 20;
}

/// What Lambda@Edge lets a function say of an origin.
pub mod lambda_edge {
    use std::ops::RangeInclusive;

    pub const READ_TIMEOUT_S: RangeInclusive<u64> = 4..=60;
    pub const KEEPALIVE_S: RangeInclusive<u64> = 1..=60;
    pub const DOMAIN_NAME_BYTES: usize = 253;
    pub const BUCKET_DOMAIN_NAME_BYTES: usize = 128;
}

/// What bounds what one message may ask of the cache.
pub mod negotiation {
    /// Names in a `Vary`; more of them are taken for `*`.
    pub const VARY_NAMES: usize = 16;
    /// Ranges in one answer; whoever wants more gets the whole.
    pub const RANGES: usize = 16;
}

/// What bounds what follows a body; more of it is dropped.
pub mod trailers {
    pub const FIELDS: usize = 32;
    /// Names and values together.
    pub const BYTES: usize = 8 << 10;
}

/// What bounds a connection that has switched to WebSocket, beside what the configuration says.
pub mod tunnel {
    /// Open tunnels of one worker, unless the configuration says otherwise, and the most that it may say.
    pub const PER_WORKER: u64 = 10_000;
    pub const PER_WORKER_MAX: u64 = crate::limits::request::CONNECTIONS_PER_WORKER as u64;
    /// Without a byte in either direction: CloudFront's, unless the configuration says otherwise.
    pub const IDLE_S: u64 = 600;
    pub const IDLE_S_MAX: u64 = 86_400;
    /// The same, once one side has closed.
    pub const HALF_CLOSED_MS: u64 = 30_000;
    /// Read at once, and kept at most for a side that has no room.
    pub const CHUNK_BYTES: usize = 16 << 10;
}

/// What bounds compression on the way into the cache.
pub mod compression {
    /// Bodies of other lengths are stored as they come ("Serve compressed files").
    pub const BYTES_MIN: u64 = 1_000;
    pub const BYTES_MAX: u64 = 10_000_000;
    /// Of the body, what is compressed before others have the worker's thread: half a millisecond at br's speed.
    pub const SLICE_BYTES: usize = 16 << 10;
    /// Bodies in work in the whole process, up to 3 MiB of memory each; further ones are stored as they come.
    pub const AT_ONCE: usize = 64;
    /// Levels for content that is compressed while a client waits: 80, 50 and 300 MB/s for content that shrinks to a fourth.
    /// Higher levels cost twice as much and gain a few percent.
    pub const GZIP_LEVEL: u32 = 6;
    pub const BROTLI_LEVEL: u32 = 5;
    pub const ZSTD_LEVEL: i32 = 3;
    /// How far back an encoder looks, as a power of two: 1 MiB. A larger window gains little and costs memory.
    pub const WINDOW_LOG: u32 = 20;
    /// brotli writes its output in pieces of this size.
    pub const BROTLI_BUFFER_BYTES: usize = 4 << 10;
}

/// What bounds a signed URL or signed cookies.
pub mod signed {
    /// The policy, decoded. A URL has no room for more.
    pub const POLICY_BYTES: usize = 8_192;
    /// `?`s in a resource: each makes comparing it with a URL dearer.
    pub const RESOURCE_WILDCARDS: usize = 64;
    /// The signature, decoded: that of the largest key.
    pub const SIGNATURE_BYTES: usize = 1_024;
    /// The latest time that CloudFront takes, January 2038. What is later was written in milliseconds.
    pub const EPOCH_S: u64 = 2_147_483_647;
    /// Verified signatures that a thread remembers, 32 bytes each.
    pub const VERIFIED: usize = 1_024;
}

/// What a worker keeps of the buffers that events are written to.
pub mod hook_events {
    /// About as many as a busy worker has requests at their origins; each up to `BUFFER_BYTES`.
    pub const BUFFERS: usize = 64;
    pub const BUFFER_BYTES: usize = 16 << 10;
}
