//! Who may run now, of all functions of an account: Lambda's concurrency.
//!
//! An account runs so many calls at the same time. A function may reserve a part of that, which is its own and no more than
//! that; the others share the rest. A call that finds no room is refused at once, and never waits.
//! A call counts where it was admitted, whatever is reserved meanwhile: lowering a reservation ends no call.
//!
//!     admit ──► own part (reserved), or the shared rest ──► CallPermit ── dropped ──► room for the next
//!        └────► refused: which bound, and for how long
//!
//! Each count is one atomic number, moved by compare-and-swap: of two callers that race for the last place one gets it.
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html>.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::limits::lambda::{CONCURRENCY, RATE_PER_CONCURRENCY, UNRESERVED};

/// Nothing is reserved.
const NONE: u32 = u32::MAX;

/// See the module.
pub struct AccountConcurrency {
    limit: u32,
    /// Held while a reservation changes.
    taken: Mutex<TakenConcurrency>,
    shared: Arc<Share>,
}

/// What the functions have of the account.
#[derive(Default)]
struct TakenConcurrency {
    reserved: u32,
    /// By functions that have reserved nothing.
    provisioned: u32,
}

/// A number of calls that may run, and how many do.
struct Share {
    most: AtomicU32,
    running: AtomicU32,
}

/// Places that are one version's own, since environments are provisioned for it.
pub struct Places(Arc<Share>);

/// One function's part.
pub struct FunctionConcurrency {
    shared: Arc<Share>,
    /// Places of its versions, which are taken out of what it has.
    provisioned: AtomicU32,
    /// `most` is `NONE` while nothing is reserved.
    own: Arc<Share>,
    rate: Rate,
}

/// The right to run one call. Dropped, it makes room.
pub struct CallPermit(Arc<Share>);

impl CallPermit {
    /// Whether it is for one of these places.
    pub fn is_of(&self, places: &Places) -> bool {
        Arc::ptr_eq(&self.0, &places.0)
    }
}

/// Why a call may not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConcurrencyRefusal {
    #[error("the account runs as many calls as it may")]
    Account,
    #[error("the function runs as many calls as it has reserved")]
    Reserved,
    #[error("more calls a second than ten for each that may run at the same time")]
    Rate,
    #[error("more calls a second than ten for each that the function has reserved")]
    ReservedRate,
}

impl ConcurrencyRefusal {
    pub const ALL: [ConcurrencyRefusal; 4] =
        [ConcurrencyRefusal::Account, ConcurrencyRefusal::Reserved, ConcurrencyRefusal::Rate, ConcurrencyRefusal::ReservedRate];

    /// Lambda's word, in answers; and in metrics.
    pub fn reason(self) -> &'static str {
        match self {
            ConcurrencyRefusal::Account => "ConcurrentInvocationLimitExceeded",
            ConcurrencyRefusal::Reserved => "ReservedFunctionConcurrentInvocationLimitExceeded",
            ConcurrencyRefusal::Rate => "FunctionInvocationRateLimitExceeded",
            ConcurrencyRefusal::ReservedRate => "ReservedFunctionInvocationRateLimitExceeded",
        }
    }
}

/// A reservation would leave the others less than `UNRESERVED`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("only {available} of the account's concurrency can be reserved")]
pub struct TooMuchReserved {
    pub available: u32,
}

impl Default for AccountConcurrency {
    fn default() -> AccountConcurrency {
        AccountConcurrency::new(CONCURRENCY)
    }
}

impl AccountConcurrency {
    pub fn new(limit: u32) -> AccountConcurrency {
        AccountConcurrency { limit, taken: Mutex::default(), shared: Share::new(limit) }
    }

    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// What functions that reserve nothing have together.
    pub fn unreserved(&self) -> u32 {
        self.limit - self.lock().reserved
    }

    /// Calls that run on what is not reserved.
    pub fn unreserved_running(&self) -> u32 {
        self.shared.running.load(Relaxed)
    }

    /// A function's part, with nothing reserved.
    pub fn function(&self) -> FunctionConcurrency {
        FunctionConcurrency {
            shared: self.shared.clone(),
            provisioned: AtomicU32::new(0),
            own: Share::new(NONE),
            rate: Rate::default(),
        }
    }

    /// Reserves a part of the account for a function; `None` gives it back.
    pub fn reserve(&self, function: &FunctionConcurrency, wanted: Option<u32>) -> Result<(), TooMuchReserved> {
        let mut taken = self.lock();
        let others = taken.reserved - function.reserved().unwrap_or(0);
        let available = self.limit.saturating_sub(others).saturating_sub(UNRESERVED.min(self.limit));
        if let Some(wanted) = wanted
            && wanted > available
        {
            return Err(TooMuchReserved { available });
        }
        let provisioned = function.provisioned.load(Relaxed);
        match (function.reserved(), wanted) {
            (None, Some(_)) => taken.provisioned -= provisioned,
            (Some(_), None) => taken.provisioned += provisioned,
            _ => {}
        }
        taken.reserved = others + wanted.unwrap_or(0);
        function.own.most.store(wanted.unwrap_or(NONE), Relaxed);
        self.share(&taken);
        Ok(())
    }

    /// Takes so many places out of what a function has, for versions of it.
    pub fn provision(&self, function: &FunctionConcurrency, total: u32) {
        let mut taken = self.lock();
        let before = function.provisioned.swap(total, Relaxed);
        if function.reserved().is_none() {
            taken.provisioned = taken.provisioned - before + total;
            self.share(&taken);
        }
    }

    fn share(&self, taken: &TakenConcurrency) {
        let most = self.limit.saturating_sub(taken.reserved).saturating_sub(taken.provisioned);
        self.shared.most.store(most, Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, TakenConcurrency> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    pub fn new(count: u32) -> Places {
        Places(Share::new(count))
    }
}

impl FunctionConcurrency {
    /// What it has reserved.
    pub fn reserved(&self) -> Option<u32> {
        Some(self.own.most.load(Relaxed)).filter(|most| *most != NONE)
    }

    /// Lets a call run, or says why not. Never waits. `places` are those of the version that it is for; a call for which
    /// there is none left of them takes one of the function's (spill-over).
    pub fn admit(&self, places: Option<&Places>, now: Instant) -> Result<CallPermit, ConcurrencyRefusal> {
        if let Some(Places(share)) = places
            && let Some(permit) = share.take(share.most.load(Relaxed))
        {
            return Ok(permit);
        }
        let (share, most, full, fast) = match self.reserved() {
            Some(reserved) => {
                let most = reserved.saturating_sub(self.provisioned.load(Relaxed));
                (&self.own, most, ConcurrencyRefusal::Reserved, ConcurrencyRefusal::ReservedRate)
            }
            None => (&self.shared, self.shared.most.load(Relaxed), ConcurrencyRefusal::Account, ConcurrencyRefusal::Rate),
        };
        let permit = share.take(most).ok_or(full)?;
        // Who finds no place has not used a part of the rate.
        if self.rate.admits(now, most.saturating_mul(RATE_PER_CONCURRENCY)) { Ok(permit) } else { Err(fast) }
    }
}

impl Share {
    fn new(most: u32) -> Arc<Share> {
        Arc::new(Share { most: AtomicU32::new(most), running: AtomicU32::new(0) })
    }

    fn take(self: &Arc<Share>, most: u32) -> Option<CallPermit> {
        let more = |running: u32| (running < most).then(|| running + 1);
        self.running.fetch_update(AcqRel, Acquire, more).ok().map(|_| CallPermit(self.clone()))
    }
}

impl Drop for CallPermit {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, AcqRel);
    }
}

/// So many calls a second, of which a second's worth may come at once (GCRA).
struct Rate {
    start: Instant,
    /// When the calls so far would have come one after the other, in nanoseconds since `start`.
    due_ns: AtomicU64,
}

impl Default for Rate {
    fn default() -> Rate {
        Rate { start: Instant::now(), due_ns: AtomicU64::new(0) }
    }
}

impl Rate {
    fn admits(&self, now: Instant, per_second: u32) -> bool {
        const SECOND_NS: u64 = 1_000_000_000;
        let now_ns = u64::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX >> 1);
        let each_ns = SECOND_NS / u64::from(per_second.max(1));
        let next = |due_ns: u64| {
            let due_ns = due_ns.max(now_ns) + each_ns;
            (due_ns <= now_ns + SECOND_NS).then_some(due_ns)
        };
        self.due_ns.fetch_update(Relaxed, Relaxed, next).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_one_reserves_is_its_own_and_all_that_it_has() {
        let account = AccountConcurrency::new(103);
        let (one, other) = (account.function(), account.function());
        let now = Instant::now();
        assert_eq!(account.reserve(&one, Some(4)), Err(TooMuchReserved { available: 3 }));
        account.reserve(&one, Some(2)).unwrap();
        assert_eq!((one.reserved(), account.unreserved()), (Some(2), 101));
        let first = one.admit(None, now).unwrap();
        let _second = one.admit(None, now).unwrap();
        assert_eq!(one.admit(None, now).map(drop), Err(ConcurrencyRefusal::Reserved));
        drop(first);
        let third = one.admit(None, now).unwrap();
        // Nor do the others get at it.
        let all: Vec<CallPermit> = (0..101).map(|_| other.admit(None, now).unwrap()).collect();
        assert_eq!(other.admit(None, now).map(drop), Err(ConcurrencyRefusal::Account));
        account.reserve(&one, Some(0)).unwrap();
        assert_eq!(one.admit(None, now).map(drop), Err(ConcurrencyRefusal::Reserved), "0 is how a function is switched off");
        account.reserve(&one, None).unwrap();
        assert_eq!((one.reserved(), account.unreserved()), (None, 103));
        drop(third);
        let _more = [one.admit(None, now).unwrap(), one.admit(None, now).unwrap()];
        assert_eq!(one.admit(None, now).map(drop), Err(ConcurrencyRefusal::Account));
        drop(all);
        assert_eq!(account.unreserved_running(), 2);
    }

    #[test]
    fn what_is_provisioned_for_a_version_is_taken_from_its_function() {
        let account = AccountConcurrency::new(103);
        let (function, places, now) = (account.function(), Places::new(2), Instant::now());
        account.provision(&function, 2);
        account.reserve(&function, Some(3)).unwrap();
        let provisioned = [function.admit(Some(&places), now).unwrap(), function.admit(Some(&places), now).unwrap()];
        let spilled = function.admit(Some(&places), now).unwrap();
        assert_eq!(function.admit(Some(&places), now).map(drop), Err(ConcurrencyRefusal::Reserved));
        assert_eq!(function.admit(None, now).map(drop), Err(ConcurrencyRefusal::Reserved));
        drop(provisioned);
        assert!(function.admit(Some(&places), now).is_ok());
        assert!(function.admit(None, now).is_err(), "these places are the version's");
        drop(spilled);
        account.reserve(&function, None).unwrap();
        let shared: Vec<CallPermit> = (0..101).map(|_| function.admit(None, now).unwrap()).collect();
        assert_eq!(function.admit(None, now).map(drop), Err(ConcurrencyRefusal::Account));
        account.provision(&function, 0);
        assert!(function.admit(None, now).is_ok());
        drop(shared);
    }

    #[test]
    fn of_two_that_race_for_the_last_place_one_gets_it() {
        let account = AccountConcurrency::new(101);
        let function = account.function();
        account.reserve(&function, Some(1)).unwrap();
        for _ in 0..2_000 {
            let barrier = std::sync::Barrier::new(2);
            let admit = || {
                barrier.wait();
                function.own.take(1)
            };
            let won = std::thread::scope(|scope| {
                let [one, other] = [scope.spawn(admit), scope.spawn(admit)];
                let permits = [one.join().unwrap(), other.join().unwrap()];
                permits.iter().flatten().count()
            });
            assert_eq!(won, 1, "never both, nor neither");
        }
    }

    #[test]
    fn ten_calls_a_second_for_each_that_may_run() {
        let account = AccountConcurrency::new(200);
        let function = account.function();
        account.reserve(&function, Some(1)).unwrap();
        let now = Instant::now();
        let admitted = |now| (0..20).take_while(|_| function.admit(None, now).is_ok()).count();
        assert_eq!(admitted(now), 10);
        assert_eq!(function.admit(None, now).map(drop), Err(ConcurrencyRefusal::ReservedRate));
        assert_eq!(admitted(now + Duration::from_millis(300)), 3);
        assert_eq!(admitted(now + Duration::from_secs(10)), 10, "what was not used is not saved");
    }
}
