//! Shows a hook its event, runs it, and applies what it answers.
//!
//! A viewer hook runs inline: its event is written to a buffer that the thread keeps, so that a warm call allocates
//! nothing for it. An origin hook may wait, so its event is its own.

pub(crate) mod edit;
pub(crate) mod edits;
pub(crate) mod origin_hook;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, response};

use crate::edge::body::peek::BodyPreview;
use crate::edge::record::tally::Tally;
use crate::edge::request::head::RequestHead;
use crate::edge::request::id::RequestId;
use crate::failure::Failure;
use crate::function::call::{Call, HookCall, HookOutcome};
use crate::function::lane::WorkerLane;
use crate::function::revision::Revision;
use crate::limits::hook_events::{BUFFER_BYTES, BUFFERS};
use crate::loops::LoopMarks;
use crate::telemetry::{EdgeMetrics, FunctionMetrics, Occasion, OpenSpan, Span, SpanKind, Trace, TraceContext};
use crate::wasm::abi::{self, EventHeader, EventWriter, Moment};
use edit::Flow;
use edits::HookEdits;
use origin_hook::HeldHook;

/// What every hook of a request learns of it, and where its calls are counted.
#[derive(Clone, Copy)]
pub(crate) struct HookContext<'a> {
    // Thin references, because this is copied into every future of a request.
    pub(crate) site: &'a Arc<str>,
    pub(crate) id: &'a RequestId,
    pub(crate) client_ip: &'a Arc<str>,
    /// Of the thread that answers the request.
    pub(crate) lane: &'a Rc<WorkerLane>,
    pub(crate) edge_location: &'a str,
    pub(crate) metrics: &'a EdgeMetrics,
    pub(crate) tally: &'a Tally,
    /// `None` if the request is not traced.
    pub(crate) trace: Option<&'a Trace>,
}

impl HookContext<'_> {
    /// What the log says of the request, whose path this is now.
    pub(crate) fn occasion<'o>(&'o self, path: &'o str) -> Occasion<'o> {
        Occasion { site: self.site, path, request_id: self.id.as_str(), category: "", cause: &"" }
    }
}

thread_local! {
    static EVENT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// Buffers of `ResponseEvent` that may be used again.
    static SPENT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn viewer_request(
    context: HookContext<'_>,
    hook: &Arc<Revision>,
    head: &mut RequestHead,
    edits: &mut HookEdits,
) -> Result<Flow, Failure> {
    let moment = Moment::ViewerRequest;
    let outcome = EVENT.with_borrow_mut(|event| {
        write_request(event, context, moment, head, None);
        hook.call(context.lane, Call::Hook(HookCall::lent(moment, event))).inline()
    });
    let answer = settle_inline(context, hook, moment, outcome)?;
    edit::edit_request(moment, hook.limits(), &answer, head, edits)
}

/// The event of a response hook, begun before the request is sent: the request's headers go with it, and a copy of the
/// map would cost more than these bytes.
pub(crate) struct ResponseEvent {
    event: Vec<u8>,
    /// Of an origin hook. On the heap: this is in the future of every request.
    history: Option<Box<RequestHistory>>,
}

/// What the call of an origin hook is told besides its event.
#[derive(Default)]
struct RequestHistory {
    /// Where the request has been, for requests that the hook sends.
    passed: LoopMarks,
    /// Who has sent it.
    caller: Option<TraceContext>,
}

impl RequestHistory {
    fn of(headers: &HeaderMap) -> RequestHistory {
        let traceparent = headers.get("traceparent");
        let caller = traceparent.and_then(|value| TraceContext::of_traceparent(value.as_bytes()));
        RequestHistory { passed: LoopMarks::of(headers), caller }
    }
}

impl ResponseEvent {
    pub(crate) fn new(context: HookContext<'_>, moment: Moment, head: &RequestHead) -> ResponseEvent {
        let mut event = SPENT.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(2_048));
        write_request(&mut event, context, moment, head, None);
        let history = (!moment.is_viewer()).then(|| Box::new(RequestHistory::of(&head.headers)));
        ResponseEvent { event, history }
    }
}

impl Drop for ResponseEvent {
    fn drop(&mut self) {
        SPENT.with_borrow_mut(|spent| {
            if spent.len() < BUFFERS && self.event.capacity() <= BUFFER_BYTES {
                spent.push(std::mem::take(&mut self.event));
            }
        });
    }
}

/// Returns the body to send instead, if the hook replaces it.
pub(crate) fn viewer_response(
    context: HookContext<'_>,
    hook: &Arc<Revision>,
    mut begun: ResponseEvent,
    response: &mut response::Parts,
) -> Result<Option<Bytes>, Failure> {
    let moment = Moment::ViewerResponse;
    write_response(&mut EventWriter::resume(&mut begun.event), response, None);
    let outcome = hook.call(context.lane, Call::Hook(HookCall::lent(moment, &begun.event))).inline();
    let answer = settle_inline(context, hook, moment, outcome)?;
    edit::edit_response(moment, hook.limits(), &answer, response)
}

pub(crate) async fn origin_request(
    context: HookContext<'_>,
    hook: &HeldHook<'_>,
    head: &mut RequestHead,
    preview: Option<&BodyPreview>,
    origin: &abi::EventOrigin<'_>,
    origin_headers: &[(http::HeaderName, http::HeaderValue)],
    edits: &mut HookEdits,
) -> Result<Flow, Failure> {
    let moment = Moment::OriginRequest;
    let mut event = Vec::with_capacity(2_048);
    let mut writer = write_request(&mut event, context, moment, head, preview);
    write_origin(&mut writer, origin, origin_headers);
    let answer = run(context, hook, (moment, event), RequestHistory::of(&head.headers)).await?;
    edit::edit_request(moment, hook.limits(), &answer, head, edits)
}

pub(crate) async fn origin_response(
    context: HookContext<'_>,
    hook: &HeldHook<'_>,
    mut begun: ResponseEvent,
    origin: &abi::EventOrigin<'_>,
    origin_headers: &[(http::HeaderName, http::HeaderValue)],
    response: &mut response::Parts,
    preview: Option<&BodyPreview>,
) -> Result<Option<Bytes>, Failure> {
    let moment = Moment::OriginResponse;
    let mut event = std::mem::take(&mut begun.event);
    let mut writer = EventWriter::resume(&mut event);
    write_origin(&mut writer, origin, origin_headers);
    write_response(&mut writer, response, preview);
    let history = begun.history.take().map_or_else(RequestHistory::default, |history| *history);
    let answer = run(context, hook, (moment, event), history).await?;
    edit::edit_response(moment, hook.limits(), &answer, response)
}

/// The whole event of a hook: for a trial. The body is the request's.
pub(crate) fn event(
    context: HookContext<'_>,
    moment: Moment,
    head: &RequestHead,
    body: Option<&BodyPreview>,
    (origin, origin_headers): (&abi::EventOrigin<'_>, &[(http::HeaderName, http::HeaderValue)]),
    response: Option<&response::Parts>,
) -> Vec<u8> {
    let mut event = Vec::new();
    let mut writer = write_request(&mut event, context, moment, head, body);
    if !moment.is_viewer() {
        write_origin(&mut writer, origin, origin_headers);
    }
    if let Some(response) = response {
        write_response(&mut writer, response, None);
    }
    event
}

fn write_request<'e>(
    event: &'e mut Vec<u8>,
    context: HookContext<'_>,
    moment: Moment,
    head: &RequestHead,
    preview: Option<&BodyPreview>,
) -> EventWriter<'e> {
    let query = head.target.query();
    let context = EventHeader {
        moment,
        has_query: query.is_some(),
        site: context.site,
        request_id: context.id.as_str(),
        client_ip: context.client_ip,
        edge_location: context.edge_location,
    };
    let mut writer = EventWriter::begin(event, &context);
    writer.request(head.method.as_str(), head.path(), query.unwrap_or_default());
    writer.headers(pairs(&head.headers));
    writer.body(body(preview));
    writer
}

fn write_origin(writer: &mut EventWriter<'_>, origin: &abi::EventOrigin<'_>, headers: &[(http::HeaderName, http::HeaderValue)]) {
    writer.origin(origin);
    writer.headers(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
}

fn write_response(writer: &mut EventWriter<'_>, response: &response::Parts, preview: Option<&BodyPreview>) {
    let reason =
        response.extensions.get::<hyper::ext::ReasonPhrase>().and_then(|reason| std::str::from_utf8(reason.as_bytes()).ok());
    writer.response(response.status.as_u16(), reason.or(response.status.canonical_reason()).unwrap_or_default());
    writer.headers(pairs(&response.headers));
    writer.body(body(preview));
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
}

fn body(preview: Option<&BodyPreview>) -> abi::EventBody<'_> {
    match preview {
        None => abi::EventBody::Hidden,
        Some(BodyPreview { data, truncated: false }) => abi::EventBody::Whole(data),
        Some(BodyPreview { data, truncated: true }) => abi::EventBody::Truncated(data),
    }
}

/// Calls an origin hook, and returns its answer. Its call is a span of the request's trace, or a part of the sender's.
async fn run(
    context: HookContext<'_>,
    hook: &HeldHook<'_>,
    (moment, event): (Moment, Vec<u8>),
    history: RequestHistory,
) -> Result<Vec<u8>, Failure> {
    let RequestHistory { passed, caller } = history;
    let mut span = context.trace.map(|trace| trace.open(moment.name(), SpanKind::Internal));
    let caller = span.as_ref().map(OpenSpan::context).or(caller);
    let outcome = hook.call(context.lane, HookCall::owned(moment, event, passed), caller).await;
    if let Some(span) = &mut span {
        span.note(|span| describe(span, hook.metrics().name(), moment, &outcome));
    }
    settle(context, hook.metrics(), moment, outcome)
}

/// Returns the answer of a viewer hook, whose call is a span of the request's trace.
fn settle_inline(context: HookContext<'_>, hook: &Revision, moment: Moment, outcome: HookOutcome) -> Result<Vec<u8>, Failure> {
    if let Some(trace) = context.trace {
        let lasted = Duration::from_micros(outcome.usage.duration_us);
        trace.ended(moment.name(), lasted, |span| describe(span, hook.name(), moment, &outcome));
    }
    settle(context, hook.metrics(), moment, outcome)
}

fn describe(span: &mut Span, function: &str, moment: Moment, outcome: &HookOutcome) {
    let usage = &outcome.usage;
    span.text("edgeward.function", function);
    span.text("edgeward.moment", moment.name());
    span.number("edgeward.fuel", usage.fuel);
    span.number("edgeward.utilization", u64::from(usage.utilization));
    span.flag("edgeward.cold", usage.cold);
    if let Err(failure) = &outcome.result {
        span.fail(failure.category());
    }
}

/// Counts and logs a call, and returns its answer.
fn settle(context: HookContext<'_>, hook: &FunctionMetrics, moment: Moment, outcome: HookOutcome) -> Result<Vec<u8>, Failure> {
    context.metrics.hook(moment as usize, outcome.usage.duration_us);
    context.tally.called(Duration::from_micros(outcome.usage.duration_us));
    if !outcome.log.is_empty() && hook.may_speak() {
        tracing::info!(target: "edgeward::function", function = hook.name(), moment = moment.name(), site = &**context.site, request_id = context.id.as_str(), "{}", outcome.log);
    }
    outcome.result
}
