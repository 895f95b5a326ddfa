//! A thread that calls functions: which shelves are its own, and what it does for them between two calls.
//!
//! A pool keeps a shelf for each lane, so that no thread waits for another. What a call leaves behind that takes time
//! (an instance to drop, a shelf to fill) waits here until the thread has nothing more urgent; on a lane without a
//! caretaker it is done at once.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::Notify;

/// What is to be done for a shelf of the lane.
pub(super) type DeferredWork = Box<dyn FnOnce(&WorkerLane)>;

/// See the module. Stays on its thread.
pub struct WorkerLane {
    number: usize,
    deferred: RefCell<Vec<DeferredWork>>,
    has_caretaker: Cell<bool>,
    waiting: Notify,
}

impl WorkerLane {
    /// Lane `number` (0-based) of those that the pools are made for.
    pub fn new(number: usize) -> WorkerLane {
        WorkerLane { number, deferred: RefCell::default(), has_caretaker: Cell::new(false), waiting: Notify::new() }
    }

    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// Does the deferred work, between the thread's other tasks. Never ends; runs once on each lane.
    pub async fn run_deferred(&self) {
        self.has_caretaker.set(true);
        loop {
            self.waiting.notified().await;
            // The response that left it is written first.
            tokio::task::yield_now().await;
            loop {
                // The borrow ends before the work runs, which may defer more.
                let work = self.deferred.borrow_mut().pop();
                let Some(work) = work else { break };
                // A bug of ours must not end the caretaker: nobody would fill a shelf again. What the work held is dropped,
                // and an instance gives its slot back.
                if catch_unwind(AssertUnwindSafe(|| work(self))).is_err() {
                    tracing::error!("what was to be done for a function between two calls has panicked");
                }
            }
        }
    }

    pub(super) fn defer(&self, work: DeferredWork) {
        if self.has_caretaker.get() {
            self.deferred.borrow_mut().push(work);
            self.waiting.notify_one();
        } else {
            work(self);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn deferred_work_is_done_once_the_thread_has_time() {
        let (lane, done) = (Rc::new(WorkerLane::new(0)), Rc::new(Cell::new(0)));
        let work = |done: &Rc<Cell<u32>>| {
            let done = done.clone();
            Box::new(move |_: &WorkerLane| done.set(done.get() + 1))
        };
        lane.defer(work(&done));
        assert_eq!(done.get(), 1, "nobody else would do it");
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let caretaker = lane.clone();
            tokio::task::spawn_local(async move { caretaker.run_deferred().await });
            tokio::task::yield_now().await;
            lane.defer(work(&done));
            lane.defer(Box::new(|_| panic!("a bug")));
            lane.defer(work(&done));
            assert_eq!(done.get(), 1);
            while done.get() < 3 {
                tokio::task::yield_now().await;
            }
        });
    }
}
