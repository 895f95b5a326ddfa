//! Tags of groups, by the operations that AWS has and by those that it had.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use crate::aws::error::ApiError;
use crate::aws::json_target::answer;
use crate::aws::logs::change::{change_record, done};
use crate::aws::logs::groups::{Groups, LogGroup};
use crate::aws::logs::input::{MemberChecks, name_of, no_group, wrong};
use crate::aws::request::{ApiRequest, ApiResponse};
use crate::limits::logs::TAGS;

/// Of a resource by its ARN.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceTagsInput {
    resource_arn: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    tag_keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupTagsInput {
    log_group_name: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupTagKeysInput {
    log_group_name: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
}

/// Whether a group may have these.
pub fn check(tags: &BTreeMap<String, String>) -> Result<(), ApiError> {
    if tags.len() > TAGS {
        let message = "The maximum number of tags per resource is 50.";
        return Err(ApiError::bad_request("TooManyTagsException", message));
    }
    let refused = tags.iter().find(|(key, value)| {
        key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 || key.starts_with("aws:")
    });
    match refused {
        Some((key, _)) => Err(wrong(format!(
            "The tag '{key}' is invalid: a key has 1 to 128 characters and does not begin with 'aws:', a value has at most 256."
        ))),
        None => Ok(()),
    }
}

fn tagged(groups: &Groups, arn: Option<&str>) -> Result<Arc<LogGroup>, ApiError> {
    let mut checks = MemberChecks::default();
    let arn = checks.also().required("resourceArn", arn).unwrap_or_default();
    checks.finish()?;
    if !arn.starts_with("arn:") {
        return Err(wrong("The specified resourceArn is invalid."));
    }
    name_of(&groups.account, arn).and_then(|name| groups.find(name)).ok_or_else(no_group)
}

fn named(groups: &Groups, name: Option<&str>) -> Result<Arc<LogGroup>, ApiError> {
    let mut checks = MemberChecks::default();
    let name = checks.group(name);
    checks.finish()?;
    groups.find(name).ok_or_else(no_group)
}

fn add(group: &LogGroup, tags: BTreeMap<String, String>) -> Result<ApiResponse, ApiError> {
    change_record(group, |record| {
        record.tags.extend(tags);
        check(&record.tags)
    })?;
    Ok(done())
}

fn remove(group: &LogGroup, keys: &[String]) -> Result<ApiResponse, ApiError> {
    change_record(group, |record| {
        record.tags.retain(|key, _| !keys.contains(key));
        Ok(())
    })?;
    Ok(done())
}

fn list(group: &LogGroup) -> Result<ApiResponse, ApiError> {
    let tags = group.state().record.tags.clone();
    answer(&json!({"tags": tags}))
}

/// `TagResource`
pub fn tag_resource(groups: &Groups, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: ResourceTagsInput = request.json()?;
    let group = tagged(groups, input.resource_arn.as_deref())?;
    add(&group, input.tags)
}

/// `UntagResource`
pub fn untag_resource(groups: &Groups, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: ResourceTagsInput = request.json()?;
    let group = tagged(groups, input.resource_arn.as_deref())?;
    remove(&group, &input.tag_keys)
}

/// `ListTagsForResource`
pub fn list_of_resource(groups: &Groups, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: ResourceTagsInput = request.json()?;
    let group = tagged(groups, input.resource_arn.as_deref())?;
    list(&group)
}

/// `TagLogGroup`
pub fn tag_group(groups: &Groups, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: GroupTagsInput = request.json()?;
    let group = named(groups, input.log_group_name.as_deref())?;
    add(&group, input.tags)
}

/// `UntagLogGroup`
pub fn untag_group(groups: &Groups, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: GroupTagKeysInput = request.json()?;
    let group = named(groups, input.log_group_name.as_deref())?;
    remove(&group, &input.tags)
}

/// `ListTagsLogGroup`
pub fn list_of_group(groups: &Groups, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: GroupTagsInput = request.json()?;
    let group = named(groups, input.log_group_name.as_deref())?;
    list(&group)
}
