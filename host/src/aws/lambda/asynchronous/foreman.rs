//! Takes events of a function as its concurrency allows, and gives them to lanes.
//!
//! Each line that has events has a foreman, a task that ends when nothing waits. It holds one event, and waits with it until the
//! function has room: what waits behind it stays on disk. All foremen together take a part of the account's concurrency, in turns;
//! what is left is for those who call and wait.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::aws::lambda::asynchronous::attempt::{EventAttempt, EventOutcome, is_without_room, next, over};
use crate::aws::lambda::asynchronous::claimed::claimed;
use crate::aws::lambda::asynchronous::delivery;
use crate::aws::lambda::asynchronous::line::{AsyncReceiver, LineKind};
use crate::aws::lambda::invoke::{AdmittedCall, admit};
use crate::aws::lambda::registry::Registry;
use crate::events::queue::{EventClaim, EventLine};
use crate::events::retry::{EndCondition, Next, Setback};
use crate::function::lane::WorkerLane;

/// Calls functions for events on this lane; the first that comes here also follows which lines have events. Runs once on each lane,
/// until `until` ends, and then until its calls have ended.
pub async fn work(registry: Arc<Registry>, lane: Rc<WorkerLane>, until: impl Future<Output = ()>) {
    let mut given = registry.lanes.join();
    let follower = registry.lanes.is_to_follow().then(|| {
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
        while let Some(work) = given.recv().await {
            calls.spawn_local(work(lane.clone()));
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
    drop(given);
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

/// See the module.
struct Foreman<'a> {
    registry: &'a Arc<Registry>,
    line: &'a Arc<EventLine>,
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
        let attempt = EventAttempt { registry: self.registry.clone(), claim, admitted };
        let ended = self.ended.clone();
        self.registry.lanes.give(Box::new(move |lane| {
            Box::pin(async move {
                attempt.make(lane).await;
                drop(call);
                ended.notify_one();
            })
        }))
    }

    /// Waits for a place in the function's concurrency. Nothing when the event is settled meanwhile.
    async fn admitted(&self, mut claim: EventClaim<AsyncReceiver>) -> Option<(EventClaim<AsyncReceiver>, AdmittedCall)> {
        let (registry, id) = (self.registry, claim.event.head.receiver.identifier(self.function));
        loop {
            let Some(entry) = registry.find(self.function) else {
                tracing::info!(function = self.function, "an event is given up: its function is gone");
                claim.done(Vec::new()).await;
                return None;
            };
            if entry.now().record.reserved == Some(0) {
                over(registry, &entry, claim, EventOutcome::GivenUp(EndCondition::ZeroReservedConcurrency), None).await;
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
                    over(registry, &entry, claim, EventOutcome::GivenUp(condition), None).await;
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
