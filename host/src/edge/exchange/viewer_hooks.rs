//! The two hooks that run on the way from and to the viewer, inline on the connection's task.

use std::sync::Arc;

use http::Response;

use crate::edge::answer::Answer;
use crate::edge::body::content::Content;
use crate::edge::hook::edit::Flow;
use crate::edge::hook::edits::HookEdits;
use crate::edge::hook::{self, ResponseEvent};
use crate::edge::origin::backend::Origin;
use crate::edge::request::head::RequestHead;
use crate::edge::response::generated;
use crate::edge::response::rejection::Rejection;
use crate::edge::trip::{Trip, hook_failed};
use crate::function::catalog::Alias;
use crate::wasm::abi::Moment;

/// What a viewer-request hook leads to.
#[expect(clippy::large_enum_variant, reason = "it lives for one statement")]
pub(super) enum AfterViewerRequest {
    /// Ask for it; with the primary origin as the hook has edited it.
    Proceed(Option<Arc<Origin>>),
    Answer(Answer),
}

/// Runs the viewer-request hook, if there is one, and applies what it asks for to `trip` and `head`.
pub(super) fn request(trip: &mut Trip<'_>, head: &mut RequestHead) -> Result<AfterViewerRequest, Rejection> {
    let moment = Moment::ViewerRequest;
    let Some(alias) = trip.behavior.hook(moment) else { return Ok(AfterViewerRequest::Proceed(None)) };
    let hook = &alias.revision();
    let context = trip.context;
    let mut edits = HookEdits::default();
    let flow = hook::viewer_request(context, hook, head, &mut edits);
    if let Flow::Respond(response) = flow.map_err(hook_failed(context, head, moment, hook.metrics()))? {
        hook.metrics().served_request();
        return Ok(AfterViewerRequest::Answer(generated::by_hook(response, moment)));
    }
    let mut first = None;
    if let Some(edits) = edits.origin {
        let backends = &trip.node.backends;
        let chosen =
            backends.choose(&trip.behavior.backend, &edits).map_err(hook_failed(context, head, moment, hook.metrics()))?;
        // Only the primary of a group is edited.
        first = Some(backends.edit(chosen.primary(), &edits).map_err(hook_failed(context, head, moment, hook.metrics()))?);
        trip.backend = chosen;
    }
    hook.metrics().served_request();
    Ok(AfterViewerRequest::Proceed(first))
}

/// Runs the viewer-response hook on an answer.
pub(super) fn response(
    trip: &Trip<'_>,
    alias: &Alias,
    event: ResponseEvent,
    head: &RequestHead,
    answer: &mut Answer,
) -> Result<(), Rejection> {
    let hook = &alias.revision();
    let (mut parts, mut content) = std::mem::replace(&mut answer.response, Response::new(Content::Empty)).into_parts();
    let replaced = hook::viewer_response(trip.context, hook, event, &mut parts);
    let replaced = replaced.map_err(hook_failed(trip.context, head, Moment::ViewerResponse, hook.metrics()))?;
    hook.metrics().served_request();
    if let Some(body) = replaced {
        content = Content::full(body);
    }
    answer.response = Response::from_parts(parts, content);
    Ok(())
}
