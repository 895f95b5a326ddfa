//! I keep an accepted event until it has succeeded, been retried out, or expired.
//!
//!     accept ──► on disk ──► due ──► claimed ──► done: removed
//!                  ▲                    ├──────► again: due later
//!                  └────────────────────┴──────► dropped, or the process died: due as before
//!
//! | file | what it is |
//! |---|---|
//! | `queue` | the lines of events that wait, and the claims of those that are worked on |
//! | `event` | an event as it is kept |
//! | `retry` | what comes after an attempt |
//! | `clock` | what time it is for events |
//!
//! I know neither functions nor who calls: whoever claims an event does with it what it is for.

pub mod clock;
pub mod event;
pub mod queue;
pub mod retry;
