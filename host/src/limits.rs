//! I hold every number that bounds something: its name, unit, default and maximum.
//!
//! Who enforces a limit is told in the table in `docs/limits.md`, not here. Settings by the user are
//! checked against `maximum` by `config`, and shown by `edgeward inspect`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The two kinds of code: pure hooks at the viewer's side, and everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Profile {
    /// Viewer hooks: 2 MB, sub-millisecond, no network; run inline on the connection's task.
    Viewer,
    /// Origin hooks and HTTP components: large, asynchronous, with network as granted.
    Worker,
}

/// A limit on one call or one instance of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// CPU time of one call. Enforced as fuel, see `wasm::fuel`.
    CpuUs,
    /// Wall-clock time of one call, network included. Workers only.
    DeadlineMs,
    /// Linear memory, summed over all memories of an instance.
    MemoryBytes,
    /// Table elements, summed over all tables of an instance.
    TableElements,
    /// WebAssembly stack.
    StackBytes,
    /// Open resource handles in one instance. Workers only.
    Handles,
    /// Outgoing connections of all instances of a revision, open at once. Workers only.
    Connections,
    /// Log bytes kept from one call.
    LogBytes,
    /// Calls from the guest into the host within one call.
    HostCalls,
    /// The packed answer of a hook.
    ReplyBytes,
    /// The body of a service's response, which streams. Workers only.
    StreamBytes,
    /// Headers in a reply.
    HeaderCount,
    /// All header names and values in a reply.
    HeaderBytes,
    /// The part of a body that an origin hook is shown.
    BodyBytes,
    /// Compiled instances of one revision, waiting and running.
    Instances,
    /// Calls of one revision that may wait for an instance. Workers only.
    Queue,
    /// How long a call may wait for an instance. Workers only.
    QueueWaitMs,
}

impl Limit {
    pub const ALL: [Limit; 17] = [
        Limit::CpuUs,
        Limit::DeadlineMs,
        Limit::MemoryBytes,
        Limit::TableElements,
        Limit::StackBytes,
        Limit::Handles,
        Limit::Connections,
        Limit::LogBytes,
        Limit::HostCalls,
        Limit::ReplyBytes,
        Limit::StreamBytes,
        Limit::HeaderCount,
        Limit::HeaderBytes,
        Limit::BodyBytes,
        Limit::Instances,
        Limit::Queue,
        Limit::QueueWaitMs,
    ];

    /// The key in a `limits` table of the configuration, and the label in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Limit::CpuUs => "cpu_us",
            Limit::DeadlineMs => "deadline_ms",
            Limit::MemoryBytes => "memory_bytes",
            Limit::TableElements => "table_elements",
            Limit::StackBytes => "stack_bytes",
            Limit::Handles => "handles",
            Limit::Connections => "connections",
            Limit::LogBytes => "log_bytes",
            Limit::HostCalls => "host_calls",
            Limit::ReplyBytes => "reply_bytes",
            Limit::StreamBytes => "stream_bytes",
            Limit::HeaderCount => "header_count",
            Limit::HeaderBytes => "header_bytes",
            Limit::BodyBytes => "body_bytes",
            Limit::Instances => "instances",
            Limit::Queue => "queue",
            Limit::QueueWaitMs => "queue_wait_ms",
        }
    }

    pub fn unit(self) -> &'static str {
        match self {
            Limit::CpuUs => "µs",
            Limit::DeadlineMs | Limit::QueueWaitMs => "ms",
            Limit::MemoryBytes
            | Limit::StackBytes
            | Limit::LogBytes
            | Limit::ReplyBytes
            | Limit::StreamBytes
            | Limit::HeaderBytes
            | Limit::BodyBytes => "bytes",
            Limit::TableElements => "elements",
            Limit::Handles => "handles",
            Limit::Connections => "connections",
            Limit::HostCalls => "calls",
            Limit::HeaderCount => "headers",
            Limit::Instances => "instances",
            Limit::Queue => "calls",
        }
    }

    pub fn default(self, profile: Profile) -> u64 {
        self.bounds(profile).0
    }

    /// The largest value a configuration may ask for.
    pub fn maximum(self, profile: Profile) -> u64 {
        self.bounds(profile).1
    }

    /// (default, maximum). Limits that a profile does not use are equal to their maximum.
    /// Viewer and origin numbers follow CloudFront Functions and Lambda@Edge where those publish them.
    fn bounds(self, profile: Profile) -> (u64, u64) {
        use Profile::{Viewer, Worker};
        match (self, profile) {
            (Limit::CpuUs, Viewer) => (1_000, 10_000),
            (Limit::CpuUs, Worker) => (1_000_000, 900_000_000),
            (Limit::DeadlineMs, Viewer) => (1_000, 1_000),
            (Limit::DeadlineMs, Worker) => (30_000, 900_000),
            (Limit::MemoryBytes, Viewer) => (2 * MIB, 2 * MIB),
            (Limit::MemoryBytes, Worker) => (128 * MIB, 10_240 * MIB),
            (Limit::TableElements, Viewer) => (10_000, 20_000),
            (Limit::TableElements, Worker) => (100_000, 1_000_000),
            (Limit::StackBytes, Viewer) => (256 * KIB, 256 * KIB),
            (Limit::StackBytes, Worker) => (MIB, MIB),
            (Limit::Handles, Viewer) => (64, 64),
            (Limit::Handles, Worker) => (10_000, 100_000),
            (Limit::Connections, Viewer) => (0, 0),
            (Limit::Connections, Worker) => (128, 10_000),
            (Limit::LogBytes, Viewer) => (10 * KIB, 10 * KIB),
            (Limit::LogBytes, Worker) => (256 * KIB, MIB),
            (Limit::HostCalls, Viewer) => (1_000, 10_000),
            (Limit::HostCalls, Worker) => (1_000_000, 10_000_000),
            (Limit::ReplyBytes, Viewer) => (64 * KIB, 256 * KIB),
            (Limit::ReplyBytes, Worker) => (MIB + 64 * KIB, 64 * MIB),
            (Limit::StreamBytes, Viewer) => (0, 0),
            // What streams is never held whole: no bound unless one is set.
            (Limit::StreamBytes, Worker) => (UNBOUNDED, UNBOUNDED),
            (Limit::HeaderCount, _) => (100, 200),
            (Limit::HeaderBytes, _) => (20_480, 65_536),
            (Limit::BodyBytes, Viewer) => (0, 0),
            (Limit::BodyBytes, Worker) => (MIB, 16 * MIB),
            (Limit::Instances, Viewer) => (64, 4_096),
            (Limit::Instances, Worker) => (64, 1_000),
            (Limit::Queue, Viewer) => (0, 0),
            (Limit::Queue, Worker) => (1_000, 100_000),
            (Limit::QueueWaitMs, Viewer) => (0, 0),
            (Limit::QueueWaitMs, Worker) => (1_000, 60_000),
        }
    }
}

/// The limits of one revision: a value for each [`Limit`], none over its maximum.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Limits {
    profile: Profile,
    values: [u64; Limit::ALL.len()],
}

impl Limits {
    pub fn defaults(profile: Profile) -> Limits {
        Limits { profile, values: Limit::ALL.map(|limit| limit.default(profile)) }
    }

    pub fn profile(&self) -> Profile {
        self.profile
    }

    pub fn value(&self, limit: Limit) -> u64 {
        self.values[limit as usize]
    }

    /// This set with one limit changed; the value must not be over the maximum.
    pub fn with(mut self, limit: Limit, value: u64) -> Result<Limits, OverMaximum> {
        let maximum = limit.maximum(self.profile);
        if value > maximum {
            return Err(OverMaximum { limit, value, maximum });
        }
        self.values[limit as usize] = value;
        Ok(self)
    }
}

/// How long an instance serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstancePolicy {
    /// Every call sees an instance in its initial state.
    Fresh,
    /// An instance serves calls one after the other until a quota.
    Reuse { max_calls: u64, max_idle: Duration },
}

/// A limit was set above what may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{}` may be at most {maximum} {}, not {value}", .limit.name(), .limit.unit())]
pub struct OverMaximum {
    pub limit: Limit,
    pub value: u64,
    pub maximum: u64,
}

/// More than anything can count to, and the largest number that a configuration can say.
pub const UNBOUNDED: u64 = i64::MAX as u64;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// How a worker component shares its thread, and what one call of it into the host may ask for.
pub mod worker {
    /// Polled at once, before the others of the thread have their turn.
    pub const SLICE_US: u64 = 25;
    /// Fuel after which a guest is looked at: between these, the less the slower its code runs.
    pub const LOOK_US_MIN: u64 = 1;
    pub const LOOK_US_MAX: u64 = 4;
    /// Code that runs longer between two looks is slow.
    pub const STRETCH_US: u64 = 40;
    /// Time polled is time on the wall: on a busy machine the thread may have waited for its core meanwhile. And fuel
    /// that is a microsecond of ordinary code is several of the slowest.
    pub const POLLED_PER_CPU: u64 = 4;
    /// One stay in the host is paid for up to this; longer ones are the machine's fault.
    pub const CHARGE_US_MAX: u64 = 2_000;
    /// Random bytes of one call: WASI 0.3 gives no more at once, 0.2 traps.
    pub const RANDOM_BYTES: u64 = 64 << 10;
    /// What stdout and stderr take at once.
    pub const WRITE_BYTES: usize = 16 << 10;
    /// The longest line of a log; longer ones are cut into several.
    pub const LINE_BYTES: usize = 8 << 10;
    /// What a guest may pass to the host at once, beside an answer of full size.
    pub const HOST_CALL_BYTES: usize = 1 << 20;
    /// Items that one read or write of a stream (WASI 0.3) moves.
    pub const STREAM_ITEMS: i32 = 16 << 10;
    /// What `memory.fill`, `memory.copy` and `memory.init` move before others have their turn.
    pub const BULK_BYTES: u64 = 256 << 10;
    /// An instance with more memory takes milliseconds to let go: it is dropped on a thread of its own.
    pub const TEARDOWN_INLINE_BYTES: u64 = 4 << 20;
}

/// What bounds a request before any code runs. CloudFront's ("Quotas", Developer Guide).
pub mod request {
    /// Request line and headers together.
    pub const HEAD_BYTES: usize = 20_480;
    /// Path and query string.
    pub const URL_BYTES: usize = 8_192;
    /// Ways in one path by which servers may read it differently (`path`); each doubles the readings that are looked at.
    pub const PATH_DOUBTS: u32 = 4;
    pub const HEADERS: usize = 100;
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
}

/// What bounds the admin port.
pub mod admin {
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
}

/// How file descriptors are divided.
pub mod descriptors {
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
}

/// What bounds a hand-over between two processes.
pub mod handover {
    /// For each step of what the two say to each other.
    pub const ANSWER_MS: u64 = 5_000;
    /// Listening sockets that are given: as many as a configuration can have.
    pub const SOCKETS: usize = 129 * 256;
    /// A taken port is asked for again, and so long, if its owner may be about to leave.
    pub const ASK_AGAIN_MS: u64 = 20;
    pub const TAKE_MS: u64 = 1_000;
}

/// What bounds what one call of a viewer hook into the host may ask for.
pub mod host {
    /// Lists and text that the guest gives, as the host holds them.
    pub const CALL_BYTES: usize = 1 << 20;
    /// Random bytes that are asked for at once.
    pub const RANDOM_BYTES: u64 = 64 << 10;
    /// Entries of all tables of handles, what is lent for a call among them. `Limit::Handles` bounds those that the
    /// host gives.
    pub const VIEWER_HANDLES: usize = 256;
}

/// What bounds the body and headers of a response that a hook makes ("Quotas on Lambda@Edge").
pub mod generated {
    pub const VIEWER_BYTES: usize = 40 << 10;
    pub const ORIGIN_BYTES: usize = 1 << 20;
}

/// What bounds what one message may ask of the cache.
pub mod negotiation {
    /// Names in a `Vary`; more of them are taken for `*`.
    pub const VARY_NAMES: usize = 16;
    /// Ranges in one answer; whoever wants more gets the whole.
    pub const RANGES: usize = 16;
}

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
}

/// What bounds what follows a body; more of it is dropped.
pub mod trailers {
    pub const FIELDS: usize = 32;
    /// Names and values together.
    pub const BYTES: usize = 8 << 10;
}

/// What bounds a function's way out, beside its limits.
pub mod egress {
    /// Addresses of a name that are looked at.
    pub const ADDRESSES: usize = 8;
    /// Names of one function that are being resolved; further ones wait. Each takes a thread of those that also read files.
    pub const LOOKUPS: usize = 16;
    /// Names that an instance's raw sockets remember to have resolved; the oldest are forgotten.
    pub const RESOLVED_NAMES: usize = 64;
}

/// What bounds a program of the CGI kind, beside its function's limits.
pub mod cgi {
    /// What it has written and nobody has read; then it waits.
    pub const PIPE_BYTES: usize = 64 << 10;
}

/// What bounds one call of the interfaces that are offered beside WASI.
pub mod offered {
    /// Keys that a store lists at once.
    pub const KEYS_PER_PAGE: usize = 1_000;
    /// Keys that are counted to find where a page begins, where a cursor is a number.
    pub const KEYS_COUNTED: usize = 100_000;
    /// Keys that a batch asks for, of 1 KiB values each.
    pub const BATCH_KEYS: usize = 1_000;
    /// All keys at once, for an interface without pages.
    pub const KEY_LIST_BYTES: usize = 256 << 10;
}

/// What bounds a connection that has switched to WebSocket, beside what the configuration says.
pub mod tunnel {
    /// Open tunnels of one worker, unless the configuration says otherwise, and the most that it may say.
    pub const PER_WORKER: u64 = 10_000;
    pub const PER_WORKER_MAX: u64 = super::request::CONNECTIONS_PER_WORKER as u64;
    /// Without a byte in either direction: CloudFront's, unless the configuration says otherwise.
    pub const IDLE_S: u64 = 600;
    pub const IDLE_S_MAX: u64 = 86_400;
    /// The same, once one side has closed.
    pub const HALF_CLOSED_MS: u64 = 30_000;
    /// Read at once, and kept at most for a side that has no room.
    pub const CHUNK_BYTES: usize = 16 << 10;
}

/// What bounds the cache, beside the sizes that the configuration gives its tiers.
pub mod cache {
    /// Keys that are being filled, renewed or loaded; above it a request goes to the origin alone.
    pub const FLIGHTS: usize = 65_536;
    /// Requests that wait for one key.
    pub const WAITERS: usize = 65_536;
    /// What a flight keeps for the readers of an object that no tier will hold.
    pub const WINDOW_BYTES: u64 = 4 << 20;
    /// A reader that holds such a flight up for so long is cut off; where others wait for it, for so long in all.
    pub const READER_STALL_MS: u64 = 10_000;
    /// A clock that goes back by more was set; by less, it was slewed, or read by a request that has waited since.
    pub const CLOCK_SET_BACK_MS: u64 = 60_000;
    /// How long, and of how many keys, it is remembered that their responses cannot be stored.
    pub const UNCACHEABLE_MS: u64 = 30_000;
    pub const UNCACHEABLE_KEYS: usize = 100_000;
    /// How long a request waits for the one that fills, before it goes to the origin itself.
    pub const WAIT_MS: u64 = 30_000;
    /// A smaller piece of a body is copied out of the buffer that it came in, so that it does not hold it.
    pub const COPIED_BYTES: usize = 16 << 10;
    /// Heads that renewals have left in memory for objects on disk; above it an object is renewed again the next time.
    pub const RENEWED_BYTES: u64 = 64 << 20;
    /// Surrogate keys of one response; further ones are not heard.
    pub const TAGS: usize = 128;
    /// Purges that have taken effect but are not yet swept out; above it a purge is refused.
    pub const PURGES: usize = 1_000;
    pub const PURGE_BYTES: usize = 8_192;
    /// URIs that unsafe requests have made doubtful and that are not yet swept out: of one client, and of all. What is over
    /// that takes away only what is stored under the request's own key.
    pub const INVALIDATIONS_PER_CLIENT: usize = 4_096;
    pub const INVALIDATIONS: usize = 65_536;
    /// Between two times that these are written to disk, and at least between two sweeps for them.
    pub const INVALIDATIONS_WRITTEN_MS: u64 = 1_000;
    /// Read, written and checksummed at once.
    pub const DISK_BLOCK_BYTES: usize = 64 << 10;
    /// Blocks that one trip to the disk reads.
    pub const DISK_READ_BLOCKS: u64 = 4;
    /// The stored form of an object without its body.
    pub const DISK_HEAD_BYTES: usize = 256 << 10;
    /// Whole objects on their way from memory to disk; above it an object stays in memory only.
    pub const DISK_WRITES: usize = 64;
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
}

/// What bounds the log, whatever clients, origins and functions do (`telemetry::repeats`).
pub mod logging {
    /// Between two lines about failures of the same origin or function.
    pub const INTERVAL_MS: u64 = 10_000;
    /// How often it is looked whether a summary is due.
    pub const TICK_MS: u64 = 1_000;
    /// Calls of a function whose log is written, per interval.
    pub const FUNCTION_LINES: u64 = 1_000;
    /// Of a path in a line; the rest is cut off.
    pub const PATH_BYTES: usize = 256;
    /// Of the cause of a failure in a line.
    pub const CAUSE_BYTES: usize = 4_096;
}

/// What bounds traces on their way to the collector.
pub mod tracing {
    /// Spans of one request; further ones are dropped.
    pub const SPANS_PER_TRACE: usize = 64;
    /// Of the text of an attribute; the rest is cut off.
    pub const ATTRIBUTE_BYTES: usize = 1_024;
    /// Requests whose spans wait for the exporter, and the memory they may take.
    pub const WAITING_TRACES: usize = 4_096;
    pub const WAITING_BYTES: usize = 16 << 20;
    /// A batch is sent when it has so many spans, or is so old.
    pub const BATCH_SPANS: usize = 512;
    pub const BATCH_MS: u64 = 1_000;
    /// For the collector to connect, and between two steps of one exchange with it.
    pub const SEND_MS: u64 = 2_000;
    /// At the end of the process.
    pub const FLUSH_MS: u64 = 5_000;
    pub const SERVICE_NAME_BYTES: usize = 255;
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

/// How often a viewer instance that was put back is compared with a new one (`function::pool`).
pub mod audit {
    /// The first restores of a revision, on each worker: none of them serves a second call before a comparison.
    pub const FIRST: u64 = 16;
    /// After that, one in so many.
    pub const EVERY: u64 = 1_000;
}

/// What one deployment may spend on one component, unless the configuration says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compiling {
    /// Address space of the process that compiles.
    pub memory_bytes: u64,
    /// CPU time of all its threads; by the clock it may take `compile::PATIENCE` times as long.
    pub cpu_s: u64,
}

impl Default for Compiling {
    fn default() -> Compiling {
        Compiling { memory_bytes: compile::MEMORY_BYTES, cpu_s: compile::CPU_S }
    }
}

/// What bounds putting an instance back to its first state after a call, beside its memory.
pub mod restore {
    /// Mutable globals, all of which are set each time. A toolchain makes a handful; a component with more of them gets a
    /// new instance for each call.
    pub const GLOBALS: usize = 1_000;
}

/// Compiled components on disk.
pub mod aot {
    /// Of all of them; over it, those go that were not used for the longest time.
    pub const BYTES: u64 = 4 << 30;
}

/// What bounds compiling: first by what can be foretold of a component, then by what the process that compiles may use.
pub mod compile {
    /// Address space of the process that compiles one component.
    pub const MEMORY_BYTES: u64 = 4 << 30;
    pub const MEMORY_BYTES_MIN: u64 = 256 << 20;
    pub const MEMORY_BYTES_MAX: u64 = 256 << 30;
    /// CPU time of it, summed over its threads.
    pub const CPU_S: u64 = 120;
    pub const CPU_S_MAX: u64 = 3_600;
    /// By the clock it may take so many times its CPU time: it has the lowest priority, and others may want the CPU.
    pub const PATIENCE: u32 = 4;
    /// Such processes at once.
    pub const PROCESSES: usize = 2;
    /// What comes out: machine code, and all that belongs to it.
    pub const CODE_BYTES: u64 = 1 << 30;
    /// What it may say: among other things, the names of exports and imports.
    pub const ANSWER_BYTES: u64 = 16 << 20;
    /// Cranelift's time grows faster than a function's size.
    pub const FUNCTION_BODY_BYTES: u64 = 1 << 20;
    /// Values that a function holds times its branches: as often it may be written down where a value is.
    pub const FUNCTION_SPREAD: u64 = 4_000_000;
    /// The same, summed over all functions.
    pub const SPREAD: u64 = 200_000_000;
    /// Values that a function holds times its instructions, and the same of all functions; up to 26 ns each.
    pub const FUNCTION_PRESSURE: u64 = 100_000_000;
    pub const PRESSURE: u64 = 2_000_000_000;
    /// Blocks of a function times its instructions, and the same of all functions; up to 5 ns each.
    pub const FUNCTION_TANGLE: u64 = 3_000_000_000;
    pub const TANGLE: u64 = 20_000_000_000;
    /// Blocks of a function within one another.
    pub const FUNCTION_NESTING: u64 = 5_000;
    /// Empty ones take up to a millisecond, each with its trampolines.
    pub const FUNCTIONS: u64 = 50_000;
    /// Instructions, weighed by what they become; up to 2 µs each.
    pub const WORK: u64 = 40_000_000;
    /// Types in modules; up to 0.4 ms each.
    pub const TYPES: u64 = 20_000;
    /// Element segments, elements and globals that a module computes as it starts.
    pub const SETTINGS: u64 = 20_000;
    /// Functions that are asked for by name when not all imports are there.
    pub const NAMES_ASKED: usize = 1_000;
    /// Instances of components and modules in one component.
    pub const INSTANCES: u64 = 1_000;
    /// Of one core instance, what the engine keeps for it beside memories and tables: globals, functions that are exported or
    /// in tables, imports, segments.
    pub const INSTANCE_BYTES: u64 = 1 << 20;
    /// The same, of all instances that a component is made of.
    pub const INSTANCE_BYTES_ALL: u64 = 1 << 20;
    pub const INSTANCE_BYTES_ALL_WORKER: u64 = 4 << 20;
}

/// What bounds the configuration itself.
pub mod config {
    /// Of the main file, and of all that it includes together.
    pub const FILE_BYTES: u64 = 16 << 20;
    pub const INCLUDED_FILES: usize = 1_000;
    /// Of folders, looked at for one pattern of `include`.
    pub const INCLUDE_ENTRIES: usize = 10_000;
    /// Of a file that `${file:PATH}` names.
    pub const VALUE_FILE_BYTES: u64 = 64 << 10;
    /// Values from the environment and from files in one configuration, and the bytes of all of them.
    pub const INSERTED_VALUES: usize = 10_000;
    pub const INSERTED_BYTES: usize = 16 << 20;
    pub const COMPONENT_BYTES: u64 = 256 << 20;
    pub const BEHAVIORS_PER_SITE: usize = 75;
    pub const PATH_PATTERN_BYTES: usize = 255;
    /// CloudFront's quotas of trusted signers.
    pub const KEY_GROUPS_PER_BEHAVIOR: usize = 4;
    pub const KEYS_PER_GROUP: usize = 5;
    /// A PEM file of an RSA key of 8192 bits has 1.5 KB.
    pub const PUBLIC_KEY_FILE_BYTES: u64 = 16 << 10;
    /// Key, value and total size of a key-value store (CloudFront KeyValueStore quotas).
    pub const KV_KEY_BYTES: usize = 512;
    pub const KV_VALUE_BYTES: usize = 1_024;
    pub const KV_STORE_BYTES: usize = 5 << 20;
    /// Of a chain of certificates, of which only the first one's dates are read.
    pub const CHAIN_BYTES: u64 = 1 << 20;
    /// A certificate with less time left is warned of.
    pub const CERTIFICATE_DAYS_LEFT: i64 = 30;
    /// The secret of the admin port, with its file's white space.
    pub const ADMIN_TOKEN_BYTES: u64 = 1 << 10;
    pub const ADMIN_TOKEN_BYTES_MIN: usize = 16;
    /// Of a MaxMind database, which is whole in memory.
    pub const GEO_BYTES: u64 = 1 << 30;
}

/// What `edgeward check` asks of the network.
pub mod check {
    /// Names of origins that are resolved at once; others are not.
    pub const NAMES: usize = 64;
    pub const RESOLVE_MS: u64 = 3_000;
}
