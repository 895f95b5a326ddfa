//! Names lead to revisions here.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::function::revision::Revision;

/// The revisions of one configuration, by function name. Immutable.
#[derive(Clone, Default)]
pub struct Revisions {
    by_name: BTreeMap<String, Arc<Revision>>,
}

impl Revisions {
    pub fn get(&self, name: &str) -> Option<&Arc<Revision>> {
        self.by_name.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<Revision>)> {
        self.by_name.iter().map(|(name, revision)| (name.as_str(), revision))
    }
}

impl FromIterator<(String, Arc<Revision>)> for Revisions {
    fn from_iter<I: IntoIterator<Item = (String, Arc<Revision>)>>(revisions: I) -> Revisions {
        Revisions { by_name: revisions.into_iter().collect() }
    }
}
