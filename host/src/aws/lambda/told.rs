//! A function as the API tells it: the `FunctionConfiguration` of a qualifier.

use serde_json::{Map, Value};

use crate::aws::error::ApiError;
use crate::aws::lambda::identifier::Qualifier;
use crate::aws::lambda::layer_record;
use crate::aws::lambda::record::Function;
use crate::aws::lambda::registry::Registry;

/// The `FunctionConfiguration` of what a qualifier leads to; its ARN is that of the qualifier.
pub fn told(registry: &Registry, function: &Function, qualifier: Option<&Qualifier>) -> Result<Map<String, Value>, ApiError> {
    let account = registry.account();
    let arn = match qualifier {
        None => account.function_arn(&function.name),
        Some(qualifier) => account.qualified_arn(&function.name, &qualifier.to_string()),
    };
    let missing = || ApiError::not_found(format!("Function not found: {arn}"));
    let version = function.version_of(qualifier).ok_or_else(missing)?;
    let configuration = function.configuration(&version).ok_or_else(missing)?;
    let layers = configuration.layers.iter().map(|arn| {
        let found = layer_record::find(registry.store(), account, arn)?;
        Ok((arn.clone(), found.map_or(0, |layer| layer.code.bytes)))
    });
    let layers: Vec<(String, u64)> = layers.collect::<Result<_, ApiError>>()?;
    Ok(configuration.to_json(&function.name, &version, &arn, &layers))
}
