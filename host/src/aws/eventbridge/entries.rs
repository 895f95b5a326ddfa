//! PutEvents: each entry becomes an event, which goes to the targets of all rules of its bus that mean it.
//!
//! An entry that is wrong is told by its place, and the others are accepted. An entry for a bus that is not there is accepted and
//! lost, as on AWS; the log says so. Who is answered knows that each event is kept for each of its targets.

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::eventbridge::delivery::TargetEvent;
use crate::aws::eventbridge::input::{RuledEvent, input_of};
use crate::aws::eventbridge::record::RuleRecord;
use crate::aws::eventbridge::state::EventBridge;
use crate::aws::json_target::answer;
use crate::aws::kept::{input, now_ms};
use crate::aws::request::{ApiRequest, ApiResponse};
use crate::limits::eventbridge::{ENTRIES, ENTRIES_BYTES, TIME_BYTES};
use crate::telemetry::Timestamp;

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct EventEntriesInput {
    entries: Option<Vec<EventEntry>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct EventEntry {
    /// Seconds since 1970.
    time: Option<f64>,
    source: Option<String>,
    resources: Option<Vec<String>>,
    detail_type: Option<String>,
    detail: Option<String>,
    event_bus_name: Option<String>,
}

/// Why an entry was not accepted.
struct EntryFault {
    code: &'static str,
    message: String,
}

impl EventEntry {
    /// As AWS counts them.
    fn bytes(&self) -> usize {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let resources: usize = self.resources.iter().flatten().map(String::len).sum();
        let time = if self.time.is_some() { TIME_BYTES } else { 0 };
        time + length(&self.source) + length(&self.detail_type) + length(&self.detail) + resources
    }

    fn check(&self) -> Result<(), EntryFault> {
        for (member, value) in [("Source", &self.source), ("DetailType", &self.detail_type), ("Detail", &self.detail)] {
            if value.as_deref().unwrap_or_default().is_empty() {
                let message = format!("Parameter {member} is not valid. Reason: {member} is a required argument.");
                return Err(EntryFault { code: "InvalidArgument", message });
            }
        }
        if self.source.as_deref().is_some_and(|source| source.starts_with("aws.")) {
            let message = "Not authorized for the source.".to_owned();
            return Err(EntryFault { code: "NotAuthorizedForSourceException", message });
        }
        let detail = serde_json::from_str::<Value>(self.detail.as_deref().unwrap_or_default());
        if !detail.is_ok_and(|detail| detail.is_object()) {
            return Err(EntryFault { code: "MalformedDetail", message: "Detail is malformed.".to_owned() });
        }
        Ok(())
    }
}

/// What an event is made of.
pub struct Envelope<'a> {
    pub id: &'a str,
    pub source: &'a str,
    pub detail_type: &'a str,
    /// JSON, which stays as it is.
    pub detail: &'a str,
    pub resources: &'a [String],
    pub time_ms: u64,
}

/// A time without its milliseconds.
pub fn told(time_ms: u64) -> String {
    let time = Timestamp::of(SystemTime::UNIX_EPOCH + Duration::from_millis(time_ms));
    format!("{}Z", time.as_str().split('.').next().unwrap_or_default())
}

impl Envelope<'_> {
    pub fn text(&self, bridge: &EventBridge) -> String {
        let text = |text: &str| Value::from(text).to_string();
        format!(
            "{{\"version\":\"0\",\"id\":{},\"detail-type\":{},\"source\":{},\"account\":{},\"time\":{},\"region\":{},\"resources\":{},\"detail\":{}}}",
            text(self.id),
            text(self.detail_type),
            text(self.source),
            text(&bridge.account.id),
            text(&told(self.time_ms)),
            text(&bridge.account.region),
            json!(self.resources),
            self.detail
        )
    }
}

/// Gives an event to each target of a rule. A target that cannot be given it is told to the log.
///
/// # Errors
/// It could not be kept.
pub fn give(bridge: &EventBridge, rule: &RuleRecord, id: &str, text: &str, value: &Value, now_ms: u64) -> Result<(), ApiError> {
    let (rule_arn, ingested) = (rule.arn(&bridge.account), told(now_ms));
    for target in &rule.targets {
        let event = RuledEvent { text, value, rule_arn: &rule_arn, rule_name: &rule.name, ingested: &ingested };
        let payload = match input_of(target, &event) {
            Ok(payload) => payload,
            Err(error) => {
                tracing::warn!(rule = rule.name, target = target.id, "an event is given up: {error}");
                continue;
            }
        };
        (bridge.deliver)(TargetEvent {
            id: id.to_owned(),
            target_arn: target.arn.clone(),
            rule_arn: rule_arn.clone(),
            payload: payload.into(),
        })?;
    }
    Ok(())
}

/// `PutEvents`
pub fn put_events(bridge: &EventBridge, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: EventEntriesInput = input(request)?;
    let mut constraints = Constraints::default();
    let entries = constraints.required("entries", input.entries.as_deref()).unwrap_or_default();
    if entries.len() > ENTRIES {
        constraints.fail("entries", &entries.len(), &format!("have length less than or equal to {ENTRIES}"));
    } else if entries.is_empty() && input.entries.is_some() {
        constraints.fail("entries", &"[]", "have length greater than or equal to 1");
    }
    constraints.finish()?;
    if entries.iter().map(EventEntry::bytes).sum::<usize>() > ENTRIES_BYTES {
        return Err(ApiError::validation("Total size of the entries in the request is over the limit."));
    }
    let mut failed = 0;
    let mut told = Vec::new();
    for entry in entries {
        told.push(match entry.check() {
            Ok(()) => json!({"EventId": accepted(bridge, entry, now_ms(request))?}),
            Err(EntryFault { code, message }) => {
                failed += 1;
                json!({"ErrorCode": code, "ErrorMessage": message})
            }
        });
    }
    answer(&json!({"FailedEntryCount": failed, "Entries": told}))
}

fn accepted(bridge: &EventBridge, entry: &EventEntry, now_ms: u64) -> Result<String, ApiError> {
    let id = uuid::Uuid::new_v4().to_string();
    let bus = bridge.bus_name(entry.event_bus_name.as_deref());
    if bridge.buses.find(bus).is_none() {
        tracing::info!(bus, "an event is lost: there is no such bus");
        return Ok(id);
    }
    let time = entry.time.and_then(|time| Duration::try_from_secs_f64(time).ok());
    let envelope = Envelope {
        id: &id,
        source: entry.source.as_deref().unwrap_or_default(),
        detail_type: entry.detail_type.as_deref().unwrap_or_default(),
        detail: entry.detail.as_deref().unwrap_or_default(),
        resources: entry.resources.as_deref().unwrap_or_default(),
        time_ms: time.and_then(|time| u64::try_from(time.as_millis()).ok()).unwrap_or(now_ms),
    };
    let text = envelope.text(bridge);
    let value = serde_json::from_str(&text).map_err(|error| ApiError::internal(&error))?;
    for rule in bridge.rules_of(bus).iter().filter(|rule| rule.means(&value)) {
        give(bridge, rule, &id, &text, &value, now_ms)?;
    }
    Ok(id)
}
