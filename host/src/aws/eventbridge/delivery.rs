//! What leaves the service for a target: what it is, and whom it is given.

use std::sync::Arc;

use bytes::Bytes;

use crate::aws::error::ApiError;

/// An event for one target, as it is to arrive there.
#[derive(Debug, Clone)]
pub struct TargetEvent {
    /// The id of the event.
    pub id: String,
    pub target_arn: String,
    /// Whose policy must let `events.amazonaws.com` in, for this rule.
    pub rule_arn: String,
    /// JSON.
    pub payload: Bytes,
}

/// Keeps events until each has been delivered or given up: all of them, or none. Returns when they are kept; may block for the disk.
pub type Deliver = Arc<dyn Fn(Vec<TargetEvent>) -> Result<(), ApiError> + Send + Sync>;
