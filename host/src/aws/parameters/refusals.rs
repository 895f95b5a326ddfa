//! AWS's codes and texts for what Parameter Store refuses. All have status 400.

use crate::aws::error::ApiError;

pub fn not_found(name: &str) -> ApiError {
    ApiError::bad_request("ParameterNotFound", format!("Parameter {name} not found."))
}

pub fn no_version(version: &str, name: &str) -> ApiError {
    let message = format!("Systems Manager could not find version {version} of {name}. Verify the version and try again.");
    ApiError::bad_request("ParameterVersionNotFound", message)
}

pub fn already_exists() -> ApiError {
    let message = "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.";
    ApiError::bad_request("ParameterAlreadyExists", message)
}

pub fn next_token() -> ApiError {
    ApiError::bad_request("InvalidNextToken", "The specified token is not valid.")
}

/// What only the service can judge. Its text is AWS's own, or says what would be right.
pub fn invalid(message: String) -> ApiError {
    ApiError::validation(message)
}
