//! Versions: what `$LATEST` was when it was published, for good.

use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::aws::error::ApiError;
use crate::aws::lambda::code::not_publishable;
use crate::aws::lambda::configuration::{State, Update};
use crate::aws::lambda::deployed::Deployed;
use crate::aws::lambda::identifier::{FunctionIdentifier, Qualifier};
use crate::aws::lambda::paging;
use crate::aws::lambda::precondition::require_revision;
use crate::aws::lambda::registry::{Registry, version_key};
use crate::aws::lambda::told::told;
use crate::aws::request::{ApiRequest, ApiResponse, json};
use crate::limits::lambda::VERSIONS;
use crate::store::Collection;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct PublishVersionInput {
    code_sha256: Option<String>,
    description: Option<String>,
    revision_id: Option<String>,
}

/// `POST /2015-03-31/functions/{name}/versions`
pub fn publish(registry: &Arc<Registry>, request: &ApiRequest, id: &FunctionIdentifier) -> Result<ApiResponse, ApiError> {
    let input: PublishVersionInput = request.json()?;
    let arn = registry.account().function_arn(&id.name);
    let function = registry.get(&id.name, &arn)?.now();
    function.require_settled(&arn)?;
    let latest = &function.record.latest;
    require_revision(input.revision_id.as_deref(), &latest.revision_id, "GetFunction/GetAlias")?;
    if let Some(wanted) = &input.code_sha256
        && *wanted != latest.code.sha256()
    {
        let current = latest.code.sha256();
        return Err(ApiError::invalid_parameter(format!(
            "CodeSHA256 ({wanted}) is different from current CodeSHA256 in $LATEST ({current}). Please try again with the CodeSHA256 in $LATEST."
        )));
    }
    let number = publish_now(registry, &id.name, &arn, input.description, request)?;
    let function = registry.get(&id.name, &arn)?.now();
    json(StatusCode::CREATED, &told(registry, &function, Some(&Qualifier::Version(number)))?)
}

/// The number of a version of what `$LATEST` is: a new one, unless the last one is the same.
pub fn publish_now(
    registry: &Arc<Registry>,
    name: &str,
    arn: &str,
    description: Option<String>,
    request: &ApiRequest,
) -> Result<u64, ApiError> {
    let (number, new) = registry.change(name, arn, |function, change| {
        let latest = &function.record.latest;
        if latest.hot_reload.is_some() {
            return Err(not_publishable());
        }
        if let Some(last) = function.versions.get(&function.record.last_version)
            && last.configuration.is_as(latest)
        {
            return Ok((function.record.last_version, None));
        }
        if function.versions.len() >= VERSIONS {
            let message = format!("A function has at most {VERSIONS} versions; delete some.");
            return Err(ApiError::bad_request("CodeStorageExceededException", message));
        }
        let mut record = (*function.record).clone();
        record.last_version += 1;
        let mut configuration = record.latest.clone();
        if let Some(description) = description {
            configuration.description = description;
        }
        (configuration.state, configuration.update) = (State::Active, Update::Successful);
        configuration.touch(request.received);
        // As on AWS, the function has another revision id then.
        record.latest.revision_id = uuid::Uuid::new_v4().to_string();
        let number = record.last_version;
        if let Some(mode) = record.runtime_modes.get("$LATEST").copied() {
            record.runtime_modes.insert(number.to_string(), mode);
        }
        change.put(Collection::Versions, &version_key(name, number), &configuration)?;
        let deployed = Deployed::new(name, &number.to_string(), configuration, 0);
        function.versions.insert(number, deployed.clone());
        function.record = Arc::new(record);
        Ok((number, Some(deployed)))
    })?;
    if let Some(deployed) = new {
        registry.deploy(deployed);
    }
    Ok(number)
}

/// `GET /2015-03-31/functions/{name}/versions`: `$LATEST` first.
pub fn list(registry: &Registry, request: &ApiRequest, id: &FunctionIdentifier) -> Result<ApiResponse, ApiError> {
    let function = registry.get(&id.name, &registry.account().function_arn(&id.name))?.now();
    let numbers = function.versions.keys().map(|number| Qualifier::Version(*number));
    let told =
        [Qualifier::Latest].into_iter().chain(numbers).map(|version| Ok(told(registry, &function, Some(&version))?.into()));
    let values: Vec<Value> = told.collect::<Result<_, ApiError>>()?;
    paging::page(request, "Versions", values)
}

/// One that an alias leads to stays.
pub fn delete(registry: &Arc<Registry>, name: &str, arn: &str, number: u64) -> Result<(), ApiError> {
    let removed = registry.change(name, arn, |function, change| {
        let version = number.to_string();
        let aliases: Vec<&str> = function
            .record
            .aliases
            .iter()
            .filter(|(_, alias)| alias.version == version || alias.weights.contains_key(&number))
            .map(|(name, _)| name.as_str())
            .collect();
        if !aliases.is_empty() {
            let aliases = aliases.join(", ");
            return Err(ApiError::conflict(format!(
                "Unable to delete version because the following aliases reference it: [{aliases}]"
            )));
        }
        change.remove(Collection::Versions, &version_key(name, number))?;
        let mut record = (*function.record).clone();
        record.provisioned.remove(&version);
        record.policies.remove(&version);
        record.event_invoke.remove(&version);
        record.runtime_modes.remove(&version);
        function.record = Arc::new(record);
        Ok(function.versions.remove(&number))
    })?;
    registry.reprovision(name)?;
    if let Some(deployed) = removed {
        registry.release(deployed.configuration.code.digest);
    }
    Ok(())
}
