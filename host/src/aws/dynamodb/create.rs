//! CreateTable and UpdateTable.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::aws::constraints::Constraints;
use crate::aws::dynamodb::input::input;
use crate::aws::dynamodb::key::{KeyAttribute, KeySchema, KeyType};
use crate::aws::dynamodb::refusals::{in_use, invalid, limit, no_resource, parameters};
use crate::aws::dynamodb::state::TableState;
use crate::aws::dynamodb::table::{ProvisionedUnits, TableRecord, TableTally};
use crate::aws::error::ApiError;
use crate::aws::kept::{Amendment, TagPair, add_tags, now_ms, refused};
use crate::aws::request::ApiRequest;
use crate::limits::dynamodb::{KEY_NAME_CHARS, TABLES};
use crate::limits::kept::TAGS;

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct TableInput {
    table_name: Option<String>,
    attribute_definitions: Option<Vec<AttributeDefinition>>,
    key_schema: Option<Vec<KeyElement>>,
    billing_mode: Option<String>,
    provisioned_throughput: Option<ThroughputInput>,
    table_class: Option<String>,
    deletion_protection_enabled: Option<bool>,
    tags: Vec<TagPair>,
    local_secondary_indexes: Option<Vec<Value>>,
    global_secondary_indexes: Option<Vec<Value>>,
    global_secondary_index_updates: Option<Vec<Value>>,
    vector_indexes: Option<Vec<Value>>,
    vector_index_updates: Option<Vec<Value>>,
    replica_updates: Option<Vec<Value>>,
    stream_specification: Option<Value>,
    #[serde(rename = "SSESpecification")]
    sse_specification: Option<Value>,
    resource_policy: Option<Value>,
    global_table_source_arn: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct AttributeDefinition {
    attribute_name: String,
    attribute_type: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct KeyElement {
    attribute_name: String,
    key_type: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ThroughputInput {
    read_capacity_units: Option<i64>,
    write_capacity_units: Option<i64>,
}

const CLASSES: [&str; 2] = ["STANDARD", "STANDARD_INFREQUENT_ACCESS"];

impl TableInput {
    fn check(&self, constraints: &mut Constraints) {
        if let Some(mode) = &self.billing_mode {
            constraints.one_of("billingMode", mode, &["PROVISIONED", "PAY_PER_REQUEST"]);
        }
        if let Some(class) = &self.table_class {
            constraints.one_of("tableClass", class, &CLASSES);
        }
        if let Some(throughput) = &self.provisioned_throughput {
            for (name, units) in
                [("readCapacityUnits", throughput.read_capacity_units), ("writeCapacityUnits", throughput.write_capacity_units)]
            {
                let place = format!("provisionedThroughput.{name}");
                if let Some(units) = constraints.required(&place, units) {
                    constraints.range(&place, units, 1..=i64::MAX);
                }
            }
        }
    }

    /// Indices, streams and the rest are not there.
    fn require_plain(&self, operation: &str) -> Result<(), ApiError> {
        let of = |member: &str| format!("{member} of {operation}");
        let enabled = |value: &&Value, member: &str| value[member] == Value::Bool(true);
        let filled = |list: &&Vec<Value>| !list.is_empty();
        refused(self.local_secondary_indexes.as_ref().filter(filled), &of("LocalSecondaryIndexes"))?;
        refused(self.global_secondary_indexes.as_ref().filter(filled), &of("GlobalSecondaryIndexes"))?;
        refused(self.global_secondary_index_updates.as_ref().filter(filled), &of("GlobalSecondaryIndexUpdates"))?;
        refused(self.vector_indexes.as_ref().filter(filled), &of("VectorIndexes"))?;
        refused(self.vector_index_updates.as_ref().filter(filled), &of("VectorIndexUpdates"))?;
        refused(self.replica_updates.as_ref().filter(filled), &of("ReplicaUpdates"))?;
        let stream = self.stream_specification.as_ref().filter(|value| enabled(value, "StreamEnabled"));
        refused(stream, &of("StreamSpecification"))?;
        refused(self.sse_specification.as_ref().filter(|value| enabled(value, "Enabled")), &of("SSESpecification"))?;
        refused(self.resource_policy.as_ref(), &of("ResourcePolicy"))?;
        refused(self.global_table_source_arn.as_ref(), &of("GlobalTableSourceArn"))
    }

    fn units(&self) -> Option<ProvisionedUnits> {
        let throughput = self.provisioned_throughput.as_ref()?;
        let units = |units: Option<i64>| units.unwrap_or_default().unsigned_abs();
        Some(ProvisionedUnits { read: units(throughput.read_capacity_units), write: units(throughput.write_capacity_units) })
    }
}

/// What a table is to be paid for.
fn throughput(mode: &str, units: Option<ProvisionedUnits>) -> Result<Option<ProvisionedUnits>, ApiError> {
    match (mode, units) {
        ("PAY_PER_REQUEST", Some(_)) => Err(parameters(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        )),
        ("PROVISIONED", None) => {
            Err(parameters("ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED"))
        }
        (_, units) => Ok(units),
    }
}

/// `CreateTable`
pub fn create(state: &TableState, request: &ApiRequest) -> Result<Value, ApiError> {
    let input: TableInput = input(request)?;
    let name = state.named(input.table_name.as_deref())?;
    let mut constraints = Constraints::default();
    constraints.required("attributeDefinitions", input.attribute_definitions.as_ref());
    constraints.required("keySchema", input.key_schema.as_ref());
    input.check(&mut constraints);
    check_elements(&input, &mut constraints);
    constraints.finish()?;
    input.require_plain("CreateTable")?;
    let mut tags = BTreeMap::new();
    add_tags(&mut tags, &input.tags, invalid)?;
    if tags.len() > TAGS {
        return Err(invalid(format!("One or more parameter values were invalid: Number of tags exceeds the limit of {TAGS}")));
    }
    let record = TableRecord {
        name: name.to_owned(),
        id: uuid::Uuid::new_v4().to_string(),
        schema: schema(&input)?,
        throughput: throughput(input.billing_mode.as_deref().unwrap_or("PROVISIONED"), input.units())?,
        class: input.table_class.unwrap_or_else(|| CLASSES[0].to_owned()),
        created_ms: now_ms(request),
        deletion_protected: input.deletion_protection_enabled.unwrap_or(false),
        expiry: None,
        tags,
    };
    if state.cabinet.count() >= TABLES {
        return Err(limit(format!("Subscriber limit exceeded: There is a limit of {TABLES} tables per subscriber")));
    }
    let made = record.clone();
    state.cabinet.change(name, |there| {
        if there.is_some() {
            return Err(in_use(format!("Table already exists: {name}")));
        }
        let tally = serde_json::to_value(TableTally::default()).map_err(|error| ApiError::internal(&error))?;
        let values = vec![(made.id.clone(), tally)];
        Ok((Amendment::Put { record: made, values, gone: Vec::new() }, ()))
    })?;
    Ok(json!({"TableDescription": record.described(&state.account, "ACTIVE", TableTally::default())}))
}

fn check_elements(input: &TableInput, constraints: &mut Constraints) {
    let definitions = input.attribute_definitions.as_deref().unwrap_or_default();
    for (number, definition) in (1..).zip(definitions) {
        let place = format!("attributeDefinitions.{number}.member");
        constraints.length(&format!("{place}.attributeName"), &definition.attribute_name, 1..=KEY_NAME_CHARS);
        constraints.one_of(&format!("{place}.attributeType"), &definition.attribute_type, &["B", "N", "S"]);
    }
    let elements = input.key_schema.as_deref().unwrap_or_default();
    if input.key_schema.is_some() && !(1..=2).contains(&elements.len()) {
        let bound = if elements.is_empty() { "greater than or equal to 1" } else { "less than or equal to 2" };
        constraints.fail("keySchema", &format!("{} elements", elements.len()), &format!("have length {bound}"));
    }
    for (number, element) in (1..).zip(elements) {
        constraints.one_of(&format!("keySchema.{number}.member.keyType"), &element.key_type, &["HASH", "RANGE"]);
    }
}

fn schema(input: &TableInput) -> Result<KeySchema, ApiError> {
    let elements = input.key_schema.as_deref().unwrap_or_default();
    let definitions = input.attribute_definitions.as_deref().unwrap_or_default();
    let part = |element: &KeyElement| -> Result<KeyAttribute, ApiError> {
        let found = definitions.iter().find(|definition| definition.attribute_name == element.attribute_name);
        let kind = found.and_then(|definition| KeyType::of(&definition.attribute_type));
        let kind = kind.ok_or_else(|| invalid("Invalid KeySchema: Some index key attribute have no definition"))?;
        Ok(KeyAttribute { name: element.attribute_name.clone(), kind })
    };
    let (hash, range) = (elements.first(), elements.get(1));
    let Some(hash) = hash.filter(|element| element.key_type == "HASH") else {
        return Err(invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type"));
    };
    if let Some(range) = range {
        if range.key_type != "RANGE" {
            return Err(invalid("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type"));
        }
        if range.attribute_name == hash.attribute_name {
            return Err(invalid("Both the Hash Key and the Range Key element in the KeySchema have the same name"));
        }
    }
    let schema = KeySchema { hash: part(hash)?, range: range.map(part).transpose()? };
    if definitions.len() != elements.len() {
        let what =
            "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions";
        return Err(parameters(what));
    }
    Ok(schema)
}

/// `UpdateTable`
pub fn update(state: &TableState, request: &ApiRequest) -> Result<Value, ApiError> {
    let input: TableInput = input(request)?;
    let name = state.named(input.table_name.as_deref())?;
    let mut constraints = Constraints::default();
    input.check(&mut constraints);
    constraints.finish()?;
    input.require_plain("UpdateTable")?;
    let record = state.cabinet.change(name, |there| {
        let mut record = there.ok_or_else(no_resource)?.clone();
        let paid = if record.throughput.is_some() { "PROVISIONED" } else { "PAY_PER_REQUEST" };
        match input.billing_mode.as_deref() {
            Some(mode) => record.throughput = throughput(mode, input.units().or(record.throughput.filter(|_| mode == paid)))?,
            None if input.provisioned_throughput.is_some() => record.throughput = throughput(paid, input.units())?,
            None => {}
        }
        if let Some(class) = &input.table_class {
            record.class.clone_from(class);
        }
        record.deletion_protected = input.deletion_protection_enabled.unwrap_or(record.deletion_protected);
        Ok((Amendment::Put { record: record.clone(), values: Vec::new(), gone: Vec::new() }, record))
    })?;
    Ok(json!({"TableDescription": record.described(&state.account, "ACTIVE", state.tally(&record)?)}))
}
