//! A reply to a Lambda@Edge event as the answer of a hook.
//!
//! In origin-request, an object with a `status` is a response, and any other the request to send; in origin-response it is
//! the response to send. `null` where something may be missing is as if it were.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};

use super::event::{Origin, shown};
use crate::limits::{generated, lambda_edge as limits};
use crate::wasm::abi::guest_side::{AnswerWriter, EventResponse, OriginEvent};
use crate::wasm::abi::header_rules::is_read_only;
use crate::wasm::abi::{Moment, Op};

type Object = Map<String, Value>;

/// Values by the name in lower case.
type Headers<'a> = BTreeMap<String, Vec<Cow<'a, str>>>;

/// The answer of the hook; or why the reply is not valid.
pub(super) fn answer(event: &OriginEvent<'_>, reply: &[u8]) -> Result<Vec<u8>, String> {
    let value: Value = serde_json::from_slice(reply).map_err(|error| format!("its reply is no JSON: {error}"))?;
    let Value::Object(reply) = value else { return Err(format!("its reply is {}, and no object", kind(&value))) };
    let mut answer = AnswerWriter::begin();
    match &event.response {
        Some(response) => edit_response(response, &reply, &mut answer)?,
        None if present(&reply, "status").is_some() => generate(&reply, &mut answer)?,
        None => edit_request(event, &reply, &mut answer)?,
    }
    Ok(answer.finish())
}

fn edit_request(event: &OriginEvent<'_>, reply: &Object, answer: &mut AnswerWriter) -> Result<(), String> {
    let Some(uri) = text(reply, "uri")? else {
        return Err("its reply is neither a response, which has a `status`, nor a request, which has a `uri`".to_owned());
    };
    for (name, value) in [("method", event.method), ("clientIp", event.client_ip)] {
        if text(reply, name)?.is_some_and(|told| told != value) {
            return Err(format!("`{name}` is read-only"));
        }
    }
    if uri != event.uri {
        answer.op(&Op::SetUri(uri));
    }
    if let Some(query) = text(reply, "querystring")?
        && query != event.query
    {
        answer.op(&Op::SetQuery(query));
    }
    let before = by_name(shown(&event.headers));
    let told = headers(reply, "headers")?;
    let now = told.as_ref().unwrap_or(&before);
    edit_origin(event, reply, now, answer)?;
    // The origin's own name takes the place of a Host that is gone.
    edit_headers(&before, now, |name| name != "host", answer);
    if let Some(body) = object(reply, "body")?
        && let Some(body) = request_body(body)?
    {
        answer.op(&Op::SetBody(&body));
    }
    Ok(())
}

/// The body that takes the place of the request's, if there is one.
fn request_body(body: &Object) -> Result<Option<Cow<'_, [u8]>>, String> {
    match text(body, "action")? {
        None | Some("read-only") => return Ok(None),
        Some("replace") => {}
        Some(other) => return Err(format!("`body.action` is `{}`, and neither `read-only` nor `replace`", excerpt(other))),
    }
    let data = text(body, "data")?.ok_or("`body.data` is missing")?;
    let body = decoded(data, "body.data", text(body, "encoding")?.unwrap_or("base64"), "body.encoding")?;
    let most = generated::ORIGIN_BYTES;
    if body.len() > most {
        return Err(format!("the body has {} bytes, and may have {most}", body.len()));
    }
    Ok(Some(body))
}

fn generate(reply: &Object, answer: &mut AnswerWriter) -> Result<(), String> {
    let status = status(reply)?.ok_or("`status` is missing")?;
    answer.op(&Op::Respond { status, reason: text(reply, "statusDescription")?.unwrap_or_default() });
    for (name, values) in &headers(reply, "headers")?.unwrap_or_default() {
        // The rules for what a response may have are looser; CloudFront's for this moment hold for both.
        if is_read_only(Moment::OriginRequest, name) {
            return Err(format!("header `{name}` is read-only in origin-request, and must not be added"));
        }
        for value in values {
            answer.op(&Op::AppendHeader { name, value: value.as_bytes() });
        }
    }
    if let Some(body) = response_body(reply)? {
        answer.op(&Op::SetBody(&body));
    }
    Ok(())
}

fn edit_response(before: &EventResponse<'_>, reply: &Object, answer: &mut AnswerWriter) -> Result<(), String> {
    let Some(status) = status(reply)? else { return Err("its reply is no response: `status` is missing".to_owned()) };
    let reason = text(reply, "statusDescription")?.unwrap_or_default();
    if (status, reason) != (before.status, before.reason) {
        answer.op(&Op::SetStatus { status, reason });
    }
    if let Some(now) = headers(reply, "headers")? {
        edit_headers(&by_name(shown(&before.headers)), &now, |_| true, answer);
    }
    if let Some(body) = response_body(reply)? {
        answer.op(&Op::SetBody(&body));
    }
    Ok(())
}

fn response_body(reply: &Object) -> Result<Option<Cow<'_, [u8]>>, String> {
    let encoding = text(reply, "bodyEncoding")?.unwrap_or("text");
    text(reply, "body")?.map(|body| decoded(body, "body", encoding, "bodyEncoding")).transpose()
}

/// A number from 200 to 599, or its text.
fn status(reply: &Object) -> Result<Option<u16>, String> {
    let Some(value) = present(reply, "status") else { return Ok(None) };
    let number = match value {
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        other => other.as_u64(),
    };
    let status = number.filter(|status| (200..=599).contains(status)).and_then(|status| u16::try_from(status).ok());
    status.map(Some).ok_or_else(|| format!("`status` is {}, and no status from 200 to 599", excerpt(&value.to_string())))
}

fn decoded<'a>(data: &'a str, name: &str, encoding: &str, name_of_encoding: &str) -> Result<Cow<'a, [u8]>, String> {
    match encoding {
        "text" => Ok(Cow::Borrowed(data.as_bytes())),
        "base64" => BASE64.decode(data).map(Cow::Owned).map_err(|_| format!("`{name}` is no base64")),
        other => Err(format!("`{name_of_encoding}` is `{}`, and neither `text` nor `base64`", excerpt(other))),
    }
}

/// `may_go` says which headers are removed if they are gone.
fn edit_headers(before: &Headers<'_>, now: &Headers<'_>, may_go: impl Fn(&str) -> bool, answer: &mut AnswerWriter) {
    for name in before.keys().filter(|name| !now.contains_key(*name) && may_go(name)) {
        answer.op(&Op::RemoveHeader { name });
    }
    for (name, values) in now.iter().filter(|(name, values)| before.get(*name) != Some(values)) {
        for (place, value) in values.iter().enumerate() {
            let value = value.as_bytes();
            answer.op(&if place == 0 { Op::SetHeader { name, value } } else { Op::AppendHeader { name, value } });
        }
    }
}

fn edit_origin(
    event: &OriginEvent<'_>,
    reply: &Object,
    headers_now: &Headers<'_>,
    answer: &mut AnswerWriter,
) -> Result<(), String> {
    let Some(origin) = object(reply, "origin")? else { return Ok(()) };
    let before = Origin::shown(&event.origin);
    let (now, place, origin) = match (object(origin, "custom")?, object(origin, "s3")?) {
        (Some(custom), None) => (custom_origin(custom, &before)?, "origin.custom.customHeaders", custom),
        (None, Some(bucket)) => (bucket_origin(bucket, &before)?, "origin.s3.customHeaders", bucket),
        _ => return Err("`origin` has not exactly one of `custom` and `s3`".to_owned()),
    };
    let moved = (now.host, now.port, now.tls) != (before.host, before.port, before.tls);
    if moved {
        answer.op(&Op::OriginAddress { host: now.host, port: now.port, tls: now.tls });
        // The request keeps the Host that it has, as in CloudFront; without one it gets the new origin's.
        if let Some(host) = headers_now.get("host").and_then(|values| values.first()) {
            answer.op(&Op::OriginHostHeader(host));
        }
    }
    if moved || now.path != before.path {
        answer.op(&Op::OriginPath(now.path));
    }
    if now.read_timeout_s != before.read_timeout_s {
        let read_ms = u32::try_from(now.read_timeout_s * 1_000).unwrap_or(u32::MAX);
        answer.op(&Op::OriginTimeouts { connect_ms: 0, read_ms, attempts: 0 });
    }
    let (headers_before, custom_headers) = (by_name(shown(&event.origin_headers)), headers_at(origin, "customHeaders", place)?);
    let custom_headers = custom_headers.unwrap_or_default();
    if headers_before == custom_headers {
        return Ok(());
    }
    answer.op(&Op::ClearOriginHeaders);
    for (name, values) in &custom_headers {
        if headers_now.contains_key(name) {
            return Err(format!("`{place}` and `headers` both have `{}`", excerpt(name)));
        }
        for value in values {
            answer.op(&Op::OriginHeader { name, value: value.as_bytes() });
        }
    }
    Ok(())
}

fn custom_origin<'a>(custom: &'a Object, before: &Origin<'a>) -> Result<Origin<'a>, String> {
    let missing = |name: &str| format!("`origin.custom.{name}` is missing");
    let host = text(custom, "domainName")?.ok_or_else(|| missing("domainName"))?;
    let tls = match text(custom, "protocol")?.ok_or_else(|| missing("protocol"))? {
        "http" => false,
        "https" => true,
        other => return Err(format!("`origin.custom.protocol` is `{}`, and neither `http` nor `https`", excerpt(other))),
    };
    let port = number(custom, "port")?.ok_or_else(|| missing("port"))?;
    // What is as it was is right, whatever it is.
    if host != before.host && !is_host(host, limits::DOMAIN_NAME_BYTES) {
        return Err(format!("`origin.custom.domainName` is `{}`, and no name of a host", excerpt(host)));
    }
    let may_be_port = |port: u64| matches!(port, 80 | 443 | 1_024..=65_535) || port == u64::from(before.port);
    let port = u16::try_from(port).ok().filter(|&port| may_be_port(port.into()));
    let port = port.ok_or("`origin.custom.port` is neither 80, nor 443, nor from 1024 to 65535")?;
    let read_timeout_s = number(custom, "readTimeout")?.unwrap_or(before.read_timeout_s);
    if read_timeout_s != before.read_timeout_s {
        within("readTimeout", read_timeout_s, &limits::READ_TIMEOUT_S)?;
    }
    // The edge keeps connections as it sees fit.
    if let Some(seconds) = number(custom, "keepaliveTimeout")? {
        within("keepaliveTimeout", seconds, &limits::KEEPALIVE_S)?;
    }
    match present(custom, "sslProtocols") {
        None => {}
        Some(Value::Array(protocols)) if protocols.iter().all(is_ssl_protocol) => {}
        Some(_) => return Err("`origin.custom.sslProtocols` is no list of `TLSv1.2`, `TLSv1.1`, `TLSv1`, `SSLv3`".to_owned()),
    }
    Ok(Origin { host, port, tls, path: text(custom, "path")?.unwrap_or_default(), read_timeout_s })
}

/// A bucket is asked by HTTPS.
fn bucket_origin<'a>(bucket: &'a Object, before: &Origin<'a>) -> Result<Origin<'a>, String> {
    let host = text(bucket, "domainName")?.ok_or("`origin.s3.domainName` is missing")?;
    if !is_host(host, limits::BUCKET_DOMAIN_NAME_BYTES) || host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(format!("`origin.s3.domainName` is `{}`, and no name of a bucket's host", excerpt(host)));
    }
    match text(bucket, "authMethod")? {
        None | Some("none") => {}
        Some("origin-access-identity") => {
            return Err("`origin.s3.authMethod` is `origin-access-identity`, which needs AWS; only `none` works here".to_owned());
        }
        Some(other) => return Err(format!("`origin.s3.authMethod` is `{}`, and not `none`", excerpt(other))),
    }
    text(bucket, "region")?;
    let path = text(bucket, "path")?.unwrap_or_default();
    Ok(Origin { host, port: 443, tls: true, path, read_timeout_s: before.read_timeout_s })
}

fn within(name: &str, seconds: u64, allowed: &RangeInclusive<u64>) -> Result<(), String> {
    let (least, most) = (allowed.start(), allowed.end());
    let right = allowed.contains(&seconds);
    if right { Ok(()) } else { Err(format!("`origin.custom.{name}` is not from {least} to {most} seconds")) }
}

fn is_host(host: &str, most: usize) -> bool {
    (1..=most).contains(&host.len()) && !host.contains(':') && host.parse::<Ipv4Addr>().is_err()
}

fn is_ssl_protocol(protocol: &Value) -> bool {
    matches!(protocol.as_str(), Some("TLSv1.2" | "TLSv1.1" | "TLSv1" | "SSLv3"))
}

fn headers<'a>(object: &'a Object, name: &str) -> Result<Option<Headers<'a>>, String> {
    headers_at(object, name, name)
}

/// `{"name": [{"key": "Name", "value": "…"}]}`. A name without values is a header that is not there.
fn headers_at<'a>(object: &'a Object, name: &str, place: &str) -> Result<Option<Headers<'a>>, String> {
    let lists = match present(object, name) {
        None => return Ok(None),
        Some(Value::Object(lists)) => lists,
        Some(_) => return Err(format!("`{place}` is no object")),
    };
    let mut headers = Headers::new();
    for (name, list) in lists {
        let wrong = |what: &str| format!("`{place}` has {what} for `{}`", excerpt(name));
        let Value::Array(list) = list else { return Err(wrong("no list")) };
        for entry in list {
            let Value::Object(entry) = entry else { return Err(wrong("an entry that is no object")) };
            match present(entry, "key") {
                None => {}
                Some(Value::String(key)) if key.eq_ignore_ascii_case(name) => {}
                Some(_) => return Err(wrong("the key of another header")),
            }
            let values = headers.entry(name.to_ascii_lowercase()).or_default();
            match entry.get("value") {
                Some(Value::String(value)) => values.push(Cow::Borrowed(value.as_str())),
                Some(Value::Array(list)) => {
                    for value in list {
                        values.push(value.as_str().ok_or_else(|| wrong("a value that is no text"))?.into());
                    }
                }
                _ => return Err(wrong("a value that is no text")),
            }
        }
    }
    headers.retain(|_, values| !values.is_empty());
    Ok(Some(headers))
}

fn by_name<'a>(fields: impl Iterator<Item = (&'a str, Cow<'a, str>)>) -> Headers<'a> {
    let mut headers = Headers::new();
    for (name, value) in fields {
        headers.entry(name.to_owned()).or_default().push(value);
    }
    headers
}

/// The value of a key; `None` without it, or with `null`.
fn present<'a>(object: &'a Object, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

fn text<'a>(object: &'a Object, name: &str) -> Result<Option<&'a str>, String> {
    present(object, name)
        .map(|value| value.as_str().ok_or_else(|| format!("`{name}` is {}, and no text", kind(value))))
        .transpose()
}

fn number(object: &Object, name: &str) -> Result<Option<u64>, String> {
    let number = |value: &Value| value.as_u64().ok_or_else(|| format!("`{name}` is {}, and no number", kind(value)));
    present(object, name).map(number).transpose()
}

fn object<'a>(object: &'a Object, name: &str) -> Result<Option<&'a Object>, String> {
    let inner = |value: &'a Value| value.as_object().ok_or_else(|| format!("`{name}` is {}, and no object", kind(value)));
    present(object, name).map(inner).transpose()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Keeps messages short, however long a reply's text is.
fn excerpt(text: &str) -> &str {
    &text[..text.floor_char_boundary(64)]
}

#[cfg(test)]
mod tests;
