//! Histograms: I count observations in buckets, for the price of two additions.
//!
//! A proxied request with two hooks is observed eight times. The crate's own histogram makes four locked operations of
//! each, so that a scrape sees buckets, sum and count of one moment. Here the count is that of the buckets, and a scrape
//! may see one observation in the buckets and not yet in the sum.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use prometheus::core::{Metric, MetricVec, MetricVecBuilder};
use prometheus::{HistogramOpts, Result, proto};

/// A family of histograms, told apart by the values of its labels.
pub(super) type HistogramVec = MetricVec<HistogramBuilder>;

/// Makes an empty family.
pub(super) fn family(name: &str, help: &str, labels: &[&str], bounds: Vec<f64>) -> Result<HistogramVec> {
    let mut opts = HistogramOpts::new(name, help).buckets(bounds);
    opts.common_opts = opts.common_opts.variable_labels(labels.iter().map(ToString::to_string).collect());
    MetricVec::create(proto::MetricType::HISTOGRAM, HistogramBuilder, opts)
}

/// A handle; clones count into the same buckets.
#[derive(Clone)]
pub(super) struct Histogram(Arc<Counts>);

struct Counts {
    labels: Vec<proto::LabelPair>,
    /// The upper bounds, inclusive and increasing.
    bounds: Box<[f64]>,
    /// One for each bound, and one for what is above all of them.
    buckets: Box<[AtomicU64]>,
    /// In units: whole numbers are added by one instruction.
    sum: AtomicU64,
    /// A thousandth of the lowest bound: rounding hides in it, and 64 bits have room for years.
    unit: f64,
}

impl Histogram {
    pub(super) fn observe(&self, value: f64) {
        let Counts { bounds, buckets, sum, unit, .. } = &*self.0;
        let bucket = bounds.iter().position(|bound| value <= *bound).unwrap_or(bounds.len());
        buckets[bucket].fetch_add(1, Relaxed);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a value out of range is the nearest")]
        sum.fetch_add((value / unit + 0.5) as u64, Relaxed);
    }
}

impl Metric for Histogram {
    fn metric(&self) -> proto::Metric {
        let Counts { labels, bounds, buckets, sum, unit } = &*self.0;
        let mut below = 0;
        let mut all = buckets.iter().map(|bucket| {
            below += bucket.load(Relaxed);
            below
        });
        let mut histogram = proto::Histogram::default();
        let bounded = bounds.iter().zip(&mut all).map(|(bound, count)| {
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(count);
            bucket
        });
        histogram.set_bucket(bounded.collect());
        histogram.set_sample_count(all.next().unwrap_or_default());
        #[expect(clippy::cast_precision_loss, reason = "fifteen digits are enough")]
        histogram.set_sample_sum(sum.load(Relaxed) as f64 * unit);
        let mut metric = proto::Metric::from_label(labels.clone());
        metric.set_histogram(histogram);
        metric
    }
}

/// Makes the histograms of a family.
#[derive(Clone)]
pub(super) struct HistogramBuilder;

impl MetricVecBuilder for HistogramBuilder {
    type M = Histogram;
    type P = HistogramOpts;

    fn build<V: AsRef<str>>(&self, opts: &HistogramOpts, values: &[V]) -> Result<Histogram> {
        let label = |(name, value): (&String, &V)| {
            let mut pair = proto::LabelPair::default();
            pair.set_name(name.clone());
            pair.set_value(value.as_ref().to_owned());
            pair
        };
        Ok(Histogram(Arc::new(Counts {
            labels: opts.common_opts.variable_labels.iter().zip(values).map(label).collect(),
            bounds: opts.buckets.clone().into(),
            buckets: (0..=opts.buckets.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
            unit: opts.buckets.first().copied().unwrap_or(1.0) / 1_000.0,
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        let family = family("h", "Help.", &["of"], vec![0.001, 0.01, 0.1]).unwrap();
        let histogram = family.with_label_values(&["a"]);
        for value in [0.0, 0.001, 0.001_000_1, 0.1, 0.2, 1e300, -1.0, f64::NAN] {
            histogram.observe(value);
        }
        let metric = histogram.metric();
        let found = metric.get_histogram();
        let buckets: Vec<_> = found.get_bucket().iter().map(|bucket| (bucket.upper_bound(), bucket.cumulative_count())).collect();
        assert_eq!((buckets, found.get_sample_count()), (vec![(0.001, 3), (0.01, 4), (0.1, 5)], 8));
        assert_eq!(metric.get_label().iter().map(|pair| (pair.name(), pair.value())).collect::<Vec<_>>(), [("of", "a")]);
    }

    #[test]
    fn the_sum_is_exact_to_a_thousandth_of_the_lowest_bound() {
        for (lowest, value, times) in [(1e-6, 0.000_002, 1_000), (1e-5, 3.3, 100), (100.0, 12_345_678.0, 1_000)] {
            let family = family("h", "Help.", &[], vec![lowest]).unwrap();
            let histogram = family.with_label_values::<&str>(&[]);
            (0..times).for_each(|_| histogram.observe(value));
            let (sum, expected) = (histogram.metric().get_histogram().get_sample_sum(), value * f64::from(times));
            assert!((sum - expected).abs() <= lowest / 1_000.0 * f64::from(times), "{sum} {expected}");
        }
    }
}
