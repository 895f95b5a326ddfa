//! One call of a function, for a caller who waits for its reply.
//!
//!     who is called ──► is the event one? ──► is there room? ──► the revision, built if it is not ──► call ──► reply, log
//!
//! A function's own error is an answer with status 200; other statuses say that it did not run. A call goes on when its
//! caller leaves, as on Lambda.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use serde::de::IgnoredAny;

use crate::aws::constraints::Constraints;
use crate::aws::error::ApiError;
use crate::aws::lambda::aliases;
use crate::aws::lambda::configuration::{State, milliseconds};
use crate::aws::lambda::deployed::Deployed;
use crate::aws::lambda::emf;
use crate::aws::lambda::identifier::{FunctionIdentifier, Qualifier};
use crate::aws::lambda::invoked::Invoked;
use crate::aws::lambda::record::Function;
use crate::aws::lambda::registry::{FunctionEntry, Registry};
use crate::aws::lambda::route::LambdaOperation;
use crate::aws::lambda::streaming;
use crate::aws::lambda::traced::{CallFacts, CallTrace, ColdStart};
use crate::aws::lambda::vpc;
use crate::aws::request::{ApiRequest, ApiResponse, empty};
use crate::failure::{Failure, Scope};
use crate::function::build::DeployError;
use crate::function::call::{Call, Invocation, InvokeContext, InvokeOutcome, Usage};
use crate::function::concurrency::account::{CallPermit, ConcurrencyRefusal};
use crate::function::error_payload::ErrorPayload;
use crate::function::lane::WorkerLane;
use crate::function::report::log_of;
use crate::function::revision::Revision;
use crate::function::spec::CodeId;
use crate::language::Language;
use crate::limits::invoke::EVENT_BYTES;
use crate::limits::lambda::{CLIENT_CONTEXT_BYTES, LOG_TAIL_BYTES};
use crate::limits::{Limits, Profile};
use crate::telemetry::ApiMetrics;
use crate::wasm::init::InitError;

static EXECUTED_VERSION: HeaderName = HeaderName::from_static("x-amz-executed-version");
static FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");
static LOG_RESULT: HeaderName = HeaderName::from_static("x-amz-log-result");

/// Somebody to call, and room for it.
pub struct AdmittedCall {
    pub deployed: Arc<Deployed>,
    /// As the caller named it.
    arn: String,
    _permit: CallPermit,
}

/// `POST /2015-03-31/functions/{name}/invocations`
pub async fn invoke(
    registry: &Arc<Registry>,
    lane: &Rc<WorkerLane>,
    request: &ApiRequest,
    id: &FunctionIdentifier,
    operation: LambdaOperation,
) -> Result<ApiResponse, ApiError> {
    let kind = request.header("x-amz-invocation-type").unwrap_or("RequestResponse");
    let wants_log = wants_log(request)?;
    let client_context = client_context(request)?;
    let event = event(&request.body)?;
    let mut constraints = Constraints::default();
    constraints.one_of("invocationType", kind, &["Event", "RequestResponse", "DryRun"]);
    constraints.finish()?;
    match kind {
        "DryRun" => {
            resolve(registry, id)?;
            return Ok(empty(StatusCode::NO_CONTENT));
        }
        "Event" => return Err(ApiError::not_there("The invocation type Event")),
        _ => {}
    }
    let admitted = admit(registry, id)?;
    let trace = CallTrace::begin(registry.tracer.as_ref(), request, &admitted.deployed, "other");
    let trace_answer = trace.answer();
    let call = CallInput { request_id: request.id.clone(), event, client_context, trace };
    let running = tokio::task::spawn_local(run(registry.clone(), lane.clone(), admitted, call));
    let invoked = running.await.map_err(|error| ApiError::internal(&error))??;

    let log = wants_log.then(|| STANDARD.encode(tail(&invoked.log)));
    let version = HeaderValue::from_str(&invoked.version).map_err(|error| ApiError::internal(&error))?;
    let mut response = match operation {
        LambdaOperation::InvokeWithResponseStream => streaming::answer(&invoked, log)?,
        _ => whole(invoked, log)?,
    };
    response.headers_mut().insert(EXECUTED_VERSION.clone(), version);
    trace_answer.put(response.headers_mut());
    Ok(response)
}

/// A reply, or the object in its place, in one piece.
fn whole(invoked: Invoked, log: Option<String>) -> Result<ApiResponse, ApiError> {
    let (body, failed) = match invoked.result {
        Ok(reply) => (Bytes::from(reply), false),
        Err(payload) => (Bytes::from(serde_json::to_vec(&payload).map_err(|error| ApiError::internal(&error))?), true),
    };
    let mut response = Response::new(Full::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if failed {
        headers.insert(FUNCTION_ERROR.clone(), HeaderValue::from_static("Unhandled"));
    }
    if let Some(log) = log.and_then(|log| HeaderValue::from_str(&log).ok()) {
        headers.insert(LOG_RESULT.clone(), log);
    }
    Ok(response)
}

fn wants_log(request: &ApiRequest) -> Result<bool, ApiError> {
    match request.header("x-amz-log-type") {
        None | Some("None") => Ok(false),
        Some("Tail") => Ok(true),
        Some(other) => {
            let mut constraints = Constraints::default();
            constraints.one_of("logType", other, &["None", "Tail"]);
            constraints.finish().map(|()| false)
        }
    }
}

/// The last bytes of a log, beginning with a whole character.
fn tail(log: &str) -> &str {
    &log[log.ceil_char_boundary(log.len().saturating_sub(LOG_TAIL_BYTES))..]
}

/// A JSON object.
fn client_context(request: &ApiRequest) -> Result<Option<String>, ApiError> {
    let Some(sent) = request.header("x-amz-client-context") else { return Ok(None) };
    let wrong = |message| Err(ApiError::bad_request("InvalidRequestContentException", message));
    if sent.len() > CLIENT_CONTEXT_BYTES {
        return wrong("Client context must be no more than 3583 bytes.");
    }
    let text = STANDARD.decode(sent).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let object = text.filter(|text| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok());
    match object {
        Some(text) => Ok(Some(text)),
        None => wrong("Client context must be a valid Base64-encoded JSON object."),
    }
}

/// The event, which is JSON; nothing is `{}`.
pub fn event(body: &Bytes) -> Result<Bytes, ApiError> {
    if body.len() > EVENT_BYTES {
        let message = format!("Request must be smaller than {EVENT_BYTES} bytes for the InvokeFunction operation");
        return Err(ApiError::too_large("RequestEntityTooLargeException", message));
    }
    if body.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    match serde_json::from_slice::<IgnoredAny>(body) {
        Ok(_) => Ok(body.clone()),
        Err(error) => Err(ApiError::bad_request(
            "InvalidRequestContentException",
            format!("Could not parse request body into json: Could not parse payload into json: {error}"),
        )),
    }
}

struct Resolved {
    entry: Arc<FunctionEntry>,
    function: Arc<Function>,
    deployed: Arc<Deployed>,
}

/// The version that a call runs.
fn resolve(registry: &Registry, id: &FunctionIdentifier) -> Result<Resolved, ApiError> {
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
    Ok(Resolved { entry, function, deployed })
}

/// From 0 up to 1.
fn chance() -> f64 {
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    // The upper 32 bits; the version of a UUID is below them.
    f64::from(u32::try_from(random >> 32).unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
}

/// Whom a call is for, and the right to run it.
pub fn admit(registry: &Registry, id: &FunctionIdentifier) -> Result<AdmittedCall, ApiError> {
    let Resolved { entry, function, deployed } = resolve(registry, id)?;
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
    let permit = permit.map_err(|refusal| throttled(&registry.metrics, refusal))?;
    Ok(AdmittedCall { deployed, arn: id.arn(registry.account()), _permit: permit })
}

fn throttled(metrics: &ApiMetrics, refusal: ConcurrencyRefusal) -> ApiError {
    metrics.throttled(refusal.reason());
    ApiError::throttled(refusal.reason(), 1)
}

/// What a call is given besides whom it is for.
pub struct CallInput {
    pub request_id: String,
    pub event: Bytes,
    pub client_context: Option<String>,
    pub trace: CallTrace,
}

/// Runs a call. Its place is taken until this has ended.
pub async fn run(
    registry: Arc<Registry>,
    lane: Rc<WorkerLane>,
    admitted: AdmittedCall,
    call: CallInput,
) -> Result<Invoked, ApiError> {
    let mut cold = ColdStart::default();
    let invoked = run_admitted(&registry, &lane, &admitted, &call, &mut cold).await;
    let facts = CallFacts { deployed: &admitted.deployed, arn: &admitted.arn, request_id: &call.request_id };
    call.trace.finish(&registry, &facts, &cold, &invoked);
    invoked
}

/// Runs a call whose trace is another's to end; notes how long it waited for its environment.
async fn run_admitted(
    registry: &Arc<Registry>,
    lane: &Rc<WorkerLane>,
    admitted: &AdmittedCall,
    call: &CallInput,
    cold: &mut ColdStart,
) -> Result<Invoked, ApiError> {
    let deployed = &admitted.deployed;
    let configuration = &deployed.configuration;
    let request_id = call.request_id.clone();
    let built = match deployed.revision() {
        Some(revision) => Ok(revision.clone()),
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
    let memory_mb = u64::from(configuration.memory_mb);
    let (outcome, error) = match built {
        Ok(revision) => {
            let context = context(admitted, &revision, call);
            let invocation = Invocation { event: call.event.clone(), context };
            let started = Instant::now();
            let outcome = revision.call(lane, Call::Invoke(invocation)).await.into_invoke();
            if outcome.usage.cold {
                cold.note(started, Duration::from_micros(outcome.usage.waited_us));
            }
            let error = error_of(&outcome, &request_id, &revision).map_err(|failure| not_run(&registry.metrics, failure))?;
            (outcome, error)
        }
        Err(error) => not_initialised(&error, &request_id)?,
    };
    let log = log_of(&request_id, &deployed.version, memory_mb, &outcome, error.as_ref());
    registry.metrics.invoked(error.is_some());
    emf::samples(&log).iter().for_each(|sample| registry.metrics.embedded(sample));
    let ended = SystemTime::now();
    let (group, stream) = (configuration.log_group(&deployed.name), stream(deployed, ended));
    registry.logs.append(&group, &stream, milliseconds(ended), log.clone());
    if let Some(revision) = deployed.revision()
        && revision.metrics().may_speak()
    {
        tracing::info!(target: "edgeward::function", function = deployed.name, log, "function log");
    }
    let result = match (error, outcome.result) {
        (Some(error), _) => Err(error),
        (None, Ok(Ok(reply))) => Ok(if reply.is_empty() { b"null".to_vec() } else { reply }),
        (None, _) => return Err(ApiError::internal(&"a call ended without a result")),
    };
    Ok(Invoked { version: deployed.version.clone(), result, log })
}

fn context(admitted: &AdmittedCall, revision: &Revision, call: &CallInput) -> InvokeContext {
    let (deployed, now) = (&admitted.deployed, SystemTime::now());
    let configuration = &deployed.configuration;
    InvokeContext {
        function_version: deployed.version.clone(),
        invoked_function_arn: admitted.arn.clone(),
        memory_limit_mb: configuration.memory_mb,
        deadline_ms: milliseconds(now + Duration::from_secs(u64::from(configuration.timeout_s))),
        log_group_name: configuration.log_group(&deployed.name),
        log_stream_name: stream(deployed, now),
        client_context: call.client_context.clone(),
        trace_id: call.trace.told.clone(),
        ..InvokeContext::local(revision.name(), call.request_id.clone(), revision.limits(), now)
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

fn not_run(metrics: &ApiMetrics, failure: &Failure) -> ApiError {
    match failure {
        Failure::Throttled(Scope::Utilization) => throttled(metrics, ConcurrencyRefusal::Rate),
        Failure::Throttled(_) => throttled(metrics, ConcurrencyRefusal::Account),
        Failure::NotRunnable(why) => ApiError::not_runnable("InvalidRuntimeException", why.clone()),
        failure => ApiError::internal(failure),
    }
}

/// A call for which there is no environment: its INIT failed, and the caller is told how.
fn not_initialised(error: &DeployError, request_id: &str) -> Result<(InvokeOutcome, Option<ErrorPayload>), ApiError> {
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
    Ok((InvokeOutcome { result: Err(failure), usage: Usage::default(), log: String::new() }, Some(payload)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_json_of_at_most_six_megabytes() {
        assert_eq!(event(&Bytes::new()).unwrap(), "{}");
        assert_eq!(event(&Bytes::from_static(b" [1]")).unwrap(), " [1]");
        let error = event(&Bytes::from_static(b"{a}")).unwrap_err();
        assert_eq!(error.code, "InvalidRequestContentException");
        let of = |length: usize| Bytes::from(format!("\"{}\"", "a".repeat(length - 2)));
        assert!(event(&of(EVENT_BYTES)).is_ok());
        assert_eq!(event(&of(EVENT_BYTES + 1)).unwrap_err().status, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[test]
    fn the_end_of_a_long_log_is_told() {
        let log = format!("ä{}", "b".repeat(LOG_TAIL_BYTES - 1));
        assert_eq!(tail(&log).len(), LOG_TAIL_BYTES - 1, "half a character is none");
        assert_eq!(tail("short"), "short");
    }

    #[test]
    fn a_chance_is_less_than_one() {
        assert!((0..1_000).map(|_| chance()).all(|chance| (0.0..1.0).contains(&chance)));
    }
}
