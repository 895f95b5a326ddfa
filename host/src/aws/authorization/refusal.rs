//! What a caller is told who may not: AWS's texts.

use crate::aws::error::ApiError;
use crate::aws::policy::{Decision, PolicyDocument, PolicySide, Request, decide};
use crate::aws::sessions::SessionError;

/// # Errors
/// What the decision says.
pub fn require(decision: &Decision, request: &Request<'_>) -> Result<(), ApiError> {
    decision.refusal(request).map_or(Ok(()), |why| Err(denied(why)))
}

/// # Errors
/// What a session's policy does not allow. That a role's trust is missing is not its matter.
pub fn require_session(policy: &PolicyDocument, request: &Request<'_>) -> Result<(), ApiError> {
    let decision = decide(request, &[policy], None, true);
    if decision == (Decision::ImplicitlyDenied { missing: PolicySide::Trust }) {
        return Ok(());
    }
    decision.refusal(request).map_or(Ok(()), |why| {
        // The text ends with whose policy it is; what stands before has names that others chose.
        let why = match why.strip_suffix("with an explicit deny in an identity-based policy") {
            Some(start) => format!("{start}with an explicit deny in a session policy"),
            None => {
                let end = format!("because no identity-based policy allows the {} action", request.action);
                let start = why.strip_suffix(&end).unwrap_or_default();
                format!("{start}because no session policy allows the {} action", request.action)
            }
        };
        Err(denied(why))
    })
}

pub fn denied(why: String) -> ApiError {
    ApiError::forbidden("AccessDeniedException", why)
}

/// Nobody's key, a key that is turned off, or one whose user or role is gone.
pub fn unknown() -> ApiError {
    refused(SessionError::Invalid)
}

pub fn refused(error: SessionError) -> ApiError {
    ApiError::forbidden(error.code(), error.to_string())
}
