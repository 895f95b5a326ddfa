//! One lookup: what it finds, and what it waits for.
//!
//! `Wait::join` ends with a hit, a stale hit, the duty, or a bypass. It never takes longer than the caller's patience,
//! except for a read of the disk, which is not given up halfway.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::cache::bypass::BypassReason;
use crate::cache::disk::DiskEntry;
use crate::cache::duty::Duty;
use crate::cache::flight::{Claim, Claimed, FlightPhase, Waiter};
use crate::cache::freshness::Freshness;
use crate::cache::hit::Hit;
use crate::cache::key::{Key, Selecting};
use crate::cache::object::Meta;
use crate::cache::purge::EpochGuard;
use crate::cache::tiers::{LookupKeys, Tiers};
use crate::cache::wait::{self, Landed};

/// A lookup: its result, or the need to wait for it.
#[expect(clippy::large_enum_variant, reason = "a hit must not allocate, and a lookup is moved once")]
pub enum Lookup {
    Settled(LookupResult),
    Busy(Wait),
}

/// What a lookup finds.
pub enum LookupResult {
    Hit(Hit),
    /// Without a duty, another request renews it; or, if it must be validated, the origin has just failed.
    Stale {
        hit: Hit,
        verdict: Freshness,
        duty: Option<Duty>,
    },
    Miss(Duty),
    Bypass(BypassReason),
}

impl From<LookupResult> for Lookup {
    fn from(result: LookupResult) -> Lookup {
        Lookup::Settled(result)
    }
}

impl Lookup {
    pub fn name(&self) -> &'static str {
        match self {
            Lookup::Settled(LookupResult::Hit(_)) => "hit",
            Lookup::Settled(LookupResult::Stale { .. }) => "stale",
            Lookup::Settled(LookupResult::Miss(_)) => "miss",
            Lookup::Settled(LookupResult::Bypass(_)) => "bypass",
            Lookup::Busy(_) => "busy",
        }
    }
}

/// What is looked up, and for whom.
pub(crate) struct LookupRequest<'a, J> {
    pub(crate) key: &'a Key,
    /// The request's fields, which select a variant.
    pub(crate) asked: Selecting<'a>,
    pub(crate) now_ms: u64,
    /// Says what may be done with a stored response.
    pub(crate) judge: J,
}

impl<J> LookupRequest<'_, J> {
    fn keys(&self, slot: Key) -> LookupKeys {
        LookupKeys { primary: *self.key, slot }
    }
}

/// Looks a key up. A hit in memory allocates nothing.
pub(crate) fn lookup<J: Fn(&Meta) -> Freshness>(tiers: &Arc<Tiers>, request: &LookupRequest<'_, J>) -> Lookup {
    let (slot, stored) = tiers.find(request.key, request.asked);
    if let Some(stored) = stored {
        return found(tiers, request, slot, Hit::in_memory(&stored), None);
    }
    if let Some(place) = tiers.on_disk(&slot)
        && !tiers.fits_memory(&place)
    {
        return Lookup::Busy(Wait::new(tiers, request.keys(slot), On::Open(place)));
    }
    match tiers.flights.claim(slot) {
        Claimed::Claim(claim) => claimed(tiers, request, slot, claim),
        Claimed::Waiter(_) if tiers.is_uncacheable(&slot, request.now_ms) => bypass(tiers, BypassReason::Uncacheable).into(),
        Claimed::Waiter(waiter) => Lookup::Busy(Wait::collapsed(tiers, request.keys(slot), waiter)),
        Claimed::Full => bypass(tiers, BypassReason::Crowded).into(),
    }
}

/// Looks again while holding the claim: its last holder may have stored what was missed before.
fn claimed<J: Fn(&Meta) -> Freshness>(tiers: &Arc<Tiers>, request: &LookupRequest<'_, J>, slot: Key, claim: Claim) -> Lookup {
    let (now_slot, stored) = tiers.find(request.key, request.asked);
    if now_slot != slot {
        // It varies, or varies by other fields, since the first look.
        claim.close(FlightPhase::Gone);
        return lookup(tiers, request);
    }
    if let Some(stored) = stored {
        return found(tiers, request, slot, Hit::in_memory(&stored), Some(claim));
    }
    let keys = request.keys(slot);
    match tiers.on_disk(&slot) {
        Some(place) if tiers.fits_memory(&place) => {
            Lookup::Busy(Wait::new(tiers, keys, On::Load(place, claim, tiers.purges.begin())))
        }
        Some(place) => {
            claim.close(FlightPhase::Gone);
            Lookup::Busy(Wait::new(tiers, keys, On::Open(place)))
        }
        None => {
            tiers.metrics.miss();
            LookupResult::Miss(Duty::new(tiers.clone(), claim, tiers.purges.begin(), keys, None, request.now_ms)).into()
        }
    }
}

/// Decides what may be done with a stored response, and who renews it.
fn found<J: Fn(&Meta) -> Freshness>(
    tiers: &Arc<Tiers>,
    request: &LookupRequest<'_, J>,
    slot: Key,
    hit: Hit,
    claim: Option<Claim>,
) -> Lookup {
    let verdict = (request.judge)(&hit.meta);
    if verdict == Freshness::Fresh {
        if let Some(claim) = claim {
            // Waiters find it too.
            claim.close(FlightPhase::Gone);
        }
        tiers.metrics.hit(hit.tier());
        return LookupResult::Hit(hit).into();
    }
    tiers.metrics.stale();
    let now_ms = request.now_ms;
    if verdict == (Freshness::Revalidate { if_error: true }) && tiers.held.get(&slot).is_some_and(|spell| spell.lasts(now_ms)) {
        if let Some(claim) = claim {
            claim.close(FlightPhase::Gone);
        }
        return LookupResult::Stale { hit, verdict, duty: None }.into();
    }
    let validates = matches!(verdict, Freshness::Revalidate { .. });
    let claimed = claim.map_or_else(|| tiers.flights.claim(slot), Claimed::Claim);
    match claimed {
        Claimed::Claim(claim) => {
            let prior = Some(hit.clone());
            let duty = Duty::new(tiers.clone(), claim, tiers.purges.begin(), request.keys(slot), prior, now_ms);
            LookupResult::Stale { hit, verdict, duty: Some(duty) }.into()
        }
        Claimed::Waiter(_) if validates && tiers.is_uncacheable(&slot, now_ms) => bypass(tiers, BypassReason::Uncacheable).into(),
        Claimed::Waiter(waiter) if validates => Lookup::Busy(Wait::collapsed(tiers, request.keys(slot), waiter)),
        Claimed::Full if validates => bypass(tiers, BypassReason::Crowded).into(),
        Claimed::Waiter(_) | Claimed::Full => LookupResult::Stale { hit, verdict, duty: None }.into(),
    }
}

fn bypass(tiers: &Tiers, reason: BypassReason) -> LookupResult {
    tiers.metrics.bypass(reason.name());
    LookupResult::Bypass(reason)
}

/// A lookup that has to wait.
pub struct Wait {
    tiers: Arc<Tiers>,
    keys: LookupKeys,
    /// Of purges, when the request came.
    epoch: u64,
    on: On,
}

enum On {
    Flight(Waiter),
    /// For the disk, to bring the object to memory; the guard keeps purges from being forgotten meanwhile.
    Load(DiskEntry, Claim, EpochGuard),
    /// For the disk, to read the object from there.
    Open(DiskEntry),
}

impl Wait {
    fn collapsed(tiers: &Arc<Tiers>, keys: LookupKeys, waiter: Waiter) -> Wait {
        tiers.metrics.collapsed();
        Wait::new(tiers, keys, On::Flight(waiter))
    }

    fn new(tiers: &Arc<Tiers>, keys: LookupKeys, on: On) -> Wait {
        Wait { tiers: tiers.clone(), keys, epoch: tiers.purges.epoch(), on }
    }

    /// Whether it waits for another request's fetch, and not for the disk.
    pub fn is_for_a_fill(&self) -> bool {
        matches!(self.on, On::Flight(_))
    }

    /// Waits for the result. The arguments are those of the lookup.
    pub async fn join(
        mut self,
        asked: Selecting<'_>,
        now_ms: u64,
        judge: impl Fn(&Meta) -> Freshness,
        patience: Duration,
    ) -> LookupResult {
        let deadline = Instant::now() + patience;
        let tiers = self.tiers.clone();
        let key = self.keys.primary;
        let request = LookupRequest { key: &key, asked, now_ms, judge };
        loop {
            let Wait { tiers: _, keys, epoch, on } = self;
            let slot = keys.slot;
            let again = match on {
                On::Open(place) => wait::opened(&tiers, slot, place).await.map(|hit| found(&tiers, &request, slot, hit, None)),
                On::Load(place, claim, guard) => Some(match wait::loaded(&tiers, slot, place).await {
                    Some(hit) => {
                        drop(guard);
                        found(&tiers, &request, slot, hit, Some(claim))
                    }
                    None => {
                        tiers.metrics.miss();
                        LookupResult::Miss(Duty::new(tiers.clone(), claim, guard, keys, None, now_ms)).into()
                    }
                }),
                On::Flight(waiter) => match wait::landed(&tiers, keys, &waiter, asked, epoch, deadline).await {
                    Landed::Claim(claim) => Some(claimed(&tiers, &request, slot, claim)),
                    Landed::Hit(hit) => {
                        tiers.metrics.hit(hit.tier());
                        Some(LookupResult::Hit(hit).into())
                    }
                    Landed::Bypass(reason) => Some(bypass(&tiers, reason).into()),
                    Landed::Again => None,
                },
            };
            if again.is_none() {
                // Another thread may be about to store the object.
                tokio::task::yield_now().await;
            }
            let again = match again {
                Some(lookup) => lookup,
                None if Instant::now() >= deadline => return bypass(&tiers, BypassReason::Patience),
                None => lookup(&tiers, &request),
            };
            match again {
                Lookup::Settled(result) => return result,
                Lookup::Busy(wait) => self = wait,
            }
        }
    }
}
