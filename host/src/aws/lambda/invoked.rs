//! What came of a call that ran.

use crate::failure::Failure;
use crate::function::error_payload::ErrorPayload;

/// What came of a call.
pub struct Invoked {
    /// The version that ran.
    pub version: String,
    pub result: Result<Vec<u8>, InvocationError>,
    /// With its START, END and REPORT lines.
    pub log: String,
}

/// Why there is no reply.
pub struct InvocationError {
    /// What callers of the API are told in its place.
    pub payload: ErrorPayload,
    pub failure: Failure,
}
