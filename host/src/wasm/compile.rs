//! Turns untrusted bytes into a component that can be called: examines, compiles and caches it.
//!
//!     source ──► in the cache? ──no──► process (adapt, examine, charge, rewrite, compile) ──► aot ──► component
//!                     └──yes─────────────────────────────────────────────────────────────────┘
//!
//! A component that was refused is not compiled again by the next reload (`refusals`).
//!
//! The host detects what a component exports; no configuration declares it. A component that exports nothing known,
//! or imports something that is not offered, is refused with both lists. The serving process reads untrusted bytes only
//! to hash them, unless the embedding asked for more (`Compiler::Unbounded`).

mod adapt;
mod bulk;
mod cost;
pub(super) mod error;
mod examine;
mod frame;
mod inspection;
mod job;
mod names;
mod prepare;
pub(super) mod process;
pub(super) mod refusals;
pub(super) mod size;
mod source;
mod streams;

use std::borrow::Cow;

use wasmtime::Module;
use wasmtime::component::Component;

use crate::limits::{Compiling, Limit, Limits, Profile};
use crate::wasm::aot::AotKey;
use crate::wasm::engine::Engines;
use crate::wasm::engine::config;
use crate::wasm::restore::{self, Flavour};
use crate::wasm::snapshot::{self, StateLayout, state_module};

pub use crate::wasm::world::{HttpVersion, interface};
pub use adapt::{adapted, componentized};
pub use error::{CodePlace, CompileError, CompileErrorKind};
pub use inspection::Inspection;
use job::Job;
pub use job::Note;
pub use names::AvailableImports;
pub use process::{Compiler, serve};
pub use size::Size;
pub use source::ComponentSource;

/// Examines a component without compiling it, as `edgeward serve` would with these limits: what it is, and why it cannot be
/// deployed.
pub fn examine(component: &[u8], limits: &Limits) -> Result<Note, CompileError> {
    examine_as(component, limits, Flavour::Function)
}

fn examine_as(component: &[u8], limits: &Limits, flavour: Flavour) -> Result<Note, CompileError> {
    let profile = limits.profile();
    let engine = config::compiling(profile).map_err(CompileError::Wasmtime)?;
    let offer = AvailableImports::of(&engine, profile).map_err(CompileError::Wasmtime)?;
    let component = adapted(component)?;
    let examined = examine::examined(&component, limits, &offer)?;
    let prepared = prepare::prepared(&component, &examined, limits, flavour)?;
    Ok(Note { inspection: examined.inspection, unsuitable: prepared.unsuitable, state: prepared.state })
}

/// Reads a component without looking at its code: what it exports and imports, whether or not that can be deployed.
pub fn outline(component: &[u8]) -> Result<Inspection, CompileError> {
    examine::outline(&adapted(component)?)
}

/// The component, or module, with functions that are charged for their frames; unchanged if none has to be.
pub fn charged(bytes: &[u8], profile: Profile) -> Result<Cow<'_, [u8]>, CompileError> {
    frame::charged(bytes, &examine::validated(bytes, profile)?.held)
}

/// A compiled component, mapped from its file.
pub struct Compiled {
    pub component: Component,
    pub inspection: Inspection,
    /// Whether instances of a viewer component can be restored; if not, why, for the log.
    pub restorable: Result<(), String>,
    pub flavour: Flavour,
    /// Of a Runtime for functions.
    pub state: Option<RuntimeState>,
}

/// What instances of a Runtime are given before INIT has made their function's own state.
pub struct RuntimeState {
    pub layout: StateLayout,
    /// One for all functions: the pool keeps memory of each module whose instances have gone, for its next ones.
    pub empty: Module,
}

impl RuntimeState {
    fn new(engine: &wasmtime::Engine, layout: StateLayout) -> wasmtime::Result<RuntimeState> {
        let empty = Module::new(engine, state_module(&layout, &[], &layout.globals))?;
        Ok(RuntimeState { layout, empty })
    }
}

/// Compiles a component within these bounds, or maps the cached code.
pub fn compiled(
    engines: &Engines,
    source: &ComponentSource,
    limits: &Limits,
    bounds: Compiling,
) -> Result<Compiled, CompileError> {
    compiled_as(engines, source, limits, bounds, Flavour::Function)
}

/// The same, of a component that is a function or that runs the sources of functions.
pub fn compiled_as(
    engines: &Engines,
    source: &ComponentSource,
    limits: &Limits,
    bounds: Compiling,
    flavour: Flavour,
) -> Result<Compiled, CompileError> {
    let (engine, memory_bytes) = match limits.profile() {
        Profile::Viewer => (&engines.viewer, limits.value(Limit::MemoryBytes)),
        Profile::Worker => (&engines.worker, 0),
    };
    // Named after the bytes that were given, so that a cached file saves the rewriting too.
    let how = match limits.profile() {
        Profile::Viewer => {
            format!("viewer-{} {} {} {flavour:?} {memory_bytes}", adapt::VERSION, frame::VERSION, restore::VERSION)
        }
        Profile::Worker => {
            let how = format!("worker-{} {} {} {}", adapt::VERSION, frame::VERSION, streams::VERSION, bulk::VERSION);
            match flavour {
                Flavour::Function => how,
                Flavour::Runtime => format!("{how} snapshot-{}", snapshot::VERSION),
            }
        }
    };
    let key = AotKey::new(engine, &source.sha256, &how);
    let compiled = match kept(engines, engine, &key, flavour) {
        Some(Ok(compiled)) => compiled,
        before => {
            if let Some(Err(error)) = before {
                tracing::warn!(error = format!("{error:#}"), "a compiled file cannot be used; compiling again");
            }
            let job = Job::new(engine, source, limits, bounds, flavour);
            if let Some(refused) = engines.refusals.of(&job) {
                return Err(refused);
            }
            made(engines, engine, &key, source, &job).inspect_err(|error| engines.refusals.remember(&job, error))?;
            loaded(engines, engine, &key, flavour)?
        }
    };
    compiled.inspection.check(limits)?;
    Ok(compiled)
}

/// Loads cached code.
fn kept(engines: &Engines, engine: &wasmtime::Engine, key: &AotKey, flavour: Flavour) -> Option<wasmtime::Result<Compiled>> {
    let (component, note) = match engines.aot.load(engine, key)? {
        Ok(loaded) => loaded,
        Err(error) => return Some(Err(error)),
    };
    let note: Note = serde_json::from_slice(&note).ok()?;
    let restorable = note.unsuitable.map_or(Ok(()), Err);
    let state = note.state.map(|layout| RuntimeState::new(engine, layout)).transpose();
    Some(state.map(|state| Compiled { component, inspection: note.inspection, restorable, flavour, state }))
}

/// Loads code that was just compiled. Code that cannot be loaded is removed, so that it is not found again at each start.
fn loaded(engines: &Engines, engine: &wasmtime::Engine, key: &AotKey, flavour: Flavour) -> Result<Compiled, CompileError> {
    let why = match kept(engines, engine, key, flavour) {
        Some(Ok(compiled)) => return Ok(compiled),
        Some(Err(error)) => format!("what was compiled cannot be loaded: {error:#}"),
        None => "what was compiled is gone, or is not ours alone".to_owned(),
    };
    engines.aot.remove(key);
    Err(CompileError::refused(
        CompileErrorKind::Failed,
        why,
        "see whether a smaller component can be; `data_dir` must be Edgeward's own",
    ))
}

fn made(
    engines: &Engines,
    engine: &wasmtime::Engine,
    key: &AotKey,
    source: &ComponentSource,
    job: &Job,
) -> Result<(), CompileError> {
    let failed = |error: std::io::Error| CompileError::failed(format!("compiled files: {error}"));
    let mut unfinished = engines.aot.begin(key).map_err(failed)?;
    let file = source.file().map_err(failed)?;
    let note = match &engines.compiler {
        Compiler::Program(program) => process::run(program, job, file, unfinished.file.try_clone().map_err(failed)?)?,
        Compiler::Unbounded => {
            use std::io::Write as _;
            let (bytes, _) = source::read(file).map_err(failed)?;
            let offer = AvailableImports::of(engine, job.profile).map_err(CompileError::Wasmtime)?;
            let (code, note) = job.done(engine, &offer, &bytes)?;
            unfinished.file.write_all(&code).map_err(failed)?;
            note
        }
    };
    let note = serde_json::to_vec(&note).map_err(|error| CompileError::failed(error.to_string()))?;
    engines.aot.keep(key, unfinished, &note).map_err(failed)
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
            if examine::validated(&whole[..end], Profile::Viewer).is_ok() {
                restore::rewrite(&whole[..end], 2 << 20, Flavour::Function).ok();
                restore::rewrite(&whole[..end], 2 << 20, Flavour::Runtime).ok();
            }
        }
    }

    #[test]
    fn what_the_pool_has_no_room_for_is_refused_by_its_number_and_its_limit() {
        let at_the_limit = "(memory 31) (table 20000 funcref)";
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
                "(memory 1) (memory 1) (memory 1)",
                Some("it has 4 memories in one module; a viewer component may have at most 3"),
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
                &"(global i64 (i64.const 0))".repeat(70_000),
                Some(
                    "it has 1121120 bytes of globals, imports, segments, and functions in tables or exported, in one module; a viewer \
                     component may have at most 1048576",
                ),
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
            let limits = Limits::defaults(profile);
            let limits = limits.with(Limit::TableElements, Limit::TableElements.maximum(profile)).unwrap();
            let checked = examine(&bytes, &limits).map_err(|error| error.to_string());
            assert_eq!(checked.err().as_deref(), refused, "{}", inside.get(..80).unwrap_or(inside));
        }
    }

    #[test]
    fn what_has_no_room_for_its_rewriting_is_not_restorable_and_runs() {
        let globals = |count: usize| "(global (mut v128) (v128.const i64x2 0 0))".repeat(count);
        let store = "(i32.store (i32.const 0) (i32.const 0))";
        for (inside, why) in [
            (globals(1_000), None),
            (globals(1_001), Some("it has 1001 mutable globals, over 1000")),
            (format!("(func (local {}) {store})", "i32 ".repeat(49_000)), None),
            (format!("(func (local {}) {store})", "i32 ".repeat(50_000)), Some("too many locals")),
            (format!("(func {})", store.repeat(40_000)), Some("bytes of code, over 1048576")),
        ] {
            let bytes = hook("viewer-request", &inside);
            let limits = Limits::defaults(Profile::Viewer);
            let note = examine(&bytes, &limits).unwrap();
            match (why, &note.unsuitable) {
                (None, None) => {}
                (Some(why), Some(told)) if told.contains(why) => {}
                (why, told) => panic!("{why:?}, and not {told:?}"),
            }
            let engines = crate::wasm::engine::tests::engines();
            let compiled =
                compiled(engines, &ComponentSource::from_bytes(&bytes).unwrap(), &limits, Compiling::default()).unwrap();
            assert_eq!(compiled.restorable.err(), note.unsuitable, "what serves says the same");
        }
    }

    #[test]
    fn a_compiled_file_that_cannot_be_loaded_is_reported_and_removed() {
        use std::io::Write as _;
        let engines = crate::wasm::engine::tests::engines();
        let key = AotKey::new(&engines.viewer, &[7; 32], "none");
        let mut unfinished = engines.aot.begin(&key).unwrap();
        unfinished.file.write_all(b"no code").unwrap();
        engines.aot.keep(&key, unfinished, b"{}").unwrap();
        assert!(engines.aot.load(&engines.viewer, &key).is_some_and(|loaded| loaded.is_err()));
        let told = loaded(engines, &engines.viewer, &key, Flavour::Function).err().unwrap().to_string();
        assert!(told.starts_with("what was compiled cannot be loaded: "), "{told}");
        assert!(engines.aot.load(&engines.viewer, &key).is_none());
    }

    /// The numbers here are those of the engines.
    #[test]
    fn the_pool_takes_what_is_checked_and_no_more() {
        let engines = crate::wasm::engine::tests::engines();
        let globals = |count: usize| "(global i64 (i64.const 0))".repeat(count);
        for (moment, engine, profile, inside) in [
            ("viewer-request", &engines.viewer, Profile::Viewer, "(memory 31) (table 20000 funcref)"),
            ("viewer-request", &engines.viewer, Profile::Viewer, "(memory 1) (memory 1)"),
            ("viewer-request", &engines.viewer, Profile::Viewer, "(memory 1) (memory 1) (memory 1)"),
            ("viewer-request", &engines.viewer, Profile::Viewer, "(table 1 funcref) (table 1 funcref)"),
            ("viewer-request", &engines.viewer, Profile::Viewer, "(memory 33)"),
            ("viewer-request", &engines.viewer, Profile::Viewer, "(table 20001 funcref)"),
            ("viewer-request", &engines.viewer, Profile::Viewer, &globals(60_000)),
            ("viewer-request", &engines.viewer, Profile::Viewer, &globals(140_000)),
            ("origin-request", &engines.worker, Profile::Worker, "(table 1000000 funcref)"),
            ("origin-request", &engines.worker, Profile::Worker, "(table 1000001 funcref)"),
            ("origin-request", &engines.worker, Profile::Worker, "(memory 1)"),
        ] {
            let bytes = hook(moment, inside);
            let limits = Limits::defaults(profile);
            let limits = limits.with(Limit::TableElements, Limit::TableElements.maximum(profile)).unwrap();
            let checked = examine(&bytes, &limits);
            assert_eq!(checked.is_ok(), Component::new(engine, &bytes).is_ok(), "{}", inside.get(..80).unwrap_or(inside));
        }
    }
}
