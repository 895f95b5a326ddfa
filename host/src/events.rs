//! I keep an accepted event until it has succeeded, been retried out, or expired; and I tell which events are meant, and when a
//! schedule's next one is due.
//!
//!     accept ──► on disk ──► due ──► claimed ──► done: removed
//!                  ▲                    ├──────► again: due later
//!                  └────────────────────┴──────► dropped, or the process died: due as before
//!
//! | file or folder | what it is |
//! |---|---|
//! | `queue` | the lines of events that wait, and the claims of those that are worked on |
//! | `event` | an event as it is kept |
//! | `retry` | what comes after an attempt |
//! | `pattern` | which events a rule or a filter means |
//! | `schedule` | when the next event of a schedule is due |
//! | `clock` | what time it is for events |
//!
//! I know neither functions nor wire formats: whoever claims an event does with it what it is for; a pattern and a schedule are
//! texts.

pub mod clock;
pub mod event;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
pub mod pattern;
pub mod queue;
pub mod retry;
pub mod schedule;
