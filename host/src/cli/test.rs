//! `edgeward test`: run one hook on an event from a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use super::UsageError;
use super::output::say;
use crate::edge::{Trial, trial};
use crate::function::build::Builder;
use crate::function::spec::{CodeDigest, KeyValues, Spec};
use crate::limits::{Compiling, Profile};
use crate::telemetry::Telemetry;
use crate::wasm::compile::{self, Compiler, ComponentSource};

/// Run one hook on an event, as CloudFront's TestFunction does.
///
/// The event is CloudFront Functions' event object, version 1.0; `context.eventType` says which hook runs.
/// The exit code is 1 if the hook fails or its answer is invalid.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  edgeward test hook.wasm event.json\n  edgeward test jwt-check.wasm event.json --key-values keys.json --json | jq .FunctionOutput"
)]
pub(super) struct Args {
    /// The component.
    file: PathBuf,
    /// The event, as JSON.
    event: PathBuf,
    /// A key-value store for the hook: a JSON object of strings.
    #[arg(long, value_name = "FILE")]
    key_values: Option<PathBuf>,
    /// Print the whole result as JSON, with TestFunction's names.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let bytes = std::fs::read(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?;
    let event = std::fs::read_to_string(&args.event).with_context(|| format!("cannot read {}", args.event.display()))?;
    let inspection = compile::outline(&bytes).with_context(|| args.file.display().to_string())?;
    let profile = if inspection.moments.iter().any(|moment| moment.is_viewer()) { Profile::Viewer } else { Profile::Worker };
    let (name, source) = (args.file.file_stem().unwrap_or_default().to_string_lossy(), ComponentSource::from_bytes(&bytes)?);
    let spec = Spec {
        min_warm: Some(1),
        key_values: args.key_values.as_deref().map(key_values).transpose()?,
        ..Spec::new(&name, CodeDigest(source.sha256), profile)
    };
    let directory = std::env::temp_dir().join(format!("edgeward-test-{}", std::process::id()));
    let telemetry = Arc::new(Telemetry::new());
    let builder = Builder::new(1, &directory, Compiler::this_program(), telemetry.clone())?;
    let revision = builder.build(spec, &source, Compiling::default()).map(Arc::new).map_err(anyhow::Error::from);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result =
        revision.and_then(|revision| tokio::task::LocalSet::new().block_on(&runtime, trial(&revision, &event, &telemetry)));
    // It contains only compiled files of this run.
    let _ = std::fs::remove_dir_all(&directory);
    let result = result?;
    if args.json {
        say!("{}", serde_json::to_string_pretty(&result)?)
    } else {
        print(&result)?
    }
    // The result has been printed; only the exit code is left.
    if result.function_error_message.is_some() { std::process::exit(i32::from(super::FAILED)) } else { Ok(()) }
}

fn key_values(file: &Path) -> anyhow::Result<Arc<KeyValues>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let values: BTreeMap<String, String> = serde_json::from_str(&text)
        .map_err(|error| UsageError(format!("{}: not a JSON object of strings: {error}", file.display())))?;
    Ok(Arc::new(KeyValues {
        name: "test".to_owned(),
        values: Arc::new(values.into_iter().map(|(key, value)| (key, value.into_bytes())).collect()),
    }))
}

fn print(result: &Trial) -> anyhow::Result<()> {
    match (&result.function_output, &result.function_error_message) {
        (Some(output), _) => say!("{}", serde_json::to_string_pretty(output)?),
        (None, error) => say!("error: {}", error.as_deref().unwrap_or("unknown")),
    }
    for line in &result.function_execution_logs {
        say!("log: {line}");
    }
    say!("compute utilization {} %, {} fuel, {} bytes of memory", result.compute_utilization, result.fuel, result.memory_bytes);
    Ok(())
}
