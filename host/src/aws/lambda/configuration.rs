//! What a version of a function is made of, as it is kept, and as the API tells it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::account::Account;
use crate::limits::lambda as limits;
use crate::store::BlobDigest;

/// `$LATEST`, or a version that was published. As it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Configuration {
    pub code: CodeRecord,
    /// Where the code is if it is reloaded when it changes; `code` is not kept then.
    #[serde(default)]
    pub hot_reload: Option<PathBuf>,
    pub runtime: String,
    pub handler: String,
    pub role: String,
    pub description: String,
    pub timeout_s: u32,
    pub memory_mb: u32,
    pub ephemeral_storage_mb: u32,
    /// `None`: it was not sent, and is not told.
    pub environment: Option<BTreeMap<String, String>>,
    /// ARNs of layer versions.
    pub layers: Vec<String>,
    pub architecture: String,
    pub tracing: String,
    /// `PublishedVersions` or `None`.
    pub snap_start: String,
    /// `SnapStart` was sent as `None`: each environment runs INIT for itself.
    #[serde(default)]
    pub own_init: bool,
    pub logging: Logging,
    pub dead_letter: Option<String>,
    pub vpc: Option<VpcRecord>,
    /// Milliseconds since 1970.
    pub modified_ms: u64,
    pub revision_id: String,
    pub state: State,
    pub update: Update,
}

/// The bytes of a function: a zip archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeRecord {
    pub digest: BlobDigest,
    pub bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging {
    /// `Text` or `JSON`.
    pub format: String,
    pub application_level: Option<String>,
    pub system_level: Option<String>,
    pub group: Option<String>,
}

impl Default for Logging {
    fn default() -> Logging {
        Logging { format: "Text".to_owned(), application_level: None, system_level: None, group: None }
    }
}

/// What a function is attached to; without a subnet, to nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcRecord {
    pub subnets: Vec<String>,
    pub security_groups: Vec<String>,
    /// `Ipv6AllowedForDualStack`
    #[serde(default)]
    pub ipv6: bool,
    /// `VpcId`
    #[serde(default)]
    pub id: String,
}

/// Whether it can be invoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    Pending,
    Active,
    Failed { reason: String, code: String },
}

/// What became of the latest change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Update {
    Successful,
    InProgress,
    Failed { reason: String, code: String },
}

impl CodeRecord {
    /// `CodeSha256`.
    pub fn sha256(&self) -> String {
        STANDARD.encode(self.digest.0)
    }
}

impl Configuration {
    /// What a function has of which nothing is said.
    pub fn new() -> Configuration {
        Configuration {
            code: CodeRecord { digest: BlobDigest([0; 32]), bytes: 0 },
            hot_reload: None,
            runtime: String::new(),
            handler: String::new(),
            role: String::new(),
            description: String::new(),
            timeout_s: limits::TIMEOUT_S,
            memory_mb: limits::MEMORY_MB,
            ephemeral_storage_mb: limits::STORAGE_MB,
            environment: None,
            layers: Vec::new(),
            architecture: "x86_64".to_owned(),
            tracing: "PassThrough".to_owned(),
            snap_start: "None".to_owned(),
            own_init: false,
            logging: Logging::default(),
            dead_letter: None,
            vpc: None,
            modified_ms: 0,
            revision_id: String::new(),
            state: State::Pending,
            update: Update::Successful,
        }
    }

    /// Whether a version of this one would be the same as a version of the other.
    pub fn is_as(&self, other: &Configuration) -> bool {
        let settings = |configuration: &Configuration| Configuration {
            modified_ms: 0,
            revision_id: String::new(),
            description: String::new(),
            state: State::Active,
            update: Update::Successful,
            ..configuration.clone()
        };
        settings(self) == settings(other)
    }

    /// Marks a change that was made now.
    pub fn touch(&mut self, now: SystemTime) {
        self.modified_ms = milliseconds(now);
        self.revision_id = uuid::Uuid::new_v4().to_string();
    }

    /// A `FunctionConfiguration`. `version` is `$LATEST` or a number; `arn` as the operation tells it.
    pub fn to_json(&self, name: &str, version: &str, arn: &str, layers: &[(String, u64)]) -> Map<String, Value> {
        let mut members = object(json!({
            "FunctionName": name,
            "FunctionArn": arn,
            "Runtime": self.runtime,
            "Role": self.role,
            "Handler": self.handler,
            "CodeSize": self.code.bytes,
            "Description": self.description,
            "Timeout": self.timeout_s,
            "MemorySize": self.memory_mb,
            "LastModified": timestamp(self.modified_ms),
            "CodeSha256": self.code.sha256(),
            "Version": version,
            "TracingConfig": {"Mode": self.tracing},
            "RevisionId": self.revision_id,
            "PackageType": "Zip",
            "Architectures": [self.architecture],
            "EphemeralStorage": {"Size": self.ephemeral_storage_mb},
            "SnapStart": {"ApplyOn": self.snap_start, "OptimizationStatus": self.optimization(version)},
            "LoggingConfig": self.logging.to_json(name),
        }));
        if let Some(runtime) = self.runtime_version() {
            members.insert("RuntimeVersionConfig".to_owned(), json!({"RuntimeVersionArn": runtime}));
        }
        if let Some(variables) = &self.environment {
            members.insert("Environment".to_owned(), json!({"Variables": variables}));
        }
        if let Some(target) = &self.dead_letter {
            members.insert("DeadLetterConfig".to_owned(), json!({"TargetArn": target}));
        }
        if let Some(vpc) = &self.vpc {
            let vpc = json!({
                "SubnetIds": vpc.subnets,
                "SecurityGroupIds": vpc.security_groups,
                "VpcId": vpc.id,
                "Ipv6AllowedForDualStack": vpc.ipv6,
            });
            members.insert("VpcConfig".to_owned(), vpc);
        }
        if !layers.is_empty() {
            let layers: Vec<Value> = layers.iter().map(|(arn, bytes)| json!({"Arn": arn, "CodeSize": bytes})).collect();
            members.insert("Layers".to_owned(), layers.into());
        }
        self.tell_state(&mut members);
        members
    }

    /// The build of its runtime that it runs on; a component brings its own.
    pub fn runtime_version(&self) -> Option<String> {
        let is_source = self.runtime.starts_with("python") || self.runtime.starts_with("nodejs");
        is_source.then(|| format!("arn:aws:lambda:us-east-1::runtime:{}", BlobDigest::of(self.runtime.as_bytes())))
    }

    fn tell_state(&self, members: &mut Map<String, Value>) {
        let mut tell = |name: &str, value: &str| drop(members.insert(name.to_owned(), value.into()));
        match &self.state {
            State::Pending => {
                tell("State", "Pending");
                tell("StateReason", "The function is being created.");
                tell("StateReasonCode", "Creating");
                return;
            }
            State::Active => tell("State", "Active"),
            State::Failed { reason, code } => {
                tell("State", "Failed");
                tell("StateReason", reason);
                tell("StateReasonCode", code);
            }
        }
        match &self.update {
            Update::Successful => tell("LastUpdateStatus", "Successful"),
            Update::InProgress => {
                tell("LastUpdateStatus", "InProgress");
                tell("LastUpdateStatusReason", "The function is being created.");
                tell("LastUpdateStatusReasonCode", "Creating");
            }
            Update::Failed { reason, code } => {
                tell("LastUpdateStatus", "Failed");
                tell("LastUpdateStatusReason", reason);
                tell("LastUpdateStatusReasonCode", code);
            }
        }
    }

    /// Whether environments begin with a snapshot, which here is the default.
    fn optimization(&self, version: &str) -> &'static str {
        match self.snap_start.as_str() {
            "PublishedVersions" if version == "$LATEST" => "Off",
            _ if self.own_init => "Off",
            _ => "On",
        }
    }

    pub fn is_pending(&self) -> bool {
        self.state == State::Pending
    }

    /// Where its log goes.
    pub fn log_group(&self, name: &str) -> String {
        self.logging.group.clone().unwrap_or_else(|| format!("/aws/lambda/{name}"))
    }
}

impl Logging {
    fn to_json(&self, name: &str) -> Value {
        let group = self.group.clone().unwrap_or_else(|| format!("/aws/lambda/{name}"));
        let mut members = object(json!({"LogFormat": self.format, "LogGroup": group}));
        for (member, level) in [("ApplicationLogLevel", &self.application_level), ("SystemLogLevel", &self.system_level)] {
            if let Some(level) = level {
                members.insert(member.to_owned(), level.as_str().into());
            }
        }
        members.into()
    }
}

/// The role's account must be this one; its name need not exist, since roles are made by scripts in any order.
pub fn is_role(arn: &str, account: &Account) -> bool {
    arn.strip_prefix(&format!("arn:aws:iam::{}:role/", account.id)).is_some_and(|name| !name.is_empty())
}

pub fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

pub fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// `2024-04-08T16:56:22.000+0000`.
pub fn timestamp(ms: u64) -> String {
    let time = crate::telemetry::Timestamp::of(SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
    format!("{}+0000", time.as_str().trim_end_matches('Z'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_lambda_tells_them() {
        assert_eq!(timestamp(1_712_595_382_007), "2024-04-08T16:56:22.007+0000");
    }
}
