//! Lambda's metrics of a function's asynchronous events
//! (<https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html>).

use std::time::Duration;

use prometheus::{IntCounter, IntCounterVec};

use super::histogram::{Histogram, HistogramVec};
use super::register::{Register, readable};

/// The series of all functions.
#[derive(Clone)]
pub(super) struct AsynchronousFamilies {
    received: IntCounterVec,
    age: HistogramVec,
    dropped: IntCounterVec,
    dead_letter_errors: IntCounterVec,
    delivery_failures: IntCounterVec,
}

impl AsynchronousFamilies {
    pub(super) fn register(register: &Register) -> AsynchronousFamilies {
        let counters = |name, help| register.counters(name, help, &["function"]);
        AsynchronousFamilies {
            received: counters(
                "edgeward_lambda_async_events_received_total",
                "Events for a function that were accepted (Lambda's AsyncEventsReceived).",
            ),
            age: register.histograms(
                "edgeward_lambda_async_event_age_seconds",
                "Time from accepting an event to an attempt (Lambda's AsyncEventAge).",
                "function",
                readable(-3, 5),
            ),
            dropped: counters(
                "edgeward_lambda_async_events_dropped_total",
                "Events that were given up without success (Lambda's AsyncEventsDropped).",
            ),
            dead_letter_errors: counters(
                "edgeward_lambda_dead_letter_errors_total",
                "Attempts to bring an event to a dead-letter queue that failed (Lambda's DeadLetterErrors).",
            ),
            delivery_failures: counters(
                "edgeward_lambda_destination_delivery_failures_total",
                "Attempts to bring a record to a destination that failed (Lambda's DestinationDeliveryFailures).",
            ),
        }
    }

    pub(super) fn function(&self, name: &str) -> AsynchronousMetrics {
        let of = |family: &IntCounterVec| family.with_label_values(&[name]);
        AsynchronousMetrics {
            received: of(&self.received),
            age: self.age.with_label_values(&[name]),
            dropped: of(&self.dropped),
            dead_letter_errors: of(&self.dead_letter_errors),
            delivery_failures: of(&self.delivery_failures),
        }
    }

    /// The function is gone.
    pub(super) fn forget(&self, name: &str) {
        // One that has no sample was not there.
        for family in [&self.received, &self.dropped, &self.dead_letter_errors, &self.delivery_failures] {
            let _ = family.remove_label_values(&[name]);
        }
        let _ = self.age.remove_label_values(&[name]);
    }
}

/// The handles of one function.
pub struct AsynchronousMetrics {
    received: IntCounter,
    age: Histogram,
    dropped: IntCounter,
    dead_letter_errors: IntCounter,
    delivery_failures: IntCounter,
}

impl AsynchronousMetrics {
    /// An event is accepted.
    pub fn received(&self) {
        self.received.inc();
    }

    /// An attempt begins for an event that was accepted so long ago.
    pub fn tried(&self, age: Duration) {
        self.age.observe(age.as_secs_f64());
    }

    /// An event is given up.
    pub fn dropped(&self) {
        self.dropped.inc();
    }

    /// A record could not be brought to its destination.
    pub fn not_delivered(&self) {
        self.delivery_failures.inc();
    }

    /// An event could not be brought to a dead-letter queue.
    pub fn dead_letter_failed(&self) {
        self.dead_letter_errors.inc();
    }
}
