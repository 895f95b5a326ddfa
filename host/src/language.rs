//! I name the languages that sources may be written in. What runs them is in `runtime`.

use std::fmt;
use std::path::Path;

use crate::limits::Profile;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// CloudFront's JavaScript runtime 1.0.
    CloudfrontJs1,
    /// CloudFront's JavaScript runtime 2.0.
    CloudfrontJs2,
    /// Lambda's Python.
    Python314,
    /// Lambda's Node.js.
    Nodejs24,
}

/// Folders that are in no package of a function: what was compiled for another machine, and what belongs to a version control
/// system.
pub const NOT_IN_PACKAGES: [&str; 2] = ["__pycache__", ".git"];

/// What is installed for a language.
pub struct LanguageFiles {
    /// The Runtime, a component.
    pub runtime: &'static str,
    /// A folder beside it, and where the Runtime finds that.
    pub library: Option<(&'static str, &'static str)>,
}

impl Language {
    pub const ALL: [Language; 4] = [Language::CloudfrontJs1, Language::CloudfrontJs2, Language::Python314, Language::Nodejs24];

    /// In a configuration: CloudFront's own name, or Lambda's.
    pub fn name(self) -> &'static str {
        match self {
            Language::CloudfrontJs1 => "cloudfront-js-1.0",
            Language::CloudfrontJs2 => "cloudfront-js-2.0",
            Language::Python314 => "python3.14",
            Language::Nodejs24 => "nodejs24.x",
        }
    }

    pub fn named(name: &str) -> Option<Language> {
        Language::ALL.into_iter().find(|language| language.name() == name)
    }

    pub fn files(self) -> LanguageFiles {
        let (runtime, library) = match self {
            Language::CloudfrontJs1 | Language::CloudfrontJs2 => ("cloudfront-js.wasm", None),
            Language::Python314 => ("python3.14.wasm", Some(("python3.14", "/python"))),
            Language::Nodejs24 => ("nodejs.wasm", None),
        };
        LanguageFiles { runtime, library }
    }

    /// What sources of it are: viewer hooks, each in one file; or functions, each a package of files.
    pub fn profile(self) -> Profile {
        match self {
            Language::CloudfrontJs1 | Language::CloudfrontJs2 => Profile::Viewer,
            Language::Python314 | Language::Nodejs24 => Profile::Worker,
        }
    }

    /// What a function is called if nobody says otherwise: in a file, or, in a folder or archive, in the file that Lambda's
    /// console makes.
    pub fn handler_of(self, files: &Path) -> String {
        let (module, function) = match self {
            Language::CloudfrontJs1 | Language::CloudfrontJs2 => ("function", "handler"),
            Language::Python314 => ("lambda_function", "lambda_handler"),
            Language::Nodejs24 => ("index", "handler"),
        };
        let is_one_file = files.extension().is_some_and(|extension| !extension.eq_ignore_ascii_case("zip")) && !files.is_dir();
        let stem = files.file_stem().and_then(|stem| stem.to_str()).filter(|_| is_one_file);
        format!("{}.{function}", stem.unwrap_or(module))
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
