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

use http::StatusCode;

use bytes::Bytes;

use crate::aws::error::ApiError;
use crate::aws::lambda::identifier::FunctionIdentifier;
use crate::aws::lambda::invoke::resolve;
use crate::aws::lambda::registry::Registry;
use crate::aws::request::{ApiRequest, ApiResponse, empty};
use crate::events::event::{Head, QueuedEvent};
use crate::events::queue::AcceptError;
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
    if event.len() > ASYNCHRONOUS_BYTES {
        let message = format!("Request must be smaller than {ASYNCHRONOUS_BYTES} bytes for the InvokeFunction operation");
        return Err(ApiError::too_large("RequestEntityTooLargeException", message));
    }
    keep(registry, id, request.id.clone(), request.header("x-amzn-trace-id"), event).await?;
    Ok(empty(StatusCode::ACCEPTED))
}

/// Keeps an event for a function that is there. Ends when it is on disk. `request_id` is what the function is told at each attempt.
pub async fn keep(
    registry: &Registry,
    id: &FunctionIdentifier,
    request_id: String,
    trace: Option<&str>,
    event: Bytes,
) -> Result<(), ApiError> {
    let entry = resolve(registry, id)?.entry;
    let receiver = AsyncReceiver { qualifier: id.qualifier.as_ref().map(ToString::to_string), trace: trace.map(str::to_owned) };
    let head = Head { id: request_id, accepted_ms: registry.events.clock.now_ms(), attempts: 0, put_off: 0, receiver };
    let kept = registry.events.accept(&line_of_function(&id.name), &QueuedEvent { head, payload: event }).await;
    kept.map_err(|error| not_accepted(&error))?;
    entry.metrics(&registry.metrics).asynchronous.received();
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
