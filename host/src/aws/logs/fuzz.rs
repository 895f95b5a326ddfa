//! For a fuzz target: a filter pattern and a message, which is made longer by saying it again. A match takes time in proportion
//! to the message.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::aws::logs::filter::FilterPattern;
use crate::limits::logs::{EVENT_BYTES, PATTERN_CHARS};

/// A line with the number of repetitions and the pattern, and the message.
pub(crate) fn log_filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (line, message) = text.split_once('\n').unwrap_or((text, ""));
    let (times, pattern) = line.split_once(' ').unwrap_or(("1", line));
    let parsed = match FilterPattern::parse(pattern) {
        Ok(parsed) => parsed,
        Err(fault) => return assert!(!fault.is_empty()),
    };
    assert!(pattern.chars().count() <= PATTERN_CHARS);
    if let FilterPattern::Everything = parsed {
        assert!(parsed.matches(message) && pattern.trim().is_empty());
    }
    check_terms(pattern, message, &parsed);
    let times = times.parse::<usize>().unwrap_or(1).min(EVENT_BYTES / message.len().max(1));
    let long = message.repeat(times);
    let before = clock_gettime(ClockId::ThreadCPUTime);
    parsed.matches(&long);
    let took = clock_gettime(ClockId::ThreadCPUTime) - before;
    let took = Duration::try_from(took).unwrap_or_default();
    // Each piece of the pattern may be looked for in all of the message; what is quadratic takes a minute.
    let steps = (pattern.len() + 8) * (long.len() + 1);
    let most = Duration::from_millis(200) + Duration::from_nanos(20 * steps as u64);
    assert!(took <= most, "{took:?} for {} bytes with {pattern:?}", long.len());
}

/// Plain words are looked for as such.
fn check_terms(pattern: &str, message: &str, parsed: &FilterPattern) {
    let is_word = |word: &&str| word.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
    let words: Vec<&str> = pattern.split_whitespace().collect();
    if words.iter().all(is_word) {
        let has_all = words.iter().all(|word| message.contains(*word));
        assert_eq!(parsed.matches(message), has_all, "{pattern:?} on {message:?}");
    }
}
