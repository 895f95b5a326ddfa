//! Why an origin gave no answer, and whose fault that is.

use std::time::Duration;

use crate::edge::body::peek::PeekError;
use crate::failure::Failure;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("no connection: {0}")]
    Unreachable(String),
    #[error("no connection within {} ms", .0.as_millis())]
    ConnectTimeout(Duration),
    #[error("no answer within {} ms", .0.as_millis())]
    ReadTimeout(Duration),
    #[error("the connection broke: {0}")]
    Broken(hyper::Error),
    #[error("its body has a transfer coding that was not asked for")]
    Coding,
    #[error("this machine has run out of descriptors, memory or ports: {0}")]
    Exhausted(std::io::Error),
    #[error("all {0} connections that this worker may have to it are in use, and none became free in time")]
    Connections(usize),
    /// The body that the client sends did not come.
    #[error("request body: {0}")]
    Body(PeekError),
    #[error(transparent)]
    Component(#[from] Failure),
    #[error("it switched protocols without being asked to, or to another one than it was asked for")]
    Switched,
    #[error("a hook may not send requests to {0}, which is not a public address or a declared origin")]
    Forbidden(String),
}

impl FetchError {
    /// Whether the origin itself failed, not the request or a limit of the edge.
    pub(crate) fn is_the_origins(&self) -> bool {
        use FetchError::{Broken, Coding, ConnectTimeout, ReadTimeout, Unreachable};
        matches!(self, Unreachable(_) | ConnectTimeout(_) | ReadTimeout(_) | Broken(_) | Coding)
    }

    /// Whether neither the origin nor a component is to blame: then no other origin is asked, and nothing is stored.
    pub(crate) fn is_elsewhere(&self) -> bool {
        matches!(self, FetchError::Exhausted(_) | FetchError::Connections(_) | FetchError::Body(_))
    }

    pub(crate) fn reason(&self) -> &'static str {
        match self {
            FetchError::Unreachable(_) => "unreachable",
            FetchError::ConnectTimeout(_) => "connect-timeout",
            FetchError::ReadTimeout(_) => "read-timeout",
            FetchError::Broken(_) => "broken",
            FetchError::Coding => "transfer-coding",
            FetchError::Exhausted(_) => "edge-exhausted",
            FetchError::Connections(_) => "origin-connections",
            FetchError::Body(_) => "request-body",
            FetchError::Component(_) => "component",
            FetchError::Switched => "switched",
            FetchError::Forbidden(_) => "forbidden",
        }
    }
}
