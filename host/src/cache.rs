//! The response cache: what is stored under a key, and who must fill or renew it.
//!
//!     lookup ──► Hit                    use it
//!            ──► Stale (hit, duty?)     use it as its freshness allows; with a duty, renew it
//!            ──► Miss (duty)            fetch, and fill
//!            ──► Busy (wait)            another request fills it, or the disk is read: join
//!            ──► Bypass (reason)        fetch, without storing
//!
//! `lookup` never waits. A hit in memory takes the read lock of one shard and allocates nothing. Every other path takes
//! a few short locks, none of them across a wait.
//! The cache does not know the sites' configuration, HTTP's rules of freshness (the caller passes a judge) or the clock
//! (the caller passes the time, in milliseconds since 1970).

pub mod condition;
pub mod control;
pub mod date;
pub mod fields;
pub mod freshness;
pub mod invalidation;
pub mod key;
pub mod range;
pub mod status;

mod bypass;
mod compact;
mod disk;
mod duty;
mod flight;
mod hit;
mod invalidated;
mod keeper;
mod lookup;
mod memory;
mod object;
mod purge;
mod stream;
mod targeted;
mod tiers;
mod wait;

#[cfg(test)]
mod tests;

pub use bypass::BypassReason;
pub use disk::OpenError;
pub use duty::{Decline, Duty, Filler, WrongLength};
pub use hit::{Hit, HitBody};
pub use lookup::{Lookup, LookupResult, Wait};
pub use object::{BodyError, Meta, Original};
pub use purge::{Purge, PurgeError, no_path};

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use quick_cache::sync::Cache as Shards;
use serde::Serialize;

use crate::limits::cache::UNCACHEABLE_KEYS;
use crate::telemetry::{CacheMetrics, CacheTier};
use disk::DiskTier;
use freshness::Freshness;
use invalidated::Uri;
use keeper::Work;
use key::{Key, Selecting};
use lookup::LookupRequest;
use memory::{MemoryEntry, MemoryTier};
use purge::{Journal, Purges};
use tiers::Tiers;

/// How large the tiers are.
#[derive(Debug, Clone)]
pub struct Options {
    pub memory_bytes: u64,
    /// The largest body that memory takes.
    pub memory_object_bytes: u64,
    pub disk: Option<DiskOptions>,
}

#[derive(Debug, Clone)]
pub struct DiskOptions {
    pub folder: PathBuf,
    pub bytes: u64,
    /// The largest body that the disk takes; an eighth of `bytes` at most.
    pub object_bytes: u64,
}

/// What the cache holds now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    pub memory_objects: u64,
    pub memory_bytes: u64,
    pub disk_objects: u64,
    pub disk_bytes: u64,
    /// Whether the scan of the files that an earlier run left has ended.
    pub disk_scanned: bool,
    pub flights: u64,
    pub flight_bytes: u64,
    pub pending_purges: u64,
    /// URIs that unsafe requests have invalidated, not yet swept out.
    pub invalidations: u64,
}

/// The cache of the process; shared by all workers.
pub struct Cache {
    tiers: Arc<Tiers>,
    keeper: mpsc::Sender<Work>,
}

impl Cache {
    /// Gives the disk's folder to another process: from here on a lookup finds nothing there.
    pub fn release_disk(&self) {
        if let Some(disk) = &self.tiers.disk {
            disk.release();
        }
    }

    /// Opens the tiers. A background thread finds the objects on disk.
    pub fn open(options: &Options, metrics: CacheMetrics) -> Result<Arc<Cache>, OpenError> {
        let (disk, journal) = match &options.disk {
            None => (None, Journal::default()),
            Some(DiskOptions { folder, bytes, object_bytes }) => {
                let (disk, journal) = DiskTier::open(folder, *bytes, *object_bytes, metrics.clone())?;
                (Some(disk), journal)
            }
        };
        let epoch = journal.epoch;
        let (keeper, work) = mpsc::channel();
        let tiers = Arc::new(Tiers {
            memory: MemoryTier::new(options.memory_bytes, options.memory_object_bytes, metrics.clone()),
            disk: disk.clone(),
            flights: Arc::default(),
            purges: Arc::new(Purges::new(journal)),
            uncacheable: Shards::new(UNCACHEABLE_KEYS),
            held: Shards::new(UNCACHEABLE_KEYS),
            flight_bytes: (options.memory_bytes / 4).max(options.memory_object_bytes),
            metrics,
            invalidations_pending: AtomicBool::new(false),
        });
        let weak = Arc::downgrade(&tiers);
        let spawned = std::thread::Builder::new().name("edgeward-cache".into()).spawn(move || {
            if let Some(disk) = disk {
                disk.scan(epoch, || weak.strong_count() > 0);
            }
            keeper::keep(&weak, &work);
        });
        spawned.map_err(|error| OpenError::Io { path: PathBuf::from("a thread"), error })?;
        if epoch > 0 {
            let _ = keeper.send(Work::Sweep);
        }
        Ok(Arc::new(Cache { tiers, keeper }))
    }

    pub fn metrics(&self) -> &CacheMetrics {
        &self.tiers.metrics
    }

    /// Returns what is stored under `key` for a request with the fields `asked`, and in which tier. Counts no hit and
    /// claims no fill, but is a use for the tiers' eviction. Blocks to read the disk; must be called within a runtime.
    pub fn peek(&self, key: &Key, asked: Selecting<'_>) -> Option<(Arc<Meta>, CacheTier)> {
        let (slot, stored) = self.tiers.find(key, asked);
        if let Some(stored) = stored {
            return Some((stored.meta.clone(), CacheTier::Memory));
        }
        let place = self.tiers.on_disk(&slot)?;
        let opened = self.tiers.disk.as_ref()?.load(&slot, &place)?;
        Some((opened.meta, CacheTier::Disk))
    }

    /// Looks `key` up for a request with the fields `asked`; `judge` says what may be done with a stored response.
    pub fn lookup(&self, key: &Key, asked: Selecting<'_>, now_ms: u64, judge: impl Fn(&Meta) -> Freshness) -> Lookup {
        lookup::lookup(&self.tiers, &LookupRequest { key, asked, now_ms, judge })
    }

    /// Makes everything that matches invisible. Returns the purge's number once it is in force and written to disk.
    pub async fn purge(&self, purge: Purge) -> Result<u64, PurgeError> {
        let epoch = self.tiers.purges.add(purge)?;
        // A flight that is still pending finds the rule when its head comes.
        self.tiers.flights.strike(|meta| self.tiers.purges.strike(meta, epoch - 1));
        let journaled = match self.tiers.disk.clone() {
            None => Ok(()),
            Some(disk) => {
                let purges = self.tiers.purges.clone();
                let written = tokio::task::spawn_blocking(move || disk.write_journal(|| purges.journal()));
                written.await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
            }
        };
        let _ = self.keeper.send(Work::Sweep);
        journaled.map_err(PurgeError::Journal)?;
        Ok(epoch)
    }

    /// Invalidates what is stored for this very URI (RFC 9111 section 4.4), because of a request by `client`. Returns false
    /// if that client has used up its share of invalidations. `host` is as in `Meta`. A restart within a second may
    /// forget the invalidation.
    pub fn invalidate(&self, site: &str, host: &str, path_and_query: &str, client: IpAddr) -> bool {
        let Some(epoch) = self.tiers.purges.invalidate(Uri::of(site, host, path_and_query), client) else {
            self.tiers.metrics.invalidation_refused();
            return false;
        };
        self.tiers.metrics.invalidated();
        self.tiers.flights.strike(|meta| self.tiers.purges.strike(meta, epoch - 1));
        if !self.tiers.invalidations_pending.swap(true, Ordering::AcqRel) {
            let _ = self.keeper.send(Work::WriteInvalidations);
        }
        true
    }

    /// Removes what is stored under this very key.
    pub async fn forget(&self, key: Key) {
        if let Some(MemoryEntry::Object(stored)) = self.tiers.memory.find(&key) {
            self.tiers.memory.remove(&key, &stored);
        }
        if let Some(disk) = &self.tiers.disk
            && let Some(place) = disk.find(&key)
        {
            let disk = disk.clone();
            let _ = tokio::task::spawn_blocking(move || disk.forget(&key, &place)).await;
        }
    }

    /// Waits until the objects that the purge struck have been swept out of the tiers.
    pub async fn purge_swept(&self, number: u64) {
        // The sender lives as long as this cache.
        let _ = self.tiers.purges.swept().wait_for(|swept| *swept >= number).await;
    }

    /// Whether the objects that the purge struck have been swept out of the tiers. `None` if there was no such purge.
    pub fn is_swept(&self, number: u64) -> Option<bool> {
        (1..=self.tiers.purges.epoch()).contains(&number).then(|| *self.tiers.purges.swept().borrow() >= number)
    }

    /// How many stored responses a purge has removed so far, memory and disk counted separately. `None` if it is too old.
    pub fn purged(&self, number: u64) -> Option<u64> {
        self.tiers.purges.taken(number)
    }

    pub fn stats(&self) -> Stats {
        let stats = Stats {
            memory_objects: self.tiers.memory.objects(),
            memory_bytes: self.tiers.memory.bytes(),
            disk_objects: self.tiers.disk.as_ref().map_or(0, |disk| disk.objects()),
            disk_bytes: self.tiers.disk.as_ref().map_or(0, |disk| disk.bytes()),
            disk_scanned: self.tiers.disk.as_ref().is_none_or(|disk| disk.scanned()),
            flights: self.tiers.flights.len() as u64,
            flight_bytes: self.tiers.flights.buffered.load(Ordering::Relaxed),
            pending_purges: self.tiers.purges.pending() as u64,
            invalidations: self.tiers.purges.invalidated() as u64,
        };
        self.tiers.metrics.holds(CacheTier::Memory, stats.memory_objects, stats.memory_bytes);
        self.tiers.metrics.holds(CacheTier::Disk, stats.disk_objects, stats.disk_bytes);
        self.tiers.metrics.holds(CacheTier::Flight, stats.flights, stats.flight_bytes);
        stats
    }
}
