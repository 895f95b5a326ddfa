//! An error that a function itself returned.

use wasmtime::component::{ComponentType, Lift};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift)]
#[component(record)]
pub struct HandlerError {
    #[component(name = "error-type")]
    pub error_type: String,
    #[component(name = "error-message")]
    pub message: String,
    #[component(name = "stack-trace")]
    pub stack_trace: Vec<String>,
}

impl HandlerError {
    /// As text, with its stack.
    pub fn told(&self) -> String {
        let HandlerError { error_type, message, stack_trace } = self;
        let mut told = format!("{error_type}: {message}");
        for line in stack_trace {
            told.push('\n');
            told.push_str(line.trim_end_matches('\n'));
        }
        told
    }

    /// Whether Lambda's process would have ended with it.
    pub(super) fn is_exit(&self) -> bool {
        ["Runtime.ExitError", "Runtime.NodeJsExit", "Runtime.UnhandledPromiseRejection"].contains(&self.error_type.as_str())
    }
}

/// What a function answers with, if nothing kept it from doing so.
pub type HandlerResult = Result<Vec<u8>, HandlerError>;
