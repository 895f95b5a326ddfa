//! Graceful shutdown: a process stops taking connections without refusing any that a successor would take.
//!
//!     Serving ──begin──► Leaving ──► Closing
//!                          │            ▲
//!                          │            ├─ all connections from before the beginning have ended, and no successor starts
//!                          └────────────┴─ a successor serves
//!
//! Leaving: open connections end after their current request, and listening goes on, so that a successor that is started
//! meanwhile takes over sockets on which somebody answers. Closing: the connections that wait in the sockets' queues are
//! accepted, then the sockets are closed. The caller bounds how long all of it may take.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeparturePhase {
    Serving,
    Leaving,
    Closing,
}

/// The shutdown of a process, shared by its workers.
pub struct Departure {
    phase: watch::Sender<DeparturePhase>,
    open: Mutex<ClosingBlockers>,
}

/// What prevents closing.
struct ClosingBlockers {
    /// Workers with connections from before the shutdown began.
    workers: usize,
    /// Successors that are starting.
    successors: usize,
    /// How long listening goes on at least. `None`: that depends on whether clients connect.
    least: Option<Duration>,
}

impl Departure {
    pub fn new(workers: usize) -> Arc<Departure> {
        let open = Mutex::new(ClosingBlockers { workers, successors: 0, least: None });
        Arc::new(Departure { phase: watch::Sender::new(DeparturePhase::Serving), open })
    }

    pub fn phase(&self) -> DeparturePhase {
        *self.phase.borrow()
    }

    /// Waits until this phase, or a later one.
    pub async fn reached(&self, phase: DeparturePhase) {
        // The sender is a field of ours, so it is not dropped.
        let _ = self.phase.subscribe().wait_for(|now| *now >= phase).await;
    }

    /// Begins the shutdown; false if it has begun already. Listening goes on for `least`, or, without it, for a while if
    /// clients have connected lately.
    pub fn begin(&self, least: Option<Duration>) -> bool {
        self.lock().least = least;
        self.advance(DeparturePhase::Leaving)
    }

    pub(super) fn least(&self) -> Option<Duration> {
        self.lock().least
    }

    /// Closes: a successor serves, or no worker is left.
    pub fn close(&self) -> bool {
        self.advance(DeparturePhase::Closing)
    }

    /// A worker's connections from before the beginning have ended. Each worker calls this once.
    pub(super) fn early_ended(&self) {
        let mut open = self.lock();
        open.workers = open.workers.saturating_sub(1);
        self.check(&open);
    }

    /// A successor is starting: until it serves, or the hold is dropped, listening goes on.
    pub fn hold(self: &Arc<Departure>) -> Hold {
        self.lock().successors += 1;
        Hold { departure: self.clone() }
    }

    fn advance(&self, to: DeparturePhase) -> bool {
        self.phase.send_if_modified(|phase| {
            let advances = *phase < to;
            *phase = (*phase).max(to);
            advances
        })
    }

    fn check(&self, open: &ClosingBlockers) {
        if open.workers == 0 && open.successors == 0 && self.phase() == DeparturePhase::Leaving {
            self.close();
        }
    }

    fn lock(&self) -> MutexGuard<'_, ClosingBlockers> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a process listening while it leaves.
pub struct Hold {
    departure: Arc<Departure>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut open = self.departure.lock();
        open.successors -= 1;
        self.departure.check(&open);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_ends_when_all_workers_have_finished_their_requests() {
        let departure = Departure::new(2);
        assert_eq!(departure.phase(), DeparturePhase::Serving);
        assert!(departure.begin(None) && !departure.begin(None));
        departure.early_ended();
        assert_eq!(departure.phase(), DeparturePhase::Leaving);
        departure.early_ended();
        assert_eq!(departure.phase(), DeparturePhase::Closing);
        assert!(!departure.begin(None), "there is no way back");
        assert_eq!(departure.phase(), DeparturePhase::Closing);
    }

    #[test]
    fn a_successor_that_comes_and_goes_prolongs_it_and_one_that_serves_ends_it() {
        let departure = Departure::new(1);
        let before = departure.hold();
        drop(before);
        assert_eq!(departure.phase(), DeparturePhase::Serving, "a successor that dies at its start ends nothing");
        departure.begin(None);
        let hold = departure.hold();
        departure.early_ended();
        assert_eq!(departure.phase(), DeparturePhase::Leaving);
        drop(hold);
        assert_eq!(departure.phase(), DeparturePhase::Closing);

        let departure = Departure::new(1);
        let _hold = departure.hold();
        assert!(departure.close());
        assert_eq!(departure.phase(), DeparturePhase::Closing, "also of one that had not begun to leave");
    }
}
