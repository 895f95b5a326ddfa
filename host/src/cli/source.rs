//! Sources on the command line: which Runtime is theirs, and a place to deploy them without serving.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use super::UsageError;
use crate::config;
use crate::function::build::{BuildFolders, Builder, CodeFile, DeployError};
use crate::function::revision::Revision;
use crate::function::spec::Spec;
use crate::host::{code_of, spec_of};
use crate::language::Language;
use crate::limits::init::CLOUDFRONT_SOURCE_BYTES;
use crate::limits::{Compiling, Profile};
use crate::runtime::{MissingRuntime, RuntimeFolder};
use crate::telemetry::Telemetry;
use crate::wasm::compile::{Compiler, ComponentSource};

/// Where the Runtimes are.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct RuntimesOption {
    /// The folder of the Runtimes that run sources [default: where Edgeward is installed]
    #[arg(long = "runtimes", value_name = "DIR")]
    pub(super) folder: Option<PathBuf>,
}

/// The Runtime of a source.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct LanguageOption {
    /// The file is a source, for this Runtime: cloudfront-js-1.0, cloudfront-js-2.0, python3.14, nodejs24.x.
    #[arg(long, value_name = "RUNTIME", value_parser = language)]
    pub(super) runtime: Option<Language>,
    #[command(flatten)]
    pub(super) runtimes: RuntimesOption,
}

fn language(name: &str) -> Result<Language, String> {
    let names = Language::ALL.map(Language::name).join(", ");
    Language::named(name).ok_or_else(|| format!("the runtimes are: {names}"))
}

impl RuntimesOption {
    pub(super) fn found(&self) -> RuntimeFolder {
        RuntimeFolder::find(self.folder.as_deref())
    }
}

/// The language of a source by the name of its file, where it is a hook or a function.
pub(super) fn language_of(file: &Path, profile: Profile) -> Option<Language> {
    match (file.extension().and_then(|extension| extension.to_str()), profile) {
        (Some("js" | "mjs" | "cjs"), Profile::Viewer) => Some(Language::CloudfrontJs2),
        (Some("js" | "mjs" | "cjs"), Profile::Worker) => Some(Language::Nodejs24),
        (Some("py"), _) => Some(Language::Python314),
        _ => None,
    }
}

/// The Runtime of what can only be a function in Python.
pub(super) fn python(file: &Path) -> Option<Language> {
    language_of(file, Profile::Worker).filter(|language| *language == Language::Python314)
}

/// A file that is no component, in a message: perhaps `--runtime` was forgotten.
pub(super) fn named(file: &Path, profile: Profile) -> String {
    let runtime = language_of(file, profile);
    let hint =
        runtime.map_or_else(String::new, |runtime| format!(" (a source needs `--runtime`, such as `--runtime {runtime}`)"));
    format!("{}{hint}", file.display())
}

/// Reads the source of a hook, as a configuration would.
pub(super) fn read(file: &Path, language: Language) -> anyhow::Result<String> {
    if language.profile() != Profile::Viewer {
        return Err(UsageError(format!("{language} runs functions, and no hooks; `edgeward invoke` calls one")).into());
    }
    let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let most = CLOUDFRONT_SOURCE_BYTES;
    if text.len() as u64 > most {
        let (file, bytes) = (file.display(), text.len());
        return Err(UsageError(format!("{file} has {bytes} bytes; a source of {language} may have at most {most}")).into());
    }
    String::from_utf8(text).map_err(|_| UsageError(format!("{} is not UTF-8", file.display())).into())
}

/// Deploys functions for this process only, in a folder that goes with it. What is compiled stays in the user's cache: a
/// Runtime takes seconds.
pub(super) struct Workshop {
    builder: Builder,
    pub(super) telemetry: Arc<Telemetry>,
    directory: PathBuf,
}

impl Workshop {
    /// `purpose` names the folder.
    pub(super) fn open(purpose: &str, runtimes: RuntimeFolder) -> anyhow::Result<Workshop> {
        // A cache that cannot be written to is done without.
        Workshop::with(purpose, runtimes, user_cache().filter(|cache| is_writable(cache)))
    }

    /// Compiles everything anew.
    pub(super) fn empty(purpose: &str, runtimes: RuntimeFolder) -> anyhow::Result<Workshop> {
        Workshop::with(purpose, runtimes, None)
    }

    fn with(purpose: &str, runtimes: RuntimeFolder, cache: Option<PathBuf>) -> anyhow::Result<Workshop> {
        let directory = std::env::temp_dir().join(format!("edgeward-{purpose}-{}", std::process::id()));
        let telemetry = Arc::new(Telemetry::new());
        let folders = BuildFolders { compiled: cache.as_deref().unwrap_or(&directory), packages: &directory };
        let builder = Builder::new(1, folders, Compiler::this_program(), runtimes, telemetry.clone())?;
        Ok(Workshop { builder, telemetry, directory })
    }

    pub(super) fn source(&self, language: Language, file: &Path, text: &str) -> Result<CodeFile, MissingRuntime> {
        self.builder.source(language, file, text.to_owned())
    }

    /// The file, folder or archive of a function; without a `handler`, that which such files have.
    pub(super) fn function(
        &self,
        language: Language,
        files: &Path,
        handler: Option<&str>,
        layers: &[PathBuf],
    ) -> anyhow::Result<CodeFile> {
        if language.profile() != Profile::Worker {
            return Err(UsageError(format!("{language} runs viewer hooks; `edgeward test` calls one")).into());
        }
        let handler = handler.map_or_else(|| language.handler_of(files), str::to_owned);
        self.builder.package(language, files, &handler, layers).map_err(|error| anyhow::anyhow!("{}: {error}", files.display()))
    }

    /// Deploys a function of a configuration as `serve` does, with no instance waiting for calls.
    pub(super) fn publish(&self, function: &config::Function) -> Result<Arc<Revision>, DeployError> {
        let code = code_of(function, &self.builder)?;
        self.deploy(Spec { min_warm: Some(0), ..spec_of(function, code.id()) }, &code)
    }

    pub(super) fn component(bytes: &[u8]) -> std::io::Result<CodeFile> {
        ComponentSource::from_bytes(bytes).map(CodeFile::Component)
    }

    pub(super) fn deploy(&self, spec: Spec, code: &CodeFile) -> Result<Arc<Revision>, DeployError> {
        self.builder.build(spec, code, Compiling::default().waited_for()).map(Arc::new)
    }
}

/// By the XDG Base Directory Specification.
fn user_cache() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(cache.join("edgeward"))
}

fn is_writable(folder: &Path) -> bool {
    std::fs::create_dir_all(folder).is_ok() && rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok()
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // It contains only compiled files and packages of this process.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
