//! One call of an event, and what follows from it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::aws::error::ApiError;
use crate::aws::lambda::asynchronous::line::{AsyncReceiver, RecordKind, RecordReceiver, line_of_destination};
use crate::aws::lambda::asynchronous::record::{EventEnd, Response};
use crate::aws::lambda::invoke::{AdmittedCall, CallInput, run};
use crate::aws::lambda::record::Function;
use crate::aws::lambda::registry::{FunctionEntry, Registry};
use crate::aws::lambda::traced::CallTrace;
use crate::events::event::{Head, QueuedEvent};
use crate::events::queue::{EventClaim, PreparedEvent};
use crate::events::retry::{EndCondition, EventStanding, Next, RetryPolicy, Setback};
use crate::function::lane::WorkerLane;
use crate::limits::events::{AGE_S, DEAD_LETTER_CHARS, RETRIES};
use crate::loops::LoopMarks;

/// An event that is claimed, and its place in the function's concurrency.
pub struct EventAttempt {
    pub registry: Arc<Registry>,
    pub claim: EventClaim<AsyncReceiver>,
    pub admitted: AdmittedCall,
}

/// How often an event is tried, and for how long, by the settings of what it was called by.
pub fn policy(function: &Function, receiver: &AsyncReceiver) -> RetryPolicy {
    let settings = function.record.event_invoke.get(receiver.place());
    let retries = settings.and_then(|settings| settings.maximum_retries).and_then(|retries| u32::try_from(retries).ok());
    let age_s = settings.and_then(|settings| settings.maximum_age_s).and_then(|age| u64::try_from(age).ok());
    RetryPolicy { retries: retries.unwrap_or(RETRIES), age_ms: age_s.unwrap_or(AGE_S) * 1_000 }
}

impl EventAttempt {
    /// Calls the function, and settles the event. Runs on a lane.
    pub async fn make(self, lane: Rc<WorkerLane>) {
        let EventAttempt { registry, mut claim, admitted } = self;
        let (entry, deployed) = (admitted.entry.clone(), admitted.deployed.clone());
        let head = &claim.event.head;
        let mut headers = HeaderMap::new();
        if let Some(trace) = head.receiver.trace.as_deref().and_then(|trace| HeaderValue::from_str(trace).ok()) {
            headers.insert("x-amzn-trace-id", trace);
        }
        let age_ms = registry.events.clock.now_ms().saturating_sub(head.accepted_ms);
        entry.metrics(&registry.metrics).asynchronous.tried(Duration::from_millis(age_ms));
        let call = CallInput {
            request_id: head.id.clone(),
            event: claim.event.payload.clone(),
            client_context: None,
            trace: CallTrace::begin(registry.tracer.as_ref(), &headers, &deployed, "other"),
            stream: None,
            passed: LoopMarks::default(),
        };
        let (setback, response) = match run(registry.clone(), lane, admitted, call).await {
            Ok(invoked) => {
                claim.event.head.attempts += 1;
                claim.event.head.put_off = 0;
                let executed_version = deployed.version.clone();
                match invoked.result {
                    Ok(payload) => {
                        let response = Response { executed_version, is_error: false, payload };
                        return over(&registry, &entry, claim, EventOutcome::Succeeded, Some(response)).await;
                    }
                    Err(error) => {
                        let payload = serde_json::to_vec(&error.payload).unwrap_or_default();
                        (Setback::Failed, Some(Response { executed_version, is_error: true, payload }))
                    }
                }
            }
            Err(error) => {
                tracing::debug!(function = deployed.name, "an event could not be tried: {error}");
                claim.event.head.put_off += 1;
                (Setback::NotRun, None)
            }
        };
        match next(&registry, &entry.now(), &claim, setback) {
            Next::Again(wait_ms) => claim.again(wait_ms).await,
            Next::GiveUp(condition) => over(&registry, &entry, claim, EventOutcome::GivenUp(condition), response).await,
        }
    }
}

/// What comes after an attempt, or after finding no room for one.
pub fn next(registry: &Registry, function: &Function, claim: &EventClaim<AsyncReceiver>, setback: Setback) -> Next {
    let Head { accepted_ms, attempts, put_off, ref receiver, .. } = claim.event.head;
    let age_ms = registry.events.clock.now_ms().saturating_sub(accepted_ms);
    policy(function, receiver).next(setback, EventStanding { attempts, put_off, age_ms })
}

/// How an event ends.
#[derive(Clone, Copy)]
pub enum EventOutcome {
    Succeeded,
    GivenUp(EndCondition),
}

/// Ends an event, and keeps what its destination and its dead-letter queue are to be told.
pub async fn over(
    registry: &Registry,
    entry: &FunctionEntry,
    claim: EventClaim<AsyncReceiver>,
    end: EventOutcome,
    response: Option<Response>,
) {
    let function = entry.now();
    let QueuedEvent { head, payload } = &claim.event;
    let receiver = &head.receiver;
    let settings = function.record.event_invoke.get(receiver.place());
    let function_arn = registry.account().qualified_arn(&function.name, receiver.place());
    let (condition, destination) = match end {
        EventOutcome::Succeeded => ("Success", settings.and_then(|settings| settings.on_success.as_ref())),
        EventOutcome::GivenUp(condition) => (condition.name(), settings.and_then(|settings| settings.on_failure.as_ref())),
    };
    let ended = EventEnd {
        request_id: &head.id,
        function_arn: &function_arn,
        condition,
        attempts: head.attempts,
        payload,
        response,
        ended_ms: registry.events.clock.now_ms(),
    };
    let qualifier = receiver.identifier(&function.name).qualifier;
    let version = function.version_of(qualifier.as_ref()).unwrap_or_else(|| "$LATEST".to_owned());
    let configuration = function.configuration(&version).unwrap_or(&function.record.latest);
    let mut deliveries = Vec::new();
    if let Some(arn) = destination {
        let kind = RecordKind::Destination { succeeded: matches!(end, EventOutcome::Succeeded) };
        deliveries.push((arn, kind, ended.record()));
    }
    if let (EventOutcome::GivenUp(_), Some(arn)) = (end, &configuration.dead_letter) {
        let (error_code, mut error_message) = ended.error();
        error_message.truncate(error_message.floor_char_boundary(DEAD_LETTER_CHARS));
        deliveries.push((arn, RecordKind::DeadLetter { error_code, error_message }, payload.clone()));
    }
    if let EventOutcome::GivenUp(condition) = end {
        entry.metrics(&registry.metrics).asynchronous.dropped();
        tracing::info!(function = function.name, request_id = head.id, "an event is given up: {}", condition.name());
    }
    let prepared = deliveries.into_iter().filter_map(|(arn, kind, payload)| {
        let receiver = RecordReceiver {
            function: function.name.clone(),
            role: configuration.role.clone(),
            kind,
            trace: receiver.trace.clone(),
        };
        prepared(registry, head, arn, receiver, payload)
    });
    let prepared = prepared.collect();
    claim.done(prepared).await;
}

fn prepared(
    registry: &Registry,
    head: &Head<AsyncReceiver>,
    arn: &str,
    receiver: RecordReceiver,
    payload: Bytes,
) -> Option<PreparedEvent> {
    let function = receiver.function.clone();
    let accepted_ms = registry.events.clock.now_ms();
    let head = Head { id: head.id.clone(), accepted_ms, attempts: 0, put_off: 0, receiver };
    let prepared = registry.events.prepare(&line_of_destination(arn), &QueuedEvent { head, payload });
    prepared.inspect_err(|error| tracing::error!(function, "`{arn}` is not told of an event: {error}")).ok()
}

/// Whether a refusal says that there is no room now, and perhaps later.
pub fn is_without_room(error: &ApiError) -> bool {
    matches!(error.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::CONFLICT)
}
