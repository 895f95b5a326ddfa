//! How many connections may be open, and who waits for one. Knows nothing of connections but that some are idle.
//!
//! ```text
//! enter ──► room left? ──► a LaneSlot (to connect with)
//!            └─ none ──► a place in the queue, first come first served ──► SlotOffer::New, when a connection has ended
//!                          │                                          └──► SlotOffer::Idle, when one is done
//!                          └─ the queue is full: `Full`
//! ```
//!
//! A slot is taken before anything is connected and stays with its connection until that ends: an idle connection has
//! one, and so has a tunnel. A connection may end on another thread than its worker's, so a lane is shared.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::limits::origin::WAITING;

/// The connections (`C`) of one worker to one endpoint.
pub(crate) struct Lane<C> {
    queue: Mutex<SlotQueue<C>>,
}

struct SlotQueue<C> {
    open: usize,
    waiting: VecDeque<oneshot::Sender<SlotOffer<C>>>,
}

/// What somebody who waits is given.
pub(crate) enum SlotOffer<C> {
    /// A connection that somebody else has done with.
    Idle(C),
    /// The right to make a new one.
    New(LaneSlot<C>),
}

/// The right to one connection. Dropped, it goes to whoever has waited longest.
pub(crate) struct LaneSlot<C> {
    lane: Option<Arc<Lane<C>>>,
}

/// What `Lane::enter` says.
pub(crate) enum Entered<C> {
    Slot(LaneSlot<C>),
    Waits(oneshot::Receiver<SlotOffer<C>>),
    /// No slot is free, and too many wait.
    Full,
}

impl<C> Default for Lane<C> {
    fn default() -> Lane<C> {
        Lane { queue: Mutex::new(SlotQueue { open: 0, waiting: VecDeque::new() }) }
    }
}

impl<C> Lane<C> {
    /// A slot if fewer than `max` are taken, or a place in the queue.
    pub(crate) fn enter(self: Arc<Lane<C>>, max: usize) -> Entered<C> {
        let mut queue = self.lock();
        if queue.open < max {
            queue.open += 1;
            drop(queue);
            return Entered::Slot(LaneSlot { lane: Some(self) });
        }
        // Some may have left while they waited.
        queue.waiting.retain(|waiting| !waiting.is_closed());
        if queue.waiting.len() >= WAITING {
            return Entered::Full;
        }
        let (sender, receiver) = oneshot::channel();
        queue.waiting.push_back(sender);
        Entered::Waits(receiver)
    }

    fn lock(&self) -> MutexGuard<'_, SlotQueue<C>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> LaneSlot<C> {
    /// The lane whose slot this is, if somebody waits there. As a rule nobody does.
    pub(crate) fn awaited(&self) -> Option<Arc<Lane<C>>> {
        self.lane.as_ref().filter(|lane| !lane.lock().waiting.is_empty()).cloned()
    }
}

impl<C> Lane<C> {
    /// Gives an idle connection to whoever has waited longest; gives it back if nobody waits any more.
    pub(crate) fn hand_over(&self, idle: C) -> Option<C> {
        let mut turn = SlotOffer::Idle(idle);
        loop {
            let next = self.lock().waiting.pop_front();
            let Some(next) = next else { break };
            match next.send(turn) {
                Ok(()) => return None,
                Err(back) => turn = back,
            }
        }
        match turn {
            SlotOffer::Idle(idle) => Some(idle),
            SlotOffer::New(_) => None,
        }
    }
}

impl<C> Drop for LaneSlot<C> {
    fn drop(&mut self) {
        let Some(lane) = self.lane.take() else { return };
        loop {
            let next = {
                let mut queue = lane.lock();
                let next = queue.waiting.pop_front();
                if next.is_none() {
                    queue.open -= 1;
                }
                next
            };
            let Some(next) = next else { return };
            match next.send(SlotOffer::New(LaneSlot { lane: Some(lane.clone()) })) {
                // The receiver has left: the slot goes to the next one, or to nobody.
                Err(SlotOffer::New(mut slot)) => drop(slot.lane.take()),
                Ok(()) | Err(SlotOffer::Idle(_)) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(lane: &Arc<Lane<u8>>) -> LaneSlot<u8> {
        match lane.clone().enter(1) {
            Entered::Slot(slot) => slot,
            Entered::Waits(_) | Entered::Full => panic!("there is room"),
        }
    }

    fn waiting(lane: &Arc<Lane<u8>>) -> oneshot::Receiver<SlotOffer<u8>> {
        match lane.clone().enter(1) {
            Entered::Waits(waiting) => waiting,
            Entered::Slot(_) | Entered::Full => panic!("it waits"),
        }
    }

    #[test]
    fn a_slot_goes_to_whoever_has_waited_longest_and_is_still_there() {
        let lane = Arc::new(Lane::default());
        let first = slot(&lane);
        let [left, mut second, mut third] = [waiting(&lane), waiting(&lane), waiting(&lane)];
        drop(left);
        drop(first);
        let Ok(SlotOffer::New(place)) = second.try_recv() else { panic!("the second has it") };
        assert!(third.try_recv().is_err());
        // Given, and left before it was taken.
        drop(place);
        drop(third);
        assert_eq!(lane.lock().open, 0);
        slot(&lane);
    }

    #[test]
    fn an_idle_connection_goes_to_whoever_waits() {
        let lane = Arc::new(Lane::default());
        let slot = slot(&lane);
        assert!(slot.awaited().is_none());
        assert_eq!(lane.hand_over(1), Some(1));
        let (left, mut next) = (waiting(&lane), waiting(&lane));
        drop(left);
        assert_eq!(slot.awaited().expect("somebody waits").hand_over(2), None);
        assert!(matches!(next.try_recv(), Ok(SlotOffer::Idle(2))));
    }

    #[test]
    fn the_number_of_waiting_requests_is_bounded() {
        let lane = Arc::new(Lane::default());
        let _slot = slot(&lane);
        let all: Vec<_> = (0..WAITING).map(|_| waiting(&lane)).collect();
        assert!(matches!(lane.clone().enter(1), Entered::Full));
        drop(all);
        assert!(matches!(lane.clone().enter(1), Entered::Waits(_)), "those who have left do not count");
    }
}
