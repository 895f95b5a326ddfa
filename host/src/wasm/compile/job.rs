//! Compiles one component: adapts, examines, prepares and compiles it.
//!
//! This part reads untrusted bytes, which decide its cost. `process` runs it in a process with bounds; only an embedding
//! that trusts its components runs it in its own process.

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
use crate::wasm::restore::Flavour;
use crate::wasm::snapshot::StateLayout;

/// What is to be compiled, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    pub(super) profile: Profile,
    pub(super) flavour: Flavour,
    /// The limits of the function that affect whether and how it is compiled.
    pub(super) memory_bytes: u64,
    pub(super) table_elements: u64,
    /// Digests of the component, and of the engine that will run it.
    pub(super) sha256: [u8; 32],
    pub(super) engine: u64,
    pub(super) bounds: Compiling,
}

/// The description of a deployable component, kept beside its code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    pub inspection: Inspection,
    /// Why its instances cannot be restored, if it is a viewer component.
    pub unsuitable: Option<String>,
    /// The state that was taken out of it, if it is a Runtime for functions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateLayout>,
}

impl Job {
    pub(super) fn new(engine: &Engine, source: &ComponentSource, limits: &Limits, bounds: Compiling, flavour: Flavour) -> Job {
        Job {
            profile: limits.profile(),
            flavour,
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

    /// Compiles. `engine` has the settings of the one that will run the component, `offer` what it may import.
    pub(super) fn done(&self, engine: &Engine, offer: &AvailableImports, bytes: &[u8]) -> Result<(Vec<u8>, Note), CompileError> {
        let component = adapt::adapted(bytes)?;
        let limits = self.limits()?;
        let examined = examine::examined(&component, &limits, offer)?;
        let Prepared { code, unsuitable, state } = prepare::prepared(&component, &examined, &limits, self.flavour)?;
        let compiled = engine.precompile_component(&code).map_err(CompileError::Wasmtime)?;
        Ok((compiled, Note { inspection: examined.inspection, unsuitable, state }))
    }
}

/// The last line of the compiling process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum CompilerReply {
    Made(Note),
    Refused { reason: CompileErrorKind, message: String, remedy: String },
}
