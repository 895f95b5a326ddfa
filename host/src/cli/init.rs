//! `edgeward init`: writes a first configuration that can serve at once.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::UsageError;
use super::output::say;

const CONFIGURATION: &str = include_str!("init/edge.toml");
const PAGE: &str = include_str!("init/index.html");

/// Write a first, commented configuration and a folder with a page.
///
/// Existing files are not changed: an existing configuration is an error, an existing page is kept.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  edgeward init && edgeward serve\n  edgeward init my-edge\n  edgeward init /etc/edgeward/edge.toml"
)]
pub(super) struct Args {
    /// The folder, or the file if the path ends in `.toml`.
    #[arg(default_value = ".", value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    path: PathBuf,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let is_file = args.path.extension().is_some_and(|extension| extension == "toml") && !args.path.is_dir();
    let file = if is_file { args.path.clone() } else { args.path.join("edge.toml") };
    // Print `edge.toml` instead of `./edge.toml`.
    let file = file.strip_prefix(".").map(Path::to_owned).unwrap_or(file);
    let folder = file.parent().unwrap_or(Path::new("")).join("www");
    if file.exists() {
        return Err(UsageError(format!("{} is there already; it is not overwritten", file.display())).into());
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let page = folder.join("index.html");
    let has_page = match write_new(&page, PAGE) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => true,
        written => {
            written.with_context(|| format!("cannot write {}", page.display()))?;
            false
        }
    };
    // Last, since its existence means that everything exists; and never overwrites a file created meanwhile.
    write_new(&file, CONFIGURATION).with_context(|| format!("cannot write {}", file.display()))?;
    let argument = if file == Path::new("edge.toml") { String::new() } else { format!(" {}", file.display()) };
    say!("wrote {}{}", file.display(), if has_page { String::new() } else { format!(" and {}", page.display()) });
    say!("next:");
    say!("  edgeward serve{argument}");
    say!("  curl http://127.0.0.1:8080/");
    Ok(())
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    File::create_new(path)?.write_all(text.as_bytes())
}
