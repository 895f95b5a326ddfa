//! Removes what nobody sees any more: items that have expired, items of tables that were deleted, tokens that were forgotten.
//!
//! A thread of its own does it: at the start, when a table is deleted, and every few minutes. A few hundred items are one
//! transaction, so that writers do not wait for long.

use std::io;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use crate::aws::dynamodb::key::{behind_table, table_items, table_of};
use crate::aws::dynamodb::state::{TableState, is_expired, kept_item, replace_item, token_key};
use crate::aws::dynamodb::table::TableRecord;
use crate::aws::dynamodb::transact::UsedToken;
use crate::aws::dynamodb::wire::KeptItem;
use crate::aws::error::ApiError;
use crate::limits::dynamodb::{SWEEP_ITEMS, SWEEP_S, TOKEN_MS};
use crate::store::{Collection, KeyRange, StoreError};

/// The thread. Dropped, it ends when what it is at is done.
pub struct Sweeper {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sweeper {
    /// # Errors
    /// No thread could be had.
    pub fn start(state: Arc<TableState>) -> io::Result<Sweeper> {
        let (wake, woken) = sync_channel(1);
        let work = move || {
            loop {
                let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                let now_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
                if let Err(error) = sweep(&state, now_ms) {
                    tracing::warn!("what has expired in tables was not removed, which is tried again: {error}");
                }
                match woken.recv_timeout(Duration::from_secs(SWEEP_S)) {
                    Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        };
        let thread = thread::Builder::new().name("edgeward-tables".to_owned()).spawn(work)?;
        Ok(Sweeper { wake: Some(wake), thread: Some(thread) })
    }

    /// There is something to be removed.
    pub fn wake(&self) {
        // One call is as good as two.
        let _ = self.wake.as_ref().map(|wake| wake.try_send(()));
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        drop(self.wake.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Removes all that is to be removed now. Blocks for the disk.
pub fn sweep(state: &TableState, now_ms: u64) -> Result<(), ApiError> {
    sweep_leftovers(state)?;
    let tables = state.cabinet.all();
    // What cannot be done in one table keeps no other from it.
    let failed =
        tables.iter().filter(|table| table.expiry.is_some()).filter_map(|table| sweep_expired(state, table, now_ms).err());
    let failed: Vec<ApiError> = failed.collect();
    sweep_tokens(state, now_ms)?;
    failed.into_iter().next().map_or(Ok(()), Err)
}

/// Items whose table is gone.
fn sweep_leftovers(state: &TableState) -> Result<(), StoreError> {
    let mut from = String::new();
    while let Some(place) = state.store.first_key(Collection::Items, &from)? {
        let id = table_of(&place).to_owned();
        // A table is among those in memory before it has an item: looked for afterwards, it is there unless it is gone.
        if state.cabinet.all().iter().all(|table| table.id != id) {
            let prefix = format!("{id}:");
            while state.store.change(|change| change.remove_some(Collection::Items, &prefix, SWEEP_ITEMS))? == SWEEP_ITEMS {}
        }
        from = behind_table(&id);
    }
    Ok(())
}

fn sweep_expired(state: &TableState, table: &TableRecord, now_ms: u64) -> Result<(), ApiError> {
    let (mut from, to) = table_items(&table.id);
    loop {
        let mut expired = Vec::new();
        let range = KeyRange { from: from.clone(), to: to.clone(), backwards: false };
        state.store.walk(Collection::Items, &range, |place, KeptItem(item)| {
            if is_expired(table, &item, now_ms) {
                expired.push(place.to_owned());
            }
            if expired.len() == SWEEP_ITEMS { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        let Some(last) = expired.last().cloned() else { return Ok(()) };
        state.store.change(|change| {
            expired.iter().try_for_each(|place| {
                // It may have been written since, or the table may expire nothing any more.
                let kept = kept_item(change, place)?;
                let is_due = state.cabinet.find(&table.name).is_some_and(|now| *now == *table);
                match kept.filter(|item| is_due && is_expired(table, item, now_ms)) {
                    Some(item) => replace_item(change, table, place, Some(&item), None),
                    None => Ok(()),
                }
            })
        })?;
        from = Bound::Excluded(last);
    }
}

fn sweep_tokens(state: &TableState, now_ms: u64) -> Result<(), StoreError> {
    let prefix = token_key("");
    let tokens = state.store.records::<UsedToken>(Collection::Tables, &prefix)?;
    let old: Vec<String> =
        tokens.into_iter().filter(|(_, token)| token.used_ms.saturating_add(TOKEN_MS) <= now_ms).map(|(key, _)| key).collect();
    old.chunks(SWEEP_ITEMS).try_for_each(|some| {
        state.store.change(|change| {
            some.iter().try_for_each(|key| {
                // It may have been used again since.
                let used: Option<UsedToken> = change.record(Collection::Tables, key)?;
                if used.is_some_and(|used| used.used_ms.saturating_add(TOKEN_MS) <= now_ms) {
                    change.remove(Collection::Tables, key)?;
                }
                Ok(())
            })
        })
    })
}
