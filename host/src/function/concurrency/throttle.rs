//! I refuse calls of a function that keeps using up its CPU limit.
//!
//! CloudFront throttles a function whose compute utilization stays too high; without that, a function that
//! loops would take its whole limit of every request, and with it the core from its neighbours. A call
//! that runs into the limit is a strike, or into that of calls into the host; one that does not takes strikes back. At `STRIKES` the function
//! rests: refused for a time that doubles with each relapse, then one call is let through to see. Code that takes
//! far longer than its fuel says, as code does that misses every cache, counts as if it had run into the limit.
//!
//!     open ──strikes──► resting ──time over──► probing ──ok──► open
//!                          ▲                      └──limit──► resting (longer)

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::limits::Limit;
use crate::limits::utilization::{REST_DOUBLINGS, REST_MS, STRIKES, TIME_PER_CPU};

const REST_MIN: Duration = Duration::from_millis(REST_MS);

/// See the module. All fields may be read torn between threads: a call more or less is refused, no more.
pub struct UtilizationThrottle {
    is_on: bool,
    start: Instant,
    strikes: AtomicU32,
    /// Milliseconds since `start` until which calls are refused; 0 while open.
    resting_until_ms: AtomicU64,
    relapses: AtomicU32,
}

impl UtilizationThrottle {
    /// One that is off admits all calls.
    pub fn new(is_on: bool) -> UtilizationThrottle {
        UtilizationThrottle {
            is_on,
            start: Instant::now(),
            strikes: AtomicU32::new(0),
            resting_until_ms: AtomicU64::new(0),
            relapses: AtomicU32::new(0),
        }
    }

    /// Whether a call may run now.
    pub fn admits(&self, now: Instant) -> bool {
        let until = self.resting_until_ms.load(Relaxed);
        if until == 0 {
            return true;
        }
        let now_ms = self.ms(now);
        // Whoever moves the time on is the one that probes; the others go on resting.
        now_ms >= until && self.resting_until_ms.compare_exchange(until, now_ms + ms(REST_MIN), Relaxed, Relaxed).is_ok()
    }

    /// A call ran into its CPU limit.
    pub fn overran(&self, now: Instant) {
        if !self.is_on {
            return;
        }
        let probing = self.resting_until_ms.load(Relaxed) != 0;
        if probing || self.strikes.fetch_add(1, Relaxed) + 1 >= STRIKES {
            let relapses = self.relapses.load(Relaxed).min(REST_DOUBLINGS);
            self.relapses.store(relapses + 1, Relaxed);
            self.strikes.store(0, Relaxed);
            self.resting_until_ms.store((self.ms(now) + (ms(REST_MIN) << relapses)).max(1), Relaxed);
        }
    }

    /// A call ended within its CPU limit by fuel, after a time on the wall.
    pub fn ended(&self, now: Instant, took: Duration, cpu: Duration) {
        if took > cpu * TIME_PER_CPU {
            self.overran(now);
        } else {
            self.kept();
        }
    }

    /// A call failed after a time on the wall. Whatever ended it: if it had used its limit up, or as many calls into the
    /// host as it may, it is a strike. Otherwise it says nothing of what the function takes.
    pub fn failed(&self, now: Instant, took: Duration, cpu: Duration, failure: &Failure) {
        let used_up = matches!(failure, Failure::Limit { limit: Limit::CpuUs | Limit::HostCalls, .. });
        if used_up || took > cpu * TIME_PER_CPU {
            self.overran(now);
        }
    }

    /// A call stayed below its CPU limit.
    pub fn kept(&self) {
        let strikes = self.strikes.load(Relaxed);
        if strikes > 0 {
            self.strikes.store(strikes - 1, Relaxed);
        }
        if self.resting_until_ms.load(Relaxed) != 0 {
            self.resting_until_ms.store(0, Relaxed);
            self.relapses.store(0, Relaxed);
        }
    }

    fn ms(&self, now: Instant) -> u64 {
        ms(now.saturating_duration_since(self.start))
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rested(throttle: &UtilizationThrottle) -> Instant {
        throttle.start + Duration::from_millis(throttle.resting_until_ms.load(Relaxed))
    }

    #[test]
    fn a_function_that_keeps_overrunning_is_refused_until_it_has_rested() {
        let throttle = UtilizationThrottle::new(true);
        let now = throttle.start;
        for _ in 0..STRIKES {
            assert!(throttle.admits(now));
            throttle.overran(now);
        }
        assert!(!throttle.admits(now));
        assert!(!throttle.admits(rested(&throttle) - Duration::from_millis(1)));
        let later = rested(&throttle);
        assert!(throttle.admits(later), "one call probes");
        assert!(!throttle.admits(later), "and only one");
        throttle.kept();
        assert!(throttle.admits(later));
    }

    #[test]
    fn one_that_is_off_admits_all_calls() {
        let throttle = UtilizationThrottle::new(false);
        for _ in 0..10 * STRIKES {
            throttle.overran(throttle.start);
        }
        assert!(throttle.admits(throttle.start));
    }

    #[test]
    fn what_takes_far_longer_than_its_fuel_says_is_an_overrun() {
        let cpu = Duration::from_millis(1);
        for (took, rests) in [(Duration::from_millis(4), false), (Duration::from_micros(4_001), true)] {
            let throttle = UtilizationThrottle::new(true);
            for _ in 0..STRIKES {
                throttle.ended(throttle.start, took, cpu);
            }
            assert_eq!(!throttle.admits(throttle.start), rests, "{took:?}");
        }
    }

    #[test]
    fn a_call_that_fails_is_an_overrun_if_it_used_its_time_or_its_calls_up() {
        let cpu = Duration::from_millis(1);
        let limit = |limit| Failure::Limit { limit, value: 1 };
        let short = Duration::from_millis(4);
        for (took, failure, rests) in [
            (short, limit(Limit::CpuUs), true),
            (short, limit(Limit::HostCalls), true),
            (short, limit(Limit::MemoryBytes), false),
            (short, Failure::Trap("a trap".to_owned()), false),
            (Duration::from_micros(4_001), Failure::Trap("a trap, late".to_owned()), true),
        ] {
            let throttle = UtilizationThrottle::new(true);
            for _ in 0..STRIKES {
                throttle.failed(throttle.start, took, cpu, &failure);
            }
            assert_eq!(!throttle.admits(throttle.start), rests, "{failure}");
        }
    }

    #[test]
    fn each_relapse_doubles_the_rest_up_to_a_maximum() {
        let throttle = UtilizationThrottle::new(true);
        let mut now = throttle.start;
        for _ in 0..STRIKES {
            throttle.overran(now);
        }
        for relapse in 1..10u32 {
            now = rested(&throttle);
            assert!(throttle.admits(now));
            throttle.overran(now);
            assert_eq!(rested(&throttle) - now, REST_MIN * (1 << relapse.min(REST_DOUBLINGS)));
        }
    }

    #[test]
    fn overruns_now_and_then_are_forgiven() {
        let throttle = UtilizationThrottle::new(true);
        for _ in 0..10 * STRIKES {
            throttle.overran(throttle.start);
            throttle.kept();
        }
        assert!(throttle.admits(throttle.start));
    }
}
