//! A thread that calls functions: which shelves are its own, and what it does for them between two calls.
//!
//! A pool keeps a shelf for each lane, so that no thread waits for another. What a call leaves behind that takes time
//! (an instance to drop, a shelf to fill) waits here until the thread has nothing more urgent; on a lane without a
//! caretaker it is done at once.

use std::cell::{Cell, RefCell};

use tokio::sync::Notify;

/// What is to be done for a shelf of the lane.
pub(super) type Chore = Box<dyn FnOnce(&WorkerLane)>;

/// See the module. Stays on its thread.
pub struct WorkerLane {
    number: usize,
    chores: RefCell<Vec<Chore>>,
    has_caretaker: Cell<bool>,
    waiting: Notify,
}

impl WorkerLane {
    /// Lane `number` (0-based) of those that the pools are made for.
    pub fn new(number: usize) -> WorkerLane {
        WorkerLane { number, chores: RefCell::default(), has_caretaker: Cell::new(false), waiting: Notify::new() }
    }

    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// Does what has been left for later, between the thread's other tasks. Never ends; runs once on each lane.
    pub async fn take_care(&self) {
        self.has_caretaker.set(true);
        loop {
            self.waiting.notified().await;
            // The response that left it is written first.
            tokio::task::yield_now().await;
            loop {
                // The borrow ends before the chore runs, which may leave another.
                let chore = self.chores.borrow_mut().pop();
                let Some(chore) = chore else { break };
                chore(self);
            }
        }
    }

    pub(super) fn later(&self, chore: Chore) {
        if self.has_caretaker.get() {
            self.chores.borrow_mut().push(chore);
            self.waiting.notify_one();
        } else {
            chore(self);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn what_is_left_for_later_is_done_once_the_thread_has_time() {
        let (lane, done) = (Rc::new(WorkerLane::new(0)), Rc::new(Cell::new(0)));
        let chore = |done: &Rc<Cell<u32>>| {
            let done = done.clone();
            Box::new(move |_: &WorkerLane| done.set(done.get() + 1))
        };
        lane.later(chore(&done));
        assert_eq!(done.get(), 1, "nobody else would do it");
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let caretaker = lane.clone();
            tokio::task::spawn_local(async move { caretaker.take_care().await });
            tokio::task::yield_now().await;
            lane.later(chore(&done));
            lane.later(chore(&done));
            assert_eq!(done.get(), 1);
            while done.get() < 3 {
                tokio::task::yield_now().await;
            }
        });
    }
}
