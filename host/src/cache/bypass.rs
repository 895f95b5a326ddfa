//! Why a request goes to the origin on its own, without the cache.

/// Why a request goes to the origin on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BypassReason {
    /// The response to this key could not be stored a short while ago, and another request is finding out if it can be now.
    Uncacheable,
    /// Too many keys are being filled, or too many requests wait for this one.
    Crowded,
    /// It waited for as long as it may.
    Patience,
    /// The response is being streamed, and its beginning is gone.
    Missed,
}

impl BypassReason {
    /// The word for metrics and `Cache-Status`.
    pub fn name(self) -> &'static str {
        match self {
            BypassReason::Uncacheable => "uncacheable",
            BypassReason::Crowded => "crowded",
            BypassReason::Patience => "patience",
            BypassReason::Missed => "missed",
        }
    }
}
