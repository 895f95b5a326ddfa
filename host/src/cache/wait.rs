//! I wait: for the one who fills, or for the disk.
//!
//! `join` ends with a hit, something stale, the duty, or the advice to go alone; never later than the
//! patience that the caller has (a read of the disk excepted, which is not given up halfway).
//!
//! Who waited gets what the fill brought without a judge: it was fetched or validated after the request
//! came, so one fill answers all of them, also if it is stale at once.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::cache::disk::{Disk, Opened, Place};
use crate::cache::duty::Duty;
use crate::cache::flight::{Claim, Look, Phase, Seat};
use crate::cache::freshness::Verdict;
use crate::cache::key::{Key, Selecting};
use crate::cache::memory::Entry;
use crate::cache::object::{Hit, Meta, Source, Stored};
use crate::cache::purge::Born;
use crate::cache::{Alone, Cache, Found, Lookup};

/// A lookup that has to wait.
pub struct Wait {
    cache: Arc<Cache>,
    primary: Key,
    slot: Key,
    /// Of purges, when the request came.
    epoch: u64,
    on: On,
}

enum On {
    Flight(Seat),
    /// For the disk, to bring the object to memory; the guard keeps purges from being forgotten meanwhile.
    Load(Place, Claim, Born),
    /// For the disk, to read the object from there.
    Open(Place),
}

impl Wait {
    pub(crate) fn seated(cache: Arc<Cache>, primary: Key, slot: Key, seat: Seat) -> Wait {
        cache.metrics.collapsed();
        Wait::new(cache, primary, slot, On::Flight(seat))
    }

    pub(crate) fn load(cache: Arc<Cache>, primary: Key, slot: Key, place: Place, claim: Claim, born: Born) -> Wait {
        Wait::new(cache, primary, slot, On::Load(place, claim, born))
    }

    pub(crate) fn open(cache: Arc<Cache>, primary: Key, slot: Key, place: Place) -> Wait {
        Wait::new(cache, primary, slot, On::Open(place))
    }

    fn new(cache: Arc<Cache>, primary: Key, slot: Key, on: On) -> Wait {
        let epoch = cache.purges.epoch();
        Wait { cache, primary, slot, epoch, on }
    }

    /// Whether it is for what somebody fetches, and not for the disk.
    pub fn is_for_a_fill(&self) -> bool {
        matches!(self.on, On::Flight(_))
    }

    /// The arguments are those of the lookup; never `Lookup::Busy`.
    pub async fn join(
        mut self,
        asked: Selecting<'_>,
        now_ms: u64,
        judge: impl Fn(&Meta) -> Verdict,
        patience: Duration,
    ) -> Lookup {
        let deadline = Instant::now() + patience;
        loop {
            let Wait { cache, primary, slot, epoch, on } = self;
            let again = match on {
                On::Open(place) => opened(&cache, primary, slot, place, now_ms, &judge).await,
                On::Load(place, claim, born) => Some(loaded(&cache, (primary, slot), place, claim, born, now_ms, &judge).await),
                On::Flight(seat) => match landed(&cache, (&primary, &slot), &seat, asked, epoch, deadline).await {
                    Landed::Claim(claim) => Some(cache.claimed(claim, &primary, slot, asked, now_ms, &judge)),
                    Landed::Lookup(lookup) => Some(lookup),
                    Landed::Again => None,
                },
            };
            if again.is_none() {
                // What is to be found may be on its way on another thread.
                tokio::task::yield_now().await;
            }
            match again {
                Some(Lookup::Busy(wait)) => self = wait,
                Some(lookup) => return lookup,
                None if Instant::now() >= deadline => return cache.alone(Alone::Patience),
                None => match cache.lookup(&primary, asked, now_ms, &judge) {
                    Lookup::Busy(wait) => self = wait,
                    lookup => return lookup,
                },
            }
        }
    }
}

#[expect(clippy::large_enum_variant, reason = "it lives for one statement")]
enum Landed {
    Claim(Claim),
    Lookup(Lookup),
    Again,
}

/// Waits until the flight has something for this request.
async fn landed(
    cache: &Cache,
    (primary, slot): (&Key, &Key),
    seat: &Seat,
    asked: Selecting<'_>,
    epoch: u64,
    deadline: Instant,
) -> Landed {
    // Whether what came is the variant that was asked for, and was not purged before it was asked for.
    let fits = |meta: &Meta, key: &Key, born: u64| {
        (meta.vary.is_empty() || primary.variant(&meta.vary, asked) == *key) && !cache.purges.strike_between(meta, born, epoch)
    };
    loop {
        let mut changed = pin!(seat.changed());
        changed.as_mut().enable();
        match seat.look() {
            Look::Claim(claim) => return Landed::Claim(claim),
            Look::Phase(Phase::Streaming(stream)) => {
                if fits(&stream.meta, &stream.key, stream.born) {
                    let Some(reader) = stream.reader() else {
                        return Landed::Lookup(cache.alone(Alone::Missed));
                    };
                    let hit = Hit { meta: stream.meta.clone(), source: Source::Stream(reader) };
                    cache.metrics.hit(hit.tier());
                    return Landed::Lookup(Lookup::Hit(hit));
                }
                // What leads to the other variants may have been evicted; nothing else would come of looking.
                if !stream.is_struck() && cache.find(primary, asked).0 == *slot {
                    return Landed::Lookup(cache.alone(Alone::Missed));
                }
                return Landed::Again;
            }
            Look::Phase(Phase::Done(key, stored)) => {
                if fits(&stored.meta, &key, stored.born) {
                    let hit = Hit { meta: stored.meta.clone(), source: Source::Memory(stored.body.clone()) };
                    cache.metrics.hit(hit.tier());
                    return Landed::Lookup(Lookup::Hit(hit));
                }
                return Landed::Again;
            }
            Look::Phase(Phase::Declined) => return Landed::Lookup(cache.alone(Alone::Uncacheable)),
            Look::Phase(Phase::Gone) => return Landed::Again,
            Look::Phase(Phase::Pending | Phase::Vacant) => {}
        }
        if timeout_at(deadline, changed).await.is_err() {
            return Landed::Lookup(cache.alone(Alone::Patience));
        }
    }
}

/// An object that is read from disk. `None`: it is not there any more.
async fn opened(
    cache: &Arc<Cache>,
    primary: Key,
    slot: Key,
    place: Place,
    now_ms: u64,
    judge: &impl Fn(&Meta) -> Verdict,
) -> Option<Lookup> {
    let purges = cache.purges.clone();
    let opened = on_disk(cache, move |disk| {
        let opened = disk.load_to_stream(&slot, &place)?;
        if purges.take(&opened.meta, opened.born) {
            // Before the next look, which would find it again.
            disk.forget(&slot, &place);
            return None;
        }
        Some(opened)
    });
    let opened = opened.await?;
    let hit = Hit { meta: opened.meta.clone(), source: Source::Disk(opened) };
    let verdict = judge(&hit.meta);
    Some(cache.decide(Found { primary, slot, hit }, verdict, None, now_ms))
}

/// An object that is brought from disk to memory.
async fn loaded(
    cache: &Arc<Cache>,
    (primary, slot): (Key, Key),
    place: Place,
    claim: Claim,
    born: Born,
    now_ms: u64,
    judge: &impl Fn(&Meta) -> Verdict,
) -> Lookup {
    let read = on_disk(cache, move |disk| {
        let opened: Opened = disk.load(&slot, &place)?;
        let body = disk.read(&slot, &place, &opened).ok()?;
        Some((opened, body))
    });
    let read = read.await.filter(|(opened, _)| !cache.purges.strike(&opened.meta, opened.born));
    let Some((opened, body)) = read else {
        cache.metrics.miss();
        return Lookup::Miss(Duty::new(cache.clone(), claim, born, (primary, slot), None, now_ms));
    };
    let stored = Arc::new(Stored::new(opened.meta, body, opened.born));
    cache.memory.insert(slot, Entry::Object(stored.clone()));
    drop(born);
    let hit = Hit { meta: stored.meta.clone(), source: Source::Memory(stored.body.clone()) };
    let verdict = judge(&hit.meta);
    let found = Found { primary, slot, hit };
    cache.decide(found, verdict, Some(claim), now_ms)
}

async fn on_disk<T: Send + 'static>(cache: &Cache, work: impl FnOnce(&Disk) -> Option<T> + Send + 'static) -> Option<T> {
    let disk = cache.disk.clone()?;
    tokio::task::spawn_blocking(move || work(&disk)).await.ok().flatten()
}
