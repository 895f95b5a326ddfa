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

    pub(super) fn default_kind(self) -> Kind {
        match self.kinds() {
            [first, ..] => *first,
            [] => Kind::Function,
        }
    }

    /// What there is a template for; the first is the default.
    fn kinds(self) -> &'static [Kind] {
        match self {
            ProjectLanguage::Rust => &[Kind::Viewer, Kind::Origin, Kind::Function],
            ProjectLanguage::JavaScript | ProjectLanguage::TypeScript => &[Kind::Viewer, Kind::Function],
            ProjectLanguage::C
            | ProjectLanguage::Cpp
            | ProjectLanguage::Zig
            | ProjectLanguage::Go
            | ProjectLanguage::AssemblyScript
            | ProjectLanguage::Python => &[Kind::Function],
        }
    }

    pub(super) fn can(self, kind: Kind) -> bool {
        self.kinds().contains(&kind)
    }

    /// Whether its compiler comes from npm, into the project.
    pub(super) fn has_packages(self) -> bool {
        matches!(self, ProjectLanguage::TypeScript | ProjectLanguage::AssemblyScript)
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
    let kinds: Vec<&str> = language.kinds().iter().map(|kind| kind.word()).collect();
    format!(
        "there is no template for {} in {}; `--kind {}` works with `--lang` {}; `--lang {}` with `--kind` {}",
        kind.what(),
        language.name(),
        kind.word(),
        languages.join(", "),
        language.word(),
        kinds.join(", ")
    )
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
            "there is no template for a viewer hook in Go; `--kind viewer` works with `--lang` rust, js, ts; `--lang go` with `--kind` function"
        );
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
