//! DescribeTable, ListTables, DeleteTable, and what belongs to a table: when its items expire, and its tags.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::aws::constraints::Constraints;
use crate::aws::dynamodb::input::{input, set};
use crate::aws::dynamodb::refusals::{invalid, no_arn, no_table};
use crate::aws::dynamodb::state::TableState;
use crate::aws::dynamodb::table::TableRecord;
use crate::aws::error::ApiError;
use crate::aws::kept::{Amendment, TagPair, add_tags, page};
use crate::aws::request::ApiRequest;
use crate::limits::dynamodb::{EXPIRY_NAME_CHARS, PAGE_TABLES, PAGE_TAGS};
use crate::limits::kept::TAGS;

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NamedInput {
    table_name: Option<String>,
    time_to_live_specification: Option<ExpiryInput>,
    exclusive_start_table_name: Option<String>,
    limit: Option<i64>,
    resource_arn: Option<String>,
    next_token: Option<String>,
    tags: Option<Vec<TagPair>>,
    tag_keys: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ExpiryInput {
    attribute_name: Option<String>,
    enabled: Option<bool>,
}

fn table(state: &TableState, input: &NamedInput) -> Result<Arc<TableRecord>, ApiError> {
    let name = state.named(input.table_name.as_deref())?;
    state.cabinet.find(name).ok_or_else(|| no_table(name))
}

/// `DescribeTable`
pub fn describe(state: &TableState, request: &ApiRequest) -> Result<Value, ApiError> {
    let input: NamedInput = input(request)?;
    let table = table(state, &input)?;
    Ok(json!({"Table": table.described(&state.account, "ACTIVE", state.tally(&table)?)}))
}

/// `DeleteTable`: its items are nobody's from now on, and are removed afterwards.
pub fn delete(state: &TableState, request: &ApiRequest) -> Result<Value, ApiError> {
    let input: NamedInput = input(request)?;
    let tally = state.tally(&*table(state, &input)?)?;
    let name = state.named(input.table_name.as_deref())?;
    let record = state.cabinet.change(name, |there| {
        let record = there.ok_or_else(|| no_table(name))?;
        if record.deletion_protected {
            let message =
                "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.";
            return Err(invalid(message));
        }
        Ok((Amendment::Remove { gone: vec![record.id.clone()] }, record.clone()))
    })?;
    Ok(json!({"TableDescription": record.described(&state.account, "DELETING", tally)}))
}

/// `ListTables`
pub fn list(state: &TableState, request: &ApiRequest) -> Result<Value, ApiError> {
    let input: NamedInput = input(request)?;
    let mut constraints = Constraints::default();
    let most = input.limit.unwrap_or(PAGE_TABLES);
    constraints.range("limit", most, 1..=PAGE_TABLES);
    constraints.finish()?;
    let most = usize::try_from(most).unwrap_or_default();
    let start = input.exclusive_start_table_name.unwrap_or_default();
    let mut names: Vec<String> =
        state.cabinet.all().iter().map(|record| record.name.clone()).filter(|name| *name > start).collect();
    let has_more = names.len() > most;
    names.truncate(most);
    let mut answer = json!({"TableNames": names});
    set(&mut answer, "LastEvaluatedTableName", names.pop().filter(|_| has_more).map(Value::from));
    Ok(answer)
}

/// `DescribeTimeToLive`
pub fn describe_expiry(state: &TableState, request: &ApiRequest) -> Result<Value, ApiError> {
    let input: NamedInput = input(request)?;
    let told = match &table(state, &input)?.expiry {
        Some(name) => json!({"TimeToLiveStatus": "ENABLED", "AttributeName": name}),
        None => json!({"TimeToLiveStatus": "DISABLED"}),
    };
    Ok(json!({"TimeToLiveDescription": told}))
}

/// `UpdateTimeToLive`: counts at once.
pub fn update_expiry(state: &TableState, request: &ApiRequest) -> Result<Value, ApiError> {
    let input: NamedInput = input(request)?;
    let table = table(state, &input)?;
    let mut constraints = Constraints::default();
    let asked = constraints.required("timeToLiveSpecification", input.time_to_live_specification);
    let asked = asked.unwrap_or_default();
    let name = constraints.required("timeToLiveSpecification.attributeName", asked.attribute_name).unwrap_or_default();
    constraints.length("timeToLiveSpecification.attributeName", &name, 1..=EXPIRY_NAME_CHARS);
    let enabled = constraints.required("timeToLiveSpecification.enabled", asked.enabled).unwrap_or_default();
    constraints.finish()?;
    state.cabinet.change(&table.name, |there| {
        let mut record = there.ok_or_else(|| no_table(&table.name))?.clone();
        record.expiry = match (&record.expiry, enabled) {
            (Some(_), true) => return Err(invalid("TimeToLive is already enabled")),
            (None, false) => return Err(invalid("TimeToLive is already disabled")),
            (Some(active), false) if *active != name => {
                let what = "TimeToLive is active on a different AttributeName";
                return Err(invalid(format!("{what}: current AttributeName is {active}")));
            }
            (_, true) => Some(name.clone()),
            (_, false) => None,
        };
        Ok((Amendment::Put { record, values: Vec::new(), gone: Vec::new() }, ()))
    })?;
    Ok(json!({"TimeToLiveSpecification": {"Enabled": enabled, "AttributeName": name}}))
}

/// The table of a request's `ResourceArn`.
fn tagged(state: &TableState, input: &NamedInput) -> Result<Arc<TableRecord>, ApiError> {
    let mut constraints = Constraints::default();
    let arn = constraints.required("resourceArn", input.resource_arn.as_deref()).unwrap_or_default();
    constraints.finish()?;
    if !arn.starts_with("arn:") {
        let what = "Invalid TableArn: Invalid ResourceArn provided as input";
        return Err(invalid(format!("{what} {arn}")));
    }
    state.cabinet.find(state.name_of(arn)).ok_or_else(|| no_arn(arn))
}

fn change_tags(
    state: &TableState,
    input: &NamedInput,
    work: impl FnOnce(&mut TableRecord) -> Result<(), ApiError>,
) -> Result<Value, ApiError> {
    let table = tagged(state, input)?;
    state.cabinet.change(&table.name, |there| {
        let mut record = there.ok_or_else(|| no_table(&table.name))?.clone();
        work(&mut record)?;
        if record.tags.len() > TAGS {
            return Err(invalid(format!("One or more parameter values were invalid: A table can have at most {TAGS} tags")));
        }
        Ok((Amendment::Put { record, values: Vec::new(), gone: Vec::new() }, ()))
    })?;
    Ok(Value::Null)
}

/// `TagResource`
pub fn tag(state: &TableState, request: &ApiRequest) -> Result<Value, ApiError> {
    let input: NamedInput = input(request)?;
    let mut constraints = Constraints::default();
    let tags = constraints.required("tags", input.tags.as_deref()).unwrap_or_default();
    constraints.finish()?;
    if tags.is_empty() {
        return Err(invalid("Atleast one Tag needs to be provided as Input."));
    }
    change_tags(state, &input, |record| add_tags(&mut record.tags, tags, invalid))
}

/// `UntagResource`
pub fn untag(state: &TableState, request: &ApiRequest) -> Result<Value, ApiError> {
    let input: NamedInput = input(request)?;
    let mut constraints = Constraints::default();
    let keys = constraints.required("tagKeys", input.tag_keys.as_deref()).unwrap_or_default();
    constraints.finish()?;
    if keys.is_empty() {
        return Err(invalid("Atleast one Tag Key needs to be provided as Input."));
    }
    change_tags(state, &input, |record| {
        record.tags.retain(|key, _| !keys.contains(key));
        Ok(())
    })
}

/// `ListTagsOfResource`
pub fn tags(state: &TableState, request: &ApiRequest) -> Result<Value, ApiError> {
    let input: NamedInput = input(request)?;
    let table = tagged(state, &input)?;
    let tags: Vec<(&String, &String)> = table.tags.iter().collect();
    let shown = page(tags, PAGE_TAGS, input.next_token.as_deref(), |(key, _)| (*key).clone());
    let (tags, next) = shown.ok_or_else(|| invalid("The NextToken value is invalid."))?;
    let tags: Vec<Value> = tags.into_iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    let mut answer = json!({"Tags": tags});
    set(&mut answer, "NextToken", next.map(Value::from));
    Ok(answer)
}
