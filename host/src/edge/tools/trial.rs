//! Runs one hook on a given event, without a network, as CloudFront's TestFunction does.
//!
//! The event and the result have the form of CloudFront Functions' event object, version 1.0 (`version1`), or that of
//! Lambda@Edge's (`records`). An answer is checked as in an exchange.

pub(crate) mod event;
mod records;
mod version1;

use std::rc::Rc;
use std::sync::Arc;

use anyhow::bail;
use bytes::Bytes;
use http::response;
use serde::Serialize;
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
use event::{TrialEvent, TrialForm, TrialOrigin};

/// The result of a trial.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Trial {
    /// `{"request": …}` or `{"response": …}`, in the form of the event.
    pub function_output: Option<Value>,
    pub function_execution_logs: Vec<String>,
    pub function_error_message: Option<String>,
    /// Percent of the CPU limit, 0 to 100.
    pub compute_utilization: u8,
    pub fuel: u64,
    pub memory_bytes: u64,
}

pub(crate) fn read(event: &str) -> anyhow::Result<TrialEvent> {
    let is_records = serde_json::from_str::<Value>(event).is_ok_and(|event| event.get("Records").is_some());
    if is_records { records::read(event) } else { version1::read(event) }
}

/// How a result looks that changes nothing.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn shown(event: &TrialEvent) -> Value {
    let response = event.response.as_ref().map(|response| shown_response(event.form, response, None));
    let sender = Sender { client_ip: &event.client_ip, origin: &event.origin };
    json!({ "request": shown_request(event.form, &event.head, sender, &HookEdits::default()), "response": response })
}

/// What a request's event says beside its head.
#[derive(Clone, Copy)]
struct Sender<'a> {
    client_ip: &'a str,
    origin: &'a TrialOrigin,
}

fn shown_request(form: TrialForm, head: &RequestHead, sender: Sender<'_>, edits: &HookEdits) -> Value {
    match form {
        TrialForm::Version1 => version1::shown_request(head),
        TrialForm::Records => records::shown_request(head, sender.client_ip, sender.origin, edits),
    }
}

fn shown_response(form: TrialForm, parts: &response::Parts, body: Option<Bytes>) -> Value {
    match form {
        TrialForm::Version1 => version1::shown_response(parts, body),
        TrialForm::Records => records::shown_response(parts, body),
    }
}

/// A function that takes Lambda@Edge's events is at no viewer moment, as in a configuration.
fn refuse_another_role(function: &Revision, moment: Moment) -> anyhow::Result<()> {
    let inspection = function.inspection();
    if moment.is_viewer() == (function.profile() == Profile::Viewer) && inspection.can_be_hook(moment) {
        return Ok(());
    }
    if moment.is_viewer() && inspection.is_function() {
        bail!(
            "the event is for {}, where no function can be that takes Lambda@Edge's events: it can be the hook at origin-request and \
             origin-response; a viewer hook is a CloudFront function or a component",
            moment.name()
        );
    }
    let hooks: Vec<_> = function.moments().iter().map(|moment| moment.name()).collect();
    let hooks = if hooks.is_empty() { "none".to_owned() } else { hooks.join(", ") };
    bail!("the event is for {}, but the component's hooks are: {hooks}", moment.name())
}

/// Runs the hook that the event names.
pub async fn trial(function: &Arc<Revision>, event: &str, telemetry: &Telemetry) -> anyhow::Result<Trial> {
    let TrialEvent { moment, form, site, client_ip, mut head, body, origin, mut response } = read(event)?;
    refuse_another_role(function, moment)?;
    let (id, metrics, lane) = (RequestId::next(), telemetry.edge(), Rc::new(WorkerLane::new(0)));
    let (tally, site, client_ip) = (Tally::default(), Arc::from(site), Arc::<str>::from(client_ip));
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
    let buffer = hook::event(context, moment, &head, body.as_ref(), (&origin.event(), &origin.headers), response.as_ref());
    let call = HookCall { memory: MemoryUse::Measured, ..HookCall::owned(moment, buffer, LoopMarks::default()) };
    let outcome = function.call(&lane, Call::Hook(call)).await.into_hook();
    let limits = function.limits();
    let output = outcome.result.and_then(|answer| match &mut response {
        Some(response) => edit_response(moment, limits, &answer, response)
            .map(|body| json!({ "response": shown_response(form, response, body) })),
        None => {
            let mut edits = HookEdits::default();
            edit_request(moment, limits, &answer, &mut head, &mut edits).map(|flow| match flow {
                Flow::Continue => {
                    let sender = Sender { client_ip: &client_ip, origin: &origin };
                    json!({ "request": shown_request(form, &head, sender, &edits) })
                }
                Flow::Respond(generated) => {
                    let (parts, body) = generated.into_parts();
                    json!({ "response": shown_response(form, &parts, Some(body)) })
                }
            })
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_whose_uri_is_no_path_is_refused() {
        for (uri, fine) in [("/a", true), ("//a", true), ("", false), ("*", false), ("x", false), ("http://a/b", false)] {
            let event = json!({ "context": { "eventType": "viewer-request" }, "request": { "method": "OPTIONS", "uri": uri } });
            let opened = read(&event.to_string());
            assert_eq!(opened.is_ok(), fine, "{uri:?}");
        }
    }
}
