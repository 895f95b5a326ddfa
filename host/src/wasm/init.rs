//! INIT: a Runtime reads, compiles and runs a source, once, at deployment; what that leaves behind is the first image of
//! the function.
//!
//! It has limits of its own (`limits::init`), and else those of a call: no network, no files, a clock that stands still. A
//! source that throws, does not end, or takes too much refuses the deployment, with the language's own message.

pub(super) mod source;

use std::sync::Arc;

use crate::limits::Limits;
use crate::wasm::compile::Compiled;
use crate::wasm::engine::Engines;
use crate::wasm::state::KeyValueStore;
use crate::wasm::viewer::ViewerCode;

pub use source::{InitError, Source};

/// A source after INIT.
#[derive(Debug, Clone)]
pub struct Frozen {
    /// What its instances have over the Runtime's.
    pub overlay: Arc<[u8]>,
    /// What it logged.
    pub log: String,
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
    limits: &Limits,
    key_values: Option<Arc<dyn KeyValueStore>>,
    source: &Source<'_>,
) -> Result<(ViewerCode, String), InitError> {
    let code = ViewerCode::new(engines, runtime, limits, key_values)?;
    let Frozen { overlay, log } = frozen(&code, source)?;
    Ok((code.with_overlay(runtime, overlay)?, log))
}

#[cfg(test)]
pub(crate) mod tests;
