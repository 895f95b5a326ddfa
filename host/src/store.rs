//! I am the only room that knows the database: durable records by key, and the bytes of code beside them.
//!
//! One file of redb holds every record. A change is a transaction: it is on disk, whole, before `change` returns, or nothing
//! of it is, whatever ends the process. Code is kept in files named after its digest (`blobs`), which are complete before a
//! record names them. What waits to be done is in a file of its own (`backlog`).
//!
//! Records are JSON, so that an older program reads what a newer one has added, and a person reads both. I know nobody who
//! calls.

mod backlog;
mod blobs;
mod walk;

use std::ops::Bound;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::limits::kept::CACHE_BYTES;
pub use backlog::{Backlog, Due, LineChange, LineEntry, LinePlace, LineTotal, WantedEntries};
pub use blobs::{BlobDigest, Blobs};
pub use walk::KeyRange;

const FILE: &str = "edgeward.redb";

/// What kinds of records there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collection {
    /// By name.
    Functions,
    /// By the name of the function and their number.
    Versions,
    /// By name and number.
    Layers,
    /// The last number of each layer, which outlives its versions.
    LayerNumbers,
    /// Roles, users and policies, by kind and name.
    Iam,
    /// Secrets, by name.
    Secrets,
    /// Parameters, by name.
    Parameters,
    /// Buses of events, by name.
    EventBuses,
    /// Rules for events, by the names of their bus and their own.
    EventRules,
    /// The last tick of each rule's schedule, by the rule.
    EventTicks,
    /// Tables, by name.
    Tables,
    /// Of tables, by the table's id and the key.
    Items,
}

impl Collection {
    const ALL: [Collection; 12] = [
        Collection::Functions,
        Collection::Versions,
        Collection::Layers,
        Collection::LayerNumbers,
        Collection::Iam,
        Collection::Secrets,
        Collection::Parameters,
        Collection::EventBuses,
        Collection::EventRules,
        Collection::EventTicks,
        Collection::Tables,
        Collection::Items,
    ];

    fn table(self) -> TableDefinition<'static, &'static str, &'static [u8]> {
        TableDefinition::new(match self {
            Collection::Functions => "functions",
            Collection::Versions => "versions",
            Collection::Layers => "layers",
            Collection::LayerNumbers => "layer-numbers",
            Collection::Iam => "iam",
            Collection::Secrets => "secrets",
            Collection::Parameters => "parameters",
            Collection::EventBuses => "event-buses",
            Collection::EventRules => "event-rules",
            Collection::EventTicks => "event-ticks",
            Collection::Tables => "tables",
            Collection::Items => "items",
        })
    }
}

/// Why a record could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// By this process or another one: a store has one.
    #[error("{0} is in use by another process")]
    InUse(String),
    #[error("the store: {0}")]
    Database(#[from] Box<redb::Error>),
    #[error("the record `{key}` in the store: {error}")]
    Record { key: String, error: serde_json::Error },
    #[error("the files of the store: {0}")]
    Io(#[from] std::io::Error),
}

/// See the module.
pub struct Store {
    database: Database,
    blobs: Blobs,
}

impl Store {
    /// Opens the store of a data folder, which is made where there is none. Blocks.
    pub fn open(data_dir: &Path) -> Result<Store, StoreError> {
        let file = private(data_dir, FILE)?;
        let database = redb::Builder::new().set_cache_size(CACHE_BYTES).create(&file).map_err(|error| match error {
            redb::DatabaseError::DatabaseAlreadyOpen => StoreError::InUse(file.display().to_string()),
            other => boxed(other),
        })?;
        let store = Store { database, blobs: Blobs::at(data_dir.join("code")) };
        // Readers find every table.
        store.change(|change| Collection::ALL.into_iter().try_for_each(|collection| change.create(collection)))?;
        Ok(store)
    }

    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// Makes a change: all of it, on disk, or nothing. Blocks for a write to disk.
    pub fn change<T, E: From<StoreError>>(&self, work: impl FnOnce(&Change) -> Result<T, E>) -> Result<T, E> {
        let mut transaction = self.database.begin_write().map_err(boxed)?;
        // A process that is killed is opened again at once, however many items there are: else the whole file is read.
        transaction.set_quick_repair(true);
        let change = Change(transaction);
        // Dropped, a transaction leaves nothing.
        let done = work(&change)?;
        change.0.commit().map_err(boxed)?;
        Ok(done)
    }

    /// The record of a key.
    pub fn record<T: DeserializeOwned>(&self, collection: Collection, key: &str) -> Result<Option<T>, StoreError> {
        let reading = self.database.begin_read().map_err(boxed)?;
        let table = reading.open_table(collection.table()).map_err(boxed)?;
        table.get(key).map_err(boxed)?.map(|record| read(key, record.value())).transpose()
    }

    /// All records of a collection whose keys begin with `prefix`, in the order of the keys.
    pub fn records<T: DeserializeOwned>(&self, collection: Collection, prefix: &str) -> Result<Vec<(String, T)>, StoreError> {
        let reading = self.database.begin_read().map_err(boxed)?;
        let table = reading.open_table(collection.table()).map_err(boxed)?;
        let mut records = Vec::new();
        for entry in table.range::<&str>((Bound::Included(prefix), Bound::Unbounded)).map_err(boxed)? {
            let (key, record) = entry.map_err(boxed)?;
            if !key.value().starts_with(prefix) {
                break;
            }
            records.push((key.value().to_owned(), read(key.value(), record.value())?));
        }
        Ok(records)
    }
}

/// A change that is being made.
pub struct Change(redb::WriteTransaction);

impl Change {
    fn create(&self, collection: Collection) -> Result<(), StoreError> {
        self.0.open_table(collection.table()).map(drop).map_err(boxed)
    }

    /// The record of a key, as this change has left it.
    pub fn record<T: DeserializeOwned>(&self, collection: Collection, key: &str) -> Result<Option<T>, StoreError> {
        let table = self.0.open_table(collection.table()).map_err(boxed)?;
        let record = table.get(key).map_err(boxed)?;
        record.map(|record| read(key, record.value())).transpose()
    }

    /// Writes a record, in the place of the one that may be there.
    pub fn put(&self, collection: Collection, key: &str, record: &impl Serialize) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(record).map_err(|error| StoreError::Record { key: key.to_owned(), error })?;
        let mut table = self.0.open_table(collection.table()).map_err(boxed)?;
        table.insert(key, bytes.as_slice()).map(drop).map_err(boxed)
    }

    /// Removes a record, if it is there.
    pub fn remove(&self, collection: Collection, key: &str) -> Result<(), StoreError> {
        let mut table = self.0.open_table(collection.table()).map_err(boxed)?;
        table.remove(key).map(drop).map_err(boxed)
    }
}

/// A file of the data folder that nobody else may read: it holds secrets. Made where there is none.
fn private(data_dir: &Path, name: &str) -> Result<PathBuf, StoreError> {
    std::fs::create_dir_all(data_dir)?;
    let file = data_dir.join(name);
    let mut options = std::fs::OpenOptions::new();
    options.create(true).read(true).write(true).truncate(false).mode(0o600).open(&file)?;
    Ok(file)
}

fn read<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| StoreError::Record { key: key.to_owned(), error })
}

fn boxed(error: impl Into<redb::Error>) -> StoreError {
    StoreError::Database(Box::new(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_there_after_a_restart_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        store
            .change(|change| {
                change.put(Collection::Functions, "a", &1)?;
                change.put(Collection::Functions, "ab", &2)?;
                change.put(Collection::Versions, "a", &3)
            })
            .unwrap();
        let failed: Result<(), StoreError> = store.change(|change| {
            change.remove(Collection::Functions, "a")?;
            Err(StoreError::InUse("a reason".to_owned()))
        });
        assert!(failed.is_err());
        assert!(matches!(Store::open(folder.path()), Err(StoreError::InUse(_))));
        drop(store);
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.record::<u8>(Collection::Functions, "a").unwrap(), Some(1));
        assert_eq!(store.record::<u8>(Collection::Functions, "b").unwrap(), None);
        let records: Vec<(String, u8)> = store.records(Collection::Functions, "a").unwrap();
        assert_eq!(records, [("a".to_owned(), 1), ("ab".to_owned(), 2)]);
        store.change(|change| change.remove(Collection::Functions, "a")).unwrap();
        assert_eq!(store.records::<u8>(Collection::Functions, "").unwrap().len(), 1);
    }

    #[test]
    fn nobody_else_may_read_the_records() {
        use std::os::unix::fs::MetadataExt as _;
        let folder = tempfile::tempdir().unwrap();
        drop(Store::open(folder.path()).unwrap());
        assert_eq!(std::fs::metadata(folder.path().join(FILE)).unwrap().mode() & 0o777, 0o600);
    }
}
