//! PutItem, UpdateItem and DeleteItem.

use serde_json::{Value, json};

use crate::aws::dynamodb::expression::projection::ItemProjection;
use crate::aws::dynamodb::input::{WriteInput, capacity, input, set, told, write_units};
use crate::aws::dynamodb::planned::{MadeWrite, PlannedWrite, WriteKind};
use crate::aws::dynamodb::refusals::invalid;
use crate::aws::dynamodb::state::TableState;
use crate::aws::error::ApiError;
use crate::aws::kept::now_ms;
use crate::aws::request::ApiRequest;

/// `PutItem`
pub fn put(state: &TableState, request: &ApiRequest) -> Result<Value, ApiError> {
    let input: WriteInput = input(request)?;
    input.check("PutItem")?;
    require_old(&input)?;
    write(state, request, &input, &PlannedWrite::put(state, &input)?)
}

/// `UpdateItem`
pub fn update(state: &TableState, request: &ApiRequest) -> Result<Value, ApiError> {
    let input: WriteInput = input(request)?;
    input.check("UpdateItem")?;
    write(state, request, &input, &PlannedWrite::update(state, &input)?)
}

/// `DeleteItem`
pub fn delete(state: &TableState, request: &ApiRequest) -> Result<Value, ApiError> {
    let input: WriteInput = input(request)?;
    input.check("DeleteItem")?;
    require_old(&input)?;
    write(state, request, &input, &PlannedWrite::delete(state, &input)?)
}

/// Only an update has a new item that the caller does not know.
fn require_old(input: &WriteInput) -> Result<(), ApiError> {
    match input.return_values.as_deref() {
        None | Some("NONE" | "ALL_OLD") => Ok(()),
        Some(_) => Err(invalid("ReturnValues can only be ALL_OLD or NONE")),
    }
}

fn write(state: &TableState, request: &ApiRequest, input: &WriteInput, planned: &PlannedWrite) -> Result<Value, ApiError> {
    let made = state.store.change(|change| planned.make(change, now_ms(request)))?;
    let mut answer = json!({});
    set(&mut answer, "Attributes", attributes(input, planned, &made)?);
    let units = write_units(made.bytes());
    set(&mut answer, "ConsumedCapacity", capacity(input.return_consumed_capacity.as_deref(), &planned.table.name, units));
    Ok(answer)
}

/// What `ReturnValues` asks for.
fn attributes(input: &WriteInput, planned: &PlannedWrite, made: &MadeWrite) -> Result<Option<Value>, ApiError> {
    let asked = input.return_values.as_deref().unwrap_or("NONE");
    let item = if asked.ends_with("_OLD") { &made.before } else { &made.after };
    let Some(item) = item.as_ref().filter(|_| asked != "NONE") else { return Ok(None) };
    if asked.starts_with("ALL_") {
        return told(item).map(Some);
    }
    let WriteKind::Update(Some(update)) = &planned.kind else { return Ok(None) };
    let updated = ItemProjection::of(&update.paths()).of_item(item);
    if updated.is_empty() { Ok(None) } else { told(&updated).map(Some) }
}
