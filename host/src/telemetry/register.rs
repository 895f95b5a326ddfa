//! I create families of metrics: each is registered and listed, so that a family without a sample is known, too.
//! A test compares `docs/metrics.md` with this list.

use std::sync::Mutex;

use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts};

use super::histogram::{self, Histogram, HistogramVec};

/// The Prometheus type of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FamilyKind {
    Counter,
    Gauge,
    Histogram,
}

impl FamilyKind {
    /// As in the text format.
    pub fn name(self) -> &'static str {
        match self {
            FamilyKind::Counter => "counter",
            FamilyKind::Gauge => "gauge",
            FamilyKind::Histogram => "histogram",
        }
    }
}

/// A family of metrics, with or without samples.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Family {
    pub name: String,
    pub kind: FamilyKind,
    pub labels: Vec<String>,
    pub help: String,
}

/// All families of a process.
#[derive(Default)]
pub(super) struct Register {
    registry: prometheus::Registry,
    families: Mutex<Vec<Family>>,
}

impl Register {
    pub(super) fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.add(FamilyKind::Counter, IntCounter::new(name, help))
    }

    pub(super) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.add(FamilyKind::Counter, IntCounterVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.add(FamilyKind::Gauge, IntGauge::new(name, help))
    }

    pub(super) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.add(FamilyKind::Gauge, IntGaugeVec::new(Opts::new(name, help), labels))
    }

    /// Of numbers that have fractions.
    pub(super) fn float_gauges(&self, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
        self.add(FamilyKind::Gauge, GaugeVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn histogram(&self, name: &str, help: &str, buckets: Vec<f64>) -> Histogram {
        self.add(FamilyKind::Histogram, histogram::family(name, help, &[], buckets)).with_label_values::<&str>(&[])
    }

    pub(super) fn histograms(&self, name: &str, help: &str, label: &str, buckets: Vec<f64>) -> HistogramVec {
        self.add(FamilyKind::Histogram, histogram::family(name, help, &[label], buckets))
    }

    /// Registers a collector that gathers its values on each scrape. `kind` returns the type of each of its families.
    pub(super) fn collector(&self, collector: impl Collector + 'static, kind: impl Fn(&str) -> FamilyKind) {
        self.list(&collector, kind);
        self.registry.register(Box::new(collector)).expect("registered once");
    }

    /// Sorted by name.
    pub(super) fn families(&self) -> Vec<Family> {
        let mut families =
            self.families.lock().map_or_else(|poisoned| poisoned.into_inner().clone(), |families| families.clone());
        families.sort();
        families
    }

    pub(super) fn gather(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }

    fn add<C: Collector + Clone + 'static>(&self, kind: FamilyKind, collector: prometheus::Result<C>) -> C {
        let collector = collector.expect("valid metric");
        self.collector(collector.clone(), |_| kind);
        collector
    }

    fn list(&self, collector: &impl Collector, kind: impl Fn(&str) -> FamilyKind) {
        let family = |desc: &prometheus::core::Desc| Family {
            name: desc.fq_name.clone(),
            kind: kind(&desc.fq_name),
            labels: desc.variable_labels.clone(),
            help: desc.help.clone(),
        };
        let families = collector.desc().into_iter().map(family);
        if let Ok(mut all) = self.families.lock() {
            all.extend(families);
        }
    }
}

/// Readable bounds of buckets: 1, 2.5 and 5 times each power of ten from `from` to `to` (exponents): `readable(-3, 1)` is
/// 0.001, 0.0025, 0.005, 0.01, …, 5, 10.
pub(super) fn readable(from: i32, to: i32) -> Vec<f64> {
    // Parsed instead of multiplied, so that 0.0025 is printed as 0.0025.
    let steps = (from..to).flat_map(|power| ["1", "2.5", "5"].map(|step| format!("{step}e{power}")));
    let bounds = steps.chain([format!("1e{to}")]).map(|text| text.parse());
    bounds.collect::<Result<_, _>>().expect("numbers")
}

/// Powers of ten only, for values that need less precision.
pub(super) fn powers_of_ten(from: i32, to: i32) -> Vec<f64> {
    (from..=to).map(|power| format!("1e{power}").parse()).collect::<Result<_, _>>().expect("numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_written_as_people_write_them() {
        let text = |bounds: Vec<f64>| bounds.iter().map(f64::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!(text(readable(-3, 0)), "0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1");
        assert_eq!(text(readable(-6, -5)), "0.000001 0.0000025 0.000005 0.00001");
        assert_eq!(text(powers_of_ten(2, 4)), "100 1000 10000");
    }

    #[test]
    fn a_family_without_children_is_listed() {
        let register = Register::default();
        let family = register.counters("a_total", "Of a.", &["x", "y"]);
        assert!(register.gather().iter().all(|found| found.get_metric().is_empty()));
        let listed = register.families();
        let labels = vec!["x".to_owned(), "y".to_owned()];
        assert_eq!(listed, [Family { name: "a_total".into(), kind: FamilyKind::Counter, labels, help: "Of a.".into() }]);
        drop(family);
    }
}
