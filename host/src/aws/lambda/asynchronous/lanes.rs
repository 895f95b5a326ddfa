//! The lanes that call functions for events, and how many calls they make at the same time.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc};

use crate::function::lane::WorkerLane;
use crate::limits::events::CALLS;

/// What a lane is to do. It holds one of the calls.
pub type LaneWork = Box<dyn FnOnce(Rc<WorkerLane>) -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// See the module.
pub struct CallLanes {
    lanes: Mutex<Vec<mpsc::Sender<LaneWork>>>,
    turn: AtomicUsize,
    /// Whether a lane follows which lines have events.
    is_followed: AtomicBool,
    /// Who waits for one gets it in turn.
    pub calls: Arc<Semaphore>,
}

impl Default for CallLanes {
    fn default() -> CallLanes {
        CallLanes {
            lanes: Mutex::default(),
            turn: AtomicUsize::new(0),
            is_followed: AtomicBool::new(false),
            calls: Arc::new(Semaphore::new(CALLS)),
        }
    }
}

impl CallLanes {
    /// What one more lane is to do.
    pub fn join(&self) -> mpsc::Receiver<LaneWork> {
        // There is no more work than calls.
        let (sender, work) = mpsc::channel(CALLS);
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        work
    }

    /// True once: for the lane that is to follow which lines have events.
    pub fn is_to_follow(&self) -> bool {
        !self.is_followed.swap(true, Ordering::Relaxed)
    }

    /// Gives work to the next lane that is there. None is when the host ends: the event is called when it has started again.
    pub fn give(&self, mut work: LaneWork) -> bool {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        while !lanes.is_empty() {
            let next = self.turn.fetch_add(1, Ordering::Relaxed) % lanes.len();
            match lanes[next].try_send(work) {
                Ok(()) => return true,
                Err(TrySendError::Closed(back) | TrySendError::Full(back)) => work = back,
            }
            lanes.swap_remove(next);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_take_turns_and_one_that_has_left_gets_nothing() {
        let (lanes, nothing) = (CallLanes::default(), || -> LaneWork { Box::new(|_| Box::pin(async {})) });
        assert!(!lanes.give(nothing()), "nobody is there");
        let (mut one, two) = (lanes.join(), lanes.join());
        assert!(lanes.give(nothing()) && lanes.give(nothing()));
        assert!(one.try_recv().is_ok());
        drop(two);
        assert!(lanes.give(nothing()) && lanes.give(nothing()));
        assert!(one.try_recv().is_ok() && one.try_recv().is_ok());
        assert!(lanes.is_to_follow() && !lanes.is_to_follow());
    }
}
