//! Requests as tests make them, and what is answered.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use http_body_util::BodyExt as _;
use serde_json::Value;

use crate::aws::request::{ApiRequest, ApiResponse};

/// A request of the `json` protocols, at a second since 1970.
pub fn request(target: &str, second: u64, body: &[u8]) -> ApiRequest {
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-target", HeaderValue::from_str(target).unwrap());
    ApiRequest {
        id: "id".to_owned(),
        method: Method::POST,
        path: "/".to_owned(),
        query: String::new(),
        headers,
        body: body.to_vec().into(),
        client: [127, 0, 0, 1].into(),
        secure: false,
        received: SystemTime::UNIX_EPOCH + Duration::from_secs(second),
    }
}

/// The body of an answer that is whole.
pub fn bytes(response: ApiResponse) -> Bytes {
    let collecting = pin!(response.into_body().collect());
    match collecting.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(collected)) => collected.to_bytes(),
        _ => panic!("a body is whole"),
    }
}

/// What an answer says; `null` for nothing.
pub fn body(response: ApiResponse) -> Value {
    let bytes = bytes(response);
    if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() }
}
