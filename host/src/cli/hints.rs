//! Suggestions for unknown commands.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Commands of other programs, and ours.
const LIKELY: [(&[&str], &str); 10] = [
    (&["purge", "invalidate", "flush", "ban", "clear"], "`edgeward cache purge` purges stored responses"),
    (&["stats", "lookup"], "`edgeward cache stats` and `edgeward cache lookup` show the cache"),
    (&["run", "start", "up", "server", "daemon"], "`edgeward serve` serves"),
    (&["validate", "lint", "verify", "config", "configtest"], "`edgeward check` reports every error of a configuration"),
    (
        &["reload", "restart"],
        "a running edge reloads a changed configuration by itself, and on SIGHUP; `edgeward serve --replace` takes over from it",
    ),
    (&["stop", "drain", "quit", "shutdown"], "a running edge drains and ends on SIGTERM, or on POST /drain to its admin port"),
    (&["create", "scaffold", "generate"], "`edgeward new` writes a project, `edgeward init` a first configuration"),
    (&["setup", "config-init"], "`edgeward init` writes a first configuration"),
    (&["watch", "develop"], "`edgeward dev` builds and serves a project"),
    (&["status", "health", "ready"], "the admin port serves GET /readyz and /metrics"),
];

/// Adds a hint to the error about an unknown command.
pub(super) fn hint(mut error: clap::Error) -> clap::Error {
    let (kind, hint) = match error.kind() {
        ErrorKind::InvalidSubcommand => (ContextKind::InvalidSubcommand, of_command as fn(&str) -> Option<String>),
        ErrorKind::UnknownArgument => (ContextKind::InvalidArg, of_option as fn(&str) -> Option<String>),
        _ => return error,
    };
    let Some(ContextValue::String(written)) = error.get(kind) else { return error };
    let Some(hint) = hint(written) else { return error };
    error.remove(ContextKind::SuggestedSubcommand);
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(hint)]));
    error
}

fn of_command(written: &str) -> Option<String> {
    if written.ends_with(".toml") {
        return Some(format!("a command comes first: `edgeward serve {written}`"));
    }
    let (_, hint) = LIKELY.iter().find(|(words, _)| words.contains(&written))?;
    Some((*hint).to_owned())
}

/// An option of `serve` that was given without or before `serve`.
fn of_option(written: &str) -> Option<String> {
    matches!(written, "-c" | "--config" | "--replace").then(|| format!("a command comes first: `edgeward serve {written}`"))
}
