//! Bounds of event patterns and schedules.
//!
//! Sources: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html>,
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html> and botocore's models.

use std::ops::RangeInclusive;

/// Of an event pattern and of a filter.
pub const PATTERN_CHARS: usize = 4_096;
/// Objects within objects, and lists of `$or`, of a pattern.
pub const PATTERN_DEPTH: usize = 32;
/// What the lists of `$or` of a pattern multiply to.
pub const PATTERN_BRANCHES: usize = 1_000;
/// Of one `wildcard`: AWS counts how many beginnings of the text can be open at once, which is this many at least.
pub const WILDCARD_STARS: usize = 10;
/// Numbers that `numeric` compares: this, and its negative.
pub const NUMBER_MAX: f64 = 5e9;
/// Leaves that may be looked at to match an event, in all branches of the pattern. Only an event that spells one path in several
/// ways needs more than it has leaves; one that needs more does not match.
pub const MATCH_STEPS: usize = 4_000_000;
/// Objects and lists within each other of an event that is looked at.
pub const EVENT_DEPTH: usize = 128;

/// Of a schedule's expression.
pub const SCHEDULE_CHARS: usize = 256;
/// Years of a cron expression.
pub const CRON_YEARS: RangeInclusive<u16> = 1970..=2199;
/// Units of a `rate`: the most milliseconds of the longest unit that a number has room for are far beyond.
pub const RATE_UNITS: RangeInclusive<u64> = 1..=99_999_999;
/// Times that a schedule steps over at once since a time zone's clock leaves them out, or has had them. The longest leap of a
/// clock is a day: 1,440 minutes.
pub const SKIPPED_TIMES: usize = 2_000;
