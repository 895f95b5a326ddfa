//! Runs one hook on a given event, without a network, as CloudFront's TestFunction does.
//!
//! The event and the result have the form of CloudFront Functions' event object, version 1.0. An answer is checked as in an
//! exchange.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode, response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::edge::hook::edit::{Flow, edit_request, edit_response};
use crate::edge::hook::edits::HookEdits;
use crate::edge::hook::{self, HookContext};
use crate::edge::record::tally::Tally;
use crate::edge::request::head::RequestHead;
use crate::edge::request::id::RequestId;
use crate::function::call::{Call, HookCall, MemoryUse};
use crate::function::lane::WorkerLane;
use crate::function::revision::Revision;
use crate::limits::Profile;
use crate::loops::LoopMarks;
use crate::telemetry::Telemetry;
use crate::wasm::abi::Moment;

/// The result of a trial.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Trial {
    /// `{"request": …}` or `{"response": …}`.
    pub function_output: Option<Value>,
    pub function_execution_logs: Vec<String>,
    pub function_error_message: Option<String>,
    /// Percent of the CPU limit, 0 to 100.
    pub compute_utilization: u8,
    pub fuel: u64,
    pub memory_bytes: u64,
}

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

/// A parsed event.
pub(crate) struct TrialEvent {
    pub(crate) moment: Moment,
    site: String,
    client_ip: String,
    pub(crate) head: RequestHead,
    pub(crate) response: Option<response::Parts>,
}

impl TrialEvent {
    pub(crate) fn read(event: &str) -> anyhow::Result<TrialEvent> {
        let event: Event = serde_json::from_str(event).context("not an event object of version 1.0")?;
        let name = &event.context.event_type;
        let moment = Moment::ALL.into_iter().find(|moment| moment.name() == name);
        let moment = moment.with_context(|| {
            format!("context.eventType `{name}` is none of viewer-request, origin-request, origin-response, viewer-response")
        })?;
        let head = request_head(&event.request)?;
        let response = match (&event.response, moment.is_request()) {
            (_, true) => None,
            (Some(response), false) => Some(response_parts(response)?),
            (None, false) => bail!("an event of {name} has a `response`"),
        };
        Ok(TrialEvent { moment, site: event.context.distribution_id, client_ip: event.viewer.ip, head, response })
    }

    /// How a result looks that changes nothing.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn shown(&self) -> Value {
        let response = self.response.as_ref().map(|response| shown_response(response, None));
        json!({ "request": shown_request(&self.head), "response": response })
    }
}

/// Runs the hook that the event's `context.eventType` names.
pub async fn trial(function: &Arc<Revision>, event: &str, telemetry: &Telemetry) -> anyhow::Result<Trial> {
    let TrialEvent { moment, site, client_ip, mut head, mut response } = TrialEvent::read(event)?;
    if moment.is_viewer() != (function.profile() == Profile::Viewer) || !function.inspection().can_be_hook(moment) {
        let hooks: Vec<_> = function.moments().iter().map(|moment| moment.name()).collect();
        bail!(
            "the event is for {}, but the component's hooks are: {}",
            moment.name(),
            if hooks.is_empty() { "none".to_owned() } else { hooks.join(", ") }
        );
    }
    let (id, metrics, lane) = (RequestId::next(), telemetry.edge(), Rc::new(WorkerLane::new(0)));
    let (tally, site, client_ip) = (Tally::default(), Arc::from(site), Arc::from(client_ip));
    let context = HookContext {
        site: &site,
        id: &id,
        client_ip: &client_ip,
        lane: &lane,
        edge_location: "trial",
        metrics: &metrics,
        tally: &tally,
        trace: None,
    };
    let buffer = hook::event(context, moment, &head, response.as_ref());
    let call = HookCall { memory: MemoryUse::Measured, ..HookCall::owned(moment, buffer, LoopMarks::default()) };
    let outcome = function.call(&lane, Call::Hook(call)).await.into_hook();
    let limits = function.limits();
    let output = outcome.result.and_then(|answer| match &mut response {
        Some(response) => {
            edit_response(moment, limits, &answer, response).map(|body| json!({ "response": shown_response(response, body) }))
        }
        None => edit_request(moment, limits, &answer, &mut head, &mut HookEdits::default()).map(|flow| match flow {
            Flow::Continue => json!({ "request": shown_request(&head) }),
            Flow::Respond(generated) => {
                let (parts, body) = generated.into_parts();
                json!({ "response": shown_response(&parts, Some(body)) })
            }
        }),
    });
    Ok(Trial {
        function_error_message: output.as_ref().err().map(ToString::to_string),
        function_output: output.ok(),
        function_execution_logs: outcome.log.lines().map(str::to_owned).collect(),
        compute_utilization: outcome.usage.utilization,
        fuel: outcome.usage.fuel,
        memory_bytes: outcome.usage.memory_bytes,
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
    if !event.uri.starts_with('/') {
        bail!("request.uri `{}` does not begin with `/`", event.uri);
    }
    let uri = if query.is_empty() { event.uri.clone() } else { format!("{}?{query}", event.uri) };
    let mut request =
        Request::builder().method(event.method.as_str()).uri(uri).body(()).context("request.method or request.uri")?;
    *request.headers_mut() = headers(&event.headers).context("request.headers")?;
    let pairs = event
        .cookies
        .iter()
        .flat_map(|(name, values)| values.all().into_iter().map(move |value| format!("{name}={}", value.value)));
    let cookies = pairs.collect::<Vec<_>>().join("; ");
    if !cookies.is_empty() {
        request.headers_mut().insert(header::COOKIE, HeaderValue::from_str(&cookies).context("request.cookies")?);
    }
    let (parts, ()) = request.into_parts();
    let target = parts.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    Ok(RequestHead::new(parts.method, target, parts.headers, parts.version))
}

fn response_parts(event: &EventResponse) -> anyhow::Result<response::Parts> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(event.status_code).context("response.statusCode")?;
    *response.headers_mut() = headers(&event.headers).context("response.headers")?;
    for (name, values) in &event.cookies {
        for value in values.all() {
            let attributes = if value.attributes.is_empty() { String::new() } else { format!("; {}", value.attributes) };
            let cookie = HeaderValue::from_str(&format!("{name}={}{attributes}", value.value)).context("response.cookies")?;
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    Ok(response.into_parts().0)
}

fn headers(event: &BTreeMap<String, EventValue>) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, values) in event {
        let name: HeaderName = name.parse().with_context(|| format!("`{name}`"))?;
        for value in values.all() {
            headers.append(&name, HeaderValue::from_str(&value.value).with_context(|| format!("`{name}`"))?);
        }
    }
    Ok(headers)
}

fn shown_request(head: &RequestHead) -> Value {
    json!({
        "method": head.method.as_str(),
        "uri": head.path(),
        "querystring": head.target.query().unwrap_or_default(),
        "headers": shown_headers(&head.headers),
    })
}

fn shown_response(parts: &response::Parts, body: Option<bytes::Bytes>) -> Value {
    let mut shown = json!({
        "statusCode": parts.status.as_u16(),
        "statusDescription": parts.status.canonical_reason().unwrap_or_default(),
        "headers": shown_headers(&parts.headers),
    });
    if let Some(body) = body.filter(|body| !body.is_empty()) {
        shown["body"] = match std::str::from_utf8(&body) {
            Ok(text) => json!({ "encoding": "text", "data": text }),
            Err(_) => {
                use base64::Engine as _;
                json!({ "encoding": "base64", "data": base64::engine::general_purpose::STANDARD.encode(&body) })
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_whose_uri_is_no_path_is_refused() {
        for (uri, fine) in [("/a", true), ("//a", true), ("", false), ("*", false), ("x", false), ("http://a/b", false)] {
            let event = json!({ "context": { "eventType": "viewer-request" }, "request": { "method": "OPTIONS", "uri": uri } });
            let opened = TrialEvent::read(&event.to_string());
            assert_eq!(opened.is_ok(), fine, "{uri:?}");
        }
    }
}
