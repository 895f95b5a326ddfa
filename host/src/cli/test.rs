//! `edgeward test`: run one hook on an event from a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use super::UsageError;
use super::output::say;
use super::source::{self, LanguageOption, Workshop};
use crate::edge::{Trial, trial};
use crate::function::build::CodeFile;
use crate::function::spec::{KeyValues, Spec};
use crate::limits::Profile;
use crate::wasm::compile;

/// Run one hook on an event, as CloudFront's TestFunction does.
///
/// The event is CloudFront Functions' event object, version 1.0, or Lambda@Edge's, `{"Records": [{"cf": ...}]}`; its
/// `eventType` says which hook runs. The exit code is 1 if the hook fails or its answer is invalid.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  edgeward test hook.wasm event.json\n  edgeward test jwt-check.wasm event.json --key-values keys.json --json | jq .FunctionOutput\n  edgeward test rewrite.js event.json --runtime cloudfront-js-2.0\n  edgeward test index.mjs origin-request.json --runtime nodejs24.x"
)]
pub(super) struct Args {
    /// The component, or a source with `--runtime`: a hook's file, or the file, folder or zip archive of a function.
    file: PathBuf,
    /// The event, as JSON.
    event: PathBuf,
    /// A key-value store for the hook: a JSON object of strings.
    #[arg(long, value_name = "FILE")]
    key_values: Option<PathBuf>,
    /// Print the whole result as JSON, with TestFunction's names.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    language: LanguageOption,
    /// The handler of a function, as Lambda names it [default: that of the file, such as index.handler].
    #[arg(long, value_name = "HANDLER", requires = "runtime")]
    handler: Option<String>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let event = std::fs::read_to_string(&args.event).with_context(|| format!("cannot read {}", args.event.display()))?;
    let workshop = Workshop::open("test", args.language.runtimes.found())?;
    let (code, profile) = match args.language.runtime {
        Some(language) if language.profile() == Profile::Worker => {
            (workshop.function(language, &args.file, args.handler.as_deref(), &[])?, Profile::Worker)
        }
        Some(language) => {
            let text = source::read(&args.file, language)?;
            let code = workshop.source(language, &args.file, &text);
            (code.map_err(|missing| UsageError(missing.told()))?, Profile::Viewer)
        }
        None => component(&args.file)?,
    };
    let name = args.file.file_stem().unwrap_or_default().to_string_lossy();
    let spec = Spec {
        min_warm: Some(1),
        key_values: args.key_values.as_deref().map(key_values).transpose()?,
        ..Spec::new(&name, code.id(), profile)
    };
    let revision = workshop.deploy(spec, &code)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = tokio::task::LocalSet::new().block_on(&runtime, trial(&revision, &event, &workshop.telemetry))?;
    drop((revision, workshop));
    if args.json {
        say!("{}", serde_json::to_string_pretty(&result)?)
    } else {
        print(&result)?
    }
    // The result has been printed; only the exit code is left.
    if result.function_error_message.is_some() { std::process::exit(i32::from(super::FAILED)) } else { Ok(()) }
}

fn component(file: &Path) -> anyhow::Result<(CodeFile, Profile)> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let inspection = compile::outline(&bytes).with_context(|| source::named(file, Profile::Viewer))?;
    let profile = if inspection.moments.iter().any(|moment| moment.is_viewer()) { Profile::Viewer } else { Profile::Worker };
    Ok((Workshop::component(&bytes)?, profile))
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
