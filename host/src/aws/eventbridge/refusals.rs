//! AWS's codes and texts for what EventBridge refuses. All have status 400.

use crate::aws::error::ApiError;

pub fn no_bus(name: &str) -> ApiError {
    ApiError::bad_request("ResourceNotFoundException", format!("Event bus {name} does not exist."))
}

pub fn no_rule(bus: &str, name: &str) -> ApiError {
    ApiError::bad_request("ResourceNotFoundException", format!("Rule {name} does not exist on EventBus {bus}."))
}

pub fn limit() -> ApiError {
    ApiError::bad_request("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
}

/// A member that only the service can judge.
pub fn invalid(member: &str, reason: &str) -> ApiError {
    ApiError::validation(format!("Parameter {member} is not valid. Reason: {reason}"))
}
