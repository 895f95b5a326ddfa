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
            (ProjectLanguage::TypeScript, Kind::Function) => vec![
                ("package.json", template!("ts/function.json")),
                ("tsconfig.json", template!("ts/tsconfig.json")),
                ("src/index.ts", template!("ts/index.ts")),
            ],
            (ProjectLanguage::TypeScript, _) => vec![
                ("package.json", template!("ts/viewer.json")),
                ("tsconfig.json", template!("ts/tsconfig.json")),
                ("src/handler.ts", template!("ts/handler.ts")),
            ],
            (ProjectLanguage::AssemblyScript, _) => vec![
                ("package.json", template!("assemblyscript/package.json")),
                ("tsconfig.json", template!("assemblyscript/tsconfig.json")),
                ("src/index.ts", template!("assemblyscript/index.ts")),
            ],
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
            (ProjectLanguage::TypeScript, Kind::Function) => Some(("dist", Language::Nodejs24)),
            (ProjectLanguage::TypeScript, _) => Some(("dist/handler.js", Language::CloudfrontJs2)),
            _ => None,
        };
        let function = match source {
            Some(_) if self.language == ProjectLanguage::TypeScript => template!("function-built-source.toml"),
            Some(_) => template!("function-source.toml"),
            None => template!("function-built.toml"),
        };
        let (source, runtime) = source.map_or(("", ""), |(file, language)| (file, language.name()));
        let types = if self.kind == Kind::Function { "node" } else { "aws-cloudfront-function" };
        text.replace("{{function}}\n", function)
            .replace("{{source}}", source)
            .replace("{{runtime}}", runtime)
            .replace("{{types}}", types)
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
            // What CloudFront itself has stays an import. Minified syntax could move an `await` into a call's arguments, which
            // CloudFront's own engine refuses.
            (ProjectLanguage::TypeScript, Kind::Viewer) => (
                "node_modules/.bin/esbuild src/handler.ts --bundle --format=esm --target=es2019 \
                 --minify-whitespace --minify-identifiers --external:cloudfront --external:crypto --external:querystring --external:buffer \
                 --log-level=warning --outfile=build/handler.js",
                "build/handler.js".to_owned(),
                "src",
                "",
            ),
            // It writes the source itself, with its source map beside it.
            (ProjectLanguage::TypeScript, _) => (
                "node_modules/.bin/esbuild src/index.ts --bundle --platform=node --target=es2023 --sourcemap \
                 --log-level=warning --outfile=dist/index.js",
                String::new(),
                "src package.json",
                "",
            ),
            (ProjectLanguage::AssemblyScript, _) => (
                "node_modules/.bin/asc src/index.ts --config node_modules/@assemblyscript/wasi-shim/asconfig.json --optimize \
                 --outFile build/module.wasm",
                MODULE.to_owned(),
                "src package.json",
                "",
            ),
            (ProjectLanguage::JavaScript | ProjectLanguage::Python, _) => ("", String::new(), "", ""),
        };
        let list = |words: &str| words.split(' ').map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        let made = if module.is_empty() {
            "# What `edgeward dev` watches.\n".to_owned()
        } else {
            format!("# What the command makes, and the sources that `edgeward dev` watches.\nmodule = \"{module}\"\n")
        };
        format!("command = [{}]\n{environment}{made}sources = [{}]\n\n", list(command), list(sources))
    }
}

/// What compilers write that can name their output.
const MODULE: &str = "build/module.wasm";
