//! Brings the events of EventBridge's rules to functions.
//!
//! The policy of a function must let `events.amazonaws.com` call it for the rule. What may not be called, or is not there, is told
//! to the log, and its event is given up, as on AWS.

use std::sync::Arc;

use tokio::runtime::Handle;

use crate::aws::eventbridge::delivery::{Deliver, TargetEvent};
use crate::aws::lambda::{FunctionIdentifier, PreparedInvocation, Registry, allows_rule, keep, prepare};

/// What delivers to the functions of a registry.
pub fn to_functions(registry: Arc<Registry>) -> Deliver {
    Arc::new(move |events| {
        let mut invocations = Vec::new();
        for event in events {
            match invocation(&registry, &event) {
                Ok(invocation) => invocations.push(invocation),
                Err(reason) => {
                    let TargetEvent { id, target_arn, rule_arn, .. } = &event;
                    tracing::warn!(rule = rule_arn, target = target_arn, event = id, "an event is given up: {reason}");
                }
            }
        }
        // This is a thread that may block.
        Handle::current().block_on(keep(&registry, invocations))
    })
}

fn invocation(registry: &Registry, event: &TargetEvent) -> Result<PreparedInvocation, String> {
    let function = admitted(registry, event)?;
    let request_id = uuid::Uuid::new_v4().to_string();
    prepare(registry, &function, request_id, None, event.payload.clone()).map_err(|error| error.to_string())
}

/// The function that an event is for, if it may be called.
fn admitted(registry: &Registry, event: &TargetEvent) -> Result<FunctionIdentifier, String> {
    let service = event.target_arn.split(':').nth(2).unwrap_or_default();
    if service != "lambda" {
        return Err(format!("the service `{service}` is not here"));
    }
    let id = FunctionIdentifier::parse(&event.target_arn, None, registry.account()).map_err(|error| error.to_string())?;
    if registry.find(&id.name).is_none() {
        return Err("the function is not there".to_owned());
    }
    if !allows_rule(registry, &id, &event.rule_arn) {
        return Err("the function's policy does not let events.amazonaws.com call it".to_owned());
    }
    Ok(id)
}
