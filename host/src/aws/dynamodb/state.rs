//! All tables: their records in memory and on disk, their items on disk.
//!
//! A write reads, decides and writes in one transaction, of which there is one at a time: two callers who want to be the first
//! are told so by what the other has written.

use std::sync::Arc;

use crate::account::Account;
use crate::aws::constraints::Constraints;
use crate::aws::dynamodb::attribute::{AttributeMap, ItemValue, size};
use crate::aws::dynamodb::refusals;
use crate::aws::dynamodb::table::{TableRecord, TableTally, arn};
use crate::aws::dynamodb::wire::KeptItem;
use crate::aws::error::ApiError;
use crate::aws::kept::{Cabinet, value_key};
use crate::limits::dynamodb::{EXPIRED_S_MAX, TABLE_ID_CHARS, TABLE_NAME_CHARS};
use crate::store::{Change, Collection, Store, StoreError};

/// See the module.
pub struct TableState {
    pub store: Arc<Store>,
    pub cabinet: Cabinet<TableRecord>,
    pub account: Account,
}

impl TableState {
    /// Reads what there is of each table. Blocks.
    pub fn open(store: Arc<Store>, account: Account) -> Result<TableState, StoreError> {
        let cabinet = Cabinet::open(store.clone(), Collection::Tables)?;
        Ok(TableState { store, cabinet, account })
    }

    /// The name in a request, which may be an ARN.
    pub fn name_of<'a>(&self, id: &'a str) -> &'a str {
        id.strip_prefix(arn(&self.account, "").as_str()).unwrap_or(id)
    }

    /// A request's `TableName`, checked.
    pub fn named<'a>(&self, id: Option<&'a str>) -> Result<&'a str, ApiError> {
        let mut constraints = Constraints::default();
        let id = constraints.required("tableName", id).unwrap_or_default();
        let name = self.name_of(id);
        if id.len() > TABLE_ID_CHARS {
            constraints.length("tableName", id, 1..=TABLE_ID_CHARS);
        } else if !id.is_empty() || !name.is_empty() {
            constraints.length("tableName", name, TABLE_NAME_CHARS);
            constraints.pattern("tableName", name, "[a-zA-Z0-9_.-]+", is_table_name);
        }
        constraints.finish()?;
        if name.is_empty() {
            let message = "The parameter 'TableName' is required but was not present in the request";
            return Err(refusals::invalid(message));
        }
        Ok(name)
    }

    /// The table of a request that reads or writes items.
    pub fn found(&self, id: Option<&str>) -> Result<Arc<TableRecord>, ApiError> {
        self.cabinet.find(self.named(id)?).ok_or_else(refusals::no_resource)
    }

    /// How many items a table has.
    pub fn tally(&self, table: &TableRecord) -> Result<TableTally, StoreError> {
        Ok(self.cabinet.value(&table.name, &table.id)?.unwrap_or_default())
    }

    /// The item at a place, unless it has expired.
    pub fn item(&self, table: &TableRecord, place: &str, now_ms: u64) -> Result<Option<AttributeMap>, StoreError> {
        let kept: Option<KeptItem> = self.store.record(Collection::Items, place)?;
        Ok(kept.map(|kept| kept.0).filter(|item| !is_expired(table, item, now_ms)))
    }
}

fn is_table_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// Whether an item has expired. From then on nobody sees it, and conditions are decided as if it were not there.
pub fn is_expired(table: &TableRecord, item: &AttributeMap, now_ms: u64) -> bool {
    let Some(ItemValue::N(number)) = table.expiry.as_ref().and_then(|name| item.get(name)) else { return false };
    let now_s = now_ms / 1_000;
    number.seconds().is_some_and(|expiry_s| expiry_s <= now_s && now_s - expiry_s <= EXPIRED_S_MAX)
}

/// The item at a place as a change has left it, expired or not.
pub fn kept_item(change: &Change, place: &str) -> Result<Option<AttributeMap>, StoreError> {
    let kept: Option<KeptItem> = change.record(Collection::Items, place)?;
    Ok(kept.map(|kept| kept.0))
}

/// Puts `new` in the place of `kept`, which is what was there, and counts.
///
/// # Errors
/// The table is gone.
pub fn replace_item(
    change: &Change,
    table: &TableRecord,
    place: &str,
    kept: Option<&AttributeMap>,
    new: Option<&AttributeMap>,
) -> Result<(), ApiError> {
    if kept.is_none() && new.is_none() {
        return Ok(());
    }
    // It comes and goes with its table, which may have been deleted since it was found.
    let key = value_key(&table.name, &table.id);
    let before: TableTally = change.record(Collection::Tables, &key)?.ok_or_else(refusals::no_resource)?;
    match new {
        Some(item) => change.put(Collection::Items, place, item)?,
        None => change.remove(Collection::Items, place)?,
    }
    let count = |item: Option<&AttributeMap>| (u64::from(item.is_some()), item.map_or(0, size) as u64);
    let (gone, come) = (count(kept), count(new));
    let tally = TableTally {
        items: (before.items + come.0).saturating_sub(gone.0),
        bytes: (before.bytes + come.1).saturating_sub(gone.1),
    };
    Ok(change.put(Collection::Tables, &key, &tally)?)
}

/// Where it is remembered that a token was used, beside the tables.
pub fn token_key(token: &str) -> String {
    format!("token:{token}")
}
