//! What `RevisionId` is for: a change is refused that was made of another state.

use crate::aws::error::ApiError;

/// `operation` is the one that tells the current id.
pub fn require_revision(wanted: Option<&str>, current: &str, operation: &str) -> Result<(), ApiError> {
    match wanted {
        Some(wanted) if wanted != current => Err(ApiError::precondition(format!(
            "The Revision Id provided does not match the latest Revision Id. Call the {operation} API to retrieve the latest Revision Id"
        ))),
        _ => Ok(()),
    }
}
