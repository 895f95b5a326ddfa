//! `edgeward deploy`: makes what a SAM template asks for, by the AWS API of a host.
//!
//!     template ──sam::read──► plan ──look──► found ──sam::changes──► changes ──asked──► apply ──► outputs
//!
//! Nothing is changed before all of it has been shown and agreed to. A deployment that fails in its middle leaves what it has
//! done, marked with the tag of its stack: the next one goes on from there.

mod apply;
mod found_roles;
mod look;
mod roles;
mod show;
mod stage;

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use http::Method;
use serde_json::Value;

use super::UsageError;
use super::api::{ApiClient, ApiOptions};
use super::output::say;
use super::template::{self, TemplateFile};
use crate::account::Account;
use crate::limits::lambda::UNRESERVED;
use crate::sam::{self, FoundStack, PlannedChange, Proposal, StackPlan, ThingKey};

/// Deploy a SAM template to a host's AWS API.
///
/// Shows what it would create and change, asks, and does it: functions, layers, roles, aliases, URLs and permissions. A second
/// deployment of the same template changes nothing. What the template does not name any more is kept, unless `--prune` is
/// given. Nothing is built: folders are sent as they are.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  edgeward deploy\n  edgeward deploy template.yaml --stack shop --parameter Stage=prod --yes\n  edgeward deploy .aws-sam/build/template.yaml --stack shop --prune\n\nEnvironment:\n  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY  the keys; else those of the shared credentials file's default profile\n  AWS_ENDPOINT_URL                          where the API is"
)]
pub(super) struct Args {
    /// The template, in YAML or JSON.
    #[arg(default_value = "template.yaml", value_hint = clap::ValueHint::FilePath)]
    template: PathBuf,
    /// What everything of this deployment belongs to [default: the name of the template's folder]
    #[arg(long, value_name = "NAME")]
    stack: Option<String>,
    /// The value of a parameter of the template, such as `Stage=prod`. May be repeated.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = template::parameter)]
    parameters: Vec<(String, String)>,
    /// Change without asking.
    #[arg(long, short)]
    yes: bool,
    /// Show what would be changed, and change nothing.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Delete what belongs to the stack and is not in the template.
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    api: ApiOptions,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let stack = args.stack.clone().unwrap_or_else(|| template::stack_of(&args.template));
    let template = TemplateFile { path: &args.template, stack: &stack, parameters: args.parameters.iter().cloned().collect() };
    let text = template.text()?;
    let read = |account: &Account| template.read(&text, account);
    // Before anybody is asked: what is wrong with the template is so everywhere.
    let guessed = Account::default();
    let plan = read(&guessed)?;
    let mut client = ApiClient::new(&args.api)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let account = client.account().await?;
        let plan = if account == guessed { plan } else { read(&account)? };
        deploy(args, &plan, &account, &mut client).await
    })
}

async fn deploy(args: &Args, plan: &StackPlan, account: &Account, client: &mut ApiClient) -> anyhow::Result<()> {
    let mut found = look::look(client, plan, account).await?;
    let mut changes = sam::changes(plan, &found).map_err(|taken| anyhow::anyhow!("{}", taken.join("\nerror: ")))?;
    say!("Stack {} at {} (account {}, {})\n", plan.stack, client.endpoint, account.id, account.region);
    show::changes(plan, &changes, args.prune);
    plan.warnings.iter().for_each(|warning| say!("{warning}"));
    if let Some(warning) = shortage(client, plan, &found).await? {
        say!("warning: {warning}");
    }
    changes.retain(|change| args.prune || change.proposal != Proposal::Remove);
    if changes.iter().all(|change| change.proposal == Proposal::Keep) {
        say!("\nNothing to change.");
    } else if args.dry_run {
        say!("\nNothing was changed: --dry-run.");
        return Ok(());
    } else {
        agreed(args)?;
        apply_all(client, plan, account, &mut found, &changes).await?;
    }
    show::outputs(plan, &found);
    Ok(())
}

fn agreed(args: &Args) -> anyhow::Result<()> {
    if args.yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(UsageError(
            "nothing was changed: stdin is no terminal to ask; pass `--yes`, or `--dry-run` to look only".to_owned(),
        )
        .into());
    }
    print!("\nMake these changes? [y/N] ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    anyhow::bail!("nothing was changed")
}

async fn apply_all(
    client: &mut ApiClient,
    plan: &StackPlan,
    account: &Account,
    found: &mut FoundStack,
    changes: &[PlannedChange],
) -> anyhow::Result<()> {
    say!("");
    let mut stage = stage::Stage { client, plan, account, known: std::mem::take(&mut found.known) };
    let wanted = changes.iter().filter(|change| change.proposal != Proposal::Keep);
    for (n_done, change) in wanted.enumerate() {
        let there = found.things.get(&change.key);
        let done = apply::apply(&mut stage, change, there).await;
        done.with_context(|| {
            let rest = if n_done == 0 { "nothing else was changed" } else { "what stands above is done" };
            format!("{}: {rest}; deploy again to go on", change.key.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
        })?;
        say!("{} {}", show::done(&change.proposal), change.key);
    }
    found.known = stage.known;
    Ok(())
}

/// Whether what is reserved leaves too little for the functions that reserve nothing.
async fn shortage(client: &mut ApiClient, plan: &StackPlan, found: &FoundStack) -> anyhow::Result<Option<String>> {
    let reserved = |members: Option<&BTreeMap<&'static str, Value>>| {
        members.and_then(|members| members.get("ReservedConcurrentExecutions")?.as_i64()).unwrap_or(0)
    };
    let more: i64 = plan
        .things
        .iter()
        .filter(|thing| matches!(thing.key, ThingKey::Function(_)))
        .map(|thing| reserved(Some(&thing.members)) - reserved(found.things.get(&thing.key).map(|there| &there.members)))
        .sum();
    if more <= 0 {
        return Ok(None);
    }
    let settings = client.lambda("GetAccountSettings", Method::GET, "/2016-08-19/account-settings", "", &Value::Null).await??;
    let left = settings["AccountLimit"]["UnreservedConcurrentExecutions"].as_i64().unwrap_or(0) - more;
    Ok((left < i64::from(UNRESERVED)).then(|| {
        format!("the reserved concurrency leaves {left} for all functions that reserve none, and the host keeps {UNRESERVED} for them: it will refuse")
    }))
}
