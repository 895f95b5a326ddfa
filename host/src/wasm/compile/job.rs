//! One component's way to machine code: adapted, examined, prepared, compiled.
//!
//! This is the part that reads untrusted bytes and whose cost they decide. `process` has it done by a process with
//! bounds; only an embedding that made its components itself does it in its own.

use serde::{Deserialize, Serialize};
use wasmtime::Engine;

use super::error::{CompileError, CompileErrorKind};
use super::inspection::Inspection;
use super::names::AvailableImports;
use super::prepare::{self, Prepared};
use super::source::ComponentSource;
use super::{adapt, examine};
use crate::limits::{Compiling, Limit, Limits, Profile};
use crate::wasm::engine::config;

/// What is to be made of a component.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    pub(super) profile: Profile,
    /// Those of the function's limits that decide whether, and into what, it is compiled.
    pub(super) memory_bytes: u64,
    pub(super) table_elements: u64,
    /// Of the component, and of the engine that will run it.
    pub(super) sha256: [u8; 32],
    pub(super) engine: u64,
    pub(super) bounds: Compiling,
}

/// What is known of a component that can be deployed, beside its code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    pub inspection: Inspection,
    /// Why its instances cannot be restored, if it is a viewer component.
    pub unsuitable: Option<String>,
}

impl Job {
    pub(super) fn new(engine: &Engine, source: &ComponentSource, limits: &Limits, bounds: Compiling) -> Job {
        Job {
            profile: limits.profile(),
            memory_bytes: limits.value(Limit::MemoryBytes),
            table_elements: limits.value(Limit::TableElements),
            sha256: source.sha256,
            engine: config::digest(engine),
            bounds,
        }
    }

    fn limits(&self) -> Result<Limits, CompileError> {
        let limits = Limits::defaults(self.profile).with(Limit::MemoryBytes, self.memory_bytes);
        let limits = limits.and_then(|limits| limits.with(Limit::TableElements, self.table_elements));
        limits.map_err(|error| CompileError::failed(error.to_string()))
    }

    /// `engine` has the settings of the one that will run it, `offer` what that has to import.
    pub(super) fn done(&self, engine: &Engine, offer: &AvailableImports, bytes: &[u8]) -> Result<(Vec<u8>, Note), CompileError> {
        let component = adapt::adapted(bytes)?;
        let limits = self.limits()?;
        let examined = examine::examined(&component, &limits, offer)?;
        let Prepared { code, unsuitable } = prepare::prepared(&component, &examined, &limits)?;
        let compiled = engine.precompile_component(&code).map_err(CompileError::Wasmtime)?;
        Ok((compiled, Note { inspection: examined.inspection, unsuitable }))
    }
}

/// What the process that compiles says at its end.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum CompilerReply {
    Made(Note),
    Refused { reason: CompileErrorKind, message: String, remedy: String },
}
