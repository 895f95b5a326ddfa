//! `edgeward new`: writes a project that `edgeward dev` builds and serves at once.
//!
//! A project is a folder with the sources of one function, an `edge.toml` with a `[build]` table, and for Rust hooks a copy of
//! the SDK, so that nothing but the language's own toolchain is needed. What is written is the author's: I never change a
//! file that exists.

mod language;
mod sdk;
mod template;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::UsageError;
use super::output::say;
use language::{Kind, ProjectLanguage};
use template::Template;

/// Write a new project: the source of one function, and a configuration that builds and serves it.
///
/// Hooks see the requests and responses of a site; a function answers requests itself, as an origin. No existing file is
/// changed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  edgeward new rules --lang rust --kind viewer && cd rules && edgeward dev\n  edgeward new api --lang ts --kind function\n  edgeward new report --lang go\n  edgeward new report --lang c"
)]
pub(super) struct Args {
    /// The folder of the project; its last part names the function.
    #[arg(value_name = "NAME", value_hint = clap::ValueHint::DirPath)]
    path: PathBuf,
    /// The language of the source.
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    lang: ProjectLanguage,
    /// What the function is used for [default: the first kind that the language can be used for]
    #[arg(long, value_enum, value_name = "KIND")]
    kind: Option<Kind>,
    /// The folder of the Rust SDK, instead of a copy in the project.
    #[arg(long, value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    sdk: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let name = args.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !is_name(name) {
        let message = format!("`{name}` cannot name a function: begin with a letter; up to 64 of a-z, 0-9 and `-` are allowed");
        return Err(UsageError(message).into());
    }
    let kind = match args.kind {
        Some(kind) if args.lang.can(kind) => kind,
        Some(kind) => return Err(UsageError(language::refusal(args.lang, kind)).into()),
        None => args.lang.default_kind(),
    };
    if fs::read_dir(&args.path).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(UsageError(format!("{} exists and is not empty; it is not changed", args.path.display())).into());
    }
    let sdk = args.sdk.as_deref().map(absolute).transpose()?;
    let mut files = Template { name, language: args.lang, kind, sdk: sdk.as_deref() }.files();
    if args.lang == ProjectLanguage::Rust && kind != Kind::Function && sdk.is_none() {
        files.extend(sdk::files().map(|(path, bytes)| (format!("{}/{path}", template::SDK), bytes)));
    }
    for (path, bytes) in &files {
        write_new(&args.path.join(path), bytes)?;
    }
    say!("wrote {}: {} in {}", args.path.display(), kind.what(), args.lang.name());
    say!("next:");
    say!("  cd {}", args.path.display());
    if args.lang.has_packages() {
        say!("  npm install");
    }
    say!("  edgeward dev");
    say!("  curl http://127.0.0.1:8080/hello");
    Ok(())
}

/// A name for the function, the package, the module of Go and the file.
fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// The SDK is found from the project, wherever that is.
fn absolute(sdk: &Path) -> anyhow::Result<PathBuf> {
    if !sdk.join("Cargo.toml").is_file() {
        return Err(UsageError(format!("{} is not the folder of a Rust package", sdk.display())).into());
    }
    fs::canonicalize(sdk).with_context(|| format!("cannot find {}", sdk.display()))
}

fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || {
        fs::create_dir_all(path.parent().unwrap_or(Path::new("")))?;
        File::create_new(path)?.write_all(bytes)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_has_a_name_that_all_toolchains_accept() {
        for (name, accepted) in [
            ("a", true),
            ("my-hook-2", true),
            ("", false),
            ("-a", false),
            ("2a", false),
            ("A", false),
            ("a_b", false),
            ("a.b", false),
            ("a b", false),
            (&"a".repeat(64), true),
            (&"a".repeat(65), false),
        ] {
            assert_eq!(is_name(name), accepted, "{name}");
        }
    }
}
