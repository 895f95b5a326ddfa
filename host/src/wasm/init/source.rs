//! What INIT is given, and why it fails.

use crate::failure::Failure;
use crate::limits::{Limit, init as limits};
use crate::wasm::compile::CompileError;
use crate::wasm::engine::Engines;
use crate::wasm::worker::invoke::HandlerError;

/// What a Runtime exports besides the hooks.
pub const INTERFACE: &str = "edgeward:runtime/source@0.1.0";

/// What INIT is given.
pub struct Source<'a> {
    /// The Runtime's word for how the source is to be read.
    pub dialect: &'a str,
    /// Its name, in messages.
    pub file: &'a str,
    pub text: &'a str,
    /// The clock, which stands still, and where random numbers begin.
    pub now_ns: u64,
    pub seed: u64,
    pub(in crate::wasm) fuel: u64,
}

impl<'a> Source<'a> {
    pub fn new(engines: &Engines, dialect: &'a str, file: &'a str, text: &'a str, now_ns: u64, seed: u64) -> Source<'a> {
        Source { dialect, file, text, now_ns, seed, fuel: engines.fuel.fuel(limits::CPU_US) }
    }
}

/// Why there is no function of a source.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The language's own message, with its place.
    #[error("{0}")]
    Thrown(String),
    /// The function's own error, as its handler would return one.
    #[error("{}", bounded(.0.told()))]
    Handler(HandlerError),
    #[error("{}", failed(.0))]
    Failed(#[from] Failure),
    #[error("it holds streams or other things of the host when it ends")]
    Handles,
    #[error("it leaves more than {} bytes in memory", crate::limits::restore::OVERLAY_BYTES)]
    TooLarge,
    #[error("{}", .0.told())]
    Runtime(#[from] CompileError),
}

impl InitError {
    pub(in crate::wasm) fn thrown(message: String) -> InitError {
        InitError::Thrown(bounded(message))
    }
}

fn bounded(mut message: String) -> String {
    if message.len() > limits::MESSAGE_BYTES {
        message.truncate(message.floor_char_boundary(limits::MESSAGE_BYTES));
        message.push_str(" …");
    }
    message
}

fn failed(failure: &Failure) -> String {
    match failure {
        Failure::Limit { limit: Limit::CpuUs, value } => {
            format!("its code outside of the handler takes more than {value} µs of CPU time")
        }
        failure => format!("its code outside of the handler failed: {failure}"),
    }
}
