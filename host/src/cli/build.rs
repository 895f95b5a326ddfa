//! `edgeward build`: runs the commands of the `[build]` tables, and makes components of what they make.
//!
//! A command is the author's own, run without a shell in the folder of the configuration. I add what toolchains do not do: a
//! module of the SDK becomes a component here, an ES module becomes the script that a viewer hook is, and both are replaced in
//! one step, so that an edge that watches them never reads half of one.

mod script;
mod tools;

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

use super::UsageError;
use super::configuration::ConfigFile;
use super::output::say;
use crate::config::{self, Build, BuildProduct};
use crate::limits::config::COMPONENT_BYTES;
use crate::limits::init::CLOUDFRONT_SOURCE_BYTES;
use crate::wasm::compile;

/// Build the components and sources of a project, as the `[build]` tables of its configuration say.
///
/// A new project has such a table. Each command runs in the folder of the file that has its table.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  edgeward build\n  edgeward build -c project/edge.toml")]
pub(super) struct Args {
    #[command(flatten)]
    file: ConfigFile,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    for build in &builds(args.file.path()?)? {
        make(build)?;
    }
    Ok(())
}

/// The `[build]` tables of a configuration; one at least.
fn builds(path: &Path) -> anyhow::Result<Vec<Build>> {
    let builds = config::builds(path)?;
    if builds.is_empty() {
        let message =
            format!("{} has no [build.NAME], so there is nothing to build; `edgeward new` writes a project", path.display());
        return Err(UsageError(message).into());
    }
    Ok(builds)
}

/// Runs one command, and makes of its output what the edge runs.
pub(super) fn make(build: &Build) -> anyhow::Result<()> {
    let folder = if build.folder.as_os_str().is_empty() { Path::new(".") } else { &build.folder };
    tools::require(&build.command, folder).map_err(UsageError)?;
    say!("{}: {}", build.function, build.command.join(" "));
    if let BuildProduct::Component { module, .. } | BuildProduct::Script { module, .. } = &build.product {
        make_folder_of(module)?;
    }
    let (tool, arguments) = build.command.split_first().context("the command is empty")?;
    let status = Command::new(tool).args(arguments).envs(&build.environment).current_dir(folder).status();
    let status = status.with_context(|| format!("cannot run `{tool}`"))?;
    if !status.success() {
        bail!("`{}` failed ({status}){}", build.command.join(" "), tools::hint(tool));
    }
    let (path, bytes) = match &build.product {
        BuildProduct::Component { module, component } => (component, component_of(module)?),
        BuildProduct::Script { module, source } => (source, script_of(module)?),
        BuildProduct::Source(source) if source.exists() => {
            say!("{}: {}", build.function, source.display());
            return Ok(());
        }
        BuildProduct::Source(source) => bail!("the command has not made {}", source.display()),
    };
    make_folder_of(path)?;
    let changed = replaced(path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
    let state = if changed { "" } else { ", unchanged" };
    say!("{}: {}, {} bytes{state}", build.function, path.display(), bytes.len());
    Ok(())
}

fn make_folder_of(file: &Path) -> anyhow::Result<()> {
    let folder = file.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

fn component_of(module: &Path) -> anyhow::Result<Vec<u8>> {
    let bytes = read(module)?;
    let component = compile::componentized(&bytes);
    Ok(component.map_err(|error| anyhow::anyhow!("{}: {}", module.display(), error.told()))?.into_owned())
}

fn script_of(module: &Path) -> anyhow::Result<Vec<u8>> {
    let text = String::from_utf8(read(module)?).with_context(|| format!("{} is no UTF-8", module.display()))?;
    let script = script::of(&text).map_err(|error| anyhow::anyhow!("{}: {error}", module.display()))?;
    if script.len() as u64 > CLOUDFRONT_SOURCE_BYTES {
        let bytes = script.len();
        bail!(
            "{}: the hook has {bytes} bytes, and CloudFront takes {CLOUDFRONT_SOURCE_BYTES}; let the command minify it, and use less of what it imports",
            module.display()
        );
    }
    Ok(script.into_bytes())
}

/// What the command has made.
fn read(module: &Path) -> anyhow::Result<Vec<u8>> {
    let read = || {
        let size = fs::metadata(module)?.len();
        if size > COMPONENT_BYTES {
            return Err(io::Error::other(format!("it has {size} bytes; a component may have at most {COMPONENT_BYTES}")));
        }
        fs::read(module)
    };
    read().with_context(|| format!("the command has not made {}", module.display()))
}

/// Writes a file in one step, unless it has these bytes: an edge that watches it has nothing to reload then.
fn replaced(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    fs::write(&new, bytes)?;
    fs::rename(&new, path)?;
    Ok(true)
}
