//! Brings records to destinations, and events to dead-letter queues.
//!
//! Each destination has a line of its own. What cannot be delivered is tried again after a second, two, four, up to five minutes,
//! for six hours; until then it waits on disk, and keeps nothing else waiting. The role of the function must allow the delivery.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::Semaphore;

use crate::aws::authorization::RequestContext;
use crate::aws::lambda::asynchronous::claimed::claimed;
use crate::aws::lambda::asynchronous::line::{RecordKind, RecordReceiver};
use crate::aws::lambda::asynchronous::prepare;
use crate::aws::lambda::identifier::FunctionIdentifier;
use crate::aws::lambda::registry::Registry;
use crate::events::event::QueuedEvent;
use crate::events::queue::{EventClaim, EventLine, PreparedEvent};
use crate::events::retry::{EventStanding, Next, RetryPolicy, Setback};
use crate::limits::events::{DELIVERIES, DELIVERY_AGE_S};

/// Delivers what a line has, until nothing waits in it.
pub async fn deliver_all(registry: &Arc<Registry>, line: &Arc<EventLine>, arn: &str) {
    let room = Arc::new(Semaphore::new(DELIVERIES));
    while let Some(claim) = claimed::<RecordReceiver>(registry, line).await {
        // It is never closed.
        let Ok(place) = room.clone().acquire_owned().await else { return };
        let (registry, arn) = (registry.clone(), arn.to_owned());
        tokio::task::spawn_local(async move {
            deliver(&registry, claim, &arn).await;
            drop(place);
        });
    }
}

async fn deliver(registry: &Registry, mut claim: EventClaim<RecordReceiver>, arn: &str) {
    let error = match delivered(registry, &claim.event, arn).await {
        Ok(follows) => return claim.done(follows).await,
        Err(error) => error,
    };
    let head = &mut claim.event.head;
    head.put_off += 1;
    let age_ms = registry.events.clock.now_ms().saturating_sub(head.accepted_ms);
    let RecordReceiver { function, kind, .. } = &head.receiver;
    tracing::warn!(function, request_id = head.id, destination = arn, "a record is not delivered: {error}");
    if let Some(entry) = registry.find(function) {
        let metrics = &entry.metrics(&registry.metrics).asynchronous;
        match kind {
            RecordKind::Destination { .. } => metrics.not_delivered(),
            RecordKind::DeadLetter { .. } => metrics.dead_letter_failed(),
        }
    }
    let policy = RetryPolicy { retries: 0, age_ms: DELIVERY_AGE_S * 1_000 };
    match policy.next(Setback::NotRun, EventStanding { attempts: 0, put_off: head.put_off, age_ms }) {
        Next::Again(wait_ms) => claim.again(wait_ms).await,
        Next::GiveUp(_) => {
            tracing::error!(function, request_id = head.id, destination = arn, "a record is given up: it cannot be delivered");
            claim.done(Vec::new()).await;
        }
    }
}

/// Brings a record to what has this ARN. What is to be kept in its place is returned.
async fn delivered(registry: &Registry, event: &QueuedEvent<RecordReceiver>, arn: &str) -> Result<Vec<PreparedEvent>, String> {
    let service = arn.split(':').nth(2).unwrap_or_default();
    match service {
        "lambda" => to_function(registry, event, arn).map(|prepared| vec![prepared]),
        "s3" => to_bucket(registry, event, arn).await.map(|()| Vec::new()),
        other => Err(format!("the service `{other}` is not here")),
    }
}

/// Whether the role of the function may do what a delivery is.
fn require(registry: &Registry, receiver: &RecordReceiver, action: &str, resource: &str) -> Result<(), String> {
    let context = RequestContext::of_host(SystemTime::now());
    let authority = &registry.foundry.authority;
    let allowed = authority.authorize_function(&receiver.role, &receiver.function, action, resource, &context);
    allowed.map_err(|error| error.to_string())
}

/// An asynchronous invocation of another function.
fn to_function(registry: &Registry, event: &QueuedEvent<RecordReceiver>, arn: &str) -> Result<PreparedEvent, String> {
    let id = FunctionIdentifier::parse(arn, None, registry.account()).map_err(|error| error.to_string())?;
    require(registry, &event.head.receiver, "lambda:InvokeFunction", arn)?;
    let trace = event.head.receiver.trace.as_deref();
    let invocation = prepare(registry, &id, uuid::Uuid::new_v4().to_string(), trace, event.payload.clone());
    Ok(invocation.map_err(|error| error.to_string())?.following(registry))
}

/// An object `aws/lambda/async/FUNCTION/2026/11/28/2026-11-28T12.30.00-UUID` of a bucket.
async fn to_bucket(registry: &Registry, event: &QueuedEvent<RecordReceiver>, arn: &str) -> Result<(), String> {
    let bucket = arn.strip_prefix("arn:aws:s3:::").ok_or("it is no bucket")?.to_owned();
    let receiver = &event.head.receiver;
    let time = crate::telemetry::Timestamp::of(SystemTime::now());
    let (day, second) = (&time.as_str()[..10], time.as_str()[..19].replace(':', "."));
    let key = format!("aws/lambda/async/{}/{}/{second}-{}", receiver.function, day.replace('-', "/"), uuid::Uuid::new_v4());
    require(registry, receiver, "s3:PutObject", &format!("{arn}/{key}"))?;
    let (foundry, payload) = (registry.foundry.clone(), event.payload.clone());
    let written = tokio::task::spawn_blocking(move || foundry.folders.put(&bucket, &key, &payload)).await;
    written.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}
