//! The answer to a request before the edge's own headers are added.

use http::Response;

use crate::edge::body::content::Content;
use crate::telemetry::ResultType;

/// See the module.
pub(crate) struct Answer {
    pub(crate) response: Response<Content>,
    pub(crate) result: ResultType,
}
