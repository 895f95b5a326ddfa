//! `edgeward bench cold-warm` measures the cost of a start, as a table, JSON or a chart; `languages` compares functions; `shares` has
//! them compete for a processor; `events` has a disk keep events; `fuel` measures how long code of different kinds runs under a CPU limit.

mod events;
mod languages;
mod shares;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use indicatif::{ProgressBar, ProgressStyle};

use super::UsageError;
use super::output::say;
use super::source::{self, LanguageOption, RuntimesOption, Workshop};
use crate::function::revision::Revision;
use crate::function::spec::Spec;
use crate::language::Language;
use crate::limits::Profile;
use crate::limits::command::OPERATORS;
use crate::measure::{self, Class, ColdWarmReport, EnvironmentKind, MeasuredCode, MeasuredFunction, Prices, human};
use crate::runtime::Runtimes;
use crate::wasm::compile::{self, Compiler, HttpVersion};
use crate::wasm::engine::Engines;

/// Measure cold against warm starts, shares of a processor, and fuel against time.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: BenchCommand,
}

#[derive(Debug, clap::Subcommand)]
enum BenchCommand {
    /// Measure the stages of one viewer hook or function, from its compilation to the teardown of an instance.
    ///
    /// Of a function, four ways to a reply are compared: a cold start, one from a snapshot, one with provisioned concurrency, and a
    /// call in an environment that is warm.
    #[command(
        after_help = "Examples:\n  edgeward bench cold-warm\n  edgeward bench cold-warm hook.wasm --rounds 50000 --svg start.svg --json start.json\n  edgeward bench cold-warm function.zip --runtime python3.14 --handler app.handler --rounds 1000"
    )]
    ColdWarm(ColdWarm),
    /// Compare functions that do the same in several languages: a row of a Markdown table for each.
    #[command(after_help = "Examples:\n  edgeward bench languages echo.py echo.mjs echo.wasm --event event.json")]
    Languages(languages::Languages),
    /// Measure how functions of different memory share a processor that each of them wants.
    #[command(
        after_help = "Examples:\n  edgeward bench shares\n  edgeward bench shares --memory 1769 --memory 885 --memory 128 --seconds 20"
    )]
    Shares(shares::Shares),
    /// Measure how many asynchronous events the disk of a folder keeps, and how soon they are found again.
    #[command(
        after_help = "Examples:\n  edgeward bench events\n  edgeward bench events --folder /var/lib/edgeward --events 1000000"
    )]
    Events(events::Events),
    /// Measure how long code of different kinds runs on this machine until a CPU limit of 1 ms ends it.
    #[command(
        after_help = "Examples:\n  edgeward bench fuel\n  edgeward bench fuel --json | jq '.kinds[] | select(.factor > 2)'"
    )]
    Fuel(Fuel),
}

#[derive(Debug, clap::Args)]
struct Fuel {
    /// Print JSON instead of the table.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct ColdWarm {
    /// A component that exports a viewer hook or is a function; or a source with `--runtime` [default: a built-in minimal
    /// hook]
    file: Option<PathBuf>,
    #[command(flatten)]
    language: LanguageOption,
    /// The handler of a function, as Lambda names it [default: that of the file].
    #[arg(long, value_name = "HANDLER", requires = "file")]
    handler: Option<String>,
    /// The event of a function, as JSON [default: {}]
    #[arg(long, value_name = "FILE")]
    event: Option<PathBuf>,
    /// Samples of each stage, 100 to 10,000,000.
    #[arg(long, value_name = "NUMBER", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    rounds: u32,
    /// Write the result as JSON to this file; `-` prints it instead of the table.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a chart of the distributions to this SVG file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    match &args.what {
        BenchCommand::ColdWarm(args) => cold_warm(args),
        BenchCommand::Languages(args) => languages::run(args),
        BenchCommand::Shares(args) => shares::run(args),
        BenchCommand::Events(args) => events::run(args),
        BenchCommand::Fuel(args) => fuel(args),
    }
}

/// Creates its own engines and shows a progress bar.
fn measured<T>(measure: impl FnOnce(&Engines, &mut dyn FnMut(f64)) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let directory = std::env::temp_dir().join(format!("edgeward-bench-{}", std::process::id()));
    let engines = Engines::new(&directory, Compiler::this_program()).map_err(|error| anyhow::anyhow!("{error:#}"))?;
    let bar = progress()?;
    let measured = measure(&engines, &mut |share| advance(&bar, share));
    bar.finish_and_clear();
    drop(engines);
    // It contains only compiled files of this run.
    let _ = std::fs::remove_dir_all(&directory);
    measured
}

fn cold_warm(args: &ColdWarm) -> anyhow::Result<()> {
    let title = args.file.as_ref().map_or("the built-in minimal hook".to_owned(), |file| file.display().to_string());
    let rounds = args.rounds as usize;
    let runtime = args.language.runtime.or_else(|| source::python(args.file.as_deref()?));
    let report = match (&args.file, runtime) {
        (Some(file), None) if is_archive(file) => {
            let file = file.display();
            return Err(
                UsageError(format!("{file} is an archive, which needs `--runtime`, such as `--runtime python3.14`")).into()
            );
        }
        (Some(file), Some(language)) if language.profile() == Profile::Worker => function(&of(args, file, Some(language)))?,
        (Some(file), None) if is_function(file) => function(&of(args, file, None))?,
        (Some(file), Some(language)) => {
            let runtimes = Runtimes::new(args.language.runtimes.found());
            let source = runtimes.code(language, file, source::read(file, language)?);
            let source = source.map_err(|missing| UsageError(missing.told()))?;
            let subject = MeasuredCode::Source(&runtimes, &source);
            measured(|engines, progress| measure::cold_warm(engines, &subject, rounds, progress))?
        }
        (file, _) => {
            let read = |file: &PathBuf| std::fs::read(file).with_context(|| format!("cannot read {}", file.display()));
            let bytes = file.as_ref().map_or_else(|| Ok(measure::minimal_hook()), read)?;
            measured(|engines, progress| measure::cold_warm(engines, &MeasuredCode::Component(&bytes), rounds, progress))?
        }
    };

    if let Some(path) = &args.svg {
        std::fs::write(path, measure::svg(&report, &title)).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let json = serde_json::to_string_pretty(&report)?;
    match &args.json {
        Some(path) if path.as_os_str() == "-" => say!("{json}"),
        Some(path) => {
            std::fs::write(path, json).with_context(|| format!("cannot write {}", path.display()))?;
            print_table(&report, &title);
        }
        None => print_table(&report, &title),
    }
    Ok(())
}

fn is_archive(file: &Path) -> bool {
    file.is_dir() || file.extension().is_some_and(|extension| extension == "zip")
}

/// A component that is a function, and no hook.
fn is_function(file: &Path) -> bool {
    let outline = std::fs::read(file).ok().and_then(|bytes| compile::outline(&bytes).ok());
    outline
        .is_some_and(|outline| outline.moments.is_empty() && matches!(outline.http, Some(HttpVersion::Event | HttpVersion::Cgi)))
}

fn of<'a>(args: &'a ColdWarm, file: &'a Path, language: Option<Language>) -> FunctionFile<'a> {
    FunctionFile {
        file,
        language,
        handler: args.handler.as_deref(),
        event: args.event.as_deref(),
        runtimes: &args.language.runtimes,
        rounds: args.rounds as usize,
    }
}

/// A function to be measured, and how.
struct FunctionFile<'a> {
    file: &'a Path,
    /// Of a source.
    language: Option<Language>,
    handler: Option<&'a str>,
    event: Option<&'a Path>,
    runtimes: &'a RuntimesOption,
    rounds: usize,
}

fn function(subject: &FunctionFile<'_>) -> anyhow::Result<ColdWarmReport> {
    let file = subject.file;
    let event = match subject.event {
        Some(event) => Bytes::from(std::fs::read(event).with_context(|| format!("cannot read {}", event.display()))?),
        None => Bytes::from_static(b"{}"),
    };
    let workshop = Workshop::empty("bench", subject.runtimes.found())?;
    let code = match subject.language {
        Some(language) => workshop.function(language, file, subject.handler, &[])?,
        None => Workshop::component(&std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?)?,
    };
    let deploy = |kind: &EnvironmentKind| {
        let EnvironmentKind { policy, provisioned, own_init } = kind.clone();
        let spec = Spec { policy, min_warm: Some(provisioned), own_init, ..Spec::new("bench", code.id(), Profile::Worker) };
        Ok::<Arc<Revision>, anyhow::Error>(workshop.deploy(spec, &code)?)
    };
    let bytes = usize::try_from(std::fs::metadata(file)?.len()).unwrap_or(usize::MAX);
    let has_init = subject.language.is_some();
    let function = MeasuredFunction { bytes, deploy: &deploy, has_init, event };
    let bar = progress()?;
    let report = measure::function_cold_warm(&function, subject.rounds, |share| advance(&bar, share));
    bar.finish_and_clear();
    report
}

fn progress() -> anyhow::Result<ProgressBar> {
    Ok(ProgressBar::new(100).with_style(ProgressStyle::with_template("{bar:40} {percent:>3} %  {elapsed}")?))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
fn advance(bar: &ProgressBar, share: f64) {
    bar.set_position((share * 100.0) as u64);
}

fn fuel(args: &Fuel) -> anyhow::Result<()> {
    let prices = measured(|engines, progress| measure::fuel(engines, progress))?;
    if args.json {
        say!("{}", serde_json::to_string_pretty(&prices)?);
    } else {
        print_prices(&prices);
    }
    Ok(())
}

fn print_prices(prices: &Prices) {
    say!("{:.0} units of fuel stand for a microsecond of this machine\n", prices.units_per_us);
    say!("{:<36}{:>10}{:>10}{:>24}", "", "takes", "units", "a limit of 1 ms ends");
    for class in Class::ALL {
        let mut kinds: Vec<_> = prices.kinds.iter().filter(|kind| kind.class == class).collect();
        if class == Class::Operator {
            kinds.sort_by(|a, b| b.factor.total_cmp(&a.factor));
            say!("{} (the {OPERATORS} longest of {})", class.name(), kinds.len());
            kinds.truncate(OPERATORS);
        } else {
            say!("{}", class.name());
        }
        for kind in kinds {
            say!("  {:<34}{:>7.2} ns{:>10.1}{:>15} {:>5.2} ms", kind.name, kind.ns, kind.units, "after", kind.factor);
        }
    }
}

fn print_table(report: &ColdWarmReport, title: &str) {
    say!("{title}: {}, {} bytes", report.kind(), report.component_bytes);
    match (&report.not_restorable_because, report.memory_bytes) {
        (_, Some(memory)) => say!("an instance has {} KB of memory after a call", memory / 1_000),
        (None, None) => say!("an instance is put back to its first state after each call"),
        (Some(why), None) => say!("each call takes a new instance: {why}"),
    }
    say!("{} fuel a call, {} % of the CPU limit\n", report.fuel_per_call, report.utilization_percent);
    say!("{:<20}{:>10}{:>12}{:>12}{:>12}{:>12}", "", "samples", "p50", "p90", "p99", "p99.9");
    for stage in &report.stages {
        let times = [stage.p50_ns, stage.p90_ns, stage.p99_ns, stage.p999_ns].map(human);
        say!("{:<20}{:>10}{:>12}{:>12}{:>12}{:>12}", stage.stage, stage.samples, times[0], times[1], times[2], times[3]);
    }
    if std::io::stdout().is_terminal() {
        say!("\n--svg FILE draws this, --json FILE keeps it");
    }
}
