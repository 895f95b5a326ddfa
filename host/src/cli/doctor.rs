//! `edgeward doctor`: what is allowed of functions and probably not meant, on a host, in a template, or between sites and functions.
//!
//!     host ──examine──► functions ──advice──► findings ──► text or JSON
//!     template ──sam::read──► warnings ──────────┘
//!     edge.toml ──config::load──► warnings, origins ──┘

mod finding;
mod host;
mod sites;

use std::path::{Path, PathBuf};

use serde_json::json;

use self::finding::Finding;
use self::host::Examination;
use super::FAILED;
use super::api::{ApiClient, ApiOptions};
use super::output::{count, say};
use super::template::{self, TemplateFile};
use crate::account::Account;
use crate::advice::{Severity, Trap};
use crate::config;

/// Look for what is allowed and probably not meant: timeouts, secrets, lost events, concurrency, permissions.
///
/// Without a file, all functions of a host are looked at. A SAM template is read as `deploy` reads it, and no host is asked; with a
/// configuration, the functions behind its origins are looked at, too.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  edgeward doctor\n  edgeward doctor edge.toml\n  edgeward doctor template.yaml --parameter Stage=prod\n  edgeward doctor --json | jq '.findings[] | select(.trap == \"secret\")'\n\nExit code: 0 when there is no warning, 1 otherwise; notes do not count."
)]
pub(super) struct Args {
    /// A SAM template (.yaml, .yml, .json) or a configuration (.toml) [default: only the host is looked at]
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// The stack of a template [default: the name of the template's folder]
    #[arg(long, value_name = "NAME")]
    stack: Option<String>,
    /// The value of a parameter of a template, such as `Stage=prod`. May be repeated.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = template::parameter)]
    parameters: Vec<(String, String)>,
    /// Print JSON on stdout.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    api: ApiOptions,
}

/// What was found, and a word on what was looked at.
struct Diagnosis {
    findings: Vec<Finding>,
    about: String,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let Diagnosis { findings, about } = match &args.file {
        None => host(args)?,
        Some(file) if file.extension().is_some_and(|extension| extension == "toml") => configuration(args, file)?,
        Some(file) => of_template(args, file)?,
    };
    let warnings = findings.iter().filter(|finding| finding.severity == Severity::Warning).count();
    if args.json {
        say!("{:#}", json!({ "ok": warnings == 0, "looked_at": about, "findings": findings }));
    } else {
        findings.iter().for_each(show);
        let notes = findings.len() - warnings;
        say!("{about}: {}, {}", count(warnings, "warning"), count(notes, "note"));
    }
    if warnings == 0 { Ok(()) } else { std::process::exit(i32::from(FAILED)) }
}

fn show(finding: &Finding) {
    let severity = finding.severity.name();
    let place = finding.place.as_ref().map(|place| format!(" ({}:{}:{})", place.file, place.line, place.column));
    say!("{severity}: {}{}", finding.message, place.unwrap_or_default());
    if let Some(remedy) = &finding.remedy {
        say!("{:width$}{remedy}", "", width = severity.len() + 2);
    }
}

fn host(args: &Args) -> anyhow::Result<Diagnosis> {
    let examination = examined(ApiClient::new(&args.api)?)?;
    Ok(Diagnosis { findings: examination.findings, about: examination.about })
}

fn examined(client: ApiClient) -> anyhow::Result<Examination> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(host::examine(client))
}

fn configuration(args: &Args, file: &Path) -> anyhow::Result<Diagnosis> {
    let loaded = config::load(file)?;
    let mut findings: Vec<Finding> =
        loaded.warnings.into_iter().map(|message| Finding::warning(Trap::File, message, None)).collect();
    let about = file.display().to_string();
    let Some(address) = loaded.config.server.api else { return Ok(Diagnosis { findings, about }) };
    let api = args.api.clone().or_at(&format!("http://{address}"));
    let examination = examined(ApiClient::new(&api)?)?;
    findings.extend(sites::examine(&loaded.config, &examination.functions));
    findings.extend(examination.findings);
    Ok(Diagnosis { findings, about: format!("{about}, {}", examination.about) })
}

fn of_template(args: &Args, file: &Path) -> anyhow::Result<Diagnosis> {
    let stack = args.stack.clone().unwrap_or_else(|| template::stack_of(file));
    let template = TemplateFile { path: file, stack: &stack, parameters: args.parameters.iter().cloned().collect() };
    let plan = template.read(&template.text()?, &Account::default())?;
    let findings = plan.warnings.into_iter().map(|warning| Finding::warning(warning.trap, warning.message, Some(warning.place)));
    Ok(Diagnosis { findings: findings.collect(), about: file.display().to_string() })
}
