//! Functions: calls by result, time, fuel, and the lifecycle of instances.

use std::sync::Arc;

use prometheus::{IntCounter, IntCounterVec};

use super::histogram::{Histogram, HistogramVec};
use super::register::{Register, powers_of_ten, readable};
use super::repeats::{Chatter, Occasion, Repeats};

/// An event in the life of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceEvent {
    /// A call found a clean instance ready.
    Warm,
    /// A call had to wait for a new instance.
    Cold,
    /// A call got a used instance (policy `reuse`).
    Reused,
    /// An instance was created.
    Made,
    /// An instance was restored to its initial state after a call.
    Restored,
    /// An instance was dropped, and why.
    Retired(&'static str),
}

/// The result of comparing a restored instance with a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audit {
    Same,
    /// The revision no longer restores instances.
    Different,
    /// An instance could not be read.
    Unread,
}

pub(super) struct FunctionFamilies {
    calls: IntCounterVec,
    duration: HistogramVec,
    fuel: HistogramVec,
    instantiate: HistogramVec,
    wait: HistogramVec,
    instances: IntCounterVec,
    egress: IntCounterVec,
    audits: IntCounterVec,
}

impl FunctionFamilies {
    pub(super) fn register(register: &Register) -> FunctionFamilies {
        let histogram = |name, help, buckets| register.histograms(name, help, "function", buckets);
        FunctionFamilies {
            calls: register.counters(
                "edgeward_function_calls_total",
                "Calls, by function and result: ok, or the category of the failure with the limit.",
                &["function", "result"],
            ),
            duration: histogram(
                "edgeward_function_call_seconds",
                "Duration of a call in the guest, including host calls.",
                readable(-6, 2),
            ),
            fuel: histogram("edgeward_function_fuel", "Fuel that a call used.", powers_of_ten(2, 11)),
            instantiate: histogram("edgeward_function_instantiate_seconds", "Time to create an instance.", readable(-6, 0)),
            wait: histogram("edgeward_function_wait_seconds", "Time that a call waited for an instance.", readable(-6, 1)),
            instances: register.counters(
                "edgeward_function_instances_total",
                "Instances, by function and event: warm, cold, reused, made, restored, retired (with the reason).",
                &["function", "event", "reason"],
            ),
            egress: register.counters(
                "edgeward_function_egress_total",
                "Outgoing requests and connections of functions, by result: ok, or the reason of the refusal.",
                &["function", "result"],
            ),
            audits: register.counters(
                "edgeward_function_audits_total",
                "Restored instances that were compared with a new instance, by result: same, different, unread.",
                &["function", "result"],
            ),
        }
    }

    pub(super) fn function(&self, name: &str, [failures, late]: [Arc<Repeats>; 2], said: Arc<Chatter>) -> FunctionMetrics {
        let event = |event| self.instances.with_label_values(&[name, event, ""]);
        FunctionMetrics {
            name: name.to_owned(),
            calls: self.calls.clone(),
            instances: self.instances.clone(),
            egress: self.egress.clone(),
            audits: self.audits.clone(),
            ok: self.calls.with_label_values(&[name, "ok"]),
            warm: event("warm"),
            cold: event("cold"),
            reused: event("reused"),
            made: event("made"),
            restored: event("restored"),
            duration: self.duration.with_label_values(&[name]),
            fuel: self.fuel.with_label_values(&[name]),
            instantiate: self.instantiate.with_label_values(&[name]),
            wait: self.wait.with_label_values(&[name]),
            failures,
            late,
            said,
        }
    }
}

/// The handles of one function.
pub struct FunctionMetrics {
    name: String,
    calls: IntCounterVec,
    instances: IntCounterVec,
    egress: IntCounterVec,
    audits: IntCounterVec,
    ok: IntCounter,
    warm: IntCounter,
    cold: IntCounter,
    reused: IntCounter,
    made: IntCounter,
    restored: IntCounter,
    duration: Histogram,
    fuel: Histogram,
    instantiate: Histogram,
    wait: Histogram,
    failures: Arc<Repeats>,
    late: Arc<Repeats>,
    said: Arc<Chatter>,
}

impl FunctionMetrics {
    /// A hook failed a request: logs it, unless a summary is due later.
    pub fn failed_request(&self, occasion: Occasion<'_>) {
        self.failures.occurred(occasion);
    }

    /// A hook succeeded.
    pub fn served_request(&self) {
        self.failures.ended();
    }

    /// A service failed after the head of its response.
    pub fn failed_late(&self, occasion: Occasion<'_>) {
        self.late.occurred(occasion);
    }

    /// Whether the log still has room for the function's output.
    pub fn may_speak(&self) -> bool {
        self.said.admits()
    }

    /// A successful call.
    pub fn succeeded(&self, duration_s: f64, fuel: u64) {
        self.ok.inc();
        self.cost(duration_s, fuel);
    }

    /// A failed call. `result` is the failure's category, with the limit that was hit, if any.
    pub fn failed(&self, result: &str, duration_s: f64, fuel: u64) {
        self.calls.with_label_values(&[self.name.as_str(), result]).inc();
        self.cost(duration_s, fuel);
    }

    #[expect(clippy::cast_precision_loss, reason = "a histogram needs no exact fuel")]
    fn cost(&self, duration_s: f64, fuel: u64) {
        self.duration.observe(duration_s);
        self.fuel.observe(fuel as f64);
    }

    pub fn instance(&self, event: InstanceEvent) {
        match event {
            InstanceEvent::Warm => self.warm.inc(),
            InstanceEvent::Cold => self.cold.inc(),
            InstanceEvent::Reused => self.reused.inc(),
            InstanceEvent::Made => self.made.inc(),
            InstanceEvent::Restored => self.restored.inc(),
            InstanceEvent::Retired(reason) => {
                self.instances.with_label_values(&[self.name.as_str(), "retired", reason]).inc();
            }
        }
    }

    pub fn audited(&self, audit: Audit) {
        let result = match audit {
            Audit::Same => "same",
            Audit::Different => "different",
            Audit::Unread => "unread",
        };
        self.audits.with_label_values(&[self.name.as_str(), result]).inc();
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// An outgoing request or connection: `ok`, or the reason of the refusal.
    pub fn egress(&self, result: &'static str) {
        self.egress.with_label_values(&[self.name.as_str(), result]).inc();
    }

    pub fn instantiated(&self, seconds: f64) {
        self.instantiate.observe(seconds);
    }

    pub fn waited(&self, seconds: f64) {
        self.wait.observe(seconds);
    }
}
