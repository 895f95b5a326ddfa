//! Operations on rules.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::eventbridge::buses::{ListInput, is_name, listed, paged};
use crate::aws::eventbridge::record::{DEFAULT_BUS, DISABLED, ENABLED, RuleRecord, rule_key};
use crate::aws::eventbridge::refusals;
use crate::aws::eventbridge::state::{EventBridge, put};
use crate::aws::eventbridge::tags::add;
use crate::aws::json_target::answer;
use crate::aws::kept::{Amendment, TagPair, input};
use crate::aws::request::{ApiRequest, ApiResponse};
use crate::events::pattern::EventPattern;
use crate::events::schedule::ScheduleExpression;
use crate::limits::event_rules::{PATTERN_CHARS, SCHEDULE_CHARS};
use crate::limits::eventbridge::{ARN_CHARS, DESCRIPTION_CHARS, RULE_NAME_CHARS, RULES};

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RuleInput {
    name: Option<String>,
    event_bus_name: Option<String>,
    event_pattern: Option<String>,
    schedule_expression: Option<String>,
    state: Option<String>,
    description: Option<String>,
    role_arn: Option<String>,
    tags: Vec<TagPair>,
    event: Option<String>,
}

impl RuleInput {
    fn checked_name(&self) -> Result<&str, ApiError> {
        let mut constraints = Constraints::default();
        let name = constraints.required("name", self.name.as_deref()).unwrap_or("x");
        check_name(&mut constraints, "name", name);
        constraints.finish()?;
        Ok(name)
    }
}

pub fn check_name(constraints: &mut Constraints, place: &str, name: &str) {
    constraints.length(place, name, 1..=RULE_NAME_CHARS);
    constraints.pattern(place, name, "[\\.\\-_A-Za-z0-9]+", is_name);
}

fn parsed(pattern: &str) -> Result<EventPattern, ApiError> {
    EventPattern::parse(pattern).map_err(|error| ApiError::bad_request("InvalidEventPatternException", error.of_a_rule()))
}

/// `PutRule`
pub fn put_rule(bridge: &EventBridge, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: RuleInput = input(request)?;
    let name = input.checked_name()?;
    let mut constraints = Constraints::default();
    let state = input.state.as_deref().unwrap_or(ENABLED);
    constraints.one_of("state", state, &[ENABLED, DISABLED, "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"]);
    constraints.length("eventPattern", input.event_pattern.as_deref().unwrap_or_default(), 0..=PATTERN_CHARS);
    constraints.length("scheduleExpression", input.schedule_expression.as_deref().unwrap_or_default(), 0..=SCHEDULE_CHARS);
    constraints.length("description", input.description.as_deref().unwrap_or_default(), 0..=DESCRIPTION_CHARS);
    constraints.length("roleArn", input.role_arn.as_deref().unwrap_or("x"), 1..=ARN_CHARS);
    constraints.finish()?;
    let pattern = input.event_pattern.clone().filter(|text| !text.is_empty());
    let schedule = input.schedule_expression.clone().filter(|text| !text.is_empty());
    if pattern.is_none() && schedule.is_none() {
        return Err(ApiError::validation("Parameter(s) EventPattern or ScheduleExpression must be specified."));
    }
    let bus = bridge.bus_name(input.event_bus_name.as_deref());
    if let Some(schedule) = &schedule {
        if bus != DEFAULT_BUS {
            return Err(ApiError::validation("ScheduleExpression is supported only on the default event bus."));
        }
        ScheduleExpression::of_a_rule(schedule).map_err(|error| ApiError::validation(error.to_string()))?;
    }
    pattern.as_deref().map(parsed).transpose()?;
    let _alone = bridge.changing();
    bridge.bus_called(bus)?;
    let now_ms = bridge.now_ms(request);
    let arn = bridge.rules.change(&rule_key(bus, name), |record| {
        let mut rule = match record {
            Some(rule) => rule.clone(),
            None if bridge.rules_of(bus).len() >= RULES => return Err(refusals::limit()),
            None => {
                let mut rule = RuleRecord::new(bus, name, now_ms);
                // AWS takes the tags of a new rule only.
                add(&mut rule.tags, &input.tags)?;
                rule
            }
        };
        if rule.schedule != schedule {
            rule.schedule = schedule;
            rule.scheduled_ms = now_ms;
        }
        rule.set_pattern(pattern);
        rule.set_enabled(state, now_ms);
        rule.description = input.description.clone();
        rule.role = input.role_arn.clone();
        let arn = rule.arn(&bridge.account);
        Ok((put(rule), arn))
    })?;
    bridge.scheduled.notify_one();
    answer(&json!({"RuleArn": arn}))
}

/// `DescribeRule`
pub fn describe(bridge: &EventBridge, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: RuleInput = input(request)?;
    let name = input.checked_name()?;
    let bus = bridge.bus(input.event_bus_name.as_deref())?;
    let mut members = bridge.rule(&bus.name, name)?.described(&bridge.account);
    members.insert("CreatedBy".to_owned(), bridge.account.id.as_str().into());
    answer(&members)
}

/// `ListRules`
pub fn list(bridge: &EventBridge, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: ListInput = input(request)?;
    let bus = bridge.bus(input.event_bus_name.as_deref())?;
    let prefix = input.name_prefix.as_deref().unwrap_or_default();
    let mut rules = bridge.rules_of(&bus.name);
    rules.retain(|rule| rule.name.starts_with(prefix));
    let (rules, next) = paged(rules, input.limit, input.next_token.as_deref(), |rule| rule.name.clone())?;
    let rules: Vec<Value> = rules.iter().map(|rule| rule.described(&bridge.account).into()).collect();
    listed("Rules", rules.into(), next)
}

/// `DeleteRule`. One that is not there is as good as deleted.
pub fn delete(bridge: &EventBridge, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: RuleInput = input(request)?;
    let name = input.checked_name()?;
    let bus = bridge.bus(input.event_bus_name.as_deref())?;
    let key = rule_key(&bus.name, name);
    let _alone = bridge.changing();
    bridge.rules.change(&key, |record| match record {
        None => Ok((Amendment::Keep, ())),
        Some(rule) if !rule.targets.is_empty() => Err(ApiError::validation("Rule can't be deleted since it has targets.")),
        Some(_) => Ok((Amendment::Remove { gone: Vec::new() }, ())),
    })?;
    bridge.note_tick(&key, None)?;
    bridge.scheduled.notify_one();
    answer(&json!({}))
}

fn set_state(bridge: &EventBridge, request: &ApiRequest, state: &str) -> Result<ApiResponse, ApiError> {
    let input: RuleInput = input(request)?;
    let name = input.checked_name()?;
    let bus = bridge.bus(input.event_bus_name.as_deref())?;
    bridge.amend_rule(&bus.name, name, |rule| {
        rule.set_enabled(state, bridge.now_ms(request));
        Ok(())
    })?;
    answer(&json!({}))
}

/// `EnableRule`
pub fn enable(bridge: &EventBridge, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    set_state(bridge, request, ENABLED)
}

/// `DisableRule`
pub fn disable(bridge: &EventBridge, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    set_state(bridge, request, DISABLED)
}

/// `TestEventPattern`
pub fn test_pattern(_: &EventBridge, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: RuleInput = input(request)?;
    let mut constraints = Constraints::default();
    let pattern = constraints.required("eventPattern", input.event_pattern.as_deref()).unwrap_or_default();
    let event = constraints.required("event", input.event.as_deref()).unwrap_or_default();
    constraints.finish()?;
    let pattern = parsed(pattern)?;
    let event: Option<Value> = serde_json::from_str(event).ok();
    let members = ["id", "account", "source", "time", "region", "resources", "detail-type"];
    let is_event = |event: &Value| members.iter().all(|member| event.get(member).is_some());
    let event = event.filter(is_event).ok_or_else(|| ApiError::validation("Parameter Event is not valid."))?;
    answer(&json!({"Result": pattern.matches(&event)}))
}
