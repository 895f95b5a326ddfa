//! `Invoke` and `InvokeWithResponseStream`: what a caller sends, and what the answer says.

use std::rc::Rc;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde::de::IgnoredAny;

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::lambda::asynchronous;
use crate::aws::lambda::identifier::FunctionIdentifier;
use crate::aws::lambda::invoke::{CallInput, admit, resolve, run};
use crate::aws::lambda::invoked::Invoked;
use crate::aws::lambda::registry::Registry;
use crate::aws::lambda::route::LambdaOperation;
use crate::aws::lambda::streaming;
use crate::aws::lambda::traced::CallTrace;
use crate::aws::request::{ApiRequest, ApiResponse, empty, whole};
use crate::function::lane::WorkerLane;
use crate::limits::invoke::EVENT_BYTES;
use crate::limits::lambda::CLIENT_CONTEXT_BYTES;
use crate::loops::LoopMarks;

static EXECUTED_VERSION: HeaderName = HeaderName::from_static("x-amz-executed-version");
static FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");
static LOG_RESULT: HeaderName = HeaderName::from_static("x-amz-log-result");

/// `POST /2015-03-31/functions/{name}/invocations`
pub async fn invoke(
    registry: &Arc<Registry>,
    lane: &Rc<WorkerLane>,
    request: &ApiRequest,
    id: &FunctionIdentifier,
    operation: LambdaOperation,
) -> Result<ApiResponse, ApiError> {
    let kind = request.header("x-amz-invocation-type").unwrap_or("RequestResponse");
    let wants_log = wants_log(request)?;
    let client_context = client_context(request)?;
    let event = event(&request.body)?;
    let mut constraints = Constraints::default();
    constraints.one_of("invocationType", kind, &["Event", "RequestResponse", "DryRun"]);
    constraints.finish()?;
    match kind {
        "DryRun" => {
            resolve(registry, id)?;
            return Ok(empty(StatusCode::NO_CONTENT));
        }
        "Event" => return asynchronous::accept(registry, request, id, event).await,
        _ => {}
    }
    let admitted = admit(registry, id)?;
    let trace = CallTrace::begin(registry.tracer.as_ref(), &request.headers, &admitted.deployed, "other");
    let trace_answer = trace.answer();
    let passed = LoopMarks::of(&request.headers);
    let call = CallInput { request_id: request.id.clone(), event, client_context, trace, stream: None, passed };
    let version = HeaderValue::from_str(&admitted.deployed.version).map_err(|error| ApiError::internal(&error))?;
    let mut response = match operation {
        LambdaOperation::InvokeWithResponseStream => streaming::invoke(registry, lane, admitted, call, wants_log).await?,
        _ => {
            let running = tokio::task::spawn_local(run(registry.clone(), lane.clone(), admitted, call));
            let invoked = running.await.map_err(|error| ApiError::internal(&error))??;
            answer(invoked, wants_log)?
        }
    };
    response.headers_mut().insert(EXECUTED_VERSION.clone(), version);
    trace_answer.put(response.headers_mut());
    Ok(response)
}

/// A reply, or the object in its place, in one piece.
fn answer(invoked: Invoked, wants_log: bool) -> Result<ApiResponse, ApiError> {
    let log = wants_log.then(|| invoked.log_tail());
    let (body, failed) = match invoked.result {
        Ok(reply) => (Bytes::from(reply), false),
        Err(error) => (Bytes::from(serde_json::to_vec(&error.payload).map_err(|error| ApiError::internal(&error))?), true),
    };
    let mut response = Response::new(whole(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if failed {
        headers.insert(FUNCTION_ERROR.clone(), HeaderValue::from_static("Unhandled"));
    }
    if let Some(log) = log.and_then(|log| HeaderValue::from_str(&log).ok()) {
        headers.insert(LOG_RESULT.clone(), log);
    }
    Ok(response)
}

fn wants_log(request: &ApiRequest) -> Result<bool, ApiError> {
    match request.header("x-amz-log-type") {
        None | Some("None") => Ok(false),
        Some("Tail") => Ok(true),
        Some(other) => {
            let mut constraints = Constraints::default();
            constraints.one_of("logType", other, &["None", "Tail"]);
            constraints.finish().map(|()| false)
        }
    }
}

/// A JSON object.
fn client_context(request: &ApiRequest) -> Result<Option<String>, ApiError> {
    let Some(sent) = request.header("x-amz-client-context") else { return Ok(None) };
    let wrong = |message| Err(ApiError::bad_request("InvalidRequestContentException", message));
    if sent.len() > CLIENT_CONTEXT_BYTES {
        return wrong("Client context must be no more than 3583 bytes.");
    }
    let text = STANDARD.decode(sent).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let object = text.filter(|text| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok());
    match object {
        Some(text) => Ok(Some(text)),
        None => wrong("Client context must be a valid Base64-encoded JSON object."),
    }
}

/// The event, which is JSON; nothing is `{}`.
pub fn event(body: &Bytes) -> Result<Bytes, ApiError> {
    if body.len() > EVENT_BYTES {
        let message = format!("Request must be smaller than {EVENT_BYTES} bytes for the InvokeFunction operation");
        return Err(ApiError::too_large("RequestEntityTooLargeException", message));
    }
    if body.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    match serde_json::from_slice::<IgnoredAny>(body) {
        Ok(_) => Ok(body.clone()),
        Err(error) => Err(ApiError::bad_request(
            "InvalidRequestContentException",
            format!("Could not parse request body into json: Could not parse payload into json: {error}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_json_of_at_most_six_megabytes() {
        assert_eq!(event(&Bytes::new()).unwrap(), "{}");
        assert_eq!(event(&Bytes::from_static(b" [1]")).unwrap(), " [1]");
        let error = event(&Bytes::from_static(b"{a}")).unwrap_err();
        assert_eq!(error.code, "InvalidRequestContentException");
        let of = |length: usize| Bytes::from(format!("\"{}\"", "a".repeat(length - 2)));
        assert!(event(&of(EVENT_BYTES)).is_ok());
        assert_eq!(event(&of(EVENT_BYTES + 1)).unwrap_err().status, StatusCode::PAYLOAD_TOO_LARGE);
    }
}
