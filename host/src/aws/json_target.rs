//! The `json` protocols: the operation in the header X-Amz-Target, input and output in JSON.
//!
//! Source: <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>.

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;

use crate::aws::error::ApiError;
use crate::aws::request::{ApiRequest, ApiResponse, whole};

/// The operation that a request names, without the name of its service: `secretsmanager.GetSecretValue`.
pub fn operation(request: &ApiRequest) -> Option<&str> {
    request.header("x-amz-target")?.split_once('.').map(|(_, operation)| operation)
}

pub fn answer(value: &impl Serialize) -> Result<ApiResponse, ApiError> {
    let body = serde_json::to_vec(value).map_err(|error| ApiError::internal(&error))?;
    Ok(response(StatusCode::OK, body))
}

/// An error, as these services tell it.
pub fn refusal(error: &ApiError) -> ApiResponse {
    let mut members = error.members.clone();
    members.insert("__type".to_owned(), error.code.into());
    members.insert("message".to_owned(), json!(error.message));
    response(error.status, serde_json::to_vec(&members).unwrap_or_default())
}

fn response(status: StatusCode, body: Vec<u8>) -> ApiResponse {
    let mut response = Response::new(whole(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
    response
}
