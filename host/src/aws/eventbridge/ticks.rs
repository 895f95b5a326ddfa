//! The ticks of schedules: one task waits for the next one of all rules.
//!
//! A tick is noted on disk before its event is given to the rule's targets, so that no tick happens twice: the two are in
//! different files, and a process that dies between them loses the tick, as does one that cannot keep the event, which the log
//! says. A tick that is a minute late was missed, and is not caught up, as on AWS.

use std::pin::pin;
use std::sync::Arc;

use serde_json::Map;

use crate::aws::error::ApiError;
use crate::aws::eventbridge::delivery::TargetEvent;
use crate::aws::eventbridge::entries::{Envelope, for_targets};
use crate::aws::eventbridge::record::RuleRecord;
use crate::aws::eventbridge::state::EventBridge;
use crate::limits::eventbridge::{LATE_MS, TICK_AGAIN_MS};

impl EventBridge {
    /// Gives events at the ticks of all rules, until `until` ends.
    pub async fn tick(self: Arc<EventBridge>, until: impl Future<Output = ()>) {
        let mut until = pin!(until);
        loop {
            let bridge = self.clone();
            let ticked = tokio::task::spawn_blocking(move || bridge.tick_until(bridge.clock.now_ms())).await;
            let next_ms = match ticked {
                Ok(Ok(next_ms)) => next_ms,
                Ok(Err(error)) => {
                    tracing::error!("a tick could not be noted; it is tried again: {error}");
                    Some(self.clock.now_ms() + TICK_AGAIN_MS)
                }
                Err(panic) => {
                    tracing::error!("giving ticks has panicked; it is tried again: {panic}");
                    Some(self.clock.now_ms() + TICK_AGAIN_MS)
                }
            };
            let due = async {
                match next_ms {
                    // The clock may be set meanwhile: it is looked at once a minute.
                    Some(next_ms) => self.clock.reached(next_ms.min(self.clock.now_ms() + LATE_MS)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.scheduled.notified() => {}
                () = &mut until => return,
            }
        }
    }

    /// Gives the events that are due. Returns when the next one is. Blocks for the disk.
    pub(super) fn tick_until(&self, now_ms: u64) -> Result<Option<u64>, ApiError> {
        let (mut next, mut events) = (None, Vec::new());
        let noted = self.rules.all().iter().try_for_each(|rule| {
            let Some(mut due_ms) = self.next_tick(rule, now_ms) else { return Ok(()) };
            if due_ms <= now_ms {
                if !self.note_tick_of(rule, due_ms)? {
                    return Ok(());
                }
                events.extend(self.of_tick(rule, due_ms, now_ms));
                let Some(after_ms) = self.next_tick(rule, now_ms) else { return Ok(()) };
                due_ms = after_ms;
            }
            next = Some(next.map_or(due_ms, |next: u64| next.min(due_ms)));
            Ok::<(), ApiError>(())
        });
        if !events.is_empty() {
            let rules: Vec<String> = events.iter().map(|event| event.rule_arn.clone()).collect();
            if let Err(error) = (self.deliver)(events) {
                tracing::error!("ticks are lost, since their events cannot be kept, of {}: {error}", rules.join(", "));
            }
        }
        noted?;
        Ok(next)
    }

    /// Notes a tick of a rule, unless it has been changed or deleted meanwhile: then it is looked at again.
    fn note_tick_of(&self, rule: &Arc<RuleRecord>, due_ms: u64) -> Result<bool, ApiError> {
        let _alone = self.changing();
        let stands = self.rules.find(&rule.key()).is_some_and(|now| Arc::ptr_eq(&now, rule));
        if stands {
            self.note_tick(&rule.key(), Some(due_ms))?;
        }
        Ok(stands)
    }

    /// The first tick that is neither given nor missed.
    fn next_tick(&self, rule: &RuleRecord, now_ms: u64) -> Option<u64> {
        let last_ms = self.last_tick(&rule.key()).unwrap_or(0);
        // By a clock that was ahead a rule is silent until then: better no tick than one that comes twice.
        let after_ms = last_ms.max(rule.enabled_ms).max(rule.scheduled_ms).max(now_ms.saturating_sub(LATE_MS));
        rule.ticks()?.next(after_ms)
    }

    fn of_tick(&self, rule: &RuleRecord, due_ms: u64, now_ms: u64) -> Vec<TargetEvent> {
        let id = uuid::Uuid::new_v4().to_string();
        let envelope = Envelope {
            id: &id,
            source: "aws.events",
            detail_type: "Scheduled Event",
            detail: "{}",
            resources: &[rule.arn(&self.account)],
            time_ms: due_ms,
        };
        let (text, value) = (envelope.text(self), envelope.value(self, Map::new()));
        for_targets(self, rule, &id, &text, &value, now_ms)
    }
}
