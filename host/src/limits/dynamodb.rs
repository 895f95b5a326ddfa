//! What DynamoDB bounds of an account, of a table, of an item and of a request.
//!
//! Sources: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html> and botocore's model of
//! 2012-08-10.

use std::ops::RangeInclusive;

/// Of a request. AWS has 16 MB for all items of a batch.
pub const BODY_BYTES: usize = 16 << 20;
/// Of an account, as AWS has it. Each is in memory, without its items.
pub const TABLES: usize = 2_500;
pub const TABLE_NAME_CHARS: RangeInclusive<usize> = 3..=255;
/// Of a name or an ARN in a request.
pub const TABLE_ID_CHARS: usize = 1_024;
/// Of a key attribute's name.
pub const KEY_NAME_CHARS: usize = 255;
/// Of any other attribute's name.
pub const NAME_BYTES: usize = 65_535;
/// Of the attribute that says when an item expires.
pub const EXPIRY_NAME_CHARS: usize = 255;

/// Names and values of an item together.
pub const ITEM_BYTES: usize = 400 << 10;
/// Lists and maps within each other.
pub const DEPTH: usize = 32;
pub const HASH_KEY_BYTES: usize = 2_048;
pub const RANGE_KEY_BYTES: usize = 1_024;
/// What AWS counts for a list or map besides its elements, and for each element.
pub const NEST_BYTES: usize = 3;
pub const ELEMENT_BYTES: usize = 1;

/// Of a number.
pub const DIGITS: u32 = 38;
/// Of ten, before a number's first digit that is not zero.
pub const MAGNITUDE: RangeInclusive<i64> = -130..=125;

pub const EXPRESSION_BYTES: usize = 4_096;
/// Operators and functions of one expression.
pub const OPERATORS: usize = 300;
/// Parentheses, negations and functions within each other: they are read by recursion.
pub const EXPRESSION_DEPTH: usize = 64;
/// Of one `IN`.
pub const IN_OPERANDS: usize = 100;
/// Of a placeholder's name, with its mark.
pub const PLACEHOLDER_CHARS: usize = 255;
/// Of all values that stand for placeholders in one request.
pub const PLACEHOLDERS_BYTES: usize = 2 << 20;

/// Of the items that one `Query` or `Scan` looks at.
pub const PAGE_BYTES: usize = 1 << 20;
pub const SEGMENTS: i64 = 1_000_000;
/// Tables of one page.
pub const PAGE_TABLES: i64 = 100;
/// Tags of one page.
pub const PAGE_TAGS: usize = 10;

/// Items of one batch.
pub const BATCH_GET: usize = 100;
pub const BATCH_WRITE: usize = 25;
/// Of all items that one `BatchGetItem` returns; the rest is unprocessed.
pub const BATCH_GET_BYTES: usize = 16 << 20;
/// Items of one transaction.
pub const TRANSACTION: usize = 100;
pub const TRANSACTION_BYTES: usize = 4 << 20;
pub const TOKEN_CHARS: RangeInclusive<usize> = 1..=36;
/// How long a transaction of the same token is the same one.
pub const TOKEN_MS: u64 = 600_000;

/// What one unit of capacity reads, and what one writes.
pub const READ_UNIT_BYTES: usize = 4_096;
pub const WRITE_UNIT_BYTES: usize = 1_024;

/// How often expired items are looked for. They are shown to nobody before.
pub const SWEEP_S: u64 = 300;
/// Items that are removed at once: others write between.
pub const SWEEP_ITEMS: usize = 500;
/// An item that expired longer ago stays, as on AWS: five years.
pub const EXPIRED_S_MAX: u64 = 5 * 365 * 86_400;
