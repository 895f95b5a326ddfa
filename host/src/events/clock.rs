//! What time it is for events: the system's, and as much later as somebody has asked for.
//!
//! Retries wait for minutes and schedules for days. Whoever tries them out moves the clock forward, and what waits for a time that
//! has come then is woken. The clock never goes back by itself; if the system's does, events wait as long as they would have.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

/// See the module. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct EventClock(Arc<watch::Sender<Duration>>);

impl Default for EventClock {
    fn default() -> EventClock {
        EventClock(Arc::new(watch::Sender::new(Duration::ZERO)))
    }
}

impl EventClock {
    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> u64 {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default() + *self.0.borrow();
        u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
    }

    /// By how many milliseconds it is ahead of the system's.
    pub fn ahead_ms(&self) -> u64 {
        u64::try_from(self.0.borrow().as_millis()).unwrap_or(u64::MAX)
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0.send_modify(|ahead| *ahead = ahead.saturating_add(by));
    }

    /// Ends when it is that time, in milliseconds since 1970.
    pub async fn reached(&self, time_ms: u64) {
        let mut ahead = self.0.subscribe();
        loop {
            ahead.mark_unchanged();
            let Some(rest) = time_ms.checked_sub(self.now_ms()).filter(|rest| *rest > 0) else { return };
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(rest)) => {}
                // This clock holds the sender.
                _ = ahead.changed() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waits_is_woken_when_the_clock_is_moved() {
        let clock = EventClock::default();
        let noon = clock.now_ms() + 3_600_000;
        let waiting = tokio::spawn({
            let clock = clock.clone();
            async move { clock.reached(noon).await }
        });
        clock.advance(Duration::from_mins(30));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        clock.advance(Duration::from_mins(30));
        waiting.await.unwrap();
        assert!(clock.now_ms() >= noon);
        clock.reached(noon).await;
    }
}
