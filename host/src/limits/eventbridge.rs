//! What EventBridge bounds of an account, of a bus, of a rule and of a request.
//!
//! Sources: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html> and botocore's model of 2015-10-07.

use std::ops::RangeInclusive;

/// Of an account, with the default one.
pub const BUSES: usize = 100;
pub const BUS_NAME_CHARS: usize = 256;
/// Of a name or an ARN.
pub const ARN_CHARS: usize = 1_600;
pub const DESCRIPTION_CHARS: usize = 512;
/// Of a bus.
pub const RULES: usize = 300;
pub const RULE_NAME_CHARS: usize = 64;
/// Of a rule.
pub const TARGETS: usize = 5;
/// Of one request.
pub const REQUEST_TARGETS: usize = 100;
pub const TARGET_ID_CHARS: usize = 64;
/// Of a target's `Input` and of the template of its transformer.
pub const INPUT_CHARS: usize = 8_192;
pub const INPUT_PATH_CHARS: usize = 256;
/// Paths of a transformer.
pub const INPUT_PATHS: usize = 100;
/// What a target's `RetryPolicy` may say.
pub const RETRIES: RangeInclusive<i64> = 0..=185;
pub const AGE_S: RangeInclusive<i64> = 60..=86_400;
/// What a transformer makes of an event: each variable may be all of it, as often as it is named.
pub const TRANSFORMED_BYTES: usize = 1 << 20;

/// Entries of one `PutEvents`.
pub const ENTRIES: usize = 10;
/// Of all entries of one `PutEvents`.
pub const ENTRIES_BYTES: usize = 256 << 10;
/// What AWS counts for the time of an entry, if it has one.
pub const TIME_BYTES: usize = 14;

/// Items of one page.
pub const PAGE: usize = 100;
/// How late a tick of a schedule may be. What is later was missed, since the host was down or its machine was asleep.
pub const LATE_MS: u64 = 60_000;
/// A tick that cannot be recorded is tried again after so long.
pub const TICK_AGAIN_MS: u64 = 1_000;
