//! GetItem, Query and Scan.

use std::ops::ControlFlow;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::aws::constraints::Constraints;
use crate::aws::dynamodb::attribute::{AttributeMap, size};
use crate::aws::dynamodb::expression::condition::ItemCondition;
use crate::aws::dynamodb::expression::evaluate::is_satisfied;
use crate::aws::dynamodb::expression::key_condition::KeyCondition;
use crate::aws::dynamodb::expression::placeholders::Placeholders;
use crate::aws::dynamodb::expression::projection::{ItemProjection, projected};
use crate::aws::dynamodb::input::{capacity, check_capacity, input, read_units, set, told};
use crate::aws::dynamodb::key::{partition, partition_items, segment_items};
use crate::aws::dynamodb::planned::required;
use crate::aws::dynamodb::refusals::{invalid, starting_key};
use crate::aws::dynamodb::state::{TableState, is_expired};
use crate::aws::dynamodb::table::TableRecord;
use crate::aws::dynamodb::wire::{KeptItem, attribute_map};
use crate::aws::error::ApiError;
use crate::aws::kept::{now_ms, refused};
use crate::aws::request::ApiRequest;
use crate::limits::dynamodb::{PAGE_BYTES, SEGMENTS};
use crate::store::{Collection, KeyRange};

/// Of what items are read with.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ItemsInput {
    pub table_name: Option<String>,
    pub key: Option<Value>,
    pub consistent_read: Option<bool>,
    pub projection_expression: Option<String>,
    pub expression_attribute_names: Option<Value>,
    expression_attribute_values: Option<Value>,
    return_consumed_capacity: Option<String>,
    index_name: Option<String>,
    select: Option<String>,
    limit: Option<i64>,
    key_condition_expression: Option<String>,
    filter_expression: Option<String>,
    scan_index_forward: Option<bool>,
    exclusive_start_key: Option<Value>,
    segment: Option<i64>,
    total_segments: Option<i64>,
    attributes_to_get: Option<Value>,
    key_conditions: Option<Value>,
    query_filter: Option<Value>,
    scan_filter: Option<Value>,
    conditional_operator: Option<Value>,
}

const SELECTS: [&str; 4] = ["SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"];

impl ItemsInput {
    /// What the model excludes, and what is not there.
    pub fn check(&self, operation: &str) -> Result<(), ApiError> {
        let mut constraints = Constraints::default();
        check_capacity(&mut constraints, self.return_consumed_capacity.as_deref());
        if let Some(select) = &self.select {
            constraints.one_of("select", select, &SELECTS);
        }
        if let Some(limit) = self.limit {
            constraints.range("limit", limit, 1..=i64::from(i32::MAX));
        }
        if let Some(total) = self.total_segments {
            constraints.range("totalSegments", total, 1..=SEGMENTS);
        }
        if let Some(segment) = self.segment {
            constraints.range("segment", segment, 0..=SEGMENTS - 1);
        }
        constraints.finish()?;
        refused(self.attributes_to_get.as_ref(), &format!("AttributesToGet of {operation}"))?;
        refused(self.key_conditions.as_ref(), &format!("KeyConditions of {operation}"))?;
        refused(self.query_filter.as_ref(), &format!("QueryFilter of {operation}"))?;
        refused(self.scan_filter.as_ref(), &format!("ScanFilter of {operation}"))?;
        refused(self.conditional_operator.as_ref(), &format!("ConditionalOperator of {operation}"))
    }

    fn placeholders(&self) -> Result<Placeholders, ApiError> {
        Placeholders::read(self.expression_attribute_names.as_ref(), self.expression_attribute_values.as_ref())
    }

    fn projection(&self, placeholders: &Placeholders) -> Result<Option<ItemProjection>, ApiError> {
        self.projection_expression.as_deref().map(|text| ItemProjection::parse(text, placeholders)).transpose()
    }

    /// What is wanted of one item: all placeholders are in it.
    pub fn only_projection(&self) -> Result<Option<ItemProjection>, ApiError> {
        let placeholders = self.placeholders()?;
        let projection = self.projection(&placeholders)?;
        placeholders.finish(projection.is_some(), &[])?;
        Ok(projection)
    }

    /// Whether items are counted and not told.
    fn counts_only(&self, verb: &str) -> Result<bool, ApiError> {
        let projects = self.projection_expression.is_some();
        match self.select.as_deref() {
            Some("ALL_PROJECTED_ATTRIBUTES") => {
                Err(invalid(format!("ALL_PROJECTED_ATTRIBUTES can be used only when {verb} using an IndexName")))
            }
            Some("SPECIFIC_ATTRIBUTES") if !projects => {
                Err(invalid("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES"))
            }
            Some(select @ ("COUNT" | "ALL_ATTRIBUTES")) if projects => {
                let what = if select == "COUNT" { "only the Count" } else { select };
                Err(invalid(format!("Cannot specify the ProjectionExpression when choosing to get {what}")))
            }
            select => Ok(select == Some("COUNT")),
        }
    }

    fn require_no_index(&self) -> Result<(), ApiError> {
        self.index_name
            .as_ref()
            .map_or(Ok(()), |name| Err(invalid(format!("The table does not have the specified index: {name}"))))
    }
}

/// `GetItem`
pub fn get(state: &TableState, request: &ApiRequest) -> Result<Value, ApiError> {
    let input: ItemsInput = input(request)?;
    input.check("GetItem")?;
    let key = required("key", input.key.as_ref())?;
    let projection = input.only_projection()?;
    let table = state.found(input.table_name.as_deref())?;
    let place = table.schema.place_of_key(&table.id, &key)?;
    let item = state.item(&table, &place, now_ms(request))?;
    let units = read_units(item.as_ref().map_or(0, size), input.consistent_read.unwrap_or(false));
    let mut answer = json!({});
    if let Some(item) = item {
        let item = projected(projection.as_ref(), item);
        set(&mut answer, "Item", Some(told(&item)?));
    }
    set(&mut answer, "ConsumedCapacity", capacity(input.return_consumed_capacity.as_deref(), &table.name, units));
    Ok(answer)
}

/// `Query`
pub fn query(state: &TableState, request: &ApiRequest) -> Result<Value, ApiError> {
    let input: ItemsInput = input(request)?;
    input.check("Query")?;
    let Some(text) = &input.key_condition_expression else {
        return Err(invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."));
    };
    let counts_only = input.counts_only("Querying")?;
    let table = state.found(input.table_name.as_deref())?;
    input.require_no_index()?;
    let placeholders = input.placeholders()?;
    let filter = filter(&input, &placeholders)?;
    let projection = input.projection(&placeholders)?;
    let condition = KeyCondition::parse(text, &placeholders, &table.schema)?;
    placeholders.finish(true, &[("FilterExpression", filter.is_some()), ("KeyConditionExpression", true)])?;
    let of_key = filter.iter().flat_map(ItemCondition::tops).find(|name| table.schema.is_part(name));
    if let Some(name) = of_key {
        let what = "Filter Expression can only contain non-primary key attributes";
        return Err(invalid(format!("{what}: Primary key attribute: {name}")));
    }
    let partition = partition(&table.id, Some(&condition.hash));
    let (from, to) = partition_items(&partition, condition.range.as_ref());
    let backwards = !input.scan_index_forward.unwrap_or(true);
    let mut range = KeyRange { from, to, backwards };
    if let Some(start) = &input.exclusive_start_key {
        let place = start_place(&table, start)?;
        if !place.starts_with(&partition) {
            return Err(invalid("The provided starting key is outside query boundaries based on provided conditions"));
        }
        if !range.contains(&place) {
            return Err(invalid("The provided starting key does not match the range key predicate"));
        }
        range.start_behind(place);
    }
    let plan = PagePlan { table, range, filter, projection, counts_only };
    plan.answer(state, request, &input)
}

/// `Scan`
pub fn scan(state: &TableState, request: &ApiRequest) -> Result<Value, ApiError> {
    let input: ItemsInput = input(request)?;
    input.check("Scan")?;
    let (segment, total) = segment(&input)?;
    let counts_only = input.counts_only("Scanning")?;
    let placeholders = input.placeholders()?;
    let filter = filter(&input, &placeholders)?;
    let projection = input.projection(&placeholders)?;
    placeholders.finish(filter.is_some() || projection.is_some(), &[("FilterExpression", filter.is_some())])?;
    let table = state.found(input.table_name.as_deref())?;
    input.require_no_index()?;
    let (from, to) = segment_items(&table.id, segment, total);
    let mut range = KeyRange { from, to, backwards: false };
    if let Some(start) = &input.exclusive_start_key {
        let place = start_place(&table, start)?;
        if !range.contains(&place) {
            return Err(invalid("The provided starting key is invalid: Please use ExclusiveStartKey with correct Segment."));
        }
        range.start_behind(place);
    }
    let plan = PagePlan { table, range, filter, projection, counts_only };
    plan.answer(state, request, &input)
}

/// Which segment, and of how many.
fn segment(input: &ItemsInput) -> Result<(u64, u64), ApiError> {
    match (input.segment, input.total_segments) {
        (None, None) => Ok((0, 1)),
        (Some(_), None) => Err(invalid(
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
        )),
        (None, Some(_)) => Err(invalid(
            "The Segment parameter is required but was not present in the request when parameter TotalSegments is present",
        )),
        (Some(segment), Some(total)) if segment >= total => Err(invalid(format!(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: {segment} is not less \
             than TotalSegments: {total}"
        ))),
        (Some(segment), Some(total)) => Ok((segment.unsigned_abs(), total.unsigned_abs())),
    }
}

fn filter(input: &ItemsInput, placeholders: &Placeholders) -> Result<Option<ItemCondition>, ApiError> {
    let text = input.filter_expression.as_deref();
    text.map(|text| ItemCondition::parse("FilterExpression", text, placeholders)).transpose()
}

fn start_place(table: &TableRecord, start: &Value) -> Result<String, ApiError> {
    table.schema.place_of_key(&table.id, &attribute_map(start)?).map_err(|_| starting_key())
}

/// What one answer to a query or a scan is made of.
struct PagePlan {
    table: Arc<TableRecord>,
    range: KeyRange,
    filter: Option<ItemCondition>,
    projection: Option<ItemProjection>,
    counts_only: bool,
}

impl PagePlan {
    fn answer(&self, state: &TableState, request: &ApiRequest, input: &ItemsInput) -> Result<Value, ApiError> {
        let now_ms = now_ms(request);
        let limit = input.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let (mut items, mut count, mut scanned, mut bytes) = (Vec::new(), 0_usize, 0_usize, 0);
        let mut last: Option<AttributeMap> = None;
        let mut has_more = false;
        state.store.walk(Collection::Items, &self.range, |_, KeptItem(item)| {
            let size = size(&item);
            if last.is_some() && bytes + size > PAGE_BYTES {
                has_more = true;
                return ControlFlow::Break(());
            }
            bytes += size;
            last = Some(self.table.schema.key_of(&item));
            // Nobody sees it, but a page of many of them ends, too.
            if is_expired(&self.table, &item, now_ms) {
                return ControlFlow::Continue(());
            }
            scanned += 1;
            if self.filter.as_ref().is_none_or(|filter| is_satisfied(filter, &item)) {
                count += 1;
                if !self.counts_only {
                    items.push(projected(self.projection.as_ref(), item));
                }
            }
            // As on AWS, also if it was the last one of all.
            has_more = scanned == limit;
            if has_more { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        let mut answer = json!({"Count": count, "ScannedCount": scanned});
        if !self.counts_only {
            answer["Items"] = items.iter().map(told).collect::<Result<_, _>>()?;
        }
        set(&mut answer, "LastEvaluatedKey", last.filter(|_| has_more).as_ref().map(told).transpose()?);
        let units = read_units(bytes, input.consistent_read.unwrap_or(false));
        set(&mut answer, "ConsumedCapacity", capacity(input.return_consumed_capacity.as_deref(), &self.table.name, units));
        Ok(answer)
    }
}
