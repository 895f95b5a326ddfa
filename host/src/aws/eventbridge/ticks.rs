//! The ticks of schedules: one task waits for the next one of all rules.
//!
//! A tick is noted on disk before its event is given to the rule's targets, so that no tick happens twice: the two are in
//! different files, and a process that dies between them loses the tick. A tick that is more than a minute late was missed, and
//! is not caught up, as on AWS.

use std::sync::Arc;

use serde_json::json;

use crate::aws::error::ApiError;
use crate::aws::eventbridge::entries::{Envelope, give};
use crate::aws::eventbridge::record::RuleRecord;
use crate::aws::eventbridge::state::EventBridge;
use crate::limits::eventbridge::{LATE_MS, TICK_AGAIN_MS};

impl EventBridge {
    /// Gives events at the ticks of all rules. Ends with its runtime.
    pub async fn tick(self: Arc<EventBridge>) {
        loop {
            let bridge = self.clone();
            let ticked = tokio::task::spawn_blocking(move || bridge.tick_until(bridge.clock.now_ms())).await;
            let next_ms = match ticked {
                Ok(Ok(next_ms)) => next_ms,
                Ok(Err(error)) => {
                    tracing::error!("a tick could not be noted; it is tried again: {error}");
                    Some(self.clock.now_ms() + TICK_AGAIN_MS)
                }
                // The host ends.
                Err(_) => return,
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
            }
        }
    }

    /// Gives the events that are due. Returns when the next one is. Blocks for the disk.
    pub(super) fn tick_until(&self, now_ms: u64) -> Result<Option<u64>, ApiError> {
        let mut next = None;
        for rule in self.rules.all() {
            let Some(mut due_ms) = self.next_tick(&rule, now_ms) else { continue };
            if due_ms <= now_ms {
                self.note_tick(&rule.key(), Some(due_ms))?;
                self.give_tick(&rule, due_ms, now_ms)?;
                let Some(after_ms) = self.next_tick(&rule, now_ms) else { continue };
                due_ms = after_ms;
            }
            next = Some(next.map_or(due_ms, |next: u64| next.min(due_ms)));
        }
        Ok(next)
    }

    /// The first tick that is neither given nor missed.
    fn next_tick(&self, rule: &RuleRecord, now_ms: u64) -> Option<u64> {
        let last_ms = self.last_tick(&rule.key()).unwrap_or(0);
        let after_ms = last_ms.max(rule.enabled_ms).max(rule.scheduled_ms).max(now_ms.saturating_sub(LATE_MS));
        rule.ticks()?.next(after_ms)
    }

    fn give_tick(&self, rule: &RuleRecord, due_ms: u64, now_ms: u64) -> Result<(), ApiError> {
        let id = uuid::Uuid::new_v4().to_string();
        let envelope = Envelope {
            id: &id,
            source: "aws.events",
            detail_type: "Scheduled Event",
            detail: "{}",
            resources: &[rule.arn(&self.account)],
            time_ms: due_ms,
        };
        let text = envelope.text(self);
        let value = serde_json::from_str(&text).unwrap_or_else(|_| json!({}));
        give(self, rule, &id, &text, &value, now_ms)
    }
}
