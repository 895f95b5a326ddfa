//! Tags of functions.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::lambda::identifier::FunctionIdentifier;
use crate::aws::lambda::registry::Registry;
use crate::aws::request::{ApiRequest, ApiResponse, empty, json};
use crate::limits::lambda::TAGS;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct TagInput {
    tags: BTreeMap<String, String>,
}

/// Whether a resource may have these.
pub fn check(tags: &BTreeMap<String, String>) -> Result<(), ApiError> {
    if tags.len() > TAGS {
        return Err(ApiError::invalid_parameter("Number of tags exceeds resource tag limit."));
    }
    let wrong = tags.iter().find(|(key, value)| {
        key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 || key.starts_with("aws:")
    });
    match wrong {
        Some((key, _)) => Err(ApiError::invalid_parameter(format!(
            "The tag '{key}' is invalid: a key has 1 to 128 characters and does not begin with 'aws:', a value has at most 256."
        ))),
        None => Ok(()),
    }
}

/// The function of an ARN, which has no qualifier.
fn resource(registry: &Registry, arn: &str) -> Result<FunctionIdentifier, ApiError> {
    const PATTERN: &str = "arn:(aws[a-zA-Z-]*):lambda:[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:(function:[a-zA-Z0-9-_]+(:(\\$LATEST|[a-zA-Z0-9-_]+))?|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[a-z0-9]{8}-[a-z0-9]{4}-[a-z0-9]{4}-[a-z0-9]{4}-[a-z0-9]{12})";
    let mut constraints = Constraints::default();
    constraints.pattern("resource", arn, PATTERN, |arn| arn.starts_with("arn:") && arn.split(':').count() >= 7);
    constraints.finish()?;
    let id = FunctionIdentifier::parse(arn, None, registry.account())?;
    if id.qualifier.is_some() {
        let message = "Tags on function aliases and versions are not supported. Please specify a function ARN.";
        return Err(ApiError::invalid_parameter(message));
    }
    Ok(id)
}

fn change(registry: &Registry, arn: &str, work: impl FnOnce(&mut BTreeMap<String, String>)) -> Result<ApiResponse, ApiError> {
    let id = resource(registry, arn)?;
    registry.change(&id.name, &registry.account().function_arn(&id.name), |function, _| {
        let mut record = (*function.record).clone();
        work(&mut record.tags);
        check(&record.tags)?;
        function.record = Arc::new(record);
        Ok(())
    })?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// `POST /2017-03-31/tags/{arn}`
pub fn add(registry: &Registry, request: &ApiRequest, arn: &str) -> Result<ApiResponse, ApiError> {
    let input: TagInput = request.json()?;
    change(registry, arn, |tags| tags.extend(input.tags))
}

/// `DELETE /2017-03-31/tags/{arn}?tagKeys=…`
pub fn remove(registry: &Registry, request: &ApiRequest, arn: &str) -> Result<ApiResponse, ApiError> {
    let keys: Vec<String> = request.parameters("tagKeys").collect();
    change(registry, arn, |tags| tags.retain(|key, _| !keys.contains(key)))
}

/// `GET /2017-03-31/tags/{arn}`
pub fn list(registry: &Registry, arn: &str) -> Result<ApiResponse, ApiError> {
    let id = resource(registry, arn)?;
    let function = registry.get(&id.name, &registry.account().function_arn(&id.name))?.now();
    json(StatusCode::OK, &json!({"Tags": function.record.tags}))
}
