//! GetSecretValue, BatchGetSecretValue, DescribeSecret and ListSecretVersionIds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::json_target::answer;
use crate::aws::kept::{Amendment, input, now_ms, page, seconds};
use crate::aws::request::{ApiRequest, ApiResponse};
use crate::aws::secrets::record::{CURRENT, SecretRecord, SecretVersion};
use crate::aws::secrets::state::Secrets;
use crate::aws::secrets::value::SecretValue;
use crate::aws::secrets::{list, refusals};
use crate::limits::secrets::{BATCH, DAY_MS, PAGE_VERSIONS, STAGE_CHARS, VERSION_ID_CHARS};

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ReadInput {
    secret_id: Option<String>,
    version_id: Option<String>,
    version_stage: Option<String>,
    include_deprecated: Option<bool>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct BatchInput {
    secret_id_list: Option<Vec<String>>,
    filters: Option<Vec<Value>>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

/// `GetSecretValue`
pub fn get(secrets: &Secrets, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    answer(&value_asked(secrets, request)?)
}

/// The members of its answer.
pub fn value_asked(secrets: &Secrets, request: &ApiRequest) -> Result<Map<String, Value>, ApiError> {
    let input: ReadInput = input(request)?;
    let mut constraints = Constraints::default();
    if let Some(id) = &input.version_id {
        constraints.length("versionId", id, VERSION_ID_CHARS);
    }
    if let Some(stage) = &input.version_stage {
        constraints.length("versionStage", stage, 1..=STAGE_CHARS);
    }
    constraints.finish()?;
    let found = secrets.found(request, input.secret_id.as_deref())?;
    value(secrets, request, &found, input.version_id.as_deref(), input.version_stage.as_deref())
}

fn value(
    secrets: &Secrets,
    request: &ApiRequest,
    record: &SecretRecord,
    id: Option<&str>,
    stage: Option<&str>,
) -> Result<Map<String, Value>, ApiError> {
    record.require_alive()?;
    let (missing, version) = match (id, stage) {
        (Some(id), _) => (refusals::no_value("VersionId", id), record.version(id)),
        (None, stage) => {
            let stage = stage.unwrap_or(CURRENT);
            (refusals::no_value("staging label", stage), record.staged(stage))
        }
    };
    let Some(version) = version else { return Err(missing) };
    if let (Some(_), Some(stage)) = (id, stage)
        && !version.stages.iter().any(|attached| attached == stage)
    {
        let message = "You provided a VersionStage that is not associated to the provided VersionId.";
        return Err(refusals::invalid_request(message));
    }
    // Gone since the record was found.
    let value = secrets.unsealed(&record.name, &version.id)?.ok_or(missing)?;
    touch(secrets, request, record);
    Ok(told(secrets, record, version, value))
}

fn told(secrets: &Secrets, record: &SecretRecord, version: &SecretVersion, value: SecretValue) -> Map<String, Value> {
    let (member, value) = match value {
        SecretValue::String(text) => ("SecretString", text),
        SecretValue::Binary(bytes) => ("SecretBinary", STANDARD.encode(bytes)),
    };
    [
        ("ARN", record.arn(&secrets.account).into()),
        ("Name", record.name.as_str().into()),
        ("VersionId", version.id.as_str().into()),
        (member, value.into()),
        ("VersionStages", json!(version.stages)),
        ("CreatedDate", seconds(version.created_ms)),
    ]
    .map(|(member, value): (&str, Value)| (member.to_owned(), value))
    .into_iter()
    .collect()
}

/// Remembers the day, at its first access: one write to disk a day.
fn touch(secrets: &Secrets, request: &ApiRequest, record: &SecretRecord) {
    let now_ms = now_ms(request);
    let day_ms = now_ms - now_ms % DAY_MS;
    if record.accessed_ms == Some(day_ms) {
        return;
    }
    let kept = secrets.amend(record, |record| {
        let record = SecretRecord { accessed_ms: Some(day_ms), ..record.clone() };
        Ok((Amendment::Put { record, values: Vec::new(), gone: Vec::new() }, ()))
    });
    // The value is as good without it. The cause is in the log already.
    if kept.is_err() {
        tracing::warn!("the day of the last access to the secret {} was not kept", record.name);
    }
}

/// `BatchGetSecretValue`
pub fn batch(secrets: &Secrets, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: BatchInput = input(request)?;
    let by_filters = input.filters.is_some_and(|filters| !filters.is_empty());
    if by_filters == input.secret_id_list.is_some() {
        let message = "Either 'SecretIdList' or 'Filters' must be provided, but not both.";
        return Err(refusals::invalid_parameter(message.to_owned()));
    }
    if input.max_results.is_some() && !by_filters {
        let message = "'Filters' not specified. 'Filters' must also be specified when 'MaxResults' is provided.";
        return Err(refusals::invalid_parameter(message.to_owned()));
    }
    let (mut values, mut errors) = (Vec::new(), Vec::new());
    let mut read = |id: &str, record: Result<&SecretRecord, ApiError>| match record
        .and_then(|record| value(secrets, request, record, None, None))
    {
        Ok(value) => values.push(value),
        Err(error) => errors.push(json!({"SecretId": id, "ErrorCode": error.code, "Message": error.message})),
    };
    let mut next = None;
    if let Some(ids) = input.secret_id_list {
        if ids.is_empty() || ids.len() > BATCH {
            let message = format!("You can get 1 to {BATCH} secrets with one request, not {}.", ids.len());
            return Err(refusals::invalid_parameter(message));
        }
        for id in &ids {
            let found = secrets.found(request, Some(id));
            read(id, found.as_deref().map_err(Clone::clone));
        }
    } else {
        let most = list::most(input.max_results, BATCH)?;
        let matching = list::matching(secrets, request)?;
        let shown = page(matching, most, input.next_token.as_deref(), |record| record.name.clone());
        let (records, token) = shown.ok_or_else(refusals::next_token)?;
        records.iter().for_each(|record| read(&record.name, Ok(record)));
        next = token;
    }
    answer(&paged(json!({"SecretValues": values, "Errors": errors}), next))
}

/// `DescribeSecret`
pub fn describe(secrets: &Secrets, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: ReadInput = input(request)?;
    let found = secrets.found(request, input.secret_id.as_deref())?;
    answer(&found.described(&secrets.account, "VersionIdsToStages"))
}

/// `ListSecretVersionIds`
pub fn versions(secrets: &Secrets, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: ReadInput = input(request)?;
    let found = secrets.found(request, input.secret_id.as_deref())?;
    let most = list::most(input.max_results, PAGE_VERSIONS)?;
    let all = input.include_deprecated.unwrap_or(false);
    let versions = found.versions.iter().filter(|version| all || !version.stages.is_empty()).collect();
    let shown = page(versions, most, input.next_token.as_deref(), |version: &&SecretVersion| version.number);
    let (versions, next) = shown.ok_or_else(refusals::next_token)?;
    let versions: Vec<Value> = versions
        .into_iter()
        .map(|version| {
            let mut entry = json!({"VersionId": version.id, "CreatedDate": seconds(version.created_ms)});
            if !version.stages.is_empty() {
                entry["VersionStages"] = json!(version.stages);
            }
            entry
        })
        .collect();
    answer(&paged(json!({"ARN": found.arn(&secrets.account), "Name": found.name, "Versions": versions}), next))
}

fn paged(mut members: Value, next: Option<String>) -> Value {
    if let Some(next) = next {
        members["NextToken"] = next.into();
    }
    members
}
