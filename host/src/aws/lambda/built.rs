//! Which versions are kept built: those that were called last, as far as there is room for what they begin with.
//!
//! Of the others nothing is kept but their records, as of all after a restart: the next call has them built again. A version
//! with provisioned environments stays.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::aws::lambda::deployed::Deployed;
use crate::limits::lambda::{BUILT_BYTES, BUILT_BYTES_EACH};
use crate::telemetry::ApiMetrics;

/// See the module.
pub struct BuiltVersions {
    all: Mutex<Vec<Weak<Deployed>>>,
    metrics: ApiMetrics,
}

struct BuiltVersion<T> {
    version: T,
    called_ms: u64,
    bytes: u64,
    may_go: bool,
}

impl BuiltVersions {
    pub fn new(metrics: ApiMetrics) -> BuiltVersions {
        BuiltVersions { all: Mutex::default(), metrics }
    }

    /// Adds a version that is built, and lets those go for which there is no room.
    pub fn add(&self, built: &Arc<Deployed>) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.iter().any(|version| version.as_ptr() == Arc::as_ptr(built)) {
            all.push(Arc::downgrade(built));
        }
        let mut versions = Vec::with_capacity(all.len());
        all.retain(|version| {
            let Some((version, revision)) = version.upgrade().and_then(|version| Some((version.clone(), version.revision()?)))
            else {
                return false;
            };
            let bytes = revision.snapshot_bytes() + BUILT_BYTES_EACH;
            version.count(|| self.metrics.built(bytes));
            versions.push(BuiltVersion {
                called_ms: version.last_called_ms(),
                bytes,
                may_go: version.provisioned == 0 && !Arc::ptr_eq(&version, built),
                version,
            });
            true
        });
        drop(all);
        // Another thread may let go of the same one.
        let released = surplus(versions, BUILT_BYTES).iter().filter(|version| version.forget()).count();
        self.metrics.released(released);
    }
}

/// Those that were not called for the longest time, so that the others have room.
fn surplus<T>(mut built: Vec<BuiltVersion<T>>, most: u64) -> Vec<T> {
    let mut bytes: u64 = built.iter().map(|version| version.bytes).sum();
    built.sort_unstable_by_key(|version| version.called_ms);
    built.retain(|version| {
        let is_surplus = version.may_go && bytes > most;
        bytes -= if is_surplus { version.bytes } else { 0 };
        is_surplus
    });
    built.into_iter().map(|version| version.version).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_not_called_for_the_longest_time_goes_first() {
        let surplus_of = |most| {
            let built = [("a", 3, 10, true), ("b", 1, 10, false), ("c", 2, 5, true), ("d", 4, 10, true)];
            let built = built.map(|(version, called_ms, bytes, may_go)| BuiltVersion { version, called_ms, bytes, may_go });
            surplus(built.into(), most)
        };
        let none: [&str; 0] = [];
        assert_eq!(surplus_of(35), none, "there is room for all");
        assert_eq!(surplus_of(34), ["c"]);
        assert_eq!(surplus_of(30), ["c"]);
        assert_eq!(surplus_of(29), ["c", "a"]);
        assert_eq!(surplus_of(0), ["c", "a", "d"], "and b stays");
    }
}
