//! Where the Runtimes are installed.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

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

    fn path(&self, language: Language) -> Option<PathBuf> {
        self.candidates.iter().map(|folder| folder.join(language.files().runtime)).find(|path| path.is_file())
    }

    /// What is installed for a language: `before`, if its file has not been touched since.
    pub(super) fn installed(
        &self,
        language: Language,
        before: Option<&Arc<InstalledRuntime>>,
    ) -> Result<Arc<InstalledRuntime>, MissingRuntime> {
        let missing = |why: String| MissingRuntime { language, candidates: self.candidates.clone(), why };
        let path = self.path(language).ok_or_else(|| missing("no such file".to_owned()))?;
        let touched = Touched::of(&path).map_err(|error| missing(error.to_string()))?;
        if let Some(before) = before.filter(|before| before.touched == touched) {
            return Ok(before.clone());
        }
        let library = language.files().library.map(|(library, guest)| (path.with_file_name(library), guest));
        if let Some((library, _)) = library.as_ref().filter(|(library, _)| !library.is_dir()) {
            return Err(missing(format!("its library is not beside it: {}", library.display())));
        }
        let component = ComponentSource::open(&path).map_err(|error| missing(error.to_string()))?;
        Ok(Arc::new(InstalledRuntime { component, library, touched }))
    }
}

/// The files of a language.
pub struct InstalledRuntime {
    pub component: ComponentSource,
    /// A folder that the Runtime needs, and where it finds that.
    pub library: Option<(PathBuf, &'static str)>,
    touched: Touched,
}

/// Which file it was, and in which state.
#[derive(Debug, PartialEq, Eq)]
struct Touched {
    path: PathBuf,
    inode: u64,
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Touched {
    fn of(path: &Path) -> io::Result<Touched> {
        let metadata = std::fs::metadata(path)?;
        let (inode, bytes) = (metadata.ino(), metadata.len());
        Ok(Touched { path: path.to_owned(), inode, bytes, modified: metadata.modified().ok() })
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
        let missing = runtimes.installed(Language::CloudfrontJs2, None).map(drop).unwrap_err();
        let told = missing.to_string();
        assert!(told.starts_with("the Runtime of cloudfront-js-2.0, `cloudfront-js.wasm`, is not installed"), "{told}");
        assert!(told.contains(&folder.path().display().to_string()), "{told}");
        std::fs::write(folder.path().join("cloudfront-js.wasm"), "not yet looked at").unwrap();
        assert!(runtimes.installed(Language::CloudfrontJs1, None).is_ok(), "one Runtime has both dialects");
    }

    #[test]
    fn a_runtime_is_read_again_when_its_file_was_touched() {
        let folder = tempfile::tempdir().unwrap();
        let (runtimes, language) = (RuntimeFolder::at(folder.path()), Language::Nodejs24);
        let write = |text: &str| std::fs::write(folder.path().join("nodejs.wasm"), text).unwrap();
        write("one");
        let first = runtimes.installed(language, None).unwrap();
        assert!(Arc::ptr_eq(&first, &runtimes.installed(language, Some(&first)).unwrap()));
        write("another");
        let second = runtimes.installed(language, Some(&first)).unwrap();
        assert_ne!(first.component.sha256, second.component.sha256);
    }

    #[test]
    fn a_runtime_without_its_library_is_not_installed() {
        let folder = tempfile::tempdir().unwrap();
        let runtimes = RuntimeFolder::at(folder.path());
        std::fs::write(folder.path().join("python3.14.wasm"), "not yet looked at").unwrap();
        let told = runtimes.installed(Language::Python314, None).map(drop).unwrap_err().to_string();
        assert!(told.contains("its library is not beside it: ") && told.ends_with("/python3.14"), "{told}");
        std::fs::create_dir(folder.path().join("python3.14")).unwrap();
        assert_eq!(runtimes.installed(Language::Python314, None).unwrap().library.as_ref().unwrap().1, "/python");
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
