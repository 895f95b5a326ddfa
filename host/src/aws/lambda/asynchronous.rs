//! Asynchronous invocation: an event is on disk before its caller is answered, and is called, and called again, until it has
//! succeeded or is given up.
//!
//!     Invoke (Event) ──► queue ──► foreman: a place in the account's concurrency ──► a lane: the attempt
//!                          ▲                                                             │
//!                          ├── again later ◄── failed, or could not run ◄────────────────┤
//!                          └── record for its destination ◄── succeeded, or given up ◄───┘
//!
//! | file | what it is |
//! |---|---|
//! | `line` | which lines of the queue there are, and what their events say of their receivers |
//! | `foreman` | takes events of a function as its concurrency allows, and gives them to lanes |
//! | `lanes` | the threads that make the calls |
//! | `claimed` | the next event of a line |
//! | `attempt` | one call of an event, and what follows from it |
//! | `record` | what destinations and dead-letter queues are told |
//! | `delivery` | brings it to them |

mod attempt;
mod claimed;
mod delivery;
mod foreman;
mod lanes;
mod line;
mod record;

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;

use crate::aws::error::ApiError;
use crate::aws::lambda::identifier::FunctionIdentifier;
use crate::aws::lambda::invoke::resolve;
use crate::aws::lambda::registry::{FunctionEntry, Registry};
use crate::aws::request::{ApiRequest, ApiResponse, empty};
use crate::events::event::{Head, QueuedEvent};
use crate::events::queue::{AcceptError, PreparedEvent};
use crate::limits::events::{ASYNCHRONOUS_BYTES, FULL_WAIT_S};
use line::{AsyncReceiver, line_of_function};

pub use foreman::work;
pub use lanes::CallLanes;

/// `Invoke` with the type `Event`. Answers when the event is on disk.
pub async fn accept(
    registry: &Registry,
    request: &ApiRequest,
    id: &FunctionIdentifier,
    event: Bytes,
) -> Result<ApiResponse, ApiError> {
    let invocation = prepare(registry, id, request.id.clone(), request.header("x-amzn-trace-id"), event)?;
    keep(registry, vec![invocation]).await?;
    Ok(empty(StatusCode::ACCEPTED))
}

/// An event for a function that is there.
pub struct PreparedInvocation {
    entry: Arc<FunctionEntry>,
    event: PreparedEvent,
}

impl PreparedInvocation {
    /// The event alone, which is kept in the place of another one.
    pub fn following(self, registry: &Registry) -> PreparedEvent {
        self.entry.metrics(&registry.metrics).asynchronous.received();
        self.event
    }
}

/// What is to be kept of an event for a function. `request_id` is what the function is told at each attempt.
///
/// # Errors
/// There is no such function, or the event is too large.
pub fn prepare(
    registry: &Registry,
    id: &FunctionIdentifier,
    request_id: String,
    trace: Option<&str>,
    event: Bytes,
) -> Result<PreparedInvocation, ApiError> {
    if event.len() > ASYNCHRONOUS_BYTES {
        let message = format!("Request must be smaller than {ASYNCHRONOUS_BYTES} bytes for the InvokeFunction operation");
        return Err(ApiError::too_large("RequestEntityTooLargeException", message));
    }
    let entry = resolve(registry, id)?.entry;
    let receiver = AsyncReceiver { qualifier: id.qualifier.as_ref().map(ToString::to_string), trace: trace.map(str::to_owned) };
    let head = Head { id: request_id, accepted_ms: registry.events.clock.now_ms(), attempts: 0, put_off: 0, receiver };
    let event = registry.events.prepare(&line_of_function(&id.name), &QueuedEvent { head, payload: event });
    Ok(PreparedInvocation { entry, event: event.map_err(|error| ApiError::internal(&error))? })
}

/// Keeps events, all of them or none. Ends when they are on disk.
pub async fn keep(registry: &Registry, invocations: Vec<PreparedInvocation>) -> Result<(), ApiError> {
    let (entries, events): (Vec<_>, Vec<_>) = invocations.into_iter().map(|one| (one.entry, one.event)).unzip();
    registry.events.accept_all(events).await.map_err(|error| not_accepted(&error))?;
    entries.iter().for_each(|entry| entry.metrics(&registry.metrics).asynchronous.received());
    Ok(())
}

fn not_accepted(error: &AcceptError) -> ApiError {
    match error {
        AcceptError::Full => {
            ApiError::no_room(format!("No event is accepted: {error}. Try again when some have been worked on."), FULL_WAIT_S)
        }
        AcceptError::Event(_) | AcceptError::Store(_) => ApiError::internal(error),
    }
}
