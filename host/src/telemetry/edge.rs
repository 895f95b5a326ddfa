//! What the edge did: requests by site and result, time in hooks and at origins.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::telemetry::Result as ResultType;

pub(super) struct Families {
    requests: IntCounterVec,
    statuses: IntCounterVec,
    duration: HistogramVec,
    hook: HistogramVec,
    origin: HistogramVec,
    origin_failures: IntCounterVec,
    open: IntGauge,
}

impl Families {
    pub(super) fn register(registry: &Registry) -> Families {
        let families = Families {
            requests: counter("edgeward_edge_requests_total", "Requests by site and result type (CloudFront's x-edge-result-type).", &["site", "result"]),
            statuses: counter("edgeward_edge_responses_total", "Responses by site and class of status.", &["site", "status"]),
            duration: histogram("edgeward_edge_request_seconds", "Time from a request's head to its response's head.", &["site"], 1e-5),
            hook: histogram("edgeward_edge_hook_seconds", "Time of a hook in the request's way, instance and event included.", &["site", "moment"], 1e-6),
            origin: histogram("edgeward_edge_origin_seconds", "Time from the request to an origin to its response's head.", &["site"], 1e-5),
            origin_failures: counter("edgeward_edge_origin_failures_total", "Attempts at an origin that gave no response.", &["site"]),
            open: IntGauge::new("edgeward_edge_requests_open", "Requests without a response's head yet.").expect("valid metric"),
        };
        for collector in [&families.requests, &families.statuses, &families.origin_failures] {
            registry.register(Box::new(collector.clone())).expect("registered once");
        }
        for collector in [&families.duration, &families.hook, &families.origin] {
            registry.register(Box::new(collector.clone())).expect("registered once");
        }
        registry.register(Box::new(families.open.clone())).expect("registered once");
        families
    }

    pub(super) fn site(&self, site: &str) -> SiteMetrics {
        let moments = ["viewer-request", "origin-request", "origin-response", "viewer-response"];
        SiteMetrics {
            results: ResultType::ALL.map(|result| self.requests.with_label_values(&[site, result.name()])),
            statuses: ["1xx", "2xx", "3xx", "4xx", "5xx"].map(|class| self.statuses.with_label_values(&[site, class])),
            duration: self.duration.with_label_values(&[site]),
            hooks: moments.map(|moment| self.hook.with_label_values(&[site, moment])),
            origin: self.origin.with_label_values(&[site]),
            origin_failures: self.origin_failures.with_label_values(&[site]),
            open: self.open.clone(),
        }
    }
}

/// The handles of one site.
pub struct SiteMetrics {
    results: [IntCounter; ResultType::ALL.len()],
    statuses: [IntCounter; 5],
    duration: Histogram,
    hooks: [Histogram; 4],
    origin: Histogram,
    origin_failures: IntCounter,
    open: IntGauge,
}

impl SiteMetrics {
    pub fn begun(&self) {
        self.open.inc();
    }

    pub fn finished(&self, result: ResultType, status: u16, took: Duration) {
        self.open.dec();
        self.results[result as usize].inc();
        self.statuses[usize::from(status / 100).clamp(1, 5) - 1].inc();
        self.duration.observe(took.as_secs_f64());
    }

    /// The client went away before there was a response.
    pub fn abandoned(&self) {
        self.open.dec();
        self.results[ResultType::ClientGone as usize].inc();
    }

    /// `moment` in the order of a request's life.
    pub fn hook(&self, moment: usize, took: Duration) {
        self.hooks[moment].observe(took.as_secs_f64());
    }

    pub fn origin(&self, took: Duration) {
        self.origin.observe(took.as_secs_f64());
    }

    pub fn origin_failed(&self) {
        self.origin_failures.inc();
    }
}

fn counter(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    IntCounterVec::new(Opts::new(name, help), labels).expect("valid metric")
}

fn histogram(name: &str, help: &str, labels: &[&str], start: f64) -> HistogramVec {
    let buckets = prometheus::exponential_buckets(start, 2.5, 16).expect("valid buckets");
    HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets), labels).expect("valid metric")
}
