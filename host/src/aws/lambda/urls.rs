//! Function URLs: a host name at which a function answers HTTP. Their configurations; requests to them are in
//! `url_request`.

use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::lambda::configuration::{milliseconds, object, timestamp};
use crate::aws::lambda::identifier::{FunctionIdentifier, Qualifier};
use crate::aws::lambda::paging;
use crate::aws::lambda::record::UrlRecord;
use crate::aws::lambda::registry::Registry;
use crate::aws::request::{ApiRequest, ApiResponse, empty, json};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct UrlInput {
    auth_type: Option<String>,
    cors: Option<Map<String, Value>>,
    invoke_mode: Option<String>,
}

impl UrlInput {
    fn check(&self, constraints: &mut Constraints) {
        if let Some(auth) = &self.auth_type {
            constraints.one_of("authType", auth, &["NONE", "AWS_IAM"]);
        }
        if let Some(mode) = &self.invoke_mode {
            constraints.one_of("invokeMode", mode, &["BUFFERED", "RESPONSE_STREAM"]);
        }
        if let Some(age) = self.cors.as_ref().and_then(|cors| cors.get("MaxAge")).and_then(Value::as_i64) {
            constraints.range("cors.maxAge", age, 0..=86_400);
        }
    }
}

/// Under what a qualifier's URL is kept: only aliases have one of their own.
fn place(id: &FunctionIdentifier) -> Result<String, ApiError> {
    match &id.qualifier {
        None => Ok(String::new()),
        Some(Qualifier::Alias(name)) => Ok(name.clone()),
        Some(other) => {
            let mut constraints = Constraints::default();
            constraints.pattern("qualifier", &other.to_string(), "((?!^\\d+$)^[0-9a-zA-Z-_]+$)", |_| false);
            constraints.finish().map(|()| String::new())
        }
    }
}

/// `POST /2021-10-31/functions/{name}/url`
pub fn create(registry: &Registry, request: &ApiRequest, id: &FunctionIdentifier) -> Result<ApiResponse, ApiError> {
    let input: UrlInput = request.json()?;
    let mut constraints = Constraints::default();
    let auth = constraints.required("authType", input.auth_type.clone());
    input.check(&mut constraints);
    constraints.finish()?;
    let (place, arn, now) = (place(id)?, id.arn(registry.account()), milliseconds(request.received));
    if registry.find(&id.name).is_none_or(|entry| entry.now().version_of(id.qualifier.as_ref()).is_none()) {
        return Err(ApiError::not_found("Function does not exist"));
    }
    let told = registry.change(&id.name, &arn, |function, _| {
        let mut record = (*function.record).clone();
        if record.urls.contains_key(&place) {
            return Err(ApiError::conflict(format!("Failed to create function url config for [functionArn = {arn}]. Error message:  FunctionUrlConfig exists for this Lambda function")));
        }
        let url = UrlRecord {
            id: uuid::Uuid::new_v4().simple().to_string(),
            auth: auth.unwrap_or_default(),
            cors: input.cors.map(Value::Object),
            mode: input.invoke_mode.unwrap_or_else(|| "BUFFERED".to_owned()),
            created_ms: now,
            modified_ms: now,
        };
        let members = told(registry, request, &arn, &url);
        record.urls.insert(place, url);
        function.record = Arc::new(record);
        Ok(members)
    })?;
    json(StatusCode::CREATED, &told)
}

/// `PUT /2021-10-31/functions/{name}/url`
pub fn update(registry: &Registry, request: &ApiRequest, id: &FunctionIdentifier) -> Result<ApiResponse, ApiError> {
    let input: UrlInput = request.json()?;
    let mut constraints = Constraints::default();
    input.check(&mut constraints);
    constraints.finish()?;
    let (place, arn) = (place(id)?, id.arn(registry.account()));
    registry.find(&id.name).ok_or_else(missing)?;
    let told = registry.change(&id.name, &arn, |function, _| {
        let mut record = (*function.record).clone();
        let url = record.urls.get_mut(&place).ok_or_else(missing)?;
        if let Some(auth) = input.auth_type {
            url.auth = auth;
        }
        if let Some(cors) = input.cors {
            url.cors = Some(Value::Object(cors));
        }
        if let Some(mode) = input.invoke_mode {
            url.mode = mode;
        }
        url.modified_ms = milliseconds(request.received);
        let members = told(registry, request, &arn, url);
        function.record = Arc::new(record);
        Ok(members)
    })?;
    json(StatusCode::OK, &told)
}

fn missing() -> ApiError {
    ApiError::not_found("The resource you requested does not exist.")
}

pub fn get(registry: &Registry, request: &ApiRequest, id: &FunctionIdentifier) -> Result<ApiResponse, ApiError> {
    let (place, arn) = (place(id)?, id.arn(registry.account()));
    let function = registry.find(&id.name).ok_or_else(missing)?.now();
    json(StatusCode::OK, &told(registry, request, &arn, function.record.urls.get(&place).ok_or_else(missing)?))
}

pub fn delete(registry: &Registry, id: &FunctionIdentifier) -> Result<ApiResponse, ApiError> {
    let place = place(id)?;
    registry.change(&id.name, &id.arn(registry.account()), |function, _| {
        let mut record = (*function.record).clone();
        record.urls.remove(&place).ok_or_else(missing)?;
        function.record = Arc::new(record);
        Ok(())
    })?;
    Ok(empty(StatusCode::NO_CONTENT))
}

pub fn list(registry: &Registry, request: &ApiRequest, id: &FunctionIdentifier) -> Result<ApiResponse, ApiError> {
    let function = registry.get(&id.name, &registry.account().function_arn(&id.name))?.now();
    let told = |(place, url): (&String, &UrlRecord)| {
        let arn = match place.as_str() {
            "" => registry.account().function_arn(&id.name),
            alias => registry.account().qualified_arn(&id.name, alias),
        };
        Value::from(told(registry, request, &arn, url))
    };
    paging::page(request, "FunctionUrlConfigs", function.record.urls.iter().map(told).collect())
}

fn told(registry: &Registry, request: &ApiRequest, arn: &str, url: &UrlRecord) -> Map<String, Value> {
    let mut members = object(json!({
        "FunctionUrl": location(registry, request, &url.id),
        "FunctionArn": arn,
        "AuthType": url.auth,
        "CreationTime": timestamp(url.created_ms),
        "LastModifiedTime": timestamp(url.modified_ms),
        "InvokeMode": url.mode,
    }));
    if let Some(cors) = &url.cors {
        members.insert("Cors".to_owned(), cors.clone());
    }
    members
}

/// Below the host that the client has asked; that of an address is `localhost`, whose names lead to this machine.
fn location(registry: &Registry, request: &ApiRequest, id: &str) -> String {
    let authority = request.header("host").and_then(|host| host.parse::<http::uri::Authority>().ok());
    let host = authority.as_ref().map_or("localhost", |authority| authority.host());
    let is_address = host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok();
    let host = if is_address { "localhost" } else { host };
    let port = authority.as_ref().and_then(|authority| authority.port_u16()).map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{id}.lambda-url.{}.{host}{port}/", request.scheme(), registry.account().region)
}
