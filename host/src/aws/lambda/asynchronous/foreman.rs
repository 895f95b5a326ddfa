//! Takes events of a function as its concurrency allows, and gives them to lanes.
//!
//! Each line that has events has a foreman, a task that ends when nothing waits. It holds one event, and waits with it until the
//! function has room: what waits behind it stays on disk. All foremen together take a part of the account's concurrency, in turns;
//! what is left is for those who call and wait.

use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

use crate::aws::lambda::asynchronous::attempt::{Attempt, End, is_without_room, next, over};
use crate::aws::lambda::asynchronous::delivery;
use crate::aws::lambda::asynchronous::line::{AsyncReceiver, LineKind};
use crate::aws::lambda::invoke::{AdmittedCall, admit};
use crate::aws::lambda::registry::Registry;
use crate::events::queue::{Claim, Line};
use crate::events::retry::{Condition, Next, Setback};
use crate::function::lane::WorkerLane;
use crate::limits::events::{CALLS, READ_AGAIN_MS};

/// The lanes that call functions for events, and how many calls they may make.
pub struct CallLanes {
    lanes: Mutex<Vec<mpsc::Sender<Job>>>,
    turn: AtomicUsize,
    /// Whether a lane follows which lines have events.
    is_followed: AtomicBool,
    calls: Arc<Semaphore>,
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

struct Job {
    attempt: Attempt,
    call: OwnedSemaphorePermit,
    ended: Arc<Notify>,
}

impl CallLanes {
    fn join(&self) -> mpsc::Receiver<Job> {
        // There are no more jobs than calls.
        let (sender, jobs) = mpsc::channel(CALLS);
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        jobs
    }

    /// Gives a job to the next lane that is there. None is when the host ends: the event is called when it has started again.
    fn give(&self, mut job: Job) -> bool {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        while !lanes.is_empty() {
            let next = self.turn.fetch_add(1, Ordering::Relaxed) % lanes.len();
            match lanes[next].try_send(job) {
                Ok(()) => return true,
                Err(TrySendError::Closed(back) | TrySendError::Full(back)) => job = back,
            }
            lanes.swap_remove(next);
        }
        false
    }
}

/// Calls functions for events on this lane; the first that comes here also follows which lines have events. Runs once on each lane,
/// until `until` ends, and then until its calls have ended.
pub async fn work(registry: Arc<Registry>, lane: Rc<WorkerLane>, until: impl Future<Output = ()>) {
    let mut jobs = registry.lanes.join();
    let follower = (!registry.lanes.is_followed.swap(true, Ordering::Relaxed)).then(|| {
        let registry = registry.clone();
        tokio::task::spawn_local(async move {
            loop {
                let name = registry.events.opened().await;
                tokio::task::spawn_local(work_on(registry.clone(), name));
            }
        })
    });
    let mut calls = tokio::task::JoinSet::new();
    let taking = async {
        while let Some(Job { attempt, call, ended }) = jobs.recv().await {
            let lane = lane.clone();
            calls.spawn_local(async move {
                attempt.make(lane).await;
                drop(call);
                ended.notify_one();
            });
            while calls.try_join_next().is_some() {}
        }
    };
    tokio::select! {
        () = taking => {}
        () = until => {}
    }
    if let Some(follower) = follower {
        follower.abort();
    }
    // What it has been given and not begun is given back.
    drop(jobs);
    while calls.join_next().await.is_some() {}
}

/// Works on a line until nothing waits in it.
async fn work_on(registry: Arc<Registry>, name: Arc<str>) {
    let line = registry.events.line(&name);
    match LineKind::of(&name) {
        LineKind::Function(function) => {
            let foreman = Foreman { registry: &registry, line: &line, function, ended: Arc::default() };
            while foreman.give_next().await {}
        }
        LineKind::Destination(arn) => delivery::deliver_all(&registry, &line, arn).await,
        LineKind::Other => {}
    }
}

/// The next event of a line; nothing when nothing waits any more.
pub async fn claimed<H: Serialize + DeserializeOwned>(registry: &Registry, line: &Arc<Line>) -> Option<Claim<H>> {
    loop {
        match registry.events.claim(line).await {
            Ok(Some(claim)) => return Some(claim),
            Ok(None) if registry.events.leave(line) => return None,
            Ok(None) => {}
            Err(error) => {
                tracing::error!(line = line.name(), "events cannot be read; they are read again in a while: {error}");
                tokio::time::sleep(Duration::from_millis(READ_AGAIN_MS)).await;
            }
        }
    }
}

/// See the module.
struct Foreman<'a> {
    registry: &'a Arc<Registry>,
    line: &'a Arc<Line>,
    function: &'a str,
    /// Told when a call of this line has ended, and has left room.
    ended: Arc<Notify>,
}

impl Foreman<'_> {
    /// Gives the next event to a lane as soon as there is room. False when nothing waits, or nobody takes it.
    async fn give_next(&self) -> bool {
        let Some(claim) = claimed::<AsyncReceiver>(self.registry, self.line).await else { return false };
        // It is never closed.
        let Ok(call) = self.registry.lanes.calls.clone().acquire_owned().await else { return false };
        let Some((claim, admitted)) = self.admitted(claim).await else { return true };
        let attempt = Attempt { registry: self.registry.clone(), claim, admitted };
        self.registry.lanes.give(Job { attempt, call, ended: self.ended.clone() })
    }

    /// Waits for a place in the function's concurrency. Nothing when the event is settled meanwhile.
    async fn admitted(&self, mut claim: Claim<AsyncReceiver>) -> Option<(Claim<AsyncReceiver>, AdmittedCall)> {
        let (registry, id) = (self.registry, claim.event.head.receiver.identifier(self.function));
        loop {
            let Some(entry) = registry.find(self.function) else {
                tracing::info!(function = self.function, "an event is given up: its function is gone");
                claim.done(Vec::new()).await;
                return None;
            };
            if entry.now().record.reserved == Some(0) {
                over(registry, &entry, claim, End::GivenUp(Condition::ZeroReservedConcurrency), None).await;
                return None;
            }
            let error = match admit(registry, &id) {
                Ok(admitted) => return Some((claim, admitted)),
                Err(error) => error,
            };
            claim.event.head.put_off += 1;
            let wait_ms = match next(registry, &entry.now(), &claim, Setback::NotRun) {
                Next::Again(wait_ms) => wait_ms,
                Next::GiveUp(condition) => {
                    over(registry, &entry, claim, End::GivenUp(condition), None).await;
                    return None;
                }
            };
            if !is_without_room(&error) {
                tracing::debug!(function = self.function, "an event could not be tried: {error}");
                claim.again(wait_ms).await;
                return None;
            }
            tokio::select! {
                () = registry.events.clock.reached(registry.events.clock.now_ms() + wait_ms) => {}
                // There is room, unless somebody else is faster.
                () = self.ended.notified() => claim.event.head.put_off = 0,
            }
        }
    }
}
