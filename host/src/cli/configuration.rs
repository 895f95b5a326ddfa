//! The configuration of a command: `serve` and `check` take it as an argument or as an option.

use std::path::{Path, PathBuf};

use super::UsageError;

#[derive(Debug, clap::Args)]
pub(super) struct ConfigFile {
    /// The configuration [default: edge.toml]
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// The configuration, as an option.
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    config: Option<PathBuf>,
}

impl ConfigFile {
    pub(super) fn path(&self) -> anyhow::Result<&Path> {
        match (&self.file, &self.config) {
            (Some(file), Some(config)) if file != config => {
                let (file, config) = (file.display(), config.display());
                Err(UsageError(format!("two configurations are named, {file} and {config}: which one is meant?")).into())
            }
            (file, config) => Ok(file.as_ref().or(config.as_ref()).map_or(Path::new("edge.toml"), PathBuf::as_path)),
        }
    }
}
