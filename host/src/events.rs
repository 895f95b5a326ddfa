//! I keep an accepted event until it has succeeded, been retried out, or expired; and I tell which events are meant, and when a
//! schedule's next one is due.
//!
//! | file or folder | what it is |
//! |---|---|
//! | `pattern` | which events a rule or a filter means |
//! | `schedule` | when the next event of a schedule is due |
//!
//! I know neither wire formats nor who calls: a pattern and a schedule are texts, an event is JSON.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
pub mod pattern;
pub mod schedule;
