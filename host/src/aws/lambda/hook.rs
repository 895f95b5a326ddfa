//! Functions that are hooks of sites: the edge calls the version, and the call is logged and counted as every other one.
//!
//!     admitted ──► the revision, built if it is not ──► held ── the edge's call ──► ended: log, counts, its place is free

use std::sync::Arc;

use crate::aws::lambda::invoke::{AdmittedCall, CallEnd, built, context, not_run, write_log};
use crate::aws::lambda::registry::Registry;
use crate::aws::lambda::traced::ColdStart;
use crate::failure::Failure;
use crate::function::call::{HandlerError, HookOutcome, InvokeOutcome, Outcome};
use crate::function::error_payload::ErrorPayload;
use crate::function::named::{HeldCall, HeldVersion};
use crate::function::revision::Revision;
use crate::wasm::abi::Moment;

/// A call that is admitted, until it has ended.
struct HookOfSite {
    registry: Arc<Registry>,
    admitted: AdmittedCall,
    revision: Arc<Revision>,
    request_id: String,
}

pub async fn hold(registry: Arc<Registry>, mut admitted: AdmittedCall) -> Result<HeldVersion, Failure> {
    admitted.deployed = registry.current(&admitted.deployed).await;
    let not_runnable = |why: &str| Failure::NotRunnable(format!("function `{}` of the AWS APIs: {why}", admitted.deployed.name));
    let revision = built(&registry, &admitted.deployed, &mut ColdStart::default()).await;
    let revision = revision.map_err(|error| not_runnable(&error.to_string()))?;
    // A function takes Lambda@Edge's events at both; which of its own interfaces a component lacks is told by the call.
    if ![Moment::OriginRequest, Moment::OriginResponse].into_iter().any(|moment| revision.inspection().can_be_hook(moment)) {
        return Err(not_runnable("it is neither a function nor an origin hook"));
    }
    let request_id = uuid::Uuid::new_v4().to_string();
    let context = Box::new(context(&admitted, &revision, &request_id));
    let call = Box::new(HookOfSite { registry, admitted, revision: revision.clone(), request_id });
    Ok(HeldVersion { revision, context, call })
}

impl HeldCall for HookOfSite {
    fn ended(self: Box<Self>, outcome: HookOutcome) -> HookOutcome {
        let Outcome { result, usage, log, init_log } = outcome;
        let result = match result {
            Ok(answer) => Ok(Ok(answer)),
            // The function's own error: its Runtime has logged it.
            Err(Failure::Guest(message)) => Ok(Err(HandlerError { error_type: String::new(), message, stack_trace: Vec::new() })),
            Err(failure) => Err(failure),
        };
        let outcome = InvokeOutcome { result, usage, log, init_log };
        let failure = outcome.result.as_ref().err();
        let error = failure.and_then(|failure| ErrorPayload::of_failure(failure, &self.request_id, self.revision.limits()));
        match (failure, &error) {
            // It has not run, and is in no log; a refusal is counted.
            (Some(failure), None) => drop(not_run(self.admitted.entry.metrics(&self.registry.metrics), failure)),
            _ => {
                let end = CallEnd { request_id: &self.request_id, segment: None, error: error.as_ref() };
                write_log(&self.registry, &self.admitted, &outcome, end);
            }
        }
        let InvokeOutcome { result, usage, init_log, .. } = outcome;
        let result = result.and_then(|answer| answer.map_err(|error| Failure::Guest(error.message)));
        // The function's log has it.
        Outcome { result, usage, log: String::new(), init_log }
    }
}
