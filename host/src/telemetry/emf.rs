//! Metrics that functions write into their logs, as sums and counts.
//!
//! Their names are a function's choice, and so they are labels here; so many series exist, and what comes beyond is counted.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::{GaugeVec, IntCounter, IntCounterVec};

use super::register::Register;
use crate::limits::logging::{EMF_LABEL_BYTES, EMF_SERIES};

/// Values of one metric in one line of a log.
#[derive(Debug, Clone, PartialEq)]
pub struct EmfSample {
    pub namespace: String,
    pub metric: String,
    /// CloudWatch's word: `Count`, `Milliseconds`.
    pub unit: String,
    /// `name=value`, sorted, separated by commas.
    pub dimensions: String,
    pub sum: f64,
    pub count: u64,
}

/// See the module.
#[derive(Clone)]
pub(super) struct EmfMetrics {
    sum: GaugeVec,
    count: IntCounterVec,
    dropped: IntCounter,
    known: Arc<Mutex<HashSet<[String; 4]>>>,
}

impl EmfMetrics {
    pub(super) fn register(register: &Register) -> EmfMetrics {
        let labels = ["namespace", "metric", "unit", "dimensions"];
        EmfMetrics {
            sum: register.float_gauges(
                "edgeward_emf_value_sum",
                "Metrics in logs of functions (CloudWatch's embedded metric format): the sum of their values.",
                &labels,
            ),
            count: register.counters(
                "edgeward_emf_values_total",
                "Metrics in logs of functions (CloudWatch's embedded metric format): how many values there were.",
                &labels,
            ),
            dropped: register.counter(
                "edgeward_emf_samples_dropped_total",
                "Metrics in logs of functions that were not counted, since there are too many series, or a name is too long.",
            ),
            known: Arc::default(),
        }
    }

    pub(super) fn observe(&self, sample: &EmfSample) {
        let EmfSample { namespace, metric, unit, dimensions, sum, count } = sample;
        let labels = [namespace, metric, unit, dimensions].map(String::clone);
        let is_long = labels.iter().map(String::len).sum::<usize>() > EMF_LABEL_BYTES;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if is_long || (known.len() >= EMF_SERIES && !known.contains(&labels)) {
            self.dropped.inc();
            return;
        }
        let values = labels.each_ref().map(String::as_str);
        self.sum.with_label_values(&values).add(*sum);
        self.count.with_label_values(&values).inc_by(*count);
        known.insert(labels);
    }
}
