//! One call of a function, for a caller who waits for its reply.
//!
//!     who is called ──► is there room? ──► the revision, built if it is not ──► call ──► reply, log
//!
//! A function's own error is an answer with status 200; other statuses say that it did not run. A call goes on when its
//! caller leaves, as on Lambda.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;

use crate::aws::error::ApiError;
use crate::aws::lambda::aliases;
use crate::aws::lambda::configuration::{State, milliseconds};
use crate::aws::lambda::deployed::Deployed;
use crate::aws::lambda::emf;
use crate::aws::lambda::identifier::{FunctionIdentifier, Qualifier};
use crate::aws::lambda::invoked::{InvocationError, Invoked};
use crate::aws::lambda::record::Function;
use crate::aws::lambda::registry::{FunctionEntry, Registry};
use crate::aws::lambda::traced::{CallFacts, CallTrace, ColdStart};
use crate::aws::lambda::vpc;
use crate::failure::{Failure, Scope};
use crate::function::build::DeployError;
use crate::function::call::{Call, HandlerError, Invocation, InvokeContext, InvokeOutcome, ReplySender, Usage};
use crate::function::concurrency::account::{CallPermit, ConcurrencyRefusal};
use crate::function::error_payload::ErrorPayload;
use crate::function::lane::WorkerLane;
use crate::function::platform_events::{SystemLevel, SystemLog};
use crate::function::report::{ReportedCall, log_of, ms, ran_us};
use crate::function::revision::Revision;
use crate::function::spec::CodeId;
use crate::language::Language;
use crate::limits::{Limits, Profile};
use crate::loops::LoopMarks;
use crate::telemetry::{LambdaMetrics, RunningExecution, XraySegment};
use crate::wasm::init::InitError;

/// Somebody to call, and room for it.
pub struct AdmittedCall {
    pub deployed: Arc<Deployed>,
    /// As the caller named it.
    pub arn: String,
    pub entry: Arc<FunctionEntry>,
    /// Let go of before the place, which is another's then.
    _running: RunningExecution,
    _permit: CallPermit,
}

/// Whom a call is for.
pub struct Resolved {
    pub entry: Arc<FunctionEntry>,
    function: Arc<Function>,
    pub deployed: Arc<Deployed>,
}

/// The version that a call runs.
pub fn resolve(registry: &Registry, id: &FunctionIdentifier) -> Result<Resolved, ApiError> {
    let account = registry.account();
    let missing = || {
        // As recorded: this operation tells the version that nobody asked for.
        let qualifier = id.qualifier.clone().unwrap_or(Qualifier::Latest);
        ApiError::not_found(format!("Function not found: {}", account.qualified_arn(&id.name, &qualifier.to_string())))
    };
    let entry = registry.find(&id.name).ok_or_else(missing)?;
    let function = entry.now();
    let version = match &id.qualifier {
        Some(Qualifier::Alias(name)) => {
            let alias = function.record.aliases.get(name).ok_or_else(missing)?;
            aliases::chosen(alias, chance())
        }
        other => function.version_of(other.as_ref()).ok_or_else(missing)?,
    };
    let deployed = function.deployed(&version).ok_or_else(missing)?.clone();
    if let Some(definition) = &function.definition {
        definition.require_callable(&id.name)?;
    }
    Ok(Resolved { entry, function, deployed })
}

/// Whether a call would find whom it is for.
pub fn resolves(registry: &Registry, id: &FunctionIdentifier) -> bool {
    resolve(registry, id).is_ok()
}

/// From 0 up to 1.
fn chance() -> f64 {
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    // The upper 32 bits; the version of a UUID is below them.
    f64::from(u32::try_from(random >> 32).unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
}

/// Whom a call is for, and the right to run it.
pub fn admit(registry: &Registry, id: &FunctionIdentifier) -> Result<AdmittedCall, ApiError> {
    admit_resolved(registry, id, &resolve(registry, id)?)
}

/// The same of a version that was found before.
pub fn admit_resolved(registry: &Registry, id: &FunctionIdentifier, resolved: &Resolved) -> Result<AdmittedCall, ApiError> {
    let Resolved { entry, function, deployed } = resolved;
    if deployed.version == "$LATEST" {
        let state = match &function.record.latest.state {
            State::Active => None,
            State::Pending => Some("Pending"),
            State::Failed { .. } => Some("Failed"),
        };
        if let Some(state) = state {
            return Err(ApiError::conflict(format!(
                "The operation cannot be performed at this time. The function is currently in the following state: {state}"
            )));
        }
    }
    if deployed.revision().is_none() {
        vpc::require(&registry.foundry.vpcs, &deployed.configuration)?;
    }
    let permit = entry.concurrency.admit(Some(&deployed.places), Instant::now());
    let metrics = entry.metrics(&registry.metrics);
    let permit = permit.map_err(|refusal| throttled(metrics, refusal))?;
    let running = metrics.began((deployed.provisioned > 0).then(|| permit.is_of(&deployed.places)));
    let (deployed, entry) = (deployed.clone(), entry.clone());
    Ok(AdmittedCall { deployed, arn: id.arn(registry.account()), entry, _running: running, _permit: permit })
}

fn throttled(metrics: &LambdaMetrics, refusal: ConcurrencyRefusal) -> ApiError {
    metrics.throttled(refusal.reason());
    ApiError::throttled(refusal.reason(), 1)
}

/// What a call is given besides whom it is for.
pub struct CallInput {
    pub request_id: String,
    pub event: Bytes,
    pub client_context: Option<String>,
    pub trace: CallTrace,
    /// Where a reply goes that is written piece by piece.
    pub stream: Option<ReplySender>,
    /// Where the request has been that this call is of.
    pub passed: LoopMarks,
}

/// Runs a call. Its place is taken until this has ended.
pub async fn run(
    registry: Arc<Registry>,
    lane: Rc<WorkerLane>,
    mut admitted: AdmittedCall,
    mut call: CallInput,
) -> Result<Invoked, ApiError> {
    admitted.deployed = registry.current(&admitted.deployed).await;
    let mut cold = ColdStart::default();
    let invoked = run_admitted(&registry, &lane, &admitted, &mut call, &mut cold).await;
    let facts = CallFacts { deployed: &admitted.deployed, arn: &admitted.arn, request_id: &call.request_id };
    let error = match &invoked {
        Ok(Invoked { result: Ok(_), .. }) => None,
        Ok(Invoked { result: Err(error), .. }) => Some(error.payload.error_type.as_str()),
        Err(error) => Some(error.code),
    };
    call.trace.finish(&registry, &facts, &cold, error);
    invoked
}

/// Runs a call whose trace is another's to end; notes how long it waited for its environment.
async fn run_admitted(
    registry: &Arc<Registry>,
    lane: &Rc<WorkerLane>,
    admitted: &AdmittedCall,
    call: &mut CallInput,
    cold: &mut ColdStart,
) -> Result<Invoked, ApiError> {
    let deployed = &admitted.deployed;
    let request_id = call.request_id.clone();
    let built = built(registry, deployed, cold).await;
    let (outcome, error) = match built {
        Ok(revision) => {
            let context = InvokeContext {
                client_context: call.client_context.clone(),
                trace_id: call.trace.told.clone(),
                ..context(admitted, &revision, &request_id)
            };
            let (stream, passed) = (call.stream.take(), std::mem::take(&mut call.passed));
            let invocation = Invocation { event: call.event.clone(), context, stream, passed };
            let started = Instant::now();
            let outcome = revision.call(lane, Call::Invoke(invocation)).await.into_invoke();
            if outcome.usage.cold {
                cold.note(started, Duration::from_micros(outcome.usage.waited_us));
            }
            let error = error_of(&outcome, &request_id, &revision)
                .map_err(|failure| not_run(admitted.entry.metrics(&registry.metrics), failure))?;
            (outcome, error)
        }
        Err(error) => not_initialised(&error, &request_id)?,
    };
    let end = CallEnd { request_id: &request_id, segment: call.trace.segment(), error: error.as_ref() };
    let log = write_log(registry, admitted, &outcome, end);
    let result = match (error, outcome.result) {
        (Some(payload), Ok(Err(HandlerError { error_type, message, .. }))) => {
            Err(InvocationError { payload, failure: Failure::Guest(format!("{error_type}: {message}")) })
        }
        (Some(payload), Err(failure)) => Err(InvocationError { payload, failure }),
        (None, Ok(Ok(reply))) => Ok(if reply.is_empty() { b"null".to_vec() } else { reply }),
        (_, _) => return Err(ApiError::internal(&"a call ended without a result")),
    };
    Ok(Invoked { result, log })
}

/// The revision of a version that is called, built if it is not.
pub async fn built(
    registry: &Arc<Registry>,
    deployed: &Arc<Deployed>,
    cold: &mut ColdStart,
) -> Result<Arc<Revision>, DeployError> {
    deployed.called(SystemTime::now());
    let built = match deployed.revision() {
        Some(revision) => Ok(revision),
        None => {
            let started = Instant::now();
            let built = registry.lane.built(deployed).await;
            cold.note(started, started.elapsed());
            built
        }
    };
    if deployed.is_due(Instant::now()) {
        registry.renew(deployed);
    }
    built
}

/// What the log of a call says besides its outcome.
pub struct CallEnd<'a> {
    pub request_id: &'a str,
    pub segment: Option<XraySegment>,
    pub error: Option<&'a ErrorPayload>,
}

/// Logs and counts a call that has ended now. Returns its log.
pub fn write_log(registry: &Registry, admitted: &AdmittedCall, outcome: &InvokeOutcome, end: CallEnd<'_>) -> String {
    let (deployed, ended) = (&admitted.deployed, SystemTime::now());
    let configuration = &deployed.configuration;
    let CallEnd { request_id, segment, error } = end;
    let memory_mb = configuration.memory_mb.into();
    let reported = ReportedCall { request_id, version: &deployed.version, memory_mb, segment };
    let log = log(deployed, &reported, outcome, error, ended);
    let failed = error.is_some() || matches!(outcome.result, Ok(Err(_)));
    admitted.entry.metrics(&registry.metrics).invoked(failed, ms(ran_us(&outcome.usage)) / 1_000.0);
    emf::samples(&log).iter().for_each(|sample| registry.metrics.embedded(sample));
    let (group, stream) = (configuration.log_group(&deployed.name), stream(deployed, ended));
    registry.logs.append(&group, &stream, milliseconds(ended), log.clone());
    if let Some(revision) = deployed.revision()
        && revision.metrics().may_speak()
    {
        tracing::info!(target: "edgeward::function", function = deployed.name, log, "function log");
    }
    log
}

/// The whole log of a call, in the format of its function.
fn log(
    deployed: &Deployed,
    call: &ReportedCall<'_>,
    outcome: &InvokeOutcome,
    error: Option<&ErrorPayload>,
    ended: SystemTime,
) -> String {
    let configuration = &deployed.configuration;
    if configuration.logging.format != "JSON" {
        return log_of(call, outcome, error);
    }
    let runtime_version = configuration.runtime_version();
    let system = SystemLog {
        function: &deployed.name,
        initialization: deployed.initialization(),
        runtime_version: runtime_version.as_deref(),
        least: SystemLevel::named(configuration.logging.system_level.as_deref()),
    };
    system.of(call, outcome, error, ended)
}

/// What a function learns of a call that begins now.
pub fn context(admitted: &AdmittedCall, revision: &Revision, request_id: &str) -> InvokeContext {
    let (deployed, now) = (&admitted.deployed, SystemTime::now());
    let configuration = &deployed.configuration;
    InvokeContext {
        function_version: deployed.version.clone(),
        invoked_function_arn: admitted.arn.clone(),
        memory_limit_mb: configuration.memory_mb,
        log_group_name: configuration.log_group(&deployed.name),
        log_stream_name: stream(deployed, now),
        ..InvokeContext::local(revision.name(), request_id.to_owned(), revision.limits(), now)
    }
}

/// Where a call of this day logs: `2026/11/27/[$LATEST]…`.
fn stream(deployed: &Deployed, now: SystemTime) -> String {
    let day = crate::telemetry::Timestamp::of(now);
    let day = day.as_str().get(..10).unwrap_or_default().replace('-', "/");
    format!("{day}/[{}]{}", deployed.version, deployed.stream)
}

/// The object in place of a reply, or why nothing has run.
fn error_of<'a>(outcome: &'a InvokeOutcome, request_id: &str, revision: &Revision) -> Result<Option<ErrorPayload>, &'a Failure> {
    match &outcome.result {
        Ok(Ok(_)) => Ok(None),
        Ok(Err(error)) => Ok(Some(match &revision.spec().code {
            CodeId::Source { language: Language::Nodejs24, .. } => ErrorPayload::of_nodejs(error),
            _ => ErrorPayload::of_handler(error, request_id),
        })),
        Err(failure) => match ErrorPayload::of_failure(failure, request_id, revision.limits()) {
            Some(payload) => Ok(Some(payload)),
            None => Err(failure),
        },
    }
}

/// Of a call that has not run.
pub fn not_run(metrics: &LambdaMetrics, failure: &Failure) -> ApiError {
    match failure {
        Failure::Throttled(Scope::Utilization) => throttled(metrics, ConcurrencyRefusal::Rate),
        Failure::Throttled(_) => throttled(metrics, ConcurrencyRefusal::Account),
        Failure::NotRunnable(why) => ApiError::not_runnable("InvalidRuntimeException", why.clone()),
        failure => ApiError::internal(failure),
    }
}

/// A call for which there is no environment: its INIT failed, and the caller is told how.
pub fn not_initialised(error: &DeployError, request_id: &str) -> Result<(InvokeOutcome, Option<ErrorPayload>), ApiError> {
    let payload = match error {
        DeployError::Init(InitError::Handler(error)) => Some(ErrorPayload::of_handler(error, "")),
        DeployError::Init(InitError::Failed(failure)) | DeployError::Start(failure) => {
            ErrorPayload::of_failure(failure, request_id, &Limits::defaults(Profile::Worker))
        }
        _ => None,
    };
    let Some(payload) = payload else {
        let code = match error {
            DeployError::Package(_) | DeployError::Layers(_) => "InvalidZipFileException",
            _ => "InvalidRuntimeException",
        };
        return Err(ApiError::not_runnable(code, error.to_string()));
    };
    let failure = Failure::NotRunnable(error.to_string());
    Ok((
        InvokeOutcome { result: Err(failure), usage: Usage::default(), log: String::new(), init_log: String::new() },
        Some(payload),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chance_is_less_than_one() {
        assert!((0..1_000).map(|_| chance()).all(|chance| (0.0..1.0).contains(&chance)));
    }
}
