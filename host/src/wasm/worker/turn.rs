//! Whose turn it is, of guests that compete for a thread: each gets a part of it by its share.
//!
//! Each turn of a guest costs it virtual time, the more the smaller its share, and a guest takes its turn when the thread's
//! virtual time has come to its own (stride scheduling). Nothing is queued: the runtime asks tasks one after the other, and who
//! is ahead of time passes. Once all have passed in a row, time goes on to the first of them, so that none of it is lost: alone, a
//! guest takes all turns. Who has slept has saved nothing up.
//!
//! Shares are those of Lambda: 1,769 MB of memory are one processor
//! (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>).

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::limits::worker::CPU_WHOLE;

thread_local! {
    static THREAD: Cell<ThreadTime> = const { Cell::new(ThreadTime { now: 0, asked: 0, passed: 0, first: u64::MAX }) };
}

/// The virtual time of a thread, in units of which a turn of a whole processor costs `CPU_WHOLE`.
#[derive(Clone, Copy)]
struct ThreadTime {
    now: u64,
    /// Guests that were asked.
    asked: u64,
    /// How many of the last ones in a row passed, and the earliest time of these.
    passed: u64,
    first: u64,
}

/// A guest's claim on its thread.
#[derive(Debug)]
pub(super) struct Turns {
    /// What a turn costs.
    stride: u64,
    /// When its next turn is.
    due: AtomicU64,
    /// The number of guests that had been asked when it was.
    asked: AtomicU64,
}

impl Turns {
    /// `share` in thousandths of a processor; what is above a whole one is as good as that.
    pub(super) fn new(share: u32) -> Turns {
        let whole = u64::from(CPU_WHOLE);
        let stride = whole * whole / u64::from(share).clamp(1, whole);
        Turns { stride, due: AtomicU64::new(0), asked: AtomicU64::new(0) }
    }

    /// Whether the guest takes its turn now.
    pub(super) fn take(&self) -> bool {
        let mut thread = THREAD.get();
        let whole = u64::from(CPU_WHOLE);
        let others = thread.asked.wrapping_sub(self.asked.swap(thread.asked + 1, Relaxed));
        thread.asked += 1;
        let is_whole = self.stride == whole;
        // One turn behind is not yet late.
        let earliest = if is_whole { thread.now.saturating_sub(whole) } else { thread.now };
        let due = self.due.load(Relaxed).max(earliest);
        let takes = is_whole || due <= thread.now || others == 0;
        if takes {
            self.due.store(due + self.stride, Relaxed);
            if is_whole {
                thread.now = thread.now.max(due + whole);
            }
            (thread.passed, thread.first) = (0, u64::MAX);
        } else {
            self.due.store(due, Relaxed);
            (thread.passed, thread.first) = (thread.passed + 1, thread.first.min(due));
            if thread.passed > others {
                thread.now = thread.first;
                (thread.passed, thread.first) = (0, u64::MAX);
            }
        }
        THREAD.set(thread);
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many turns each takes of those that it is asked for.
    fn taken(shares: &[u32], rounds: usize) -> Vec<usize> {
        let guests: Vec<Turns> = shares.iter().map(|share| Turns::new(*share)).collect();
        let mut taken = vec![0; shares.len()];
        for _ in 0..rounds {
            for (guest, taken) in guests.iter().zip(&mut taken) {
                *taken += usize::from(guest.take());
            }
        }
        taken
    }

    #[test]
    fn who_has_a_quarter_takes_a_quarter_of_the_turns() {
        let taken = taken(&[1_000, 250], 1_000);
        assert_eq!(taken[0], 1_000);
        assert!((245..=256).contains(&taken[1]), "{taken:?}");
    }

    #[test]
    fn alone_a_guest_takes_all_of_its_turns() {
        assert_eq!(taken(&[72], 1_000), [1_000]);
    }

    #[test]
    fn equals_that_have_little_share_alike_and_lose_no_time() {
        let taken = taken(&[100, 100, 100], 3_000);
        let all: usize = taken.iter().sum();
        assert!(taken.iter().all(|one| one.abs_diff(all / 3) <= all / 30), "{taken:?}");
        assert!(all >= 3_000, "{taken:?}: of three that are asked, one takes its turn");
    }

    #[test]
    fn shares_below_a_whole_are_kept_to_among_each_other() {
        for shares in [[400, 100], [1_000, 250], [100, 25]] {
            let taken = taken(&shares, 10_000);
            let ratio = taken[0] as f64 / taken[1] as f64;
            assert!((3.8..4.2).contains(&ratio), "{shares:?}: {taken:?}");
        }
        let taken = taken(&[1_000, 1_000, 500], 10_000);
        assert_eq!(taken[0], taken[1]);
        assert!(taken[2].abs_diff(5_000) < 100, "{taken:?}");
    }
}
