//! The cache: hits by tier, its size, and the results of fills.

use std::sync::Arc;

use prometheus::{IntCounter, IntCounterVec, IntGaugeVec};

use super::histogram::Histogram;
use super::register::{Register, readable};
use super::repeats::{Occasion, Repeats};

/// The tier of a stored response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum CacheTier {
    Memory,
    Disk,
    /// Not stored yet: streamed from a fill in progress.
    Flight,
}

/// The result of a fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum FillResult {
    Memory,
    Disk,
    Renewed,
    /// Truncated, or of another length than announced.
    Cut,
    /// Purged during the fill.
    Purged,
    /// No tier accepts an object of this size, or its tier failed.
    TooLarge,
    Declined,
}

const TIERS: [&str; 3] = ["memory", "disk", "flight"];
const FILLS: [&str; 7] = ["memory", "disk", "renewed", "cut", "purged", "too-large", "declined"];

/// The handles of the cache's metrics.
#[derive(Clone)]
pub struct CacheMetrics {
    hits: [IntCounter; 3],
    stale: IntCounter,
    misses: IntCounter,
    collapsed: IntCounter,
    bypasses: IntCounterVec,
    bytes: IntGaugeVec,
    objects: IntGaugeVec,
    evictions: [IntCounter; 2],
    fills: [IntCounter; 7],
    fill_seconds: Histogram,
    /// Remembered and refused.
    invalidations: [IntCounter; 2],
    disk_failures: IntCounterVec,
    compressions: IntCounterVec,
    compression_input: IntCounterVec,
    compression_output: IntCounterVec,
    uncompressed: IntCounterVec,
    journal: Arc<Repeats>,
}

impl CacheMetrics {
    pub(super) fn register(register: &Register, journal: Arc<Repeats>) -> CacheMetrics {
        let family = |name: &str, help: &str, label: &str| register.counters(name, help, &[label]);
        let counter = |name: &str, help: &str| register.counter(name, help);
        let gauge = |name: &str, help: &str| register.gauges(name, help, &["tier"]);
        let hits = family(
            "edgeward_cache_hits_total",
            "Requests that were answered with a fresh response from the cache, by tier.",
            "tier",
        );
        let evictions =
            family("edgeward_cache_evictions_total", "Objects that were evicted to make room for others, by tier.", "tier");
        let invalidations = family(
            "edgeward_cache_invalidations_total",
            "URIs that unsafe requests have invalidated, by result: remembered, or refused (the client was over its limit).",
            "result",
        );
        let fills = family("edgeward_cache_fills_total", "Fills and renewals that have ended, by result.", "result");
        let fill_seconds = register.histogram(
            "edgeward_cache_fill_seconds",
            "Duration of a fill, from the lookup that began it to its end.",
            readable(-4, 2),
        );
        CacheMetrics {
            hits: TIERS.map(|tier| hits.with_label_values(&[tier])),
            stale: counter("edgeward_cache_stale_total", "Lookups that found a stale response."),
            misses: counter("edgeward_cache_misses_total", "Lookups that found nothing and began a fill."),
            collapsed: counter("edgeward_cache_collapsed_total", "Lookups that waited for the fill of another request."),
            bypasses: family(
                "edgeward_cache_bypasses_total",
                "Requests that went to the origin without using the cache, by reason.",
                "reason",
            ),
            bytes: gauge(
                "edgeward_cache_bytes",
                "Bytes stored, by tier; for flight, the bytes of fills in progress that no tier stores yet.",
            ),
            objects: gauge("edgeward_cache_objects", "Objects stored, by tier."),
            evictions: [TIERS[0], TIERS[1]].map(|tier| evictions.with_label_values(&[tier])),
            fills: FILLS.map(|result| fills.with_label_values(&[result])),
            fill_seconds,
            invalidations: ["remembered", "refused"].map(|result| invalidations.with_label_values(&[result])),
            disk_failures: family(
                "edgeward_cache_disk_failures_total",
                "Objects that the disk tier lost or did not accept, by reason.",
                "reason",
            ),
            compressions: family("edgeward_cache_compressions_total", "Bodies compressed for the cache, by coding.", "coding"),
            compression_input: family(
                "edgeward_cache_compression_input_bytes_total",
                "Bytes before compression, by coding.",
                "coding",
            ),
            compression_output: family(
                "edgeward_cache_compression_output_bytes_total",
                "Bytes after compression, by coding.",
                "coding",
            ),
            journal,
            uncompressed: family(
                "edgeward_cache_uncompressed_total",
                "Bodies that were stored uncompressed although the behavior compresses, by reason.",
                "reason",
            ),
        }
    }

    pub fn hit(&self, tier: CacheTier) {
        self.hits[tier as usize].inc();
    }

    pub fn stale(&self) {
        self.stale.inc();
    }

    pub fn miss(&self) {
        self.misses.inc();
    }

    pub fn invalidated(&self) {
        self.invalidations[0].inc();
    }

    pub fn invalidation_refused(&self) {
        self.invalidations[1].inc();
    }

    pub fn collapsed(&self) {
        self.collapsed.inc();
    }

    pub fn bypass(&self, reason: &str) {
        self.bypasses.with_label_values(&[reason]).inc();
    }

    /// Called when the metrics are scraped, not on every change.
    pub fn holds(&self, tier: CacheTier, objects: u64, bytes: u64) {
        let label = [TIERS[tier as usize]];
        self.objects.with_label_values(&label).set(i64::try_from(objects).unwrap_or(i64::MAX));
        self.bytes.with_label_values(&label).set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    pub fn evicted_from_memory(&self) {
        self.evictions[0].inc();
    }

    pub fn evicted_from_disk(&self) {
        self.evictions[1].inc();
    }

    pub fn filled(&self, result: FillResult, seconds: f64) {
        self.fills[result as usize].inc();
        self.fill_seconds.observe(seconds);
    }

    /// Counts one completely compressed body.
    pub fn compressed(&self, coding: &str, input_bytes: u64, output_bytes: u64) {
        self.compressions.with_label_values(&[coding]).inc();
        self.compression_input.with_label_values(&[coding]).inc_by(input_bytes);
        self.compression_output.with_label_values(&[coding]).inc_by(output_bytes);
    }

    pub fn uncompressed(&self, reason: &str) {
        self.uncompressed.with_label_values(&[reason]).inc();
    }

    /// The journal of purges could not be written.
    pub fn journal_failed(&self, cause: &dyn std::fmt::Display) {
        self.journal.occurred(Occasion { site: "", path: "", request_id: "", category: "cache-journal", cause });
    }

    pub fn journal_written(&self) {
        self.journal.ended();
    }

    pub fn disk_failed(&self, reason: &str) {
        self.disk_failures.with_label_values(&[reason]).inc();
    }
}
