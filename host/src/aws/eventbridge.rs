//! Amazon EventBridge: events come to buses, and go on to the targets of the rules that mean them; schedules make events.
//!
//!     PutEvents ──► bus ──► rules whose pattern matches ──► targets, each with its input ──► delivery
//!     schedule  ──► tick, noted ──► targets of its rule ──► …
//!
//! Targets are functions and queues, by their ARNs. Who delivers is given from outside (`delivery`): I know no queue. The policy
//! of a bus, archives, pipes, partners, connections and API destinations are not there, and are refused by name. The role of a
//! rule or target, and a target's retries and dead-letter queue, are remembered, not used.
//!
//! Source: botocore's model of the service (2015-10-07, `json` 1.1); texts of errors as AWS has them, where known.

mod buses;
pub mod delivery;
mod entries;
mod input;
mod record;
mod refusals;
mod rules;
mod state;
mod tags;
mod targets;
#[cfg(test)]
mod tests;
mod ticks;

pub use state::EventBridge;

use serde_json::Value;

use crate::aws::error::ApiError;
use crate::aws::eventbridge::record::{bus_arn, rule_arn};
use crate::aws::json_target::operation;
use crate::aws::kept::{input, require_structure};
use crate::aws::request::{ApiRequest, ApiResponse};

type EventOperation = fn(&EventBridge, &ApiRequest) -> Result<ApiResponse, ApiError>;

/// What there is, by its name in the model.
const OPERATIONS: [(&str, EventOperation); 20] = [
    ("CreateEventBus", buses::create),
    ("DeleteEventBus", buses::delete),
    ("DeleteRule", rules::delete),
    ("DescribeEventBus", buses::describe),
    ("DescribeRule", rules::describe),
    ("DisableRule", rules::disable),
    ("EnableRule", rules::enable),
    ("ListEventBuses", buses::list),
    ("ListRuleNamesByTarget", targets::list_rules),
    ("ListRules", rules::list),
    ("ListTagsForResource", tags::list),
    ("ListTargetsByRule", targets::list),
    ("PutEvents", entries::put_events),
    ("PutRule", rules::put_rule),
    ("PutTargets", targets::put_targets),
    ("RemoveTargets", targets::remove),
    ("TagResource", tags::tag),
    ("TestEventPattern", rules::test_pattern),
    ("UntagResource", tags::untag),
    ("UpdateEventBus", buses::update),
];

impl EventBridge {
    /// Answers a request. Returns the operation, for metrics. Blocks for the disk.
    pub fn answer(&self, request: &ApiRequest) -> (&'static str, Result<ApiResponse, ApiError>) {
        let Some(named) = operation(request) else { return ("Unknown", Err(ApiError::unknown_operation())) };
        let Some((name, work)) = OPERATIONS.iter().find(|(name, _)| *name == named) else {
            return ("Unsupported", Err(ApiError::not_there(&format!("events:{named}"))));
        };
        // As this service names its own faults.
        let named = |error: ApiError| {
            let is_ours = error.status.is_server_error() && error.code == "ServiceException";
            if is_ours { error.coded("InternalException") } else { error }
        };
        (name, work(self, request).map_err(named))
    }

    /// What a caller must be allowed to do before `answer` may be called: each action and the ARN that it is for. Empty for an
    /// operation that is not there.
    pub fn resources(&self, request: &ApiRequest) -> Result<Vec<(String, String)>, ApiError> {
        let Some((name, _)) = operation(request).and_then(|named| OPERATIONS.iter().find(|(name, _)| *name == named)) else {
            return Ok(Vec::new());
        };
        let body: Value = input(request)?;
        let text = |member: &str| body[member].as_str();
        let bus = self.bus_name(text("EventBusName"));
        let of_rule = |rule: Option<&str>| rule.map_or_else(|| "*".to_owned(), |rule| rule_arn(&self.account, bus, rule));
        let arns = match *name {
            "CreateEventBus" | "DeleteEventBus" | "DescribeEventBus" | "UpdateEventBus" => {
                vec![bus_arn(&self.account, self.bus_name(text("Name")))]
            }
            "PutEvents" => {
                let entries = body["Entries"].as_array().map(Vec::as_slice).unwrap_or_default();
                entries.iter().try_for_each(require_structure)?;
                let buses = entries.iter().map(|entry| self.bus_name(entry["EventBusName"].as_str()));
                let buses: std::collections::BTreeSet<String> = buses.map(|bus| bus_arn(&self.account, bus)).collect();
                if buses.is_empty() { vec!["*".to_owned()] } else { buses.into_iter().collect() }
            }
            "ListEventBuses" | "ListRules" | "ListRuleNamesByTarget" | "TestEventPattern" => vec!["*".to_owned()],
            "ListTagsForResource" | "TagResource" | "UntagResource" => {
                // The ARN of what is changed, however the caller has spelled it.
                vec![text("ResourceARN").map_or_else(|| Ok("*".to_owned()), |arn| tags::asked_arn(self, arn))?]
            }
            "PutTargets" | "ListTargetsByRule" | "RemoveTargets" => vec![of_rule(text("Rule"))],
            _ => vec![of_rule(text("Name"))],
        };
        Ok(arns.into_iter().map(|arn| (format!("events:{name}"), arn)).collect())
    }
}
