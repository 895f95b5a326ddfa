//! AWS's codes and texts for what Secrets Manager refuses. All have status 400.

use crate::aws::error::ApiError;

pub fn not_found() -> ApiError {
    missing("Secrets Manager can't find the specified secret.".to_owned())
}

/// `by` is `staging label` or `VersionId`.
pub fn no_value(by: &str, which: &str) -> ApiError {
    missing(format!("Secrets Manager can't find the specified secret value for {by}: {which}"))
}

fn missing(message: String) -> ApiError {
    ApiError::bad_request("ResourceNotFoundException", message)
}

pub fn invalid_request(message: &'static str) -> ApiError {
    ApiError::bad_request("InvalidRequestException", message)
}

pub fn marked() -> ApiError {
    invalid_request("You can't perform this operation on the secret because it was marked for deletion.")
}

pub fn invalid_parameter(message: String) -> ApiError {
    ApiError::bad_request("InvalidParameterException", message)
}

pub fn exists(message: String) -> ApiError {
    ApiError::bad_request("ResourceExistsException", message)
}

pub fn token_in_use(token: &str, arn: &str) -> ApiError {
    exists(format!(
        "You can't use ClientRequestToken {token} because that value is already in use for a version of secret {arn}."
    ))
}

pub fn limit(message: String) -> ApiError {
    ApiError::bad_request("LimitExceededException", message)
}

pub fn next_token() -> ApiError {
    ApiError::bad_request("InvalidNextTokenException", "The NextToken value is invalid.")
}
