//! What a hook is told: an exchange as the flat event of `docs/abi.md`.

use http::{HeaderMap, request, response};

use super::headers::is_disallowed;
use super::origin::{Target, TargetKind};
use crate::wasm::abi::{self, EventWriter, Moment};

/// What is the same for all hooks of an exchange.
pub(super) struct Context<'a> {
    pub site: &'a str,
    pub request_id: &'a str,
    pub client_ip: &'a str,
    pub edge_location: &'a str,
}

/// Writes the event of a request moment.
pub(super) fn of_request(
    buffer: &mut Vec<u8>,
    moment: Moment,
    context: &Context<'_>,
    parts: &request::Parts,
    body: abi::Body<'_>,
    target: Option<&Target>,
) {
    let mut writer = begin(buffer, moment, context, parts);
    request(&mut writer, parts, body);
    if let Some(target) = target {
        origin(&mut writer, target);
    }
}

/// Writes the event of a response moment.
pub(super) fn of_response(
    buffer: &mut Vec<u8>,
    moment: Moment,
    context: &Context<'_>,
    parts: &request::Parts,
    target: Option<&Target>,
    response: &response::Parts,
    body: abi::Body<'_>,
) {
    let mut writer = begin(buffer, moment, context, parts);
    request(&mut writer, parts, abi::Body::Hidden);
    if let Some(target) = target {
        origin(&mut writer, target);
    }
    writer.response(response.status.as_u16(), response.status.canonical_reason().unwrap_or_default());
    writer.headers(visible(&response.headers));
    writer.body(body);
}

fn begin<'b>(buffer: &'b mut Vec<u8>, moment: Moment, context: &Context<'_>, parts: &request::Parts) -> EventWriter<'b> {
    let has_query = parts.uri.query().is_some();
    EventWriter::begin(buffer, moment, has_query, context.site, context.request_id, context.client_ip, context.edge_location)
}

fn request(writer: &mut EventWriter<'_>, parts: &request::Parts, body: abi::Body<'_>) {
    writer.request(parts.method.as_str(), parts.uri.path(), parts.uri.query().unwrap_or_default());
    writer.headers(visible(&parts.headers));
    writer.body(body);
}

fn origin(writer: &mut EventWriter<'_>, target: &Target) {
    let (host, port, tls, path, connect, read) = match &target.kind {
        TargetKind::Url(url) => (
            url.host.as_str(),
            url.port,
            url.tls.is_some(),
            url.path.as_str(),
            u32::try_from(url.connect_timeout.as_millis()).unwrap_or(u32::MAX),
            u32::try_from(url.read_timeout.as_millis()).unwrap_or(u32::MAX),
        ),
        _ => ("", 0, false, "", 0, 0),
    };
    writer.origin(&abi::Origin { id: &target.id, host, port, tls, path, connect_timeout_ms: connect, read_timeout_ms: read });
    match &target.kind {
        TargetKind::Url(url) => writer.headers(url.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))),
        _ => writer.headers(std::iter::empty()),
    }
}

fn visible(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).filter(|(name, _)| !is_disallowed(name))
}
