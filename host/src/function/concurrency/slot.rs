//! The right of one instance to exist.
//!
//! Every instance owns one, of the pool that made it. However the instance ends, after its call, with a request that was
//! given up, in a panic, with its revision, the right goes back with it: nobody has to remember.

use std::sync::{Arc, Weak};

/// Who gives out slots.
pub(crate) trait SlotOwner: Send + Sync {
    /// A slot has come back.
    fn vacated(self: Arc<Self>);
}

/// See the module. Does not keep the pool that keeps its instance.
pub(crate) struct InstanceSlot(Option<Weak<dyn SlotOwner>>);

impl InstanceSlot {
    /// One that has been counted.
    pub(crate) fn of(slots: Weak<dyn SlotOwner>) -> InstanceSlot {
        InstanceSlot(Some(slots))
    }

    /// Ends without going back: whoever gave it out has counted that already.
    pub(crate) fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for InstanceSlot {
    fn drop(&mut self) {
        if let Some(slots) = self.0.take().and_then(|slots| slots.upgrade()) {
            slots.vacated();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    struct Count(AtomicUsize);

    impl SlotOwner for Count {
        fn vacated(self: Arc<Self>) {
            self.0.fetch_sub(1, Relaxed);
        }
    }

    fn slot(count: &Arc<Count>) -> InstanceSlot {
        count.0.fetch_add(1, Relaxed);
        let weak: Weak<Count> = Arc::downgrade(count);
        InstanceSlot::of(weak)
    }

    #[test]
    fn a_slot_is_returned_exactly_once() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        drop(slot(&count));
        assert_eq!(count.0.load(Relaxed), 0);
        let held = slot(&count);
        let panicked = catch_unwind(AssertUnwindSafe(move || {
            let _held = held;
            panic!("in the middle of a call");
        }));
        assert!(panicked.is_err());
        assert_eq!(count.0.load(Relaxed), 0);
        slot(&count).forget();
        assert_eq!(count.0.load(Relaxed), 1);
    }

    #[test]
    fn a_slot_may_outlive_its_pool() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let held = slot(&count);
        drop(count);
        drop(held);
    }
}
