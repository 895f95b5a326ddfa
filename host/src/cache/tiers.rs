//! What the cache is made of: the two tiers, the fills under way, and the rules of purges.
//!
//! Lookups, waits, duties and the keeper all work on these; none of them knows the others through here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quick_cache::sync::Cache as Shards;

use crate::cache::disk::{DiskEntry, DiskTier, Spool};
use crate::cache::flight::Flights;
use crate::cache::freshness::Period;
use crate::cache::key::{Key, Selecting};
use crate::cache::memory::{MemoryEntry, MemoryTier};
use crate::cache::object::Stored;
use crate::cache::purge::{EpochGuard, Purges};
use crate::limits::cache::UNCACHEABLE_MS;
use crate::telemetry::CacheMetrics;

/// See the module. Shared by all workers.
pub(crate) struct Tiers {
    pub(super) memory: MemoryTier,
    pub(super) disk: Option<Arc<DiskTier>>,
    pub(super) flights: Arc<Flights>,
    pub(super) purges: Arc<Purges>,
    pub(super) uncacheable: Shards<Key, Period>,
    /// Keys whose origin has just failed: their stale responses are used without asking it.
    pub(super) held: Shards<Key, Period>,
    /// How many bytes flights may buffer before they spill to disk or through a window.
    pub(super) flight_bytes: u64,
    pub(super) metrics: CacheMetrics,
    /// Whether the keeper has been told of invalidations to write or to sweep.
    pub(super) invalidations_pending: AtomicBool,
}

/// The key that was asked for, and the key of the object itself, which differs if the response varies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LookupKeys {
    pub(crate) primary: Key,
    pub(crate) slot: Key,
}

impl Tiers {
    /// Finds the object's own key, as far as it is known, and the object if it is in memory.
    pub(super) fn find(&self, key: &Key, asked: Selecting<'_>) -> (Key, Option<Arc<Stored>>) {
        let mut slot = *key;
        let mut entry = self.memory.find(key);
        let names = match &entry {
            Some(MemoryEntry::Object(_)) => None,
            Some(MemoryEntry::Vary(names)) => Some(names.clone()),
            None => match self.disk.as_ref().and_then(|disk| disk.find(key)) {
                Some(DiskEntry::Vary(names)) => Some(names),
                _ => None,
            },
        };
        if let Some(names) = names {
            slot = key.variant(&names, asked);
            entry = self.memory.find(&slot);
        }
        let Some(MemoryEntry::Object(stored)) = entry else { return (slot, None) };
        // After a purge each object is checked against the rules once; then this is one comparison.
        let epoch = self.purges.epoch();
        let checked = stored.checked.load(Ordering::Relaxed);
        if checked < epoch {
            if self.purges.take(&stored.meta, checked) {
                self.memory.remove(&slot, &stored);
                return (slot, None);
            }
            // A rule that struck it may have been swept and retired since it was found. Then it is gone from the tier.
            if !self.memory.holds(&slot, &stored) {
                return (slot, None);
            }
            stored.checked.fetch_max(epoch, Ordering::Relaxed);
        }
        (slot, Some(stored))
    }

    pub(super) fn on_disk(&self, slot: &Key) -> Option<DiskEntry> {
        let place = self.disk.as_ref()?.find(slot)?;
        match place {
            DiskEntry::File { fill_epoch, .. } if !self.purges.strike_unseen(fill_epoch) => Some(place),
            _ => None,
        }
    }

    pub(super) fn fits_memory(&self, place: &DiskEntry) -> bool {
        matches!(place, DiskEntry::File { body_bytes, .. } if *body_bytes <= self.memory.object_bytes())
    }

    /// Whether waiting for the fill of this key is pointless, since the last response could not be stored. One request at
    /// a time still finds out whether that has changed: it may have been due to one client only.
    pub(super) fn is_uncacheable(&self, slot: &Key, now_ms: u64) -> bool {
        self.uncacheable.get(slot).is_some_and(|spell| spell.lasts(now_ms))
    }

    pub(super) fn forget_uncacheable(&self, slot: &Key) {
        self.uncacheable.remove(slot);
    }

    pub(super) fn remember_uncacheable(&self, slot: Key, now_ms: u64) {
        self.uncacheable.insert(slot, Period { since_ms: now_ms, lasts_ms: UNCACHEABLE_MS });
    }

    /// Whether the flights buffer as many bytes as they may.
    pub(super) fn is_crowded(&self) -> bool {
        self.flights.buffered.load(Ordering::Relaxed) > self.flight_bytes
    }

    /// Writes an object that is in memory to disk as well. The write may be lost; then a restart misses the object.
    pub(super) fn write_behind(&self, key: Key, primary: Key, stored: &Arc<Stored>, guard: EpochGuard) {
        let Some(disk) = &self.disk else { return };
        if stored.body.len() as u64 > disk.object_bytes() {
            return;
        }
        let (Ok(runtime), Some(queued)) = (tokio::runtime::Handle::try_current(), disk.queue()) else { return };
        let stored = stored.clone();
        runtime.spawn_blocking(move || {
            let written = queued.disk.store(key, primary, &stored.meta, &stored.body, guard.epoch());
            if let Err(error) = written {
                tracing::debug!(%error, "an object stays out of the disk cache");
            }
        });
    }

    /// Commits the file. Returns whether the object can be found now.
    pub(super) async fn commit(&self, spool: Box<Spool>, guard: EpochGuard) -> bool {
        let Some(disk) = self.disk.clone() else { return false };
        let committed = tokio::task::spawn_blocking(move || {
            let _until_it_is_found = guard;
            disk.commit(*spool)
        });
        matches!(committed.await, Ok(Ok(())))
    }
}
