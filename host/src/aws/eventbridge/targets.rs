//! Operations on the targets of rules.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::eventbridge::buses::{listed, paged};
use crate::aws::eventbridge::input::is_path;
use crate::aws::eventbridge::record::RuleTarget;
use crate::aws::eventbridge::refusals;
use crate::aws::eventbridge::rules::check_name;
use crate::aws::eventbridge::state::EventBridge;
use crate::aws::json_target::answer;
use crate::aws::kept::input;
use crate::aws::request::{ApiRequest, ApiResponse};
use crate::limits::eventbridge::{
    AGE_S, ARN_CHARS, INPUT_CHARS, INPUT_PATH_CHARS, INPUT_PATHS, REQUEST_TARGETS, RETRIES, TARGETS,
};

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RuleTargetsInput {
    rule: Option<String>,
    event_bus_name: Option<String>,
    targets: Option<Vec<RuleTarget>>,
    ids: Option<Vec<String>>,
    target_arn: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
}

impl RuleTargetsInput {
    fn checked_rule(&self) -> Result<&str, ApiError> {
        let mut constraints = Constraints::default();
        let rule = constraints.required("rule", self.rule.as_deref()).unwrap_or("x");
        check_name(&mut constraints, "rule", rule);
        constraints.finish()?;
        Ok(rule)
    }
}

/// `PutTargets`
pub fn put_targets(bridge: &EventBridge, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: RuleTargetsInput = input(request)?;
    let rule = input.checked_rule()?;
    let mut constraints = Constraints::default();
    let targets = constraints.required("targets", input.targets.as_deref()).unwrap_or_default();
    if targets.is_empty() || targets.len() > REQUEST_TARGETS {
        constraints.fail("targets", &targets.len(), &format!("have length between 1 and {REQUEST_TARGETS}"));
    }
    targets.iter().enumerate().for_each(|(at, target)| check_target(&mut constraints, at, target));
    constraints.finish()?;
    targets.iter().try_for_each(judge)?;
    let bus = bridge.bus(input.event_bus_name.as_deref())?;
    bridge.amend_rule(&bus.name, rule, |rule| {
        for target in targets {
            match rule.targets.iter_mut().find(|known| known.id == target.id) {
                Some(known) => known.clone_from(target),
                None => rule.targets.push(target.clone()),
            }
        }
        if rule.targets.len() > TARGETS { Err(refusals::limit()) } else { Ok(()) }
    })?;
    answer(&json!({"FailedEntryCount": 0, "FailedEntries": []}))
}

/// What the model excludes.
fn check_target(constraints: &mut Constraints, at: usize, target: &RuleTarget) {
    let place = |member: &str| format!("targets.{}.member.{member}", at + 1);
    check_name(constraints, &place("id"), &target.id);
    constraints.length(&place("arn"), &target.arn, 1..=ARN_CHARS);
    constraints.length(&place("input"), target.input.as_deref().unwrap_or_default(), 0..=INPUT_CHARS);
    constraints.length(&place("inputPath"), target.input_path.as_deref().unwrap_or_default(), 0..=INPUT_PATH_CHARS);
    if let Some(transformer) = &target.input_transformer {
        let place = |member: &str| place(&format!("inputTransformer.{member}"));
        constraints.length(&place("inputTemplate"), &transformer.input_template, 1..=INPUT_CHARS);
        let paths = transformer.input_paths_map.as_ref().map_or(0, |paths| paths.len());
        if paths > INPUT_PATHS {
            constraints.fail(&place("inputPathsMap"), &paths, &format!("have length less than or equal to {INPUT_PATHS}"));
        }
    }
    let retries = target.retry_policy.clone().unwrap_or_default();
    if let Some(attempts) = retries.maximum_retry_attempts {
        constraints.range(&place("retryPolicy.maximumRetryAttempts"), attempts, RETRIES);
    }
    if let Some(age) = retries.maximum_event_age_in_seconds {
        constraints.range(&place("retryPolicy.maximumEventAgeInSeconds"), age, AGE_S);
    }
}

/// What only the service can judge.
fn judge(target: &RuleTarget) -> Result<(), ApiError> {
    let RuleTarget { id, arn, .. } = target;
    if let Some(member) = target.foreign.keys().next() {
        return Err(ApiError::not_there(&format!("A target with {member}")));
    }
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let &["arn", _, service, _, _, resource] = parts.as_slice() else {
        return Err(refusals::invalid(arn, "Provided Arn is not in correct format."));
    };
    match service {
        "lambda" => {}
        "sqs" if resource.ends_with(".fifo") && target.sqs_parameters.is_none() => {
            return Err(ApiError::validation(format!("Parameter(s) SqsParameters must be specified for target: {id}.")));
        }
        "sqs" => {}
        other => return Err(ApiError::not_there(&format!("A target of the service {other}"))),
    }
    let inputs = [target.input.is_some(), target.input_path.is_some(), target.input_transformer.is_some()];
    if inputs.iter().filter(|is_there| **is_there).count() > 1 {
        let message = format!("Only one of Input, InputPath, or InputTransformer must be provided for target {id}.");
        return Err(ApiError::validation(message));
    }
    if let Some(input) = &target.input
        && serde_json::from_str::<serde::de::IgnoredAny>(input).is_err()
    {
        return Err(refusals::invalid(&format!("Input of target {id}"), "It is not JSON."));
    }
    let paths = target.input_transformer.iter().filter_map(|transformer| transformer.input_paths_map.as_ref());
    match target.input_path.iter().chain(paths.flat_map(|paths| paths.values())).find(|path| !is_path(path)) {
        Some(path) => Err(refusals::invalid(&format!("InputPath of target {id}"), &format!("`{path}` is no JSON path."))),
        None => Ok(()),
    }
}

/// `ListTargetsByRule`
pub fn list(bridge: &EventBridge, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: RuleTargetsInput = input(request)?;
    let rule = input.checked_rule()?;
    let bus = bridge.bus(input.event_bus_name.as_deref())?;
    let mut targets = bridge.rule(&bus.name, rule)?.targets.clone();
    targets.sort_by(|one, other| one.id.cmp(&other.id));
    let (targets, next) = paged(targets, input.limit, input.next_token.as_deref(), |target| target.id.clone())?;
    listed("Targets", json!(targets), next)
}

/// `RemoveTargets`
pub fn remove(bridge: &EventBridge, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: RuleTargetsInput = input(request)?;
    let name = input.checked_rule()?;
    let mut constraints = Constraints::default();
    let ids = constraints.required("ids", input.ids.as_deref()).unwrap_or_default();
    if ids.is_empty() || ids.len() > REQUEST_TARGETS {
        constraints.fail("ids", &ids.len(), &format!("have length between 1 and {REQUEST_TARGETS}"));
    }
    constraints.finish()?;
    let bus = bridge.bus(input.event_bus_name.as_deref())?;
    let failed = bridge.amend_rule(&bus.name, name, |rule| {
        let missing = ids.iter().filter(|id| !rule.targets.iter().any(|target| target.id == **id));
        let failed: Vec<Value> = missing
            .map(|id| {
                let message = format!("Rule '{name}' does not have a target with the Id '{id}'.");
                json!({"TargetId": id, "ErrorCode": "ResourceNotFoundException", "ErrorMessage": message})
            })
            .collect();
        rule.targets.retain(|target| !ids.contains(&target.id));
        Ok(failed)
    })?;
    answer(&json!({"FailedEntryCount": failed.len(), "FailedEntries": failed}))
}

/// `ListRuleNamesByTarget`
pub fn list_rules(bridge: &EventBridge, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: RuleTargetsInput = input(request)?;
    let mut constraints = Constraints::default();
    let arn = constraints.required("targetArn", input.target_arn.as_deref()).unwrap_or_default();
    constraints.finish()?;
    let bus = bridge.bus(input.event_bus_name.as_deref())?;
    let mut rules = bridge.rules_of(&bus.name);
    rules.retain(|rule| rule.targets.iter().any(|target| target.arn == arn));
    let names = rules.iter().map(|rule| rule.name.clone()).collect();
    let (names, next) = paged(names, input.limit, input.next_token.as_deref(), Clone::clone)?;
    listed("RuleNames", json!(names), next)
}
