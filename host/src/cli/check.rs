//! `edgeward check`: finds every error without serving.

mod resolve;

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::UsageError;
use super::configuration::ConfigFile;
use super::output::{count, say};
use super::source::{RuntimesOption, Workshop};
use crate::config::{self, Certificate, Config, ConfigErrors, Fault, Function, Judges, Loaded};
use crate::function::build::DeployError;
use crate::host::wrong_roles;
use crate::limits::Limits;
use crate::net::TlsSlot;
use crate::runtime::{PackageError, check_package};
use crate::wasm::compile::{self, CompileError, Inspection};

/// Check a configuration and the files that it names, and report every error at once.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  edgeward check\n  edgeward check sites/edge.toml --json | jq .errors\n\nExit code: 0 when nothing is wrong, 64 otherwise."
)]
pub(super) struct Args {
    #[command(flatten)]
    file: ConfigFile,
    /// Print JSON on stdout.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    runtimes: RuntimesOption,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let path = args.file.path()?;
    let file = path.display();
    let components = RefCell::default();
    let workshop = OnceCell::new();
    let judges = Judges {
        component: &|path, limits| component(&components, path, limits),
        source: &|function| source(&components, &workshop, &args.runtimes, function),
        layer: &layer,
        certificate: &certificate,
    };
    match config::load_judged(path, Some(&judges)) {
        Err(errors) if args.json => {
            say!("{:#}", json!({ "ok": false, "file": errors.file, "errors": errors.errors, "omitted": errors.omitted }));
            Err(UsageError(String::new()).into())
        }
        Err(errors) => Err(ConfigErrors::into(errors)),
        Ok(Loaded { config, mut warnings, .. }) => {
            warnings.extend(resolve::unresolved(&config));
            let components = components.take();
            let inspected = |name: &str| components.get(config.functions.get(name)?.code.file());
            let errors: Vec<String> = wrong_roles(&config, inspected).iter().map(ToString::to_string).collect();
            if args.json {
                let errors: Vec<_> =
                    errors.iter().map(|message| json!({ "message": message, "remedy": "", "place": null })).collect();
                say!(
                    "{:#}",
                    json!({ "ok": errors.is_empty(), "file": file.to_string(), "errors": errors, "omitted": 0, "warnings": warnings })
                );
            } else {
                warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
                errors.iter().for_each(|error| eprintln!("error: {error}"));
            }
            if !errors.is_empty() {
                return Err(UsageError(String::new()).into());
            }
            if !args.json {
                say!("{file}: {}", summary(&config));
            }
            Ok(())
        }
    }
}

/// What the valid components can be used for.
type Components = BTreeMap<PathBuf, Inspection>;

/// Checks a component as `serve` does, except for compiling it.
fn component(components: &RefCell<Components>, path: &Path, limits: &Limits) -> Vec<Fault> {
    let examined = std::fs::read(path)
        .map_err(|error| vec![Fault { message: format!("cannot be read: {error}"), remedy: String::new() }])
        .and_then(|bytes| compile::examine(&bytes, limits).map_err(faults));
    match examined {
        Ok(note) => {
            components.borrow_mut().insert(path.to_owned(), note.inspection);
            Vec::new()
        }
        Err(faults) => faults,
    }
}

/// Deploys a source as `serve` does: what is wrong with it shows when it is run. The first one compiles the Runtime.
fn source(
    components: &RefCell<Components>,
    workshop: &OnceCell<Result<Workshop, String>>,
    runtimes: &RuntimesOption,
    function: &Function,
) -> Vec<Fault> {
    let fault = |message: String, remedy: String| vec![Fault { message, remedy }];
    let opened = workshop.get_or_init(|| Workshop::open("check", runtimes.found()).map_err(|error| format!("{error:#}")));
    let workshop = match opened {
        Ok(workshop) => workshop,
        Err(error) => return fault(format!("it cannot be tried: {error}"), String::new()),
    };
    match workshop.publish(function) {
        Ok(revision) => {
            components.borrow_mut().insert(function.code.file().to_owned(), revision.inspection().clone());
            Vec::new()
        }
        Err(DeployError::Runtime(missing)) => fault(missing.to_string(), missing.remedy()),
        Err(error) => fault(error.to_string(), String::new()),
    }
}

/// Reads a layer as a deployment would.
fn layer(path: &Path) -> Vec<Fault> {
    let fault = |error: PackageError| Fault { message: format!("the layer cannot be used: {error}"), remedy: String::new() };
    check_package(path).err().map(fault).into_iter().collect()
}

fn faults(error: CompileError) -> Vec<Fault> {
    match error {
        CompileError::Several(errors) => errors.into_iter().flat_map(faults).collect(),
        error => vec![Fault { message: error.to_string(), remedy: error.remedy() }],
    }
}

fn certificate(certificate: &Certificate) -> Vec<Fault> {
    let loaded = TlsSlot::load(std::slice::from_ref(certificate));
    loaded.err().map(|error| Fault { message: error.to_string(), remedy: String::new() }).into_iter().collect()
}

fn summary(config: &Config) -> String {
    let parts = [
        count(config.sites.len(), "site"),
        count(config.sites.iter().map(|site| site.behaviors.len()).sum(), "behavior"),
        count(config.origins.len() + config.origin_groups.len(), "origin"),
        count(config.functions.len(), "function"),
    ];
    format!("ok, {}", parts.join(", "))
}
