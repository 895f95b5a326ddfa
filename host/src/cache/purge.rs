//! Purges: they make stored responses invisible, by path, by tag, of a site, or all of them.
//!
//! A purge is a rule with a number, the epoch. Every object has the epoch at which its fill began, so a rule
//! strikes matching objects whose fill began before it, even if the fill ends after the purge. The
//! next lookup sees the rule; no walk over the objects is needed first. An object that has passed the rules is
//! stamped, so that a hit only compares two numbers.
//!
//! A sweep removes struck objects from the tiers, and then the rule. A rule may go only when no fill that
//! began before it can still store something. `FillsByEpoch` knows that.
//!
//!     purge ──► rule in force ──► flights that stream are struck ──► older work has ended ──► swept, forgotten
//!
//! The number of rules in force is bounded; above it a purge is refused. Invalidations by unsafe requests are kept
//! elsewhere (`invalidated`), since clients cause them.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::cache::invalidated::{Invalidated, Uri};
use crate::cache::object::Meta;
use crate::limits;
use crate::path::pattern::{Pattern, target_text};

/// What to purge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purge {
    Everything,
    Site {
        site: String,
    },
    /// Path, normalised by `path`, and query string; `*` matches any run of characters (CloudFront's invalidations).
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
    fn bytes(&self) -> usize {
        match self {
            Purge::Everything => 0,
            Purge::Site { site } => site.len(),
            Purge::Path { site, pattern } => site.len() + pattern.len(),
            Purge::Tag { site, tag } => site.as_ref().map_or(0, String::len) + tag.len(),
        }
    }
}

/// The error message for a path that is not absolute.
pub fn no_path(pattern: &str) -> String {
    format!("a path begins with `/`, as in `/{}`", pattern.escape_debug())
}

/// Why a purge was not carried out, or is not durable.
#[derive(Debug, thiserror::Error)]
pub enum PurgeError {
    #[error("{} purges are still being swept; try again when some have ended", limits::cache::PURGES)]
    TooMany,
    #[error("a purge may be {} bytes long at most", limits::cache::PURGE_BYTES)]
    TooLong,
    /// The purge is in force, but a restart of this process would forget it.
    #[error("the purge could not be written to disk: {0}")]
    Journal(std::io::Error),
}

/// A rule in force.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    epoch: u64,
    purge: Purge,
    /// Of a purge by path.
    pattern: Option<Pattern>,
    /// How many objects it has removed.
    taken: Arc<AtomicU64>,
}

impl Rule {
    fn new(epoch: u64, purge: Purge) -> Rule {
        let pattern = match &purge {
            Purge::Path { pattern, .. } => Some(Pattern::target(pattern)),
            _ => None,
        };
        Rule { epoch, purge, pattern, taken: Arc::default() }
    }

    /// `target` is the normalised path and query of the response, computed when it is first needed.
    fn strikes<'m>(&self, meta: &'m Meta, target: &OnceCell<Cow<'m, str>>) -> bool {
        match (&self.purge, &self.pattern) {
            (Purge::Everything, _) => true,
            (Purge::Tag { site, tag }, _) => {
                site.as_ref().is_none_or(|site| *meta.request_site == **site) && meta.tags.iter().any(|held| **held == **tag)
            }
            (Purge::Site { site } | Purge::Path { site, .. }, _) if *meta.request_site != **site => false,
            (_, None) => true,
            (_, Some(pattern)) => pattern.matches(target.get_or_init(|| target_text(&meta.path_and_query))),
        }
    }
}

/// A rule as it is written to disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct JournalRule {
    epoch: u64,
    purge: Purge,
}

/// What a restart must know.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Journal {
    pub(crate) epoch: u64,
    rules: Vec<JournalRule>,
    #[serde(default)]
    invalidated: Vec<(Uri, u64)>,
}

pub(crate) struct Purges {
    epoch: AtomicU64,
    rules: ArcSwap<Vec<Rule>>,
    invalidated: Invalidated,
    changing: Mutex<()>,
    /// Every rule up to this epoch has been swept.
    swept: watch::Sender<u64>,
    /// How many objects the last swept rules removed.
    over: Mutex<VecDeque<(u64, u64)>>,
    cohort: Arc<FillsByEpoch>,
}

impl Purges {
    pub(crate) fn new(journal: Journal) -> Purges {
        let Journal { epoch, rules, invalidated } = journal;
        let swept = if rules.is_empty() { epoch } else { 0 };
        Purges {
            epoch: AtomicU64::new(epoch),
            rules: ArcSwap::from_pointee(rules.into_iter().map(|rule| Rule::new(rule.epoch, rule.purge)).collect()),
            invalidated: Invalidated::new(&invalidated),
            changing: Mutex::new(()),
            swept: watch::Sender::new(swept),
            over: Mutex::default(),
            cohort: Arc::default(),
        }
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Puts a rule in force. Returns its number.
    pub(crate) fn add(&self, purge: Purge) -> Result<u64, PurgeError> {
        if purge.bytes() > limits::cache::PURGE_BYTES {
            return Err(PurgeError::TooLong);
        }
        let _changing = lock(&self.changing);
        let mut rules = Vec::clone(&self.rules.load());
        let epoch = self.epoch() + 1;
        if purge == Purge::Everything {
            // It makes room: it strikes all that the older rules do. A request from before it, but after them, must
            // still not get what they struck; for those requests one rule stands in for all.
            if let Some(last) = rules.last().map(|rule| rule.epoch) {
                self.close(&rules);
                rules = vec![Rule::new(last, Purge::Everything)];
            }
        } else if rules.len() >= limits::cache::PURGES {
            return Err(PurgeError::TooMany);
        }
        rules.push(Rule::new(epoch, purge));
        // The rule before its number: a reader that sees the number must find the rule.
        self.rules.store(Arc::new(rules));
        self.epoch.store(epoch, Ordering::Release);
        Ok(epoch)
    }

    /// Invalidates what is stored for this URI. `None` if this client has no room for another invalidation.
    pub(crate) fn invalidate(&self, uri: Uri, client: IpAddr) -> Option<u64> {
        let _changing = lock(&self.changing);
        let epoch = self.epoch() + 1;
        if !self.invalidated.add(uri, client, epoch) {
            return None;
        }
        self.epoch.store(epoch, Ordering::Release);
        Some(epoch)
    }

    /// Whether a rule that came after `fill_epoch` strikes this.
    pub(crate) fn strike(&self, meta: &Meta, fill_epoch: u64) -> bool {
        fill_epoch < self.epoch() && self.struck(meta, |epoch| epoch > fill_epoch, fill_epoch).is_some()
    }

    /// As `strike`, and counts the object for its rule, since it is about to be removed.
    pub(crate) fn take(&self, meta: &Meta, fill_epoch: u64) -> bool {
        let struck = if fill_epoch < self.epoch() { self.struck(meta, |epoch| epoch > fill_epoch, fill_epoch) } else { None };
        if let Some(Some(taken)) = &struck {
            taken.fetch_add(1, Ordering::Relaxed);
        }
        struck.is_some()
    }

    /// As `strike`, but a rule after `asked` does not count: a request from before a purge may have what it struck. Of an
    /// invalidated URI only the last epoch is known, so that it always counts.
    pub(crate) fn strike_between(&self, meta: &Meta, fill_epoch: u64, asked: u64) -> bool {
        fill_epoch < asked && self.struck(meta, |epoch| epoch > fill_epoch && epoch <= asked, fill_epoch).is_some()
    }

    /// What struck the object: a rule, by its counter, or an invalidation.
    fn struck(&self, meta: &Meta, counts: impl Fn(u64) -> bool, fill_epoch: u64) -> Option<Option<Arc<AtomicU64>>> {
        let target = OnceCell::new();
        let rules = self.rules.load();
        if let Some(rule) = rules.iter().find(|rule| counts(rule.epoch) && rule.strikes(meta, &target)) {
            return Some(Some(rule.taken.clone()));
        }
        let uri = || Uri::of(&meta.request_site, &meta.host, &meta.path_and_query);
        self.invalidated.strikes(uri, fill_epoch).then_some(None)
    }

    /// Whether a rule strikes everything whose fill began at this epoch.
    pub(crate) fn strike_unseen(&self, fill_epoch: u64) -> bool {
        self.rules.load().iter().any(|rule| rule.epoch > fill_epoch && rule.purge == Purge::Everything)
    }

    /// Counts an object that `strike_unseen` struck, and that has been removed.
    pub(crate) fn count_unseen(&self, fill_epoch: u64) {
        if let Some(rule) = self.rules.load().iter().find(|rule| rule.epoch > fill_epoch && rule.purge == Purge::Everything) {
            rule.taken.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Begins work that may store something: no newer rule is forgotten before it ends.
    pub(crate) fn begin(&self) -> EpochGuard {
        let mut counts = lock(&self.cohort.counts);
        let epoch = self.epoch();
        *counts.entry(epoch).or_default() += 1;
        EpochGuard { epoch, cohort: self.cohort.clone() }
    }

    /// Waits until all work that began before `epoch` has ended, at most for `patience`.
    pub(crate) fn older_work_ended(&self, epoch: u64, patience: Duration) -> bool {
        let counts = lock(&self.cohort.counts);
        let older =
            |counts: &mut BTreeMap<u64, usize>| counts.first_key_value().is_some_and(|(fill_epoch, _)| *fill_epoch < epoch);
        let result = self.cohort.ended.wait_timeout_while(counts, patience, older);
        !result.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Retires the rules up to this epoch.
    pub(crate) fn retire(&self, epoch: u64) {
        let _changing = lock(&self.changing);
        let (over, rules): (Vec<_>, Vec<_>) = self.rules.load().iter().cloned().partition(|rule| rule.epoch <= epoch);
        self.close(&over);
        self.rules.store(Arc::new(rules));
        self.invalidated.retire(epoch);
        self.swept.send_replace(epoch);
    }

    /// Remembers how many objects the last rules removed.
    fn close(&self, rules: &[Rule]) {
        let mut over = lock(&self.over);
        over.extend(rules.iter().map(|rule| (rule.epoch, rule.taken.load(Ordering::Relaxed))));
        let beyond = over.len().saturating_sub(limits::cache::PURGES);
        over.drain(..beyond);
    }

    /// How many objects a rule has removed so far. `None` if that has been forgotten.
    pub(crate) fn taken(&self, number: u64) -> Option<u64> {
        let rules = self.rules.load();
        let in_force = rules.iter().find(|rule| rule.epoch == number).map(|rule| rule.taken.load(Ordering::Relaxed));
        in_force.or_else(|| lock(&self.over).iter().find(|(epoch, _)| *epoch == number).map(|(_, taken)| *taken))
    }

    pub(crate) fn pending(&self) -> usize {
        self.rules.load().len()
    }

    pub(crate) fn invalidated(&self) -> usize {
        self.invalidated.len()
    }

    /// Whether there is something to sweep out now.
    pub(crate) fn wants_sweeping(&self) -> bool {
        self.pending() > 0 || self.invalidated.is_crowded()
    }

    pub(crate) fn swept(&self) -> watch::Receiver<u64> {
        self.swept.subscribe()
    }

    pub(crate) fn journal(&self) -> Journal {
        let _changing = lock(&self.changing);
        let rules = self.rules.load();
        let rules = rules.iter().map(|rule| JournalRule { epoch: rule.epoch, purge: rule.purge.clone() }).collect();
        Journal { epoch: self.epoch(), rules, invalidated: self.invalidated.known() }
    }
}

/// How many fills of each epoch are under way.
#[derive(Default)]
struct FillsByEpoch {
    counts: Mutex<BTreeMap<u64, usize>>,
    ended: Condvar,
}

/// Guards work that may store something, and knows the epoch at which it began.
pub(crate) struct EpochGuard {
    epoch: u64,
    cohort: Arc<FillsByEpoch>,
}

impl EpochGuard {
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }
}

impl Drop for EpochGuard {
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

/// Ignores poisoning: what these locks protect is consistent after each statement.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purge_rules_are_bounded_and_a_purge_of_everything_replaces_them() {
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
    fn what_strangers_made_doubtful_leaves_operators_their_room() {
        let purges = Purges::new(Journal::default());
        let meta = crate::cache::tests::meta("/a?b", None);
        let client = IpAddr::from([192, 0, 2, 1]);
        for n in 0..limits::cache::INVALIDATIONS_PER_CLIENT {
            assert!(purges.invalidate(Uri::of("site", "", &format!("/*?{n}")), client).is_some());
        }
        assert!(purges.invalidate(Uri::of("site", "", "/more"), client).is_none());
        assert!(!purges.strike(&meta, 0) && purges.pending() == 0);
        purges.invalidate(Uri::of("site", "", "/a?b"), IpAddr::from([192, 0, 2, 2])).unwrap();
        assert!(purges.strike(&meta, 0));
        for _ in 0..limits::cache::PURGES {
            purges.add(Purge::Tag { site: None, tag: "t".into() }).unwrap();
        }
        // A restart knows both.
        let text = serde_json::to_string(&purges.journal()).unwrap();
        let again = Purges::new(serde_json::from_str(&text).unwrap());
        assert!(again.strike(&meta, 0) && again.pending() == limits::cache::PURGES);
        again.retire(again.epoch());
        assert!(!again.strike(&meta, 0) && again.pending() == 0);
        let older: Journal = serde_json::from_str(r#"{"epoch":3,"rules":[{"epoch":3,"purge":"Everything"}]}"#).unwrap();
        assert!(Purges::new(older).strike(&meta, 2));
    }

    #[test]
    fn a_purge_rule_counts_what_it_removed() {
        let purges = Purges::new(Journal::default());
        let meta = crate::cache::tests::meta("/a", None);
        let first = purges.add(Purge::Path { site: "site".into(), pattern: "/%61".into() }).unwrap();
        let second = purges.add(Purge::Path { site: "site".into(), pattern: "/b".into() }).unwrap();
        assert!(purges.take(&meta, 0) && purges.take(&meta, 0) && !purges.take(&meta, first));
        assert_eq!((purges.taken(first), purges.taken(second), purges.taken(second + 1)), (Some(2), Some(0), None));
        purges.retire(second);
        assert_eq!((purges.taken(first), purges.taken(second)), (Some(2), Some(0)));
    }

    #[test]
    fn a_purge_rule_waits_for_older_fills() {
        let purges = Purges::new(Journal::default());
        let fill_epoch = purges.begin();
        let epoch = purges.add(Purge::Everything).unwrap();
        let younger = purges.begin();
        assert!(!purges.older_work_ended(epoch, Duration::ZERO));
        drop(fill_epoch);
        assert!(purges.older_work_ended(epoch, Duration::ZERO));
        drop(younger);
    }
}
