//! I make stored responses invisible: by path, by tag, of a site, or all of them.
//!
//! A purge is a rule with a number, the epoch. Everything stored carries the epoch at which its fill began,
//! so a rule strikes what it matches and what began before it, also a fill that ends after the purge. The
//! next lookup sees the rule; nothing has to be walked through first. What has passed the rules is stamped,
//! so that a hit compares two numbers and no more.
//!
//! A sweep takes what is struck out of the tiers, and the rule with it: it may go only when nothing that
//! began before it can still be stored. `Cohort` knows that.
//!
//!     purge ──► rule in force ──► flights that stream are struck ──► older work has ended ──► swept, forgotten
//!
//! The number of rules in force is bounded; above it a purge is refused.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::cache::object::Meta;
use crate::limits;

/// What to purge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purge {
    Everything,
    Site {
        site: String,
    },
    /// Path and query string, as stored; `*` stands for any run of characters (CloudFront's invalidations).
    Path {
        site: String,
        pattern: String,
    },
    /// A surrogate key, of one site or of all.
    Tag {
        site: Option<String>,
        tag: String,
    },
}

impl Purge {
    fn strikes(&self, meta: &Meta) -> bool {
        match self {
            Purge::Everything => true,
            Purge::Site { site } => *meta.request_site == **site,
            Purge::Path { site, pattern } => {
                *meta.request_site == **site && matches(pattern.as_bytes(), meta.path_and_query.as_bytes())
            }
            Purge::Tag { site, tag } => {
                site.as_ref().is_none_or(|site| *meta.request_site == **site) && meta.tags.iter().any(|held| **held == **tag)
            }
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Purge::Everything => 0,
            Purge::Site { site } => site.len(),
            Purge::Path { site, pattern } => site.len() + pattern.len(),
            Purge::Tag { site, tag } => site.as_ref().map_or(0, String::len) + tag.len(),
        }
    }
}

/// Why a purge was not carried out, or not for good.
#[derive(Debug, thiserror::Error)]
pub enum PurgeError {
    #[error("{} purges are still being swept; try again when some have ended", limits::cache::PURGES)]
    TooMany,
    #[error("a purge may be {} bytes long at most", limits::cache::PURGE_BYTES)]
    TooLong,
    /// It is in force, but a restart of this process would forget it.
    #[error("the purge could not be written to disk: {0}")]
    Journal(std::io::Error),
}

/// A rule in force.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Rule {
    epoch: u64,
    purge: Purge,
}

/// What a restart must know.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Journal {
    pub(crate) epoch: u64,
    pub(crate) rules: Vec<Rule>,
}

pub(crate) struct Purges {
    epoch: AtomicU64,
    rules: ArcSwap<Vec<Rule>>,
    changing: Mutex<()>,
    /// Every rule up to this epoch has been swept.
    swept: watch::Sender<u64>,
    cohort: Arc<Cohort>,
}

impl Purges {
    pub(crate) fn new(journal: Journal) -> Purges {
        let swept = if journal.rules.is_empty() { journal.epoch } else { 0 };
        Purges {
            epoch: AtomicU64::new(journal.epoch),
            rules: ArcSwap::from_pointee(journal.rules),
            changing: Mutex::new(()),
            swept: watch::Sender::new(swept),
            cohort: Arc::default(),
        }
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// From here on the rule strikes. Its number.
    pub(crate) fn add(&self, purge: Purge) -> Result<u64, PurgeError> {
        if purge.bytes() > limits::cache::PURGE_BYTES {
            return Err(PurgeError::TooLong);
        }
        let _changing = lock(&self.changing);
        let mut rules = Vec::clone(&self.rules.load());
        let epoch = self.epoch() + 1;
        if purge == Purge::Everything {
            // It makes room: it strikes all that the older ones do. Who asked before it, but after them, must
            // still not get what they struck; for those one rule stands in for all.
            if let Some(last) = rules.last().map(|rule| rule.epoch) {
                rules = vec![Rule { epoch: last, purge: Purge::Everything }];
            }
        } else if rules.len() >= limits::cache::PURGES {
            return Err(PurgeError::TooMany);
        }
        rules.push(Rule { epoch, purge });
        // The rule before its number: who sees the number must find the rule.
        self.rules.store(Arc::new(rules));
        self.epoch.store(epoch, Ordering::Release);
        Ok(epoch)
    }

    /// Whether a rule that came after `born` strikes this.
    pub(crate) fn strike(&self, meta: &Meta, born: u64) -> bool {
        born < self.epoch() && self.rules.load().iter().any(|rule| rule.epoch > born && rule.purge.strikes(meta))
    }

    /// As `strike`, but a rule after `asked` does not count: who asked before a purge may have what it struck.
    pub(crate) fn strike_between(&self, meta: &Meta, born: u64, asked: u64) -> bool {
        born < asked && self.rules.load().iter().any(|rule| rule.epoch > born && rule.epoch <= asked && rule.purge.strikes(meta))
    }

    /// Whether all that was stored before this epoch is struck, whatever it is.
    pub(crate) fn strike_unseen(&self, born: u64) -> bool {
        self.rules.load().iter().any(|rule| rule.epoch > born && rule.purge == Purge::Everything)
    }

    /// Work that may store something begins: no rule that is newer than it is forgotten before it ends.
    pub(crate) fn begin(&self) -> Born {
        let mut counts = lock(&self.cohort.counts);
        let epoch = self.epoch();
        *counts.entry(epoch).or_default() += 1;
        Born { epoch, cohort: self.cohort.clone() }
    }

    /// Waits until nothing that began before `epoch` can be stored any more, or for `patience`.
    pub(crate) fn older_work_ended(&self, epoch: u64, patience: Duration) -> bool {
        let counts = lock(&self.cohort.counts);
        let older = |counts: &mut BTreeMap<u64, usize>| counts.first_key_value().is_some_and(|(born, _)| *born < epoch);
        let result = self.cohort.ended.wait_timeout_while(counts, patience, older);
        !result.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// The rules up to this epoch have done their work.
    pub(crate) fn retire(&self, epoch: u64) {
        let _changing = lock(&self.changing);
        let rules = self.rules.load().iter().filter(|rule| rule.epoch > epoch).cloned().collect();
        self.rules.store(Arc::new(rules));
        self.swept.send_replace(epoch);
    }

    pub(crate) fn pending(&self) -> usize {
        self.rules.load().len()
    }

    pub(crate) fn swept(&self) -> watch::Receiver<u64> {
        self.swept.subscribe()
    }

    pub(crate) fn journal(&self) -> Journal {
        let _changing = lock(&self.changing);
        Journal { epoch: self.epoch(), rules: Vec::clone(&self.rules.load()) }
    }
}

/// How much work of each epoch is under way.
#[derive(Default)]
struct Cohort {
    counts: Mutex<BTreeMap<u64, usize>>,
    ended: Condvar,
}

/// Work that may store something, and the epoch at which it began.
pub(crate) struct Born {
    epoch: u64,
    cohort: Arc<Cohort>,
}

impl Born {
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }
}

impl Drop for Born {
    fn drop(&mut self) {
        let mut counts = lock(&self.cohort.counts);
        if let Some(count) = counts.get_mut(&self.epoch) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.epoch);
                self.cohort.ended.notify_all();
            }
        }
    }
}

/// What is kept under these locks is whole after each statement, so a panic elsewhere spoils nothing.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the pattern covers the whole text; linear in the text for each `*` at worst.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut retry = None;
    while read < text.len() {
        if pattern.get(at) == Some(&b'*') {
            retry = Some((at + 1, read));
            at += 1;
        } else if pattern.get(at) == Some(&text[read]) {
            at += 1;
            read += 1;
        } else if let Some((after, from)) = retry {
            at = after;
            read = from + 1;
            retry = Some((after, from + 1));
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, text, covered) in [
            ("/a", "/a", true),
            ("/a", "/ab", false),
            ("/a*", "/a", true),
            ("/a*", "/ab/c?d=e", true),
            ("/*.css", "/x/y.css", true),
            ("/*.css", "/x/y.css?v", false),
            ("*a*b*", "xaxxbx", true),
            ("*a*b*", "xbxxax", false),
            ("", "", true),
            ("*", "", true),
            ("", "/", false),
            ("/A", "/a", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), covered, "{pattern} {text}");
        }
    }

    #[test]
    fn rules_are_bounded_and_everything_makes_room() {
        let purges = Purges::new(Journal::default());
        let one = || Purge::Tag { site: None, tag: "t".into() };
        for _ in 0..limits::cache::PURGES {
            purges.add(one()).unwrap();
        }
        assert!(matches!(purges.add(one()), Err(PurgeError::TooMany)));
        purges.add(Purge::Everything).unwrap();
        assert_eq!(purges.pending(), 2);
        let long = "x".repeat(limits::cache::PURGE_BYTES + 1);
        assert!(matches!(purges.add(Purge::Site { site: long }), Err(PurgeError::TooLong)));
    }

    #[test]
    fn everything_does_not_bring_back_what_an_older_rule_struck() {
        let purges = Purges::new(Journal::default());
        let meta = crate::cache::tests::meta("/a", None);
        let asked = purges.add(Purge::Path { site: "site".into(), pattern: "/a".into() }).unwrap();
        purges.add(Purge::Everything).unwrap();
        assert!(purges.strike_between(&meta, 0, asked));
    }

    #[test]
    fn older_work_holds_a_rule_back() {
        let purges = Purges::new(Journal::default());
        let born = purges.begin();
        let epoch = purges.add(Purge::Everything).unwrap();
        let younger = purges.begin();
        assert!(!purges.older_work_ended(epoch, Duration::ZERO));
        drop(born);
        assert!(purges.older_work_ended(epoch, Duration::ZERO));
        drop(younger);
    }
}
