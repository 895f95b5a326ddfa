//! Runtimes turn sources into functions: a Runtime is a component that has a language's engine in it.
//!
//!     source ─► language ─► Runtime, compiled once for all ─► INIT under limits ─► overlay: the function
//!
//! They are files of ours, installed beside the program, and reach the engine through the same door as anybody's
//! component. I know neither functions nor who wants one.

mod folder;
mod package;

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

pub use folder::{InstalledRuntime, MissingRuntime, RuntimeFolder};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use package::fuzz;
pub use package::{Package, PackageError, PackageStore, check_package, component_in};

/// The Runtimes of this process, each read and compiled when it is first used, and again when another is installed.
pub struct Runtimes {
    folder: RuntimeFolder,
    /// By the names of their files.
    known: Mutex<BTreeMap<&'static str, Arc<KnownRuntime>>>,
}

#[derive(Default)]
struct KnownRuntime {
    installed: Mutex<Option<Arc<InstalledRuntime>>>,
    compiled: Mutex<Option<CompiledRuntime>>,
}

#[derive(Clone)]
struct CompiledRuntime {
    sha256: [u8; 32],
    compiled: Arc<Compiled>,
}

/// The source of a hook, and the Runtime that is to run it.
pub struct SourceCode {
    pub language: Language,
    pub runtime: Arc<InstalledRuntime>,
    /// Its name in messages, without folders.
    pub file: String,
    pub text: String,
}

/// The package of a function, and the Runtime that is to run it.
pub struct PackageCode {
    pub language: Language,
    pub runtime: Arc<InstalledRuntime>,
    pub package: Arc<Package>,
    /// All layers, merged.
    pub layers: Option<Arc<Package>>,
    /// As Lambda names one: "lambda_function.lambda_handler".
    pub handler: String,
}

impl Runtimes {
    pub fn new(folder: RuntimeFolder) -> Runtimes {
        Runtimes { folder, known: Mutex::default() }
    }

    /// The Runtime that is installed for a language.
    pub fn installed(&self, language: Language) -> Result<Arc<InstalledRuntime>, MissingRuntime> {
        let known = self.known(language);
        let mut installed = known.installed.lock().unwrap_or_else(PoisonError::into_inner);
        let found = self.folder.installed(language, installed.as_ref())?;
        *installed = Some(found.clone());
        Ok(found)
    }

    /// A source, with the Runtime that is installed for its language.
    pub fn code(&self, language: Language, file: &Path, text: String) -> Result<SourceCode, MissingRuntime> {
        let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
        Ok(SourceCode { language, runtime: self.installed(language)?, file: name, text })
    }

    fn known(&self, language: Language) -> Arc<KnownRuntime> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(language.files().runtime).or_default().clone()
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
        let compiled = self.compiled(engines, source.language, &source.runtime.component, limits, bounds)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let now_ns = u64::try_from(now).unwrap_or(u64::MAX);
        // The Runtime knows its dialects by the names that configurations have for them.
        let init = Source::new(engines, source.language.name(), &source.file, &source.text, now_ns, now_ns.rotate_left(32));
        let (code, log) = init::function(engines, &compiled, limits, key_values, &init)?;
        Ok((compiled, code, log))
    }

    /// A Runtime, compiled. Several functions of one are deployed at once: the first compiles it, the others wait for that, so
    /// that nobody else reads its file meanwhile.
    pub fn compiled(
        &self,
        engines: &Engines,
        language: Language,
        runtime: &ComponentSource,
        limits: &Limits,
        bounds: Compiling,
    ) -> Result<Arc<Compiled>, CompileError> {
        let known = self.known(language);
        let mut loaded = known.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        // All viewer functions have the same memory, which is in the code; that of others is not. Limits are checked against
        // the Runtime's size.
        let compiled = match loaded.as_ref().filter(|loaded| loaded.sha256 == runtime.sha256) {
            Some(loaded) => loaded.compiled.clone(),
            None => {
                let compiled = Arc::new(compiled_as(engines, runtime, limits, bounds, Flavour::Runtime)?);
                *loaded = Some(CompiledRuntime { sha256: runtime.sha256, compiled: compiled.clone() });
                compiled
            }
        };
        drop(loaded);
        compiled.inspection.check(limits)?;
        Ok(compiled)
    }
}
