//! Traces: the spans of a request, for an OTLP collector.
//!
//! A sampled request collects its spans on its own thread and puts them into a bounded queue when it ends; an exporter
//! thread sends the queue. When the collector cannot keep up, spans are dropped and counted; a request never waits. An
//! unsampled request pays one `Option` check per span.
//!
//!     request ─► Trace ─span, span, …─► end ─► queue ─► exporter ─► POST /v1/traces
//!
//! Spans of one request are sequential or nested: a span that begins while another is open is its child. Callers choose
//! the names of spans and attributes.

mod context;
mod export;
mod otlp;

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use prometheus::IntCounterVec;

use super::register::Register;
use crate::limits::tracing::{ATTRIBUTE_BYTES, SPANS_PER_TRACE};
use export::Exporter;

pub use context::{TraceContext, XraySegment};

/// The collector, and the sampling rate.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceSettings {
    /// Host and port of the collector.
    pub host: String,
    pub port: u16,
    /// The path of the collector for POST requests.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub service_name: String,
    /// The fraction of sampled requests among those without a sampling decision.
    pub sample_rate: f64,
}

/// Starts traces. Cheap to clone.
#[derive(Clone)]
pub struct Tracer {
    exporter: Arc<Exporter>,
    sample_rate: f64,
}

/// Lost spans by reason.
#[derive(Clone)]
pub(super) struct Dropped(IntCounterVec);

impl Dropped {
    pub(super) fn register(register: &Register) -> Dropped {
        let help = "Spans that no collector has got, by reason.";
        Dropped(register.counters("edgeward_trace_spans_dropped_total", help, &["reason"]))
    }

    fn count(&self, reason: &str, spans: usize) {
        self.0.with_label_values(&[reason]).inc_by(spans as u64);
    }
}

impl Tracer {
    pub(super) fn start(settings: TraceSettings, dropped: Dropped) -> std::io::Result<Tracer> {
        let sample_rate = settings.sample_rate;
        Ok(Tracer { exporter: Arc::new(Exporter::start(settings, dropped)?), sample_rate })
    }

    /// Starts a trace for a request with this `traceparent`, if it is sampled. The sender's sampling decision
    /// applies.
    pub fn begin(&self, traceparent: Option<&[u8]>) -> Option<Box<Trace>> {
        let parent = traceparent.and_then(TraceContext::of_traceparent);
        self.samples(parent.as_ref()).then(|| self.begin_within(parent))
    }

    /// Whether a request is to be traced whose sender says this.
    pub fn samples(&self, parent: Option<&TraceContext>) -> bool {
        let decided = parent.and_then(|parent| parent.sampled);
        decided.unwrap_or_else(|| self.sample_rate >= 1.0 || random_fraction() < self.sample_rate)
    }

    /// Starts a trace that is recorded in any case.
    pub fn begin_within(&self, parent: Option<TraceContext>) -> Box<Trace> {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let root = random();
        Box::new(Trace {
            exporter: self.exporter.clone(),
            id: parent.map_or_else(new_trace, |parent| parent.trace),
            parent: parent.and_then(|parent| parent.span),
            root,
            epoch_ns: nanoseconds(since_epoch),
            started: Instant::now(),
            current: Cell::new(root),
            spans: RefCell::default(),
            lost: Cell::new(0),
        })
    }

    /// Waits for a bounded time until the queued spans have been sent.
    pub fn flush(&self) {
        self.exporter.flush();
    }
}

/// The spans of one request.
pub struct Trace {
    exporter: Arc<Exporter>,
    id: u128,
    parent: Option<u64>,
    root: u64,
    epoch_ns: u64,
    started: Instant,
    /// The innermost open span.
    current: Cell<u64>,
    spans: RefCell<Vec<Span>>,
    /// Number of spans over the limit of one trace.
    lost: Cell<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    Internal = 1,
    Server = 2,
    Client = 3,
}

#[derive(Debug, Clone, PartialEq)]
enum AttributeValue {
    Text(String),
    Number(i64),
    Flag(bool),
}

/// A span, open or ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    id: u64,
    parent: Option<u64>,
    kind: SpanKind,
    name: String,
    start_ns: u64,
    end_ns: u64,
    failed: bool,
    attributes: Vec<(&'static str, AttributeValue)>,
}

impl Span {
    pub fn text(&mut self, key: &'static str, value: &str) {
        let mut end = value.len().min(ATTRIBUTE_BYTES);
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        self.attributes.push((key, AttributeValue::Text(value[..end].to_owned())));
    }

    pub fn number(&mut self, key: &'static str, value: u64) {
        self.attributes.push((key, AttributeValue::Number(i64::try_from(value).unwrap_or(i64::MAX))));
    }

    pub fn flag(&mut self, key: &'static str, value: bool) {
        self.attributes.push((key, AttributeValue::Flag(value)));
    }

    /// Marks the span as failed, for this reason (`error.type`).
    pub fn fail(&mut self, reason: &str) {
        self.failed = true;
        self.text("error.type", reason);
    }

    /// Its approximate size in memory.
    fn bytes(&self) -> usize {
        let values = self.attributes.iter().map(|(_, value)| if let AttributeValue::Text(text) = value { text.len() } else { 0 });
        160 + self.name.len() + self.attributes.len() * 48 + values.sum::<usize>()
    }
}

impl Trace {
    /// Opens a child of the innermost open span. Dropping it ends the span.
    pub fn open(&self, name: &str, kind: SpanKind) -> OpenSpan<'_> {
        let outer = self.current.get();
        let span = self.span(name, kind, outer);
        self.current.set(span.id);
        OpenSpan { trace: self, outer, span: Some(span) }
    }

    /// Records a span that has just ended, by its duration.
    pub fn ended(&self, name: &str, lasted: Duration, fill: impl FnOnce(&mut Span)) {
        let mut span = self.span(name, SpanKind::Internal, self.current.get());
        span.end_ns = self.now_ns();
        span.start_ns = span.end_ns.saturating_sub(nanoseconds(lasted));
        fill(&mut span);
        self.keep(span);
    }

    /// Records a span that began at `started`.
    pub fn spent(&self, name: &str, started: Instant, lasted: Duration) {
        let mut span = self.span(name, SpanKind::Internal, self.current.get());
        span.start_ns = self.epoch_ns.saturating_add(nanoseconds(started.saturating_duration_since(self.started)));
        span.end_ns = span.start_ns.saturating_add(nanoseconds(lasted));
        self.keep(span);
    }

    /// What makes the request's span the parent of what it causes.
    pub fn context(&self) -> TraceContext {
        TraceContext { trace: self.id, span: Some(self.root), sampled: Some(true) }
    }

    /// Ends the request's span and queues all spans.
    pub fn finish(self, name: &str, fill: impl FnOnce(&mut Span)) {
        let mut span = self.span(name, SpanKind::Server, self.root);
        span.id = self.root;
        span.parent = self.parent;
        span.start_ns = self.epoch_ns;
        span.end_ns = self.now_ns();
        fill(&mut span);
        let mut spans = self.spans.into_inner();
        spans.push(span);
        let bytes = spans.iter().map(Span::bytes).sum();
        self.exporter.take(Finished { trace: self.id, spans, bytes }, self.lost.get());
    }

    fn span(&self, name: &str, kind: SpanKind, parent: u64) -> Span {
        Span {
            id: random(),
            parent: Some(parent),
            kind,
            name: name.to_owned(),
            start_ns: self.now_ns(),
            end_ns: 0,
            failed: false,
            attributes: Vec::new(),
        }
    }

    fn keep(&self, span: Span) {
        let mut spans = self.spans.borrow_mut();
        // One place is reserved for the root.
        if spans.len() + 1 >= SPANS_PER_TRACE {
            self.lost.set(self.lost.get() + 1);
            return;
        }
        spans.push(span);
    }

    fn now_ns(&self) -> u64 {
        self.epoch_ns.saturating_add(nanoseconds(self.started.elapsed()))
    }
}

/// An open span.
pub struct OpenSpan<'t> {
    trace: &'t Trace,
    outer: u64,
    span: Option<Span>,
}

impl OpenSpan<'_> {
    pub fn note(&mut self, fill: impl FnOnce(&mut Span)) {
        if let Some(span) = &mut self.span {
            fill(span);
        }
    }

    /// The `traceparent` that makes this span the parent of an outgoing request.
    pub fn traceparent(&self) -> String {
        context::format(self.trace.id, self.id())
    }

    /// What makes this span the parent of what it causes.
    pub fn context(&self) -> TraceContext {
        TraceContext { trace: self.trace.id, span: Some(self.id()), sampled: Some(true) }
    }

    fn id(&self) -> u64 {
        self.span.as_ref().map_or(0, |span| span.id)
    }
}

impl Drop for OpenSpan<'_> {
    fn drop(&mut self) {
        self.trace.current.set(self.outer);
        if let Some(mut span) = self.span.take() {
            span.end_ns = self.trace.now_ns();
            self.trace.keep(span);
        }
    }
}

/// All spans of one request.
struct Finished {
    trace: u128,
    spans: Vec<Span>,
    bytes: usize,
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The id of a new trace. It begins with the time in seconds, which AWS X-Ray asks for.
fn new_trace() -> u128 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let time = u128::from(now.as_secs() & u64::from(u32::MAX));
    let rest = (u128::from(random()) << 64 | u128::from(random())) & (u128::MAX >> 32);
    (time << 96) | rest
}

/// A random id. Zero is not a valid id.
fn random() -> u64 {
    thread_local! {
        static STATE: (RandomState, Cell<u64>) = (RandomState::new(), Cell::new(0));
    }
    STATE.with(|(keys, next)| {
        next.set(next.get().wrapping_add(1));
        keys.hash_one(next.get()).max(1)
    })
}

#[expect(clippy::cast_precision_loss, reason = "a fraction of 53 bits is exact")]
fn random_fraction() -> f64 {
    (random() >> 11) as f64 / (1u64 << 53) as f64
}
