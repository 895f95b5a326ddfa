//! What create-function and the update operations are sent, and what of it may be asked for.
//!
//! Source: botocore's model of the service; texts recorded from AWS. What AWS knows and this host does not is refused by
//! name, never dropped.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::account::Account;
use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::lambda::configuration::{Configuration, Logging, VpcRecord, is_role};
use crate::aws::lambda::{reference, runtime};
use crate::limits::lambda as limits;
use crate::network::is_vpc_id;

/// What both create-function and update-function-configuration take.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Settings {
    pub role: Option<String>,
    pub handler: Option<String>,
    pub runtime: Option<String>,
    pub description: Option<String>,
    pub timeout: Option<i64>,
    pub memory_size: Option<i64>,
    pub environment: Option<EnvironmentInput>,
    pub layers: Option<Vec<String>>,
    pub ephemeral_storage: Option<StorageInput>,
    pub tracing_config: Option<TracingInput>,
    pub snap_start: Option<SnapStartInput>,
    pub logging_config: Option<LoggingInput>,
    pub dead_letter_config: Option<DeadLetterInput>,
    pub vpc_config: Option<VpcInput>,
    pub revision_id: Option<String>,
    /// What is not known here.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EnvironmentInput {
    pub variables: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StorageInput {
    pub size: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TracingInput {
    pub mode: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SnapStartInput {
    pub apply_on: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LoggingInput {
    pub log_format: Option<String>,
    pub application_log_level: Option<String>,
    pub system_log_level: Option<String>,
    pub log_group: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeadLetterInput {
    pub target_arn: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VpcInput {
    pub subnet_ids: Option<Vec<String>>,
    pub security_group_ids: Option<Vec<String>>,
    pub ipv6_allowed_for_dual_stack: Option<bool>,
}

/// Where the code is that create-function and update-function-code are sent.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CodeInput {
    /// Base64.
    pub zip_file: Option<String>,
    pub s3_bucket: Option<String>,
    pub s3_key: Option<String>,
    pub s3_object_version: Option<String>,
    pub image_uri: Option<String>,
}

/// Members that mean nothing if they are empty, as CLIs and templates send them.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(members) => members.values().all(is_empty),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

/// Refuses by name what is asked for beyond what is known.
pub fn refuse_unknown(other: &Map<String, Value>, known: &[&str]) -> Result<(), ApiError> {
    match other.iter().find(|(name, value)| !known.contains(&name.as_str()) && !is_empty(value)) {
        Some((name, _)) => Err(ApiError::invalid_parameter(format!("{name} is not supported here; leave it out."))),
        None => Ok(()),
    }
}

impl Settings {
    /// What the model's constraints say of these.
    pub fn check(&self, constraints: &mut Constraints) {
        if let Some(role) = &self.role {
            const PATTERN: &str = "arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+";
            constraints.pattern("role", role, PATTERN, |role| {
                let parts: Vec<&str> = role.splitn(6, ':').collect();
                let [arn, partition, iam, region, account, role] = parts[..] else { return false };
                let digits = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
                let named = role.strip_prefix("role/").is_some_and(|name| {
                    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-/".contains(c))
                });
                arn == "arn" && partition.starts_with("aws") && iam == "iam" && region.is_empty() && digits && named
            });
        }
        if let Some(handler) = &self.handler {
            constraints.length("handler", handler, 0..=limits::HANDLER_CHARS);
            constraints.pattern("handler", handler, "[^\\s]+", |text| !text.is_empty() && !text.chars().any(char::is_whitespace));
        }
        if let Some(description) = &self.description {
            constraints.length("description", description, 0..=limits::DESCRIPTION_CHARS);
        }
        if let Some(timeout) = self.timeout {
            constraints.range("timeout", timeout, 1..=limits::TIMEOUT_S_MODEL);
        }
        if let Some(memory) = self.memory_size {
            constraints.range("memorySize", memory, limits::MEMORY_MB_MIN..=limits::MEMORY_MB_MODEL);
        }
        if let Some(storage) = &self.ephemeral_storage {
            constraints.range("ephemeralStorage.size", storage.size, limits::STORAGE_MB_MIN..=limits::STORAGE_MB_MODEL);
        }
        if let Some(mode) = self.tracing_config.as_ref().and_then(|tracing| tracing.mode.as_deref()) {
            constraints.one_of("tracingConfig.mode", mode, &["Active", "PassThrough"]);
        }
        if let Some(on) = self.snap_start.as_ref().and_then(|snap| snap.apply_on.as_deref()) {
            constraints.one_of("snapStart.applyOn", on, &["PublishedVersions", "None"]);
        }
        if let Some(logging) = &self.logging_config {
            let mut one_of = |place: &str, value: &Option<String>, known: &[&str]| {
                if let Some(value) = value {
                    constraints.one_of(place, value, known);
                }
            };
            one_of("loggingConfig.logFormat", &logging.log_format, &["JSON", "Text"]);
            let levels = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
            one_of("loggingConfig.applicationLogLevel", &logging.application_log_level, &levels);
            one_of("loggingConfig.systemLogLevel", &logging.system_log_level, &["DEBUG", "INFO", "WARN"]);
        }
        if let Some(vpc) = &self.vpc_config {
            let ids = |ids: &Option<Vec<String>>| ids.clone().unwrap_or_default();
            check_ids(constraints, "subnetIds", "subnet-", &ids(&vpc.subnet_ids), limits::SUBNETS);
            check_ids(constraints, "securityGroupIds", "sg-", &ids(&vpc.security_group_ids), limits::SECURITY_GROUPS);
        }
        for name in self.environment.iter().filter_map(|environment| environment.variables.as_ref()).flat_map(BTreeMap::keys) {
            let sound = |text: &str| {
                text.starts_with(|c: char| c.is_ascii_alphabetic())
                    && text.chars().count() > 1
                    && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            };
            constraints.pattern("environment.variables", name, "[a-zA-Z]([a-zA-Z0-9_])+", sound);
        }
    }

    /// Puts these in a configuration. Only what was sent changes.
    pub fn apply(self, configuration: &mut Configuration, account: &Account) -> Result<(), ApiError> {
        if let Some(role) = self.role {
            if !is_role(&role, account) {
                return Err(ApiError::forbidden("AccessDeniedException", "Cross-account pass role is not allowed."));
            }
            configuration.role = role;
        }
        if let Some(runtime) = &self.runtime {
            runtime::check(runtime)?;
        }
        let above = |name: &str, value: Option<i64>, most: i64| match value.filter(|value| *value > most) {
            Some(value) => Err(ApiError::invalid_parameter(format!("{name} of {value} is not supported here; at most {most}."))),
            None => Ok(()),
        };
        above("Timeout", self.timeout, limits::TIMEOUT_S_MAX)?;
        above("MemorySize", self.memory_size, limits::MEMORY_MB_MAX)?;
        above("EphemeralStorage.Size", self.ephemeral_storage.as_ref().map(|storage| storage.size), limits::STORAGE_MB_MAX)?;
        let set = |to: &mut String, value: Option<String>| value.into_iter().for_each(|value| *to = value);
        set(&mut configuration.handler, self.handler);
        set(&mut configuration.runtime, self.runtime);
        set(&mut configuration.description, self.description);
        set(&mut configuration.tracing, self.tracing_config.and_then(|tracing| tracing.mode));
        if let Some(snap_start) = self.snap_start {
            configuration.own_init = snap_start.apply_on.as_deref() == Some("None");
            configuration.snap_start = snap_start.apply_on.unwrap_or_else(|| "None".to_owned());
        }
        let number = |to: &mut u32, value: Option<i64>| {
            if let Some(value) = value.and_then(|value| u32::try_from(value).ok()) {
                *to = value;
            }
        };
        number(&mut configuration.timeout_s, self.timeout);
        number(&mut configuration.memory_mb, self.memory_size);
        number(&mut configuration.ephemeral_storage_mb, self.ephemeral_storage.map(|storage| storage.size));
        if let Some(environment) = self.environment {
            let variables = environment.variables.unwrap_or_default();
            check_environment(&variables)?;
            configuration.environment = Some(variables);
        }
        if let Some(layers) = self.layers {
            if layers.len() > crate::limits::init::LAYERS {
                return Err(ApiError::invalid_parameter("Cannot reference more than 5 layers."));
            }
            configuration.layers = layers;
        }
        if let Some(logging) = self.logging_config {
            let was = std::mem::take(&mut configuration.logging);
            let format = logging.log_format.unwrap_or(was.format);
            let levels = logging.application_log_level.is_some() || logging.system_log_level.is_some();
            if format == "Text" && levels {
                return Err(ApiError::invalid_parameter("Log Level is not supported when LogFormat is set to 'Text'."));
            }
            let level = |asked: Option<String>, was: Option<String>| {
                (format == "JSON").then(|| asked.or(was).unwrap_or_else(|| "INFO".to_owned()))
            };
            configuration.logging = Logging {
                application_level: level(logging.application_log_level, was.application_level),
                system_level: level(logging.system_log_level, was.system_level),
                group: logging.log_group.or(was.group),
                format,
            };
        }
        if let Some(dead_letter) = self.dead_letter_config {
            configuration.dead_letter = dead_letter.target_arn.filter(|arn| !arn.is_empty());
        }
        if let Some(input) = self.vpc_config
            && (input.subnet_ids.is_some() || input.security_group_ids.is_some())
        {
            let (subnets, security_groups) = (input.subnet_ids.unwrap_or_default(), input.security_group_ids.unwrap_or_default());
            if subnets.is_empty() != security_groups.is_empty() {
                return Err(ApiError::invalid_parameter("SubnetIds and SecurityIds must coexist or be both empty list."));
            }
            let ipv6 = !subnets.is_empty() && input.ipv6_allowed_for_dual_stack.unwrap_or(false);
            configuration.vpc = Some(VpcRecord { subnets, security_groups, ipv6, id: String::new() });
        }
        Ok(())
    }
}

/// Ids of what a function is attached to: `subnet-0a1b`, `sg-0a1B`.
fn check_ids(constraints: &mut Constraints, member: &str, prefix: &str, ids: &[String], most: usize) {
    let place = format!("vpcConfig.{member}");
    let told = format!("[{}]", ids.join(", "));
    if ids.len() > most {
        constraints.fail(&place, &told, &format!("have length less than or equal to {most}"));
    }
    if !ids.iter().all(|id| id.len() <= limits::VPC_ID_CHARS && is_vpc_id(id, prefix)) {
        let letters = if prefix == "sg-" { "0-9a-zA-Z" } else { "0-9a-z" };
        let must = format!(
            "satisfy constraint: [Member must have length less than or equal to {}, Member must have length greater than or \
             equal to 0, Member must satisfy regular expression pattern: {prefix}[{letters}]*]",
            limits::VPC_ID_CHARS
        );
        constraints.fail(&place, &told, &must);
    }
}

/// Names that Lambda sets itself (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>).
const RESERVED: [&str; 23] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_MAX_CONCURRENCY",
    "AWS_LAMBDA_METADATA_API",
    "AWS_LAMBDA_METADATA_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
    "_AWS_XRAY_DAEMON_ADDRESS",
];

fn check_environment(variables: &BTreeMap<String, String>) -> Result<(), ApiError> {
    const UNABLE: &str =
        "Lambda was unable to configure your environment variables because the environment variables you have provided";
    let reserved: Vec<&str> = variables.keys().map(String::as_str).filter(|name| RESERVED.contains(name)).collect();
    if !reserved.is_empty() {
        return Err(ApiError::invalid_parameter(format!(
            "{UNABLE} contains reserved keys that are currently not supported for modification. Reserved keys used in this request: {}",
            reserved.join(", ")
        )));
    }
    for (name, value) in variables {
        if let Err(why) = reference::pieces(value) {
            return Err(ApiError::invalid_parameter(format!(
                "The reference in the environment variable {name} cannot be read: {why}."
            )));
        }
    }
    let measured = serde_json::to_string(variables).map_err(|error| ApiError::internal(&error))?;
    if measured.len() > limits::ENVIRONMENT_BYTES {
        return Err(ApiError::invalid_parameter(format!("{UNABLE} exceeded the 4KB limit. String measured: {measured}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_this_host_does_not_know_is_refused_by_name() {
        let settings: Settings = serde_json::from_value(json!({
            "Timeout": 3, "KMSKeyArn": "", "ImageConfig": {}, "FileSystemConfigs": [], "DurableConfig": {"ExecutionTimeout": 5}
        }))
        .unwrap();
        let error = refuse_unknown(&settings.other, &[]).unwrap_err();
        assert_eq!(error.message.unwrap(), "DurableConfig is not supported here; leave it out.");
    }

    #[test]
    fn an_environment_has_a_size_and_names_that_are_lambdas() {
        let variables = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let error = check_environment(&variables(&[("AWS_REGION", "x"), ("TABLE", "y")])).unwrap_err();
        assert!(error.message.unwrap().ends_with("Reserved keys used in this request: AWS_REGION"));
        // {"A":""} is 8 bytes.
        let (at, above) = ("v".repeat(4_096 - 8), "v".repeat(4_096 - 7));
        assert_eq!(check_environment(&variables(&[("A", &at)])), Ok(()));
        let error = check_environment(&variables(&[("A", &above)])).unwrap_err();
        assert!(error.message.unwrap().contains("exceeded the 4KB limit. String measured: {\"A\":\"vvv"));
    }

    #[test]
    fn constraints_are_those_of_the_model() {
        let settings: Settings = serde_json::from_value(json!({
            "Timeout": 0, "MemorySize": 40_000, "Handler": "a b", "Role": "arn:aws:iam::1:role/r"
        }))
        .unwrap();
        let mut constraints = Constraints::default();
        settings.check(&mut constraints);
        let message = constraints.finish().unwrap_err().message.unwrap();
        assert!(message.starts_with("4 validation errors detected: "), "{message}");
        let error = runtime::check("cobol1").unwrap_err().message.unwrap();
        assert!(
            error.starts_with(
                "Value cobol1 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [nodejs"
            )
        );
    }
}
