//! `edgeward invoke`: runs a function on an event, as Lambda does.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use bytes::Bytes;
use uuid::Uuid;

use super::UsageError;
use super::output::say;
use super::source::{self, LanguageOption, Workshop};
use crate::function::build::CodeFile;
use crate::function::call::{Call, Invocation, InvokeContext, InvokeOutcome};
use crate::function::error_payload::ErrorPayload;
use crate::function::lane::WorkerLane;
use crate::function::report::{ReportedCall, log_of};
use crate::function::revision::Revision;
use crate::function::spec::Spec;
use crate::limits::init::LAYERS;
use crate::limits::{InstancePolicy, Limit, Limits, Profile, invoke as limits};
use crate::loops::LoopMarks;
use crate::network::Grants;

/// Run a function on an event, as AWS Lambda does.
///
/// The file is a component that exports `edgeward:function/handler`, or a program (`wasi:cli/run`, or a WASI 0.1 module) that
/// reads the event from stdin and writes its reply to stdout. The reply goes to stdout, the function's log with its START,
/// END and REPORT lines to stderr. The exit code is 1 if the function fails.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  edgeward invoke function.wasm event.json\n  echo '{\"n\": 3}' | edgeward invoke function.wasm - --repeat 5\n  edgeward invoke function.wasm event.json --env TABLE=orders --network api.example.com:443 --timeout 10"
)]
pub(super) struct Args {
    /// The component or WASI 0.1 module; with `--runtime`, the file, folder or zip archive of a function.
    file: PathBuf,
    /// The event, as JSON; `-` reads it from stdin. Without one it is `{}`.
    event: Option<PathBuf>,
    /// Seconds that a call may take, from 1 to 900.
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=900))]
    timeout: u64,
    /// Memory in MB, from 1 to 10240.
    #[arg(long, value_name = "MB", default_value_t = 128, value_parser = clap::value_parser!(u64).range(1..=10_240))]
    memory: u64,
    /// `/tmp` in MB, from 512 to 10240.
    #[arg(long, value_name = "MB", default_value_t = 512, value_parser = clap::value_parser!(u64).range(512..=10_240))]
    ephemeral_storage: u64,
    /// An environment variable, such as `TABLE=orders`. May be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Where it may connect to, such as `api.example.com:443`. May be repeated.
    #[arg(long, value_name = "HOST:PORT")]
    network: Vec<String>,
    /// A JSON object that the function finds in its context.
    #[arg(long, value_name = "JSON")]
    client_context: Option<String>,
    #[command(flatten)]
    language: LanguageOption,
    /// The handler, as Lambda names it [default: that of the file, such as lambda_function.lambda_handler].
    #[arg(long, value_name = "HANDLER", requires = "runtime")]
    handler: Option<String>,
    /// A layer: a folder or zip archive whose files it finds in `/opt`. May be repeated; a later one replaces files of an earlier one.
    #[arg(long = "layer", value_name = "PATH", requires = "runtime")]
    layers: Vec<PathBuf>,
    /// How often to invoke it, one call after the other: the first is cold, the others are warm.
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    repeat: u32,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let event = event(args.event.as_deref())?;
    if let Some(text) = &args.client_context {
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text)
            .map_err(|error| UsageError(format!("--client-context is no JSON object: {error}")))?;
    }
    let workshop = Workshop::open("invoke", args.language.runtimes.found())?;
    let code = code(args, &workshop)?;
    let spec = spec(args, &code)?;
    let file = || match args.language.runtime {
        None => source::named(&args.file, Profile::Worker),
        Some(_) => args.file.display().to_string(),
    };
    let revision = workshop.deploy(spec, &code).with_context(file)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let succeeded = tokio::task::LocalSet::new().block_on(&runtime, invoke_all(args, &revision, &event))?;
    drop((revision, workshop));
    // The error has been printed; only the exit code is left.
    if succeeded { Ok(()) } else { std::process::exit(i32::from(super::FAILED)) }
}

/// The component, or the file, folder or zip archive of a function.
fn code(args: &Args, workshop: &Workshop) -> anyhow::Result<CodeFile> {
    let Some(language) = args.language.runtime else {
        let bytes = std::fs::read(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?;
        return Ok(Workshop::component(&bytes)?);
    };
    if args.layers.len() > LAYERS {
        return Err(UsageError(format!("a function has at most {LAYERS} layers")).into());
    }
    workshop.function(language, &args.file, args.handler.as_deref(), &args.layers)
}

/// The event's bytes, which must be JSON, as for Lambda's Invoke.
fn event(file: Option<&Path>) -> anyhow::Result<Bytes> {
    let bytes = match file {
        None => return Ok(Bytes::from_static(b"{}")),
        Some(file) if file == Path::new("-") => {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes).context("cannot read stdin")?;
            bytes
        }
        Some(file) => std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?,
    };
    if bytes.len() > limits::EVENT_BYTES {
        return Err(
            UsageError(format!("the event has {} bytes; at most {} are allowed", bytes.len(), limits::EVENT_BYTES)).into()
        );
    }
    serde_json::from_slice::<serde::de::IgnoredAny>(&bytes)
        .map_err(|error| UsageError(format!("could not parse the event as JSON: {error}")))?;
    Ok(bytes.into())
}

fn spec(args: &Args, code: &CodeFile) -> anyhow::Result<Spec> {
    let mut environment = BTreeMap::new();
    for pair in &args.env {
        let pair = pair.split_once('=').filter(|(name, _)| !name.is_empty());
        let Some((name, value)) = pair else {
            return Err(UsageError("--env needs NAME=VALUE".to_owned()).into());
        };
        environment.insert(name.to_owned(), value.to_owned());
    }
    let limits = Limits::defaults(Profile::Worker)
        .with(Limit::DeadlineMs, args.timeout * 1_000)?
        .with(Limit::CpuUs, args.timeout * 1_000_000)?
        .with(Limit::MemoryBytes, args.memory << 20)?
        .with(Limit::EphemeralStorageBytes, args.ephemeral_storage << 20)?
        .with(Limit::ReplyBytes, limits::REPLY_BYTES)?;
    let name = args.file.file_stem().unwrap_or_default().to_string_lossy();
    Ok(Spec {
        limits,
        // An environment serves one call after the other, as in Lambda.
        policy: InstancePolicy::Reuse { max_calls: u64::from(args.repeat), max_idle: Duration::from_secs(args.timeout) },
        // The first call is a cold one.
        min_warm: Some(0),
        environment: Arc::new(environment),
        grants: Grants::parse(args.network.iter().map(String::as_str)).map_err(|error| UsageError(error.to_string()))?,
        ..Spec::new(&name, code.id(), Profile::Worker)
    })
}

/// Whether all calls succeeded.
async fn invoke_all(args: &Args, revision: &Arc<Revision>, event: &Bytes) -> anyhow::Result<bool> {
    let lane = WorkerLane::new(0);
    let mut succeeded = true;
    for _ in 0..args.repeat {
        let id = Uuid::new_v4().to_string();
        let local = InvokeContext::local(revision.name(), id, revision.limits(), SystemTime::now());
        let context = InvokeContext { client_context: args.client_context.clone(), ..local };
        let request_id = context.request_id.clone();
        let call = Invocation { event: event.clone(), context, stream: None, passed: LoopMarks::default() };
        let reported = ReportedCall { request_id: &request_id, version: "$LATEST", memory_mb: args.memory, segment: None };
        let outcome = revision.call(&lane, Call::Invoke(call)).await.into_invoke();
        eprint!("{}", log_of(&reported, &outcome, None));
        succeeded &= print(&outcome, &request_id, revision)?;
    }
    Ok(succeeded)
}

/// Prints the reply, or the error in its place. Whether it was a reply.
fn print(outcome: &InvokeOutcome, request_id: &str, revision: &Revision) -> anyhow::Result<bool> {
    let error = match &outcome.result {
        Ok(Ok(reply)) => {
            super::output::all(reply);
            say!("");
            return Ok(true);
        }
        Ok(Err(error)) => ErrorPayload::of_handler(error, request_id),
        Err(failure) => {
            eprintln!("error: {failure}");
            match ErrorPayload::of_failure(failure, request_id, revision.limits()) {
                Some(payload) => payload,
                None => return Ok(false),
            }
        }
    };
    say!("{}", serde_json::to_string(&error)?);
    Ok(false)
}
