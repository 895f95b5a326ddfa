//! Adds the edge's own headers to an answer, and attaches the record that ends with its body.
//!
//! The words in `X-Cache` are CloudFront's, so that dashboards made for it keep working.

use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode, Version};
use http_body::Body as _;

use crate::edge::answer::Answer;
use crate::edge::body::content::Content;
use crate::edge::node::Node;
use crate::edge::record::RequestRecord;
use crate::edge::response::body::ResponseBody;
use crate::edge::response::tunnel;
use crate::telemetry::ResultType;

/// See the module.
pub(crate) fn finish(node: &Node, mut record: Box<RequestRecord>, answer: Answer) -> Response<ResponseBody> {
    const X_CACHE: HeaderName = HeaderName::from_static("x-cache");
    const POP: HeaderName = HeaderName::from_static("x-amz-cf-pop");
    const ID: HeaderName = HeaderName::from_static("x-amz-cf-id");
    let (mut parts, mut content) = answer.response.into_parts();
    // Our own (RFC 9110 section 6.2), whatever the origin's is; hyper lowers it for clients of HTTP/1.0.
    parts.version = Version::HTTP_11;
    let headers = &mut parts.headers;
    headers.insert(X_CACHE, x_cache(answer.result));
    headers.append(header::VIA, node.via.of(record.version).clone());
    headers.insert(POP, node.via.pop.clone());
    if let Ok(id) = HeaderValue::from_str(record.id.as_str()) {
        headers.insert(ID, id);
    }
    if matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT) {
        // 204 may not have a length, and 205 has none (RFC 9110 sections 8.6 and 15.3.6).
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
        // A hook may have set any length; the real one counts.
        if said.to_str().ok().and_then(|said| said.parse().ok()) != Some(length) {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
    }
    let switched = match content {
        Content::Switched(switched) => switched,
        content => {
            record.answered(&parts, answer.result);
            return Response::from_parts(parts, ResponseBody::new(content, record));
        }
    };
    tunnel::begin(*switched, parts, answer.result, record)
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
