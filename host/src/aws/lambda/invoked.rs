//! What came of a call that ran.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::task::JoinHandle;

use crate::aws::error::ApiError;
use crate::failure::Failure;
use crate::function::error_payload::ErrorPayload;
use crate::limits::lambda::LOG_TAIL_BYTES;

/// A call that goes on, even if nobody waits for it any more.
pub type RunningCall = JoinHandle<Result<Invoked, ApiError>>;

/// What came of a call.
pub struct Invoked {
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

impl Invoked {
    /// The end of the log, in base64.
    pub fn log_tail(&self) -> String {
        STANDARD.encode(tail(&self.log))
    }
}

/// The last bytes of a log, beginning with a whole character.
fn tail(log: &str) -> &str {
    &log[log.ceil_char_boundary(log.len().saturating_sub(LOG_TAIL_BYTES))..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_log_is_told() {
        let log = format!("ä{}", "b".repeat(LOG_TAIL_BYTES - 1));
        assert_eq!(tail(&log).len(), LOG_TAIL_BYTES - 1, "half a character is none");
        assert_eq!(tail("short"), "short");
    }
}
