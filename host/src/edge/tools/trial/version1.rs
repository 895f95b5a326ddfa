//! CloudFront Functions' event object, version 1.0, and what comes of it in the same form.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::header::{self, HeaderMap, HeaderValue};
use http::response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::event::{self, TrialEvent, TrialForm, TrialOrigin};
use crate::edge::request::head::RequestHead;

#[derive(Debug, Deserialize)]
struct Event {
    context: TrialContext,
    #[serde(default)]
    viewer: Viewer,
    request: EventRequest,
    response: Option<EventResponse>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TrialContext {
    event_type: String,
    #[serde(default)]
    distribution_id: String,
}

#[derive(Debug, Default, Deserialize)]
struct Viewer {
    #[serde(default)]
    ip: String,
}

#[derive(Debug, Deserialize)]
struct EventRequest {
    method: String,
    uri: String,
    /// A string, or a map like that of the headers.
    #[serde(default)]
    querystring: Value,
    #[serde(default)]
    headers: BTreeMap<String, EventValue>,
    #[serde(default)]
    cookies: BTreeMap<String, EventValue>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventResponse {
    status_code: u16,
    #[serde(default)]
    headers: BTreeMap<String, EventValue>,
    #[serde(default)]
    cookies: BTreeMap<String, EventValue>,
}

/// `{value, multiValue?}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventValue {
    #[serde(default)]
    value: String,
    #[serde(default)]
    attributes: String,
    #[serde(default)]
    multi_value: Vec<EventValue>,
}

impl EventValue {
    fn all(&self) -> Vec<&EventValue> {
        if self.multi_value.is_empty() { vec![self] } else { self.multi_value.iter().collect() }
    }
}

pub(super) fn read(event: &str) -> anyhow::Result<TrialEvent> {
    let event: Event = serde_json::from_str(event).context("not an event object of version 1.0")?;
    let name = &event.context.event_type;
    let moment = event::moment(name, "context.eventType")?;
    let head = request_head(&event.request)?;
    let response = match (&event.response, moment.is_request()) {
        (_, true) => None,
        (Some(response), false) => Some(response_parts(response)?),
        (None, false) => bail!("an event of {name} has a `response`"),
    };
    Ok(TrialEvent {
        moment,
        form: TrialForm::Version1,
        site: event.context.distribution_id,
        client_ip: event.viewer.ip,
        head,
        body: None,
        origin: TrialOrigin::unknown(),
        response,
    })
}

fn request_head(event: &EventRequest) -> anyhow::Result<RequestHead> {
    let query = match &event.querystring {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        map => {
            let map: BTreeMap<String, EventValue> = serde_json::from_value(map.clone()).context("request.querystring")?;
            let pairs = map.iter().flat_map(|(name, values)| values.all().into_iter().map(move |value| (name, &value.value)));
            pairs
                .map(|(name, value)| if value.is_empty() { name.clone() } else { format!("{name}={value}") })
                .collect::<Vec<_>>()
                .join("&")
        }
    };
    let mut headers = headers(&event.headers).context("request.headers")?;
    let pairs = event
        .cookies
        .iter()
        .flat_map(|(name, values)| values.all().into_iter().map(move |value| format!("{name}={}", value.value)));
    let cookies = pairs.collect::<Vec<_>>().join("; ");
    if !cookies.is_empty() {
        headers.insert(header::COOKIE, HeaderValue::from_str(&cookies).context("request.cookies")?);
    }
    event::request_head(&event.method, &event.uri, &query, headers)
}

fn response_parts(event: &EventResponse) -> anyhow::Result<response::Parts> {
    let mut response = event::response_head(event.status_code, headers(&event.headers).context("response.headers")?)?;
    for (name, values) in &event.cookies {
        for value in values.all() {
            let attributes = if value.attributes.is_empty() { String::new() } else { format!("; {}", value.attributes) };
            let cookie = HeaderValue::from_str(&format!("{name}={}{attributes}", value.value)).context("response.cookies")?;
            response.headers.append(header::SET_COOKIE, cookie);
        }
    }
    Ok(response)
}

fn headers(event: &BTreeMap<String, EventValue>) -> anyhow::Result<HeaderMap> {
    let fields =
        event.iter().flat_map(|(name, values)| values.all().into_iter().map(move |value| (name.as_str(), value.value.as_str())));
    event::headers(fields)
}

pub(super) fn shown_request(head: &RequestHead) -> Value {
    json!({
        "method": head.method.as_str(),
        "uri": head.path(),
        "querystring": head.target.query().unwrap_or_default(),
        "headers": shown_headers(&head.headers),
    })
}

pub(super) fn shown_response(parts: &response::Parts, body: Option<bytes::Bytes>) -> Value {
    let mut shown = json!({
        "statusCode": parts.status.as_u16(),
        "statusDescription": parts.status.canonical_reason().unwrap_or_default(),
        "headers": shown_headers(&parts.headers),
    });
    if let Some(body) = body.filter(|body| !body.is_empty()) {
        shown["body"] = match std::str::from_utf8(&body) {
            Ok(text) => json!({ "encoding": "text", "data": text }),
            Err(_) => json!({ "encoding": "base64", "data": BASE64.encode(&body) }),
        };
    }
    shown
}

fn shown_headers(headers: &HeaderMap) -> Value {
    let shown = headers.keys().map(|name| {
        let values: Vec<_> =
            headers.get_all(name).iter().map(|value| json!({ "value": String::from_utf8_lossy(value.as_bytes()) })).collect();
        let mut shown = values[0].clone();
        if values.len() > 1 {
            shown["multiValue"] = Value::from(values);
        }
        (name.as_str().to_owned(), shown)
    });
    Value::Object(shown.collect())
}
