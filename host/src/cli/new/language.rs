//! Which language can be used for what, today.

/// A language that a function is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ProjectLanguage {
    Rust,
    #[value(name = "js", alias = "javascript")]
    JavaScript,
    #[value(name = "ts", alias = "typescript")]
    TypeScript,
    C,
    #[value(name = "cpp", alias = "c++")]
    Cpp,
    Zig,
    Go,
    #[value(name = "assemblyscript")]
    AssemblyScript,
    Python,
}

/// What a function is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Kind {
    /// A hook that sees each request before the cache.
    Viewer,
    /// A hook that sees requests to an origin.
    Origin,
    /// An origin: it answers requests itself.
    Function,
}

const LANGUAGES: [ProjectLanguage; 9] = [
    ProjectLanguage::Rust,
    ProjectLanguage::JavaScript,
    ProjectLanguage::TypeScript,
    ProjectLanguage::C,
    ProjectLanguage::Cpp,
    ProjectLanguage::Zig,
    ProjectLanguage::Go,
    ProjectLanguage::AssemblyScript,
    ProjectLanguage::Python,
];

impl ProjectLanguage {
    pub(super) fn name(self) -> &'static str {
        match self {
            ProjectLanguage::Rust => "Rust",
            ProjectLanguage::JavaScript => "JavaScript",
            ProjectLanguage::TypeScript => "TypeScript",
            ProjectLanguage::C => "C",
            ProjectLanguage::Cpp => "C++",
            ProjectLanguage::Zig => "Zig",
            ProjectLanguage::Go => "Go",
            ProjectLanguage::AssemblyScript => "AssemblyScript",
            ProjectLanguage::Python => "Python",
        }
    }

    /// The word on the command line.
    fn word(self) -> &'static str {
        match self {
            ProjectLanguage::Rust => "rust",
            ProjectLanguage::JavaScript => "js",
            ProjectLanguage::TypeScript => "ts",
            ProjectLanguage::C => "c",
            ProjectLanguage::Cpp => "cpp",
            ProjectLanguage::Zig => "zig",
            ProjectLanguage::Go => "go",
            ProjectLanguage::AssemblyScript => "assemblyscript",
            ProjectLanguage::Python => "python",
        }
    }

    /// What there is a template for; the first is the default.
    pub(super) fn kinds(self) -> &'static [Kind] {
        match self {
            ProjectLanguage::Rust => &[Kind::Viewer, Kind::Origin, Kind::Function],
            ProjectLanguage::C | ProjectLanguage::Cpp | ProjectLanguage::Zig | ProjectLanguage::Go => &[Kind::Function],
            ProjectLanguage::JavaScript => &[Kind::Viewer, Kind::Function],
            ProjectLanguage::Python => &[Kind::Function],
            ProjectLanguage::TypeScript | ProjectLanguage::AssemblyScript => &[],
        }
    }

    pub(super) fn can(self, kind: Kind) -> bool {
        self.kinds().contains(&kind)
    }
}

impl Kind {
    pub(super) fn what(self) -> &'static str {
        match self {
            Kind::Viewer => "a viewer hook",
            Kind::Origin => "an origin hook",
            Kind::Function => "a function",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Kind::Viewer => "viewer",
            Kind::Origin => "origin",
            Kind::Function => "function",
        }
    }
}

/// Why there is no project of this kind in this language, and which there are.
pub(super) fn refusal(language: ProjectLanguage, kind: Kind) -> String {
    let languages: Vec<&str> = LANGUAGES.iter().filter(|other| other.can(kind)).map(|other| other.word()).collect();
    let mut text = format!(
        "there is no template for {} in {}; `--kind {}` works with `--lang` {}",
        kind.what(),
        language.name(),
        kind.word(),
        languages.join(", ")
    );
    if !language.kinds().is_empty() {
        let kinds: Vec<&str> = language.kinds().iter().map(|kind| kind.word()).collect();
        text += &format!("; `--lang {}` with `--kind` {}", language.word(), kinds.join(", "));
    }
    text
}

/// The same for a language without any template.
pub(super) fn no_kind(language: ProjectLanguage) -> String {
    let languages: Vec<&str> = LANGUAGES.iter().filter(|other| !other.kinds().is_empty()).map(|other| other.word()).collect();
    format!("there is no template for {} yet; the languages are: {}", language.name(), languages.join(", "))
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn a_refusal_says_which_combinations_work() {
        let text = refusal(ProjectLanguage::Go, Kind::Viewer);
        assert_eq!(
            text,
            "there is no template for a viewer hook in Go; `--kind viewer` works with `--lang` rust, js; `--lang go` with `--kind` function"
        );
        assert!(!refusal(ProjectLanguage::TypeScript, Kind::Function).contains("--lang ts"));
        assert!(no_kind(ProjectLanguage::TypeScript).ends_with("the languages are: rust, js, c, cpp, zig, go, python"));
    }

    #[test]
    fn the_words_in_messages_are_those_of_the_command_line() {
        for language in LANGUAGES {
            assert_eq!(language.to_possible_value().unwrap().get_name(), language.word());
        }
        assert_eq!(ProjectLanguage::value_variants().len(), LANGUAGES.len());
        for kind in Kind::value_variants() {
            assert_eq!(kind.to_possible_value().unwrap().get_name(), kind.word());
        }
    }
}
