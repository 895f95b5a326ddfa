//! The memory tier: objects that are served without a wait, as many as fit into its capacity.
//!
//! The crate quick_cache decides what is evicted: CLOCK-Pro, which keeps objects that were asked for twice apart from
//! those asked for once, so a scan of cold objects does not empty the tier. The tier is sharded. A hit takes one
//! shard's lock for reading, allocates nothing, and copies two counted references.
//!
//! Bytes: an object's weight is what the allocator takes for the body and for the names and values of the head, which are
//! copies of exact size (`compact`), and `OBJECT_BYTES` for what holds them (`an_object_costs_no_more_than_is_stated`).
//! The sum never exceeds the capacity, and equals what is resident (`tests/memory.rs`).
//!
//! The tier does not know freshness or purges; callers check what they get.

use std::sync::Arc;

use http::HeaderName;
use quick_cache::sync::Cache as Shards;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};

use crate::cache::compact;
use crate::cache::key::Key;
use crate::cache::object::Stored;
use crate::limits::cache::weight::OBJECT_BYTES;
use crate::telemetry::CacheMetrics;

/// What a key leads to.
#[derive(Clone)]
pub(crate) enum MemoryEntry {
    Object(Arc<Stored>),
    /// The response varies: the request's values of these fields select the object's own key.
    Vary(Arc<[HeaderName]>),
}

pub(crate) struct MemoryTier {
    shards: Shards<Key, MemoryEntry, MemoryWeight, DefaultHashBuilder, MemoryEviction>,
    object_bytes: u64,
}

impl MemoryTier {
    /// `object_bytes` is the size of the largest body that the tier takes.
    pub(crate) fn new(bytes: u64, object_bytes: u64, metrics: CacheMetrics) -> MemoryTier {
        // A shard must hold several of the largest objects, or they would evict each other.
        let room = bytes / (4 * (object_bytes + OBJECT_BYTES)).max(1);
        let shards = usize::try_from(room.clamp(1, 64)).unwrap_or(1).next_power_of_two();
        let shards = if shards as u64 > room.max(1) { shards / 2 } else { shards };
        let items = usize::try_from(bytes / 8_192).unwrap_or(usize::MAX).max(32 * shards);
        let options = OptionsBuilder::new()
            .weight_capacity(bytes)
            .estimated_items_capacity(items)
            .shards(shards)
            .build()
            .expect("both sizes are given");
        let evicted = MemoryEviction { metrics };
        MemoryTier { shards: Shards::with_options(options, MemoryWeight, DefaultHashBuilder::default(), evicted), object_bytes }
    }

    pub(crate) fn find(&self, key: &Key) -> Option<MemoryEntry> {
        self.shards.get(key)
    }

    pub(crate) fn insert(&self, key: Key, entry: MemoryEntry) {
        self.shards.insert(key, entry);
    }

    /// Whether the key leads to this very object.
    pub(crate) fn holds(&self, key: &Key, stored: &Arc<Stored>) -> bool {
        matches!(self.shards.peek(key), Some(MemoryEntry::Object(held)) if Arc::ptr_eq(&held, stored))
    }

    /// Removes this very object, not one that has replaced it.
    pub(crate) fn remove(&self, key: &Key, stored: &Arc<Stored>) {
        self.shards.remove_if(key, |entry| matches!(entry, MemoryEntry::Object(held) if Arc::ptr_eq(held, stored)));
    }

    /// Removes every object that `keep` refuses. No lock is held for longer than one access.
    pub(crate) fn sweep(&self, keep: impl Fn(&Stored) -> bool) {
        for (key, entry) in self.shards.iter() {
            if let MemoryEntry::Object(stored) = entry
                && !keep(&stored)
            {
                self.remove(&key, &stored);
            }
        }
    }

    pub(crate) fn object_bytes(&self) -> u64 {
        self.object_bytes
    }

    pub(crate) fn objects(&self) -> u64 {
        self.shards.len() as u64
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.shards.weight()
    }

    /// The bytes that the shards themselves take.
    #[cfg(test)]
    pub(crate) fn structure_bytes(&self) -> u64 {
        self.shards.memory_used().total() as u64
    }
}

#[derive(Clone)]
struct MemoryWeight;

impl Weighter<Key, MemoryEntry> for MemoryWeight {
    fn weight(&self, _: &Key, entry: &MemoryEntry) -> u64 {
        match entry {
            MemoryEntry::Object(stored) => stored.bytes(),
            MemoryEntry::Vary(names) => {
                let names: usize = names.iter().map(|name| size_of::<HeaderName>() + compact::name_bytes(name)).sum();
                OBJECT_BYTES + names as u64
            }
        }
    }
}

#[derive(Clone)]
struct MemoryEviction {
    metrics: CacheMetrics,
}

impl Lifecycle<Key, MemoryEntry> for MemoryEviction {
    /// The evicted entries, dropped after the shard's lock is released.
    type RequestState = Vec<MemoryEntry>;

    fn on_evict(&self, evicted: &mut Vec<MemoryEntry>, _: Key, entry: MemoryEntry) {
        self.metrics.evicted_from_memory();
        evicted.push(entry);
    }
}
