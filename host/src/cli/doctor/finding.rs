//! One thing that was found, wherever.

use serde::Serialize;

use crate::advice::{Advice, Severity, Trap};
use crate::diagnostic::SourceLocation;

/// See the module.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) trap: Trap,
    pub(super) severity: Severity,
    /// The function that it is of.
    pub(super) function: Option<String>,
    pub(super) message: String,
    pub(super) remedy: Option<String>,
    pub(super) place: Option<SourceLocation>,
}

impl Finding {
    pub(super) fn of(function: Option<&str>, advice: Advice) -> Finding {
        let Advice { trap, severity, message, remedy } = advice;
        Finding { trap, severity, function: function.map(str::to_owned), message, remedy: Some(remedy), place: None }
    }

    /// A warning of a file.
    pub(super) fn warning(trap: Trap, message: String, place: Option<SourceLocation>) -> Finding {
        Finding { trap, severity: Severity::Warning, function: None, message, remedy: None, place }
    }
}
