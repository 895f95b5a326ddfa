//! What bounds the cache.

/// The sizes that the configuration may give its tiers.
pub mod tiers {
    pub const MEMORY_BYTES: u64 = 256 << 20;
    pub const MEMORY_BYTES_MAX: u64 = 1 << 42;
    /// Of one object; a larger one is not kept in memory.
    pub const MEMORY_OBJECT_BYTES: u64 = 8 << 20;
    pub const MEMORY_OBJECT_BYTES_MAX: u64 = 1 << 32;
    pub const DISK_BYTES_MIN: u64 = 64 << 20;
    pub const DISK_BYTES_MAX: u64 = 1 << 50;
    /// Of one object: CloudFront's quota of a response, which is the default, too.
    pub const DISK_OBJECT_BYTES: u64 = 50 << 30;
}

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
/// One trip to the blocking pool writes so many bytes.
pub const SPOOL_BYTES: u64 = 256 << 10;
/// A lifetime that is estimated is a tenth of the age of the content, at most this (RFC 9111 section 4.2.2).
pub const HEURISTIC_MS: u64 = 24 * 3_600 * 1_000;
/// How long one attempt to sweep waits for fills that are older than the purge.
pub const SWEEP_PATIENCE_MS: u64 = 100;

/// What stored objects count for beside their text, as measured (`an_object_costs_no_more_than_is_stated`).
pub mod weight {
    /// An object: slot and key in the shard, its ghost, `Arc`s, the `Meta` itself.
    pub const OBJECT_BYTES: u64 = 768;
    /// An entry of a `HeaderMap`, with its index; and a further line of the same name.
    pub const FIELD_BYTES: u64 = 112;
    pub const FIELD_LINE_BYTES: u64 = 80;
    /// A `HeaderName` that is not a standard one: it has text of its own, and reference counts.
    pub const FIELD_NAME_BYTES: usize = 64;
    /// A file takes whole blocks of the file system.
    pub const FILE_BLOCK_BYTES: u64 = 4_096;
}
