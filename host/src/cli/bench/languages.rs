//! One function in several languages, measured in turn: a row of a table for each.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;

use super::super::output::say;
use super::super::source::{RuntimesOption, language_of};
use super::{FunctionFile, function};
use crate::limits::Profile;
use crate::measure::{ColdWarmReport, InstanceStage, human};

/// The columns that are times, and their titles.
const TIMES: [(InstanceStage, &str); 6] = [
    (InstanceStage::Compile, "compile"),
    (InstanceStage::Init, "deploy again"),
    (InstanceStage::Instantiate, "instantiate"),
    (InstanceStage::FirstCall, "first call"),
    (InstanceStage::ReusedCall, "next call"),
    (InstanceStage::Teardown, "teardown"),
];

#[derive(Debug, clap::Args)]
pub(super) struct Languages {
    /// Functions: components, programs for WASI, or sources whose language their extension tells (.py, .mjs, .js)
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The event, as JSON [default: {}]
    #[arg(long, value_name = "FILE")]
    event: Option<PathBuf>,
    #[command(flatten)]
    runtimes: RuntimesOption,
    /// Samples of each stage of a call, 100 to 1,000,000.
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    rounds: u32,
    /// Print JSON instead of the table: an object with a report for each file.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Languages) -> anyhow::Result<()> {
    let mut reports = Vec::new();
    for file in &args.files {
        let language = language_of(file, Profile::Worker);
        let (event, rounds) = (args.event.as_deref(), args.rounds as usize);
        let subject = FunctionFile { file, language, handler: None, event, runtimes: &args.runtimes, rounds };
        let report = function(&subject).with_context(|| file.display().to_string())?;
        reports.push((file.display().to_string(), report));
    }
    if args.json {
        let reports: serde_json::Map<String, serde_json::Value> =
            reports.into_iter().map(|(file, report)| Ok((file, serde_json::to_value(report)?))).collect::<anyhow::Result<_>>()?;
        say!("{}", serde_json::to_string_pretty(&reports)?);
    } else {
        say!("{}", table(&reports));
    }
    Ok(())
}

/// In Markdown; times are medians.
fn table(reports: &[(String, ColdWarmReport)]) -> String {
    let titles = TIMES.map(|(_, title)| title).join(" | ");
    let mut text = format!("| function | {titles} | memory | fuel |\n|{}", "-|".repeat(TIMES.len() + 3));
    for (file, report) in reports {
        let time = |stage: InstanceStage| {
            let found = report.stages.iter().find(|found| found.stage == stage.name());
            found.map_or_else(String::new, |found| human(found.p50_ns))
        };
        let times = TIMES.map(|(stage, _)| time(stage)).join(" | ");
        let memory = report.memory_bytes.unwrap_or_default() / 1_000;
        let _ = write!(text, "\n| {file} | {times} | {memory} KB | {} |", report.fuel_per_call);
    }
    text
}
