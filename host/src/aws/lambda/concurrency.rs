//! Reserved concurrency, and what the account has.

use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::lambda::identifier::FunctionIdentifier;
use crate::aws::lambda::registry::Registry;
use crate::aws::request::{ApiRequest, ApiResponse, empty, json};
use crate::limits::init::PACKAGE_BYTES;
use crate::limits::lambda::{UNRESERVED, ZIP_BYTES};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ReservedInput {
    reserved_concurrent_executions: Option<i64>,
}

fn unqualified(id: &FunctionIdentifier) -> Result<(), ApiError> {
    if id.qualifier.is_none() {
        return Ok(());
    }
    Err(ApiError::invalid_parameter(
        "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.",
    ))
}

/// `PUT /2017-10-31/functions/{name}/concurrency`
pub fn put(registry: &Registry, request: &ApiRequest, id: &FunctionIdentifier) -> Result<ApiResponse, ApiError> {
    let input: ReservedInput = request.json()?;
    let mut constraints = Constraints::default();
    let wanted = constraints.required("reservedConcurrentExecutions", input.reserved_concurrent_executions);
    let wanted = wanted.unwrap_or_default();
    constraints.range("reservedConcurrentExecutions", wanted, 0..=i64::from(u32::MAX) - 1);
    constraints.finish()?;
    unqualified(id)?;
    reserve(registry, id, u32::try_from(wanted).ok())?;
    json(StatusCode::OK, &json!({"ReservedConcurrentExecutions": wanted}))
}

/// `DELETE /2017-10-31/functions/{name}/concurrency`
pub fn delete(registry: &Registry, id: &FunctionIdentifier) -> Result<ApiResponse, ApiError> {
    unqualified(id)?;
    reserve(registry, id, None)?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// In force before it is kept: what cannot be had is not written down. If it cannot be kept, it is as it was.
fn reserve(registry: &Registry, id: &FunctionIdentifier, wanted: Option<u32>) -> Result<(), ApiError> {
    let arn = registry.account().function_arn(&id.name);
    let entry = registry.get(&id.name, &arn)?;
    registry.change(&id.name, &arn, |function, _| {
        let provisioned: u32 = function.record.provisioned.values().map(|one| one.requested).sum();
        if let Some(wanted) = wanted
            && wanted < provisioned
        {
            return Err(ApiError::invalid_parameter(format!(
                " ReservedConcurrentExecutions  {wanted} should not be lower than function's total provisioned concurrency [{provisioned}]."
            )));
        }
        registry.concurrency.reserve(&entry.concurrency, wanted).map_err(|_| {
            ApiError::invalid_parameter(format!(
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [{UNRESERVED}]."
            ))
            .untyped()
        })?;
        let mut record = (*function.record).clone();
        record.reserved = wanted;
        function.record = Arc::new(record);
        Ok(())
    })
    .inspect_err(|_| {
        // What was in force could be had before, and so it can now.
        let _ = registry.concurrency.reserve(&entry.concurrency, entry.now().record.reserved);
    })
}

/// `GET /2019-09-30/functions/{name}/concurrency`
pub fn get(registry: &Registry, id: &FunctionIdentifier) -> Result<ApiResponse, ApiError> {
    unqualified(id)?;
    let function = registry.get(&id.name, &registry.account().function_arn(&id.name))?.now();
    match function.record.reserved {
        Some(reserved) => json(StatusCode::OK, &json!({"ReservedConcurrentExecutions": reserved})),
        None => json(StatusCode::OK, &json!({})),
    }
}

/// `GET /2016-08-19/account-settings`
pub fn account_settings(registry: &Registry) -> Result<ApiResponse, ApiError> {
    let functions = registry.all();
    let sizes = functions.iter().flat_map(|function| {
        let versions = function.versions.values().map(|deployed| deployed.configuration.code.bytes);
        versions.chain([function.record.latest.code.bytes])
    });
    json(
        StatusCode::OK,
        &json!({
            "AccountLimit": {
                "TotalCodeSize": 80_530_636_800_u64,
                "CodeSizeUnzipped": PACKAGE_BYTES,
                "CodeSizeZipped": ZIP_BYTES,
                "ConcurrentExecutions": registry.concurrency.limit(),
                "UnreservedConcurrentExecutions": registry.concurrency.unreserved(),
            },
            "AccountUsage": {"TotalCodeSize": sizes.sum::<u64>(), "FunctionCount": functions.len()},
        }),
    )
}
