//! Bodies on their way through: from a client to an origin (`request`), and back (`content`).
//!
//! What a client gets is `response::body`: content that is counted.

pub(crate) mod compressed;
pub(crate) mod content;
pub(crate) mod file;
pub(crate) mod peek;
pub(crate) mod request;
pub(crate) mod switched;
pub(crate) mod upstream;

use std::task::Poll;

use bytes::Bytes;
use http_body::Frame;

/// What polling a body here gives.
pub(crate) type PolledFrame = Poll<Option<Result<Frame<Bytes>, anyhow::Error>>>;
