//! Records between two keys, in either direction, and several at once.
//!
//! A walk sees the records as they were when it began, whatever is written meanwhile.

use std::ops::{Bound, ControlFlow};

use redb::{ReadableDatabase as _, ReadableTable as _};
use serde::de::DeserializeOwned;

use super::{Change, Collection, Store, StoreError, boxed, read};

/// Which records are walked, and from which end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    pub from: Bound<String>,
    pub to: Bound<String>,
    pub backwards: bool,
}

impl KeyRange {
    /// Whether no key can be in it. The database refuses to be asked for such a range.
    fn is_empty(&self) -> bool {
        match (&self.from, &self.to) {
            (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
            (Bound::Included(from), Bound::Included(to)) => from > to,
            (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => from >= to,
        }
    }

    pub fn contains(&self, key: &str) -> bool {
        std::ops::RangeBounds::<str>::contains(&self.bounds(), key)
    }

    /// Leaves out everything up to a key, in the direction of the walk.
    pub fn start_behind(&mut self, key: String) {
        *(if self.backwards { &mut self.to } else { &mut self.from }) = Bound::Excluded(key);
    }

    fn bounds(&self) -> (Bound<&str>, Bound<&str>) {
        (self.from.as_ref().map(String::as_str), self.to.as_ref().map(String::as_str))
    }
}

impl Store {
    /// Shows the records of a range one after another, until `visit` breaks. Blocks.
    pub fn walk<T: DeserializeOwned>(
        &self,
        collection: Collection,
        range: &KeyRange,
        mut visit: impl FnMut(&str, T) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        if range.is_empty() {
            return Ok(());
        }
        let reading = self.database.begin_read().map_err(boxed)?;
        let table = reading.open_table(collection.table()).map_err(boxed)?;
        let mut entries = table.range::<&str>(range.bounds()).map_err(boxed)?;
        while let Some(entry) = if range.backwards { entries.next_back() } else { entries.next() } {
            let (key, record) = entry.map_err(boxed)?;
            if visit(key.value(), read(key.value(), record.value())?).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The records of several keys, all as of one moment, in the order of the keys.
    pub fn several<T: DeserializeOwned>(&self, collection: Collection, keys: &[&str]) -> Result<Vec<Option<T>>, StoreError> {
        let reading = self.database.begin_read().map_err(boxed)?;
        let table = reading.open_table(collection.table()).map_err(boxed)?;
        let one = |key: &&str| table.get(*key).map_err(boxed)?.map(|record| read(key, record.value())).transpose();
        keys.iter().map(one).collect()
    }

    /// The first key at or behind `from`, without its record.
    pub fn first_key(&self, collection: Collection, from: &str) -> Result<Option<String>, StoreError> {
        let reading = self.database.begin_read().map_err(boxed)?;
        let table = reading.open_table(collection.table()).map_err(boxed)?;
        let mut entries = table.range::<&str>(from..).map_err(boxed)?;
        let first = entries.next().transpose().map_err(boxed)?;
        Ok(first.map(|(key, _)| key.value().to_owned()))
    }
}

impl Change {
    /// Removes up to `most` records whose keys begin with `prefix`. Returns how many there were.
    pub fn remove_some(&self, collection: Collection, prefix: &str, most: usize) -> Result<usize, StoreError> {
        let mut table = self.0.open_table(collection.table()).map_err(boxed)?;
        let mut keys = Vec::new();
        for entry in table.range::<&str>(prefix..).map_err(boxed)?.take(most) {
            let (key, _) = entry.map_err(boxed)?;
            if !key.value().starts_with(prefix) {
                break;
            }
            keys.push(key.value().to_owned());
        }
        for key in &keys {
            table.remove(key.as_str()).map_err(boxed)?;
        }
        Ok(keys.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_walked_in_both_directions_and_left_early() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let put = |change: &Change| ["a", "b", "c", "d"].iter().try_for_each(|key| change.put(Collection::Items, key, key));
        store.change::<_, StoreError>(put).unwrap();
        let walked = |from: Bound<&str>, to: Bound<&str>, backwards: bool, most: usize| {
            let range = KeyRange { from: from.map(str::to_owned), to: to.map(str::to_owned), backwards };
            let mut keys = String::new();
            let visit = |key: &str, record: String| {
                assert_eq!(key, record);
                keys.push_str(key);
                if keys.len() == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            store.walk(Collection::Items, &range, visit).unwrap();
            keys
        };
        assert_eq!(walked(Bound::Unbounded, Bound::Unbounded, false, 9), "abcd");
        assert_eq!(walked(Bound::Excluded("a"), Bound::Included("c"), false, 9), "bc");
        assert_eq!(walked(Bound::Included("b"), Bound::Unbounded, true, 2), "dc");
        assert_eq!(walked(Bound::Excluded("b"), Bound::Excluded("b"), false, 9), "");
        assert_eq!(walked(Bound::Included("c"), Bound::Excluded("a"), true, 9), "");
        let several: Vec<Option<String>> = store.several(Collection::Items, &["d", "x", "a"]).unwrap();
        assert_eq!(several, [Some("d".to_owned()), None, Some("a".to_owned())]);
        assert_eq!(store.first_key(Collection::Items, "bb").unwrap().as_deref(), Some("c"));
        let removed = |prefix, most| store.change::<_, StoreError>(|change| change.remove_some(Collection::Items, prefix, most));
        assert_eq!(removed("b", 9).unwrap(), 1);
        assert_eq!(removed("", 2).unwrap(), 2);
        assert_eq!(store.first_key(Collection::Items, "").unwrap().as_deref(), Some("d"));
    }
}
