//! I show a hook its event, run it, and apply what it answers.
//!
//! A viewer hook runs inline: its event is written to a buffer that the thread keeps, so that a warm call
//! allocates nothing for it. An origin hook may wait; its event is its own, and its future lives on the heap:
//! inline it would make the future of every request larger by kilobytes, which hyper moves.

pub(crate) mod edit;

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, response};

use crate::edge::head::Head;
use crate::edge::id::RequestId;
use crate::edge::tally::Tally;
use crate::failure::Failure;
use crate::function::revision::{Outcome, Revision};
use crate::loops::LoopMarks;
use crate::telemetry::{EdgeMetrics, Occasion, Trace};
use crate::wasm::abi::{self, EventHeader, EventWriter, Moment};
use edit::{Beside, Flow};

/// What every hook of a request is told.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    // Thin references: this is copied into every future of a request.
    pub(crate) site: &'a Arc<str>,
    pub(crate) id: &'a RequestId,
    pub(crate) client_ip: &'a Arc<str>,
    pub(crate) edge_location: &'a str,
    pub(crate) metrics: &'a EdgeMetrics,
    pub(crate) tally: &'a Tally,
    /// None: this request is not traced.
    pub(crate) trace: Option<&'a Trace>,
}

impl Scene<'_> {
    /// What the log needs to know of the request, which asks for this path now.
    pub(crate) fn occasion<'o>(&'o self, path: &'o str) -> Occasion<'o> {
        Occasion { site: self.site, path, request_id: self.id.as_str(), category: "", cause: &"" }
    }
}

/// The beginning of a body, as an origin hook sees it.
pub(crate) struct Shown {
    pub(crate) data: Vec<u8>,
    pub(crate) truncated: bool,
}

thread_local! {
    static EVENT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// Buffers of `Asked`, for the next ones.
    static SPENT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// As many as requests are at their origins at once, on a busy worker; each up to `SPENT_BYTES`.
const SPENT_MAX: usize = 64;
const SPENT_BYTES: usize = 16 << 10;

pub(crate) fn viewer_request(
    scene: Scene<'_>,
    hook: &Arc<Revision>,
    head: &mut Head,
    beside: &mut Beside,
) -> Result<Flow, Failure> {
    let moment = Moment::ViewerRequest;
    let outcome = EVENT.with_borrow_mut(|event| {
        write_request(event, scene, moment, head, None);
        hook.call_viewer(moment, event)
    });
    let answer = settle(scene, hook, moment, outcome)?;
    edit::edit_request(moment, hook.limits(), &answer, head, beside)
}

/// What a response hook will be told of the request, written down before the request leaves: later its
/// headers are the origin's to see, and a copy of the map would cost more than these bytes.
pub(crate) struct Asked {
    event: Vec<u8>,
    /// For what an origin hook asks of others.
    passed: LoopMarks,
}

impl Asked {
    pub(crate) fn new(scene: Scene<'_>, moment: Moment, head: &Head) -> Asked {
        let mut event = SPENT.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(2_048));
        write_request(&mut event, scene, moment, head, None);
        let passed = if moment.is_viewer() { LoopMarks::default() } else { LoopMarks::of(&head.headers) };
        Asked { event, passed }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        SPENT.with_borrow_mut(|spent| {
            if spent.len() < SPENT_MAX && self.event.capacity() <= SPENT_BYTES {
                spent.push(std::mem::take(&mut self.event));
            }
        });
    }
}

/// The body to send instead, if the hook replaces it.
pub(crate) fn viewer_response(
    scene: Scene<'_>,
    hook: &Arc<Revision>,
    mut asked: Asked,
    response: &mut response::Parts,
) -> Result<Option<Bytes>, Failure> {
    let moment = Moment::ViewerResponse;
    write_response(&mut EventWriter::resume(&mut asked.event), response, None);
    let outcome = hook.call_viewer(moment, &asked.event);
    let answer = settle(scene, hook, moment, outcome)?;
    edit::edit_response(moment, hook.limits(), &answer, response)
}

pub(crate) async fn origin_request(
    scene: Scene<'_>,
    hook: &Arc<Revision>,
    head: &mut Head,
    shown: Option<&Shown>,
    origin: &abi::EventOrigin<'_>,
    origin_headers: &[(http::HeaderName, http::HeaderValue)],
    beside: &mut Beside,
) -> Result<Flow, Failure> {
    let moment = Moment::OriginRequest;
    let mut event = Vec::with_capacity(2_048);
    let mut writer = write_request(&mut event, scene, moment, head, shown);
    write_origin(&mut writer, origin, origin_headers);
    let answer = settle(scene, hook, moment, Box::pin(hook.call_origin(moment, event, LoopMarks::of(&head.headers))).await)?;
    edit::edit_request(moment, hook.limits(), &answer, head, beside)
}

pub(crate) async fn origin_response(
    scene: Scene<'_>,
    hook: &Arc<Revision>,
    mut asked: Asked,
    origin: &abi::EventOrigin<'_>,
    origin_headers: &[(http::HeaderName, http::HeaderValue)],
    response: &mut response::Parts,
    shown: Option<&Shown>,
) -> Result<Option<Bytes>, Failure> {
    let moment = Moment::OriginResponse;
    // An origin hook may wait; its event is its own.
    let mut event = std::mem::take(&mut asked.event);
    let mut writer = EventWriter::resume(&mut event);
    write_origin(&mut writer, origin, origin_headers);
    write_response(&mut writer, response, shown);
    let answer = settle(scene, hook, moment, Box::pin(hook.call_origin(moment, event, std::mem::take(&mut asked.passed))).await)?;
    edit::edit_response(moment, hook.limits(), &answer, response)
}

/// The event of a hook on its own, without a body: for a trial.
pub(crate) fn event(scene: Scene<'_>, moment: Moment, head: &Head, response: Option<&response::Parts>) -> Vec<u8> {
    let mut event = Vec::new();
    let mut writer = write_request(&mut event, scene, moment, head, None);
    if !moment.is_viewer() {
        let origin =
            abi::EventOrigin { id: "trial", host: "", port: 0, tls: false, path: "", connect_timeout_ms: 0, read_timeout_ms: 0 };
        write_origin(&mut writer, &origin, &[]);
    }
    if let Some(response) = response {
        write_response(&mut writer, response, None);
    }
    event
}

fn write_request<'e>(
    event: &'e mut Vec<u8>,
    scene: Scene<'_>,
    moment: Moment,
    head: &Head,
    shown: Option<&Shown>,
) -> EventWriter<'e> {
    let query = head.target.query();
    let context = EventHeader {
        moment,
        has_query: query.is_some(),
        site: scene.site,
        request_id: scene.id.as_str(),
        client_ip: scene.client_ip,
        edge_location: scene.edge_location,
    };
    let mut writer = EventWriter::begin(event, &context);
    writer.request(head.method.as_str(), head.path(), query.unwrap_or_default());
    writer.headers(pairs(&head.headers));
    writer.body(body(shown));
    writer
}

fn write_origin(writer: &mut EventWriter<'_>, origin: &abi::EventOrigin<'_>, headers: &[(http::HeaderName, http::HeaderValue)]) {
    writer.origin(origin);
    writer.headers(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
}

fn write_response(writer: &mut EventWriter<'_>, response: &response::Parts, shown: Option<&Shown>) {
    let reason =
        response.extensions.get::<hyper::ext::ReasonPhrase>().and_then(|reason| std::str::from_utf8(reason.as_bytes()).ok());
    writer.response(response.status.as_u16(), reason.or(response.status.canonical_reason()).unwrap_or_default());
    writer.headers(pairs(&response.headers));
    writer.body(body(shown));
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))
}

fn body(shown: Option<&Shown>) -> abi::EventBody<'_> {
    match shown {
        None => abi::EventBody::Hidden,
        Some(Shown { data, truncated: false }) => abi::EventBody::Whole(data),
        Some(Shown { data, truncated: true }) => abi::EventBody::Truncated(data),
    }
}

/// Counts and logs a call, and hands its answer on.
fn settle(scene: Scene<'_>, hook: &Arc<Revision>, moment: Moment, outcome: Outcome) -> Result<Vec<u8>, Failure> {
    scene.metrics.hook(moment as usize, outcome.usage.duration_us);
    scene.tally.called(Duration::from_micros(outcome.usage.duration_us));
    if let Some(trace) = scene.trace {
        let usage = &outcome.usage;
        trace.ended(moment.name(), Duration::from_micros(usage.duration_us), |span| {
            span.text("edgeward.function", hook.name());
            span.text("edgeward.moment", moment.name());
            span.number("edgeward.fuel", usage.fuel);
            span.number("edgeward.utilization", u64::from(usage.utilization));
            span.flag("edgeward.cold", usage.cold);
            if let Err(failure) = &outcome.result {
                span.fail(failure.category());
            }
        });
    }
    if !outcome.log.is_empty() && hook.metrics().may_speak() {
        tracing::info!(target: "edgeward::function", function = hook.name(), moment = moment.name(), site = &**scene.site, request_id = scene.id.as_str(), "{}", outcome.log);
    }
    outcome.result
}
