//! Aliases: names that lead to a version, or to two of them by weight.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::lambda::configuration::object;
use crate::aws::lambda::identifier::{FunctionIdentifier, is_alias};
use crate::aws::lambda::paging;
use crate::aws::lambda::precondition::require_revision;
use crate::aws::lambda::record::{AliasRecord, Function};
use crate::aws::lambda::registry::Registry;
use crate::aws::request::{ApiRequest, ApiResponse, empty, json};
use crate::limits::lambda::ALIASES;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct AliasInput {
    name: Option<String>,
    function_version: Option<String>,
    description: Option<String>,
    routing_config: Option<RoutingInput>,
    revision_id: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RoutingInput {
    additional_version_weights: Option<BTreeMap<String, f64>>,
}

/// `POST /2015-03-31/functions/{name}/aliases`
pub fn create(registry: &Registry, request: &ApiRequest, id: &FunctionIdentifier) -> Result<ApiResponse, ApiError> {
    let input: AliasInput = request.json()?;
    let mut constraints = Constraints::default();
    let name = constraints.required("name", input.name.clone());
    let version = constraints.required("functionVersion", input.function_version.clone());
    let name = name.unwrap_or_default();
    check(&input, &name, &mut constraints);
    constraints.finish()?;
    let version = version.unwrap_or_default();
    let arn = registry.account().function_arn(&id.name);
    let told = registry.change(&id.name, &arn, |function, _| {
        let alias_arn = format!("{arn}:{name}");
        if function.record.aliases.contains_key(&name) {
            return Err(ApiError::conflict(format!("Alias already exists: {alias_arn}")));
        }
        if function.record.aliases.len() >= ALIASES {
            let message = format!("A function has at most {ALIASES} aliases; delete some.");
            return Err(ApiError::bad_request("AliasLimitExceededException", message));
        }
        let alias = AliasRecord {
            weights: weights(function, &arn, &version, input.routing_config.as_ref())?,
            version,
            description: input.description.unwrap_or_default(),
            revision_id: uuid::Uuid::new_v4().to_string(),
        };
        let mut record = (*function.record).clone();
        record.aliases.insert(name.clone(), alias.clone());
        function.record = Arc::new(record);
        Ok(told(&alias_arn, &name, &alias))
    })?;
    json(StatusCode::CREATED, &told)
}

/// `PUT /2015-03-31/functions/{name}/aliases/{alias}`
pub fn update(
    registry: &Arc<Registry>,
    request: &ApiRequest,
    id: &FunctionIdentifier,
    name: &str,
) -> Result<ApiResponse, ApiError> {
    let input: AliasInput = request.json()?;
    let mut constraints = Constraints::default();
    check(&input, name, &mut constraints);
    constraints.finish()?;
    let arn = registry.account().function_arn(&id.name);
    let told = registry.change(&id.name, &arn, |function, _| {
        let alias_arn = format!("{arn}:{name}");
        let alias = function.record.aliases.get(name).cloned();
        let mut alias = alias.ok_or_else(|| ApiError::not_found(format!("Alias not found: {alias_arn}")))?;
        require_revision(input.revision_id.as_deref(), &alias.revision_id, "GetFunction/GetAlias")?;
        let version = input.function_version.unwrap_or_else(|| alias.version.clone());
        let kept = RoutingInput {
            additional_version_weights: Some(
                alias.weights.iter().map(|(number, weight)| (number.to_string(), *weight)).collect(),
            ),
        };
        alias.weights = weights(function, &arn, &version, Some(input.routing_config.as_ref().unwrap_or(&kept)))?;
        alias.version = version;
        if let Some(description) = input.description {
            alias.description = description;
        }
        alias.revision_id = uuid::Uuid::new_v4().to_string();
        let mut record = (*function.record).clone();
        record.aliases.insert(name.to_owned(), alias.clone());
        function.record = Arc::new(record);
        Ok(told(&alias_arn, name, &alias))
    })?;
    registry.reprovision(&id.name)?;
    json(StatusCode::OK, &told)
}

/// `GET /2015-03-31/functions/{name}/aliases/{alias}`
pub fn get(registry: &Registry, id: &FunctionIdentifier, name: &str) -> Result<ApiResponse, ApiError> {
    let arn = registry.account().function_arn(&id.name);
    let function = registry.get(&id.name, &arn)?.now();
    let alias_arn = format!("{arn}:{name}");
    let alias = function.record.aliases.get(name);
    let alias = alias.ok_or_else(|| ApiError::not_found(format!("Cannot find alias arn: {alias_arn}")))?;
    json(StatusCode::OK, &told(&alias_arn, name, alias))
}

/// `GET /2015-03-31/functions/{name}/aliases`
pub fn list(registry: &Registry, request: &ApiRequest, id: &FunctionIdentifier) -> Result<ApiResponse, ApiError> {
    let arn = registry.account().function_arn(&id.name);
    let function = registry.get(&id.name, &arn)?.now();
    let wanted = request.parameter("FunctionVersion");
    let aliases = function.record.aliases.iter();
    let values: Vec<Value> = aliases
        .filter(|(_, alias)| wanted.as_ref().is_none_or(|wanted| alias.version == *wanted))
        .map(|(name, alias)| told(&format!("{arn}:{name}"), name, alias).into())
        .collect();
    paging::page(request, "Aliases", values)
}

/// `DELETE /2015-03-31/functions/{name}/aliases/{alias}`: one that is not there is as good as deleted.
pub fn delete(registry: &Arc<Registry>, id: &FunctionIdentifier, name: &str) -> Result<ApiResponse, ApiError> {
    let arn = registry.account().function_arn(&id.name);
    registry.change(&id.name, &arn, |function, _| {
        let mut record = (*function.record).clone();
        record.aliases.remove(name);
        record.policies.remove(name);
        record.provisioned.remove(name);
        record.event_invoke.remove(name);
        record.urls.remove(name);
        function.record = Arc::new(record);
        Ok(())
    })?;
    registry.reprovision(&id.name)?;
    Ok(empty(StatusCode::NO_CONTENT))
}

fn check(input: &AliasInput, name: &str, constraints: &mut Constraints) {
    constraints.length("name", name, 1..=128);
    constraints.pattern("name", name, "(?!^[0-9]+$)([a-zA-Z0-9-_]+)", is_alias);
    if let Some(version) = &input.function_version {
        let sound = |text: &str| text == "$LATEST" || (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
        constraints.pattern("functionVersion", version, "(\\$LATEST|[0-9]+)", sound);
    }
    if let Some(description) = &input.description {
        constraints.length("description", description, 0..=256);
    }
    let weights = input.routing_config.as_ref().and_then(|routing| routing.additional_version_weights.as_ref());
    for (version, weight) in weights.into_iter().flatten() {
        let place = "routingConfig.additionalVersionWeights";
        let sound = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        constraints.pattern(place, version, "[0-9]+", sound);
        // Written so that what is no number is wrong, too.
        if !(0.0..=1.0).contains(weight) {
            let bound =
                if *weight > 1.0 { "have value less than or equal to 1" } else { "have value greater than or equal to 0" };
            constraints.fail(place, weight, bound);
        }
    }
}

/// The checked weights of an alias with this main version, which must be there as they must.
fn weights(
    function: &Function,
    arn: &str,
    version: &str,
    routing: Option<&RoutingInput>,
) -> Result<BTreeMap<u64, f64>, ApiError> {
    let missing = |version: &str| ApiError::not_found(format!("Function not found: {arn}:{version}"));
    if function.deployed(version).is_none() {
        return Err(missing(version));
    }
    let mut weights = BTreeMap::new();
    for (additional, weight) in routing.and_then(|routing| routing.additional_version_weights.as_ref()).into_iter().flatten() {
        if additional == version {
            return Err(ApiError::invalid_parameter(format!(
                "Invalid function version {additional}. Function version {additional} is already included in routing configuration."
            )));
        }
        if function.deployed(additional).is_none() {
            return Err(missing(additional));
        }
        weights.insert(additional.parse().map_err(|_| missing(additional))?, *weight);
    }
    if weights.len() > 1 {
        let message = "Number of items in AdditionalVersionWeights cannot be greater than 1";
        return Err(ApiError::invalid_parameter(message));
    }
    if version == "$LATEST" && !weights.is_empty() {
        let message = "$LATEST is not supported for an alias pointing to more than 1 version";
        return Err(ApiError::invalid_parameter(message));
    }
    Ok(weights)
}

fn told(arn: &str, name: &str, alias: &AliasRecord) -> Map<String, Value> {
    let mut members = object(json!({
        "AliasArn": arn,
        "Name": name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision_id,
    }));
    if !alias.weights.is_empty() {
        let weights: Map<String, Value> =
            alias.weights.iter().map(|(number, weight)| (number.to_string(), json!(weight))).collect();
        members.insert("RoutingConfig".to_owned(), json!({"AdditionalVersionWeights": weights}));
    }
    members
}

/// The version that a call of an alias runs: `chance` is uniform from 0 up to 1.
pub fn chosen(alias: &AliasRecord, chance: f64) -> String {
    let mut below = 0.0;
    for (number, weight) in &alias.weights {
        below += weight;
        if chance < below {
            return number.to_string();
        }
    }
    alias.version.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_additional_version_gets_its_part_of_the_calls() {
        let alias = |weight: f64| AliasRecord {
            version: "1".to_owned(),
            description: String::new(),
            weights: BTreeMap::from([(2, weight)]),
            revision_id: String::new(),
        };
        for (weight, chance, version) in
            [(0.25, 0.0, "2"), (0.25, 0.2499, "2"), (0.25, 0.25, "1"), (0.25, 0.9999, "1"), (0.0, 0.0, "1"), (1.0, 0.9999, "2")]
        {
            assert_eq!(chosen(&alias(weight), chance), version, "{weight} {chance}");
        }
    }
}
