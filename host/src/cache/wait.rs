//! Waiting: for the one who fills, or for the disk.
//!
//! A request that waited gets what the fill brought without a judgement of its freshness: it was fetched or validated
//! after the request came. So one fill answers all who wait, even if it is stale at once.

use std::pin::pin;
use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use crate::cache::bypass::BypassReason;
use crate::cache::disk::{DiskEntry, DiskTier};
use crate::cache::flight::{Claim, FlightPhase, Waiter, WaiterView};
use crate::cache::hit::{BodySource, Hit};
use crate::cache::key::{Key, Selecting};
use crate::cache::memory::MemoryEntry;
use crate::cache::object::{Meta, Stored};
use crate::cache::tiers::{LookupKeys, Tiers};

/// How a wait for a flight ends.
pub(super) enum Landed {
    Claim(Claim),
    Hit(Hit),
    Bypass(BypassReason),
    /// Look the key up again.
    Again,
}

/// Waits until the flight has something for this request, which came at this epoch of purges.
pub(super) async fn landed(
    tiers: &Tiers,
    keys: LookupKeys,
    waiter: &Waiter,
    asked: Selecting<'_>,
    epoch: u64,
    deadline: Instant,
) -> Landed {
    // Whether what came is the variant that was asked for, and was not purged before it was asked for.
    let fits = |meta: &Meta, key: &Key, fill_epoch: u64| {
        (meta.vary.is_empty() || keys.primary.variant(&meta.vary, asked) == *key)
            && !tiers.purges.strike_between(meta, fill_epoch, epoch)
    };
    loop {
        let mut changed = pin!(waiter.changed());
        changed.as_mut().enable();
        match waiter.look() {
            WaiterView::Claim(claim) => return Landed::Claim(claim),
            WaiterView::Phase(FlightPhase::Streaming(stream)) => {
                if fits(&stream.meta, &stream.key, stream.fill_epoch) {
                    let Some(reader) = stream.reader() else {
                        return Landed::Bypass(BypassReason::Missed);
                    };
                    return Landed::Hit(Hit { meta: stream.meta.clone(), source: BodySource::Stream(reader) });
                }
                // The entry that leads to the other variants may have been evicted; looking again would change nothing.
                if !stream.is_struck() && tiers.find(&keys.primary, asked).0 == keys.slot {
                    return Landed::Bypass(BypassReason::Missed);
                }
                return Landed::Again;
            }
            WaiterView::Phase(FlightPhase::Done(key, stored)) => {
                if fits(&stored.meta, &key, stored.fill_epoch) {
                    return Landed::Hit(Hit::in_memory(&stored));
                }
                return Landed::Again;
            }
            WaiterView::Phase(FlightPhase::Declined) => return Landed::Bypass(BypassReason::Uncacheable),
            WaiterView::Phase(FlightPhase::Gone) => return Landed::Again,
            WaiterView::Phase(FlightPhase::Pending | FlightPhase::Vacant) => {}
        }
        if timeout_at(deadline, changed).await.is_err() {
            return Landed::Bypass(BypassReason::Patience);
        }
    }
}

/// Opens an object that is read from disk. `None` if it is not there any more.
pub(super) async fn opened(tiers: &Tiers, slot: Key, place: DiskEntry) -> Option<Hit> {
    let purges = tiers.purges.clone();
    let opened = on_disk(tiers, move |disk| {
        let opened = disk.load_to_stream(&slot, &place)?;
        if purges.take(&opened.meta, opened.fill_epoch) {
            // Before the next lookup, which would find it again.
            disk.forget(&slot, &place);
            return None;
        }
        disk.holds(&slot, &place).then_some(opened)
    });
    let opened = opened.await?;
    Some(Hit { meta: opened.meta.clone(), source: BodySource::Disk(opened) })
}

/// Brings an object from disk to memory. `None` if it cannot be read, or a purge has struck it.
pub(super) async fn loaded(tiers: &Tiers, slot: Key, place: DiskEntry) -> Option<Hit> {
    let asked = place.clone();
    let read = on_disk(tiers, move |disk| {
        let opened = disk.load(&slot, &asked)?;
        let body = disk.read(&slot, &asked, &opened).ok()?;
        Some((opened, body))
    });
    let (opened, body) = read.await.filter(|(opened, _)| !tiers.purges.strike(&opened.meta, opened.fill_epoch))?;
    if tiers.disk.as_ref().is_none_or(|disk| !disk.holds(&slot, &place)) {
        return None;
    }
    let stored = Arc::new(Stored::new(opened.meta, body, opened.fill_epoch));
    tiers.memory.insert(slot, MemoryEntry::Object(stored.clone()));
    Some(Hit::in_memory(&stored))
}

async fn on_disk<T: Send + 'static>(tiers: &Tiers, work: impl FnOnce(&DiskTier) -> Option<T> + Send + 'static) -> Option<T> {
    let disk = tiers.disk.clone()?;
    tokio::task::spawn_blocking(move || work(&disk)).await.ok().flatten()
}
