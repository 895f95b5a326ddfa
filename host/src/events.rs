//! I keep an accepted event until it has succeeded, been retried out, or expired, and I tell which events are meant.
//!
//! | file or folder | what it is |
//! |---|---|
//! | `pattern` | which events a rule or a filter means |
//!
//! I know neither wire formats nor who calls: a pattern is a text, an event is JSON.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
pub mod pattern;
