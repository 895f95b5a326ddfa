//! Functions that are hooks of sites: a hook's event for a version that the site has found, run and logged as every other call.
//!
//!     found ──► the edge reads what the event needs ──► is there room? ──► run ──► answer, log
//!
//! A call goes on when its request has ended: its client may have left.

use std::future::ready;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;

use crate::aws::error::ApiError;
use crate::aws::lambda::identifier::FunctionIdentifier;
use crate::aws::lambda::invoke::{
    AdmittedCall, CallEnd, Resolved, admit_resolved, built, context, not_initialised, not_run, resolve, write_log,
};
use crate::aws::lambda::registry::Registry;
use crate::aws::lambda::traced::{CallFacts, CallTrace, ColdStart};
use crate::failure::{Failure, Scope};
use crate::function::call::{Call, HandlerError, HookCall, HookOutcome, InvokeContext, InvokeOutcome, Outcome};
use crate::function::error_payload::ErrorPayload;
use crate::function::lane::WorkerLane;
use crate::function::named::{NamedHook, NamedOutcome};
use crate::limits::Limits;
use crate::telemetry::TraceContext;
use crate::wasm::abi::Moment;

/// A version that is to run a hook.
pub struct HookOfSite {
    registry: Arc<Registry>,
    function: FunctionIdentifier,
    resolved: Resolved,
}

impl HookOfSite {
    pub fn find(registry: Arc<Registry>, function: FunctionIdentifier) -> Result<HookOfSite, ApiError> {
        let resolved = resolve(&registry, &function)?;
        Ok(HookOfSite { registry, function, resolved })
    }
}

impl NamedHook for HookOfSite {
    fn limits(&self) -> Limits {
        self.resolved.deployed.limits()
    }

    fn call(&self, lane: &Rc<WorkerLane>, call: HookCall<'static>, caller: Option<TraceContext>) -> NamedOutcome {
        let admitted = match admit_resolved(&self.registry, &self.function, &self.resolved) {
            Ok(admitted) => admitted,
            Err(error) => return Box::pin(ready(HookOutcome::refused(site_failure(&self.function.name, &error)))),
        };
        let trace = CallTrace::within(self.registry.tracer.as_ref(), caller, None, &admitted.deployed, "other");
        let running = tokio::task::spawn_local(run(self.registry.clone(), lane.clone(), admitted, call, trace));
        Box::pin(async { running.await.unwrap_or_else(|error| HookOutcome::refused(Failure::Host(error.to_string()))) })
    }
}

/// Runs a call. Its place is taken until this has ended.
async fn run(
    registry: Arc<Registry>,
    lane: Rc<WorkerLane>,
    mut admitted: AdmittedCall,
    call: HookCall<'static>,
    trace: CallTrace,
) -> HookOutcome {
    admitted.deployed = registry.current(&admitted.deployed).await;
    let (request_id, mut cold) = (uuid::Uuid::new_v4().to_string(), ColdStart::default());
    let outcome = run_admitted(&registry, &lane, &admitted, call, &trace, &request_id, &mut cold).await;
    let facts = CallFacts { deployed: &admitted.deployed, arn: &admitted.arn, request_id: &request_id };
    trace.finish(&registry, &facts, &cold, outcome.result.as_ref().err().map(Failure::category));
    outcome
}

async fn run_admitted(
    registry: &Arc<Registry>,
    lane: &WorkerLane,
    admitted: &AdmittedCall,
    call: HookCall<'static>,
    trace: &CallTrace,
    request_id: &str,
    cold: &mut ColdStart,
) -> HookOutcome {
    let name = &admitted.deployed.name;
    let (outcome, error) = match built(registry, &admitted.deployed, cold).await {
        Ok(revision) => {
            // A function takes Lambda@Edge's events at both; which of its own interfaces a component lacks is told by the call.
            if ![Moment::OriginRequest, Moment::OriginResponse].into_iter().any(|at| revision.inspection().can_be_hook(at)) {
                return HookOutcome::refused(not_runnable(name, "it is neither a function nor an origin hook"));
            }
            let context = InvokeContext { trace_id: trace.told.clone(), ..context(admitted, &revision, request_id) };
            let call = HookCall { context: Some(Box::new(context)), ..call };
            let started = Instant::now();
            let outcome = revision.call(lane, Call::Hook(call)).await.into_hook();
            if outcome.usage.cold {
                cold.note(started, Duration::from_micros(outcome.usage.waited_us));
            }
            let error = match &outcome.result {
                Ok(_) | Err(Failure::Guest(_)) => None,
                Err(failure) => match ErrorPayload::of_failure(failure, request_id, revision.limits()) {
                    Some(error) => Some(error),
                    None => {
                        // It has not run, and is in no log; a refusal is counted.
                        drop(not_run(admitted.entry.metrics(&registry.metrics), failure));
                        return outcome;
                    }
                },
            };
            (logged(outcome), error)
        }
        Err(error) => match not_initialised(&error, request_id) {
            Ok(failed) => failed,
            Err(_) => return HookOutcome::refused(not_runnable(name, &error.to_string())),
        },
    };
    write_log(registry, admitted, &outcome, CallEnd { request_id, segment: trace.segment(), error: error.as_ref() });
    let InvokeOutcome { result, usage, init_log, .. } = outcome;
    let result = match result {
        Ok(answer) => answer.map_err(|error| Failure::Guest(error.message)),
        Err(Failure::NotRunnable(why)) => Err(not_runnable(name, &why)),
        Err(failure) => Err(failure),
    };
    // The function's log has it.
    Outcome { result, usage, log: String::new(), init_log }
}

/// The outcome as logs tell it.
fn logged(outcome: HookOutcome) -> InvokeOutcome {
    let Outcome { result, usage, log, init_log } = outcome;
    let result = match result {
        Ok(answer) => Ok(Ok(answer)),
        // The function's own error: its Runtime has logged it.
        Err(Failure::Guest(message)) => Ok(Err(HandlerError { error_type: String::new(), message, stack_trace: Vec::new() })),
        Err(failure) => Err(failure),
    };
    InvokeOutcome { result, usage, log, init_log }
}

/// What a site is told of a call that has not run.
pub fn site_failure(function: &str, error: &ApiError) -> Failure {
    let why = error.message.as_deref().unwrap_or(error.code);
    match error.status {
        StatusCode::TOO_MANY_REQUESTS => Failure::Throttled(Scope::Concurrency),
        StatusCode::INTERNAL_SERVER_ERROR => Failure::Host(why.to_owned()),
        _ => not_runnable(function, why),
    }
}

fn not_runnable(function: &str, why: &str) -> Failure {
    Failure::NotRunnable(format!("function `{function}` of the AWS APIs: {why}"))
}
