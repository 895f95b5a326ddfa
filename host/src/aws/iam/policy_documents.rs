//! Texts of policies as they come: checked before they are kept.

use crate::aws::error::ApiError;
use crate::aws::iam::{entity, input};
use crate::aws::policy::{PolicyDocument, PolicyError, PolicyKind, PolicySize};
use crate::aws::query::QueryForm;
use crate::limits::policy::TEXT_BYTES_MAX;

/// A parameter that is a policy. The size of inline policies is not judged here: it is that of all of them.
///
/// # Errors
/// `MalformedPolicyDocument`, `LimitExceeded`, or a text that the model excludes.
pub fn read<'a>(form: &'a QueryForm, parameter: &str, kind: PolicyKind, size: Option<PolicySize>) -> Result<&'a str, ApiError> {
    let text = input::required(form, parameter)?;
    if text.is_empty() || text.len() > TEXT_BYTES_MAX {
        // The text itself would be most of the answer.
        let must = if text.is_empty() {
            "greater than or equal to 1".to_owned()
        } else {
            format!("less than or equal to {TEXT_BYTES_MAX}")
        };
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value at '{parameter}' failed to satisfy constraint: Member must have length {must}"
        )));
    }
    if let Some(size) = size {
        size.check(text).map_err(|error| told(&error))?;
    }
    if !text.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}')) {
        return Err(ApiError::validation(
            "The specified value for policyDocument is invalid. It must contain only printable ASCII characters.",
        ));
    }
    PolicyDocument::parse(text, kind).map_err(|error| told(&error))?;
    Ok(text)
}

/// A policy's error as IAM tells it.
pub fn told(error: &PolicyError) -> ApiError {
    match error.code() {
        "LimitExceeded" => entity::limit_text(error.aws_message()),
        code => ApiError::bad_request(code, error.aws_message()),
    }
}
