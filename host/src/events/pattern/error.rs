//! Why a text is no pattern.

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(String);

impl PatternError {
    pub(super) fn new(reason: impl Into<String>) -> PatternError {
        PatternError(reason.into())
    }

    /// As EventBridge tells it.
    pub fn of_a_rule(&self) -> String {
        format!("Event pattern is not valid. Reason: {}", self.0)
    }

    /// As Lambda tells it of a filter.
    pub fn of_a_filter(&self) -> &'static str {
        "Invalid filter pattern definition."
    }
}
