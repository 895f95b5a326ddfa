//! I tell what is stored and what the asker now owes.
//!
//!     lookup ──► Hit                    use it
//!            ──► Stale (hit, duty?)     use it as the verdict allows; with a duty, renew it
//!            ──► Miss (duty)            fetch, and fill
//!            ──► Busy (wait)            somebody fills, or the disk is read: join
//!            ──► Bypass (why)           fetch, for oneself only
//!
//! `lookup` never waits. A hit in memory takes the read lock of one shard and allocates nothing. On every
//! other way a few short locks are taken, none of them across a wait.
//! I do not know sites' configuration, HTTP's rules of freshness (the caller brings a judge) or the clock
//! (the caller brings the time, in milliseconds since 1970).

pub mod condition;
pub mod control;
pub mod date;
pub mod fields;
pub mod freshness;
pub mod invalidation;
pub mod key;
pub mod range;
pub mod status;

mod compact;
mod disk;
mod duty;
mod flight;
mod invalidated;
mod memory;
mod object;
mod purge;
mod stream;
mod targeted;
mod wait;

#[cfg(test)]
mod tests;

pub use disk::OpenError;
pub use duty::{Decline, Duty, Filler, WrongLength};
pub use memory::OVERHEAD_BYTES;
pub use object::{BodyError, Hit, HitBody, Meta, Original};
pub use purge::{Purge, PurgeError, no_path};
pub use wait::Wait;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak, mpsc};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache as Shards;
use serde::Serialize;

use crate::limits::cache::{INVALIDATIONS_WRITTEN_MS, UNCACHEABLE_KEYS, UNCACHEABLE_MS};
use crate::telemetry::{CacheMetrics, CacheTier};
use disk::{Disk, Place, Spool};
use flight::{Claim, Claimed, Flights};
use freshness::{Spell, Verdict};
use invalidated::Uri;
use key::{Key, Selecting};
use memory::{Entry, Memory};
use object::{Source, Stored};
use purge::{Born, Journal, Purges};

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

/// What a lookup finds.
pub enum Lookup {
    Hit(Hit),
    /// Without a duty, somebody else renews it, or, if it is to be validated, the origin has just failed.
    Stale {
        hit: Hit,
        verdict: Verdict,
        duty: Option<Duty>,
    },
    Miss(Duty),
    Busy(Wait),
    Bypass(Alone),
}

impl Lookup {
    pub fn name(&self) -> &'static str {
        match self {
            Lookup::Hit(_) => "hit",
            Lookup::Stale { .. } => "stale",
            Lookup::Miss(_) => "miss",
            Lookup::Busy(_) => "busy",
            Lookup::Bypass(_) => "bypass",
        }
    }
}

/// Why a request goes to the origin on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alone {
    /// The response to this key could not be stored a short while ago, and somebody asks already whether it can be now.
    Uncacheable,
    /// Too many keys are being filled, or too many requests wait for this one.
    Crowded,
    /// Waited for long enough.
    Patience,
    /// What streams cannot be read from its beginning any more.
    Missed,
}

impl Alone {
    /// The word for metrics and `Cache-Status`.
    pub fn name(self) -> &'static str {
        match self {
            Alone::Uncacheable => "uncacheable",
            Alone::Crowded => "crowded",
            Alone::Patience => "patience",
            Alone::Missed => "missed",
        }
    }
}

/// What the cache holds now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    pub memory_objects: u64,
    pub memory_bytes: u64,
    pub disk_objects: u64,
    pub disk_bytes: u64,
    /// Whether everything that a restart left has been found.
    pub disk_scanned: bool,
    pub flights: u64,
    pub flight_bytes: u64,
    pub pending_purges: u64,
    /// URIs that unsafe requests have made doubtful, not yet swept out.
    pub invalidations: u64,
}

/// The cache of the process; shared by all workers.
pub struct Cache {
    memory: Memory,
    disk: Option<Arc<Disk>>,
    flights: Arc<Flights>,
    purges: Arc<Purges>,
    uncacheable: Shards<Key, Spell>,
    /// What is stale is used without asking the origin, which has failed.
    held: Shards<Key, Spell>,
    /// What flights may keep before they go to disk or through a window.
    flight_bytes: u64,
    metrics: CacheMetrics,
    /// Whether the keeper knows that there are invalidations to write or to sweep.
    doubts_told: AtomicBool,
    keeper: mpsc::Sender<Work>,
}

/// What the keeper is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Sweep,
    /// No hurry: many may come.
    Doubts,
}

impl Cache {
    /// The disk's folder is another process's from here on: what is found there is missed.
    pub fn release_disk(&self) {
        if let Some(disk) = &self.disk {
            disk.release();
        }
    }

    /// Opens the tiers; the disk's objects are found in the background.
    pub fn open(options: &Options, metrics: CacheMetrics) -> Result<Arc<Cache>, OpenError> {
        let (disk, journal) = match &options.disk {
            None => (None, Journal::default()),
            Some(DiskOptions { folder, bytes, object_bytes }) => {
                let (disk, journal) = Disk::open(folder, *bytes, *object_bytes, metrics.clone())?;
                (Some(disk), journal)
            }
        };
        let epoch = journal.epoch;
        let (keeper, work) = mpsc::channel();
        let cache = Arc::new(Cache {
            memory: Memory::new(options.memory_bytes, options.memory_object_bytes, metrics.clone()),
            disk: disk.clone(),
            flights: Arc::default(),
            purges: Arc::new(Purges::new(journal)),
            uncacheable: Shards::new(UNCACHEABLE_KEYS),
            held: Shards::new(UNCACHEABLE_KEYS),
            flight_bytes: (options.memory_bytes / 4).max(options.memory_object_bytes),
            metrics,
            doubts_told: AtomicBool::new(false),
            keeper,
        });
        let weak = Arc::downgrade(&cache);
        let spawned = std::thread::Builder::new().name("edgeward-cache".into()).spawn(move || {
            if let Some(disk) = disk {
                disk.scan(epoch, || weak.strong_count() > 0);
            }
            keep(&weak, &work);
        });
        spawned.map_err(|error| OpenError::Io { path: PathBuf::from("a thread"), error })?;
        if epoch > 0 {
            let _ = cache.keeper.send(Work::Sweep);
        }
        Ok(cache)
    }

    pub fn metrics(&self) -> &CacheMetrics {
        &self.metrics
    }

    /// What is stored under `key` for a request with the fields `asked`, and where. Counts no hit and claims no
    /// fill; to the tiers it is a use. Blocks for a look at the disk; must be called within a runtime.
    pub fn peek(&self, key: &Key, asked: Selecting<'_>) -> Option<(Arc<Meta>, CacheTier)> {
        let (slot, stored) = self.find(key, asked);
        if let Some(stored) = stored {
            return Some((stored.meta.clone(), CacheTier::Memory));
        }
        let place = self.on_disk(&slot)?;
        let opened = self.disk.as_ref()?.load(&slot, &place)?;
        Some((opened.meta, CacheTier::Disk))
    }

    /// What is stored under `key` for a request with the fields `asked`; `judge` says what may be done with it.
    pub fn lookup(self: &Arc<Self>, key: &Key, asked: Selecting<'_>, now_ms: u64, judge: impl Fn(&Meta) -> Verdict) -> Lookup {
        let (slot, stored) = self.find(key, asked);
        if let Some(stored) = stored {
            let hit = Hit { meta: stored.meta.clone(), source: Source::Memory(stored.body.clone()) };
            let verdict = judge(&hit.meta);
            return self.decide(Found { primary: *key, slot, hit }, verdict, None, now_ms);
        }
        if let Some(place) = self.on_disk(&slot)
            && !self.fits_memory(&place)
        {
            return Lookup::Busy(Wait::open(self.clone(), *key, slot, place));
        }
        match self.flights.claim(slot) {
            Claimed::Claim(claim) => self.claimed(claim, key, slot, asked, now_ms, judge),
            Claimed::Seat(_) if self.is_uncacheable(&slot, now_ms) => self.alone(Alone::Uncacheable),
            Claimed::Seat(seat) => Lookup::Busy(Wait::seated(self.clone(), *key, slot, seat)),
            Claimed::Full => self.alone(Alone::Crowded),
        }
    }

    /// Makes everything that matches invisible; returns when that is so, and written down. The purge's number.
    pub async fn purge(self: &Arc<Self>, purge: Purge) -> Result<u64, PurgeError> {
        let epoch = self.purges.add(purge)?;
        // A flight that is still pending finds the rule when its head comes.
        self.flights.strike(|meta| self.purges.strike(meta, epoch - 1));
        let journaled = match self.disk.clone() {
            None => Ok(()),
            Some(disk) => {
                let purges = self.purges.clone();
                let written = tokio::task::spawn_blocking(move || disk.write_journal(|| purges.journal()));
                written.await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
            }
        };
        let _ = self.keeper.send(Work::Sweep);
        journaled.map_err(PurgeError::Journal)?;
        Ok(epoch)
    }

    /// What is stored for this very URI is not used any more (RFC 9111 section 4.4), because of a request by `client`, which
    /// has used up its room for that if this is false. `host` is as in `Meta`. A restart within a second may forget it.
    pub fn invalidate(&self, site: &str, host: &str, path_and_query: &str, client: IpAddr) -> bool {
        let Some(epoch) = self.purges.invalidate(Uri::of(site, host, path_and_query), client) else {
            self.metrics.invalidation_refused();
            return false;
        };
        self.metrics.invalidated();
        self.flights.strike(|meta| self.purges.strike(meta, epoch - 1));
        if !self.doubts_told.swap(true, Ordering::AcqRel) {
            let _ = self.keeper.send(Work::Doubts);
        }
        true
    }

    /// Takes away what lies under this very key.
    pub async fn forget(&self, key: Key) {
        if let Some(Entry::Object(stored)) = self.memory.find(&key) {
            self.memory.remove(&key, &stored);
        }
        if let Some(disk) = &self.disk
            && let Some(place) = disk.find(&key)
        {
            let disk = disk.clone();
            let _ = tokio::task::spawn_blocking(move || disk.forget(&key, &place)).await;
        }
    }

    /// Waits until what the purge struck has been swept out of the tiers.
    pub async fn purge_swept(&self, number: u64) {
        // The sender lives as long as this cache.
        let _ = self.purges.swept().wait_for(|swept| *swept >= number).await;
    }

    /// Whether what the purge struck has been swept out of the tiers.
    /// `None`: there was no such purge.
    pub fn is_swept(&self, number: u64) -> Option<bool> {
        (1..=self.purges.epoch()).contains(&number).then(|| *self.purges.swept().borrow() >= number)
    }

    /// How many stored responses a purge has taken out so far, those of memory and of disk each. None: it was too long ago.
    pub fn purged(&self, number: u64) -> Option<u64> {
        self.purges.taken(number)
    }

    pub fn stats(&self) -> Stats {
        let stats = Stats {
            memory_objects: self.memory.objects(),
            memory_bytes: self.memory.bytes(),
            disk_objects: self.disk.as_ref().map_or(0, |disk| disk.objects()),
            disk_bytes: self.disk.as_ref().map_or(0, |disk| disk.bytes()),
            disk_scanned: self.disk.as_ref().is_none_or(|disk| disk.scanned()),
            flights: self.flights.len() as u64,
            flight_bytes: self.flights.buffered.load(Ordering::Relaxed),
            pending_purges: self.purges.pending() as u64,
            invalidations: self.purges.invalidated() as u64,
        };
        self.metrics.holds(CacheTier::Memory, stats.memory_objects, stats.memory_bytes);
        self.metrics.holds(CacheTier::Disk, stats.disk_objects, stats.disk_bytes);
        self.metrics.holds(CacheTier::Flight, stats.flights, stats.flight_bytes);
        stats
    }

    /// The object's own key, as far as it is known, and what memory has of it.
    fn find(&self, key: &Key, asked: Selecting<'_>) -> (Key, Option<Arc<Stored>>) {
        let mut slot = *key;
        let mut entry = self.memory.find(key);
        let names = match &entry {
            Some(Entry::Object(_)) => None,
            Some(Entry::Vary(names)) => Some(names.clone()),
            None => match self.disk.as_ref().and_then(|disk| disk.find(key)) {
                Some(Place::Vary(names)) => Some(names),
                _ => None,
            },
        };
        if let Some(names) = names {
            slot = key.variant(&names, asked);
            entry = self.memory.find(&slot);
        }
        let Some(Entry::Object(stored)) = entry else { return (slot, None) };
        // One look at the rules after a purge, then one comparison.
        let epoch = self.purges.epoch();
        let checked = stored.checked.load(Ordering::Relaxed);
        if checked < epoch {
            if self.purges.take(&stored.meta, checked) {
                self.memory.remove(&slot, &stored);
                return (slot, None);
            }
            stored.checked.fetch_max(epoch, Ordering::Relaxed);
        }
        (slot, Some(stored))
    }

    fn on_disk(&self, slot: &Key) -> Option<Place> {
        let place = self.disk.as_ref()?.find(slot)?;
        match place {
            Place::File { born, .. } if !self.purges.strike_unseen(born) => Some(place),
            _ => None,
        }
    }

    fn fits_memory(&self, place: &Place) -> bool {
        matches!(place, Place::File { body_bytes, .. } if *body_bytes <= self.memory.object_bytes())
    }

    /// Holding the claim, looks again: its last holder may have stored what was missed before.
    fn claimed(
        self: &Arc<Self>,
        claim: Claim,
        key: &Key,
        slot: Key,
        asked: Selecting<'_>,
        now_ms: u64,
        judge: impl Fn(&Meta) -> Verdict,
    ) -> Lookup {
        let (found, stored) = self.find(key, asked);
        if found != slot {
            // It varies, or varies by other fields, since the first look.
            claim.close(flight::Phase::Gone);
            return self.lookup(key, asked, now_ms, judge);
        }
        if let Some(stored) = stored {
            let hit = Hit { meta: stored.meta.clone(), source: Source::Memory(stored.body.clone()) };
            let verdict = judge(&hit.meta);
            return self.decide(Found { primary: *key, slot, hit }, verdict, Some(claim), now_ms);
        }
        match self.on_disk(&slot) {
            Some(place) if self.fits_memory(&place) => {
                Lookup::Busy(Wait::load(self.clone(), *key, slot, place, claim, self.purges.begin()))
            }
            Some(place) => {
                claim.close(flight::Phase::Gone);
                Lookup::Busy(Wait::open(self.clone(), *key, slot, place))
            }
            None => {
                self.metrics.miss();
                Lookup::Miss(Duty::new(self.clone(), claim, self.purges.begin(), (*key, slot), None, now_ms))
            }
        }
    }

    /// What one may do with what was found, and who renews it.
    fn decide(self: &Arc<Self>, found: Found, verdict: Verdict, claim: Option<Claim>, now_ms: u64) -> Lookup {
        let Found { primary, slot, hit } = found;
        if verdict == Verdict::Fresh {
            if let Some(claim) = claim {
                // Those who wait find it too.
                claim.close(flight::Phase::Gone);
            }
            self.metrics.hit(hit.tier());
            return Lookup::Hit(hit);
        }
        self.metrics.stale();
        if verdict == (Verdict::Revalidate { if_error: true }) && self.held.get(&slot).is_some_and(|spell| spell.lasts(now_ms)) {
            if let Some(claim) = claim {
                claim.close(flight::Phase::Gone);
            }
            return Lookup::Stale { hit, verdict, duty: None };
        }
        let validates = matches!(verdict, Verdict::Revalidate { .. });
        let claimed = claim.map_or_else(|| self.flights.claim(slot), Claimed::Claim);
        match claimed {
            Claimed::Claim(claim) => {
                let prior = Some(hit.clone());
                let duty = Duty::new(self.clone(), claim, self.purges.begin(), (primary, slot), prior, now_ms);
                Lookup::Stale { hit, verdict, duty: Some(duty) }
            }
            Claimed::Seat(_) if validates && self.is_uncacheable(&slot, now_ms) => self.alone(Alone::Uncacheable),
            Claimed::Seat(seat) if validates => Lookup::Busy(Wait::seated(self.clone(), primary, slot, seat)),
            Claimed::Full if validates => self.alone(Alone::Crowded),
            Claimed::Seat(_) | Claimed::Full => Lookup::Stale { hit, verdict, duty: None },
        }
    }

    fn alone(&self, why: Alone) -> Lookup {
        self.metrics.bypass(why.name());
        Lookup::Bypass(why)
    }

    /// Whether it is not worth waiting for who fills this: what came the last time could not be stored. One request at a
    /// time still finds out whether that has changed, since it may have been so for one client only.
    fn is_uncacheable(&self, slot: &Key, now_ms: u64) -> bool {
        self.uncacheable.get(slot).is_some_and(|spell| spell.lasts(now_ms))
    }

    fn forget_uncacheable(&self, slot: &Key) {
        self.uncacheable.remove(slot);
    }

    fn remember_uncacheable(&self, slot: Key, now_ms: u64) {
        self.uncacheable.insert(slot, Spell { since_ms: now_ms, lasts_ms: UNCACHEABLE_MS });
    }

    /// Whether flights keep as much as they may.
    fn is_crowded(&self) -> bool {
        self.flights.buffered.load(Ordering::Relaxed) > self.flight_bytes
    }

    /// Writes to disk what is in memory; it may be lost, and is then a miss after a restart.
    fn write_behind(&self, key: Key, primary: Key, stored: &Arc<Stored>, born: Born) {
        let Some(disk) = &self.disk else { return };
        if stored.body.len() as u64 > disk.object_bytes() {
            return;
        }
        let (Ok(runtime), Some(queued)) = (tokio::runtime::Handle::try_current(), disk.queue()) else { return };
        let stored = stored.clone();
        runtime.spawn_blocking(move || {
            let written = queued.disk.store(key, primary, &stored.meta, &stored.body, born.epoch());
            if let Err(error) = written {
                tracing::debug!(%error, "an object stays out of the disk cache");
            }
        });
    }

    /// Whether the file has its place now.
    async fn commit(&self, spool: Box<Spool>, born: Born) -> bool {
        let Some(disk) = self.disk.clone() else { return false };
        let committed = tokio::task::spawn_blocking(move || {
            let _until_it_is_found = born;
            disk.commit(*spool)
        });
        matches!(committed.await, Ok(Ok(())))
    }

    fn write_doubts(&self) {
        self.write_journal("what requests have made doubtful could not be written; a restart may use it again");
    }

    /// Takes out what purges have struck, as soon as nothing older can come after. Whether it is done.
    fn sweep(&self) -> bool {
        let epoch = self.purges.epoch();
        if !self.purges.wants_sweeping() {
            return true;
        }
        if !self.purges.older_work_ended(epoch, Duration::from_millis(100)) {
            return false;
        }
        self.memory.sweep(|stored| !self.purges.take(&stored.meta, stored.born));
        if let Some(disk) = &self.disk {
            let all = |born| {
                let struck = self.purges.strike_unseen(born);
                if struck {
                    self.purges.count_unseen(born);
                }
                struck
            };
            disk.sweep(epoch, all, |meta, born| !self.purges.take(meta, born));
        }
        self.purges.retire(epoch);
        self.write_journal("the cache's purges could not be written; a restart sweeps again");
        true
    }

    /// With every request, if somebody wants it: the log must not have a line for each.
    fn write_journal(&self, otherwise: &str) {
        let Some(disk) = &self.disk else { return };
        match disk.write_journal(|| self.purges.journal()) {
            Ok(()) => self.metrics.journal_written(),
            Err(error) => self.metrics.journal_failed(&format_args!("{otherwise}: {error}")),
        }
    }
}

/// Something usable, and where.
struct Found {
    primary: Key,
    slot: Key,
    hit: Hit,
}

/// The background thread: sweeps when a purge has come, and now and then for invalidations; ends with the cache.
fn keep(cache: &Weak<Cache>, work: &mpsc::Receiver<Work>) {
    // When what requests made doubtful is to be written, and whether there is something to sweep out.
    let (mut due, mut sweeps): (Option<Instant>, bool) = (None, false);
    loop {
        let told = match due {
            _ if sweeps => work.try_recv().map_err(|error| match error {
                mpsc::TryRecvError::Empty => mpsc::RecvTimeoutError::Timeout,
                mpsc::TryRecvError::Disconnected => mpsc::RecvTimeoutError::Disconnected,
            }),
            None => work.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
            Some(due) => work.recv_timeout(due.saturating_duration_since(Instant::now())),
        };
        match told {
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Ok(Work::Doubts) => due = Some(Instant::now() + Duration::from_millis(INVALIDATIONS_WRITTEN_MS)),
            Ok(Work::Sweep) => sweeps = true,
        }
        let Some(cache) = cache.upgrade() else { return };
        if due.is_some_and(|due| due <= Instant::now()) {
            due = None;
            // First: what comes from here on is told again.
            cache.doubts_told.store(false, Ordering::Release);
            cache.write_doubts();
            sweeps = true;
        }
        if sweeps {
            // Waits a little for older work; until that has ended, again.
            sweeps = !cache.sweep();
        }
    }
}
