//! INIT: a Runtime reads, compiles and runs a source, once, at deployment; what that leaves behind is the first image of
//! the function.
//!
//! It has limits of its own (`limits::init`), and else those of a call: no network, no files, a clock that stands still. A
//! source that throws, does not end, or takes too much refuses the deployment, with the language's own message.

use std::sync::Arc;

use crate::failure::Failure;
use crate::limits::{Limit, init as limits};
use crate::wasm::compile::CompileError;
use crate::wasm::compile::Compiled;
use crate::wasm::engine::Engines;
use crate::wasm::state::KeyValueStore;
use crate::wasm::viewer::ViewerCode;

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
    pub(super) fuel: u64,
}

impl<'a> Source<'a> {
    pub fn new(engines: &Engines, dialect: &'a str, file: &'a str, text: &'a str, now_ns: u64, seed: u64) -> Source<'a> {
        Source { dialect, file, text, now_ns, seed, fuel: engines.fuel.fuel(limits::CPU_US) }
    }
}

/// A source after INIT.
#[derive(Debug, Clone)]
pub struct Frozen {
    /// What its instances have over the Runtime's.
    pub overlay: Arc<[u8]>,
    /// What it logged.
    pub log: String,
}

/// Why there is no function of a source.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The language's own message, with its place.
    #[error("{0}")]
    Thrown(String),
    #[error("{}", failed(.0))]
    Failed(Failure),
    #[error("it holds streams or other things of the host when it ends")]
    Handles,
    #[error("it leaves more than {} bytes in memory", crate::limits::restore::OVERLAY_BYTES)]
    TooLarge,
    #[error("{}", .0.told())]
    Runtime(#[from] CompileError),
}

impl InitError {
    pub(super) fn thrown(mut message: String) -> InitError {
        if message.len() > limits::MESSAGE_BYTES {
            message.truncate(message.floor_char_boundary(limits::MESSAGE_BYTES));
            message.push_str(" …");
        }
        InitError::Thrown(message)
    }
}

/// The budget of INIT is not that of a call.
fn failed(failure: &Failure) -> String {
    match failure {
        Failure::Limit { limit: Limit::CpuUs, .. } => {
            format!("its code outside of the handler takes more than {} µs of CPU time", limits::CPU_US)
        }
        failure => format!("its code outside of the handler failed: {failure}"),
    }
}

/// Runs INIT. `code` is the Runtime's, with the limits of the function.
pub fn frozen(code: &ViewerCode, source: &Source<'_>) -> Result<Frozen, InitError> {
    let mut instance = code.instantiate().map_err(InitError::Failed)?;
    let overlay = instance.init(code, source)?;
    Ok(Frozen { overlay: overlay.into(), log: instance.take_log() })
}

/// The code of a function: a Runtime's, after INIT of this source.
pub fn function(
    engines: &Engines,
    runtime: &Compiled,
    limits: &crate::limits::Limits,
    key_values: Option<Arc<dyn KeyValueStore>>,
    source: &Source<'_>,
) -> Result<(ViewerCode, String), InitError> {
    let code = ViewerCode::new(engines, runtime, limits, key_values)?;
    let Frozen { overlay, log } = frozen(&code, source)?;
    Ok((code.with_overlay(runtime, overlay)?, log))
}

#[cfg(test)]
pub(crate) mod tests;
