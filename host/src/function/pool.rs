//! Clean instances of one viewer revision, ready on a shelf for each lane.
//!
//! A lane takes from its own shelf, last in, first out, so that the same few slots stay in its caches;
//! no other thread waits for that shelf. After the call the instance goes back clean (restored to its first
//! state), or goes, and the caretaker of the lane makes another one once the response is on its way.
//!
//!     take ──► Warm ──► call ──► restore ──► shelf
//!        └───► Cold ──►  ┊  └──► retire ───► caretaker drops it, and refills the shelf
//!              (made here)
//!
//! There are fewer instances than there may be functions: when most of them live, a function without a
//! `min_warm` of its own keeps none, and each call makes one.
//!
//! That a restored instance is like a new one is proved (`wasm::restore`), and looked at all the same: the first that a
//! shelf puts back after a deployment, and then one in a thousand, go to the caretaker instead of the shelf, which compares
//! all their memories and globals with those of a new one. A difference ends restoring for this revision, on all shelves.
//!
//! An instance ends when its call failed, when it cannot be restored (policy `fresh`), or when it has served
//! its quota or idled too long (policy `reuse`). It belongs to the revision that made it: one that was
//! replaced meanwhile keeps its instances until the last call is over, and they go with it. Each owns an `InstanceSlot`, the right
//! to exist: an instance that is lost in a panic gives it back like any other.

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Instant;

use crate::failure::{Failure, Scope};
use crate::function::concurrency::slot::{InstanceSlot, SlotOwner};
use crate::function::lane::WorkerLane;
use crate::limits::{InstancePolicy, audit, shelf};
use crate::telemetry::{Audit, FunctionMetrics, InstanceEvent};
use crate::wasm::viewer::{ViewerCode, ViewerInstance};

/// See the module.
pub struct ViewerPool {
    code: ViewerCode,
    policy: InstancePolicy,
    min_warm: Option<usize>,
    /// Slots that are out.
    live: AtomicU64,
    live_max: u64,
    shelves: Box<[Shelf]>,
    metrics: Arc<FunctionMetrics>,
    /// For slots and for the caretaker: they must not keep the pool.
    this: Weak<ViewerPool>,
    /// Why a used instance is not put back: it cannot be, or an audit found that it was not.
    unrestorable: OnceLock<String>,
}

/// Aligned to keep two lanes out of each other's cache lines. The lock is only ever contended by a
/// deployment that fills the shelf, or a drop.
#[repr(align(128))]
struct Shelf(Mutex<Shelved>);

#[derive(Default)]
struct Shelved {
    instances: Vec<Instance>,
    /// How many were put back here.
    restored: u64,
}

/// An instance and how much it has served.
pub struct Instance {
    /// Dropped before the slot goes back.
    inner: ViewerInstance,
    _slot: InstanceSlot,
    calls: u64,
    idle_since: Instant,
}

impl Instance {
    pub fn inner(&mut self) -> &mut ViewerInstance {
        &mut self.inner
    }
}

/// What becomes of an instance between two calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleanliness<'a> {
    /// It is put back to its first image.
    Restored,
    /// It goes, for this reason, and the next call gets a new one.
    New(&'a str),
    /// It stays as it is, by its policy.
    Reused,
}

/// How a call came by its instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceSource {
    Warm,
    Reused,
    /// Made while the call waited.
    Cold,
}

impl ViewerPool {
    /// `min_warm` is a promise; without one, the pool keeps `limits::shelf` while there is room.
    pub fn new(
        code: ViewerCode,
        policy: InstancePolicy,
        min_warm: Option<usize>,
        live_max: u64,
        lanes: usize,
        metrics: Arc<FunctionMetrics>,
    ) -> Arc<ViewerPool> {
        let shelves = (0..lanes.max(1)).map(|_| Shelf(Mutex::default())).collect();
        let unrestorable = code.unrestorable().map(|why| OnceLock::from(why.to_owned())).unwrap_or_default();
        let live = AtomicU64::new(0);
        Arc::new_cyclic(|this| ViewerPool {
            code,
            policy,
            min_warm,
            live,
            live_max,
            shelves,
            metrics,
            this: this.clone(),
            unrestorable,
        })
    }

    /// How it is seen to that a call finds nothing of another.
    pub fn cleanliness(&self) -> Cleanliness<'_> {
        match (self.policy, self.unrestorable.get()) {
            (InstancePolicy::Reuse { .. }, _) => Cleanliness::Reused,
            (InstancePolicy::Fresh, None) => Cleanliness::Restored,
            (InstancePolicy::Fresh, Some(why)) => Cleanliness::New(why),
        }
    }

    pub fn code(&self) -> &ViewerCode {
        &self.code
    }

    /// Makes an instance, which shows that the component starts, and fills the shelves: with what was promised,
    /// or else with so many, while there is room.
    pub fn warm_up(&self, unpromised: usize) -> Result<(), Failure> {
        let mut first = Some(self.make()?);
        for shelf in &self.shelves {
            for _ in 0..self.min_warm.unwrap_or(unpromised) {
                if self.spares_none() {
                    break;
                }
                let instance = match first.take() {
                    Some(first) => first,
                    None if self.min_warm.is_none() && self.live.load(Relaxed) >= self.live_max => break,
                    None => self.make()?,
                };
                shelf.lock().instances.push(instance);
            }
        }
        if let Some(first) = first {
            self.retire(first, "spare");
        }
        Ok(())
    }

    /// Nothing was promised, and most of the instances that a process can have live.
    fn spares_none(&self) -> bool {
        self.min_warm.is_none() && self.code.is_crowded()
    }

    /// A clean instance from the lane's shelf, or a new one, or a refusal; never a wait.
    pub fn take(&self, lane: &WorkerLane, now: Instant) -> Result<(Instance, InstanceSource), Failure> {
        let shelf = self.shelf(lane);
        loop {
            let Some(instance) = shelf.lock().instances.pop() else {
                self.metrics.instance(InstanceEvent::Cold);
                return Ok((self.make()?, InstanceSource::Cold));
            };
            if let InstancePolicy::Reuse { max_idle, .. } = self.policy
                && instance.calls > 0
            {
                if now.saturating_duration_since(instance.idle_since) > max_idle {
                    self.retire(instance, "idle");
                    continue;
                }
                self.metrics.instance(InstanceEvent::Reused);
                return Ok((instance, InstanceSource::Reused));
            }
            // An audit has found that restoring does not hold what it promises.
            if instance.calls > 0 && self.unrestorable.get().is_some() {
                self.retire(instance, "audit");
                continue;
            }
            self.metrics.instance(InstanceEvent::Warm);
            return Ok((instance, InstanceSource::Warm));
        }
    }

    /// Takes an instance back after a call that did not fail.
    pub fn put_back(&self, lane: &WorkerLane, mut instance: Instance) {
        instance.calls += 1;
        let reason = match self.policy {
            _ if self.spares_none() => "spare",
            InstancePolicy::Fresh if self.unrestorable.get().is_none() && instance.inner.restore() => {
                self.metrics.instance(InstanceEvent::Restored);
                let mut shelf = self.shelf(lane).lock();
                shelf.restored += 1;
                if shelf.restored > audit::FIRST && !shelf.restored.is_multiple_of(audit::EVERY) {
                    shelf.instances.push(instance);
                    return;
                }
                drop(shelf);
                self.metrics.instance(InstanceEvent::Retired("audit"));
                return self.defer(lane, Discarded::Audited(instance));
            }
            InstancePolicy::Fresh => "used",
            InstancePolicy::Reuse { max_calls, .. } if instance.calls >= max_calls => "quota",
            InstancePolicy::Reuse { .. } => {
                instance.idle_since = Instant::now();
                self.shelf(lane).lock().instances.push(instance);
                return;
            }
        };
        self.replace(lane, instance, reason);
    }

    /// Lets an instance go, and has the caretaker make another.
    pub fn replace(&self, lane: &WorkerLane, instance: Instance, reason: &'static str) {
        self.metrics.instance(InstanceEvent::Retired(reason));
        self.defer(lane, Discarded::Dropped(instance));
    }

    fn defer(&self, lane: &WorkerLane, discarded: Discarded) {
        let pool = self.this.clone();
        lane.defer(Box::new(move |lane| {
            // A revision that is gone needs no instances.
            let Some(pool) = pool.upgrade() else { return };
            match discarded {
                Discarded::Dropped(instance) => drop(instance),
                Discarded::Audited(instance) => pool.audit(instance),
            }
            pool.refill(lane);
        }));
    }

    fn refill(&self, lane: &WorkerLane) {
        let shelf = self.shelf(lane);
        while shelf.lock().instances.len() < self.shelf_size() && !self.spares_none() {
            match self.make() {
                Ok(instance) => shelf.lock().instances.push(instance),
                // The next call finds no instance, tries itself, and tells its client.
                Err(_) => break,
            }
        }
    }

    fn retire(&self, instance: Instance, reason: &'static str) {
        self.metrics.instance(InstanceEvent::Retired(reason));
        drop(instance);
    }

    fn slot(&self) -> Option<InstanceSlot> {
        if self.live.fetch_add(1, Relaxed) >= self.live_max {
            self.live.fetch_sub(1, Relaxed);
            return None;
        }
        Some(InstanceSlot::of(self.this.clone()))
    }

    fn make(&self) -> Result<Instance, Failure> {
        let slot = self.slot().ok_or(Failure::Throttled(Scope::Instances))?;
        let start = Instant::now();
        let inner = self.code.instantiate()?;
        self.metrics.instance(InstanceEvent::Made);
        self.metrics.instantiated(start.elapsed().as_secs_f64());
        Ok(Instance { inner, _slot: slot, calls: 0, idle_since: start })
    }

    /// Compares a restored instance with a new one.
    fn audit(&self, restored: Instance) {
        let metrics = &self.metrics;
        // Not one of those that `instances` bounds: it serves nobody.
        let new = self.code.instantiate().ok().and_then(ViewerInstance::into_state);
        let (Some(mut new), Some(mut restored)) = (new, restored.inner.into_state()) else {
            return metrics.audited(Audit::Unread);
        };
        let Some(difference) = new.difference(&mut restored) else {
            return metrics.audited(Audit::Same);
        };
        metrics.audited(Audit::Different);
        tracing::error!(
            function = metrics.name(),
            difference,
            "a restored instance is not like a new one; from now on each call gets a new one"
        );
        let _ = self.unrestorable.set(format!("an audit found that a restored instance is not like a new one: {difference}"));
    }

    fn shelf_size(&self) -> usize {
        self.min_warm.unwrap_or(0).max(shelf::VIEWER)
    }

    fn shelf(&self, lane: &WorkerLane) -> &Shelf {
        &self.shelves[lane.number() % self.shelves.len()]
    }
}

impl SlotOwner for ViewerPool {
    fn vacated(self: Arc<Self>) {
        self.live.fetch_sub(1, Relaxed);
    }
}

/// What becomes of an instance that is let go.
enum Discarded {
    Dropped(Instance),
    /// It was put back, and is looked at.
    Audited(Instance),
}

impl Shelf {
    /// A shelf whose last user panicked is as good as any: a push or pop is complete or has not happened.
    fn lock(&self) -> std::sync::MutexGuard<'_, Shelved> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
