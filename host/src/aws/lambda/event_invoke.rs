//! What becomes of events that are invoked asynchronously: retries, ages, destinations. Kept here; `asynchronous` does what they say.

use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::lambda::configuration::{milliseconds, object};
use crate::aws::lambda::identifier::FunctionIdentifier;
use crate::aws::lambda::paging;
use crate::aws::lambda::record::EventInvokeRecord;
use crate::aws::lambda::registry::Registry;
use crate::aws::request::{ApiRequest, ApiResponse, empty, json};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct EventInvokeInput {
    maximum_retry_attempts: Option<i64>,
    maximum_event_age_in_seconds: Option<i64>,
    destination_config: Option<DestinationInput>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct DestinationInput {
    on_success: Option<TargetInput>,
    on_failure: Option<TargetInput>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct TargetInput {
    destination: Option<String>,
}

/// What is sent replaces all, or is put over what is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SettingMode {
    Replace,
    Merge,
}

fn qualifier(id: &FunctionIdentifier) -> String {
    id.qualifier.as_ref().map_or_else(|| "$LATEST".to_owned(), ToString::to_string)
}

/// `PUT` and `POST /2019-09-25/functions/{name}/event-invoke-config`
pub fn set(
    registry: &Registry,
    request: &ApiRequest,
    id: &FunctionIdentifier,
    mode: SettingMode,
) -> Result<ApiResponse, ApiError> {
    let input: EventInvokeInput = request.json()?;
    let mut constraints = Constraints::default();
    if let Some(retries) = input.maximum_retry_attempts {
        constraints.range("maximumRetryAttempts", retries, 0..=2);
    }
    if let Some(age) = input.maximum_event_age_in_seconds {
        constraints.range("maximumEventAgeInSeconds", age, 60..=21_600);
    }
    let destinations = input.destination_config.as_ref();
    for (place, target) in [
        ("onSuccess", destinations.and_then(|config| config.on_success.as_ref())),
        ("onFailure", destinations.and_then(|config| config.on_failure.as_ref())),
    ] {
        let destination = target.and_then(|target| target.destination.as_deref()).unwrap_or_default();
        let pattern = "$|kafka://([^.]([a-zA-Z0-9\\-_.]{0,248}))|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\\-])+:([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1})?:(\\d{12})?:(.*)";
        let sound = |text: &str| text.is_empty() || text.starts_with("arn:");
        constraints.pattern(&format!("destinationConfig.{place}.destination"), destination, pattern, sound);
    }
    constraints.finish()?;
    if input.maximum_retry_attempts.is_none()
        && input.maximum_event_age_in_seconds.is_none()
        && input.destination_config.is_none()
    {
        let message = "You must specify at least one of error handling or destination setting.";
        return Err(ApiError::invalid_parameter(message));
    }
    let place = qualifier(id);
    let arn = registry.account().qualified_arn(&id.name, &place);
    if registry.find(&id.name).is_none_or(|entry| entry.now().version_of(id.qualifier.as_ref()).is_none()) {
        return Err(ApiError::not_found("The function doesn't exist."));
    }
    let (success, failure) = match input.destination_config {
        Some(config) => {
            let of = |target: Option<TargetInput>| target.and_then(|target| target.destination).filter(|arn| !arn.is_empty());
            let (success, failure) = (of(config.on_success), of(config.on_failure));
            for destination in success.iter().chain(&failure) {
                check_destination(registry, &id.name, destination)?;
            }
            (Some(success), Some(failure))
        }
        None => (None, None),
    };
    let told = registry.change(&id.name, &arn, |function, _| {
        let mut record = (*function.record).clone();
        let old = record.event_invoke.get(&place).filter(|_| mode == SettingMode::Merge).cloned();
        if mode == SettingMode::Merge && old.is_none() {
            return Err(missing(&arn));
        }
        let old = old.unwrap_or(EventInvokeRecord {
            maximum_retries: None,
            maximum_age_s: None,
            on_success: None,
            on_failure: None,
            modified_ms: 0,
        });
        let next = EventInvokeRecord {
            maximum_retries: input.maximum_retry_attempts.or(old.maximum_retries),
            maximum_age_s: input.maximum_event_age_in_seconds.or(old.maximum_age_s),
            on_success: success.unwrap_or(old.on_success),
            on_failure: failure.unwrap_or(old.on_failure),
            modified_ms: milliseconds(request.received),
        };
        record.event_invoke.insert(place, next.clone());
        function.record = Arc::new(record);
        Ok(told(&arn, &next))
    })?;
    json(StatusCode::OK, &told)
}

fn check_destination(registry: &Registry, name: &str, destination: &str) -> Result<(), ApiError> {
    let invalid = || ApiError::invalid_parameter(format!("The destination ARN {destination} is invalid."));
    let service = destination.split(':').nth(2).filter(|_| destination.starts_with("arn:")).ok_or_else(invalid)?;
    match service {
        "sqs" | "sns" | "events" | "s3" => Ok(()),
        "lambda" => {
            let target = FunctionIdentifier::parse(destination, None, registry.account()).map_err(|_| invalid())?;
            if target.name == name {
                return Err(ApiError::invalid_parameter("You can't specify the function as a destination for itself."));
            }
            registry.find(&target.name).map(drop).ok_or_else(invalid)
        }
        _ => Err(invalid()),
    }
}

fn missing(arn: &str) -> ApiError {
    ApiError::not_found(format!("The function {arn} doesn't have an EventInvokeConfig"))
}

pub fn get(registry: &Registry, id: &FunctionIdentifier) -> Result<ApiResponse, ApiError> {
    let place = qualifier(id);
    let arn = registry.account().qualified_arn(&id.name, &place);
    let entry = registry.find(&id.name).ok_or_else(|| missing(&arn))?;
    let function = entry.now();
    let record = function.record.event_invoke.get(&place).ok_or_else(|| missing(&arn))?;
    json(StatusCode::OK, &told(&arn, record))
}

pub fn delete(registry: &Registry, id: &FunctionIdentifier) -> Result<ApiResponse, ApiError> {
    let place = qualifier(id);
    let arn = registry.account().qualified_arn(&id.name, &place);
    registry.find(&id.name).ok_or_else(|| missing(&arn))?;
    registry.change(&id.name, &arn, |function, _| {
        let mut record = (*function.record).clone();
        record.event_invoke.remove(&place).ok_or_else(|| missing(&arn))?;
        function.record = Arc::new(record);
        Ok(())
    })?;
    Ok(empty(StatusCode::NO_CONTENT))
}

pub fn list(registry: &Registry, request: &ApiRequest, id: &FunctionIdentifier) -> Result<ApiResponse, ApiError> {
    let function = registry.get(&id.name, &registry.account().function_arn(&id.name))?.now();
    let records = function.record.event_invoke.iter();
    let told = records.map(|(place, record)| told(&registry.account().qualified_arn(&id.name, place), record).into());
    paging::page(request, "FunctionEventInvokeConfigs", told.collect())
}

#[expect(clippy::cast_precision_loss, reason = "a time in seconds, with its fraction, as AWS tells it")]
fn told(arn: &str, record: &EventInvokeRecord) -> Map<String, Value> {
    let target = |destination: &Option<String>| match destination {
        Some(destination) => json!({"Destination": destination}),
        None => json!({}),
    };
    let mut members = object(json!({
        "FunctionArn": arn,
        "LastModified": record.modified_ms as f64 / 1_000.0,
        "DestinationConfig": {"OnSuccess": target(&record.on_success), "OnFailure": target(&record.on_failure)},
    }));
    if let Some(retries) = record.maximum_retries {
        members.insert("MaximumRetryAttempts".to_owned(), retries.into());
    }
    if let Some(age) = record.maximum_age_s {
        members.insert("MaximumEventAgeInSeconds".to_owned(), age.into());
    }
    members
}
