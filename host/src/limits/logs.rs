//! Bounds of the logs of functions: what is kept, what one request may have.
//!
//! Source of AWS's own: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html> and botocore's
//! model of 2014-03-28.

/// A day, in which AWS counts retention.
pub const DAY_MS: u64 = 24 * 3_600 * 1_000;

/// Log groups of the account.
pub const GROUPS: usize = 100_000;
/// Streams of a group, those that requests create. What functions write is bounded by the bytes of the group.
pub const STREAMS: usize = 10_000;
/// Streams without events that outlive the segment which declared them.
pub const IDLE_STREAMS: usize = 1_000;
/// One file of a group. It is the unit in which old events are removed.
pub const SEGMENT_BYTES: u64 = 1 << 20;
/// What a group keeps.
pub const GROUP_BYTES: u64 = 16 << 20;
/// What all groups keep together.
pub const TOTAL_BYTES: u64 = 1 << 30;
/// What is left when all groups had more, so that the next event does not remove again.
pub const TOTAL_LOW_BYTES: u64 = TOTAL_BYTES / 20 * 19;
/// Text that waits for the writer.
pub const WAITING_BYTES: usize = 8 << 20;
/// What a text that waits costs besides its bytes.
pub const WAITING_OVERHEAD_BYTES: usize = 128;
/// How long text may wait while more comes, in milliseconds: what a process that is killed loses.
pub const WRITER_NAP_MS: u64 = 10;
/// Time between two looks for events whose retention is over, in seconds.
pub const RETENTION_CHECK_S: u64 = 60;

/// One event. A longer line of a function is cut into several.
pub const EVENT_BYTES: usize = 256 << 10;
/// What AWS adds to each event of a batch.
pub const EVENT_OVERHEAD_BYTES: usize = 26;
/// A batch of `PutLogEvents`.
pub const BATCH_BYTES: usize = 1 << 20;
/// Events of a batch.
pub const BATCH_EVENTS: usize = 10_000;
/// Time between the first and the last event of a batch.
pub const BATCH_SPAN_MS: u64 = DAY_MS;
/// An event that is older is not taken.
pub const OLDEST_MS: u64 = 14 * DAY_MS;
/// An event that is further in the future is not taken.
pub const NEWEST_MS: u64 = 2 * 3_600 * 1_000;
/// The latest time that an event or a question may have: the end of the year 9999.
pub const TIME_MS: u64 = 253_402_300_799_999;

/// Events of an answer.
pub const PAGE_EVENTS: usize = 10_000;
/// Text of the events of an answer.
pub const PAGE_BYTES: usize = 1 << 20;
/// Groups or streams of an answer.
pub const DESCRIBED: usize = 50;
/// Characters of the name of a group or a stream.
pub const NAME_CHARS: usize = 512;
/// What so many characters take at most.
pub const NAME_BYTES: usize = 4 * NAME_CHARS;
/// Characters of the ARN or the name of a group.
pub const IDENTIFIER_CHARS: usize = 2_048;
/// Streams that a search may name.
pub const NAMED_STREAMS: usize = 100;
/// Characters of a filter pattern.
pub const PATTERN_CHARS: usize = 1_024;
/// Parentheses within parentheses of a filter pattern.
pub const PATTERN_DEPTH: usize = 32;
/// Tags of a group.
pub const TAGS: usize = 50;
/// Days of retention that AWS knows.
pub const RETENTION_DAYS: [u32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];
