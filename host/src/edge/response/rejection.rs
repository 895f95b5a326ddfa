//! Why a request ends without the answer of an origin or a hook, and the only place of the edge where a failure becomes a
//! status.
//!
//! A client learns a category and the request's id; what exactly went wrong is in the log, under that id.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};

use crate::edge::answer::Answer;
use crate::edge::body::content::Content;
use crate::edge::body::peek::PeekError;
use crate::edge::node::Node;
use crate::edge::origin::error::FetchError;
use crate::edge::request::head::HeadError;
use crate::edge::request::websocket::{self, HandshakeError};
use crate::edge::site::signed::denied::Denied;
use crate::failure::Failure;
use crate::limits::Limit;
use crate::telemetry::{Occasion, ResultType, shown_path};
use crate::wasm::abi::Moment;

/// Why a request ends without the answer of an origin or a hook.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Rejection {
    #[error(transparent)]
    RequestHead(#[from] HeadError),
    #[error("the path can be read in several ways: {0}")]
    Path(&'static str),
    #[error("no site has this host")]
    UnknownHost,
    #[error("the connection was made for another site")]
    Misdirected,
    #[error("only HTTPS is served here")]
    HttpsOnly,
    #[error("the method is not allowed")]
    Method,
    #[error("a GET or HEAD request had a body")]
    BodyOfGet,
    #[error("signed URL or cookies: {0}")]
    Unsigned(#[from] Denied),
    /// RFC 9111 section 5.2.1.7.
    #[error("only a stored response was asked for, and there is none")]
    OnlyIfCached,
    #[error("request body: {0}")]
    Body(PeekError),
    #[error("response body: {0}")]
    OriginBody(PeekError),
    #[error("{} hook `{function}`: {failure}", .moment.name())]
    Hook { moment: Moment, function: String, failure: Failure },
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    #[error("this worker has the maximum number of WebSocket tunnels")]
    Tunnels,
    #[error("origin: {0}")]
    Fetch(#[from] FetchError),
    /// A bug of ours.
    #[error("it panicked: {0}")]
    Panicked(String),
}

impl Rejection {
    /// The status, the result type and the word for the client and the metrics.
    fn verdict(&self) -> (StatusCode, ResultType, &'static str) {
        use ResultType::Error;
        match self {
            Rejection::RequestHead(HeadError::Malformed(_)) | Rejection::Handshake(HandshakeError::Key) => {
                (StatusCode::BAD_REQUEST, Error, "malformed-request")
            }
            Rejection::Path(_) => (StatusCode::BAD_REQUEST, Error, "ambiguous-path"),
            Rejection::RequestHead(HeadError::UrlTooLong) => (StatusCode::URI_TOO_LONG, Error, "url-too-long"),
            Rejection::RequestHead(HeadError::TooManyHeaders) => {
                (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, Error, "too-many-headers")
            }
            Rejection::UnknownHost => (StatusCode::FORBIDDEN, Error, "unknown-host"),
            // RFC 8586 leaves the status open; this one fits (RFC 5842 section 7.2).
            Rejection::RequestHead(HeadError::Loop) => (StatusCode::LOOP_DETECTED, Error, "loop"),
            Rejection::Misdirected => (StatusCode::MISDIRECTED_REQUEST, Error, "misdirected"),
            Rejection::HttpsOnly => (StatusCode::FORBIDDEN, Error, "https-only"),
            Rejection::Method => (StatusCode::FORBIDDEN, Error, "method-not-allowed"),
            Rejection::BodyOfGet => (StatusCode::FORBIDDEN, Error, "body-not-allowed"),
            Rejection::Unsigned(denied) => (StatusCode::FORBIDDEN, Error, denied_category(*denied)),
            Rejection::OnlyIfCached => (StatusCode::GATEWAY_TIMEOUT, Error, "not-cached"),
            Rejection::Body(error) | Rejection::Fetch(FetchError::Body(error)) => match error {
                PeekError::Timeout => (StatusCode::REQUEST_TIMEOUT, Error, "body-timeout"),
                PeekError::Broken(_) => (StatusCode::BAD_REQUEST, Error, "body-broken"),
            },
            Rejection::OriginBody(PeekError::Timeout) => (StatusCode::GATEWAY_TIMEOUT, Error, "origin-timeout"),
            Rejection::OriginBody(PeekError::Broken(_)) => (StatusCode::BAD_GATEWAY, Error, "origin-broken"),
            Rejection::Hook { moment, failure, .. } => hook_verdict(*moment, failure),
            Rejection::Panicked(_) => (StatusCode::INTERNAL_SERVER_ERROR, Error, "panic"),
            Rejection::Handshake(HandshakeError::Version) => (StatusCode::UPGRADE_REQUIRED, Error, "websocket-version"),
            Rejection::Tunnels => (StatusCode::SERVICE_UNAVAILABLE, Error, "tunnels"),
            Rejection::Fetch(error) => match error {
                FetchError::ConnectTimeout(_) | FetchError::ReadTimeout(_) => {
                    (StatusCode::GATEWAY_TIMEOUT, Error, "origin-timeout")
                }
                FetchError::Unreachable(_) => (StatusCode::BAD_GATEWAY, Error, "origin-unreachable"),
                FetchError::Broken(_) | FetchError::Coding | FetchError::Switched => {
                    (StatusCode::BAD_GATEWAY, Error, "origin-broken")
                }
                FetchError::Exhausted(_) => (StatusCode::SERVICE_UNAVAILABLE, Error, "edge-exhausted"),
                FetchError::Connections(_) => (StatusCode::SERVICE_UNAVAILABLE, Error, "origin-connections"),
                FetchError::Body(_) => (StatusCode::BAD_REQUEST, Error, "body-broken"),
                FetchError::Forbidden(_) => (StatusCode::BAD_GATEWAY, Error, "origin-forbidden"),
                // A component is a function wherever it runs, so the rules for an origin hook apply.
                FetchError::Component(failure) => hook_verdict(Moment::OriginRequest, failure),
            },
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.verdict().0
    }

    /// The word for the client, the metrics and the log.
    pub(crate) fn category(&self) -> &'static str {
        self.verdict().2
    }

    /// Builds the error response, counts it, and logs it at debug. Failures of origins and hooks are logged where they
    /// happen.
    pub(crate) fn answer(&self, node: &Node, occasion: Occasion<'_>) -> Answer {
        let (status, result, category) = self.verdict();
        node.metrics.refused(category);
        let Occasion { site, path, request_id: id, .. } = occasion;
        match self {
            Rejection::Fetch(FetchError::Exhausted(_)) => node.metrics.exhausted(Occasion { category, cause: self, ..occasion }),
            Rejection::Panicked(_) => node.metrics.panicked(Occasion { category, cause: self, ..occasion }),
            _ => {}
        }
        if tracing::enabled!(target: "edgeward::edge", tracing::Level::DEBUG) {
            let (path, status) = (shown_path(path), status.as_u16());
            tracing::debug!(target: "edgeward::edge", site, path, request_id = id, category, status, "{self}");
        }
        let (content_type, text) = match self {
            Rejection::Unsigned(denied) => ("text/xml", Bytes::from_static(denied_body(*denied).as_bytes())),
            _ => ("text/plain; charset=utf-8", format!("{status}\ncategory: {category}\nrequest id: {id}\n").into()),
        };
        let mut response = Response::new(Content::Full(text));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Rejection::Handshake(HandshakeError::Version) = self {
            // Says what would be right (RFC 6455 section 4.4, RFC 9110 section 15.5.22).
            response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, websocket::VERSION);
            response.headers_mut().insert(header::UPGRADE, websocket::PROTOCOL);
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        }
        Answer { response, result }
    }
}

/// As in CloudFront: 503 if a function failed, 502 if its answer was invalid.
fn hook_verdict(moment: Moment, failure: &Failure) -> (StatusCode, ResultType, &'static str) {
    let (execution, validation, throttled) = if moment.is_viewer() {
        (ResultType::FunctionExecutionError, ResultType::FunctionValidationError, ResultType::FunctionThrottledError)
    } else {
        (ResultType::LambdaExecutionError, ResultType::LambdaValidationError, ResultType::LambdaLimitExceeded)
    };
    let category = failure.category();
    match failure {
        Failure::BadReply(_)
        | Failure::Limit { limit: Limit::ReplyBytes | Limit::StreamBytes | Limit::HeaderCount | Limit::HeaderBytes, .. } => {
            (StatusCode::BAD_GATEWAY, validation, category)
        }
        Failure::Throttled(_) => (StatusCode::SERVICE_UNAVAILABLE, throttled, category),
        Failure::Limit { limit: Limit::DeadlineMs | Limit::CpuUs, .. } if !moment.is_viewer() => {
            (StatusCode::SERVICE_UNAVAILABLE, throttled, category)
        }
        _ => (StatusCode::SERVICE_UNAVAILABLE, execution, category),
    }
}

fn denied_category(denied: Denied) -> &'static str {
    match denied {
        Denied::NoKey => "signature-missing",
        Denied::UnknownKey => "signature-unknown-key",
        Denied::Signature => "signature-malformed",
        Denied::Policy => "signature-malformed-policy",
        Denied::Late => "signature-expired",
        Denied::Early | Denied::Address | Denied::Resource => "signature-elsewhere",
        Denied::Algorithm | Denied::Forged => "signature-wrong",
    }
}

/// CloudFront's texts, which players and scripts look for. They do not tell why a known key is not enough.
fn denied_body(denied: Denied) -> &'static str {
    macro_rules! xml {
        ($code:literal, $message:literal) => {
            concat!(
                r#"<?xml version="1.0" encoding="UTF-8"?><Error><Code>"#,
                $code,
                "</Code><Message>",
                $message,
                "</Message></Error>"
            )
        };
    }
    match denied {
        Denied::NoKey => xml!("MissingKey", "Missing Key-Pair-Id query parameter or cookie value"),
        Denied::UnknownKey => xml!("InvalidKey", "Unknown Key"),
        Denied::Signature => xml!("MalformedSignature", "Could not unencode Signature"),
        Denied::Policy => xml!("MalformedPolicy", "Malformed Policy"),
        Denied::Late | Denied::Early | Denied::Address | Denied::Resource | Denied::Algorithm | Denied::Forged => {
            xml!("AccessDenied", "Access denied")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Scope;

    #[test]
    fn failures_of_hooks_have_the_statuses_of_cloudfront() {
        use Moment::{OriginRequest, ViewerRequest};
        let limit = |limit| Failure::Limit { limit, value: 1 };
        for (moment, failure, status, result) in [
            (ViewerRequest, Failure::Trap("secret".into()), 503, "FunctionExecutionError"),
            (ViewerRequest, limit(Limit::CpuUs), 503, "FunctionExecutionError"),
            (ViewerRequest, Failure::BadReply("x".into()), 502, "FunctionValidationError"),
            (ViewerRequest, limit(Limit::HeaderCount), 502, "FunctionValidationError"),
            (ViewerRequest, Failure::Throttled(Scope::Utilization), 503, "FunctionThrottledError"),
            (OriginRequest, Failure::Trap("x".into()), 503, "LambdaExecutionError"),
            (OriginRequest, limit(Limit::DeadlineMs), 503, "LambdaLimitExceeded"),
            (OriginRequest, Failure::BadReply("x".into()), 502, "LambdaValidationError"),
            (OriginRequest, Failure::Throttled(Scope::Queue), 503, "LambdaLimitExceeded"),
        ] {
            let (said, kind, _) = hook_verdict(moment, &failure);
            assert_eq!((said.as_u16(), kind.name()), (status, result), "{failure:?}");
        }
    }

    #[test]
    fn a_slow_origin_is_504_and_an_unreachable_one_502() {
        let verdict = |error: FetchError| Rejection::Fetch(error).verdict().0.as_u16();
        let timeout = std::time::Duration::from_secs(1);
        assert_eq!(verdict(FetchError::ConnectTimeout(timeout)), 504);
        assert_eq!(verdict(FetchError::ReadTimeout(timeout)), 504);
        assert_eq!(verdict(FetchError::Unreachable(String::new())), 502);
        assert_eq!(verdict(FetchError::Coding), 502);
        assert_eq!(verdict(FetchError::Exhausted(std::io::ErrorKind::Other.into())), 503);
        assert_eq!(verdict(FetchError::Body(PeekError::Timeout)), 408);
        assert_eq!(verdict(FetchError::Body(PeekError::Broken(anyhow::anyhow!("x")))), 400);
    }

    #[test]
    fn a_component_that_fails_as_an_origin_fails_as_an_origin_hook_does() {
        let limit = |limit| Failure::Limit { limit, value: 1 };
        for (failure, status, result) in [
            (Failure::Trap("secret".into()), 503, "LambdaExecutionError"),
            (Failure::Guest("x".into()), 503, "LambdaExecutionError"),
            (limit(Limit::MemoryBytes), 503, "LambdaExecutionError"),
            (limit(Limit::CpuUs), 503, "LambdaLimitExceeded"),
            (limit(Limit::DeadlineMs), 503, "LambdaLimitExceeded"),
            (Failure::Throttled(Scope::Queue), 503, "LambdaLimitExceeded"),
            (Failure::BadReply("x".into()), 502, "LambdaValidationError"),
        ] {
            let (said, kind, _) = Rejection::Fetch(FetchError::Component(failure)).verdict();
            assert_eq!((said.as_u16(), kind.name()), (status, result));
        }
    }
}
