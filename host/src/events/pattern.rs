//! Which events are meant: a pattern as EventBridge's rules and Lambda's filters have it.
//!
//! A pattern is an object in the shape of the event. Its leaves are lists: each key must be found (AND), with one of its values
//! (OR). `$or` multiplies a pattern to branches, of which one must match. An event is flattened to its leaves, each with the
//! path that leads there and its place in the lists on the way:
//!
//!     {"a": [{"b": 1}, {"b": 2}]}  ──►  a.b = 1 at a[0],  a.b = 2 at a[1]
//!
//! The leaves of one match must not be in different elements of one list. Where AWS's matcher is peculiar, I am, too: keys with
//! dots are paths; a leaf directly in a list has no place in that list; an empty list has no leaf, so its key does not exist;
//! `exists: false` looks at the elements that the keys before it, by name, have chosen; a `cidr` begins at its address.
//!
//! What differs: a fault is told by its reason, without the line and the column that AWS adds. Numbers are equal if their values
//! are, however large; AWS compares texts beyond five billion.
//!
//! Sources: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>, the documentation of
//! AWS's Event Ruler, and answers recorded from AWS.

mod address;
mod compile;
mod error;
mod expectation;
mod leaves;
mod numeric;
#[cfg(test)]
mod tests;
mod wildcard;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::limits::event_rules::{MATCH_STEPS, PATTERN_CHARS};
pub use error::PatternError;

use compile::PatternKey;
use expectation::Expectation;
use leaves::{Candidates, Elements, Leaves};

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct EventPattern {
    keys: Vec<PatternKey>,
    /// One of them must match. Each has its keys by their place in `keys`, in the order of their paths.
    branches: Vec<Vec<usize>>,
}

impl EventPattern {
    /// Reads a pattern from its JSON.
    pub fn parse(text: &str) -> Result<EventPattern, PatternError> {
        if text.chars().count() > PATTERN_CHARS {
            return Err(PatternError::new(format!("Pattern is too long: it has at most {PATTERN_CHARS} characters")));
        }
        let value: Value = serde_json::from_str(text).map_err(|error| PatternError::new(format!("Invalid JSON: {error}")))?;
        let (keys, branches) = compile::compile(&value)?;
        Ok(EventPattern { keys, branches })
    }

    /// Whether an event is meant. Takes time in proportion to the event and to the pattern; where an event spells one path in
    /// several ways, it may take more, up to a bound over which the event is not meant.
    pub fn matches(&self, event: &Value) -> bool {
        let leaves = Leaves::of(event, self.keys.iter().map(|key| key.path.as_str()));
        // Keys of several branches are looked at once.
        let found: Vec<FoundKey> = self.keys.iter().map(|key| FoundKey::of(key, &leaves)).collect();
        let mut steps = 0;
        self.branches.iter().any(|branch| self.branch_matches(branch, &leaves, &found, &mut steps))
    }

    /// Chooses leaves key by key. What is kept in between are the places that the leaves so far are in, as far as the next key
    /// can be in them, too: keys are in the order of their paths, so what the next one is not in, no later one is. `steps` counts the
    /// leaves that were looked at, in all branches.
    fn branch_matches(&self, branch: &[usize], leaves: &Leaves<'_>, found: &[FoundKey], steps: &mut usize) -> bool {
        let mut so_far = BTreeSet::from([Elements::default()]);
        for (at, &key) in branch.iter().enumerate() {
            let next_path = branch.get(at + 1).map(|&next| self.keys[next].path.as_str());
            let mut next = BTreeSet::new();
            for places in &so_far {
                let chosen = leaves.consistent(&found[key].held, places, steps);
                next.extend(chosen.iter().map(|chosen| leaves.kept(&places.joined(chosen), next_path)));
                let there = found[key].there.as_ref();
                if there.is_some_and(|there| leaves.consistent(there, places, steps).is_empty()) {
                    next.insert(leaves.kept(places, next_path));
                }
                if *steps > MATCH_STEPS {
                    return false;
                }
            }
            so_far = next;
        }
        !so_far.is_empty()
    }
}

/// Where a key of an event's leaves holds.
struct FoundKey {
    held: Candidates,
    /// Where the key is at all, if it may be absent.
    there: Option<Candidates>,
}

impl FoundKey {
    fn of(key: &PatternKey, leaves: &Leaves<'_>) -> FoundKey {
        let held = leaves.at(&key.path, |leaf| key.expected.iter().any(|expected| expected.holds(leaf)));
        let there = key.expected.contains(&Expectation::Absent).then(|| leaves.at(&key.path, |_| true));
        FoundKey { held, there }
    }
}
