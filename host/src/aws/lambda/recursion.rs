//! Whether a function may call itself by way of others.

use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::lambda::identifier::FunctionIdentifier;
use crate::aws::lambda::registry::Registry;
use crate::aws::request::{ApiRequest, ApiResponse, json};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RecursionInput {
    recursive_loop: Option<String>,
}

/// `PUT /2024-08-31/functions/{name}/recursion-config`
pub fn put(registry: &Registry, request: &ApiRequest, id: &FunctionIdentifier) -> Result<ApiResponse, ApiError> {
    let input: RecursionInput = request.json()?;
    let mut constraints = Constraints::default();
    let wanted = constraints.required("recursiveLoop", input.recursive_loop).unwrap_or_default();
    if !wanted.is_empty() {
        constraints.one_of("recursiveLoop", &wanted, &["Allow", "Terminate"]);
    }
    constraints.finish()?;
    registry.change(&id.name, &registry.account().function_arn(&id.name), |function, _| {
        let mut record = (*function.record).clone();
        record.recursion.clone_from(&wanted);
        function.record = Arc::new(record);
        Ok(())
    })?;
    json(StatusCode::OK, &json!({"RecursiveLoop": wanted}))
}

/// `GET /2024-08-31/functions/{name}/recursion-config`
pub fn get(registry: &Registry, id: &FunctionIdentifier) -> Result<ApiResponse, ApiError> {
    let function = registry.get(&id.name, &registry.account().function_arn(&id.name))?.now();
    json(StatusCode::OK, &json!({"RecursiveLoop": function.record.recursion}))
}
