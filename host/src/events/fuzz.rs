//! For fuzz targets: a pattern and an event, and what holds whatever they are.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use super::pattern::EventPattern;

/// A line with a pattern, and an event. A match takes time in proportion to both, and a pattern means what two of it mean.
pub(crate) fn event_pattern(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (line, event) = text.split_once('\n').unwrap_or((text, "{}"));
    let pattern = match EventPattern::parse(line) {
        Ok(pattern) => pattern,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let Ok(event) = serde_json::from_str::<Value>(event) else { return };
    let before = clock_gettime(ClockId::ThreadCPUTime);
    let matches = pattern.matches(&event);
    let took = clock_gettime(ClockId::ThreadCPUTime) - before;
    let took = Duration::try_from(took).unwrap_or_default();
    let steps = (line.len() + 8) * (text.len() + 8);
    assert!(took <= Duration::from_millis(500) + Duration::from_nanos(20 * steps as u64), "{took:?} for {line:?}");
    let Ok(object) = serde_json::from_str::<Value>(line) else { return };
    if let Ok(twice) = EventPattern::parse(&json!({"$or": [object, object]}).to_string()) {
        assert_eq!(twice.matches(&event), matches, "{line:?}");
    }
}
