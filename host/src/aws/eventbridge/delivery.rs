//! What leaves the service for a target: what it is, and whom it is given.

use std::sync::Arc;

use bytes::Bytes;

use crate::aws::error::ApiError;

/// An event for one target, as it is to arrive there.
#[derive(Debug, Clone)]
#[allow(dead_code, reason = "what keeps events for functions is not there yet")]
pub struct TargetEvent {
    /// The id of the event.
    pub id: String,
    pub target_arn: String,
    /// Whose policy must let `events.amazonaws.com` in, for this rule.
    pub rule_arn: String,
    /// JSON.
    pub payload: Bytes,
    pub retries: Option<i64>,
    pub age_s: Option<i64>,
    pub dead_letter: Option<String>,
    /// Of a queue that keeps the order of groups.
    pub message_group: Option<String>,
}

/// Keeps an event until it has been delivered or given up. Returns when it is kept; may block for the disk.
pub type Deliver = Arc<dyn Fn(TargetEvent) -> Result<(), ApiError> + Send + Sync>;
