//! What is kept of buses, rules and targets.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::account::Account;
use crate::aws::kept::seconds;
use crate::events::pattern::EventPattern;
use crate::events::schedule::{Schedule, ScheduleExpression, Zone};

pub const DEFAULT_BUS: &str = "default";
pub const ENABLED: &str = "ENABLED";
pub const DISABLED: &str = "DISABLED";

/// By its name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BusRecord {
    pub name: String,
    pub settings: BusSettings,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Milliseconds since 1970, as all times here.
    pub created_ms: u64,
    pub changed_ms: u64,
}

/// What is told as it was sent, and not acted on.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BusSettings {
    pub description: Option<String>,
    pub kms_key_identifier: Option<String>,
    pub dead_letter_config: Option<Value>,
    pub log_config: Option<Value>,
}

impl BusRecord {
    pub fn new(name: &str, settings: BusSettings, now_ms: u64) -> BusRecord {
        let tags = BTreeMap::new();
        BusRecord { name: name.to_owned(), settings, tags, created_ms: now_ms, changed_ms: now_ms }
    }

    /// What `ListEventBuses` says of it, and `DescribeEventBus` with its settings.
    pub fn described(&self, account: &Account) -> Map<String, Value> {
        let mut members = Map::new();
        members.insert("Name".to_owned(), self.name.as_str().into());
        members.insert("Arn".to_owned(), bus_arn(account, &self.name).into());
        members.insert("CreationTime".to_owned(), seconds(self.created_ms));
        members.insert("LastModifiedTime".to_owned(), seconds(self.changed_ms));
        put_some(&mut members, "Description", self.settings.description.as_deref().map(Value::from));
        members
    }
}

impl BusSettings {
    /// Those that are set, as they were sent.
    pub fn told(&self, members: &mut Map<String, Value>) {
        put_some(members, "Description", self.description.as_deref().map(Value::from));
        put_some(members, "KmsKeyIdentifier", self.kms_key_identifier.as_deref().map(Value::from));
        put_some(members, "DeadLetterConfig", self.dead_letter_config.clone());
        put_some(members, "LogConfig", self.log_config.clone());
    }
}

pub fn bus_arn(account: &Account, name: &str) -> String {
    format!("arn:aws:events:{}:{}:event-bus/{name}", account.region, account.id)
}

/// Of a rule; the default bus is not named in it.
pub fn rule_arn(account: &Account, bus: &str, name: &str) -> String {
    let bus = if bus == DEFAULT_BUS { String::new() } else { format!("{bus}/") };
    format!("arn:aws:events:{}:{}:rule/{bus}{name}", account.region, account.id)
}

/// By the names of its bus and its own: `default/name`. A rule's name has no slash.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RuleRecord {
    pub name: String,
    pub bus: String,
    pub pattern: Option<String>,
    pub schedule: Option<String>,
    pub state: String,
    pub description: Option<String>,
    pub role: Option<String>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    #[serde(default)]
    pub targets: Vec<RuleTarget>,
    pub created_ms: u64,
    /// When its schedule was set: a rate counts from here.
    pub scheduled_ms: u64,
    /// When it was enabled: its schedule has no tick before.
    pub enabled_ms: u64,
    /// What `pattern` is.
    #[serde(skip)]
    parsed: OnceLock<Option<EventPattern>>,
}

impl RuleRecord {
    pub fn new(bus: &str, name: &str, now_ms: u64) -> RuleRecord {
        RuleRecord {
            name: name.to_owned(),
            bus: bus.to_owned(),
            pattern: None,
            schedule: None,
            state: ENABLED.to_owned(),
            description: None,
            role: None,
            tags: BTreeMap::new(),
            targets: Vec::new(),
            created_ms: now_ms,
            scheduled_ms: now_ms,
            enabled_ms: now_ms,
            parsed: OnceLock::new(),
        }
    }

    pub fn key(&self) -> String {
        rule_key(&self.bus, &self.name)
    }

    pub fn arn(&self, account: &Account) -> String {
        rule_arn(account, &self.bus, &self.name)
    }

    pub fn is_enabled(&self) -> bool {
        self.state != DISABLED
    }

    /// Whether it is enabled and means an event.
    pub fn means(&self, event: &Value) -> bool {
        let parse = || self.pattern.as_deref().and_then(|pattern| EventPattern::parse(pattern).ok());
        self.is_enabled() && self.parsed.get_or_init(parse).as_ref().is_some_and(|pattern| pattern.matches(event))
    }

    pub fn set_pattern(&mut self, pattern: Option<String>) {
        self.pattern = pattern;
        self.parsed = OnceLock::new();
    }

    pub fn set_enabled(&mut self, state: &str, now_ms: u64) {
        if !self.is_enabled() && state != DISABLED {
            self.enabled_ms = now_ms;
        }
        state.clone_into(&mut self.state);
    }

    /// When its ticks are, if it is enabled and has a schedule.
    pub fn ticks(&self) -> Option<Schedule> {
        let text = self.schedule.as_deref().filter(|_| self.is_enabled())?;
        let expression = ScheduleExpression::of_a_rule(text).ok()?;
        Some(Schedule { expression, zone: Zone::utc(), start_ms: self.scheduled_ms })
    }

    pub fn described(&self, account: &Account) -> Map<String, Value> {
        let members = json!({"Name": self.name, "Arn": self.arn(account), "State": self.state, "EventBusName": self.bus});
        let Value::Object(mut members) = members else { return Map::new() };
        put_some(&mut members, "EventPattern", self.pattern.as_deref().map(Value::from));
        put_some(&mut members, "ScheduleExpression", self.schedule.as_deref().map(Value::from));
        put_some(&mut members, "Description", self.description.as_deref().map(Value::from));
        put_some(&mut members, "RoleArn", self.role.as_deref().map(Value::from));
        members
    }
}

pub fn rule_key(bus: &str, name: &str) -> String {
    format!("{bus}/{name}")
}

pub fn put_some(members: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        members.insert(name.to_owned(), value);
    }
}

/// A target, as it is sent, kept and told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RuleTarget {
    pub id: String,
    pub arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_transformer: Option<InputTransformer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sqs_parameters: Option<SqsParameters>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letter_config: Option<DeadLetterConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_policy: Option<TargetRetries>,
    /// What is for services that are not here.
    #[serde(flatten)]
    pub foreign: Map<String, Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct InputTransformer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_paths_map: Option<BTreeMap<String, String>>,
    pub input_template: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SqsParameters {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_group_id: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeadLetterConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TargetRetries {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_retry_attempts: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum_event_age_in_seconds: Option<i64>,
}
