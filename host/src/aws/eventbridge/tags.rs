//! Tags of buses and rules.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use crate::aws::error::ApiError;
use crate::aws::eventbridge::record::{DEFAULT_BUS, bus_arn, rule_arn};
use crate::aws::eventbridge::refusals;
use crate::aws::eventbridge::state::{EventBridge, put};
use crate::aws::json_target::answer;
use crate::aws::kept::{TagPair, add_tags, input, tag_list};
use crate::aws::request::{ApiRequest, ApiResponse};
use crate::limits::kept::TAGS;

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct EventTagInput {
    #[serde(rename = "ResourceARN")]
    resource_arn: String,
    tags: Vec<TagPair>,
    tag_keys: Vec<String>,
}

/// Adds tags, as far as they fit.
pub fn add(tags: &mut BTreeMap<String, String>, pairs: &[TagPair]) -> Result<(), ApiError> {
    add_tags(tags, pairs, ApiError::validation)?;
    if tags.len() > TAGS { Err(refusals::limit()) } else { Ok(()) }
}

/// What an ARN is of: a bus, or a rule of a bus.
enum TaggedArn<'a> {
    Bus(&'a str),
    Rule { bus: &'a str, name: &'a str },
}

impl<'a> TaggedArn<'a> {
    fn of(bridge: &EventBridge, arn: &'a str) -> Result<TaggedArn<'a>, ApiError> {
        let (of_bus, of_rule) = (bus_arn(&bridge.account, ""), rule_arn(&bridge.account, DEFAULT_BUS, ""));
        if let Some(name) = arn.strip_prefix(&of_bus) {
            Ok(TaggedArn::Bus(name))
        } else if let Some(rest) = arn.strip_prefix(&of_rule) {
            let (bus, name) = rest.rsplit_once('/').unwrap_or((DEFAULT_BUS, rest));
            Ok(TaggedArn::Rule { bus, name })
        } else {
            Err(refusals::invalid("ResourceARN", "Provided Arn is not in correct format."))
        }
    }
}

/// The one ARN of what an ARN is of: a rule of the default bus can be named with the bus and without.
///
/// # Errors
/// It is of nothing here.
pub fn asked_arn(bridge: &EventBridge, arn: &str) -> Result<String, ApiError> {
    Ok(match TaggedArn::of(bridge, arn)? {
        TaggedArn::Bus(name) => bus_arn(&bridge.account, name),
        TaggedArn::Rule { bus, name } => rule_arn(&bridge.account, bus, name),
    })
}

fn change(
    bridge: &EventBridge,
    arn: &str,
    work: impl FnOnce(&mut BTreeMap<String, String>) -> Result<(), ApiError>,
) -> Result<ApiResponse, ApiError> {
    match TaggedArn::of(bridge, arn)? {
        TaggedArn::Rule { bus, name } => bridge.amend_rule(bus, name, |rule| work(&mut rule.tags))?,
        TaggedArn::Bus(name) => {
            let _alone = bridge.changing();
            bridge.buses.change(name, |record| {
                let mut record = record.cloned().ok_or_else(|| refusals::no_bus(name))?;
                work(&mut record.tags)?;
                Ok((put(record), ()))
            })?;
        }
    }
    answer(&json!({}))
}

/// `TagResource`
pub fn tag(bridge: &EventBridge, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: EventTagInput = input(request)?;
    change(bridge, &input.resource_arn, |tags| add(tags, &input.tags))
}

/// `UntagResource`
pub fn untag(bridge: &EventBridge, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: EventTagInput = input(request)?;
    change(bridge, &input.resource_arn, |tags| {
        tags.retain(|key, _| !input.tag_keys.contains(key));
        Ok(())
    })
}

/// `ListTagsForResource`
pub fn list(bridge: &EventBridge, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let input: EventTagInput = input(request)?;
    let tags = match TaggedArn::of(bridge, &input.resource_arn)? {
        TaggedArn::Rule { bus, name } => tag_list(&bridge.rule(bus, name)?.tags),
        TaggedArn::Bus(name) => tag_list(&bridge.bus_called(name)?.tags),
    };
    answer(&json!({"Tags": tags}))
}
