//! Instances of one worker revision, and who may have one.
//!
//! At most `Limit::Instances` exist (running, ready, or being made), at most `Limit::Queue` calls wait for
//! one, and none waits longer than `Limit::QueueWaitMs`; others are refused at once.
//!
//!     acquire ──► Ready (own shelf, or another lane's) ──► call ──► put_back ──► next waiter, or shelf
//!        │ ├────► Create ── instantiate ───────────────────────┘ └──► retire ─► drop, refill: own task
//!        │ └────► Wait ── Ready or Create, from whoever gives back first
//!        └──────► Full
//!
//! One lock for the state of a pool. It is held for a few moves of pointers, never while something is
//! made, dropped or awaited. Every instance owns an `InstanceSlot`, the right to exist; dropping it, wherever that
//! happens, passes the right to the next who waits.
//!
//! With policy `reuse`, what an instance that failed has in `/tmp` goes to the next that is made (`left_files`).
//!
//! The instances of a lane's shelf were made or used there. They may go to another lane when that one
//! has none and no more may be made, and with policy `reuse` once they have served: nothing in them is bound to a thread.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::failure::{Failure, Scope};
use crate::function::concurrency::slot::{InstanceSlot, SlotOwner};
use crate::function::left_files::{LeftEnvironment, LeftEnvironments};
use crate::function::pool::InstanceSource;
use crate::function::teardown;
use crate::limits::{InstancePolicy, Limit, shelf};
use crate::telemetry::{FunctionMetrics, InstanceEvent};
use crate::wasm::worker::tmp::LeftFiles;
use crate::wasm::worker::{WorkerCode, WorkerInstance};

/// See the module.
pub struct WorkerPool {
    code: Arc<WorkerCode>,
    policy: InstancePolicy,
    shelf_size: usize,
    live_max: usize,
    waiting_max: usize,
    wait_max: Duration,
    metrics: Arc<FunctionMetrics>,
    state: Mutex<PoolState>,
    /// For slots: they must not keep the pool that keeps them.
    this: Weak<WorkerPool>,
}

/// Whenever somebody waits, all instances that may exist do, and none is on a shelf.
struct PoolState {
    /// Slots that are out.
    live: usize,
    shelves: Box<[Vec<Instance>]>,
    waiting: VecDeque<oneshot::Sender<InstanceGrant>>,
    left: LeftEnvironments,
    /// Whether a task waits to retire what idles.
    sweeping: bool,
}

/// What a call gets.
enum InstanceGrant {
    Ready(Instance),
    Create(InstanceSlot),
}

enum InstanceOffer {
    Granted(InstanceGrant),
    Wait(oneshot::Receiver<InstanceGrant>),
    Full,
}

/// An instance and how much it has served.
pub struct Instance {
    /// There until the instance is dropped.
    life: Option<Life>,
    /// Whose shelf it goes back to: that of its latest call.
    lane: usize,
    calls: u64,
    idle_since: Instant,
}

struct Life {
    /// Dropped before the slot is passed on.
    inner: WorkerInstance,
    slot: InstanceSlot,
}

impl Instance {
    fn new(inner: WorkerInstance, slot: InstanceSlot, lane: usize, calls: u64) -> Instance {
        Instance { life: Some(Life { inner, slot }), lane, calls, idle_since: Instant::now() }
    }

    fn is_initialised(&self) -> bool {
        self.life.as_ref().is_some_and(|life| life.inner.failed_init().is_none())
    }

    pub fn inner(&mut self) -> &mut WorkerInstance {
        &mut self.life.as_mut().expect("an instance that is used has not been dropped").inner
    }
}

/// However it ends: after its call, with a request that was given up, with its revision.
impl Drop for Instance {
    fn drop(&mut self) {
        if let Some(life) = self.life.take_if(|life| life.inner.is_slow_to_drop()) {
            teardown::let_go(life);
        }
    }
}

impl WorkerPool {
    /// `lanes` is the number of threads that call `acquire`.
    pub fn new(
        code: WorkerCode,
        policy: InstancePolicy,
        min_warm: usize,
        lanes: usize,
        metrics: Arc<FunctionMetrics>,
    ) -> Arc<WorkerPool> {
        let limits = code.limits().clone();
        let limit = |limit| usize::try_from(limits.value(limit)).unwrap_or(usize::MAX);
        let state = PoolState {
            live: 0,
            shelves: (0..lanes.max(1)).map(|_| Vec::new()).collect(),
            waiting: VecDeque::new(),
            left: LeftEnvironments::default(),
            sweeping: false,
        };
        Arc::new_cyclic(|this| WorkerPool {
            policy,
            // What runs INIT for itself is made when it is asked for.
            shelf_size: if code.has_own_init() { min_warm } else { min_warm.max(shelf::WORKER) },
            live_max: limit(Limit::Instances).max(1),
            waiting_max: limit(Limit::Queue),
            wait_max: Duration::from_millis(limits.value(Limit::QueueWaitMs)),
            metrics,
            state: Mutex::new(state),
            this: this.clone(),
            code: Arc::new(code),
        })
    }

    pub fn code(&self) -> &Arc<WorkerCode> {
        &self.code
    }

    /// Makes one instance, which a deployment must be able to, and `count` for every lane's shelf as far as so many may
    /// exist. Instances that run INIT for themselves are made when they are asked for.
    pub async fn warm_up(&self, count: usize) -> Result<(), Failure> {
        if count == 0 && self.code.has_own_init() {
            return Ok(());
        }
        if count == 0 {
            let Some(slot) = self.slot() else { return Ok(()) };
            return self.make(0, slot, None).await.map(drop);
        }
        let shelves = self.state().shelves.len();
        for lane in (0..count).flat_map(|_| 0..shelves) {
            let Some(slot) = self.slot() else { break };
            let mut instance = self.make(lane, slot, None).await?;
            if let Some(error) = instance.inner().failed_init() {
                return Err(Failure::Guest(error.told()));
            }
            self.shelve(instance);
        }
        Ok(())
    }

    /// A clean instance (or, with policy `reuse`, one that is not too old), waiting for it within limits.
    pub async fn acquire(&self, lane: usize) -> Result<(Instance, InstanceSource), Failure> {
        let start = Instant::now();
        let grant = match self.offer(lane, start) {
            InstanceOffer::Granted(grant) => grant,
            InstanceOffer::Full => return Err(Failure::Throttled(Scope::Queue)),
            InstanceOffer::Wait(turn) => match timeout(self.wait_max, turn).await {
                Ok(Ok(grant)) => grant,
                Ok(Err(_)) | Err(_) => return Err(Failure::Throttled(Scope::Instances)),
            },
        };
        let acquired = match grant {
            InstanceGrant::Ready(mut instance) => {
                instance.lane = lane;
                let source = if instance.calls > 0 { InstanceSource::Reused } else { InstanceSource::Warm };
                (instance, source)
            }
            InstanceGrant::Create(slot) => {
                let left = self.state().left.pop();
                (self.make(lane, slot, left).await?, InstanceSource::Cold)
            }
        };
        self.metrics.waited(start.elapsed().as_secs_f64());
        self.metrics.instance(match acquired.1 {
            InstanceSource::Warm => InstanceEvent::Warm,
            InstanceSource::Reused => InstanceEvent::Reused,
            InstanceSource::Cold => InstanceEvent::Cold,
        });
        Ok(acquired)
    }

    /// Takes an instance back after a call that did not fail.
    pub fn put_back(&self, mut instance: Instance) {
        instance.calls += 1;
        match self.policy {
            InstancePolicy::Fresh => self.retire(instance, "used"),
            InstancePolicy::Reuse { max_calls, .. } if instance.calls >= max_calls => self.retire(instance, "quota"),
            InstancePolicy::Reuse { .. } if instance.inner().has_exited() => self.reset(instance, "exited"),
            InstancePolicy::Reuse { .. } if instance.inner().is_busy() => self.retire(instance, "busy"),
            InstancePolicy::Reuse { max_idle, .. } => {
                instance.idle_since = Instant::now();
                self.shelve(instance);
                self.sweep_later(max_idle);
            }
        }
    }

    /// Lets an instance go after a call that failed. With policy `reuse`, what it has in `/tmp` is for the next that is made.
    pub fn reset(&self, mut instance: Instance, reason: &'static str) {
        let InstancePolicy::Reuse { max_idle, .. } = self.policy else { return self.retire(instance, reason) };
        let calls = instance.calls + 1;
        let mut leaving = Box::pin(instance.inner().leave_files());
        // If no work of the host is under way, a call that comes at once finds the files.
        match leaving.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(files) => {
                self.leave(files, calls, max_idle);
                self.replace(instance, reason, async {});
            }
            Poll::Pending => {
                let this = self.this.clone();
                self.replace(instance, reason, async move {
                    let files = leaving.await;
                    if let Some(pool) = this.upgrade() {
                        pool.leave(files, calls, max_idle);
                    }
                });
            }
        }
    }

    fn leave(&self, files: Option<LeftFiles>, calls: u64, max_idle: Duration) {
        let Some(files) = files else { return };
        let too_many = self.state().left.push(LeftEnvironment::new(files, calls));
        drop(too_many);
        self.sweep_later(max_idle);
    }

    /// Lets an instance go and fills the shelf again, on a task of its own: the caller's response is not
    /// held up by either. The task may be lost; then the next call makes its instance itself.
    pub fn retire(&self, instance: Instance, reason: &'static str) {
        self.replace(instance, reason, async {});
    }

    fn replace(&self, instance: Instance, reason: &'static str, before: impl Future<Output = ()> + Send + 'static) {
        self.metrics.instance(InstanceEvent::Retired(reason));
        let (this, lane) = (self.this.clone(), instance.lane);
        tokio::spawn(async move {
            tokio::task::yield_now().await;
            before.await;
            drop(instance);
            // A revision that is gone needs no instances.
            while let Some(pool) = this.upgrade() {
                let Some(slot) = pool.slot_for_shelf(lane) else { break };
                match pool.make(lane, slot, None).await {
                    Ok(instance) if instance.is_initialised() => pool.shelve(instance),
                    // The next call finds no instance, tries itself, and tells its client.
                    Ok(_) | Err(_) => break,
                }
            }
        });
    }

    fn offer(&self, lane: usize, now: Instant) -> InstanceOffer {
        let mut stale = Vec::new();
        // The lock is gone before anything is dropped.
        let offer = self.choose(&mut self.state(), lane, now, &mut stale);
        for instance in stale {
            self.retire(instance, "idle");
        }
        offer
    }

    /// What has idled too long is set aside in `stale`.
    fn choose(&self, state: &mut PoolState, lane: usize, now: Instant, stale: &mut Vec<Instance>) -> InstanceOffer {
        let own = lane % state.shelves.len();
        if let InstancePolicy::Reuse { .. } = self.policy {
            // An environment that has served is as good on another lane, and better than a new one; and so are its files.
            if let Some(instance) = self.used(state, own, now) {
                return InstanceOffer::Granted(InstanceGrant::Ready(instance));
            }
            if !state.left.is_empty()
                && let Some(slot) = self.slot_in(state)
            {
                return InstanceOffer::Granted(InstanceGrant::Create(slot));
            }
        }
        while let Some(instance) = state.shelves[own].pop() {
            if !self.is_stale(&instance, now) {
                return InstanceOffer::Granted(InstanceGrant::Ready(instance));
            }
            stale.push(instance);
        }
        if let Some(slot) = self.slot_in(state) {
            return InstanceOffer::Granted(InstanceGrant::Create(slot));
        }
        if let Some(instance) = state.shelves.iter_mut().find_map(Vec::pop) {
            return InstanceOffer::Granted(InstanceGrant::Ready(instance));
        }
        // Those whose calls have left do not count.
        state.waiting.retain(|turn| !turn.is_closed());
        if state.waiting.len() >= self.waiting_max {
            return InstanceOffer::Full;
        }
        let (sender, turn) = oneshot::channel();
        state.waiting.push_back(sender);
        InstanceOffer::Wait(turn)
    }

    /// An instance that has served, and not idled for too long: of this shelf, or else of any other.
    fn used(&self, state: &mut PoolState, own: usize, now: Instant) -> Option<Instance> {
        let (before, from) = state.shelves.split_at_mut(own);
        from.iter_mut().chain(before).find_map(|shelf| {
            let is_it = |instance: &Instance| instance.calls > 0 && !self.is_stale(instance, now);
            let place = shelf.iter().rposition(is_it)?;
            Some(shelf.remove(place))
        })
    }

    fn is_stale(&self, instance: &Instance, now: Instant) -> bool {
        match self.policy {
            InstancePolicy::Reuse { max_idle, .. } => {
                instance.calls > 0 && now.saturating_duration_since(instance.idle_since) > max_idle
            }
            InstancePolicy::Fresh => false,
        }
    }

    async fn make(&self, lane: usize, slot: InstanceSlot, left: Option<LeftEnvironment>) -> Result<Instance, Failure> {
        let start = Instant::now();
        let calls = left.as_ref().map_or(0, |left| left.calls);
        let inner = self.code.instantiate(left.and_then(LeftEnvironment::into_files)).await?;
        let mut instance = Instance::new(inner, slot, lane, calls);
        let initialised = instance.inner().initialise(&self.code, None).await;
        if initialised.is_err() || !instance.is_initialised() {
            instance = self.initialised_again(instance).await?;
        }
        self.metrics.instance(InstanceEvent::Made);
        self.metrics.instantiated(start.elapsed().as_secs_f64());
        Ok(instance)
    }

    /// Another one, in the place of an instance whose INIT has failed: it runs INIT once more, as Lambda's do.
    async fn initialised_again(&self, mut failed: Instance) -> Result<Instance, Failure> {
        let (log, left) = (failed.inner().take_log(), failed.inner().leave_files().await);
        let Some(Life { inner, slot }) = failed.life.take() else { return Err(Failure::Host("an instance is gone".to_owned())) };
        // The slot is its own until it is gone.
        let (gone, is_gone) = oneshot::channel::<()>();
        teardown::let_go((inner, gone));
        let _ = is_gone.await;
        let mut instance = Instance::new(self.code.instantiate(left).await?, slot, failed.lane, failed.calls);
        instance.inner().initialise(&self.code, Some(&log)).await?;
        Ok(instance)
    }

    /// Gives an instance to who has waited longest, or to a shelf.
    fn shelve(&self, instance: Instance) {
        let lane = instance.lane;
        let mut instance = InstanceGrant::Ready(instance);
        let mut state = self.state();
        while let Some(turn) = state.waiting.pop_front() {
            match turn.send(instance) {
                Ok(()) => return,
                // Whoever waited has left.
                Err(refused) => instance = refused,
            }
        }
        let shelf = lane % state.shelves.len();
        if let InstanceGrant::Ready(instance) = instance {
            state.shelves[shelf].push(instance);
        }
    }

    fn slot(&self) -> Option<InstanceSlot> {
        self.slot_in(&mut self.state())
    }

    fn slot_in(&self, state: &mut PoolState) -> Option<InstanceSlot> {
        (state.live < self.live_max).then(|| {
            state.live += 1;
            InstanceSlot::of(self.this.clone())
        })
    }

    /// A slot for refilling a shelf that is not full. While files are left, the next call makes an instance with them, and needs
    /// the slot.
    fn slot_for_shelf(&self, shelf: usize) -> Option<InstanceSlot> {
        let mut state = self.state();
        if !state.left.is_empty() {
            return None;
        }
        let shelf = shelf % state.shelves.len();
        if state.shelves[shelf].len() < self.shelf_size { self.slot_in(&mut state) } else { None }
    }

    /// Retires what idles for longer than `max_idle`, even if no call comes. One task at a time; it ends
    /// when no used instance is left on a shelf and no files are, or the revision is gone.
    fn sweep_later(&self, max_idle: Duration) {
        if std::mem::replace(&mut self.state().sweeping, true) {
            return;
        }
        let this = self.this.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(max_idle).await;
                let Some(pool) = this.upgrade() else { return };
                if !pool.sweep(Instant::now(), max_idle) {
                    return;
                }
            }
        });
    }

    /// Whether used instances are left, or files of others.
    fn sweep(&self, now: Instant, max_idle: Duration) -> bool {
        let mut stale = Vec::new();
        let mut state = self.state();
        for shelf in &mut state.shelves {
            stale.extend(shelf.extract_if(.., |instance| self.is_stale(instance, now)));
        }
        let stale_files = now.checked_sub(max_idle).map(|begin| state.left.older_than(begin));
        state.sweeping = !state.left.is_empty() || state.shelves.iter().flatten().any(|instance| instance.calls > 0);
        let left = state.sweeping;
        drop((state, stale_files));
        for _ in &stale {
            self.metrics.instance(InstanceEvent::Retired("idle"));
        }
        if !left && !stale.is_empty() {
            drop(stale);
            self.renew_later();
        }
        left
    }

    /// Lets go of what the engine keeps for the next instance, since none is asked for. Reads a file, and unmaps megabytes.
    fn renew_later(&self) {
        let code = self.code.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = code.renew() {
                // The next instance begins with what was mapped before.
                tracing::debug!(error = format!("{error:#}"), "the memory of instances that are gone stays");
            }
        });
    }

    /// A user that panicked left the state between two whole moves.
    fn state(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SlotOwner for WorkerPool {
    fn vacated(self: Arc<Self>) {
        let mut state = self.state();
        // The right itself is passed on to who has waited longest.
        let mut grant = InstanceGrant::Create(InstanceSlot::of(self.this.clone()));
        while let Some(turn) = state.waiting.pop_front() {
            match turn.send(grant) {
                Ok(()) => return,
                Err(refused) => grant = refused,
            }
        }
        state.live -= 1;
        drop(state);
        if let InstanceGrant::Create(slot) = grant {
            slot.forget();
        }
    }
}
