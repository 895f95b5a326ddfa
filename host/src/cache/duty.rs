//! The duty of a request that missed: fill the key, renew what is stale, or decline.
//!
//! A duty that is dropped passes to the next waiter. A filler that is dropped before `finish` stores nothing: its readers
//! get an error, and a waiter that has not begun to read gets the duty. A body whose length differs from the head's is
//! not stored.
//!
//! A body of up to the memory tier's object size is kept whole, stored in memory, and written to disk
//! afterwards. A larger one, or one for which flights have no bytes left, goes to a file as it arrives, or, where
//! no file takes it, through a window to its readers only. With a file the fill goes at the origin's speed; the slowest
//! reader holds it up only in the last case.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;

use crate::cache::compact;
use crate::cache::disk::Spool;
use crate::cache::flight::{Claim, FlightPhase};
use crate::cache::freshness::{Period, Times};
use crate::cache::hit::{BodySource, Hit};
use crate::cache::key::{Key, Selecting};
use crate::cache::memory::MemoryEntry;
use crate::cache::object::{Meta, Stored};
use crate::cache::purge::EpochGuard;
use crate::cache::stream::{FillStream, StreamReader};
use crate::cache::tiers::{LookupKeys, Tiers};
use crate::limits::cache::SPOOL_BYTES;
use crate::limits::cache::{COPIED_BYTES, READER_STALL_MS, WINDOW_BYTES};
use crate::telemetry::FillResult;

/// The duty to bring a key up to date.
pub struct Duty {
    tiers: Arc<Tiers>,
    claim: Claim,
    guard: EpochGuard,
    keys: LookupKeys,
    prior: Option<Hit>,
    now_ms: u64,
    began: Instant,
}

/// Why nothing will be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decline {
    /// The response may not be stored. For some time no request waits for another that fetches this key, until a response
    /// arrives that may be stored.
    Uncacheable,
    /// It may not be stored because of this request, which says nothing about others: the next waiter tries.
    Personal,
    /// The fetch failed: the waiters go to the origin themselves, the next request tries again.
    Failed,
}

impl Duty {
    pub(crate) fn new(
        tiers: Arc<Tiers>,
        claim: Claim,
        guard: EpochGuard,
        keys: LookupKeys,
        prior: Option<Hit>,
        now_ms: u64,
    ) -> Duty {
        Duty { tiers, claim, guard, keys, prior, now_ms, began: Instant::now() }
    }

    /// The stale stored response: to be validated, and to be used if the origin fails.
    pub fn prior(&self) -> Option<&Hit> {
        self.prior.as_ref()
    }

    /// Whether responses are stored under the key, none of which is for this request.
    pub fn is_for_a_variant(&self) -> bool {
        self.keys.primary != self.keys.slot
    }

    /// The response's head has arrived. `asked` has the fields from which `meta.vary` selects.
    pub fn fill(self, meta: Meta, asked: Selecting<'_>) -> Filler {
        let Duty { tiers, claim, guard, keys: LookupKeys { primary, slot }, began, .. } = self;
        tiers.forget_uncacheable(&slot);
        let mut key = primary;
        if !meta.vary.is_empty() {
            key = primary.variant(&meta.vary, asked);
            tiers.memory.insert(primary, MemoryEntry::Vary(meta.vary.clone()));
        }
        if key != slot {
            claim.also(key);
        }
        let stream = FillStream::new(Arc::new(meta.compact()), key, guard.epoch(), tiers.flights.buffered.clone());
        let own = stream.reader().expect("nothing of a new stream is gone");
        claim.stream(&stream);
        // After the stream can be found: a purge either finds the stream, or is found here.
        if tiers.purges.strike(&stream.meta, guard.epoch()) {
            stream.strike();
            claim.detach();
        }
        Filler {
            tiers,
            claim: Some(claim),
            stream,
            own: Some(own),
            primary,
            began,
            store: FillTarget::Whole,
            held_up: Duration::ZERO,
        }
    }

    /// The origin has validated the stored response (304): `headers` are the stored fields as updated.
    /// `None` if nothing is stored; the duty has passed on then.
    pub fn renew(self, times: Times, headers: HeaderMap) -> Option<Hit> {
        let Duty { tiers, claim, guard, keys: LookupKeys { primary, slot }, prior, now_ms, began } = self;
        let prior = prior?;
        let meta = Arc::new(Meta { times, headers, stored_ms: now_ms, ..Meta::clone(&prior.meta) }.compact());
        let fresh = tiers.purges.begin();
        let struck = tiers.purges.strike(&meta, guard.epoch());
        let mut phase = FlightPhase::Gone;
        let mut source = prior.source;
        match &source {
            _ if struck => {}
            BodySource::Memory(body) => {
                let stored = Arc::new(Stored::new(meta.clone(), body.clone(), fresh.epoch()));
                source = BodySource::Memory(body.clone());
                tiers.memory.insert(slot, MemoryEntry::Object(stored.clone()));
                tiers.write_behind(slot, primary, &stored, fresh);
                phase = FlightPhase::Done(slot, stored);
            }
            BodySource::Disk(_) => {
                if let Some(disk) = &tiers.disk {
                    disk.renew(&slot, meta.clone());
                }
            }
            BodySource::Stream(_) => {}
        }
        claim.close(phase);
        tiers.metrics.filled(FillResult::Renewed, began.elapsed().as_secs_f64());
        Some(Hit { meta, source })
    }

    /// The origin has failed: for this period requests use the stale response without asking it.
    pub fn hold(self, spell: Period) {
        self.tiers.held.insert(self.keys.slot, spell);
        self.tiers.metrics.filled(FillResult::Declined, self.began.elapsed().as_secs_f64());
        self.claim.close(FlightPhase::Gone);
    }

    /// This request will store nothing.
    pub fn decline(self, why: Decline) {
        let Duty { tiers, claim, keys: LookupKeys { slot, .. }, now_ms, began, .. } = self;
        tiers.metrics.filled(FillResult::Declined, began.elapsed().as_secs_f64());
        match why {
            Decline::Personal => drop(claim),
            Decline::Failed => claim.close(FlightPhase::Declined),
            Decline::Uncacheable => {
                tiers.remember_uncacheable(slot, now_ms);
                claim.close(FlightPhase::Declined);
            }
        }
    }
}

/// The body is longer or shorter than the head said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is {came} bytes long, and should be {said}")]
pub struct WrongLength {
    pub said: u64,
    pub came: u64,
}

/// Where a filler puts the bytes.
enum FillTarget {
    Whole,
    File { spool: Option<Box<Spool>>, pending: Vec<Bytes>, bytes: u64 },
    Nowhere,
}

/// Fills a key while readers follow.
pub struct Filler {
    tiers: Arc<Tiers>,
    claim: Option<Claim>,
    stream: Arc<FillStream>,
    /// Keeps the beginning for the request that fills.
    own: Option<StreamReader>,
    primary: Key,
    began: Instant,
    store: FillTarget,
    /// How long slow readers have held the others up.
    held_up: Duration,
}

impl Filler {
    /// A hit for the request that fills, to be taken before the first `write`. It reads like the others, so that a slow
    /// or lost client does not slow or end the fill.
    pub fn take_hit(&mut self) -> Option<Hit> {
        self.own.take().map(|reader| Hit { meta: self.stream.meta.clone(), source: BodySource::Stream(reader) })
    }

    /// Whether a purge has struck the response; then it will not be stored.
    pub fn is_struck(&self) -> bool {
        self.stream.is_struck()
    }

    /// Takes the next bytes. Waits if neither a file nor the readers keep up.
    pub async fn write(&mut self, data: Bytes) -> Result<(), WrongLength> {
        if data.is_empty() {
            return Ok(());
        }
        // `take_hit` was not called: nobody needs the beginning.
        self.own = None;
        let came = self.stream.end_at() + data.len() as u64;
        if let Some(said) = self.stream.meta.length.filter(|said| came > *said) {
            self.give_up();
            return Err(WrongLength { said, came });
        }
        let data = compact::piece(data);
        self.stream.push(data.clone());
        self.stream.merge();
        let tiers = self.tiers.clone();
        match &mut self.store {
            FillTarget::Whole => {
                if came > tiers.memory.object_bytes() || tiers.is_crowded() {
                    self.outgrow(came).await;
                }
            }
            FillTarget::File { pending, bytes, .. } => {
                *bytes += data.len() as u64;
                let mut last = data;
                while let Some(one) = pending.last().and_then(|older| compact::merged(older, &last)) {
                    pending.pop();
                    last = one;
                }
                pending.push(last);
                if *bytes >= SPOOL_BYTES {
                    self.spool().await;
                }
            }
            FillTarget::Nowhere => {}
        }
        if matches!(self.store, FillTarget::Nowhere) {
            self.wait_for_readers().await;
        }
        Ok(())
    }

    /// The body has ended. Returns whether it is stored.
    pub async fn finish(mut self) -> Result<bool, WrongLength> {
        let came = self.stream.end_at();
        if let Some(said) = self.stream.meta.length.filter(|said| came != *said) {
            return Err(WrongLength { said, came });
        }
        if matches!(self.store, FillTarget::File { .. }) {
            self.spool().await;
        }
        // The rules before the stream's flag: a rule that has been swept has set the flag before.
        let guard = self.tiers.purges.begin();
        let struck = self.tiers.purges.strike(&self.stream.meta, self.stream.fill_epoch) || self.stream.is_struck();
        let Some(claim) = self.claim.take() else { return Ok(false) };
        let mut result = if struck { FillResult::Purged } else { FillResult::TooLarge };
        let mut phase = FlightPhase::Gone;
        match std::mem::replace(&mut self.store, FillTarget::Nowhere) {
            FillTarget::Whole if !struck => {
                let mut meta = Arc::clone(&self.stream.meta);
                if meta.length.is_none() {
                    meta = Arc::new(Meta { length: Some(came), ..Meta::clone(&meta) });
                }
                let stored = Arc::new(Stored::new(meta, join(&self.stream.pieces(), came), guard.epoch()));
                self.tiers.memory.insert(self.stream.key, MemoryEntry::Object(stored.clone()));
                self.stream.finish(Some(stored.body.clone()));
                self.tiers.write_behind(self.stream.key, self.primary, &stored, guard);
                phase = FlightPhase::Done(self.stream.key, stored);
                result = FillResult::Memory;
            }
            FillTarget::File { spool: Some(spool), .. } if !struck => {
                // Readers do not wait for the commit; the flight does, so that the next lookup finds the object.
                self.stream.finish(None);
                if self.tiers.commit(spool, guard).await {
                    result = FillResult::Disk;
                }
            }
            _ => self.stream.finish(None),
        }
        claim.close(phase);
        self.tiers.metrics.filled(result, self.began.elapsed().as_secs_f64());
        Ok(matches!(result, FillResult::Memory | FillResult::Disk))
    }

    /// A single reader sets the pace as long as it moves. Several are held up by a slow one for a limited time in all.
    async fn wait_for_readers(&mut self) {
        let (window, patience) = (self.window(), Duration::from_millis(READER_STALL_MS));
        if !self.stream.is_contested(window) {
            return self.stream.room(window, patience).await;
        }
        let began = Instant::now();
        self.stream.room(window, patience.saturating_sub(self.held_up)).await;
        self.held_up += began.elapsed();
    }

    fn window(&self) -> u64 {
        if self.tiers.is_crowded() { WINDOW_BYTES / 64 } else { WINDOW_BYTES }
    }

    /// The body is too large for memory: begins a file, if the disk takes it.
    async fn outgrow(&mut self, came: u64) {
        self.store = FillTarget::Nowhere;
        let meta = &self.stream.meta;
        let Some(disk) = &self.tiers.disk else { return };
        if meta.length.unwrap_or(came) > disk.object_bytes() || self.is_struck() {
            return;
        }
        let (disk, stream, primary) = (disk.clone(), self.stream.clone(), self.primary);
        let created = tokio::task::spawn_blocking(move || {
            let meta = Meta::clone(&stream.meta);
            disk.create(stream.key, primary, meta, stream.fill_epoch)
        });
        if let Ok(Ok(spool)) = created.await {
            let pending = self.stream.pieces();
            self.store = FillTarget::File { spool: Some(Box::new(spool)), pending, bytes: came };
            self.spool().await;
        }
    }

    /// Writes the pending pieces. Gives the file up if a write fails; readers can still read what it has.
    async fn spool(&mut self) {
        let FillTarget::File { spool, pending, bytes } = &mut self.store else { return };
        let (Some(mut taken), pieces) = (spool.take(), std::mem::take(pending)) else { return };
        *bytes = 0;
        let written = tokio::task::spawn_blocking(move || {
            let result = pieces.iter().try_for_each(|piece| taken.append(piece));
            (result, taken)
        });
        if let Ok((result, taken)) = written.await {
            self.stream.written(taken.blocks(), taken.readable(), WINDOW_BYTES);
            if result.is_ok() {
                *spool = Some(taken);
                return;
            }
            self.tiers.metrics.disk_failed("write");
        }
        self.store = FillTarget::Nowhere;
    }

    /// Stores nothing, and passes the duty to the next waiter.
    fn give_up(&mut self) {
        self.stream.fail();
        if self.claim.take().is_some() {
            self.tiers.metrics.filled(FillResult::Cut, self.began.elapsed().as_secs_f64());
        }
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        if self.claim.is_some() {
            self.give_up();
        }
    }
}

/// Joins the pieces to one of exactly the body's size: a piece as it arrived may keep a larger buffer alive.
fn join(pieces: &[Bytes], bytes: u64) -> Bytes {
    if let [whole] = pieces
        && whole.len() < COPIED_BYTES
    {
        return whole.clone();
    }
    let mut body = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
    pieces.iter().for_each(|piece| body.extend_from_slice(piece));
    Bytes::from(body)
}
