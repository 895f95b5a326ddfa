//! `edgeward check`: everything that can be wrong, without serving.

use std::path::PathBuf;

use serde_json::json;

use super::Usage;
use super::output::say;
use crate::config::{self, Config, ConfigErrors, Loaded};
use crate::host::wrong_roles;
use crate::net::TlsSlot;
use crate::wasm::compile;

/// Check a configuration and the files that it names, and report every error at once.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  edgeward check\n  edgeward check sites/edge.toml --json | jq .errors\n\nExit code: 0 when nothing is wrong, 64 otherwise."
)]
pub(super) struct Args {
    /// The configuration.
    #[arg(default_value = "edge.toml")]
    file: PathBuf,
    /// As JSON, on stdout.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let file = args.file.display();
    match config::load(&args.file) {
        Err(errors) if args.json => {
            say!("{:#}", json!({ "ok": false, "file": errors.file, "errors": errors.errors, "omitted": errors.omitted }));
            Err(Usage(String::new()).into())
        }
        Err(errors) => Err(ConfigErrors::into(errors)),
        Ok(Loaded { config, warnings, .. }) => {
            let errors = deep(&config);
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
                return Err(Usage(String::new()).into());
            }
            if !args.json {
                say!("{file}: {}", summary(&config));
            }
            Ok(())
        }
    }
}

/// What is wrong inside the files: components that cannot do what they are used for, certificates.
fn deep(config: &Config) -> Vec<String> {
    let mut errors = Vec::new();
    let mut exports = std::collections::BTreeMap::new();
    for (name, function) in &config.functions {
        let checked = std::fs::read(&function.component).map_err(anyhow::Error::from).and_then(|bytes| {
            let inspection = compile::inspect(&compile::adapted(&bytes)?)?;
            inspection.check(function.profile)?;
            Ok((inspection.moments, inspection.http.is_some()))
        });
        match checked {
            Ok(found) => drop(exports.insert(name.as_str(), found)),
            Err(error) => errors.push(format!("function `{name}` ({}): {error:#}", function.component.display())),
        }
    }
    errors.extend(wrong_roles(config, |name| exports.get(name).cloned()).iter().map(ToString::to_string));
    if !config.server.certificates.is_empty() {
        errors.extend(TlsSlot::load(&config.server.certificates).err().map(|error| error.to_string()));
    }
    errors
}

fn summary(config: &Config) -> String {
    let count = |n: usize, noun: &str| format!("{n} {noun}{}", if n == 1 { "" } else { "s" });
    let parts = [
        count(config.sites.len(), "site"),
        count(config.sites.iter().map(|site| site.behaviors.len()).sum(), "behavior"),
        count(config.origins.len() + config.origin_groups.len(), "origin"),
        count(config.functions.len(), "function"),
    ];
    format!("ok, {}", parts.join(", "))
}
