//! Lambda@Edge's event, `{"Records": [{"cf": …}]}`, and what comes of it as Lambda@Edge's functions would give it back.
//!
//! <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/lambda-event-structure.html>. What is shown are a whole
//! request or response, after the rules of the moment: what an edge would send.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::response;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::event::{self, TrialEvent, TrialForm, TrialOrigin};
use crate::edge::body::peek::BodyPreview;
use crate::edge::hook::edits::{HookEdits, OriginChoice, OriginEdits};
use crate::edge::request::head::RequestHead;
use crate::wasm::abi::Moment;

#[derive(Debug, Deserialize)]
struct RecordsEvent {
    #[serde(rename = "Records")]
    records: Vec<EventRecord>,
}

#[derive(Debug, Deserialize)]
struct EventRecord {
    cf: RecordParts,
}

#[derive(Debug, Deserialize)]
struct RecordParts {
    config: RecordConfig,
    request: RecordRequest,
    response: Option<RecordResponse>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordConfig {
    event_type: String,
    #[serde(default)]
    distribution_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordRequest {
    #[serde(default)]
    client_ip: String,
    method: String,
    uri: String,
    #[serde(default)]
    querystring: String,
    #[serde(default)]
    headers: RecordHeaders,
    body: Option<RecordBody>,
    origin: Option<RecordOrigin>,
}

#[derive(Debug, Deserialize)]
struct RecordResponse {
    /// Text, as CloudFront sends it, or a number.
    status: Value,
    #[serde(default)]
    headers: RecordHeaders,
}

type RecordHeaders = BTreeMap<String, Vec<RecordField>>;

#[derive(Debug, Deserialize)]
struct RecordField {
    value: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordBody {
    #[serde(default)]
    input_truncated: bool,
    #[serde(default)]
    data: String,
}

#[derive(Debug, Deserialize)]
struct RecordOrigin {
    custom: Option<RecordServer>,
    s3: Option<RecordServer>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordServer {
    domain_name: String,
    port: Option<u16>,
    protocol: Option<String>,
    #[serde(default)]
    path: String,
    read_timeout: Option<u32>,
    #[serde(default)]
    custom_headers: RecordHeaders,
}

pub(super) fn read(event: &str) -> anyhow::Result<TrialEvent> {
    let event: RecordsEvent = serde_json::from_str(event).context("not an event of Lambda@Edge")?;
    let [EventRecord { cf: RecordParts { config, request, response } }] = event.records.as_slice() else {
        bail!("`Records` has {} entries; an event of Lambda@Edge has one", event.records.len());
    };
    let moment = event::moment(&config.event_type, "config.eventType")?;
    let response = match (response, moment.is_request()) {
        (_, true) => None,
        (Some(response), false) => Some(response_head(response)?),
        (None, false) => bail!("an event of {} has a `response`", moment.name()),
    };
    Ok(TrialEvent {
        moment,
        form: TrialForm::Records,
        site: config.distribution_id.clone(),
        client_ip: request.client_ip.clone(),
        head: event::request_head(
            &request.method,
            &request.uri,
            &request.querystring,
            headers(&request.headers).context("request.headers")?,
        )?,
        // Only this hook sees one.
        body: request.body.as_ref().filter(|_| moment == Moment::OriginRequest).map(body).transpose()?,
        origin: request.origin.as_ref().map_or_else(|| Ok(TrialOrigin::unknown()), origin)?,
        response,
    })
}

fn response_head(response: &RecordResponse) -> anyhow::Result<response::Parts> {
    let status = match &response.status {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64().and_then(|status| u16::try_from(status).ok()),
    };
    event::response_head(status.context("response.status")?, headers(&response.headers).context("response.headers")?)
}

fn body(body: &RecordBody) -> anyhow::Result<BodyPreview> {
    let data = BASE64.decode(&body.data).context("request.body.data is no base64")?;
    Ok(BodyPreview { data, truncated: body.input_truncated })
}

/// A bucket is asked by HTTPS.
fn origin(origin: &RecordOrigin) -> anyhow::Result<TrialOrigin> {
    let (server, tls) = match (&origin.custom, &origin.s3) {
        (Some(server), None) => (server, server.protocol.as_deref() != Some("http")),
        (None, Some(server)) => (server, true),
        _ => bail!("request.origin has not exactly one of `custom` and `s3`"),
    };
    let headers = headers(&server.custom_headers).context("request.origin: customHeaders")?;
    Ok(TrialOrigin {
        host: server.domain_name.clone(),
        port: server.port.unwrap_or(if tls { 443 } else { 80 }),
        tls,
        path: server.path.clone(),
        read_timeout_ms: server.read_timeout.unwrap_or_default().saturating_mul(1_000),
        headers: headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
    })
}

fn headers(fields: &RecordHeaders) -> anyhow::Result<HeaderMap> {
    let fields = fields.iter().flat_map(|(name, list)| list.iter().map(move |field| (name.as_str(), field.value.as_str())));
    event::headers(fields)
}

pub(super) fn shown_request(head: &RequestHead, client_ip: &str, origin: &TrialOrigin, edits: &HookEdits) -> Value {
    let mut headers = head.headers.clone();
    let mut shown = json!({
        "clientIp": client_ip,
        "method": head.method.as_str(),
        "uri": head.path(),
        "querystring": head.target.query().unwrap_or_default(),
    });
    let edits_of_origin = edits.origin.as_deref();
    if !origin.host.is_empty() || edits_of_origin.is_some() {
        shown["origin"] = edits_of_origin.map_or_else(|| server(origin), |edits| edited(origin, edits));
    }
    let host = edits_of_origin
        .and_then(|edits| edits.host_header.as_ref().or_else(|| edits.address.as_ref().map(|address| address.host_header())));
    if let Some(host) = host {
        headers.insert(http::header::HOST, host.clone());
    }
    shown["headers"] = Value::Object(fields(&headers));
    if let Some(body) = &edits.body {
        shown["body"] = json!({ "action": "replace", "encoding": "base64", "data": BASE64.encode(body) });
    }
    shown
}

fn edited(origin: &TrialOrigin, edits: &OriginEdits) -> Value {
    match &edits.choice {
        Some(OriginChoice::Named(name)) => return json!({ "name": name }),
        Some(OriginChoice::Group { primary, secondary, statuses }) => {
            return json!({ "group": { "primary": primary, "secondary": secondary, "statuses": statuses } });
        }
        None => {}
    }
    let mut origin = origin.clone();
    if let Some(address) = &edits.address {
        (origin.host, origin.port, origin.tls) = (address.host().to_owned(), address.port(), address.is_tls());
    }
    if let Some(path) = &edits.path {
        origin.path.clone_from(path);
    }
    if let Some(timeout) = edits.read_timeout {
        origin.read_timeout_ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
    }
    if edits.clear_headers {
        origin.headers.clear();
    }
    origin.headers.extend(edits.headers.iter().cloned());
    server(&origin)
}

fn server(origin: &TrialOrigin) -> Value {
    let headers: HeaderMap = origin.headers.iter().cloned().collect();
    let mut custom = json!({
        "customHeaders": fields(&headers),
        "domainName": origin.host,
        "path": origin.path,
        "port": origin.port,
        "protocol": if origin.tls { "https" } else { "http" },
    });
    if origin.read_timeout_ms != 0 {
        custom["readTimeout"] = json!(origin.read_timeout_ms / 1_000);
    }
    json!({ "custom": custom })
}

pub(super) fn shown_response(parts: &response::Parts, body: Option<Bytes>) -> Value {
    let reason = parts.extensions.get::<hyper::ext::ReasonPhrase>().map(|reason| String::from_utf8_lossy(reason.as_bytes()));
    let reason = reason.unwrap_or_else(|| parts.status.canonical_reason().unwrap_or_default().into());
    let mut shown = json!({
        "status": parts.status.as_str(),
        "statusDescription": reason,
        "headers": fields(&parts.headers),
    });
    if let Some(body) = body {
        let (text, encoding) = match std::str::from_utf8(&body) {
            Ok(text) => (text.to_owned(), "text"),
            Err(_) => (BASE64.encode(&body), "base64"),
        };
        shown["body"] = json!(text);
        shown["bodyEncoding"] = json!(encoding);
    }
    shown
}

/// `{"name": [{"key": "name", "value": "…"}]}`: names in lower case, as HTTP/2 sends them.
fn fields(headers: &HeaderMap<HeaderValue>) -> Map<String, Value> {
    let field = |name: &HeaderName, value: &HeaderValue| json!({ "key": name.as_str(), "value": String::from_utf8_lossy(value.as_bytes()) });
    let of = |name: &HeaderName| headers.get_all(name).iter().map(|value| field(name, value)).collect();
    headers.keys().map(|name| (name.as_str().to_owned(), Value::Array(of(name)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(cf: Value) -> String {
        json!({ "Records": [{ "cf": cf }] }).to_string()
    }

    #[test]
    fn an_event_is_read_with_its_origin_and_body() {
        let request = json!({
            "clientIp": "192.0.2.7", "method": "POST", "uri": "/a", "querystring": "b=1",
            "headers": { "host": [{ "key": "Host", "value": "example.com" }], "x-a": [{ "value": "1" }, { "value": "2" }] },
            "body": { "inputTruncated": true, "action": "read-only", "encoding": "base64", "data": "aGk=" },
            "origin": { "custom": {
                "customHeaders": { "x-key": [{ "key": "X-Key", "value": "s" }] }, "domainName": "o.example.com", "port": 8443,
                "path": "/v1", "protocol": "https", "readTimeout": 5, "keepaliveTimeout": 5, "sslProtocols": ["TLSv1.2"],
            } },
        });
        let read = read(&event(json!({ "config": { "eventType": "origin-request" }, "request": request }))).unwrap();
        let body = read.body.unwrap();
        assert_eq!((body.data.as_slice(), body.truncated), (b"hi".as_slice(), true));
        let shown = shown_request(&read.head, &read.client_ip, &read.origin, &HookEdits::default());
        let lower = |name: &str, value: &str| json!({ "key": name, "value": value });
        let expected = json!({
            "clientIp": "192.0.2.7", "method": "POST", "uri": "/a", "querystring": "b=1",
            "headers": { "host": [lower("host", "example.com")], "x-a": [lower("x-a", "1"), lower("x-a", "2")] },
            "origin": { "custom": {
                "customHeaders": { "x-key": [lower("x-key", "s")] }, "domainName": "o.example.com", "port": 8443,
                "path": "/v1", "protocol": "https", "readTimeout": 5,
            } },
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_bucket_is_an_origin_by_https() {
        let request = json!({ "method": "GET", "uri": "/", "origin": { "s3": { "domainName": "b.s3.amazonaws.com" } } });
        let read = read(&event(json!({ "config": { "eventType": "origin-request" }, "request": request }))).unwrap();
        assert_eq!((read.origin.host.as_str(), read.origin.port, read.origin.tls), ("b.s3.amazonaws.com", 443, true));
    }

    #[test]
    fn what_is_no_event_of_lambda_at_edge_is_refused() {
        let request = json!({ "method": "GET", "uri": "/" });
        let config = |moment: &str| json!({ "eventType": moment });
        for (text, told) in [
            (json!({ "Records": [] }).to_string(), "`Records` has 0 entries"),
            (json!({ "Records": [{ "s3": {} }] }).to_string(), "not an event of Lambda@Edge"),
            (event(json!({ "config": config("later"), "request": request })), "config.eventType `later` is none of"),
            (
                event(json!({ "config": config("origin-response"), "request": request })),
                "an event of origin-response has a `response`",
            ),
            (
                event(json!({ "config": config("origin-response"), "request": request, "response": { "status": "2x" } })),
                "response.status",
            ),
            (
                event(json!({ "config": config("origin-request"), "request": { "method": "GET", "uri": "a" } })),
                "request.uri `a` does not begin with `/`",
            ),
        ] {
            let error = read(&text).err().unwrap_or_else(|| panic!("{text}"));
            assert!(format!("{error:#}").starts_with(told), "{error:#}");
        }
    }
}
