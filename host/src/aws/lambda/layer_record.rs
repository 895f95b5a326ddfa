//! A version of a layer, as it is kept, and how it is found.

use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::aws::error::ApiError;
use crate::aws::lambda::configuration::CodeRecord;
use crate::aws::lambda::policy_record::PolicyRecord;
use crate::store::{Collection, Store, StoreError};

/// A version of a layer. As it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerRecord {
    pub code: CodeRecord,
    pub description: String,
    pub runtimes: Vec<String>,
    pub architectures: Vec<String>,
    pub license: Option<String>,
    pub created_ms: u64,
    /// Who else may have it.
    #[serde(default)]
    pub policy: Option<PolicyRecord>,
}

/// Of its record.
pub fn key(name: &str, number: u64) -> String {
    format!("{name}\0{number:020}")
}

/// The version of a layer that an ARN names; `None` if there is none.
pub fn find(store: &Store, account: &Account, arn: &str) -> Result<Option<LayerRecord>, StoreError> {
    let Some((name, number)) = parts(account, arn) else { return Ok(None) };
    store.record(Collection::Layers, &key(name, number))
}

/// Name and number of an ARN of this account.
pub fn parts<'a>(account: &Account, arn: &'a str) -> Option<(&'a str, u64)> {
    let rest = arn.strip_prefix(&account.layer_arn(""))?;
    let (name, number) = rest.split_once(':')?;
    Some((name, number.parse().ok()?))
}

/// Checks the layers of a function, which must be there and each of another layer.
pub fn check(store: &Store, account: &Account, arns: &[String]) -> Result<Vec<(String, u64)>, ApiError> {
    let mut found: Vec<(String, u64)> = Vec::new();
    for arn in arns {
        let layer = find(store, account, arn)?;
        let layer = layer.ok_or_else(|| ApiError::invalid_parameter(format!("Layer version {arn} does not exist.")))?;
        let same =
            |other: &&(String, u64)| other.0.rsplit_once(':').map(|parts| parts.0) == arn.rsplit_once(':').map(|parts| parts.0);
        if let Some((other, _)) = found.iter().find(same) {
            return Err(ApiError::invalid_parameter(format!(
                "Two different versions of the same layer are not allowed to be referenced in the same function. {other} and {arn} are versions of the same layer."
            )));
        }
        found.push((arn.clone(), layer.code.bytes));
    }
    Ok(found)
}
