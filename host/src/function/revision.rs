//! An immutable pair of code and settings, and the one question it answers: `call`.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

use crate::failure::Failure;
use crate::limits::{Limits, Profile};
use crate::wasm::abi::Moment;

/// A body that streams through a component.
pub type StreamBody = UnsyncBoxBody<Bytes, anyhow::Error>;

/// What came of a call, and what it cost.
#[derive(Debug)]
pub struct Outcome {
    /// The packed answer (`wasm::abi::Ops`).
    pub result: Result<Vec<u8>, Failure>,
    pub usage: Usage,
    /// What the function logged, lines joined by `\n`; empty without a log.
    pub log: String,
}

/// What a call used.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    pub fuel: u64,
    /// Percent of the CPU limit, 0–100 (CloudFront's compute utilization).
    pub utilization: u8,
    /// The call had to wait for an instance to be made.
    pub cold: bool,
    /// Linear memory at the end, summed.
    pub memory_bytes: u64,
    pub duration_us: u64,
}

/// See the module.
pub struct Revision {
    name: String,
    limits: Limits,
}

impl Revision {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn profile(&self) -> Profile {
        self.limits.profile()
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Which hooks the component exports.
    pub fn moments(&self) -> &[Moment] {
        todo!()
    }

    /// Whether it is a wasi:http handler.
    pub fn is_http(&self) -> bool {
        todo!()
    }

    /// Runs a viewer hook inline: synchronous, no lock waited for, at most the CPU limit long.
    /// Must run on a worker thread of the host (`function::pool::enter_worker`).
    pub fn call_viewer(self: &Arc<Self>, _moment: Moment, _event: &[u8]) -> Outcome {
        todo!()
    }

    /// Runs an origin hook, waiting for an instance within the queue limits.
    pub async fn call_origin(self: &Arc<Self>, _moment: Moment, _event: Vec<u8>) -> Outcome {
        todo!()
    }

    /// Lets a wasi:http component answer a request; bodies stream both ways.
    pub async fn serve_http(
        self: &Arc<Self>,
        _request: http::Request<StreamBody>,
    ) -> Result<http::Response<StreamBody>, Failure> {
        todo!()
    }
}
