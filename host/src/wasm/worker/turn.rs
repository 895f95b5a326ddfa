//! Whose turn it is, of guests that compete for a thread: each gets a part of it by its share.
//!
//! Each turn of a guest costs it virtual time, the more the smaller its share, and a guest takes its turn when the thread's
//! virtual time has come to its own (stride scheduling). Nothing is queued: the runtime asks its tasks in rounds, each once in a
//! round and in any order (tokio's goes forth and back), and who is ahead of time passes. Who is asked for the third time since anybody
//! took a turn knows that all others have passed, too; then time goes on to the first of them, so that none of it is lost. Alone, a
//! guest takes all turns. Who has slept has saved nothing up.
//!
//! Shares are those of Lambda: 1,769 MB of memory are one processor
//! (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>).

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::limits::worker::CPU_WHOLE;

thread_local! {
    static THREAD: Cell<ThreadTime> = const { Cell::new(ThreadTime { now: 0, asked: 0, taken: 0, first: u64::MAX }) };
}

/// The virtual time of a thread, in units of which a turn of a whole processor costs `CPU_WHOLE`.
#[derive(Clone, Copy)]
struct ThreadTime {
    now: u64,
    /// How often guests were asked, and have taken their turns.
    asked: u64,
    taken: u64,
    /// The earliest time of those that have passed since.
    first: u64,
}

/// A guest's claim on its thread.
#[derive(Debug)]
pub(super) struct Turns {
    /// What a turn costs.
    stride: u64,
    /// When its next turn is.
    due: AtomicU64,
    /// How often guests had been asked when this one was the last time, and the time before.
    asked: AtomicU64,
    asked_before: AtomicU64,
    /// How often it has passed since so many turns were taken.
    passed: AtomicU64,
    passed_since: AtomicU64,
}

impl Turns {
    /// `share` in thousandths of a processor; what is above a whole one is as good as that.
    pub(super) fn new(share: u32) -> Turns {
        let whole = u64::from(CPU_WHOLE);
        let zero = || AtomicU64::new(0);
        Turns {
            stride: whole * whole / u64::from(share).clamp(1, whole),
            due: zero(),
            asked: zero(),
            asked_before: zero(),
            passed: zero(),
            passed_since: zero(),
        }
    }

    /// Whether the guest takes its turn now.
    pub(super) fn take(&self) -> bool {
        let mut thread = THREAD.get();
        let whole = u64::from(CPU_WHOLE);
        let is_alone = self.is_alone(&mut thread);
        let is_whole = self.stride == whole;
        // Between two questions two rounds may begin: so far behind is not yet late.
        let due = self.due.load(Relaxed).max(thread.now.saturating_sub(2 * whole));
        let mut takes = is_whole || is_alone || due <= thread.now;
        if !takes {
            thread.first = thread.first.min(due);
            if self.has_passed_twice(thread.taken) {
                thread.now = thread.now.max(thread.first);
                takes = due <= thread.now;
            }
        }
        if takes {
            self.due.store(due + self.stride, Relaxed);
            if is_whole {
                thread.now = thread.now.max(due + whole);
            }
            thread.taken += 1;
            thread.first = u64::MAX;
        } else {
            self.due.store(due, Relaxed);
        }
        THREAD.set(thread);
        takes
    }

    /// Whether nobody else was asked in the last two rounds. Counts this question.
    fn is_alone(&self, thread: &mut ThreadTime) -> bool {
        let others = thread.asked.wrapping_sub(self.asked_before.load(Relaxed));
        thread.asked += 1;
        self.asked_before.store(self.asked.swap(thread.asked, Relaxed), Relaxed);
        // One of the questions is its own.
        others <= 1
    }

    /// Whether it has passed twice since so many turns were taken. Counts one more.
    fn has_passed_twice(&self, taken: u64) -> bool {
        let before = if self.passed_since.swap(taken, Relaxed) == taken { self.passed.load(Relaxed) } else { 0 };
        self.passed.store(before + 1, Relaxed);
        before >= 2
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// How many turns each takes, asked in rounds that go forth and back, as tokio's do.
    fn taken(shares: &[u32], rounds: usize) -> Vec<usize> {
        let guests: Vec<Turns> = shares.iter().map(|share| Turns::new(*share)).collect();
        let mut order: Vec<usize> = (0..guests.len()).collect();
        let mut taken = vec![0; shares.len()];
        for _ in 0..rounds {
            for &guest in &order {
                taken[guest] += usize::from(guests[guest].take());
            }
            order.reverse();
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

    proptest! {
        #[test]
        fn shares_hold_in_whatever_order_guests_are_asked(
            mut shares in prop::collection::vec(50_u32..=1_000, 2..6),
            orders in prop::collection::vec(Just((0..6_usize).collect::<Vec<_>>()).prop_shuffle(), 1..20),
        ) {
            shares[0] = 1_000;
            let guests: Vec<Turns> = shares.iter().map(|share| Turns::new(*share)).collect();
            let mut taken = vec![0_u32; shares.len()];
            for order in orders.iter().cycle().take(4_000) {
                for &guest in order.iter().filter(|guest| **guest < shares.len()) {
                    taken[guest] += u32::from(guests[guest].take());
                }
            }
            // The whole one sets the pace.
            for (share, taken) in shares.iter().zip(&taken) {
                let fair = share * 4_000 / 1_000;
                prop_assert!(taken.abs_diff(fair) <= fair / 20 + 8, "{shares:?}: {taken} of {fair}");
            }
        }
    }
}
