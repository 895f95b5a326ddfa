//! I say how long a stored response may be used.

/// What decides, later, whether a stored response may be used: computed once when it is stored (or renewed).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    pub received_ms: u64,
    pub age_ms: u64,
    pub lifetime_ms: u64,
    pub stale_while_revalidate_ms: u64,
    pub stale_if_error_ms: u64,
    pub must_revalidate: bool,
}

/// What may be done with a stored response now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Fresh,
    /// Use it and renew it behind the answer.
    StaleWhileRevalidate,
    /// Ask the origin first; `if_error`: it may still be used when the origin fails.
    Revalidate {
        if_error: bool,
    },
}
