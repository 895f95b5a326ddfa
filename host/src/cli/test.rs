//! `edgeward test`: run one hook on an event from a file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;

use super::Usage;
use super::output::say;
use crate::config::{self, Hidden, KeyValues, Policy};
use crate::edge::{Trial, trial};
use crate::function::catalog::Catalog;
use crate::limits::{Compiling, Limits, Profile};
use crate::telemetry::Telemetry;
use crate::wasm::compile::{self, Compiler, ComponentSource};

/// Run one hook on an event, as CloudFront's TestFunction does.
///
/// The event is CloudFront Functions' event object, version 1.0; `context.eventType` says which hook runs.
/// Exit code 1 if the hook failed or its answer is not valid.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  edgeward test hook.wasm event.json\n  edgeward test jwt-check.wasm event.json --key-values keys.json --json | jq .FunctionOutput"
)]
pub(super) struct Args {
    /// The component.
    file: PathBuf,
    /// The event, JSON.
    event: PathBuf,
    /// A key-value store for the hook: a JSON object of strings.
    #[arg(long, value_name = "FILE")]
    key_values: Option<PathBuf>,
    /// The whole result as JSON, with TestFunction's names.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let bytes = std::fs::read(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?;
    let event = std::fs::read_to_string(&args.event).with_context(|| format!("cannot read {}", args.event.display()))?;
    let inspection = compile::outline(&bytes).with_context(|| args.file.display().to_string())?;
    let profile = if inspection.moments.iter().any(|moment| moment.is_viewer()) { Profile::Viewer } else { Profile::Worker };
    let function = config::Function {
        name: args.file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        component: args.file.clone(),
        profile,
        limits: Limits::defaults(profile),
        policy: Policy::Fresh,
        min_warm: Some(1),
        key_value_store: args.key_values.as_ref().map(key_values).transpose()?,
        network: Default::default(),
        environment: Default::default(),
    };
    let directory = std::env::temp_dir().join(format!("edgeward-test-{}", std::process::id()));
    let telemetry = Arc::new(Telemetry::new());
    let catalog = Catalog::new(1, &directory, Compiler::this_program(), telemetry.clone())?;
    let revision = catalog.revision(&function, &ComponentSource::from_bytes(&bytes)?, Compiling::default()).map(Arc::new);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result =
        revision.and_then(|revision| tokio::task::LocalSet::new().block_on(&runtime, trial(&revision, &event, &telemetry)));
    // Only what this run compiled is in it.
    let _ = std::fs::remove_dir_all(&directory);
    let result = result?;
    if args.json {
        say!("{}", serde_json::to_string_pretty(&result)?)
    } else {
        print(&result)?
    }
    // The result has been told; the exit code is left.
    if result.function_error_message.is_some() { std::process::exit(i32::from(super::FAILED)) } else { Ok(()) }
}

fn key_values(file: &PathBuf) -> anyhow::Result<Arc<KeyValues>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let values: BTreeMap<String, String> = serde_json::from_str(&text)
        .map_err(|error| Usage(format!("{}: not a JSON object of strings: {error}", file.display())))?;
    Ok(Arc::new(KeyValues {
        name: "test".to_owned(),
        values: Hidden(values.into_iter().map(|(key, value)| (key, value.into_bytes())).collect()),
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
