//! The files of a new project.

use std::path::Path;

use super::language::{Kind, ProjectLanguage};
use crate::language::Language;

/// The folder of the SDK in a project.
pub(super) const SDK: &str = "edgeward-sdk";

macro_rules! template {
    ($path:literal) => {
        include_str!(concat!("../../../templates/", $path))
    };
}

/// What a project is made of.
pub(super) struct Template<'a> {
    pub(super) name: &'a str,
    pub(super) language: ProjectLanguage,
    pub(super) kind: Kind,
    /// The folder of the SDK, if it is not to be a part of the project.
    pub(super) sdk: Option<&'a Path>,
}

impl Template<'_> {
    /// By their paths in the project.
    pub(super) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let hook = self.kind != Kind::Function;
        let mut files = vec![(".gitignore", template!("gitignore"))];
        files.extend(match (self.language, self.kind) {
            (ProjectLanguage::Rust, Kind::Viewer) => {
                vec![("Cargo.toml", template!("rust/hook.toml")), ("src/lib.rs", template!("rust/viewer.rs"))]
            }
            (ProjectLanguage::Rust, Kind::Origin) => {
                vec![("Cargo.toml", template!("rust/hook.toml")), ("src/lib.rs", template!("rust/origin.rs"))]
            }
            (ProjectLanguage::Rust, Kind::Function) => {
                vec![("Cargo.toml", template!("rust/function.toml")), ("src/main.rs", template!("rust/function.rs"))]
            }
            (ProjectLanguage::C, _) => vec![("src/main.c", template!("c/main.c"))],
            (ProjectLanguage::Cpp, _) => vec![("src/main.cpp", template!("cpp/main.cpp"))],
            (ProjectLanguage::Zig, _) => vec![("src/main.zig", template!("zig/main.zig"))],
            (ProjectLanguage::Go, _) => vec![("go.mod", template!("go/go.mod")), ("main.go", template!("go/main.go"))],
            (ProjectLanguage::JavaScript, Kind::Function) => vec![("index.mjs", template!("nodejs/index.mjs"))],
            (ProjectLanguage::JavaScript, _) => vec![("handler.js", template!("js/handler.js"))],
            (ProjectLanguage::Python, _) => vec![("lambda_function.py", template!("python/lambda_function.py"))],
            (ProjectLanguage::TypeScript | ProjectLanguage::AssemblyScript, _) => Vec::new(),
        });
        if hook {
            files.push(("www/index.html", template!("www/index.html")));
        }
        // Last, since its existence means that everything exists.
        files.push(("edge.toml", template!("edge.toml")));
        files.into_iter().map(|(path, text)| (path.to_owned(), self.filled(text).into_bytes())).collect()
    }

    fn filled(&self, text: &str) -> String {
        let site = if self.kind == Kind::Function { template!("site-function.toml") } else { template!("site-hook.toml") };
        let moment = if self.kind == Kind::Origin { "origin_request" } else { "viewer_request" };
        let sdk = self.sdk.map_or_else(|| SDK.to_owned(), |folder| folder.display().to_string());
        let source = match (self.language, self.kind) {
            (ProjectLanguage::JavaScript, Kind::Function) => Some(("index.mjs", Language::Nodejs24)),
            (ProjectLanguage::JavaScript, _) => Some(("handler.js", Language::CloudfrontJs2)),
            (ProjectLanguage::Python, _) => Some(("lambda_function.py", Language::Python314)),
            _ => None,
        };
        let function = match source {
            Some((file, language)) => {
                template!("function-source.toml").replace("{{source}}", file).replace("{{runtime}}", language.name())
            }
            None => template!("function-built.toml").to_owned(),
        };
        text.replace("{{function}}\n", &function)
            .replace("{{build}}\n", &self.build())
            .replace("{{site}}\n", site)
            .replace("{{what}}", &format!("{} in {}", self.kind.what(), self.language.name()))
            .replace("{{moment}}", moment)
            .replace("{{sdk}}", &sdk)
            .replace("{{name}}", self.name)
    }

    /// The keys of the `[build]` table.
    fn build(&self) -> String {
        let (command, module, sources, environment) = match (self.language, self.kind) {
            (ProjectLanguage::Rust, Kind::Function) => (
                "cargo build --release --target wasm32-wasip2 --target-dir target",
                "target/wasm32-wasip2/release/{{name}}.wasm".to_owned(),
                "src Cargo.toml",
                "",
            ),
            (ProjectLanguage::Rust, _) => (
                "cargo build --release --target wasm32-unknown-unknown --target-dir target",
                format!("target/wasm32-unknown-unknown/release/{}.wasm", self.name.replace('-', "_")),
                "src Cargo.toml",
                "",
            ),
            (ProjectLanguage::C, _) => {
                ("clang-19 --target=wasm32-wasi -O2 -Wall -o build/module.wasm src/main.c", MODULE.to_owned(), "src", "")
            }
            (ProjectLanguage::Cpp, _) => (
                "clang++-19 --target=wasm32-wasi -O2 -Wall -fno-exceptions -o build/module.wasm src/main.cpp",
                MODULE.to_owned(),
                "src",
                "",
            ),
            // Zig's default stack makes a memory of 16 MiB.
            (ProjectLanguage::Zig, _) => (
                "zig build-exe src/main.zig -target wasm32-wasi -O ReleaseSmall --stack 1048576 -femit-bin=build/module.wasm",
                MODULE.to_owned(),
                "src",
                "",
            ),
            (ProjectLanguage::Go, _) => (
                "go build -trimpath -ldflags=-s -o build/module.wasm .",
                MODULE.to_owned(),
                "main.go go.mod",
                "environment = { GOOS = \"wasip1\", GOARCH = \"wasm\" }\n",
            ),
            (
                ProjectLanguage::JavaScript
                | ProjectLanguage::TypeScript
                | ProjectLanguage::AssemblyScript
                | ProjectLanguage::Python,
                _,
            ) => ("", String::new(), "", ""),
        };
        let list = |words: &str| words.split(' ').map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        format!(
            "command = [{}]\n{environment}# What the command makes, and the sources that `edgeward dev` watches.\nmodule = \"{module}\"\nsources = [{}]\n\n",
            list(command),
            list(sources)
        )
    }
}

/// What compilers write that can name their output.
const MODULE: &str = "build/module.wasm";
