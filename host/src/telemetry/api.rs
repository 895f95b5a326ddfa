//! The AWS APIs: operations by name and status, and calls of functions.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::emf::{EmfMetrics, EmfSample};
use super::lambda::{LambdaFamilies, LambdaMetrics};
use super::register::Register;

/// The handles of the APIs.
#[derive(Clone)]
pub struct ApiMetrics {
    operations: IntCounterVec,
    refused: IntCounterVec,
    functions: LambdaFamilies,
    built_bytes: IntGauge,
    built_released: IntCounter,
    log_bytes: IntGauge,
    logs_dropped: IntGauge,
    waiting_events: IntGaugeVec,
    waiting_bytes: IntGaugeVec,
    oldest_ms: IntGaugeVec,
    emf: EmfMetrics,
}

impl ApiMetrics {
    pub(super) fn register(register: &Register) -> ApiMetrics {
        ApiMetrics {
            operations: register.counters(
                "edgeward_api_operations_total",
                "Operations of the AWS APIs, by service, operation and HTTP status.",
                &["service", "operation", "status"],
            ),
            refused: register.counters(
                "edgeward_api_refused_total",
                "Requests to the AWS APIs that were refused before an operation began, by the code of the error.",
                &["code"],
            ),
            functions: LambdaFamilies::register(register),
            waiting_events: register.gauges("edgeward_queue_events", "Events that wait, by line of the queue.", &["line"]),
            waiting_bytes: register.gauges(
                "edgeward_queue_bytes",
                "Bytes of the events that wait, by line of the queue.",
                &["line"],
            ),
            oldest_ms: register.gauges(
                "edgeward_queue_oldest_milliseconds",
                "Time since the event was accepted that is due first, by line of the queue.",
                &["line"],
            ),
            built_bytes: register.gauge("edgeward_lambda_built_bytes", "Bytes that versions of functions hold which are built."),
            built_released: register.counter(
                "edgeward_lambda_built_released_total",
                "Versions of functions that were built, and let go to make room for others.",
            ),
            log_bytes: register.gauge("edgeward_logs_bytes", "Bytes of the log groups on disk."),
            emf: EmfMetrics::register(register),
            logs_dropped: register.gauge(
                "edgeward_logs_dropped",
                "Logs of calls that were lost since the start, because they came faster than they could be written.",
            ),
        }
    }

    /// What the log groups have on disk, and what of logs was lost.
    pub fn logs(&self, bytes: u64, dropped: u64) {
        self.log_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.logs_dropped.set(i64::try_from(dropped).unwrap_or(i64::MAX));
    }

    /// What waits now, by line: events, their bytes, and how long the first has waited.
    pub fn waiting<'a>(&self, lines: impl Iterator<Item = (&'a str, u64, u64, u64)>) {
        // A line in which nothing waits is none.
        for family in [&self.waiting_events, &self.waiting_bytes, &self.oldest_ms] {
            family.reset();
        }
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        for (line, events, bytes, oldest_ms) in lines {
            self.waiting_events.with_label_values(&[line]).set(number(events));
            self.waiting_bytes.with_label_values(&[line]).set(number(bytes));
            self.oldest_ms.with_label_values(&[line]).set(number(oldest_ms));
        }
    }

    /// An operation has ended.
    pub fn operation(&self, service: &str, operation: &str, status: u16) {
        self.operations.with_label_values(&[service, operation, &status.to_string()]).inc();
    }

    /// A request was refused: nobody's, somebody else's, or none that is known.
    pub fn refused(&self, code: &str) {
        self.refused.with_label_values(&[code]).inc();
    }

    /// The handles of a function.
    pub fn function(&self, name: &str) -> LambdaMetrics {
        self.functions.function(name)
    }

    /// A version is built, and holds so many bytes until this is dropped.
    pub fn built(&self, bytes: u64) -> HeldBytes {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.built_bytes.add(bytes);
        HeldBytes { gauge: self.built_bytes.clone(), bytes }
    }

    /// So many versions were let go to make room for others.
    pub fn released(&self, versions: usize) {
        self.built_released.inc_by(versions as u64);
    }

    /// What a function has measured itself.
    pub fn embedded(&self, sample: &EmfSample) {
        self.emf.observe(sample);
    }
}

/// Bytes that somebody holds, until this is dropped.
pub struct HeldBytes {
    gauge: IntGauge,
    bytes: i64,
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.gauge.sub(self.bytes);
    }
}
