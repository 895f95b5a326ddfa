//! An operation that was refused: its status, AWS's code for it and AWS's text. Statuses are chosen here, and nowhere else in
//! the room.
//!
//! Source of codes and statuses: botocore's models; of texts: answers recorded from AWS.

use std::borrow::Cow;

use http::StatusCode;
use serde_json::{Map, Value};

use crate::store::StoreError;

/// At a function URL, of a function that failed.
pub const FUNCTION_FAILED: StatusCode = StatusCode::BAD_GATEWAY;

/// See the module.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{code}: {}", message.as_deref().unwrap_or_default())]
pub struct ApiError {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: Option<Cow<'static, str>>,
    /// Further members of the answer.
    pub members: Map<String, Value>,
    pub retry_after_s: Option<u32>,
    spelling: Spelling,
}

/// How an answer in JSON spells its members: services and exceptions differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// `message`, and whose fault it was.
    Typed,
    /// `Message`, and whose fault it was.
    TypedCapital,
    /// `message` alone.
    Bare,
}

type ErrorText = Cow<'static, str>;

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<ErrorText>, spelling: Spelling) -> ApiError {
        let message = Some(message.into());
        ApiError { status, code, message, members: Map::new(), retry_after_s: None, spelling }
    }

    pub fn invalid_parameter(message: impl Into<ErrorText>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, "InvalidParameterValueException", message, Spelling::Typed)
    }

    /// What a model's constraint refuses; see `constraints`.
    pub fn validation(message: impl Into<ErrorText>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, "ValidationException", message, Spelling::Bare)
    }

    pub fn bad_request(code: &'static str, message: impl Into<ErrorText>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, code, message, Spelling::Typed)
    }

    pub fn not_found(message: impl Into<ErrorText>) -> ApiError {
        ApiError::new(StatusCode::NOT_FOUND, "ResourceNotFoundException", message, Spelling::TypedCapital)
    }

    pub fn conflict(message: impl Into<ErrorText>) -> ApiError {
        ApiError::new(StatusCode::CONFLICT, "ResourceConflictException", message, Spelling::Typed)
    }

    pub fn precondition(message: impl Into<ErrorText>) -> ApiError {
        ApiError::new(StatusCode::PRECONDITION_FAILED, "PreconditionFailedException", message, Spelling::Typed)
    }

    pub fn too_large(code: &'static str, message: impl Into<ErrorText>) -> ApiError {
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, code, message, Spelling::Typed)
    }

    /// Not who may do that, or not proven.
    pub fn forbidden(code: &'static str, message: impl Into<ErrorText>) -> ApiError {
        ApiError::new(StatusCode::FORBIDDEN, code, message, Spelling::Bare)
    }

    /// As AWS answers for the account of somebody else: without a reason.
    pub fn foreign_account() -> ApiError {
        ApiError { message: None, ..ApiError::forbidden("AccessDeniedException", "") }
    }

    /// A call that was not run since there was no room for it.
    pub fn throttled(reason: &'static str, retry_after_s: u32) -> ApiError {
        let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", "Rate Exceeded.", Spelling::Typed);
        ApiError { retry_after_s: Some(retry_after_s), ..error }.with("Reason", reason)
    }

    /// An event that is not accepted since there is no room to keep it.
    pub fn no_room(message: impl Into<ErrorText>, retry_after_s: u32) -> ApiError {
        let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", message, Spelling::Typed);
        ApiError { retry_after_s: Some(retry_after_s), ..error }
    }

    /// The function's code or environment cannot run.
    pub fn not_runnable(code: &'static str, message: impl Into<ErrorText>) -> ApiError {
        ApiError::new(StatusCode::BAD_GATEWAY, code, message, Spelling::TypedCapital)
    }

    /// Our own fault. The cause is for the log.
    pub fn internal(cause: &dyn std::fmt::Display) -> ApiError {
        tracing::error!("an operation of the API failed: {cause}");
        let message = "An internal error has occurred; the log of the server has the cause.";
        let mut error = ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "ServiceException", message, Spelling::TypedCapital);
        error.retry_after_s = None;
        error
    }

    /// AWS has it, and this host does not.
    pub fn not_there(what: &str) -> ApiError {
        let message = format!("{what} is not supported here; docs/lambda-api.md lists what is.");
        ApiError::new(StatusCode::NOT_FOUND, "UnknownOperationException", message, Spelling::Bare)
    }

    pub fn unknown_operation() -> ApiError {
        let message = "Unable to determine service/operation name to be authorized";
        ApiError::new(StatusCode::FORBIDDEN, "AccessDeniedException", message, Spelling::Bare)
    }

    /// The same with another code, status and spelling being kept.
    pub fn coded(self, code: &'static str) -> ApiError {
        ApiError { code, ..self }
    }

    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> ApiError {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    /// The same without `Type`: some answers have none.
    #[must_use]
    pub fn untyped(mut self) -> ApiError {
        self.spelling = Spelling::Bare;
        self
    }

    /// The members of an answer in JSON.
    pub fn to_json(&self) -> Value {
        let mut members = self.members.clone();
        if matches!(self.spelling, Spelling::Typed | Spelling::TypedCapital) {
            let whose = if self.status.is_server_error() { "Service" } else { "User" };
            members.insert("Type".to_owned(), whose.into());
        }
        let key = if self.spelling == Spelling::TypedCapital || self.message.is_none() { "Message" } else { "message" };
        members.insert(key.to_owned(), self.message.as_deref().into());
        Value::Object(members)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> ApiError {
        ApiError::internal(&error)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_are_spelled_as_aws_spells_them() {
        let throttled = ApiError::throttled("ReservedFunctionConcurrentInvocationLimitExceeded", 1);
        let recorded = json!({
            "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "Type": "User", "message": "Rate Exceeded."
        });
        assert_eq!((throttled.status.as_u16(), throttled.to_json()), (429, recorded));
        assert_eq!(ApiError::not_found("x").to_json(), json!({"Type": "User", "Message": "x"}));
        assert_eq!(ApiError::validation("x").to_json(), json!({"message": "x"}));
        assert_eq!(ApiError::foreign_account().to_json(), json!({"Message": null}));
        assert_eq!(ApiError::internal(&"a cause").to_json()["Type"], "Service");
    }
}
