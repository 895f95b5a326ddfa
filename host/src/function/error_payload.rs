//! What a caller is told of an invocation that did not give a reply: the object that Lambda returns in its place.
//!
//! The texts are Lambda's, recorded from AWS; clients and retries look for them.

use serde::Serialize;

use crate::failure::Failure;
use crate::function::call::HandlerError;
use crate::limits::{Limit, Limits};

/// An error object. `requestId` is only there for the function's own errors, as in Lambda.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorPayload {
    pub error_message: String,
    pub error_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack_trace: Option<Vec<String>>,
    /// What Node.js has in place of the two above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<Vec<String>>,
}

impl ErrorPayload {
    /// Of an error that the function returned.
    pub fn of_handler(error: &HandlerError, request_id: &str) -> ErrorPayload {
        ErrorPayload {
            error_message: error.message.clone(),
            error_type: error.error_type.clone(),
            request_id: Some(request_id.to_owned()),
            stack_trace: Some(error.stack_trace.clone()),
            trace: None,
        }
    }

    /// Of an error that a function of Node.js returned: its own form.
    pub fn of_nodejs(error: &HandlerError) -> ErrorPayload {
        let trace = Some(error.stack_trace.clone());
        ErrorPayload { request_id: None, stack_trace: None, trace, ..ErrorPayload::of_handler(error, "") }
    }

    /// Of a call that its environment ended. `None` if the call did not run, which is no error of the function's.
    pub fn of_failure(failure: &Failure, request_id: &str, limits: &Limits) -> Option<ErrorPayload> {
        let exited = |how: &str| ("Runtime.ExitError", format!("RequestId: {request_id} Error: Runtime exited {how}"));
        let (error_type, error_message) = match failure {
            Failure::Limit { limit: Limit::DeadlineMs | Limit::CpuUs | Limit::HostCalls, .. } => {
                #[expect(clippy::cast_precision_loss, reason = "at most fifteen minutes")]
                let seconds = limits.value(Limit::DeadlineMs) as f64 / 1_000.0;
                ("Sandbox.Timedout", format!("RequestId: {request_id} Error: Task timed out after {seconds:.2} seconds"))
            }
            Failure::Limit { limit: Limit::ReplyBytes, value } => (
                "Function.ResponseSizeTooLarge",
                format!("Response payload size exceeded maximum allowed payload size ({value} bytes)."),
            ),
            Failure::Limit { limit: Limit::MemoryBytes, .. } => exited("with error: signal: killed"),
            Failure::Trap(_) | Failure::Limit { .. } => exited("with error: signal: aborted"),
            Failure::Guest(_) | Failure::BadReply(_) => exited("without providing a reason"),
            Failure::Throttled(_) | Failure::NotRunnable(_) | Failure::Host(_) => return None,
        };
        Some(ErrorPayload { error_message, error_type: error_type.to_owned(), request_id: None, stack_trace: None, trace: None })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::failure::Scope;
    use crate::limits::Profile;

    #[test]
    fn callers_read_what_lambda_says() {
        let limits = Limits::defaults(Profile::Worker).with(Limit::DeadlineMs, 1_000).unwrap();
        let over = |limit| Failure::Limit { limit, value: 6_291_556 };
        for (failure, error_type, message) in [
            (over(Limit::DeadlineMs), "Sandbox.Timedout", "RequestId: r-1 Error: Task timed out after 1.00 seconds"),
            (over(Limit::CpuUs), "Sandbox.Timedout", "RequestId: r-1 Error: Task timed out after 1.00 seconds"),
            (
                over(Limit::ReplyBytes),
                "Function.ResponseSizeTooLarge",
                "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
            ),
            (over(Limit::MemoryBytes), "Runtime.ExitError", "RequestId: r-1 Error: Runtime exited with error: signal: killed"),
            (
                Failure::Trap("unreachable".to_owned()),
                "Runtime.ExitError",
                "RequestId: r-1 Error: Runtime exited with error: signal: aborted",
            ),
        ] {
            let payload = ErrorPayload::of_failure(&failure, "r-1", &limits);
            let expected = json!({"errorMessage": message, "errorType": error_type});
            assert_eq!(serde_json::to_value(payload).unwrap(), expected, "{failure}");
        }
        assert_eq!(ErrorPayload::of_failure(&Failure::Throttled(Scope::Queue), "r-1", &limits), None);
        let own = HandlerError {
            error_type: "KeyError".to_owned(),
            message: "'x'".to_owned(),
            stack_trace: vec!["  File \"a.py\"".to_owned()],
        };
        assert_eq!(
            serde_json::to_string(&ErrorPayload::of_handler(&own, "r-1")).unwrap(),
            r#"{"errorMessage":"'x'","errorType":"KeyError","requestId":"r-1","stackTrace":["  File \"a.py\""]}"#
        );
    }
}
