//! PutEvents: each entry becomes an event, which goes to the targets of all rules of its bus that mean it.
//!
//! An entry that is wrong is told by its place, and the others are accepted. An entry for a bus that is not there is accepted and
//! lost, as on AWS; the log says so. An entry that is accepted is kept for each of its targets; one that could not be kept for all
//! of them is kept for none, and is told as wrong.

use std::time::{Duration, SystemTime};

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::eventbridge::delivery::TargetEvent;
use crate::aws::eventbridge::input::{RuledEvent, input_of};
use crate::aws::eventbridge::record::{DEFAULT_BUS, RuleRecord};
use crate::aws::eventbridge::state::EventBridge;
use crate::aws::json_target::answer;
use crate::aws::kept::input;
use crate::aws::request::{ApiRequest, ApiResponse};
use crate::limits::eventbridge::{ARN_CHARS, ENTRIES, ENTRIES_BYTES, TIME_BYTES};
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

    /// The detail, if the entry can be an event.
    fn check(&self) -> Result<Map<String, Value>, EntryFault> {
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
        // A list would be no map.
        serde_json::from_str(self.detail.as_deref().unwrap_or_default())
            .map_err(|_| EntryFault { code: "MalformedDetail", message: "Detail is malformed.".to_owned() })
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

    /// The same, to be looked at; `detail` is what its own says.
    pub fn value(&self, bridge: &EventBridge, detail: Map<String, Value>) -> Value {
        json!({
            "version": "0",
            "id": self.id,
            "detail-type": self.detail_type,
            "source": self.source,
            "account": bridge.account.id,
            "time": told(self.time_ms),
            "region": bridge.account.region,
            "resources": self.resources,
            "detail": Value::Object(detail),
        })
    }
}

/// What the targets of a rule are to get of an event. A target for which there is nothing is told to the log.
pub fn for_targets(
    bridge: &EventBridge,
    rule: &RuleRecord,
    id: &str,
    text: &str,
    value: &Value,
    now_ms: u64,
) -> Vec<TargetEvent> {
    let (rule_arn, ingested) = (rule.arn(&bridge.account), told(now_ms));
    let mut events = Vec::new();
    for target in &rule.targets {
        let event = RuledEvent { text, value, rule_arn: &rule_arn, rule_name: &rule.name, ingested: &ingested };
        let payload = match input_of(target, &event) {
            Ok(payload) => payload,
            Err(error) => {
                tracing::warn!(rule = rule.name, target = target.id, "an event is given up: {error}");
                continue;
            }
        };
        events.push(TargetEvent {
            id: id.to_owned(),
            target_arn: target.arn.clone(),
            rule_arn: rule_arn.clone(),
            payload: payload.into(),
        });
    }
    events
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
    for (at, entry) in (1..).zip(entries) {
        let bus = entry.event_bus_name.as_deref().unwrap_or(DEFAULT_BUS);
        constraints.length(&format!("entries.{at}.member.eventBusName"), bus, 1..=ARN_CHARS);
    }
    constraints.finish()?;
    if entries.iter().map(EventEntry::bytes).sum::<usize>() > ENTRIES_BYTES {
        return Err(ApiError::validation("Total size of the entries in the request is over the limit."));
    }
    let mut failed = 0;
    let mut told = Vec::new();
    for entry in entries {
        let accepted = entry.check().and_then(|detail| accepted(bridge, entry, detail, bridge.now_ms(request)));
        told.push(match accepted {
            Ok(id) => json!({"EventId": id}),
            Err(EntryFault { code, message }) => {
                failed += 1;
                json!({"ErrorCode": code, "ErrorMessage": message})
            }
        });
    }
    answer(&json!({"FailedEntryCount": failed, "Entries": told}))
}

fn accepted(bridge: &EventBridge, entry: &EventEntry, detail: Map<String, Value>, now_ms: u64) -> Result<String, EntryFault> {
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
    let (text, value) = (envelope.text(bridge), envelope.value(bridge, detail));
    let rules = bridge.rules_of(bus);
    let meant = rules.iter().filter(|rule| rule.means(&value));
    let events = meant.flat_map(|rule| for_targets(bridge, rule, &id, &text, &value, now_ms));
    let events: Vec<TargetEvent> = events.collect();
    if events.is_empty() {
        return Ok(id);
    }
    (bridge.deliver)(events).map(|()| id).map_err(|error| EntryFault {
        code: if error.status == StatusCode::TOO_MANY_REQUESTS { "ThrottlingException" } else { "InternalFailure" },
        message: error.message.unwrap_or_default().into_owned(),
    })
}
