//! Which build of its runtime a version runs on, and when it gets another.
//!
//! A host has one build of each runtime, and every version runs on it, whatever its mode is. What is kept is told again, and
//! `Manual` takes no build but that one: nobody is promised one that is not here.
//!
//! Source: botocore's model of the service.

use std::sync::Arc;

use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::lambda::identifier::{FunctionIdentifier, Qualifier};
use crate::aws::lambda::record::{Function, RuntimeMode};
use crate::aws::lambda::registry::Registry;
use crate::aws::request::{ApiRequest, ApiResponse, json};
use crate::limits::lambda::RUNTIME_VERSION_CHARS;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RuntimeManagementInput {
    update_runtime_on: Option<String>,
    runtime_version_arn: Option<String>,
}

/// As it is told.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RuntimeManagement<'a> {
    update_runtime_on: RuntimeMode,
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime_version_arn: Option<&'a str>,
    function_arn: &'a str,
}

/// `PUT /2021-07-20/functions/{name}/runtime-management-config`
pub fn put(registry: &Registry, request: &ApiRequest, id: &FunctionIdentifier) -> Result<ApiResponse, ApiError> {
    let input: RuntimeManagementInput = request.json()?;
    let mut constraints = Constraints::default();
    let wanted = constraints.required("updateRuntimeOn", input.update_runtime_on.as_deref());
    if let Some(wanted) = wanted {
        constraints.one_of("updateRuntimeOn", wanted, &["Auto", "Manual", "FunctionUpdate"]);
    }
    if let Some(arn) = &input.runtime_version_arn {
        constraints.length("runtimeVersionArn", arn, RUNTIME_VERSION_CHARS);
        const PATTERN: &str = "arn:(aws[a-zA-Z-]*):lambda:[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}::runtime:.+";
        let sound = |arn: &str| arn.starts_with("arn:aws") && arn.contains(":lambda:") && arn.contains("::runtime:");
        constraints.pattern("runtimeVersionArn", arn, PATTERN, sound);
    }
    constraints.finish()?;
    let mode = match wanted {
        Some("Manual") => RuntimeMode::Manual,
        Some("FunctionUpdate") => RuntimeMode::FunctionUpdate,
        _ => RuntimeMode::Auto,
    };
    let (version, arn) = version(registry, id)?;
    let build = registry.change(&id.name, &arn, |function, _| {
        let build = build(function, &version, &arn)?;
        match (mode, input.runtime_version_arn) {
            (RuntimeMode::Manual, None) => {
                let message = "RuntimeVersionArn is required when UpdateRuntimeOn is Manual.";
                return Err(ApiError::invalid_parameter(message));
            }
            (RuntimeMode::Manual, Some(asked)) if build.as_ref() != Some(&asked) => {
                let here =
                    build.map_or_else(|| "a runtime of one's own has no versions".to_owned(), |arn| format!("here is {arn}"));
                return Err(ApiError::invalid_parameter(format!("The runtime version {asked} is not available: {here}.")));
            }
            (RuntimeMode::Auto | RuntimeMode::FunctionUpdate, Some(_)) => {
                let message = "RuntimeVersionArn can be specified only when UpdateRuntimeOn is Manual.";
                return Err(ApiError::invalid_parameter(message));
            }
            _ => {}
        }
        let mut record = (*function.record).clone();
        record.runtime_modes.insert(version, mode);
        function.record = Arc::new(record);
        Ok(build)
    })?;
    answer(mode, build.as_deref(), &arn)
}

/// `GET /2021-07-20/functions/{name}/runtime-management-config`
pub fn get(registry: &Registry, id: &FunctionIdentifier) -> Result<ApiResponse, ApiError> {
    let (version, arn) = version(registry, id)?;
    let function = registry.get(&id.name, &arn)?.now();
    let build = build(&function, &version, &arn)?;
    let mode = function.record.runtime_modes.get(&version).copied().unwrap_or_default();
    // The build is a promise of this mode alone.
    answer(mode, build.as_deref().filter(|_| mode == RuntimeMode::Manual), &arn)
}

fn answer(mode: RuntimeMode, build: Option<&str>, arn: &str) -> Result<ApiResponse, ApiError> {
    let told = RuntimeManagement { update_runtime_on: mode, runtime_version_arn: build, function_arn: arn };
    json(StatusCode::OK, &told)
}

/// The version that is named, and its ARN. An alias has no mode of its own.
fn version(registry: &Registry, id: &FunctionIdentifier) -> Result<(String, String), ApiError> {
    match &id.qualifier {
        Some(Qualifier::Alias(_)) => {
            let message = "A runtime management configuration is that of a version; name $LATEST or a number, not an alias.";
            Err(ApiError::invalid_parameter(message))
        }
        qualifier => {
            let version = qualifier.as_ref().map_or_else(|| "$LATEST".to_owned(), ToString::to_string);
            Ok((version, id.arn(registry.account())))
        }
    }
}

/// The build of the runtime that a version runs on.
fn build(function: &Function, version: &str, arn: &str) -> Result<Option<String>, ApiError> {
    let configuration = function.configuration(version);
    let configuration = configuration.ok_or_else(|| ApiError::not_found(format!("Function not found: {arn}")))?;
    Ok(configuration.runtime_version())
}
