//! The operations on groups: made, deleted, described, kept for so long.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::aws::error::ApiError;
use crate::aws::json_target::answer;
use crate::aws::logs::change::{change_record, done};
use crate::aws::logs::group::{GroupRecord, GroupState};
use crate::aws::logs::groups::{Groups, NewGroup};
use crate::aws::logs::input::{
    MemberChecks, described, failed, group_arn, name_of, no_group, page_start, page_token, received_ms, wrong,
};
use crate::aws::logs::tagging;
use crate::aws::request::{ApiRequest, ApiResponse};
use crate::limits::logs::RETENTION_DAYS;

const CLASSES: [&str; 4] = ["STANDARD", "INFREQUENT_ACCESS", "DELIVERY", "ESSENTIALS"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateGroupInput {
    log_group_name: Option<String>,
    kms_key_id: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    log_group_class: Option<String>,
}

/// An operation on one group.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupInput {
    log_group_name: Option<String>,
    retention_in_days: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribeGroupsInput {
    log_group_name_prefix: Option<String>,
    log_group_name_pattern: Option<String>,
    log_group_class: Option<String>,
    log_group_identifiers: Option<Vec<String>>,
    next_token: Option<String>,
    limit: Option<i64>,
}

/// `CreateLogGroup`
pub fn create(groups: &Groups, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: CreateGroupInput = request.json()?;
    let mut checks = MemberChecks::default();
    let name = checks.group(input.log_group_name.as_deref());
    let class = input.log_group_class.as_deref().unwrap_or(CLASSES[0]);
    checks.also().one_of("logGroupClass", class, &CLASSES);
    checks.finish()?;
    tagging::check(&input.tags)?;
    if input.kms_key_id.is_some() {
        return Err(ApiError::not_there("A key of KMS for a log group"));
    }
    let record = GroupRecord { class: class.to_owned(), tags: input.tags, ..GroupRecord::new(name, received_ms(request)) };
    match groups.create(record).map_err(|error| failed(&error))? {
        NewGroup::Made(_) => Ok(done()),
        NewGroup::Known(_) => {
            Err(ApiError::bad_request("ResourceAlreadyExistsException", "The specified log group already exists"))
        }
        NewGroup::TooMany => Err(ApiError::bad_request("LimitExceededException", "Resource limit exceeded.")),
    }
}

/// `DeleteLogGroup`
pub fn delete(groups: &Groups, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: GroupInput = request.json()?;
    let mut checks = MemberChecks::default();
    let name = checks.group(input.log_group_name.as_deref());
    checks.finish()?;
    if groups.delete(name).map_err(|error| failed(&error))? { Ok(done()) } else { Err(no_group()) }
}

/// `PutRetentionPolicy`
pub fn put_retention(groups: &Groups, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: GroupInput = request.json()?;
    let mut checks = MemberChecks::default();
    let name = checks.group(input.log_group_name.as_deref());
    let days = checks.also().required("retentionInDays", input.retention_in_days).unwrap_or_default();
    checks.finish()?;
    let Some(days) = RETENTION_DAYS.into_iter().find(|known| i64::from(*known) == days) else {
        let known = RETENTION_DAYS.map(|days| days.to_string()).join(", ");
        return Err(wrong(format!(
            "1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: Member must satisfy \
             enum value set: [{known}]"
        )));
    };
    change(groups, name, |record| record.retention_days = Some(days))
}

/// `DeleteRetentionPolicy`
pub fn delete_retention(groups: &Groups, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: GroupInput = request.json()?;
    let mut checks = MemberChecks::default();
    let name = checks.group(input.log_group_name.as_deref());
    checks.finish()?;
    change(groups, name, |record| record.retention_days = None)
}

fn change(groups: &Groups, name: &str, work: impl FnOnce(&mut GroupRecord)) -> Result<ApiResponse, ApiError> {
    let group = groups.find(name).ok_or_else(no_group)?;
    change_record(&group, |record| {
        work(record);
        Ok(())
    })?;
    Ok(done())
}

/// `DescribeLogGroups`
pub fn describe(groups: &Groups, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: DescribeGroupsInput = request.json()?;
    let mut checks = MemberChecks::default();
    let limit = described(&mut checks, input.limit);
    if let Some(prefix) = &input.log_group_name_prefix {
        checks.group_name("logGroupNamePrefix", prefix);
    }
    if let Some(class) = &input.log_group_class {
        checks.also().one_of("logGroupClass", class, &CLASSES);
    }
    checks.finish()?;
    if input.log_group_name_prefix.is_some() && input.log_group_name_pattern.is_some() {
        return Err(wrong("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."));
    }
    let after = page_start(input.next_token.as_deref())?;
    let (prefix, pattern) = (input.log_group_name_prefix.as_deref(), input.log_group_name_pattern.as_deref());
    let identifiers: Option<Vec<&str>> = input
        .log_group_identifiers
        .as_deref()
        .map(|identifiers| identifiers.iter().filter_map(|identifier| name_of(&groups.account, identifier)).collect());
    // One more than is told, to know whether there is one. The class is looked at later: it needs the group's lock.
    let found = groups.list(&after, if input.log_group_class.is_some() { usize::MAX } else { limit + 1 }, |name| {
        prefix.is_none_or(|prefix| name.starts_with(prefix))
            && pattern.is_none_or(|pattern| name.contains(pattern))
            && identifiers.as_ref().is_none_or(|names| names.contains(&name))
    });
    let class = input.log_group_class.as_deref();
    let mut page: Vec<(String, Value)> = Vec::new();
    for group in found {
        let state = group.state();
        if class.is_none_or(|class| state.record.class == class) {
            page.push((state.record.name.clone(), told(groups, &state)));
        }
        if page.len() > limit {
            break;
        }
    }
    let more = page.len() > limit;
    page.truncate(limit);
    let token = page.last().filter(|_| more).map(|(name, _)| page_token(name));
    let mut output = json!({"logGroups": page.into_iter().map(|(_, group)| group).collect::<Vec<_>>()});
    if let Some(token) = token {
        output["nextToken"] = token.into();
    }
    answer(&output)
}

fn told(groups: &Groups, state: &GroupState) -> Value {
    let (record, arn) = (&state.record, group_arn(&groups.account, &state.record.name));
    let mut told = json!({
        "logGroupName": record.name,
        "creationTime": record.created_ms,
        "metricFilterCount": 0,
        "arn": format!("{arn}:*"),
        "storedBytes": state.bytes(),
        "logGroupClass": record.class,
        "logGroupArn": arn,
        "deletionProtectionEnabled": false,
    });
    if let Some(days) = record.retention_days {
        told["retentionInDays"] = days.into();
    }
    told
}
