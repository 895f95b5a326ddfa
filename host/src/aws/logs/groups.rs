//! All log groups: where each is, and that they have no more than their share of the disk.
//!
//!     DATA_DIR/logs/in-use                     locked while a process has the folder
//!     DATA_DIR/logs/<32 hex digits>/group.json what the group is called, its retention and tags
//!     DATA_DIR/logs/<32 hex digits>/NNNNNNNN.log
//!
//! A folder without `group.json` was not made or not removed to its end, and is removed at opening. Nothing of a segment is
//! synced: its bytes are the kernel's once a write returns, so that they survive the process but not a loss of power.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::account::Account;
use crate::aws::logs::entry::LogEntry;
use crate::aws::logs::group::{GroupRecord, GroupState, LogBounds};
use crate::limits::logs::GROUPS;

/// A log group.
pub struct LogGroup {
    pub name: Arc<str>,
    state: Mutex<GroupState>,
}

impl LogGroup {
    pub fn state(&self) -> MutexGuard<'_, GroupState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of creating a group.
pub enum NewGroup {
    Made(Arc<LogGroup>),
    /// It was there before.
    Known(Arc<LogGroup>),
    /// There are as many as there may be.
    TooMany,
}

/// See the module.
pub struct Groups {
    pub account: Account,
    folder: PathBuf,
    bounds: LogBounds,
    total: Arc<AtomicU64>,
    by_name: RwLock<BTreeMap<Arc<str>, Arc<LogGroup>>>,
    _in_use: File,
}

impl Groups {
    /// Opens the folder of a data folder. Blocks.
    ///
    /// # Errors
    /// Those of the disk, and that another process has it.
    pub fn open(data_dir: &Path, account: Account, bounds: LogBounds) -> io::Result<Groups> {
        let folder = data_dir.join("logs");
        fs::create_dir_all(&folder)?;
        let in_use = File::create(folder.join("in-use"))?;
        in_use.try_lock().map_err(|error| match error {
            TryLockError::Error(error) => error,
            TryLockError::WouldBlock => io::Error::other(format!("{} is in use by another process", folder.display())),
        })?;
        let total = Arc::new(AtomicU64::new(0));
        let mut by_name = BTreeMap::new();
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if !path.is_dir() {
                continue;
            }
            match GroupState::open(path.clone(), bounds, total.clone()) {
                Ok(Some(state)) => {
                    let name: Arc<str> = state.record.name.as_str().into();
                    by_name.insert(name.clone(), Arc::new(LogGroup { name, state: Mutex::new(state) }));
                }
                Ok(None) => fs::remove_dir_all(&path)?,
                Err(error) => tracing::error!("the log group in {} cannot be read: {error}", path.display()),
            }
        }
        Ok(Groups { account, folder, bounds, total, by_name: RwLock::new(by_name), _in_use: in_use })
    }

    pub fn find(&self, name: &str) -> Option<Arc<LogGroup>> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Creates a group, unless it is there.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn create(&self, record: GroupRecord) -> io::Result<NewGroup> {
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = by_name.get(record.name.as_str()) {
            return Ok(NewGroup::Known(group.clone()));
        }
        if by_name.len() >= GROUPS {
            return Ok(NewGroup::TooMany);
        }
        let name: Arc<str> = record.name.as_str().into();
        let folder = self.folder.join(uuid::Uuid::new_v4().simple().to_string());
        let state = GroupState::create(folder, record, self.bounds, self.total.clone())?;
        let group = Arc::new(LogGroup { name: name.clone(), state: Mutex::new(state) });
        by_name.insert(name, group.clone());
        Ok(NewGroup::Made(group))
    }

    /// Deletes a group with its events. Whether it was there.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn delete(&self, name: &str) -> io::Result<bool> {
        let removed = self.by_name.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        match removed {
            Some(group) => group.state().delete().map(|()| true),
            None => Ok(false),
        }
    }

    /// The groups after a name, in the order of names, that `wanted` takes; at most `count`.
    pub fn list(&self, after: &str, count: usize, wanted: impl Fn(&str) -> bool) -> Vec<Arc<LogGroup>> {
        let by_name = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        let later = by_name.range::<str, _>((Bound::Excluded(after), Bound::Unbounded));
        later.filter(|(name, _)| wanted(name)).take(count).map(|(_, group)| group.clone()).collect()
    }

    /// Writes to a group what a request or a function says.
    ///
    /// # Errors
    /// Those of the disk; nothing is written then. `NotFound` if the group was deleted.
    pub fn write(&self, group: &LogGroup, entries: &[LogEntry<'_>]) -> io::Result<()> {
        let mut state = group.state();
        if state.gone {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.write(entries)?;
        drop(state);
        self.keep_within_total(entries.last().map_or(0, |entry| entry.ingestion_ms));
        Ok(())
    }

    /// Removes events whose retention is over.
    pub fn expire(&self, now_ms: u64) {
        for group in self.all() {
            if let Err(error) = group.state().expire(now_ms) {
                tracing::error!("old events of the log group {} cannot be removed: {error}", group.name);
            }
        }
    }

    /// Bytes of the events of all groups.
    pub fn bytes(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    fn all(&self) -> Vec<Arc<LogGroup>> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Removes what was written longest ago, if all groups have too much. Looks at all of them, so that it removes a twentieth.
    fn keep_within_total(&self, now_ms: u64) {
        if self.bytes() <= self.bounds.total {
            return;
        }
        let mut segments = Vec::new();
        for group in self.all() {
            segments.extend(group.state().segments().map(|segment| (segment.written_ms, segment.number, group.clone())));
        }
        segments.sort_unstable_by_key(|(written_ms, number, _)| (*written_ms, *number));
        for (_, number, group) in segments {
            if self.bytes() <= self.bounds.total_low {
                return;
            }
            let mut state = group.state();
            if !state.gone
                && let Err(error) = state.remove_up_to(number, now_ms)
            {
                tracing::error!("old events of the log group {} cannot be removed: {error}", group.name);
            }
        }
    }
}
