//! AWS's codes and texts for what DynamoDB refuses. All have status 400.

use crate::aws::dynamodb::attribute::AttributeMap;
use crate::aws::error::ApiError;

/// An error that is a value of the request, or of what it does.
pub fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::validation(message.into())
}

/// One that begins as most of AWS's do.
pub fn parameters(message: &str) -> ApiError {
    invalid(format!("One or more parameter values were invalid: {message}"))
}

/// An item's table.
pub fn no_resource() -> ApiError {
    missing("Requested resource not found".to_owned())
}

/// A table that is asked for itself.
pub fn no_table(name: &str) -> ApiError {
    missing(format!("Requested resource not found: Table: {name} not found"))
}

pub fn no_arn(arn: &str) -> ApiError {
    missing(format!("Requested resource not found: ResourcArn: {arn} not found"))
}

fn missing(message: String) -> ApiError {
    ApiError::bad_request("ResourceNotFoundException", message)
}

pub fn in_use(message: String) -> ApiError {
    ApiError::bad_request("ResourceInUseException", message)
}

pub fn limit(message: String) -> ApiError {
    ApiError::bad_request("LimitExceededException", message)
}

pub fn wrong_type(message: impl Into<String>) -> ApiError {
    ApiError::bad_request("SerializationException", message.into())
}

/// With the item as it is, if it was asked for.
pub fn condition_failed(item: Option<&AttributeMap>) -> ApiError {
    let error = ApiError::bad_request("ConditionalCheckFailedException", "The conditional request failed");
    match item.map(serde_json::to_value) {
        Some(Ok(item)) => error.with("Item", item),
        _ => error,
    }
}

pub fn key_mismatch() -> ApiError {
    invalid("The provided key element does not match the schema")
}

pub fn starting_key() -> ApiError {
    invalid("The provided starting key is invalid")
}
