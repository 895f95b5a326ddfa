//! The only place at the edge where failures become statuses, and where a client is told of them.
//!
//! A client learns the category and the request id; the cause is in the log.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};

use super::Body;
use super::origin::FetchError;
use crate::failure::Failure;
use crate::telemetry::Result as ResultType;
use crate::wasm::abi::Moment;

/// Why an exchange ends without its response.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The request itself.
    Request { status: StatusCode, category: &'static str },
    /// To https.
    Redirect(HeaderValue),
    Hook { moment: Moment, failure: Failure },
    Origin(FetchError),
}

impl Refusal {
    /// CloudFront's statuses: cloudfront.md §1.5, §2.6 and §4.8.
    fn status(&self) -> (StatusCode, ResultType, &'static str) {
        match self {
            Refusal::Request { status, category } => (*status, ResultType::Error, category),
            Refusal::Redirect(_) => (StatusCode::MOVED_PERMANENTLY, ResultType::Redirect, "redirect"),
            Refusal::Hook { moment, failure } => {
                let (status, result) = hook_status(moment.is_viewer(), failure);
                (status, result, failure.category())
            }
            Refusal::Origin(error) => match error {
                FetchError::ConnectTimeout { .. } | FetchError::ReadTimeout { .. } => {
                    (StatusCode::GATEWAY_TIMEOUT, ResultType::Error, "origin-timeout")
                }
                FetchError::RequestBody => (StatusCode::BAD_REQUEST, ResultType::Error, "request-body"),
                FetchError::Component(failure) => {
                    let (status, result) = hook_status(false, failure);
                    (status, result, failure.category())
                }
                _ => (StatusCode::BAD_GATEWAY, ResultType::Error, "origin"),
            },
        }
    }

    /// The response to a client, and its result type.
    pub(super) fn respond(&self, request_id: &str) -> (Response<Body>, ResultType) {
        let (status, result, category) = self.status();
        let text = format!("{} {}\n{category}\nrequest id: {request_id}\n", status.as_u16(), status.canonical_reason().unwrap_or_default());
        let mut response = Response::new(Body::full(Bytes::from(text)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self {
            Refusal::Redirect(location) => drop(headers.insert(header::LOCATION, location.clone())),
            Refusal::Hook { failure: Failure::Throttled(_), .. } => drop(headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"))),
            _ => {}
        }
        (response, result)
    }

    /// What the log says, and whether it is worth a line by default.
    pub(super) fn log(&self, site: &str, request_id: &str) {
        match self {
            Refusal::Hook { moment, failure } => {
                tracing::warn!(site, request_id, moment = moment.name(), category = failure.category(), error = %failure, "hook failed");
            }
            Refusal::Origin(error) => tracing::warn!(site, request_id, %error, "origin failed"),
            Refusal::Request { status, category } => tracing::debug!(site, request_id, status = status.as_u16(), category, "request refused"),
            Refusal::Redirect(_) => {}
        }
    }
}

fn hook_status(viewer: bool, failure: &Failure) -> (StatusCode, ResultType) {
    use crate::limits::Limit;
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;
    match (viewer, failure) {
        (true, Failure::BadReply(_) | Failure::Limit { limit: Limit::ReplyBytes | Limit::HeaderBytes | Limit::HeaderCount | Limit::BodyBytes, .. }) => {
            (StatusCode::BAD_GATEWAY, ResultType::FunctionValidationError)
        }
        (true, Failure::Throttled(_)) => (unavailable, ResultType::FunctionThrottledError),
        (true, _) => (unavailable, ResultType::FunctionExecutionError),
        (false, Failure::BadReply(_) | Failure::Limit { limit: Limit::ReplyBytes | Limit::HeaderBytes | Limit::HeaderCount | Limit::BodyBytes, .. }) => {
            (StatusCode::BAD_GATEWAY, ResultType::LambdaValidationError)
        }
        (false, Failure::Throttled(_) | Failure::Limit { limit: Limit::DeadlineMs, .. }) => (unavailable, ResultType::LambdaLimitExceeded),
        (false, _) => (unavailable, ResultType::LambdaExecutionError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Scope;
    use crate::limits::Limit;

    #[test]
    fn failures_are_told_as_cloudfront_tells_them() {
        let cpu = || Failure::Limit { limit: Limit::CpuUs, value: 1 };
        for (moment, failure, status, result) in [
            (Moment::ViewerRequest, Failure::Trap(String::new()), 503, ResultType::FunctionExecutionError),
            (Moment::ViewerRequest, cpu(), 503, ResultType::FunctionExecutionError),
            (Moment::ViewerResponse, Failure::Throttled(Scope::Utilization), 503, ResultType::FunctionThrottledError),
            (Moment::ViewerRequest, Failure::BadReply(String::new()), 502, ResultType::FunctionValidationError),
            (Moment::OriginRequest, Failure::Trap(String::new()), 503, ResultType::LambdaExecutionError),
            (Moment::OriginResponse, Failure::Throttled(Scope::Queue), 503, ResultType::LambdaLimitExceeded),
            (Moment::OriginRequest, Failure::Limit { limit: Limit::DeadlineMs, value: 1 }, 503, ResultType::LambdaLimitExceeded),
            (Moment::OriginRequest, Failure::BadReply(String::new()), 502, ResultType::LambdaValidationError),
        ] {
            let (response, told) = Refusal::Hook { moment, failure }.respond("id");
            assert_eq!((response.status().as_u16(), told), (status, result));
        }
    }

    #[test]
    fn a_client_never_sees_a_cause() {
        use http_body_util::BodyExt as _;
        let refusal = Refusal::Hook { moment: Moment::ViewerRequest, failure: Failure::Trap("secret at /src/lib.rs:7".to_owned()) };
        let (response, _) = refusal.respond("abc");
        let body = futures_util::FutureExt::now_or_never(response.into_body().collect()).unwrap().unwrap().to_bytes();
        assert_eq!(body, "503 Service Unavailable\ntrap\nrequest id: abc\n");
    }
}
