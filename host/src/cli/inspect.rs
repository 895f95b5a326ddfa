//! `edgeward inspect`: shows a component's exports and imports, its possible uses, and its limits.

use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;

use super::UsageError;
use super::output::say;
use super::source::{self, LanguageOption, Workshop};
use crate::function::spec::{CodeId, Spec};
use crate::language::Language;
use crate::limits::{Limit, Limits, Profile, UNBOUNDED};
use crate::wasm::abi::Moment;
use crate::wasm::compile::{self, CompileErrorKind, HttpVersion, Inspection};

/// Show what a component is, without running it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  edgeward inspect guests/target/components/spa-rewrite.wasm")]
pub struct Args {
    /// A WebAssembly component, or a source with `--runtime`.
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    language: LanguageOption,
}

/// What a source is, after INIT.
#[derive(Serialize)]
struct InspectedSource {
    file: String,
    bytes: usize,
    runtime: &'static str,
    /// `sha256:` and the digest of the Runtime, and of the source.
    runtime_digest: String,
    digest: String,
    roles: Vec<String>,
    /// Whether INIT has run to its end; else why not.
    init: String,
    limits: Vec<ShownLimit>,
}

#[derive(Serialize)]
struct InspectedFile {
    file: String,
    bytes: usize,
    exports: Vec<String>,
    imports: Vec<String>,
    /// The exported hooks and handlers that Edgeward can call.
    roles: Vec<String>,
    /// Why it cannot be a viewer hook, or a worker.
    viewer: String,
    worker: String,
    /// Whether a viewer instance can be restored after a call.
    restorable: Option<String>,
    limits: Vec<ShownLimit>,
}

#[derive(Serialize)]
struct ShownLimit {
    name: &'static str,
    unit: &'static str,
    default: u64,
    maximum: u64,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    if let Some(language) = args.language.runtime {
        let shown = inspected_source(args, language)?;
        if args.json {
            say!("{}", serde_json::to_string_pretty(&shown)?);
        } else {
            print_source(&shown);
        }
        return Ok(());
    }
    let bytes = std::fs::read(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?;
    let inspection = compile::outline(&bytes).with_context(|| source::named(&args.file, Profile::Viewer))?;
    let shown = shown(args, &bytes, inspection);
    if args.json {
        say!("{}", serde_json::to_string_pretty(&shown)?);
    } else {
        print(&shown);
    }
    Ok(())
}

fn shown(args: &Args, bytes: &[u8], inspection: Inspection) -> InspectedFile {
    let examined = [Profile::Viewer, Profile::Worker].map(|profile| compile::examine(bytes, &Limits::defaults(profile)));
    let [viewer, worker] = examined.each_ref().map(|examined| match examined {
        Ok(_) => "yes".to_owned(),
        Err(why) => why.told(),
    });
    // The limits of its intended profile, even if it is refused.
    let is_viewer = viewer == "yes" || (worker != "yes" && inspection.moments.iter().any(|moment| moment.is_viewer()));
    let profile = if is_viewer { Profile::Viewer } else { Profile::Worker };
    let restorable = examined[0].as_ref().ok().map(|note| match &note.unsuitable {
        Some(why) => format!("no, each call takes a new instance: {why}"),
        None => "yes".to_owned(),
    });
    // Invalid bytes fit no profile, whatever they export.
    let is_valid =
        examined.iter().any(|examined| examined.as_ref().err().is_none_or(|why| why.reason() != CompileErrorKind::Invalid));
    let mut roles = hooks(&inspection.moments);
    roles.extend(inspection.http.map(|version| match version {
        HttpVersion::P2 => "wasi:http 0.2 handler".to_owned(),
        HttpVersion::P3 => "wasi:http 0.3 handler".to_owned(),
        HttpVersion::Event => "function (edgeward:function/handler)".to_owned(),
        HttpVersion::Cgi => "CGI program (wasi:cli/run 0.2)".to_owned(),
    }));
    if !is_valid {
        roles.clear();
    }
    InspectedFile {
        file: args.file.display().to_string(),
        bytes: bytes.len(),
        exports: inspection.exports,
        imports: inspection.imports,
        roles,
        viewer,
        worker,
        restorable,
        limits: limits(profile),
    }
}

fn inspected_source(args: &Args, language: Language) -> anyhow::Result<InspectedSource> {
    let text = source::read(&args.file, language)?;
    let workshop = Workshop::open("inspect", args.language.runtimes.found())?;
    let code = workshop.source(language, &args.file, &text);
    let code = code.map_err(|missing| UsageError(missing.told()))?;
    let id = code.id();
    let CodeId::Source { runtime, .. } = &id else { anyhow::bail!("it is a component") };
    let spec = Spec { min_warm: Some(0), ..Spec::new("inspect", id.clone(), Profile::Viewer) };
    let (roles, init) = match workshop.deploy(spec, &code) {
        Ok(revision) => (hooks(revision.moments()), "yes".to_owned()),
        Err(why) => (Vec::new(), why.to_string()),
    };
    Ok(InspectedSource {
        file: args.file.display().to_string(),
        bytes: text.len(),
        runtime: language.name(),
        runtime_digest: runtime.to_string(),
        digest: id.digest().to_string(),
        roles,
        init,
        limits: limits(Profile::Viewer),
    })
}

fn hooks(moments: &[Moment]) -> Vec<String> {
    moments.iter().map(|moment| format!("{} hook", moment.name())).collect()
}

fn limits(profile: Profile) -> Vec<ShownLimit> {
    let shown = |limit: Limit| ShownLimit {
        name: limit.name(),
        unit: limit.unit(),
        default: limit.default(profile),
        maximum: limit.maximum(profile),
    };
    Limit::ALL.map(shown).into()
}

fn bound(value: u64) -> String {
    if value == UNBOUNDED { "none".to_owned() } else { value.to_string() }
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "none".to_owned() } else { items.join("\n            ") }
}

fn print_source(shown: &InspectedSource) {
    say!("{}: {} bytes of {}", shown.file, shown.bytes, shown.runtime);
    say!("digest      {}", shown.digest);
    say!("runtime     {}", shown.runtime_digest);
    say!("can be      {}", list(&shown.roles));
    say!("starts      {}", shown.init.replace('\n', "\n            "));
    print_limits(&shown.limits);
}

fn print(shown: &InspectedFile) {
    say!("{}: {} bytes", shown.file, shown.bytes);
    say!("can be      {}", list(&shown.roles));
    say!("exports     {}", list(&shown.exports));
    say!("imports     {}", list(&shown.imports));
    say!("viewer      {}", shown.viewer);
    say!("worker      {}", shown.worker);
    if let Some(restorable) = &shown.restorable {
        say!("restorable  {restorable}");
    }
    print_limits(&shown.limits);
}

fn print_limits(limits: &[ShownLimit]) {
    say!("\n{:<16}{:>14}{:>14}  unit", "limit", "default", "maximum");
    for limit in limits {
        say!("{:<16}{:>14}{:>14}  {}", limit.name, bound(limit.default), bound(limit.maximum), limit.unit);
    }
}
