//! BatchGetItem and BatchWriteItem.
//!
//! A batch is written in one transaction: AWS may leave a part of it undone, and tells which.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::aws::constraints::Constraints;
use crate::aws::dynamodb::attribute::size;
use crate::aws::dynamodb::expression::projection::projected;
use crate::aws::dynamodb::input::{capacities, check_capacity, input, read_units, set, told, write_units};
use crate::aws::dynamodb::planned::PlannedWrite;
use crate::aws::dynamodb::read::ItemsInput;
use crate::aws::dynamodb::refusals::{invalid, wrong_type};
use crate::aws::dynamodb::state::{TableState, is_expired};
use crate::aws::dynamodb::wire::{KeptItem, attribute_map};
use crate::aws::error::ApiError;
use crate::aws::kept::now_ms;
use crate::aws::request::ApiRequest;
use crate::limits::dynamodb::{BATCH_GET, BATCH_GET_BYTES, BATCH_WRITE};
use crate::store::Collection;

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ItemBatchInput {
    request_items: Option<Map<String, Value>>,
    return_consumed_capacity: Option<String>,
}

impl ItemBatchInput {
    /// What is asked of each table.
    fn tables(&self) -> Result<&Map<String, Value>, ApiError> {
        let mut constraints = Constraints::default();
        check_capacity(&mut constraints, self.return_consumed_capacity.as_deref());
        let tables = constraints.required("requestItems", self.request_items.as_ref());
        if let Some(tables) = tables
            && tables.is_empty()
        {
            constraints.fail("requestItems", &"{}", "have length greater than or equal to 1");
        }
        constraints.finish()?;
        tables.ok_or_else(|| invalid("RequestItems is required"))
    }
}

fn elements<'a>(value: &'a Value, place: &str) -> Result<&'a [Value], ApiError> {
    let list = value.as_array().ok_or_else(|| wrong_type("Unexpected field type"))?;
    if list.is_empty() {
        let mut constraints = Constraints::default();
        constraints.fail(place, &"[]", "have length greater than or equal to 1");
        constraints.finish()?;
    }
    Ok(list)
}

/// `BatchGetItem`
pub fn get(state: &TableState, request: &ApiRequest) -> Result<Value, ApiError> {
    let input: ItemBatchInput = input(request)?;
    let tables = input.tables()?;
    let asked: usize = tables.values().filter_map(|asked| asked["Keys"].as_array()).map(Vec::len).sum();
    if asked > BATCH_GET {
        return Err(invalid("Too many items requested for the BatchGetItem call"));
    }
    let (mut responses, mut unprocessed, mut units) = (Map::new(), Map::new(), BTreeMap::new());
    let mut bytes = 0;
    for (id, asked) in tables {
        let options: ItemsInput = serde_json::from_value(asked.clone()).map_err(|_| wrong_type("Unexpected field type"))?;
        options.check("BatchGetItem")?;
        let projection = options.only_projection()?;
        let table = state.found(Some(id))?;
        let keys = elements(&asked["Keys"], &format!("requestItems.{id}.member.keys"))?;
        let place = |key| table.schema.place_of_key(&table.id, &attribute_map(key)?);
        let places = keys.iter().map(place).collect::<Result<Vec<_>, ApiError>>()?;
        if places.iter().collect::<BTreeSet<_>>().len() < places.len() {
            return Err(invalid("Provided list of item keys contains duplicates"));
        }
        let places: Vec<&str> = places.iter().map(String::as_str).collect();
        let kept: Vec<Option<KeptItem>> = state.store.several(Collection::Items, &places)?;
        let (mut items, mut left, mut used) = (Vec::new(), Vec::new(), 0.0);
        for (kept, key) in kept.into_iter().zip(keys) {
            let item = kept.map(|kept| kept.0).filter(|item| !is_expired(&table, item, now_ms(request)));
            let size = item.as_ref().map_or(0, size);
            if bytes + size > BATCH_GET_BYTES {
                left.push(key.clone());
                continue;
            }
            bytes += size;
            used += read_units(size, options.consistent_read.unwrap_or(false));
            if let Some(item) = item {
                items.push(told(&projected(projection.as_ref(), item))?);
            }
        }
        if !left.is_empty() {
            let mut rest = asked.clone();
            rest["Keys"] = left.into();
            unprocessed.insert(id.clone(), rest);
        }
        responses.insert(id.clone(), items.into());
        units.insert(table.name.clone(), used);
    }
    let mut answer = json!({"Responses": responses, "UnprocessedKeys": unprocessed});
    set(&mut answer, "ConsumedCapacity", capacities(input.return_consumed_capacity.as_deref(), &units));
    Ok(answer)
}

/// `BatchWriteItem`
pub fn write(state: &TableState, request: &ApiRequest) -> Result<Value, ApiError> {
    let input: ItemBatchInput = input(request)?;
    let tables = input.tables()?;
    let mut planned = Vec::new();
    for (id, asked) in tables {
        for one in elements(asked, &format!("requestItems.{id}.member"))? {
            if planned.len() == BATCH_WRITE {
                return Err(invalid("Too many items requested for the BatchWriteItem call"));
            }
            let table = state.found(Some(id))?;
            planned.push(match (&one["PutRequest"]["Item"], &one["DeleteRequest"]["Key"]) {
                (item @ Value::Object(_), Value::Null) => PlannedWrite::put_plain(table, item)?,
                (Value::Null, key @ Value::Object(_)) => PlannedWrite::delete_plain(table, key)?,
                _ => {
                    let message =
                        "Supplied WriteRequest must have exactly one of PutRequest and DeleteRequest, with its item or key";
                    return Err(invalid(message));
                }
            });
        }
    }
    let places: BTreeSet<&str> = planned.iter().map(|write| write.place.as_str()).collect();
    if places.len() < planned.len() {
        return Err(invalid("Provided list of item keys contains duplicates"));
    }
    let now_ms = now_ms(request);
    let made = state
        .store
        .change(|change| planned.iter().map(|write| write.make(change, now_ms)).collect::<Result<Vec<_>, ApiError>>())?;
    let mut units = BTreeMap::new();
    for (write, made) in planned.iter().zip(&made) {
        *units.entry(write.table.name.clone()).or_insert(0.0) += write_units(made.bytes());
    }
    let mut answer = json!({"UnprocessedItems": {}});
    set(&mut answer, "ConsumedCapacity", capacities(input.return_consumed_capacity.as_deref(), &units));
    Ok(answer)
}
