//! I am the only place of the edge where a failure becomes a status.
//!
//! The words in `X-Cache` are CloudFront's, so that dashboards made for it keep working. A client learns a
//! category and the request's id; what exactly went wrong is in the log, under that id.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode, Version};
use http_body::Body as _;

use crate::edge::body::{Body, Content, PeekError};
use crate::edge::head::Head;
use crate::edge::origin::FetchError;
use crate::edge::record::Record;
use crate::edge::signed::Denied;
use crate::edge::{Edge, Via, tunnel};
use crate::failure::Failure;
use crate::limits::Limit;
use crate::loops;
use crate::telemetry::{Occasion, ResultType, shown_path};
use crate::wasm::abi::Moment;

/// Why a request ends without the answer of an origin or a hook.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("malformed request: {0}")]
    Malformed(&'static str),
    #[error("the path can be read in several ways: {0}")]
    Path(&'static str),
    #[error("the URL is too long")]
    UrlTooLong,
    #[error("too many headers")]
    TooManyHeaders,
    #[error("no site has this host")]
    UnknownHost,
    #[error("it has been here before")]
    Loop,
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
    #[error("WebSocket is asked for in another version than 13")]
    WebSocketVersion,
    #[error("this worker has as many WebSocket tunnels as it may")]
    Tunnels,
    #[error("origin: {0}")]
    Fetch(#[from] FetchError),
    /// A bug of ours.
    #[error("it panicked: {0}")]
    Panicked(String),
}

/// An answer before the edge's own headers are on it.
pub(crate) struct Answer {
    pub(crate) response: Response<Content>,
    pub(crate) result: ResultType,
}

impl Refusal {
    /// The status, the result type and the word for the client and the metrics.
    fn verdict(&self) -> (StatusCode, ResultType, &'static str) {
        use ResultType::Error;
        match self {
            Refusal::Malformed(_) => (StatusCode::BAD_REQUEST, Error, "malformed-request"),
            Refusal::Path(_) => (StatusCode::BAD_REQUEST, Error, "ambiguous-path"),
            Refusal::UrlTooLong => (StatusCode::URI_TOO_LONG, Error, "url-too-long"),
            Refusal::TooManyHeaders => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, Error, "too-many-headers"),
            Refusal::UnknownHost => (StatusCode::FORBIDDEN, Error, "unknown-host"),
            // RFC 8586 leaves the status open; this one says what it is (RFC 5842 section 7.2).
            Refusal::Loop => (StatusCode::LOOP_DETECTED, Error, "loop"),
            Refusal::Misdirected => (StatusCode::MISDIRECTED_REQUEST, Error, "misdirected"),
            Refusal::HttpsOnly => (StatusCode::FORBIDDEN, Error, "https-only"),
            Refusal::Method => (StatusCode::FORBIDDEN, Error, "method-not-allowed"),
            Refusal::BodyOfGet => (StatusCode::FORBIDDEN, Error, "body-not-allowed"),
            Refusal::Unsigned(denied) => (StatusCode::FORBIDDEN, Error, denied_category(*denied)),
            Refusal::OnlyIfCached => (StatusCode::GATEWAY_TIMEOUT, Error, "not-cached"),
            Refusal::Body(error) | Refusal::Fetch(FetchError::Body(error)) => match error {
                PeekError::Timeout => (StatusCode::REQUEST_TIMEOUT, Error, "body-timeout"),
                PeekError::Broken(_) => (StatusCode::BAD_REQUEST, Error, "body-broken"),
            },
            Refusal::OriginBody(PeekError::Timeout) => (StatusCode::GATEWAY_TIMEOUT, Error, "origin-timeout"),
            Refusal::OriginBody(PeekError::Broken(_)) => (StatusCode::BAD_GATEWAY, Error, "origin-broken"),
            Refusal::Hook { moment, failure, .. } => hook_verdict(*moment, failure),
            Refusal::Panicked(_) => (StatusCode::INTERNAL_SERVER_ERROR, Error, "panic"),
            Refusal::WebSocketVersion => (StatusCode::UPGRADE_REQUIRED, Error, "websocket-version"),
            Refusal::Tunnels => (StatusCode::SERVICE_UNAVAILABLE, Error, "tunnels"),
            Refusal::Fetch(error) => match error {
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
                // A component is a function wherever it stands: what is true of an origin hook is true of it.
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

    /// The answer to a request that is refused. Counts it. What an origin or a hook did wrong is logged where that is
    /// known, and what strangers send is no news.
    pub(crate) fn answer(&self, edge: &Edge, occasion: Occasion<'_>) -> Answer {
        let (status, result, category) = self.verdict();
        edge.metrics.refused(category);
        let Occasion { site, path, request_id: id, .. } = occasion;
        match self {
            Refusal::Fetch(FetchError::Exhausted(_)) => edge.metrics.exhausted(Occasion { category, cause: self, ..occasion }),
            Refusal::Panicked(_) => edge.metrics.panicked(Occasion { category, cause: self, ..occasion }),
            _ => {}
        }
        if tracing::enabled!(target: "edgeward::edge", tracing::Level::DEBUG) {
            let (path, status) = (shown_path(path), status.as_u16());
            tracing::debug!(target: "edgeward::edge", site, path, request_id = id, category, status, "{self}");
        }
        let (content_type, text) = match self {
            Refusal::Unsigned(denied) => ("text/xml", Bytes::from_static(denied_body(*denied).as_bytes())),
            _ => ("text/plain; charset=utf-8", format!("{status}\ncategory: {category}\nrequest id: {id}\n").into()),
        };
        let mut response = Response::new(Content::Full(text));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Refusal::WebSocketVersion = self {
            // What would be right (RFC 6455 section 4.4, RFC 9110 section 15.5.22).
            response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, tunnel::VERSION);
            response.headers_mut().insert(header::UPGRADE, tunnel::PROTOCOL);
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        }
        Answer { response, result }
    }
}

/// CloudFront: what a function did wrong is 503, what it said wrong is 502.
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

/// CloudFront's words, which players and scripts look for. It does not tell why a right key is not enough.
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

/// A redirect to the same URL by HTTPS. A client that names a port came to the port that we listen on, and so will its
/// next request: `https_port` is named, unless it is HTTPS's own. One that names none came to port 80, whatever maps it to ours.
/// What is not a mere read must come again as it was, which HTTP/1.0 has no status for ("Require HTTPS for communication
/// between viewers and CloudFront").
pub(crate) fn redirect_to_https(head: &Head, https_port: Option<u16>) -> Result<Answer, Refusal> {
    if head.host().is_empty() {
        return Err(Refusal::HttpsOnly);
    }
    let status = match head.method {
        Method::GET | Method::HEAD => StatusCode::MOVED_PERMANENTLY,
        _ if head.version < Version::HTTP_11 => return Err(Refusal::HttpsOnly),
        _ => StatusCode::TEMPORARY_REDIRECT,
    };
    let port = https_port.filter(|&port| port != 443 && head.names_port()).map_or_else(String::new, |port| format!(":{port}"));
    let mut location = String::with_capacity(8 + head.host().len() + port.len() + head.target.as_str().len());
    for part in ["https://", head.host(), &port, head.target.as_str()] {
        location.push_str(part);
    }
    let mut response = Response::new(Content::Empty);
    *response.status_mut() = status;
    if let Ok(location) = HeaderValue::from_maybe_shared(Bytes::from(location)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(Answer { response, result: ResultType::Redirect })
}

pub(crate) fn generated(response: Response<Bytes>, moment: Moment) -> Answer {
    let result = if moment.is_viewer() { ResultType::FunctionGeneratedResponse } else { ResultType::LambdaGeneratedResponse };
    Answer { response: response.map(Content::full), result }
}

/// Puts the edge's headers on an answer, and the record that ends with its body.
pub(crate) fn finish(edge: &Edge, mut record: Box<Record>, answer: Answer) -> Response<Body> {
    const X_CACHE: HeaderName = HeaderName::from_static("x-cache");
    const POP: HeaderName = HeaderName::from_static("x-amz-cf-pop");
    const ID: HeaderName = HeaderName::from_static("x-amz-cf-id");
    let (mut parts, mut content) = answer.response.into_parts();
    let headers = &mut parts.headers;
    headers.insert(X_CACHE, x_cache(answer.result));
    headers.append(header::VIA, edge.via.of(record.version).clone());
    headers.insert(POP, edge.via.pop.clone());
    if let Ok(id) = HeaderValue::from_str(record.id.as_str()) {
        headers.insert(ID, id);
    }
    if matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT) {
        // The one may not say a length, the other has none (RFC 9110 sections 8.6 and 15.3.6).
        headers.remove(header::CONTENT_LENGTH);
        content = Content::Empty;
    } else if record.method == Method::HEAD || parts.status == StatusCode::NOT_MODIFIED {
        if let (Some(length), false) = (content.size_hint().exact(), headers.contains_key(header::CONTENT_LENGTH))
            && length > 0
            && record.method == Method::HEAD
        {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        content = Content::Empty;
    } else if let (Some(length), Some(said)) = (content.size_hint().exact(), headers.get(header::CONTENT_LENGTH)) {
        // A hook may have said anything; what counts is what comes.
        if said.to_str().ok().and_then(|said| said.parse().ok()) != Some(length) {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
    }
    let switched = match content {
        Content::Switched(switched) => switched,
        content => {
            record.answered(&parts, answer.result);
            return Response::from_parts(parts, Body::new(content, record));
        }
    };
    tunnel::begin(*switched, parts, answer.result, record)
}

impl Via {
    /// In answers, which may be read by anybody: where this node is.
    pub(crate) fn new(location: &str) -> Result<Via, header::InvalidHeaderValue> {
        Via::with(location, &format!("{location} (edgeward)"))
    }

    /// In requests: which node it is, so that it knows them again.
    pub(crate) fn onwards(location: &str) -> Result<Via, header::InvalidHeaderValue> {
        Via::with(location, &format!("{} ({location})", loops::name()))
    }

    fn with(location: &str, by: &str) -> Result<Via, header::InvalidHeaderValue> {
        let via = |version: &str| HeaderValue::from_str(&format!("{version} {by}"));
        Ok(Via { http10: via("1.0")?, http11: via("1.1")?, http2: via("2.0")?, pop: HeaderValue::from_str(location)? })
    }

    pub(crate) fn of(&self, version: Version) -> &HeaderValue {
        match version {
            Version::HTTP_2 => &self.http2,
            Version::HTTP_10 => &self.http10,
            _ => &self.http11,
        }
    }
}

fn x_cache(result: ResultType) -> HeaderValue {
    HeaderValue::from_static(match result {
        ResultType::Miss => "Miss from cloudfront",
        ResultType::Hit => "Hit from cloudfront",
        ResultType::RefreshHit => "RefreshHit from cloudfront",
        ResultType::Error => "Error from cloudfront",
        ResultType::Redirect => "Redirect from cloudfront",
        ResultType::FunctionGeneratedResponse => "FunctionGeneratedResponse from cloudfront",
        ResultType::FunctionExecutionError => "FunctionExecutionError from cloudfront",
        ResultType::FunctionValidationError => "FunctionValidationError from cloudfront",
        ResultType::FunctionThrottledError => "FunctionThrottledError from cloudfront",
        ResultType::LambdaGeneratedResponse => "LambdaGeneratedResponse from cloudfront",
        ResultType::LambdaExecutionError => "LambdaExecutionError from cloudfront",
        ResultType::LambdaValidationError => "LambdaValidationError from cloudfront",
        ResultType::LambdaLimitExceeded => "LambdaLimitExceeded from cloudfront",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Scope;

    #[test]
    fn a_redirect_to_https_leads_to_the_port_that_we_listen_on() {
        for (host, port, there) in [
            ("a.test", Some(8443), "https://a.test/b?c"),
            ("a.test:8080", Some(8443), "https://a.test:8443/b?c"),
            ("a.test:8080", Some(443), "https://a.test/b?c"),
            ("a.test:8080", None, "https://a.test/b?c"),
            ("[::1]:8080", Some(8443), "https://[::1]:8443/b?c"),
            ("[::1]", Some(8443), "https://[::1]/b?c"),
        ] {
            let headers = http::HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
            let head = Head::new(Method::GET, http::uri::PathAndQuery::from_static("/b?c"), headers, Version::HTTP_11);
            let answer = redirect_to_https(&head, port).unwrap();
            assert_eq!(answer.response.headers()[header::LOCATION], there, "{host} {port:?}");
        }
    }

    #[test]
    fn failures_of_hooks_have_cloudfronts_statuses() {
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
    fn an_origin_that_is_late_is_504_and_one_that_is_away_502() {
        let verdict = |error: FetchError| Refusal::Fetch(error).verdict().0.as_u16();
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
            let (said, kind, _) = Refusal::Fetch(FetchError::Component(failure)).verdict();
            assert_eq!((said.as_u16(), kind.name()), (status, result));
        }
    }
}
