//! I name why a call failed, whose fault it was, and whether it may be retried.
//!
//! I deliberately know no HTTP status: `edge::response::rejection` chooses those. `Display` is the internal text, for
//! the log; a client sees only `category` and the request id.

use crate::limits::Limit;

/// The category of errors that a function gives of its own accord.
pub const GUEST_ERROR: &str = "guest-error";

/// Why a call did not give a usable answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The guest trapped on its own: a panic, an unreachable, an out-of-bounds access.
    #[error("trap: {0}")]
    Trap(String),
    /// The guest hit a limit. `value` is the limit's value in the limit's unit.
    #[error("limit `{}` of {value} {} was hit", .limit.name(), .limit.unit())]
    Limit { limit: Limit, value: u64 },
    /// The guest answered, but with something that breaks the contract of its moment.
    #[error("bad reply: {0}")]
    BadReply(String),
    /// The call was refused before it ran.
    #[error("throttled by {}", .0.name())]
    Throttled(Scope),
    /// The revision cannot run here: not the world that was asked for, or it failed to instantiate.
    #[error("not runnable: {0}")]
    NotRunnable(String),
    /// The guest reported an error of its own: a function's `error`, a hook's report, an HTTP component's error code.
    #[error("guest error: {0}")]
    Guest(String),
    /// Our own fault.
    #[error("host: {0}")]
    Host(String),
}

/// What refused a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All instances the revision may have are in use, and the wait for one was too long.
    Instances,
    /// Too many calls already wait.
    Queue,
    /// The function has lately used its CPU limit up again and again.
    Utilization,
    /// As many functions of the account run as may, or as many calls of the function as it has reserved.
    Concurrency,
}

impl Scope {
    pub fn name(self) -> &'static str {
        match self {
            Scope::Instances => "instances",
            Scope::Queue => "queue",
            Scope::Utilization => "utilization",
            Scope::Concurrency => "concurrency",
        }
    }
}

impl Failure {
    /// The word clients, logs and metrics use.
    pub fn category(&self) -> &'static str {
        match self {
            Failure::Trap(_) => "trap",
            Failure::Limit { .. } => "limit",
            Failure::BadReply(_) => "bad-reply",
            Failure::Throttled(_) => "throttled",
            Failure::NotRunnable(_) => "not-runnable",
            Failure::Guest(_) => GUEST_ERROR,
            Failure::Host(_) => "host",
        }
    }

    /// The category, with the limit or scope where there is one: the label of metrics.
    pub fn label(&self) -> String {
        match self {
            Failure::Limit { limit, .. } => format!("limit:{}", limit.name()),
            Failure::Throttled(scope) => format!("throttled:{}", scope.name()),
            other => other.category().to_owned(),
        }
    }
}
