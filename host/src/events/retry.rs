//! What comes after an attempt of an asynchronous invocation, as Lambda decides it
//! (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>).
//!
//! A function's own failure uses up an attempt, and the next one follows after a minute, and then after two. What could not be
//! tried (no concurrency, or a fault of the host) uses up none, and follows after a second, two, four, up to five minutes. An
//! event that would be too old by then is given up at once.

use crate::limits::events::{FAILURE_WAIT_S, PUT_OFF_S, PUT_OFF_S_MAX};

/// How often, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts after the first.
    pub retries: u32,
    pub age_ms: u64,
}

/// What an attempt came to, if it did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setback {
    /// The receiver has failed.
    Failed,
    /// It could not be tried.
    NotRun,
}

/// Why an event was given up, as records tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndCondition {
    RetriesExhausted,
    EventAgeExceeded,
    ZeroReservedConcurrency,
}

impl EndCondition {
    pub fn name(self) -> &'static str {
        match self {
            EndCondition::RetriesExhausted => "RetriesExhausted",
            EndCondition::EventAgeExceeded => "EventAgeExceeded",
            EndCondition::ZeroReservedConcurrency => "ZeroReservedConcurrency",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// After so many milliseconds.
    Again(u64),
    GiveUp(EndCondition),
}

/// How an event stands after an attempt.
#[derive(Debug, Clone, Copy)]
pub struct EventStanding {
    /// Attempts that have run, with this one.
    pub attempts: u32,
    /// Attempts in a row that could not run, with this one.
    pub put_off: u32,
    pub age_ms: u64,
}

impl RetryPolicy {
    pub fn next(&self, setback: Setback, standing: EventStanding) -> Next {
        let wait_s = match setback {
            Setback::Failed if standing.attempts > self.retries => return Next::GiveUp(EndCondition::RetriesExhausted),
            Setback::Failed => FAILURE_WAIT_S * u64::from(standing.attempts.max(1)),
            Setback::NotRun => {
                // More than enough to reach the longest wait.
                let doublings = standing.put_off.saturating_sub(1).min(16);
                (PUT_OFF_S << doublings).min(PUT_OFF_S_MAX)
            }
        };
        let wait_ms = wait_s * 1_000;
        if standing.age_ms.saturating_add(wait_ms) > self.age_ms {
            return Next::GiveUp(EndCondition::EventAgeExceeded);
        }
        Next::Again(wait_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy { retries: 2, age_ms: 21_600_000 };

    #[test]
    fn a_function_that_fails_is_tried_again_after_one_minute_and_after_two() {
        let after = |attempts, age_ms| POLICY.next(Setback::Failed, EventStanding { attempts, put_off: 0, age_ms });
        assert_eq!(after(1, 5), Next::Again(60_000));
        assert_eq!(after(2, 60_005), Next::Again(120_000));
        assert_eq!(after(3, 180_005), Next::GiveUp(EndCondition::RetriesExhausted));
        let never = RetryPolicy { retries: 0, ..POLICY };
        let standing = EventStanding { attempts: 1, put_off: 0, age_ms: 0 };
        assert_eq!(never.next(Setback::Failed, standing), Next::GiveUp(EndCondition::RetriesExhausted));
    }

    #[test]
    fn what_cannot_run_is_put_off_from_a_second_to_five_minutes_without_using_an_attempt() {
        let after = |put_off| POLICY.next(Setback::NotRun, EventStanding { attempts: 0, put_off, age_ms: 0 });
        let waits = [1, 2, 3, 8, 9, 10, 1_000].map(after);
        let expected = [1, 2, 4, 128, 256, 300, 300].map(|seconds| Next::Again(seconds * 1_000));
        assert_eq!(waits, expected);
    }

    #[test]
    fn an_event_that_would_be_too_old_is_given_up_at_once() {
        let policy = RetryPolicy { retries: 2, age_ms: 60_000 };
        let standing = |age_ms| EventStanding { attempts: 1, put_off: 1, age_ms };
        assert_eq!(policy.next(Setback::Failed, standing(0)), Next::Again(60_000));
        assert_eq!(policy.next(Setback::Failed, standing(1)), Next::GiveUp(EndCondition::EventAgeExceeded));
        assert_eq!(policy.next(Setback::NotRun, standing(59_000)), Next::Again(1_000));
        assert_eq!(policy.next(Setback::NotRun, standing(59_001)), Next::GiveUp(EndCondition::EventAgeExceeded));
    }
}
