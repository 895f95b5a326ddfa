//! Shows a plan: what is created, changed member by member, kept and removed; then the outputs.

use serde_json::Value;

use crate::cli::output::say;
use crate::sam::{Difference, FoundStack, PlannedChange, Proposal, StackPlan, ThingKey, is_open, later_told, told};

pub(super) fn changes(plan: &StackPlan, changes: &[PlannedChange], prune: bool) {
    for change in changes {
        match &change.proposal {
            Proposal::Create => say!("+ {}{}", change.key, about(plan, &change.key)),
            Proposal::Update(differences) => {
                say!("~ {}", change.key);
                differences.iter().for_each(|difference| say!("    {}", changed(plan, difference)));
            }
            Proposal::Keep => say!("= {}", change.key),
            Proposal::Remove if prune => say!("- {}", change.key),
            Proposal::Remove => say!("? {} is not in the template; --prune deletes it", change.key),
        }
    }
    let count = |wanted: fn(&Proposal) -> bool| changes.iter().filter(|change| wanted(&change.proposal)).count();
    let [create, update, keep, remove] = [
        count(|proposal| *proposal == Proposal::Create),
        count(|proposal| matches!(proposal, Proposal::Update(_))),
        count(|proposal| *proposal == Proposal::Keep),
        count(|proposal| *proposal == Proposal::Remove),
    ];
    let removed = if prune { "to delete" } else { "left over" };
    say!("\n{create} to create, {update} to update, {keep} unchanged, {remove} {removed}");
}

fn about(plan: &StackPlan, key: &ThingKey) -> String {
    let Some(thing) = plan.things.iter().find(|thing| thing.key == *key) else { return String::new() };
    let member = |name: &str| thing.members.get(name).map(told).unwrap_or_default();
    match key {
        ThingKey::Function(_) => {
            format!(
                "  {}, {} MB, {} s, {}",
                member("Runtime"),
                member("MemorySize"),
                member("Timeout"),
                archive(plan, thing.members.get("CodeSha256"))
            )
        }
        ThingKey::Layer(_) => format!("  {}", archive(plan, thing.members.get("CodeSha256"))),
        ThingKey::Url { .. } => format!("  {}", member("AuthType")),
        ThingKey::Permission { .. } => format!("  {} may {}", member("Principal"), member("Action")),
        ThingKey::Role(_) | ThingKey::Alias { .. } | ThingKey::Provisioned { .. } | ThingKey::EventInvoke { .. } => String::new(),
    }
}

fn archive(plan: &StackPlan, sha256: Option<&Value>) -> String {
    let archive = sha256.and_then(Value::as_str).and_then(|sha256| plan.archives.get(sha256));
    archive.map_or_else(String::new, |archive| {
        let files = if archive.files == 1 { "1 file".to_owned() } else { format!("{} files", archive.files) };
        format!("{files} in {} bytes", archive.bytes.len())
    })
}

/// A member before and after; not what may be secret.
fn changed(plan: &StackPlan, difference: &Difference) -> String {
    let Difference { member, before, after } = difference;
    let name = member.strip_prefix("Version.").unwrap_or(member);
    if name == "CodeSha256" {
        return format!("code: {}", archive(plan, after.as_ref()));
    }
    let is_hidden = name.starts_with("Environment.") || name.ends_with("Document") || name.starts_with("Policies.");
    let what = match (before, after) {
        (None, Some(_)) => "added",
        (Some(_), None) => "removed",
        _ => "changed",
    };
    if is_hidden {
        return format!("{name}: {what}");
    }
    let shown = |value: &Option<Value>| match value {
        None | Some(Value::Null) => "(none)".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "(none)".to_owned(),
        Some(value) if is_open(value) => "(known after the deployment)".to_owned(),
        Some(value) if plan.secrets.iter().any(|secret| told(value).contains(secret.as_str())) => "****".to_owned(),
        Some(value) => told(value),
    };
    if let (Some(Value::Array(old)), Some(Value::Array(new))) = (before, after) {
        let only = |of: &[Value], not: &[Value], sign: &str| {
            let values = of.iter().filter(|value| !not.contains(value));
            values.map(|value| format!(" {sign}{}", shown(&Some(value.clone())))).collect::<String>()
        };
        let (gone, added) = (only(old, new, "-"), only(new, old, "+"));
        return if gone.is_empty() && added.is_empty() {
            format!("{name}: in another order")
        } else {
            format!("{name}:{gone}{added}")
        };
    }
    format!("{name}: {} → {}", shown(before), shown(after))
}

pub(super) fn done(proposal: &Proposal) -> &'static str {
    match proposal {
        Proposal::Create => "created",
        Proposal::Update(_) => "updated",
        Proposal::Keep => "kept   ",
        Proposal::Remove => "deleted",
    }
}

pub(super) fn outputs(plan: &StackPlan, found: &FoundStack) {
    if !plan.outputs.is_empty() {
        say!("\nOutputs:");
    }
    for output in &plan.outputs {
        let value = told_whole(&later_told(&output.value, &found.known));
        let description = if output.description.is_empty() { String::new() } else { format!("  ({})", output.description) };
        say!("  {} = {value}{description}", output.name);
    }
    let urls = found.known.iter().filter_map(|(mark, url)| Some((mark.trim_matches('\0').strip_prefix("url:")?, url)));
    for (function, url) in urls {
        say!("  {} answers at {url}", function.trim_end_matches(':'));
    }
    if !plan.edge.is_empty() {
        say!("\nThe edge serves the events of APIs. In edge.toml:\n");
        say!("{}", plan.edge.trim_end());
    }
}

fn told_whole(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
