//! Provisioned concurrency: environments that are initialised before anybody calls.

use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::lambda::configuration::{milliseconds, object, timestamp};
use crate::aws::lambda::identifier::{FunctionIdentifier, Qualifier};
use crate::aws::lambda::paging;
use crate::aws::lambda::record::{Function, ProvisionedRecord};
use crate::aws::lambda::registry::Registry;
use crate::aws::request::{ApiRequest, ApiResponse, empty, json};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ProvisionedInput {
    provisioned_concurrent_executions: Option<i64>,
}

const UNPUBLISHED: &str = "Provisioned Concurrency Configs cannot be applied to unpublished function versions.";

fn not_found(id: &FunctionIdentifier, arn: &str) -> ApiError {
    match &id.qualifier {
        Some(Qualifier::Alias(_)) => ApiError::not_found(format!("Cannot find alias arn: {arn}")),
        _ => ApiError::not_found(format!("Function not found: {arn}")),
    }
}

/// The qualifier, which names a version or an alias.
fn target(id: &FunctionIdentifier) -> Result<String, ApiError> {
    match &id.qualifier {
        Some(Qualifier::Version(_) | Qualifier::Alias(_)) => {
            Ok(id.qualifier.as_ref().map(ToString::to_string).unwrap_or_default())
        }
        Some(Qualifier::Latest) | None => {
            let message = "The function resource provided must be an alias or a published version.";
            Err(ApiError::invalid_parameter(message))
        }
    }
}

/// `PUT /2019-09-30/functions/{name}/provisioned-concurrency?Qualifier=…`
pub fn put(registry: &Arc<Registry>, request: &ApiRequest, id: &FunctionIdentifier) -> Result<ApiResponse, ApiError> {
    let input: ProvisionedInput = request.json()?;
    let mut constraints = Constraints::default();
    let wanted = constraints.required("provisionedConcurrentExecutions", input.provisioned_concurrent_executions);
    if let Some(wanted) = wanted {
        constraints.range("provisionedConcurrentExecutions", wanted, 1..=i64::from(registry.concurrency.limit()));
    }
    constraints.finish()?;
    if id.qualifier == Some(Qualifier::Latest) {
        return Err(ApiError::invalid_parameter(UNPUBLISHED));
    }
    let (target, arn) = (target(id)?, id.arn(registry.account()));
    let record = ProvisionedRecord {
        requested: wanted.and_then(|wanted| u32::try_from(wanted).ok()).unwrap_or(1),
        modified_ms: milliseconds(request.received),
    };
    let requested = record.requested;
    registry.change(&id.name, &arn, |function, _| {
        let version = function.version_of(id.qualifier.as_ref());
        let version = version.ok_or_else(|| not_found(id, &arn))?;
        if version == "$LATEST" {
            return Err(ApiError::invalid_parameter(UNPUBLISHED));
        }
        clash(function, &target, &version)?;
        let others = function.record.provisioned.iter().filter(|(name, _)| **name != target).map(|(_, one)| one.requested);
        let total = others.sum::<u32>() + requested;
        let most = function.record.reserved.unwrap_or(registry.concurrency.unreserved());
        if total > most {
            let message = match function.record.reserved {
                Some(_) => {
                    "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"
                        .to_owned()
                }
                None => format!(
                    "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{most}]."
                ),
            };
            return Err(ApiError::invalid_parameter(message));
        }
        let mut next = (*function.record).clone();
        next.provisioned.insert(target.clone(), record.clone());
        function.record = Arc::new(next);
        Ok(())
    })?;
    registry.reprovision(&id.name)?;
    let function = registry.get(&id.name, &arn)?.now();
    json(StatusCode::ACCEPTED, &told(&function, &target, &record))
}

/// A version has one configuration: its own, or an alias's.
fn clash(function: &Function, target: &str, version: &str) -> Result<(), ApiError> {
    let is_alias = function.record.aliases.contains_key(target);
    if is_alias && function.record.provisioned.contains_key(version) {
        let message = "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version";
        return Err(ApiError::conflict(message));
    }
    let leads = |name: &String| function.record.aliases.get(name).is_some_and(|alias| alias.version == version);
    if !is_alias && function.record.provisioned.keys().any(leads) {
        return Err(ApiError::conflict("Version is pointed by a Provisioned Concurrency alias"));
    }
    Ok(())
}

fn missing() -> ApiError {
    ApiError::not_found("No Provisioned Concurrency Config found for this function")
        .coded("ProvisionedConcurrencyConfigNotFoundException")
}

/// `GET /2019-09-30/functions/{name}/provisioned-concurrency?Qualifier=…`
pub fn get(registry: &Registry, id: &FunctionIdentifier) -> Result<ApiResponse, ApiError> {
    let (target, arn) = (target(id)?, id.arn(registry.account()));
    let function = registry.get(&id.name, &registry.account().function_arn(&id.name))?.now();
    if function.version_of(id.qualifier.as_ref()).is_none() {
        return Err(not_found(id, &arn));
    }
    let record = function.record.provisioned.get(&target).ok_or_else(missing)?;
    json(StatusCode::OK, &told(&function, &target, record))
}

/// `DELETE`: one that is not there is as good as deleted.
pub fn delete(registry: &Arc<Registry>, id: &FunctionIdentifier) -> Result<ApiResponse, ApiError> {
    let target = target(id)?;
    registry.change(&id.name, &registry.account().function_arn(&id.name), |function, _| {
        let mut record = (*function.record).clone();
        record.provisioned.remove(&target);
        function.record = Arc::new(record);
        Ok(())
    })?;
    registry.reprovision(&id.name)?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// `GET …?List=ALL`
pub fn list(registry: &Registry, request: &ApiRequest, id: &FunctionIdentifier) -> Result<ApiResponse, ApiError> {
    let function = registry.get(&id.name, &registry.account().function_arn(&id.name))?.now();
    let one = |(target, record): (&String, &ProvisionedRecord)| {
        let mut members = told(&function, target, record);
        members.insert("FunctionArn".to_owned(), registry.account().qualified_arn(&id.name, target).into());
        Value::from(members)
    };
    paging::page(request, "ProvisionedConcurrencyConfigs", function.record.provisioned.iter().map(one).collect())
}

fn told(function: &Function, target: &str, record: &ProvisionedRecord) -> Map<String, Value> {
    let version = function.record.aliases.get(target).map_or(target, |alias| alias.version.as_str());
    let is_ready = function.deployed(version).is_some_and(|deployed| deployed.provisioned > 0 && deployed.revision().is_some());
    let ready = if is_ready { record.requested } else { 0 };
    object(json!({
        "RequestedProvisionedConcurrentExecutions": record.requested,
        "AllocatedProvisionedConcurrentExecutions": ready,
        "AvailableProvisionedConcurrentExecutions": ready,
        "Status": if is_ready { "READY" } else { "IN_PROGRESS" },
        "LastModified": timestamp(record.modified_ms),
    }))
}
