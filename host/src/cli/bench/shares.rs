//! What functions of different memory get of a processor that all of them want.

use serde_json::json;

use super::super::output::say;
use super::super::source::{RuntimesOption, Workshop};
use crate::function::spec::Spec;
use crate::limits::lambda::{MEMORY_MB_MAX, MEMORY_MB_MIN, MEMORY_MB_PER_CPU};
use crate::limits::{Limit, Limits, Profile};
use crate::measure;

#[derive(Debug, clap::Args)]
pub(super) struct Shares {
    /// What each function is configured with, in MB, 128 to 10,240. Repeated: a function for each [default: 1769 and 442]
    #[arg(long = "memory", value_name = "MB", value_parser = clap::value_parser!(u32).range(MEMORY_MB_MIN..=MEMORY_MB_MAX))]
    memories: Vec<u32>,
    /// How long they run, 1 to 600.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Print JSON instead of the table.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Shares) -> anyhow::Result<()> {
    let memories = if args.memories.is_empty() { vec![MEMORY_MB_PER_CPU, 442] } else { args.memories.clone() };
    let workshop = Workshop::empty("bench", RuntimesOption::default().found())?;
    let code = Workshop::component(&measure::endless())?;
    let functions: anyhow::Result<Vec<_>> = memories
        .into_iter()
        .map(|memory_mb| {
            let limits = Limits::defaults(Profile::Worker)
                .with(Limit::DeadlineMs, args.seconds * 1_000)?
                .with(Limit::CpuUs, args.seconds * 1_000_000)?;
            let cpu_share = memory_mb * 1_000 / MEMORY_MB_PER_CPU;
            let spec = Spec { limits, cpu_share, min_warm: Some(0), ..Spec::new("endless", code.id(), Profile::Worker) };
            Ok((memory_mb, workshop.deploy(spec, &code)?))
        })
        .collect();
    let shares = measure::shares(&functions?)?;
    if args.json {
        say!("{:#}", json!({ "seconds": args.seconds, "functions": shares }));
        return Ok(());
    }
    say!("{:>10}{:>14}{:>24}", "memory", "of the thread", "times the last one's");
    for share in shares {
        say!("{:>7} MB{:>12.1} %{:>24.2}", share.memory_mb, share.percent, share.ratio);
    }
    Ok(())
}
