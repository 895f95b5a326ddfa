//! What requests have in common.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::aws::constraints::Constraints;
use crate::aws::dynamodb::attribute::AttributeMap;
use crate::aws::dynamodb::refusals::wrong_type;
use crate::aws::error::ApiError;
use crate::aws::kept::refused;
use crate::aws::request::ApiRequest;
use crate::limits::dynamodb::{BODY_BYTES, READ_UNIT_BYTES, WRITE_UNIT_BYTES};

/// The input of an operation. What is wrong with it is told by its place only: it may have anybody's data in it.
///
/// # Errors
/// `SerializationException`; status 413 for a body that is too large.
pub fn input<T: DeserializeOwned>(request: &ApiRequest) -> Result<T, ApiError> {
    if request.body.len() > BODY_BYTES {
        let message = format!("Request must be smaller than {BODY_BYTES} bytes.");
        return Err(ApiError::too_large("RequestEntityTooLargeException", message));
    }
    // A list would be read as the members in the order of their declaration.
    if request.body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(wrong_type("Start of structure or map expected"));
    }
    serde_json::from_slice(&request.body).map_err(|error| {
        let what = if error.is_data() { "Unexpected field type" } else { "Unexpected value type in payload" };
        wrong_type(format!("{what} (line {}, column {})", error.line(), error.column()))
    })
}

/// Of what one item is written with, by itself or in a transaction.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WriteInput {
    pub table_name: Option<String>,
    pub item: Option<Value>,
    pub key: Option<Value>,
    pub condition_expression: Option<String>,
    pub update_expression: Option<String>,
    pub expression_attribute_names: Option<Value>,
    pub expression_attribute_values: Option<Value>,
    pub return_values: Option<String>,
    pub return_values_on_condition_check_failure: Option<String>,
    pub return_consumed_capacity: Option<String>,
    return_item_collection_metrics: Option<String>,
    expected: Option<Value>,
    conditional_operator: Option<Value>,
    attribute_updates: Option<Value>,
}

const RETURN_VALUES: [&str; 5] = ["ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"];

impl WriteInput {
    /// What the model excludes, and what is not there.
    pub fn check(&self, operation: &str) -> Result<(), ApiError> {
        let mut constraints = Constraints::default();
        if let Some(values) = &self.return_values {
            constraints.one_of("returnValues", values, &RETURN_VALUES);
        }
        if let Some(values) = &self.return_values_on_condition_check_failure {
            constraints.one_of("returnValuesOnConditionCheckFailure", values, &["ALL_OLD", "NONE"]);
        }
        if let Some(metrics) = &self.return_item_collection_metrics {
            constraints.one_of("returnItemCollectionMetrics", metrics, &["SIZE", "NONE"]);
        }
        check_capacity(&mut constraints, self.return_consumed_capacity.as_deref());
        constraints.finish()?;
        refused(self.expected.as_ref(), &format!("Expected of {operation}"))?;
        refused(self.conditional_operator.as_ref(), &format!("ConditionalOperator of {operation}"))?;
        refused(self.attribute_updates.as_ref(), &format!("AttributeUpdates of {operation}"))
    }
}

/// That `ReturnConsumedCapacity` is one of its values.
pub fn check_capacity(constraints: &mut Constraints, asked: Option<&str>) {
    if let Some(asked) = asked {
        constraints.one_of("returnConsumedCapacity", asked, &["INDEXES", "TOTAL", "NONE"]);
    }
}

/// `ConsumedCapacity`, if it is asked for.
pub fn capacity(asked: Option<&str>, table: &str, units: f64) -> Option<Value> {
    let mut told = json!({"TableName": table, "CapacityUnits": units});
    match asked {
        Some("TOTAL") => Some(told),
        Some("INDEXES") => {
            told["Table"] = json!({"CapacityUnits": units});
            Some(told)
        }
        _ => None,
    }
}

/// `ConsumedCapacity` of several tables, if it was asked for.
pub fn capacities(asked: Option<&str>, units: &BTreeMap<String, f64>) -> Option<Value> {
    let told: Vec<Value> = units.iter().filter_map(|(table, units)| capacity(asked, table, *units)).collect();
    capacity(asked, "", 0.0).map(|_| told.into())
}

/// Units of a read of so many bytes.
pub fn read_units(bytes: usize, consistent: bool) -> f64 {
    let units = units(bytes, READ_UNIT_BYTES);
    if consistent { units } else { units / 2.0 }
}

/// Units of a write of an item of so many bytes.
pub fn write_units(bytes: usize) -> f64 {
    units(bytes, WRITE_UNIT_BYTES)
}

fn units(bytes: usize, of: usize) -> f64 {
    u32::try_from(bytes.div_ceil(of).max(1)).map_or(f64::INFINITY, f64::from)
}

/// An item of an answer.
pub fn told(item: &AttributeMap) -> Result<Value, ApiError> {
    serde_json::to_value(item).map_err(|error| ApiError::internal(&error))
}

/// Sets a member of an answer, if there is something to be told.
pub fn set(answer: &mut Value, member: &str, value: Option<Value>) {
    if let Some(value) = value {
        answer[member] = value;
    }
}
