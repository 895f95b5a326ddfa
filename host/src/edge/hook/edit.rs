//! Applies a hook's answer to a request or a response, under CloudFront's rules; an error says which operation broke one.
//!
//! Pure: bytes in, edits out. When a rule is broken, half of an answer may have been applied; the caller then answers with
//! an error and uses neither. An answer without operations changes nothing.

use std::num::NonZeroU8;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{HeaderMap, StatusCode};

use crate::edge::hook::edits::{HookEdits, OriginChoice, OriginEdits};
use crate::edge::origin::address::OriginAddress;
use crate::edge::request::head::{RequestHead, is_host};
use crate::edge::request::spare;
use crate::failure::Failure;
use crate::limits::{self, Limit, Limits};
use crate::wasm::abi::header_rules::{is_disallowed, is_read_only};
use crate::wasm::abi::{Moment, Op, Ops};

/// What begins with a report is none of the answers that come here (`wasm::abi::reported`).
const REPORT_ALONE: &str = "a report of a failure must be the first op of its answer";

/// Where a request goes after a hook.
#[derive(Debug)]
pub(crate) enum Flow {
    Continue,
    Respond(http::Response<Bytes>),
}

/// Applies an answer at a request's moment.
pub(crate) fn edit_request(
    moment: Moment,
    limits: &Limits,
    answer: &[u8],
    head: &mut RequestHead,
    edits: &mut HookEdits,
) -> Result<Flow, Failure> {
    let mut ops = Ops::parse(answer).map_err(bad)?;
    let (mut uri, mut query): (Option<&str>, Option<&str>) = (None, None);
    let mut headers_changed = false;
    while let Some(op) = ops.next() {
        match op.map_err(bad)? {
            Op::SetUri(text) if text.starts_with('/') => uri = Some(text),
            Op::SetUri(text) => return Err(bad(format!("the URI `{}` does not begin with `/`", excerpt(text)))),
            Op::SetQuery(text) => query = Some(text),
            Op::Respond { status, reason } => return generate(moment, limits, status, reason, ops).map(Flow::Respond),
            Op::SetBody(body) if moment == Moment::OriginRequest => edits.body = Some(Bytes::copy_from_slice(body)),
            Op::SetBody(_) => return Err(bad("the request's body can only be replaced in origin-request")),
            Op::SetStatus { .. } => return Err(bad("a status was set where there is no response")),
            op @ (Op::SetHeader { .. } | Op::AppendHeader { .. } | Op::RemoveHeader { .. }) => {
                headers_changed = true;
                edit_header(moment, &mut head.headers, op)?;
            }
            op => edit_origin(moment, edits.origin.get_or_insert_default(), op)?,
        }
    }
    if uri.is_some() || query.is_some() {
        head.target = target(&head.target, uri, query)?;
    }
    if headers_changed {
        check_headers(limits, &head.headers)?
    }
    Ok(Flow::Continue)
}

/// Applies an answer at a response's moment. Returns the body to send instead, if the hook replaces it.
pub(crate) fn edit_response(
    moment: Moment,
    limits: &Limits,
    answer: &[u8],
    response: &mut http::response::Parts,
) -> Result<Option<Bytes>, Failure> {
    let mut body = None;
    let (mut touched, mut coded) = (false, false);
    for op in Ops::parse(answer).map_err(bad)? {
        touched = true;
        match op.map_err(bad)? {
            Op::SetStatus { status, reason } => {
                response.status = self::status(status)?;
                set_reason(&mut response.extensions, response.status, reason)?;
            }
            Op::SetBody(data) => body = Some(Bytes::copy_from_slice(data)),
            op @ (Op::SetHeader { .. } | Op::AppendHeader { .. } | Op::RemoveHeader { .. }) => {
                coded |= matches!(op, Op::SetHeader { name, .. } | Op::AppendHeader { name, .. } if name.eq_ignore_ascii_case("content-encoding"));
                edit_header(moment, &mut response.headers, op)?;
            }
            Op::Failed(_) | Op::Invalid(_) => return Err(bad(REPORT_ALONE)),
            _ => return Err(bad(format!("an op for requests was used in {}", moment.name()))),
        }
    }
    if touched {
        check_headers(limits, &response.headers)?;
        check_generated(moment, response.status, &response.headers, body.as_deref().unwrap_or_default())?;
    }
    if body.is_some() {
        response.headers.remove(header::CONTENT_LENGTH);
        // At this moment a hook sees no body: the new one has the old content coding only if the hook says so.
        if moment == Moment::ViewerResponse && !coded {
            response.headers.remove(header::CONTENT_ENCODING);
        }
    }
    Ok(body)
}

fn generate(moment: Moment, limits: &Limits, status: u16, reason: &str, ops: Ops<'_>) -> Result<http::Response<Bytes>, Failure> {
    let mut response = http::Response::new(Bytes::new());
    *response.headers_mut() = spare::take();
    // Most hooks' headers and the edge's own fit; a map that begins empty grows twice on the way.
    response.headers_mut().reserve(12);
    *response.status_mut() = self::status(status)?;
    set_reason(response.extensions_mut(), self::status(status)?, reason)?;
    for op in ops {
        match op.map_err(bad)? {
            Op::SetBody(body) => *response.body_mut() = Bytes::copy_from_slice(body),
            op @ (Op::SetHeader { .. } | Op::AppendHeader { .. } | Op::RemoveHeader { .. }) => {
                // The rules for a response apply, not those for the request that it answers.
                edit_header(Moment::OriginResponse, response.headers_mut(), op)?;
            }
            _ => return Err(bad("only headers and a body may follow a generated response")),
        }
    }
    check_headers(limits, response.headers())?;
    check_generated(moment, response.status(), response.headers(), response.body())?;
    response.headers_mut().remove(header::CONTENT_LENGTH);
    Ok(response)
}

fn edit_header(moment: Moment, headers: &mut HeaderMap, op: Op<'_>) -> Result<(), Failure> {
    let (name, value) = match op {
        Op::SetHeader { name, value } | Op::AppendHeader { name, value } => (name, Some(value)),
        Op::RemoveHeader { name } => (name, None),
        _ => return Ok(()),
    };
    // Parsing lower-cases the name, so that the tables see one spelling.
    let name = self::name(name)?;
    let value = value.map(|value| self::value(&name, value)).transpose()?;
    if is_disallowed(name.as_str()) {
        return Err(bad(format!("header `{name}` is not allowed")));
    }
    if is_read_only(moment, name.as_str()) {
        let unchanged = matches!(op, Op::SetHeader { .. }) && headers.get(&name) == value.as_ref() && value.is_some();
        return if unchanged { Ok(()) } else { Err(bad(format!("header `{name}` is read-only in {}", moment.name()))) };
    }
    if name == header::HOST && !matches!(op, Op::SetHeader { .. }) {
        return Err(bad("header `host` can be set, but neither added to nor removed"));
    }
    if name == header::HOST && moment.is_request() && !value.as_ref().is_some_and(|host| is_host(host.as_bytes())) {
        return Err(bad("header `host` is not a host with an optional port"));
    }
    match (op, value) {
        (Op::AppendHeader { .. }, Some(value)) => {
            // The map is full only far above the limit, which is checked later.
            if headers.try_append(name, value).is_err() {
                return Err(bad("too many headers"));
            }
        }
        (_, Some(value)) => {
            if headers.try_insert(name, value).is_err() {
                return Err(bad("too many headers"));
            }
        }
        (_, None) => {
            headers.remove(name);
        }
    }
    Ok(())
}

fn edit_origin(moment: Moment, edits: &mut OriginEdits, op: Op<'_>) -> Result<(), Failure> {
    match op {
        Op::SelectOrigin { id } => edits.choice = Some(OriginChoice::Named(id.to_owned())),
        Op::OriginGroup { primary, secondary, statuses } => {
            if moment != Moment::ViewerRequest {
                return Err(bad("an origin group can only be made in viewer-request"));
            }
            edits.choice = Some(OriginChoice::Group {
                primary: primary.to_owned(),
                secondary: secondary.to_owned(),
                statuses: statuses.iter().collect(),
            });
        }
        Op::OriginAddress { host, port, tls } => {
            let valid = (1..=253).contains(&host.len())
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':'));
            if !valid || port == 0 {
                return Err(bad(format!("`{}` port {port} is not an address of an origin", excerpt(host))));
            }
            edits.address = Some(OriginAddress::new(&host.to_ascii_lowercase(), port, tls).map_err(bad)?);
        }
        Op::OriginPath(path) => {
            let is_prefix = path.starts_with('/') && !path.ends_with('/') && path.len() <= 255 && !path.contains(['?', '#']);
            let is_path = path.is_empty() || (is_prefix && PathAndQuery::try_from(path).is_ok());
            if !is_path {
                return Err(bad(format!("the origin's path `{}` is not empty or like `/x`", excerpt(path))));
            }
            edits.path = Some(path.to_owned());
        }
        Op::OriginHostHeader(host) => {
            if !is_host(host.as_bytes()) {
                return Err(bad(format!("`{}` is not a host with an optional port", excerpt(host))));
            }
            edits.host_header = Some(value(&header::HOST, host.as_bytes())?);
        }
        Op::OriginHeader { name, value } => {
            let name = self::name(name)?;
            if is_disallowed(name.as_str()) || is_read_only(Moment::OriginRequest, name.as_str()) || name == header::HOST {
                return Err(bad(format!("header `{name}` is not allowed for an origin")));
            }
            if edits.headers.len() >= limits::request::HEADERS {
                return Err(bad("too many headers for the origin"));
            }
            let value = self::value(&name, value)?;
            edits.headers.push((name, value));
        }
        Op::ClearOriginHeaders => {
            edits.clear_headers = true;
            edits.headers.clear();
        }
        Op::OriginTimeouts { connect_ms, read_ms, attempts } => {
            let within = |value: u32, low: u32, high: u32| value == 0 || (low..=high).contains(&value);
            if !within(connect_ms, 1, 10_000) || !within(read_ms, 1, 120_000) || attempts > 3 {
                return Err(bad("timeouts for the origin are at most 10 s to connect, 120 s to read, 3 attempts"));
            }
            // In the ABI, 0 leaves a setting as it is.
            let set = |ms: u32| (ms > 0).then(|| Duration::from_millis(ms.into()));
            (edits.connect_timeout, edits.read_timeout) = (set(connect_ms), set(read_ms));
            edits.connect_attempts = NonZeroU8::new(attempts);
        }
        Op::Failed(_) | Op::Invalid(_) => return Err(bad(REPORT_ALONE)),
        _ => return Err(bad("an op for responses was used on a request")),
    }
    Ok(())
}

fn target(old: &PathAndQuery, uri: Option<&str>, query: Option<&str>) -> Result<PathAndQuery, Failure> {
    let path = uri.unwrap_or(old.path());
    let query = query.or(old.query()).filter(|query| !query.is_empty());
    if path.contains(['?', '#']) || query.is_some_and(|query| query.contains('#')) {
        return Err(bad("the URI contains `?` or `#`, or the query string `#`; escape them"));
    }
    let mut text = String::with_capacity(path.len() + query.map_or(0, |query| query.len() + 1));
    text.push_str(path);
    if let Some(query) = query {
        text.push('?');
        text.push_str(query);
    }
    if text.len() > limits::request::URL_BYTES {
        return Err(bad(format!("the URI is longer than {} bytes", limits::request::URL_BYTES)));
    }
    PathAndQuery::from_maybe_shared(Bytes::from(text))
        .map_err(|_| bad(format!("the URI `{}` is not valid; escape it", excerpt(path))))
}

fn check_headers(limits: &Limits, headers: &HeaderMap) -> Result<(), Failure> {
    let over = |limit: Limit, used: usize| {
        let value = limits.value(limit);
        if u64::try_from(used).is_ok_and(|used| used <= value) { Ok(()) } else { Err(Failure::Limit { limit, value }) }
    };
    over(Limit::HeaderCount, headers.len())?;
    over(Limit::HeaderBytes, header_bytes(headers))
}

fn header_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// CloudFront's sizes of generated responses, headers included (Lambda@Edge quotas).
fn check_generated(moment: Moment, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<(), Failure> {
    if body.is_empty() {
        return Ok(());
    }
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Err(bad(format!("a response with status {} cannot have a body", status.as_u16())));
    }
    let most = if moment.is_viewer() { limits::generated::VIEWER_BYTES } else { limits::generated::ORIGIN_BYTES };
    if body.len() + header_bytes(headers) > most {
        return Err(Failure::Limit { limit: Limit::ReplyBytes, value: most as u64 });
    }
    Ok(())
}

fn status(status: u16) -> Result<StatusCode, Failure> {
    let code = StatusCode::from_u16(status).ok().filter(|code| (200..=599).contains(&code.as_u16()));
    code.ok_or_else(|| bad(format!("status {status} is not between 200 and 599")))
}

fn set_reason(extensions: &mut http::Extensions, status: StatusCode, reason: &str) -> Result<(), Failure> {
    extensions.remove::<hyper::ext::ReasonPhrase>();
    if reason.is_empty() || status.canonical_reason() == Some(reason) {
        return Ok(());
    }
    let reason = hyper::ext::ReasonPhrase::try_from(reason.as_bytes()).map_err(|_| bad("the status description is not valid"))?;
    extensions.insert(reason);
    Ok(())
}

fn name(name: &str) -> Result<HeaderName, Failure> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad(format!("`{}` is not a header name", excerpt(name))))
}

fn value(name: &HeaderName, value: &[u8]) -> Result<HeaderValue, Failure> {
    HeaderValue::from_bytes(value).map_err(|_| bad(format!("the value of header `{name}` is not valid")))
}

/// Keeps messages short, however long a guest's text is.
fn excerpt(text: &str) -> &str {
    let end = text.char_indices().nth(64).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

fn bad(why: impl ToString) -> Failure {
    Failure::BadReply(why.to_string())
}

#[cfg(test)]
mod tests;
