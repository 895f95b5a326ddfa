//! Names lead to functions here, and a function to its versions.
//!
//!     Catalog ── name ──► Function ── alias ──► Alias ── one load per call ──► Revision
//!                            └────── number ──► a version, as long as an alias leads to it
//!
//! Publishing is one pointer swap. Whoever holds an alias has the new revision from its next call on, and nothing else is
//! built anew; a call that runs ends on the revision that it began with. A revision goes, with its instances, when the
//! last alias and the last call have left it. I know nobody who publishes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, Guard};

use crate::function::revision::Revision;

/// The alias that a configuration file publishes to, and whose revision its sites call.
pub const LIVE: &str = "live";

/// All functions of a host, by name. Not on the way of a request, which has aliases.
#[derive(Default)]
pub struct Catalog {
    functions: Mutex<BTreeMap<String, Arc<Function>>>,
}

impl Catalog {
    /// The function of a name; a new one if there is none.
    pub fn function(&self, name: &str) -> Arc<Function> {
        self.lock().entry(name.to_owned()).or_default().clone()
    }

    pub fn get(&self, name: &str) -> Option<Arc<Function>> {
        self.lock().get(name).cloned()
    }

    /// Takes a name away. Who holds an alias of it keeps that.
    pub fn remove(&self, name: &str) {
        let removed = self.lock().remove(name);
        // Its instances are dropped outside of the lock.
        drop(removed);
    }

    /// What the aliases of this name lead to now, in the order of the functions' names.
    pub fn revisions(&self, alias: &str) -> Vec<Arc<Revision>> {
        let functions: Vec<_> = self.lock().values().cloned().collect();
        functions.iter().filter_map(|function| function.alias(alias)).map(|alias| alias.hold()).collect()
    }

    /// A panic elsewhere leaves the names as they were before, or after.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Function>>> {
        self.functions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One name's versions and aliases.
#[derive(Default)]
pub struct Function(Mutex<Published>);

#[derive(Default)]
struct Published {
    /// The number of the latest version; 0 if nothing has been published.
    latest: u64,
    /// Those that an alias leads to.
    versions: BTreeMap<u64, Arc<Revision>>,
    aliases: BTreeMap<String, (u64, Arc<Alias>)>,
}

/// Aliases by the names of their functions.
pub type Aliases = BTreeMap<String, Arc<Alias>>;

/// Where an alias leads. Held by who calls it.
pub struct Alias(ArcSwap<Revision>);

/// There is no such version any more, or yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no version {0}")]
pub struct NoVersion(u64);

impl Alias {
    pub fn new(revision: Arc<Revision>) -> Arc<Alias> {
        Arc::new(Alias(ArcSwap::new(revision)))
    }

    /// The revision of now. A call uses one from its event to its answer, and asks again for the next.
    pub fn revision(&self) -> Guard<Arc<Revision>> {
        self.0.load()
    }

    /// The same, for a call that waits.
    pub fn hold(&self) -> Arc<Revision> {
        self.0.load_full()
    }
}

impl Function {
    pub fn alias(&self, name: &str) -> Option<Arc<Alias>> {
        self.lock().aliases.get(name).map(|(_, alias)| alias.clone())
    }

    /// A new version, to which the alias leads from now on. Its number.
    pub fn publish(&self, alias: &str, revision: Arc<Revision>) -> u64 {
        let (number, gone) = {
            let mut published = self.lock();
            let number = published.add(revision.clone());
            match published.aliases.get_mut(alias) {
                Some((leads_to, alias)) => {
                    *leads_to = number;
                    alias.0.store(revision);
                }
                None => drop(published.aliases.insert(alias.to_owned(), (number, Alias::new(revision)))),
            }
            (number, published.prune())
        };
        // Instances are dropped outside of the lock.
        drop(gone);
        number
    }

    /// A new version, to which an alias leads that was made for it. Who holds the former one of that name stays with its
    /// revision: a caller that must not see the new one, since it was built for what the old one can do.
    pub fn adopt(&self, name: &str, alias: Arc<Alias>) -> u64 {
        let (number, gone) = {
            let mut published = self.lock();
            let number = published.add(alias.hold());
            published.aliases.insert(name.to_owned(), (number, alias));
            (number, published.prune())
        };
        drop(gone);
        number
    }

    /// Lets an alias lead to a version that is there: back to the one before, or on from one alias to the next.
    pub fn point(&self, name: &str, number: u64) -> Result<(), NoVersion> {
        let gone = {
            let mut published = self.lock();
            let revision = published.versions.get(&number).cloned().ok_or(NoVersion(number))?;
            let alias = published.aliases.entry(name.to_owned()).or_insert_with(|| (number, Alias::new(revision.clone())));
            alias.0 = number;
            alias.1.0.store(revision);
            published.prune()
        };
        drop(gone);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Published> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Published {
    fn add(&mut self, revision: Arc<Revision>) -> u64 {
        self.latest += 1;
        self.versions.insert(self.latest, revision);
        self.latest
    }

    /// Takes the versions out that no alias leads to.
    fn prune(&mut self) -> Vec<Arc<Revision>> {
        let aliased: Vec<u64> = self.aliases.values().map(|(number, _)| *number).collect();
        self.versions.extract_if(.., |number, _| !aliased.contains(number)).map(|(_, revision)| revision).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::build::tests::revision;

    #[test]
    fn an_alias_leads_to_what_was_published_last_and_can_be_led_back() {
        let (function, [first, second]) = (Function::default(), [revision(), revision()]);
        assert_eq!(function.publish(LIVE, first.clone()), 1);
        let alias = function.alias(LIVE).unwrap();
        function.point("stable", 1).unwrap();
        assert_eq!(function.publish(LIVE, second.clone()), 2);
        assert!(Arc::ptr_eq(&alias.revision(), &second), "who holds the alias has it");
        assert!(Arc::ptr_eq(&function.alias("stable").unwrap().revision(), &first));
        function.point(LIVE, 1).unwrap();
        assert!(Arc::ptr_eq(&alias.revision(), &first));
        assert_eq!(function.point(LIVE, 2), Err(NoVersion(2)), "nothing has led to it, so it is gone");
        assert_eq!(function.point(LIVE, 9), Err(NoVersion(9)));
    }

    #[test]
    fn a_revision_is_dropped_with_its_last_alias_and_call() {
        let (function, first) = (Function::default(), revision());
        let weak = Arc::downgrade(&first);
        function.publish(LIVE, first);
        let call = function.alias(LIVE).unwrap().hold();
        function.publish(LIVE, revision());
        assert!(weak.upgrade().is_some(), "a call goes on");
        drop(call);
        assert!(weak.upgrade().is_none());
    }

    #[test]
    fn who_holds_an_alias_that_was_replaced_stays_with_its_revision() {
        let (function, [first, second]) = (Function::default(), [revision(), revision()]);
        function.publish(LIVE, first.clone());
        let held = function.alias(LIVE).unwrap();
        assert_eq!(function.adopt(LIVE, Alias::new(second.clone())), 2);
        assert!(Arc::ptr_eq(&held.revision(), &first));
        assert!(Arc::ptr_eq(&function.alias(LIVE).unwrap().revision(), &second));
    }

    #[test]
    fn a_removed_name_leads_to_no_function() {
        let catalog = Catalog::default();
        catalog.function("f").publish(LIVE, revision());
        let alias = catalog.get("f").unwrap().alias(LIVE).unwrap();
        assert_eq!((catalog.revisions(LIVE).len(), catalog.revisions("other").len()), (1, 0));
        catalog.remove("f");
        assert!(catalog.get("f").is_none() && catalog.revisions(LIVE).is_empty());
        assert_eq!(alias.revision().name(), "counter", "who has it keeps it");
    }
}
