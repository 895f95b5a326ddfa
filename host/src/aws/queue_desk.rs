//! What the operator asks of the events that wait: a service of Edgeward's own, `edgeward` in a signature, in the protocol `json`.
//!
//! | operation | what it does |
//! |---|---|
//! | `ListLines` | tells for each line how many events wait, their bytes, and how long the first has waited |
//! | `PeekEvents` | tells the first events of a line, without taking them |
//! | `AdvanceClock` | moves the clock of events forward, where the host allows it |

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use crate::aws::error::ApiError;
use crate::aws::json_target::{answer, operation};
use crate::aws::kept::input;
use crate::aws::request::{ApiRequest, ApiResponse};
use crate::events::queue::EventQueue;
use crate::limits::events::{ADVANCE_S, PEEK};

/// See the module.
pub struct QueueDesk {
    pub queue: Arc<EventQueue>,
    /// Whether who is allowed to may move the clock.
    pub may_move_clock: bool,
}

const OPERATIONS: [&str; 3] = ["AdvanceClock", "ListLines", "PeekEvents"];

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct PeekInput {
    line: String,
    max_items: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct AdvanceInput {
    seconds: u64,
}

impl QueueDesk {
    /// What a caller must be allowed to do.
    pub fn resources(request: &ApiRequest) -> Vec<(String, String)> {
        let named = operation(request).filter(|named| OPERATIONS.contains(named));
        named.map(|named| (format!("edgeward:{named}"), "*".to_owned())).into_iter().collect()
    }

    /// Answers a request. Returns the operation, for metrics. Blocks for the disk.
    pub fn answer(&self, request: &ApiRequest) -> (&'static str, Result<ApiResponse, ApiError>) {
        match operation(request) {
            Some("ListLines") => ("ListLines", self.list()),
            Some("PeekEvents") => ("PeekEvents", self.peek(request)),
            Some("AdvanceClock") => ("AdvanceClock", self.advance(request)),
            Some(other) => ("Unsupported", Err(ApiError::not_there(&format!("edgeward:{other}")))),
            None => ("Unknown", Err(ApiError::unknown_operation())),
        }
    }

    fn list(&self) -> Result<ApiResponse, ApiError> {
        let mut lines = Vec::new();
        for (line, total) in self.queue.totals()? {
            let oldest_ms = self.queue.oldest_ms(&line)?.unwrap_or(0);
            lines.push(json!({
                "Line": line, "Events": total.entries, "Bytes": total.bytes, "OldestSeconds": oldest_ms / 1_000
            }));
        }
        answer(&json!({"Lines": lines}))
    }

    fn peek(&self, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
        let PeekInput { line, max_items } = input(request)?;
        let first = self.queue.peek(&line, max_items.unwrap_or(1).clamp(1, PEEK))?;
        let told = first.into_iter().map(|(due_ms, event)| match event {
            Ok(event) => json!({
                "Id": event.head.id,
                "AcceptedMs": event.head.accepted_ms,
                "DueMs": due_ms,
                "Attempts": event.head.attempts,
                "Receiver": event.head.receiver,
                "Payload": String::from_utf8_lossy(&event.payload),
            }),
            Err(error) => json!({"DueMs": due_ms, "Error": error.to_string()}),
        });
        answer(&json!({"Events": told.collect::<Vec<_>>()}))
    }

    fn advance(&self, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
        let AdvanceInput { seconds } = input(request)?;
        if !self.may_move_clock {
            let message = "The clock of events is moved only where the host is started with `--movable-clock`.";
            return Err(ApiError::bad_request("InvalidRequestContentException", message));
        }
        if seconds > ADVANCE_S {
            let message = format!("The clock is moved by at most {ADVANCE_S} seconds at a time.");
            return Err(ApiError::bad_request("InvalidRequestContentException", message));
        }
        self.queue.clock.advance(std::time::Duration::from_secs(seconds));
        answer(&json!({"NowMs": self.queue.clock.now_ms()}))
    }
}
