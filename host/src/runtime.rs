//! Runtimes turn sources into functions: a Runtime is a component that has a language's engine in it.
//!
//!     source ─► language ─► Runtime, compiled once for all ─► INIT under limits ─► overlay: the function
//!
//! They are files of ours, installed beside the program, and reach the engine through the same door as anybody's
//! component. I know neither functions nor who wants one.

mod folder;
mod package;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
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
pub use package::{Package, PackageError, PackageStore};

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

/// The source of a hook, and the Runtime that is to run it.
pub struct SourceCode {
    pub language: Language,
    pub runtime: ComponentSource,
    /// Its name in messages, without folders.
    pub file: String,
    pub text: String,
}

/// The package of a function, and the Runtime that is to run it.
pub struct PackageCode {
    pub language: Language,
    pub runtime: ComponentSource,
    /// A folder that the Runtime needs, and where it finds that.
    pub library: Option<(PathBuf, &'static str)>,
    pub package: Arc<Package>,
    /// As Lambda names one: "lambda_function.lambda_handler".
    pub handler: String,
}

/// Why there is no such package.
#[derive(Debug, thiserror::Error)]
pub enum PackageCodeError {
    #[error("{}", .0.told())]
    Runtime(#[from] MissingRuntime),
    #[error(transparent)]
    Package(#[from] PackageError),
}

impl Runtimes {
    pub fn new(folder: RuntimeFolder) -> Runtimes {
        Runtimes { folder, compiled: Mutex::default() }
    }

    /// The package of a file or folder, with the Runtime that is installed for its language. The files are copied.
    pub fn package(
        &self,
        packages: &PackageStore,
        language: Language,
        files: &Path,
        handler: &str,
    ) -> Result<PackageCode, PackageCodeError> {
        let (runtime, library) = (self.folder.open(language)?, self.folder.library(language)?);
        let package = Arc::new(packages.keep(files)?);
        Ok(PackageCode { language, runtime, library, package, handler: handler.to_owned() })
    }

    /// The Runtime of a package, compiled.
    pub fn of_package(
        &self,
        engines: &Engines,
        code: &PackageCode,
        limits: &Limits,
        bounds: Compiling,
    ) -> Result<Arc<Compiled>, CompileError> {
        self.compiled(engines, code.language, &code.runtime, limits, bounds)
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
        let compiled = self.compiled(engines, source.language, &source.runtime, limits, bounds)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let now_ns = u64::try_from(now).unwrap_or(u64::MAX);
        // The Runtime knows its dialects by the names that configurations have for them.
        let init = Source::new(engines, source.language.name(), &source.file, &source.text, now_ns, now_ns.rotate_left(32));
        let (code, log) = init::function(engines, &compiled, limits, key_values, &init)?;
        Ok((compiled, code, log))
    }

    /// Several functions of one Runtime are deployed at once: the first compiles it, the others wait for that.
    fn compiled(
        &self,
        engines: &Engines,
        language: Language,
        runtime: &ComponentSource,
        limits: &Limits,
        bounds: Compiling,
    ) -> Result<Arc<Compiled>, CompileError> {
        let cell = {
            let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
            compiled.entry(language.files().runtime).or_default().clone()
        };
        let mut loaded = cell.lock().unwrap_or_else(PoisonError::into_inner);
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
