//! A hook's answer, applied: what each moment allows, and what it does to the exchange.
//!
//! The rules are CloudFront's (cited at each). An answer that breaks one is a bad reply, and nothing of it
//! is used. `wasm::abi` has read the form; I decide on the meaning.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Response, StatusCode, request, response};

use super::headers::{is_disallowed, is_read_only};
use crate::failure::Failure;
use crate::limits::{Limit, Limits, request as request_limits};
use crate::wasm::abi::{Moment, Op, Ops};

/// Where a request goes after a request hook.
#[derive(Debug)]
pub enum Flow {
    Continue(Changes),
    /// Answered here.
    Respond(Response<Bytes>),
}

/// What a request hook changed besides the request itself.
#[derive(Debug, Default)]
pub struct Changes {
    pub body: Option<Bytes>,
    /// Boxed: most hooks leave the origin alone.
    pub origin: Option<Box<OriginChange>>,
}

/// What a hook asked of the origin; unset fields stay as configured.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct OriginChange {
    pub select: Option<String>,
    pub address: Option<(String, u16, bool)>,
    pub path: Option<String>,
    pub host_header: Option<HeaderValue>,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub clear_headers: bool,
    pub connect_ms: u32,
    pub read_ms: u32,
    pub attempts: u8,
    pub group: Option<(String, String, Vec<u16>)>,
}

/// Applies the answer of a request hook.
pub fn apply_to_request(moment: Moment, answer: &[u8], limits: &Limits, parts: &mut request::Parts) -> Result<Flow, Failure> {
    let mut uri: Option<&str> = None;
    let mut query: Option<&str> = None;
    let mut changes = Changes::default();
    let mut generated: Option<(StatusCode, HeaderMap, Bytes)> = None;
    let mut touched = false;
    for op in ops(answer)? {
        let op = op.map_err(|malformed| Failure::BadReply(malformed.to_string()))?;
        match (op, &mut generated) {
            (Op::Respond { status, .. }, generated) => *generated = Some((status_code(status)?, HeaderMap::new(), Bytes::new())),
            (Op::SetBody(body), Some((_, _, generated))) => *generated = Bytes::copy_from_slice(body),
            (Op::SetBody(body), None) if moment == Moment::OriginRequest => changes.body = Some(body_within(limits, body)?),
            (op @ (Op::SetHeader { .. } | Op::AppendHeader { .. } | Op::RemoveHeader { .. }), Some((_, headers, _))) => {
                change_header(None, op, headers)?;
            }
            (op @ (Op::SetHeader { .. } | Op::AppendHeader { .. } | Op::RemoveHeader { .. }), None) => {
                touched = true;
                change_header(Some(moment), op, &mut parts.headers)?;
            }
            (Op::SetUri(text), None) if text.starts_with('/') => uri = Some(text),
            (Op::SetUri(text), None) => return Err(Failure::BadReply(format!("uri `{}` does not begin with `/`", short(text)))),
            (Op::SetQuery(text), None) => query = Some(text),
            (Op::SetStatus { .. } | Op::SetBody(_), _) => return Err(not_here(moment, "a status or body without a response")),
            (_, Some(_)) => return Err(not_here(moment, "a change of the request after a response")),
            (op, None) => change_origin(op, changes.origin.get_or_insert_default())?,
        }
    }
    if let Some((status, headers, body)) = generated {
        return respond(moment, limits, status, headers, body).map(Flow::Respond);
    }
    if touched {
        header_limits(limits, &parts.headers)?;
    }
    if uri.is_some() || query.is_some() {
        replace_uri(parts, uri, query)?;
    }
    Ok(Flow::Continue(changes))
}

/// Applies the answer of a response hook; a new body is returned.
pub fn apply_to_response(moment: Moment, answer: &[u8], limits: &Limits, parts: &mut response::Parts) -> Result<Option<Bytes>, Failure> {
    let mut body = None;
    let mut touched = false;
    for op in ops(answer)? {
        match op.map_err(|malformed| Failure::BadReply(malformed.to_string()))? {
            op @ (Op::SetHeader { .. } | Op::AppendHeader { .. } | Op::RemoveHeader { .. }) => {
                touched = true;
                change_header(Some(moment), op, &mut parts.headers)?;
            }
            Op::SetStatus { status, .. } => parts.status = status_code(status)?,
            Op::SetBody(new) => body = Some(generated_body(moment, new.len()).map(|()| Bytes::copy_from_slice(new))?),
            _ => return Err(not_here(moment, "a change of the request or its origin")),
        }
    }
    if touched {
        header_limits(limits, &parts.headers)?;
    }
    Ok(body)
}

fn ops(answer: &[u8]) -> Result<Ops<'_>, Failure> {
    Ops::parse(answer).map_err(|malformed| Failure::BadReply(malformed.to_string()))
}

/// `moment` is None for the headers of a generated response, where nothing is read-only but the framing.
fn change_header(moment: Option<Moment>, op: Op<'_>, headers: &mut HeaderMap) -> Result<(), Failure> {
    let (Op::SetHeader { name, .. } | Op::AppendHeader { name, .. } | Op::RemoveHeader { name }) = op else { return Ok(()) };
    let parsed = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| Failure::BadReply(format!("header name `{}` is not a token (RFC 9110 §5.1)", short(name))))?;
    let name = parsed.as_str();
    if is_disallowed(name) {
        return Err(Failure::BadReply(format!("header `{name}` may not be added or changed by a hook")));
    }
    match moment {
        Some(moment) if is_read_only(moment, name) => {
            return Err(Failure::BadReply(format!("header `{name}` is read-only in {}", moment.name())));
        }
        None if matches!(name, "transfer-encoding" | "via") => {
            return Err(Failure::BadReply(format!("header `{name}` may not be set in a generated response")));
        }
        _ => {}
    }
    match op {
        Op::SetHeader { value, .. } => drop(headers.insert(parsed, header_value(value)?)),
        Op::AppendHeader { value, .. } => drop(headers.append(parsed, header_value(value)?)),
        _ => drop(headers.remove(parsed)),
    }
    Ok(())
}

fn header_value(value: &[u8]) -> Result<HeaderValue, Failure> {
    HeaderValue::from_bytes(value).map_err(|_| Failure::BadReply("a header value has control characters (RFC 9110 §5.5)".to_owned()))
}

fn header_limits(limits: &Limits, headers: &HeaderMap) -> Result<(), Failure> {
    let over = |limit| Failure::Limit { limit, value: limits.value(limit) };
    if headers.len() as u64 > limits.value(Limit::HeaderCount) {
        return Err(over(Limit::HeaderCount));
    }
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes as u64 > limits.value(Limit::HeaderBytes) {
        return Err(over(Limit::HeaderBytes));
    }
    Ok(())
}

fn replace_uri(parts: &mut request::Parts, uri: Option<&str>, query: Option<&str>) -> Result<(), Failure> {
    let path = uri.unwrap_or_else(|| parts.uri.path());
    // A hook that writes `?` into the path means a query string, as in CloudFront.
    let (path, inline) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let query = query.or(inline).or_else(|| parts.uri.query()).unwrap_or_default();
    let mut text = String::with_capacity(path.len() + 1 + query.len());
    text.push_str(path);
    if !query.is_empty() {
        text.push('?');
        text.push_str(query);
    }
    if text.len() > request_limits::URL_BYTES {
        return Err(Failure::BadReply(format!("uri and query of {} bytes are over {}", text.len(), request_limits::URL_BYTES)));
    }
    let bad = |_| Failure::BadReply("uri or query has characters that must be percent-encoded (RFC 3986 §2.1)".to_owned());
    let path_and_query = PathAndQuery::from_maybe_shared(Bytes::from(text)).map_err(bad)?;
    parts.uri = path_and_query.into();
    Ok(())
}

fn respond(moment: Moment, limits: &Limits, status: StatusCode, headers: HeaderMap, body: Bytes) -> Result<Response<Bytes>, Failure> {
    generated_body(moment, body.len())?;
    header_limits(limits, &headers)?;
    if status == StatusCode::NO_CONTENT && !body.is_empty() {
        return Err(Failure::BadReply("a response of 204 has no body (RFC 9110 §15.3.5)".to_owned()));
    }
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    // The framing is ours: a wrong length would desynchronise the connection.
    response.headers_mut().remove(http::header::CONTENT_LENGTH);
    Ok(response)
}

/// CloudFront's sizes of generated responses: 40 KB in viewer events, 1 MB in origin events.
fn generated_body(moment: Moment, bytes: usize) -> Result<(), Failure> {
    let max = if moment.is_viewer() { 40 << 10 } else { 1 << 20 };
    if bytes > max {
        return Err(Failure::BadReply(format!("a body of {bytes} bytes is over {max} in {}", moment.name())));
    }
    Ok(())
}

fn body_within(limits: &Limits, body: &[u8]) -> Result<Bytes, Failure> {
    let value = limits.value(Limit::BodyBytes);
    if body.len() as u64 > value {
        return Err(Failure::Limit { limit: Limit::BodyBytes, value });
    }
    Ok(Bytes::copy_from_slice(body))
}

fn status_code(status: u16) -> Result<StatusCode, Failure> {
    match StatusCode::from_u16(status) {
        Ok(code) if (200..600).contains(&status) => Ok(code),
        _ => Err(Failure::BadReply(format!("status {status} is not in 200 to 599"))),
    }
}

fn change_origin(op: Op<'_>, change: &mut OriginChange) -> Result<(), Failure> {
    match op {
        Op::SelectOrigin { id } => change.select = Some(id.to_owned()),
        Op::OriginAddress { host, port, tls } => {
            let valid = !host.is_empty() && host.len() <= 253 && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'[' | b']' | b':'));
            if !valid || port == 0 {
                return Err(Failure::BadReply(format!("origin `{}:{port}` is not a host and port", short(host))));
            }
            change.address = Some((host.to_owned(), port, tls));
        }
        Op::OriginPath(path) => {
            let valid = path.is_empty() || (path.starts_with('/') && !path.ends_with('/') && path.len() <= 255);
            if !valid {
                return Err(Failure::BadReply("origin path is neither empty nor `/x`, at most 255 bytes".to_owned()));
            }
            change.path = Some(path.to_owned());
        }
        Op::OriginHostHeader(host) => change.host_header = Some(header_value(host.as_bytes())?),
        Op::OriginHeader { name, value } => {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Failure::BadReply(format!("header name `{}` is not a token", short(name))))?;
            if is_disallowed(name.as_str()) || is_read_only(Moment::OriginRequest, name.as_str()) {
                return Err(Failure::BadReply(format!("header `{name}` may not be added for an origin")));
            }
            change.headers.push((name, header_value(value)?));
        }
        Op::ClearOriginHeaders => change.clear_headers = true,
        Op::OriginTimeouts { connect_ms, read_ms, attempts } => {
            if connect_ms > 10_000 || read_ms > 120_000 || attempts > 3 {
                return Err(Failure::BadReply("origin timeouts are at most 10,000 ms and 120,000 ms, and attempts 3".to_owned()));
            }
            (change.connect_ms, change.read_ms, change.attempts) = (connect_ms, read_ms, attempts);
        }
        Op::OriginGroup { primary, secondary, statuses } => {
            change.group = Some((primary.to_owned(), secondary.to_owned(), statuses.iter().collect()));
        }
        _ => {}
    }
    Ok(())
}

fn not_here(moment: Moment, what: &str) -> Failure {
    Failure::BadReply(format!("{what} is not possible in {}", moment.name()))
}

/// Guests' text in our log is kept short.
fn short(text: &str) -> &str {
    let mut end = text.len().min(80);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
