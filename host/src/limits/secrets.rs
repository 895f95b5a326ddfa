//! What Secrets Manager bounds of an account, of a secret and of a request.
//!
//! Sources: <https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html> and botocore's model of
//! 2017-10-17.

use std::ops::RangeInclusive;

/// A day, in which AWS counts recovery windows and accesses.
pub const DAY_MS: u64 = 24 * 3_600 * 1_000;

/// Of an account. AWS has 500,000; here each is in memory, without its values.
pub const SECRETS: usize = 100_000;
/// Of an id: a name or an ARN.
pub const ID_CHARS: usize = 2_048;
pub const NAME_CHARS: usize = 512;
pub const DESCRIPTION_CHARS: usize = 2_048;
pub const KMS_KEY_CHARS: usize = 2_048;
/// Letters at the end of an ARN.
pub const SUFFIX_LETTERS: usize = 6;
/// Of a value.
pub const VALUE_BYTES: usize = 65_536;
/// Days until a secret is removed. Without being asked, the most.
pub const WINDOW_DAYS: RangeInclusive<i64> = 7..=30;

/// Of a version's id, which is the token of the request that made it.
pub const VERSION_ID_CHARS: RangeInclusive<usize> = 32..=64;
/// Versions without a stage that are kept; the oldest go.
pub const UNSTAGED_VERSIONS: usize = 100;
/// Attached to all versions of a secret.
pub const STAGES: usize = 20;
/// Of a new version.
pub const VERSION_STAGES: usize = 20;
pub const STAGE_CHARS: usize = 256;

/// Secrets of one page.
pub const PAGE: usize = 100;
/// Secrets of one `BatchGetSecretValue`.
pub const BATCH: usize = 20;
/// Versions of one page.
pub const PAGE_VERSIONS: usize = 100;
/// Of one request.
pub const FILTERS: usize = 10;
/// Of one filter.
pub const FILTER_VALUES: usize = 10;
pub const FILTER_VALUE_CHARS: usize = 512;

/// What a random password has without being asked, and at most.
pub const PASSWORD_CHARS: i64 = 32;
pub const PASSWORD_CHARS_MAX: i64 = 4_096;
/// Characters that a random password must not have.
pub const EXCLUDED_CHARS: usize = 4_096;
