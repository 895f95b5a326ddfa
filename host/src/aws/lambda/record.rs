//! A function as it is kept, and as it stands in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::aws::error::ApiError;
use crate::aws::lambda::configuration::{Configuration, Update};
use crate::aws::lambda::definition::FileDefinition;
use crate::aws::lambda::deployed::Deployed;
use crate::aws::lambda::identifier::Qualifier;
use crate::aws::lambda::policy_record::PolicyRecord;
use crate::aws::policy::{PolicyDocument, PolicyError};

/// All of a function but its published versions. As it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FunctionRecord {
    pub latest: Configuration,
    /// The number of the version that was published last; 0 if none was. Numbers are never used twice.
    pub last_version: u64,
    pub aliases: BTreeMap<String, AliasRecord>,
    pub tags: BTreeMap<String, String>,
    /// Resource policies, by qualifier; that of the function itself under `""`.
    pub policies: BTreeMap<String, PolicyRecord>,
    /// Reserved concurrency.
    pub reserved: Option<u32>,
    /// Provisioned concurrency, by qualifier.
    pub provisioned: BTreeMap<String, ProvisionedRecord>,
    /// By qualifier; `$LATEST` is the function itself.
    pub event_invoke: BTreeMap<String, EventInvokeRecord>,
    /// Function URLs, by alias; that of the function itself under `""`.
    pub urls: BTreeMap<String, UrlRecord>,
    /// `Terminate` or `Allow`.
    pub recursion: String,
    /// When a version gets another build of its runtime; `$LATEST` is the function itself.
    pub runtime_modes: BTreeMap<String, RuntimeMode>,
}

impl FunctionRecord {
    /// The policies that say something, by qualifier, ready to be asked.
    pub fn policy_documents(&self) -> Result<BTreeMap<String, Arc<PolicyDocument>>, PolicyError> {
        let policies = self.policies.iter().filter(|(_, policy)| !policy.statements.is_empty());
        policies.map(|(place, policy)| Ok((place.clone(), policy.parsed()?))).collect()
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AliasRecord {
    /// `$LATEST` or a number.
    pub version: String,
    pub description: String,
    /// Another version, and which part of the calls it gets.
    pub weights: BTreeMap<u64, f64>,
    pub revision_id: String,
}

/// `UpdateRuntimeOn`. As it is kept, and as it is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RuntimeMode {
    #[default]
    Auto,
    FunctionUpdate,
    Manual,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProvisionedRecord {
    pub requested: u32,
    pub modified_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventInvokeRecord {
    pub maximum_retries: Option<i64>,
    pub maximum_age_s: Option<i64>,
    pub on_success: Option<String>,
    pub on_failure: Option<String>,
    pub modified_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UrlRecord {
    /// The first label of its host name.
    pub id: String,
    /// `NONE` or `AWS_IAM`.
    pub auth: String,
    pub cors: Option<Value>,
    /// `BUFFERED` or `RESPONSE_STREAM`.
    pub mode: String,
    pub created_ms: u64,
    pub modified_ms: u64,
}

impl Default for FunctionRecord {
    fn default() -> FunctionRecord {
        FunctionRecord {
            latest: Configuration::new(),
            last_version: 0,
            aliases: BTreeMap::new(),
            tags: BTreeMap::new(),
            policies: BTreeMap::new(),
            reserved: None,
            provisioned: BTreeMap::new(),
            event_invoke: BTreeMap::new(),
            urls: BTreeMap::new(),
            recursion: "Terminate".to_owned(),
            runtime_modes: BTreeMap::new(),
        }
    }
}

/// A function as it stands: replaced whole with every change.
#[derive(Clone)]
pub struct Function {
    pub name: String,
    pub record: Arc<FunctionRecord>,
    /// What calls of `$LATEST` run on: while an update is being built, what was there before.
    pub latest: Arc<Deployed>,
    /// What `$LATEST` will be once it is built.
    pub building: Option<Arc<Deployed>>,
    pub versions: BTreeMap<u64, Arc<Deployed>>,
    /// The policies of the record that say something, ready to be asked.
    pub policies: BTreeMap<String, Arc<PolicyDocument>>,
    /// Of a function that the configuration's file defines.
    pub definition: Option<Arc<FileDefinition>>,
}

impl Function {
    /// What a qualifier leads to that is no alias.
    pub fn deployed(&self, version: &str) -> Option<&Arc<Deployed>> {
        match version {
            "$LATEST" => Some(&self.latest),
            number => self.versions.get(&number.parse().ok()?),
        }
    }

    /// The configuration of a version, as it was asked for.
    pub fn configuration(&self, version: &str) -> Option<&Configuration> {
        match version {
            "$LATEST" => Some(&self.record.latest),
            number => Some(&self.versions.get(&number.parse().ok()?)?.configuration),
        }
    }

    /// The version that a qualifier names; of an alias, its main one.
    pub fn version_of(&self, qualifier: Option<&Qualifier>) -> Option<String> {
        match qualifier {
            None | Some(Qualifier::Latest) => Some("$LATEST".to_owned()),
            Some(Qualifier::Version(number)) => self.versions.contains_key(number).then(|| number.to_string()),
            Some(Qualifier::Alias(name)) => self.record.aliases.get(name).map(|alias| alias.version.clone()),
        }
    }

    /// Refuses a change while another one is being built.
    pub fn require_settled(&self, arn: &str) -> Result<(), ApiError> {
        if self.record.latest.is_pending() {
            return Err(ApiError::conflict(format!(
                "The operation cannot be performed at this time. The function is currently in the following state: Pending ({arn})"
            )));
        }
        if self.record.latest.update == Update::InProgress {
            return Err(ApiError::conflict(format!(
                "The operation cannot be performed at this time. An update is in progress for resource: {arn}"
            )));
        }
        Ok(())
    }
}
