//! Layers: archives that several functions share, each version of which stays as it was published.

use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::aws::authorization::Caller;
use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::lambda::code;
use crate::aws::lambda::configuration::{milliseconds, object, timestamp};
use crate::aws::lambda::input::{CodeInput, refuse_unknown};
use crate::aws::lambda::layer_record::{LayerRecord, key, parts};
use crate::aws::lambda::paging;
use crate::aws::lambda::registry::Registry;
use crate::aws::request::{ApiRequest, ApiResponse, empty, json};
use crate::function_name::is_name;
use crate::store::{Collection, StoreError};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct PublishLayerInput {
    content: CodeInput,
    description: Option<String>,
    compatible_runtimes: Option<Vec<String>>,
    compatible_architectures: Option<Vec<String>>,
    license_info: Option<String>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

pub fn publish(registry: &Arc<Registry>, caller: &Caller, request: &ApiRequest, layer: &str) -> Result<ApiResponse, ApiError> {
    let input: PublishLayerInput = request.json()?;
    refuse_unknown(&input.other, &[])?;
    let name = name(registry, layer)?;
    let mut constraints = Constraints::default();
    constraints.length("description", input.description.as_deref().unwrap_or_default(), 0..=256);
    constraints.length("licenseInfo", input.license_info.as_deref().unwrap_or_default(), 0..=512);
    if let Some(unknown) = input.compatible_runtimes.iter().flatten().find(|name| !is_runtime(name)) {
        constraints.fail(
            "compatibleRuntimes",
            &format!("[{unknown}]"),
            "satisfy constraint: [Member must satisfy enum value set]",
        );
    }
    constraints.finish()?;
    let (code, _upload) = code::keep(registry, caller, request, &input.content)?;
    let record = LayerRecord {
        code,
        description: input.description.unwrap_or_default(),
        runtimes: input.compatible_runtimes.unwrap_or_default(),
        architectures: input.compatible_architectures.unwrap_or_default(),
        license: input.license_info,
        created_ms: milliseconds(request.received),
        policy: None,
    };
    let number = registry.store().change(|change| {
        let last: u64 = change.record(Collection::LayerNumbers, name)?.unwrap_or(0);
        change.put(Collection::LayerNumbers, name, &(last + 1))?;
        change.put(Collection::Layers, &key(name, last + 1), &record)?;
        Ok::<u64, StoreError>(last + 1)
    })?;
    json(StatusCode::CREATED, &told(registry, name, number, &record, Some(request)))
}

pub fn get(registry: &Registry, request: &ApiRequest, layer: &str, number: &str) -> Result<ApiResponse, ApiError> {
    let (name, number, record) = version(registry, layer, number)?;
    json(StatusCode::OK, &told(registry, name, number, &record, Some(request)))
}

pub fn get_by_arn(registry: &Registry, request: &ApiRequest, arn: &str) -> Result<ApiResponse, ApiError> {
    let missing = || ApiError::not_found("The resource you requested does not exist.");
    let (name, number) = parts(registry.account(), arn).ok_or_else(missing)?;
    get(registry, request, name, &number.to_string())
}

pub fn delete(registry: &Registry, layer: &str, number: &str) -> Result<ApiResponse, ApiError> {
    match version(registry, layer, number) {
        Ok((name, number, record)) => {
            registry.store().change(|change| change.remove(Collection::Layers, &key(name, number)))?;
            registry.release(record.code.digest);
        }
        // One that is not there is as good as deleted.
        Err(error) if error.status == StatusCode::NOT_FOUND => {}
        Err(error) => return Err(error),
    }
    Ok(empty(StatusCode::NO_CONTENT))
}

/// The newest first.
pub fn list_versions(registry: &Registry, request: &ApiRequest, layer: &str) -> Result<ApiResponse, ApiError> {
    let name = name(registry, layer)?;
    let mut versions: Vec<(String, LayerRecord)> = registry.store().records(Collection::Layers, &format!("{name}\0"))?;
    versions.reverse();
    let versions = versions.iter().filter(|(_, record)| is_wanted(request, record));
    let told = versions.filter_map(|(key, record)| Some(told(registry, name, number_of(key)?, record, None))).collect();
    paging::page(request, "LayerVersions", told)
}

pub fn list(registry: &Registry, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let all: Vec<(String, LayerRecord)> = registry.store().records(Collection::Layers, "")?;
    let mut latest: std::collections::BTreeMap<&str, (u64, &LayerRecord)> = std::collections::BTreeMap::new();
    for (key, record) in all.iter().filter(|(_, record)| is_wanted(request, record)) {
        if let (Some((name, _)), Some(number)) = (key.split_once('\0'), number_of(key)) {
            latest.insert(name, (number, record));
        }
    }
    let layer = |(name, (number, record)): (&str, (u64, &LayerRecord))| {
        let version = told(registry, name, number, record, None);
        json!({"LayerName": name, "LayerArn": registry.account().layer_arn(name), "LatestMatchingVersion": version})
    };
    paging::page(request, "Layers", latest.into_iter().map(layer).collect())
}

/// Whether AWS has, or had, runtimes of that name: layers are for those that are not here, too.
fn is_runtime(name: &str) -> bool {
    ["python", "nodejs", "java", "ruby", "dotnet", "go1.", "provided"].iter().any(|kind| name.starts_with(kind))
}

fn is_wanted(request: &ApiRequest, record: &LayerRecord) -> bool {
    let compatible = |name: &str, of: &[String]| request.parameter(name).is_none_or(|wanted| of.contains(&wanted));
    compatible("CompatibleRuntime", &record.runtimes) && compatible("CompatibleArchitecture", &record.architectures)
}

fn number_of(key: &str) -> Option<u64> {
    key.split_once('\0')?.1.parse().ok()
}

/// A layer is named by its name or its ARN.
pub fn name<'a>(registry: &Registry, layer: &'a str) -> Result<&'a str, ApiError> {
    let name = layer.strip_prefix(&registry.account().layer_arn("")).unwrap_or(layer);
    let mut constraints = Constraints::default();
    let pattern = "(arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\\d{12}:layer:[a-zA-Z0-9-_]+)|[a-zA-Z0-9-_]+";
    constraints.pattern("layerName", layer, pattern, |_| is_name(name));
    constraints.length("layerName", layer, 1..=140);
    constraints.finish()?;
    Ok(name)
}

/// What the path says of a version; of one that is no number there is none.
pub fn number(number: &str) -> Result<Option<u64>, ApiError> {
    match number.parse::<i64>() {
        Ok(number) if number < 1 => Err(ApiError::invalid_parameter("Layer Version Cannot be less than 1")),
        number => Ok(number.ok().map(i64::unsigned_abs)),
    }
}

fn version<'a>(registry: &Registry, layer: &'a str, text: &str) -> Result<(&'a str, u64, LayerRecord), ApiError> {
    let name = name(registry, layer)?;
    let missing = || ApiError::not_found("The resource you requested does not exist.");
    let number = number(text)?.ok_or_else(missing)?;
    let record = registry.store().record(Collection::Layers, &key(name, number))?;
    Ok((name, number, record.ok_or_else(missing)?))
}

/// With where its archive is, for who has asked for one version.
fn told(registry: &Registry, name: &str, number: u64, record: &LayerRecord, whole: Option<&ApiRequest>) -> Value {
    let arn = registry.account().layer_arn(name);
    let mut members = object(json!({
        "LayerVersionArn": format!("{arn}:{number}"),
        "Version": number,
        "Description": record.description,
        "CreatedDate": timestamp(record.created_ms),
        "CompatibleRuntimes": record.runtimes,
    }));
    if !record.architectures.is_empty() {
        members.insert("CompatibleArchitectures".to_owned(), json!(record.architectures));
    }
    if let Some(license) = &record.license {
        members.insert("LicenseInfo".to_owned(), license.as_str().into());
    }
    if let Some(request) = whole {
        let location = code::location(registry, request, &record.code);
        let content = json!({"Location": location, "CodeSha256": record.code.sha256(), "CodeSize": record.code.bytes});
        members.insert("LayerArn".to_owned(), arn.into());
        members.insert("Content".to_owned(), content);
    }
    Value::Object(members)
}
