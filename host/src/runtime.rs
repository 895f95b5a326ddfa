//! Runtimes turn sources into functions: a Runtime is a component that has a language's engine in it.
//!
//!     source ─► language ─► Runtime, compiled once for all ─► INIT under limits ─► overlay: the function
//!
//! They are files of ours, installed beside the program, and reach the engine through the same door as anybody's
//! component. I know neither functions nor who wants one.

mod folder;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::language::Language;
use crate::limits::{Compiling, Limits};
use crate::wasm::compile::{CompileError, Compiled, ComponentSource, compiled_as};
use crate::wasm::engine::Engines;
use crate::wasm::init::{self, InitError, Source};
use crate::wasm::restore::Flavour;
use crate::wasm::state::KeyValueStore;
use crate::wasm::viewer::ViewerCode;

pub use folder::{MissingRuntime, RuntimeFolder};

/// The Runtimes of this process, each compiled when it is first used.
pub struct Runtimes {
    folder: RuntimeFolder,
    /// By the names of their files.
    compiled: Mutex<BTreeMap<&'static str, Arc<Mutex<Option<CompiledRuntime>>>>>,
}

#[derive(Clone)]
struct CompiledRuntime {
    sha256: [u8; 32],
    compiled: Arc<Compiled>,
}

/// A source, and the Runtime that is to run it.
pub struct SourceCode {
    pub language: Language,
    pub runtime: ComponentSource,
    /// Its name in messages, without folders.
    pub file: String,
    pub text: String,
}

impl Runtimes {
    pub fn new(folder: RuntimeFolder) -> Runtimes {
        Runtimes { folder, compiled: Mutex::default() }
    }

    /// A source, with the Runtime that is installed for its language.
    pub fn code(&self, language: Language, file: &Path, text: String) -> Result<SourceCode, MissingRuntime> {
        let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
        Ok(SourceCode { language, runtime: self.folder.open(language)?, file: name, text })
    }

    /// Runs INIT of a source. Blocks for as long as that takes, and the first time for the compiling of the Runtime.
    /// Returns the code and what INIT has logged.
    pub fn function(
        &self,
        engines: &Engines,
        source: &SourceCode,
        limits: &Limits,
        bounds: Compiling,
        key_values: Option<Arc<dyn KeyValueStore>>,
    ) -> Result<(Arc<Compiled>, ViewerCode, String), InitError> {
        let compiled = self.compiled(engines, source, limits, bounds)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let now_ns = u64::try_from(now).unwrap_or(u64::MAX);
        let dialect = source.language.dialect();
        let init = Source::new(engines, dialect, &source.file, &source.text, now_ns, now_ns.rotate_left(32));
        let (code, log) = init::function(engines, &compiled, limits, key_values, &init)?;
        Ok((compiled, code, log))
    }

    /// Several functions of one Runtime are deployed at once: the first compiles it, the others wait for that.
    fn compiled(
        &self,
        engines: &Engines,
        source: &SourceCode,
        limits: &Limits,
        bounds: Compiling,
    ) -> Result<Arc<Compiled>, CompileError> {
        let cell = {
            let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
            compiled.entry(source.language.file()).or_default().clone()
        };
        let mut loaded = cell.lock().unwrap_or_else(PoisonError::into_inner);
        // All viewer functions have the same memory, which is in the code; other limits are checked against its size.
        let compiled = match loaded.as_ref().filter(|loaded| loaded.sha256 == source.runtime.sha256) {
            Some(loaded) => loaded.compiled.clone(),
            None => {
                let compiled = Arc::new(compiled_as(engines, &source.runtime, limits, bounds, Flavour::Runtime)?);
                *loaded = Some(CompiledRuntime { sha256: source.runtime.sha256, compiled: compiled.clone() });
                compiled
            }
        };
        drop(loaded);
        compiled.inspection.check(limits)?;
        Ok(compiled)
    }
}
