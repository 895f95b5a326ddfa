//! What came of a call that ran.

use crate::function::error_payload::ErrorPayload;

/// What came of a call.
pub struct Invoked {
    /// The version that ran.
    pub version: String,
    /// The reply, or the object in its place.
    pub result: Result<Vec<u8>, ErrorPayload>,
    /// With its START, END and REPORT lines.
    pub log: String,
}
