//! A write of one item, checked as far as it can be without the item, and made in a transaction.

use std::sync::Arc;

use serde_json::Value;

use crate::aws::constraints::Constraints;
use crate::aws::dynamodb::attribute::{AttributeMap, ItemValue, size};
use crate::aws::dynamodb::expression::condition::ItemCondition;
use crate::aws::dynamodb::expression::evaluate::is_satisfied;
use crate::aws::dynamodb::expression::placeholders::Placeholders;
use crate::aws::dynamodb::expression::update::{ItemUpdate, check_size};
use crate::aws::dynamodb::input::WriteInput;
use crate::aws::dynamodb::refusals::{condition_failed, invalid, parameters};
use crate::aws::dynamodb::state::{TableState, is_expired, kept_item, replace_item};
use crate::aws::dynamodb::table::TableRecord;
use crate::aws::dynamodb::wire::attribute_map;
use crate::aws::error::ApiError;
use crate::limits::dynamodb::{DEPTH, ITEM_BYTES};
use crate::store::Change;

/// See the module.
pub struct PlannedWrite {
    pub table: Arc<TableRecord>,
    /// Where the item is.
    pub place: String,
    pub kind: WriteKind,
    key: AttributeMap,
    condition: Option<ItemCondition>,
    /// Whether an item that does not satisfy the condition is told.
    tells_item: bool,
}

pub enum WriteKind {
    Put(AttributeMap),
    /// Without an expression only the key is written.
    Update(Option<ItemUpdate>),
    Delete,
    Check,
}

/// What a write has made of an item.
pub struct MadeWrite {
    pub before: Option<AttributeMap>,
    pub after: Option<AttributeMap>,
}

impl MadeWrite {
    /// Of the larger one, as AWS counts.
    pub fn bytes(&self) -> usize {
        self.before.as_ref().map_or(0, size).max(self.after.as_ref().map_or(0, size))
    }
}

impl PlannedWrite {
    pub fn put(state: &TableState, input: &WriteInput) -> Result<PlannedWrite, ApiError> {
        let item = required("item", input.item.as_ref())?;
        let condition = condition(input, &[("ConditionExpression", input.condition_expression.is_some())], |_| Ok(()))?.0;
        let table = state.found(input.table_name.as_deref())?;
        PlannedWrite::put_item(table, item, condition, tells_item(input))
    }

    /// Without a condition.
    pub fn put_plain(table: Arc<TableRecord>, item: &Value) -> Result<PlannedWrite, ApiError> {
        PlannedWrite::put_item(table, attribute_map(item)?, None, false)
    }

    fn put_item(
        table: Arc<TableRecord>,
        item: AttributeMap,
        condition: Option<ItemCondition>,
        tells_item: bool,
    ) -> Result<PlannedWrite, ApiError> {
        let place = table.schema.place_of_item(&table.id, &item)?;
        if size(&item) > ITEM_BYTES {
            return Err(invalid("Item size has exceeded the maximum allowed size"));
        }
        let key = table.schema.key_of(&item);
        Ok(PlannedWrite { table, place, kind: WriteKind::Put(item), key, condition, tells_item })
    }

    pub fn update(state: &TableState, input: &WriteInput) -> Result<PlannedWrite, ApiError> {
        let key = required("key", input.key.as_ref())?;
        let expressions = [
            ("UpdateExpression", input.update_expression.is_some()),
            ("ConditionExpression", input.condition_expression.is_some()),
        ];
        let parse = |placeholders: &Placeholders| {
            input.update_expression.as_deref().map(|text| ItemUpdate::parse(text, placeholders)).transpose()
        };
        let (condition, update) = condition(input, &expressions, parse)?;
        let planned = PlannedWrite::of_key(state, input, key, WriteKind::Update(update), condition)?;
        if let WriteKind::Update(Some(update)) = &planned.kind {
            let of_key = update.paths().into_iter().find(|path| planned.table.schema.is_part(&path.top));
            if let Some(path) = of_key {
                let name = &path.top;
                return Err(parameters(&format!("Cannot update attribute {name}. This attribute is part of the key")));
            }
        }
        Ok(planned)
    }

    pub fn delete(state: &TableState, input: &WriteInput) -> Result<PlannedWrite, ApiError> {
        let key = required("key", input.key.as_ref())?;
        let condition = condition(input, &[("ConditionExpression", input.condition_expression.is_some())], |_| Ok(()))?.0;
        PlannedWrite::of_key(state, input, key, WriteKind::Delete, condition)
    }

    /// Without a condition.
    pub fn delete_plain(table: Arc<TableRecord>, key: &Value) -> Result<PlannedWrite, ApiError> {
        let key = attribute_map(key)?;
        let place = table.schema.place_of_key(&table.id, &key)?;
        Ok(PlannedWrite { table, place, kind: WriteKind::Delete, key, condition: None, tells_item: false })
    }

    /// Writes nothing.
    pub fn check(state: &TableState, input: &WriteInput) -> Result<PlannedWrite, ApiError> {
        let key = required("key", input.key.as_ref())?;
        required_text("conditionExpression", input.condition_expression.as_deref())?;
        let condition = condition(input, &[("ConditionExpression", true)], |_| Ok(()))?.0;
        PlannedWrite::of_key(state, input, key, WriteKind::Check, condition)
    }

    fn of_key(
        state: &TableState,
        input: &WriteInput,
        key: AttributeMap,
        kind: WriteKind,
        condition: Option<ItemCondition>,
    ) -> Result<PlannedWrite, ApiError> {
        let table = state.found(input.table_name.as_deref())?;
        let place = table.schema.place_of_key(&table.id, &key)?;
        Ok(PlannedWrite { table, place, kind, key, condition, tells_item: tells_item(input) })
    }

    /// Decides by the item as the change has left it, and writes.
    ///
    /// # Errors
    /// `ConditionalCheckFailedException`; `ValidationException`, if the item does not have what an update needs.
    pub fn make(&self, change: &Change, now_ms: u64) -> Result<MadeWrite, ApiError> {
        let kept = kept_item(change, &self.place)?;
        let before = kept.as_ref().filter(|item| !is_expired(&self.table, item, now_ms)).cloned();
        if let Some(condition) = &self.condition
            && !is_satisfied(condition, before.as_ref().unwrap_or(&AttributeMap::new()))
        {
            return Err(condition_failed(before.as_ref().filter(|_| self.tells_item)));
        }
        let after = match &self.kind {
            WriteKind::Put(item) => Some(item.clone()),
            WriteKind::Update(update) => self.updated(before.as_ref(), update.as_ref())?,
            WriteKind::Delete => None,
            WriteKind::Check => return Ok(MadeWrite { after: before.clone(), before }),
        };
        replace_item(change, &self.table, &self.place, kept.as_ref(), after.as_ref())?;
        Ok(MadeWrite { before, after })
    }

    fn updated(&self, before: Option<&AttributeMap>, update: Option<&ItemUpdate>) -> Result<Option<AttributeMap>, ApiError> {
        let mut item = before.unwrap_or(&self.key).clone();
        if let Some(update) = update {
            update.apply(&mut item)?;
            if before.is_none() && update.only_removes() {
                return Ok(None);
            }
        }
        check_size(size(&item))?;
        if item.values().any(|value| ItemValue::depth(value) > DEPTH) {
            return Err(invalid("Nesting Levels have exceeded supported limits"));
        }
        Ok(Some(item))
    }
}

/// The condition of a request, and what `parse` reads with the same placeholders. All of these must have been used then.
fn condition<T>(
    input: &WriteInput,
    expressions: &[(&str, bool)],
    parse: impl FnOnce(&Placeholders) -> Result<T, ApiError>,
) -> Result<(Option<ItemCondition>, T), ApiError> {
    let (names, values) = (input.expression_attribute_names.as_ref(), input.expression_attribute_values.as_ref());
    let placeholders = Placeholders::read(names, values)?;
    let parsed = parse(&placeholders)?;
    let text = input.condition_expression.as_deref();
    let condition = text.map(|text| ItemCondition::parse("ConditionExpression", text, &placeholders)).transpose()?;
    placeholders.finish(expressions.iter().any(|(_, is_there)| *is_there), expressions)?;
    Ok((condition, parsed))
}

fn tells_item(input: &WriteInput) -> bool {
    input.return_values_on_condition_check_failure.as_deref() == Some("ALL_OLD")
}

/// A map that has to be there.
pub fn required(place: &str, value: Option<&Value>) -> Result<AttributeMap, ApiError> {
    let mut constraints = Constraints::default();
    constraints.required(place, value);
    constraints.finish()?;
    value.map_or_else(|| Ok(AttributeMap::new()), attribute_map)
}

fn required_text(place: &str, value: Option<&str>) -> Result<(), ApiError> {
    let mut constraints = Constraints::default();
    constraints.required(place, value);
    constraints.finish()
}
