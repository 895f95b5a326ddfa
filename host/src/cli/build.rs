//! `edgeward build`: runs the commands of the `[build]` tables, and makes components of what they make.
//!
//! A command is the author's own, run without a shell in the folder of the configuration. I add what toolchains do not do:
//! a module of the SDK becomes a component here, and a component is replaced in one step, so that an edge that watches it
//! never reads half of it.

mod tools;

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

use super::UsageError;
use super::configuration::ConfigFile;
use super::output::say;
use crate::config::{self, Build};
use crate::limits::config::COMPONENT_BYTES;
use crate::wasm::compile;

/// Build the components of a project, as the `[build]` tables of its configuration say.
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
        component(build)?;
    }
    Ok(())
}

/// The `[build]` tables of a configuration; one at least.
pub(super) fn builds(path: &Path) -> anyhow::Result<Vec<Build>> {
    let builds = config::builds(path)?;
    if builds.is_empty() {
        let message =
            format!("{} has no [build.NAME], so there is nothing to build; `edgeward new` writes a project", path.display());
        return Err(UsageError(message).into());
    }
    Ok(builds)
}

/// Runs one command. Returns whether there is another component than before.
pub(super) fn component(build: &Build) -> anyhow::Result<bool> {
    tools::require(&build.command).map_err(UsageError)?;
    say!("{}: {}", build.function, build.command.join(" "));
    if let Some(folder) = build.module.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let (tool, arguments) = build.command.split_first().context("the command is empty")?;
    let folder = if build.folder.as_os_str().is_empty() { Path::new(".") } else { &build.folder };
    let status = Command::new(tool).args(arguments).envs(&build.environment).current_dir(folder).status();
    let status = status.with_context(|| format!("cannot run `{tool}`"))?;
    if !status.success() {
        bail!("`{}` failed ({status}){}", build.command.join(" "), tools::hint(tool));
    }
    let module = read(&build.module).with_context(|| format!("the command has not made {}", build.module.display()))?;
    let component =
        compile::componentized(&module).map_err(|error| anyhow::anyhow!("{}: {}", build.module.display(), error.told()))?;
    let changed =
        replaced(&build.component, &component).with_context(|| format!("cannot write {}", build.component.display()))?;
    let state = if changed { "" } else { ", unchanged" };
    say!("{}: {}, {} bytes{state}", build.function, build.component.display(), component.len());
    Ok(changed)
}

fn read(module: &Path) -> io::Result<Vec<u8>> {
    let size = fs::metadata(module)?.len();
    if size > COMPONENT_BYTES {
        return Err(io::Error::other(format!("it has {size} bytes; a component may have at most {COMPONENT_BYTES}")));
    }
    fs::read(module)
}

/// Writes a file in one step, unless it has these bytes: an edge that watches it has nothing to reload then.
fn replaced(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    let new = path.with_extension("wasm.new");
    fs::write(&new, bytes)?;
    fs::rename(&new, path)?;
    Ok(true)
}
