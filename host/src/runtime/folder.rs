//! Where the Runtimes are installed.

use std::path::{Path, PathBuf};

use crate::language::Language;
use crate::wasm::compile::ComponentSource;

/// Names a folder before all others.
const VARIABLE: &str = "EDGEWARD_RUNTIMES";
/// From the folder of the program.
const INSTALLED: &str = "../share/edgeward/runtimes";
/// From a folder above the program, or above the current one: a checkout.
const BUILT: &str = "guests/target/runtimes";

/// The folder, or those where it is looked for.
#[derive(Debug, Clone)]
pub struct RuntimeFolder {
    candidates: Vec<PathBuf>,
}

/// A language's Runtime is not installed, or cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the Runtime of {language}, `{}`, is not installed; looked for in {}: {why}", .language.files().runtime, listed(.candidates))]
pub struct MissingRuntime {
    language: Language,
    candidates: Vec<PathBuf>,
    why: String,
}

impl MissingRuntime {
    /// The error and its remedy.
    pub fn told(&self) -> String {
        format!("{self}; {}", self.remedy())
    }

    pub fn remedy(&self) -> String {
        format!("install Edgeward's package, or name the folder: `--runtimes`, `runtimes` of [server], or {VARIABLE}")
    }
}

impl RuntimeFolder {
    /// This folder and no other.
    pub fn at(folder: &Path) -> RuntimeFolder {
        RuntimeFolder { candidates: vec![folder.to_owned()] }
    }

    /// The folder that was asked for; else that of the environment; else that of the installation, or of a checkout.
    pub fn find(asked: Option<&Path>) -> RuntimeFolder {
        let variable = std::env::var_os(VARIABLE);
        let program = std::env::current_exe().unwrap_or_default();
        let current = std::env::current_dir().unwrap_or_default();
        RuntimeFolder::of(asked, variable.as_deref().map(Path::new), &program, &current)
    }

    fn of(asked: Option<&Path>, variable: Option<&Path>, program: &Path, current: &Path) -> RuntimeFolder {
        let variable = variable.filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = asked.or(variable) {
            return RuntimeFolder::at(folder);
        }
        let beside = program.parent().unwrap_or(Path::new("."));
        let mut candidates = vec![beside.join(INSTALLED)];
        let above = program.ancestors().skip(1).chain(current.ancestors());
        candidates.extend(above.map(|folder| folder.join(BUILT)).filter(|folder| folder.is_dir()).take(1));
        RuntimeFolder { candidates }
    }

    pub(super) fn path(&self, language: Language) -> Option<PathBuf> {
        self.candidates.iter().map(|folder| folder.join(language.files().runtime)).find(|path| path.is_file())
    }

    pub(super) fn open(&self, language: Language) -> Result<ComponentSource, MissingRuntime> {
        let missing = |why: String| MissingRuntime { language, candidates: self.candidates.clone(), why };
        let path = self.path(language).ok_or_else(|| missing("no such file".to_owned()))?;
        ComponentSource::open(&path).map_err(|error| missing(error.to_string()))
    }
}

impl RuntimeFolder {
    /// The folder of a language's library, and where its Runtime finds that.
    pub(super) fn library(&self, language: Language) -> Result<Option<(PathBuf, &'static str)>, MissingRuntime> {
        let Some((library, guest)) = language.files().library else { return Ok(None) };
        let path = self.path(language).unwrap_or_default().with_file_name(library);
        if path.is_dir() {
            return Ok(Some((path, guest)));
        }
        let why = format!("its library is not beside it: {}", path.display());
        Err(MissingRuntime { language, candidates: self.candidates.clone(), why })
    }
}

fn listed(folders: &[PathBuf]) -> String {
    folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_that_is_not_there_is_told_with_all_places() {
        let folder = tempfile::tempdir().unwrap();
        let runtimes = RuntimeFolder::at(folder.path());
        let missing = runtimes.open(Language::CloudfrontJs2).map(drop).unwrap_err();
        let told = missing.to_string();
        assert!(told.starts_with("the Runtime of cloudfront-js-2.0, `cloudfront-js.wasm`, is not installed"), "{told}");
        assert!(told.contains(&folder.path().display().to_string()), "{told}");
        std::fs::write(folder.path().join("cloudfront-js.wasm"), "not yet looked at").unwrap();
        assert!(runtimes.open(Language::CloudfrontJs1).is_ok(), "one Runtime has both dialects");
    }

    #[test]
    fn a_folder_that_is_named_is_the_only_one_and_else_the_program_and_the_checkouts_around_it_are_asked() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for checkout in ["mine", "other"] {
            std::fs::create_dir_all(at(checkout).join(BUILT)).unwrap();
        }
        let (installed, built) = ("bin/../share/edgeward/runtimes", "mine/guests/target/runtimes");
        let beside = "mine/target/debug/../share/edgeward/runtimes";
        for (asked, variable, program, current, expected) in [
            (Some("asked"), Some("variable"), "mine/target/debug/edgeward", "other", &["asked"][..]),
            (None, Some("variable"), "mine/target/debug/edgeward", "other", &["variable"]),
            (None, None, "bin/edgeward", "elsewhere", &[installed]),
            (None, None, "bin/edgeward", "mine/host/src", &[installed, built]),
            // The program's own checkout comes before the one that it is called in.
            (None, None, "mine/target/debug/edgeward", "other", &[beside, built]),
        ] {
            let [asked, variable] = [asked, variable].map(|folder| folder.map(at));
            let found = RuntimeFolder::of(asked.as_deref(), variable.as_deref(), &at(program), &at(current));
            assert_eq!(found.candidates, expected.iter().map(|path| at(path)).collect::<Vec<_>>(), "{program} in {current}");
        }
        // A variable that is set to nothing names no folder.
        let empty = RuntimeFolder::of(None, Some(Path::new("")), &at("bin/edgeward"), root.path());
        assert_eq!(empty.candidates, [at(installed)]);
    }
}
