//! GetParameter, GetParameters, GetParametersByPath and GetParameterHistory.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::aws::error::ApiError;
use crate::aws::json_target::answer;
use crate::aws::kept::{input, page, seconds};
use crate::aws::parameters::filter::{self, FilterUse, ParameterFilter};
use crate::aws::parameters::name::{self, required};
use crate::aws::parameters::record::{ParameterRecord, ParameterVersion};
use crate::aws::parameters::refusals::{next_token, not_found};
use crate::aws::parameters::state::ParameterStore;
use crate::aws::request::{ApiRequest, ApiResponse};
use crate::limits::parameters::{NAMES, PAGE_BELOW_PATH, PAGE_VERSIONS};

/// Where AWS has secrets as parameters.
const SECRETS: &str = "/aws/reference/secretsmanager/";

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct GetInput {
    name: Option<String>,
    names: Option<Vec<String>>,
    path: Option<String>,
    recursive: Option<bool>,
    parameter_filters: Option<Vec<ParameterFilter>>,
    with_decryption: Option<bool>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

impl GetInput {
    fn decrypts(&self) -> bool {
        self.with_decryption.unwrap_or(false)
    }
}

/// What an answer says of a version. Nothing if it is gone.
fn told(
    parameters: &ParameterStore,
    record: &ParameterRecord,
    version: &ParameterVersion,
    decrypts: bool,
) -> Result<Option<Value>, ApiError> {
    let text = if decrypts { parameters.unsealed(record, version)? } else { parameters.as_kept(record, version)? };
    Ok(text.map(|text| {
        json!({
            "Name": record.name,
            "Type": version.kind.as_str(),
            "Value": text,
            "Version": version.number,
            "LastModifiedDate": seconds(version.modified_ms),
            "ARN": parameters.arn_of_name(&record.name),
            "DataType": "text",
        })
    }))
}

fn found(parameters: &ParameterStore, id: &str, decrypts: bool) -> Result<Value, ApiError> {
    if id.starts_with(SECRETS) {
        return Err(ApiError::not_there("A reference to a secret in Parameter Store"));
    }
    let (record, version, selector) = parameters.find(id)?;
    let mut parameter = told(parameters, &record, &version, decrypts)?.ok_or_else(|| not_found(id))?;
    if let Some(selector) = selector {
        parameter["Selector"] = selector.into();
    }
    Ok(parameter)
}

/// The names of a request for several.
pub fn names(names: Option<&[String]>) -> Result<BTreeSet<&str>, ApiError> {
    let names = names.unwrap_or_default();
    if names.is_empty() || names.len() > NAMES {
        let bound = if names.is_empty() { "greater than or equal to 1" } else { "less than or equal to 10" };
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value '[{}]' at 'names' failed to satisfy constraint: Member must have length {bound}",
            names.iter().take(NAMES + 1).map(String::as_str).collect::<Vec<_>>().join(", ")
        )));
    }
    names.iter().map(|name| required("names", Some(name))).collect()
}

/// `GetParameter`
pub fn one(parameters: &ParameterStore, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    answer(&json!({"Parameter": parameter_asked(parameters, request)?}))
}

/// The parameter that it asks for.
pub fn parameter_asked(parameters: &ParameterStore, request: &ApiRequest) -> Result<Value, ApiError> {
    let input: GetInput = input(request)?;
    found(parameters, required("name", input.name.as_deref())?, input.decrypts())
}

/// `GetParameters`
pub fn several(parameters: &ParameterStore, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: GetInput = input(request)?;
    let (mut there, mut missing) = (Vec::new(), Vec::new());
    for id in names(input.names.as_deref())? {
        match found(parameters, id, input.decrypts()) {
            Ok(parameter) => there.push(parameter),
            Err(error) if error.status.is_server_error() => return Err(error),
            Err(_) => missing.push(id),
        }
    }
    answer(&json!({"Parameters": there, "InvalidParameters": missing}))
}

/// `GetParametersByPath`
pub fn by_path(parameters: &ParameterStore, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: GetInput = input(request)?;
    let path = required("path", input.path.as_deref())?;
    name::check_path(path)?;
    let most = filter::most(input.max_results, PAGE_BELOW_PATH)?;
    let filters = input.parameter_filters.as_deref().unwrap_or_default();
    filter::check(filters, FilterUse::Path)?;
    let recursive = input.recursive.unwrap_or(false);
    let mut all = parameters.cabinet.all();
    all.retain(|record| name::is_below(&record.name, path, recursive) && filter::matches(filters, record));
    let shown = page(all, most, input.next_token.as_deref(), |record| name::key(&record.name).to_owned());
    let (records, next) = shown.ok_or_else(next_token)?;
    let mut shown = Vec::new();
    for record in records {
        // A label selects the version that has it.
        if let Some(version) = filter::labelled(filters, &record).or(record.versions.last()) {
            shown.extend(told(parameters, &record, version, input.decrypts())?);
        }
    }
    answer(&paged(json!({"Parameters": shown}), next))
}

/// `GetParameterHistory`
pub fn history(parameters: &ParameterStore, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: GetInput = input(request)?;
    let id = required("name", input.name.as_deref())?;
    let most = filter::most(input.max_results, PAGE_VERSIONS)?;
    let (record, _, selector) = parameters.find(id)?;
    if selector.is_some() {
        return Err(not_found(id));
    }
    let versions = record.versions.iter().collect();
    let shown = page(versions, most, input.next_token.as_deref(), |version: &&ParameterVersion| version.number);
    let (versions, next) = shown.ok_or_else(next_token)?;
    let mut shown = Vec::new();
    for version in versions {
        let Some(mut entry) = told(parameters, &record, version, input.decrypts())? else { continue };
        if let Some(members) = entry.as_object_mut() {
            members.remove("ARN");
            members.insert("Labels".to_owned(), json!(version.labels));
            describe(parameters, version, members);
        }
        shown.push(entry);
    }
    answer(&paged(json!({"Parameters": shown}), next))
}

/// What lists say of a version beside its value.
pub fn describe(parameters: &ParameterStore, version: &ParameterVersion, members: &mut serde_json::Map<String, Value>) {
    members.insert("LastModifiedUser".to_owned(), parameters.account.root_arn().into());
    members.insert("Tier".to_owned(), version.tier.as_str().into());
    members.insert("Policies".to_owned(), json!([]));
    if let Some(description) = &version.description {
        members.insert("Description".to_owned(), description.as_str().into());
    }
    if let Some(key) = &version.key_id {
        members.insert("KeyId".to_owned(), key.as_str().into());
    }
}

pub fn paged(mut members: Value, next: Option<String>) -> Value {
    if let Some(next) = next {
        members["NextToken"] = next.into();
    }
    members
}
