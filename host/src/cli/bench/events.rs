//! How many asynchronous events a disk keeps.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::super::output::say;
use crate::measure::{self, EventLoad};

#[derive(Debug, clap::Args)]
pub(super) struct Events {
    /// A folder on the disk to measure: a folder of its own is made there, and removed.
    #[arg(long, value_name = "DIR", default_value = ".", value_hint = clap::ValueHint::DirPath)]
    folder: PathBuf,
    /// How many events, 1 to 10,000,000.
    #[arg(long, value_name = "NUMBER", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    events: u32,
    /// Of each event, 2 to 1,048,576.
    #[arg(long, value_name = "BYTES", default_value_t = 1_024, value_parser = clap::value_parser!(u32).range(2..=1_048_576))]
    bytes: u32,
    /// How many send at the same time, 1 to 1,000.
    #[arg(long, value_name = "NUMBER", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    clients: u16,
    /// Print JSON instead of the table.
    #[arg(long)]
    json: bool,
}

/// A folder that is removed when this is dropped.
struct BenchFolder(PathBuf);

impl BenchFolder {
    fn make(place: &Path) -> anyhow::Result<BenchFolder> {
        let folder = place.join(format!("edgeward-bench-{}", std::process::id()));
        std::fs::create_dir(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        Ok(BenchFolder(folder))
    }
}

impl Drop for BenchFolder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!("the folder {} stays: {error}", self.0.display());
        }
    }
}

pub(super) fn run(args: &Events) -> anyhow::Result<()> {
    let folder = BenchFolder::make(&args.folder)?;
    let load = EventLoad {
        events: usize::try_from(args.events)?,
        bytes: usize::try_from(args.bytes)?,
        clients: usize::from(args.clients),
    };
    let rates = measure::event_rates(&folder.0, load)?;
    if args.json {
        say!("{:#}", serde_json::to_value(&rates)?);
        return Ok(());
    }
    say!("{:>10.0} times a second the disk brings 4 KB to rest", rates.disk_fsyncs);
    say!("{:>10.0} events a second are accepted, p50 {} µs, p99 {} µs", rates.accepted, rates.accept_us_p50, rates.accept_us_p99);
    say!("{:>10} ms until all are found again after a kill", rates.reopened_ms);
    say!("{:>10.0} events a second are claimed and ended", rates.ended);
    Ok(())
}
