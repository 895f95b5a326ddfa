//! Requests of the edge: how many, with which result, how long, and where the time went.
//!
//! A site's counters are made on first use, so that a thousand sites do not show a hundred thousand zeros;
//! after that a request finds its counter by index.

use std::sync::OnceLock;

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// How a request was answered, in CloudFront's words (`x-edge-result-type`, `X-Cache`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum ResultType {
    Miss,
    Hit,
    /// From the cache, after the origin has said that it is still right.
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

pub(super) struct Families {
    requests: IntCounterVec,
    seconds: HistogramVec,
    bytes: IntCounterVec,
    open: IntGauge,
    refusals: IntCounterVec,
    hook_seconds: HistogramVec,
    origin_seconds: HistogramVec,
    origin_failures: IntCounterVec,
    origin_connections: IntCounterVec,
    tunnels: IntGauge,
    tunnel_bytes: IntCounterVec,
}

impl Families {
    pub(super) fn register(registry: &Registry) -> Families {
        let counters =
            |name: &str, help: &str, labels: &[&str]| IntCounterVec::new(Opts::new(name, help), labels).expect("valid metric");
        let histograms = |name: &str, help: &str, label: &str, start: f64| {
            let buckets = prometheus::exponential_buckets(start, 2.5, 18).expect("valid buckets");
            HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets), &[label]).expect("valid metric")
        };
        let families = Families {
            requests: counters(
                "edgeward_edge_requests_total",
                "Requests by site, status class and result type.",
                &["site", "status", "result"],
            ),
            seconds: histograms(
                "edgeward_edge_request_seconds",
                "From the request's head to the end of the response.",
                "site",
                1e-5,
            ),
            bytes: counters("edgeward_edge_body_bytes_total", "Body bytes sent to clients.", &["site"]),
            open: IntGauge::new("edgeward_edge_requests_open", "Requests being answered.").expect("valid metric"),
            refusals: counters(
                "edgeward_edge_refusals_total",
                "Requests that ended without an answer of an origin or a hook, by reason.",
                &["reason"],
            ),
            hook_seconds: histograms("edgeward_edge_hook_seconds", "Time a request spent in a hook, by moment.", "moment", 1e-6),
            origin_seconds: histograms(
                "edgeward_edge_origin_seconds",
                "From the request's start at the origin to the head of its answer.",
                "origin",
                1e-5,
            ),
            origin_failures: counters(
                "edgeward_edge_origin_failures_total",
                "Attempts that an origin did not answer, by reason.",
                &["origin", "reason"],
            ),
            origin_connections: counters(
                "edgeward_edge_origin_connections_total",
                "Connections to origins: new, reused from the pool, or waited for.",
                &["origin", "kind"],
            ),
            tunnels: IntGauge::new("edgeward_edge_tunnels_open", "Open WebSocket tunnels.").expect("valid metric"),
            tunnel_bytes: counters(
                "edgeward_edge_tunnel_bytes_total",
                "Bytes that passed through WebSocket tunnels, by whom they went to.",
                &["to"],
            ),
        };
        for collector in [
            &families.requests,
            &families.bytes,
            &families.refusals,
            &families.origin_failures,
            &families.origin_connections,
            &families.tunnel_bytes,
        ] {
            registry.register(Box::new(collector.clone())).expect("registered once");
        }
        for collector in [&families.seconds, &families.hook_seconds, &families.origin_seconds] {
            registry.register(Box::new(collector.clone())).expect("registered once");
        }
        for collector in [&families.open, &families.tunnels] {
            registry.register(Box::new(collector.clone())).expect("registered once");
        }
        families
    }

    pub(super) fn edge(&self) -> EdgeMetrics {
        EdgeMetrics {
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

    pub(super) fn origin(&self, name: &str) -> OriginMetrics {
        OriginMetrics {
            name: name.to_owned(),
            seconds: self.origin_seconds.with_label_values(&[name]),
            failures: self.origin_failures.clone(),
            connected: self.origin_connections.with_label_values(&[name, "new"]),
            reused: self.origin_connections.with_label_values(&[name, "reused"]),
            waited: self.origin_connections.with_label_values(&[name, "waited"]),
        }
    }
}

/// The handles that all sites share.
pub struct EdgeMetrics {
    open: IntGauge,
    hook_seconds: [Histogram; 4],
    refusals: IntCounterVec,
    tunnels: IntGauge,
    bytes_to_viewers: IntCounter,
    bytes_to_origins: IntCounter,
}

impl EdgeMetrics {
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
        const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        let class = usize::from(status / 100).clamp(1, 5) - 1;
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
    failures: IntCounterVec,
    connected: IntCounter,
    reused: IntCounter,
    waited: IntCounter,
}

impl OriginMetrics {
    pub fn answered(&self, seconds: f64) {
        self.seconds.observe(seconds);
    }

    pub fn failed(&self, reason: &str) {
        self.failures.with_label_values(&[self.name.as_str(), reason]).inc();
    }

    pub fn connected(&self) {
        self.connected.inc();
    }

    /// All connections that there may be are in use.
    pub fn waited(&self) {
        self.waited.inc();
    }

    pub fn reused(&self) {
        self.reused.inc();
    }
}
