//! Untrusted bytes become a component that can be called: validated, found out about, compiled, kept.
//!
//! The host finds out what a component exports; nobody declares it. A component that exports nothing we
//! know, or imports what we do not offer, is refused with both lists.

mod adapt;
mod frame;
mod size;
mod streams;

use std::borrow::Cow;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use wasmparser::{ComponentExternalKind, ComponentTypeRef, Parser, Payload};
use wasmtime::component::Component;

use crate::limits::{Limit, Limits, Profile};
use crate::wasm::abi::Moment;
use crate::wasm::engine::Engines;
use crate::wasm::restore::{self, Unsuitable};
use crate::wasm::{sealed, worker};

pub use adapt::adapted;
pub use frame::charged;
pub use size::Size;

/// The bytes of a component, with the digest that names what is made of them.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub bytes: &'a [u8],
    pub sha256: [u8; 32],
}

impl<'a> Source<'a> {
    pub fn new(bytes: &'a [u8]) -> Source<'a> {
        Source { bytes, sha256: Sha256::digest(bytes).into() }
    }
}

/// What a component is, from its bytes alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Exported and imported names with their versions, in order.
    pub exports: Vec<String>,
    pub imports: Vec<String>,
    /// The hooks it exports.
    pub moments: Vec<Moment>,
    /// How it answers HTTP requests, if it does.
    pub http: Option<HttpVersion>,
    /// What one instance of it takes.
    pub size: Size,
}

/// How a component answers HTTP requests; decided once, when it is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    /// `wasi:http/incoming-handler@0.2`.
    P2,
    /// `wasi:http/handler@0.3`.
    P3,
    /// None: `wasi:cli/run@0.2`, a program of the CGI kind.
    Cgi,
}

/// Why bytes cannot be deployed.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    #[error("not a WebAssembly component: {0}")]
    Invalid(String),
    #[error(
        "a core module that is no program for WASI 0.1, and not a component; make one with `wasm-tools component new`, or build for wasm32-wasip2"
    )]
    CoreModule,
    #[error("it exports nothing that Edgeward calls; exports: {exports}; one of these is needed: {needed}")]
    NothingToCall { exports: String, needed: String },
    #[error("it imports {import}, which a {profile} component may not; allowed: {allowed}", profile = profile_name(*.profile))]
    Import { import: String, profile: Profile, allowed: String },
    #[error("a function body of {bytes} bytes is over {max} bytes; such code takes too long to compile")]
    FunctionTooLarge { bytes: usize, max: usize },
    #[error("{count} {what} are over {max}; code moves them for the price of one")]
    TooManyValues { what: &'static str, count: usize, max: usize },
    #[error("its functions declare {values} values, out of all proportion to their code")]
    FramesTooLarge { values: usize },
    #[error("it has {count} {what}; a {profile} component may have at most {max}", profile = profile_name(*.profile))]
    TooMuch { what: &'static str, count: u64, max: u64, profile: Profile },
    #[error("{0:#}")]
    Wasmtime(wasmtime::Error),
}

/// Validates a component and reads it, without compiling it.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, CompileError> {
    let inspection = outline(bytes)?;
    frame::validated(bytes)?;
    Ok(inspection)
}

/// Reads a component without looking at its code: `viewer` and `worker` validate what they compile, and what was
/// compiled before was validated then. Most of a start would go into validation.
pub fn outline(bytes: &[u8]) -> Result<Inspection, CompileError> {
    if !bytes.starts_with(b"\0asm") {
        return Err(CompileError::Invalid("it does not begin with \\0asm".to_owned()));
    }
    if Parser::is_core_wasm(bytes) {
        return Err(CompileError::CoreModule);
    }
    let mut inspection = Inspection::default();
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| CompileError::Invalid(error.to_string()))? {
            // wasmparser takes the end of the bytes for the end of whatever is nested there.
            Payload::ModuleSection { unchecked_range, .. } | Payload::ComponentSection { unchecked_range, .. }
                if unchecked_range.end > bytes.len() =>
            {
                return Err(CompileError::Invalid("it ends in the middle of a nested module or component".to_owned()));
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) if depth > 0 => depth -= 1,
            Payload::ComponentImportSection(imports) if depth == 0 => {
                for import in imports.into_iter().flatten() {
                    if !matches!(import.ty, ComponentTypeRef::Type(_)) {
                        inspection.imports.push(import.name.name.to_owned());
                    }
                }
            }
            Payload::ComponentExportSection(exports) if depth == 0 => {
                for export in exports.into_iter().flatten() {
                    if matches!(export.kind, ComponentExternalKind::Instance | ComponentExternalKind::Func) {
                        inspection.exports.push(export.name.name.to_owned());
                    }
                }
            }
            _ => {}
        }
    }
    inspection.size = Size::of(bytes).map_err(|error| CompileError::Invalid(error.to_string()))?;
    inspection.moments = Moment::ALL.into_iter().filter(|moment| inspection.exports.contains(&interface(*moment))).collect();
    inspection.http = inspection.exports.iter().find_map(|export| {
        if export.starts_with("wasi:http/incoming-handler@0.2.") {
            Some(HttpVersion::P2)
        } else if export.starts_with("wasi:http/handler@0.3.") {
            Some(HttpVersion::P3)
        } else {
            None
        }
    });
    let is_program = || inspection.exports.iter().any(|export| export.starts_with("wasi:cli/run@0.2."));
    inspection.http = inspection.http.or_else(|| is_program().then_some(HttpVersion::Cgi));
    Ok(inspection)
}

/// The interface that a hook of this moment exports.
pub fn interface(moment: Moment) -> String {
    format!("edgeward:edge/{}@0.1.0", moment.name())
}

impl Inspection {
    /// What can be called under a profile, or why nothing can.
    pub fn check(&self, profile: Profile) -> Result<(), CompileError> {
        let viewer = profile == Profile::Viewer;
        let callable = self.moments.iter().any(|moment| moment.is_viewer() == viewer) || (!viewer && self.http.is_some());
        if !callable {
            let mut needed: Vec<String> = Moment::ALL.into_iter().filter(|m| m.is_viewer() == viewer).map(interface).collect();
            if !viewer {
                needed.extend([
                    "wasi:http/incoming-handler@0.2".to_owned(),
                    "wasi:http/handler@0.3".to_owned(),
                    "wasi:cli/run@0.2".to_owned(),
                ]);
            }
            let exports = if self.exports.is_empty() { "none".to_owned() } else { self.exports.join(", ") };
            return Err(CompileError::NothingToCall { exports, needed: needed.join(", ") });
        }
        if viewer && let Some(import) = self.imports.iter().find(|import| !sealed::allows(import)) {
            return Err(CompileError::Import { import: import.clone(), profile, allowed: sealed::allowed() });
        }
        if !viewer && let Some(import) = self.imports.iter().find(|import| !worker::allows(import)) {
            return Err(CompileError::Import { import: import.clone(), profile, allowed: worker::allowed(import) });
        }
        if let Some((what, count, max)) = self.size.excess(&Size::room(profile)) {
            return Err(CompileError::TooMuch { what, count, max, profile });
        }
        Ok(())
    }
}

/// A compiled viewer component.
pub struct Viewer {
    pub component: Component,
    /// Whether instances can be put back; why not, for `inspect` and the log.
    pub restorable: Result<(), Unsuitable>,
}

/// Compiles a viewer component that was read and checked, or maps what was compiled before.
pub fn viewer(engines: &Engines, source: Source<'_>, limits: &Limits) -> Result<Viewer, CompileError> {
    let memory_bytes = limits.value(Limit::MemoryBytes);
    // Named by what was given, so that a file that is there spares the rewriting too. That it is of a rewritten
    // component is in the name: an export of that name could be anybody's.
    let how = format!("viewer-{} {} {memory_bytes}", frame::VERSION, restore::VERSION);
    let path = engines.aot.path(&engines.viewer, &source.sha256, &how);
    if let Some(component) = engines.aot.load(&engines.viewer, &path) {
        return Ok(Viewer { component, restorable: Ok(()) });
    }
    let code = frame::charged(source.bytes)?;
    match restore::rewrite(&code, memory_bytes) {
        Ok(rewritten) => Ok(Viewer { component: compiled(engines, &engines.viewer, &rewritten, &path)?, restorable: Ok(()) }),
        Err(why) => {
            let path = engines.aot.path(&engines.viewer, &source.sha256, &format!("viewer-{}", frame::VERSION));
            Ok(Viewer { component: loaded(engines, &engines.viewer, &path, || Ok(code))?, restorable: Err(why) })
        }
    }
}

/// Compiles a worker component that was read and checked, or maps what was compiled before.
pub fn worker(engines: &Engines, source: Source<'_>) -> Result<Component, CompileError> {
    let how = format!("worker-{} {}", frame::VERSION, streams::VERSION);
    let path = engines.aot.path(&engines.worker, &source.sha256, &how);
    loaded(engines, &engines.worker, &path, || streams::bounded(frame::charged(source.bytes)?))
}

/// What is there under `path`, or else what `code` compiles to.
fn loaded<'a>(
    engines: &Engines,
    engine: &wasmtime::Engine,
    path: &Path,
    code: impl FnOnce() -> Result<Cow<'a, [u8]>, CompileError>,
) -> Result<Component, CompileError> {
    match engines.aot.load(engine, path) {
        Some(component) => Ok(component),
        None => compiled(engines, engine, &code()?, path),
    }
}

fn compiled(engines: &Engines, engine: &wasmtime::Engine, code: &[u8], path: &Path) -> Result<Component, CompileError> {
    let component = Component::new(engine, code).map_err(CompileError::Wasmtime)?;
    engines.aot.store(&component, path).map_err(CompileError::Wasmtime)?;
    // What runs is the mapped file: its pages are shared and can be dropped by the kernel.
    Ok(engines.aot.load(engine, path).unwrap_or(component))
}

fn profile_name(profile: Profile) -> &'static str {
    match profile {
        Profile::Viewer => "viewer",
        Profile::Worker => "worker",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hook that does nothing, with this in its core module.
    fn hook(moment: &str, inside: &str) -> Vec<u8> {
        let wat = format!(
            r#"(component
              (core module $m
                (memory (export "memory") 1) {inside}
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
                (func (export "handle") (param i32 i32) (result i32) (i32.const 0)))
              (core instance $i (instantiate $m))
              (func $handle (param "event" (list u8)) (result (list u8))
                (canon lift (core func $i "handle") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
              (instance $e (export "handle" (func $handle)))
              (export "edgeward:edge/{moment}@0.1.0" (instance $e)))"#
        );
        wat::parse_str(wat).unwrap()
    }

    #[test]
    fn a_component_that_is_cut_short_is_refused_or_rewritten_but_panics_nobody() {
        let whole = hook("viewer-request", "");
        for end in 8..whole.len() {
            // Where only names are missing, or whole sections, what is left is a component.
            if inspect(&whole[..end]).is_ok() {
                restore::rewrite(&whole[..end], 2 << 20).ok();
            }
        }
    }

    #[test]
    fn what_the_pool_has_no_room_for_is_refused_by_its_number_and_its_limit() {
        let at_the_limit = "(memory 32) (table 20000 funcref)";
        for (moment, profile, inside, refused) in [
            ("viewer-request", Profile::Viewer, "", None),
            ("viewer-request", Profile::Viewer, at_the_limit, None),
            (
                "viewer-request",
                Profile::Viewer,
                "(table 1 funcref) (table 1 funcref)",
                Some("it has 2 tables in one module; a viewer component may have at most 1"),
            ),
            (
                "viewer-request",
                Profile::Viewer,
                "(memory 1) (memory 1)",
                Some("it has 3 memories in one module; a viewer component may have at most 2"),
            ),
            (
                "viewer-request",
                Profile::Viewer,
                "(memory 33)",
                Some("it has 2162688 bytes of memory from the start; a viewer component may have at most 2097152"),
            ),
            (
                "viewer-request",
                Profile::Viewer,
                "(table 20001 funcref)",
                Some("it has 20001 elements in a table from the start; a viewer component may have at most 20000"),
            ),
            ("origin-request", Profile::Worker, "(table 1000000 funcref)", None),
            (
                "origin-request",
                Profile::Worker,
                "(memory 1)",
                Some("it has 2 memories in one module; a worker component may have at most 1"),
            ),
        ] {
            let bytes = hook(moment, inside);
            let checked = inspect(&bytes).unwrap().check(profile).map_err(|error| error.to_string());
            assert_eq!(checked.err().as_deref(), refused, "{inside}");
        }
    }

    /// The numbers here are those of the engines.
    #[test]
    fn the_pool_takes_what_is_checked_and_no_more() {
        let engines = crate::wasm::engine::tests::engines();
        for (moment, engine, profile, inside) in [
            ("viewer-request", &engines.viewer, Profile::Viewer, "(memory 32) (table 20000 funcref)"),
            ("viewer-request", &engines.viewer, Profile::Viewer, "(memory 1) (memory 1)"),
            ("viewer-request", &engines.viewer, Profile::Viewer, "(table 1 funcref) (table 1 funcref)"),
            ("viewer-request", &engines.viewer, Profile::Viewer, "(memory 33)"),
            ("viewer-request", &engines.viewer, Profile::Viewer, "(table 20001 funcref)"),
            ("origin-request", &engines.worker, Profile::Worker, "(table 1000000 funcref)"),
            ("origin-request", &engines.worker, Profile::Worker, "(table 1000001 funcref)"),
            ("origin-request", &engines.worker, Profile::Worker, "(memory 1)"),
        ] {
            let bytes = hook(moment, inside);
            let checked = inspect(&bytes).unwrap().check(profile);
            assert_eq!(checked.is_ok(), Component::new(engine, &bytes).is_ok(), "{inside}");
        }
    }
}
