//! Requests of the edge: their number, results and durations.
//!
//! A site's counters are created on first use, so that a thousand sites do not export a hundred thousand zeros;
//! later requests find their counter by index.

use std::sync::{Arc, OnceLock};

use prometheus::{IntCounter, IntCounterVec, IntGauge};

use super::histogram::{Histogram, HistogramVec};
use super::register::{Register, readable};
use super::repeats::{Occasion, Repeats};

/// The result of a request, with CloudFront's values (`x-edge-result-type`, `X-Cache`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum ResultType {
    Miss,
    Hit,
    /// From the cache, after the origin confirmed it.
    RefreshHit,
    Error,
    Redirect,
    FunctionGeneratedResponse,
    FunctionExecutionError,
    FunctionValidationError,
    FunctionThrottledError,
    LambdaGeneratedResponse,
    LambdaExecutionError,
    LambdaValidationError,
    LambdaLimitExceeded,
}

impl ResultType {
    const COUNT: usize = 13;

    pub fn name(self) -> &'static str {
        match self {
            ResultType::Miss => "Miss",
            ResultType::Hit => "Hit",
            ResultType::RefreshHit => "RefreshHit",
            ResultType::Error => "Error",
            ResultType::Redirect => "Redirect",
            ResultType::FunctionGeneratedResponse => "FunctionGeneratedResponse",
            ResultType::FunctionExecutionError => "FunctionExecutionError",
            ResultType::FunctionValidationError => "FunctionValidationError",
            ResultType::FunctionThrottledError => "FunctionThrottledError",
            ResultType::LambdaGeneratedResponse => "LambdaGeneratedResponse",
            ResultType::LambdaExecutionError => "LambdaExecutionError",
            ResultType::LambdaValidationError => "LambdaValidationError",
            ResultType::LambdaLimitExceeded => "LambdaLimitExceeded",
        }
    }
}

pub(super) struct EdgeFamilies {
    requests: IntCounterVec,
    seconds: HistogramVec,
    bytes: IntCounterVec,
    open: IntGauge,
    refusals: IntCounterVec,
    hook_seconds: HistogramVec,
    origin_seconds: HistogramVec,
    origin_responses: IntCounterVec,
    origin_failures: IntCounterVec,
    origin_failovers: IntCounterVec,
    origin_connections: IntCounterVec,
    tunnels: IntGauge,
    tunnel_bytes: IntCounterVec,
}

impl EdgeFamilies {
    pub(super) fn register(register: &Register) -> EdgeFamilies {
        EdgeFamilies {
            requests: register.counters(
                "edgeward_edge_requests_total",
                "Completed requests, by site, status class and result type.",
                &["site", "status", "result"],
            ),
            seconds: register.histograms(
                "edgeward_edge_request_seconds",
                "Duration of a request, from its head to the end of the response.",
                "site",
                readable(-5, 2),
            ),
            bytes: register.counters(
                "edgeward_edge_body_bytes_total",
                "Body bytes that were sent to clients, by site.",
                &["site"],
            ),
            open: register.gauge("edgeward_edge_requests_open", "Requests in progress."),
            refusals: register.counters(
                "edgeward_edge_refusals_total",
                "Requests that the edge answered itself, by reason.",
                &["reason"],
            ),
            hook_seconds: register.histograms(
                "edgeward_edge_hook_seconds",
                "Time that a request spent in a hook, by moment.",
                "moment",
                readable(-6, 1),
            ),
            origin_seconds: register.histograms(
                "edgeward_edge_origin_seconds",
                "Time from a request to an origin to the head of the response, by origin.",
                "origin",
                readable(-4, 2),
            ),
            origin_responses: register.counters(
                "edgeward_edge_origin_responses_total",
                "Responses of origins, by origin and status class.",
                &["origin", "status"],
            ),
            origin_failures: register.counters(
                "edgeward_edge_origin_failures_total",
                "Attempts that got no response from an origin, by origin and reason.",
                &["origin", "reason"],
            ),
            origin_failovers: register.counters(
                "edgeward_edge_origin_failovers_total",
                "Requests that fell over to the second origin of a group, by the first origin.",
                &["origin"],
            ),
            origin_connections: register.counters(
                "edgeward_edge_origin_connections_total",
                "Connections that requests to origins used, by kind: new, reused, or waited (the request had to wait for one).",
                &["origin", "kind"],
            ),
            tunnels: register.gauge("edgeward_edge_tunnels_open", "Open WebSocket tunnels."),
            tunnel_bytes: register.counters(
                "edgeward_edge_tunnel_bytes_total",
                "Bytes that passed through WebSocket tunnels, by receiver.",
                &["to"],
            ),
        }
    }

    pub(super) fn edge(&self, own: [Arc<Repeats>; 3]) -> EdgeMetrics {
        let [exhausted, panicked, broken] = own;
        EdgeMetrics {
            exhausted,
            panicked,
            broken,
            open: self.open.clone(),
            hook_seconds: ["viewer-request", "origin-request", "origin-response", "viewer-response"]
                .map(|moment| self.hook_seconds.with_label_values(&[moment])),
            refusals: self.refusals.clone(),
            tunnels: self.tunnels.clone(),
            bytes_to_viewers: self.tunnel_bytes.with_label_values(&["viewer"]),
            bytes_to_origins: self.tunnel_bytes.with_label_values(&["origin"]),
        }
    }

    pub(super) fn site(&self, name: &str) -> SiteMetrics {
        SiteMetrics {
            name: name.to_owned(),
            requests: self.requests.clone(),
            cells: std::array::from_fn(|_| Default::default()),
            seconds: self.seconds.with_label_values(&[name]),
            bytes: self.bytes.with_label_values(&[name]),
        }
    }

    pub(super) fn origin(&self, name: &str, failures: Arc<Repeats>, broken: Arc<Repeats>) -> OriginMetrics {
        OriginMetrics {
            name: name.to_owned(),
            seconds: self.origin_seconds.with_label_values(&[name]),
            responses: self.origin_responses.clone(),
            classes: Default::default(),
            failures: self.origin_failures.clone(),
            failovers: self.origin_failovers.with_label_values(&[name]),
            connected: self.origin_connections.with_label_values(&[name, "new"]),
            reused: self.origin_connections.with_label_values(&[name, "reused"]),
            outage: failures,
            broken,
            waited: self.origin_connections.with_label_values(&[name, "waited"]),
        }
    }
}

/// The handles shared by all sites.
pub struct EdgeMetrics {
    open: IntGauge,
    hook_seconds: [Histogram; 4],
    refusals: IntCounterVec,
    tunnels: IntGauge,
    bytes_to_viewers: IntCounter,
    bytes_to_origins: IntCounter,
    exhausted: Arc<Repeats>,
    panicked: Arc<Repeats>,
    broken: Arc<Repeats>,
}

impl EdgeMetrics {
    /// This machine had no descriptors, ports or memory left to connect to an origin.
    pub fn exhausted(&self, occasion: Occasion<'_>) {
        self.exhausted.occurred(occasion);
    }

    /// A panic while answering a request.
    pub fn panicked(&self, occasion: Occasion<'_>) {
        self.panicked.occurred(occasion);
    }

    /// A response from the cache or a folder ended before its body was complete.
    pub fn broke(&self, occasion: Occasion<'_>) {
        self.broken.occurred(occasion);
    }

    pub fn tunnel_opened(&self) {
        self.tunnels.inc();
    }

    pub fn tunnel_closed(&self) {
        self.tunnels.dec();
    }

    pub fn tunnelled_to_viewer(&self, bytes: u64) {
        self.bytes_to_viewers.inc_by(bytes);
    }

    pub fn tunnelled_to_origin(&self, bytes: u64) {
        self.bytes_to_origins.inc_by(bytes);
    }

    pub fn opened(&self) {
        self.open.inc();
    }

    pub fn closed(&self) {
        self.open.dec();
    }

    /// `moment` counts from 0, as in the hook ABI.
    #[expect(clippy::cast_precision_loss, reason = "a histogram needs no exact microseconds")]
    pub fn hook(&self, moment: usize, duration_us: u64) {
        self.hook_seconds[moment].observe(duration_us as f64 / 1e6);
    }

    pub fn refused(&self, reason: &str) {
        self.refusals.with_label_values(&[reason]).inc();
    }
}

/// The handles of one site.
pub struct SiteMetrics {
    name: String,
    requests: IntCounterVec,
    cells: [[OnceLock<IntCounter>; 5]; ResultType::COUNT],
    seconds: Histogram,
    bytes: IntCounter,
}

impl SiteMetrics {
    pub fn answered(&self, status: u16, result: ResultType, seconds: f64, body_bytes: u64) {
        let class = class(status);
        self.cells[result as usize][class]
            .get_or_init(|| self.requests.with_label_values(&[self.name.as_str(), CLASSES[class], result.name()]))
            .inc();
        self.seconds.observe(seconds);
        self.bytes.inc_by(body_bytes);
    }
}

/// The handles of one origin.
pub struct OriginMetrics {
    name: String,
    seconds: Histogram,
    responses: IntCounterVec,
    classes: [OnceLock<IntCounter>; 5],
    failures: IntCounterVec,
    failovers: IntCounter,
    connected: IntCounter,
    reused: IntCounter,
    outage: Arc<Repeats>,
    broken: Arc<Repeats>,
    waited: IntCounter,
}

impl OriginMetrics {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn answered(&self, status: u16, seconds: f64) {
        self.seconds.observe(seconds);
        let class = class(status);
        self.classes[class].get_or_init(|| self.responses.with_label_values(&[self.name.as_str(), CLASSES[class]])).inc();
        self.outage.ended();
    }

    /// Counts a failure. `occasion` is for the log line, if one is due.
    pub fn failed(&self, reason: &'static str, occasion: Occasion<'_>) {
        self.failures.with_label_values(&[self.name.as_str(), reason]).inc();
        self.outage.occurred(occasion);
    }

    /// A response of the origin ended before its body was complete.
    pub fn broke(&self, occasion: Occasion<'_>) {
        self.broken.occurred(occasion);
    }

    /// The request fails over to another origin.
    pub fn failed_over(&self) {
        self.failovers.inc();
    }

    pub fn connected(&self) {
        self.connected.inc();
    }

    /// All permitted connections are in use.
    pub fn waited(&self) {
        self.waited.inc();
    }

    pub fn reused(&self) {
        self.reused.inc();
    }
}

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

fn class(status: u16) -> usize {
    usize::from(status / 100).clamp(1, 5) - 1
}
