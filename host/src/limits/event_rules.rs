//! Bounds of event patterns.
//!
//! Sources: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html>,
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html> and botocore's models.

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
/// Choices of leaves that a branch of a pattern may need. Only an event that spells one path in several ways needs more than it
/// has leaves; one that needs more does not match.
pub const MATCH_STEPS: usize = 4_000_000;
/// Objects and lists within each other of an event that is looked at.
pub const EVENT_DEPTH: usize = 128;
