//! What was probably meant by a command that there is not.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Other programs' words, and ours.
const LIKELY: [(&[&str], &str); 8] = [
    (&["purge", "invalidate", "flush", "ban", "clear"], "stored responses are purged by `edgeward cache purge`"),
    (&["stats", "lookup"], "the cache is asked by `edgeward cache stats` and `edgeward cache lookup`"),
    (&["run", "start", "up", "server", "daemon"], "`edgeward serve` serves"),
    (
        &["validate", "lint", "verify", "config", "configtest"],
        "`edgeward check` tells everything that is wrong with a configuration",
    ),
    (
        &["reload", "restart"],
        "a running edge reads a changed configuration by itself, and at SIGHUP; `edgeward serve --replace` takes over from it",
    ),
    (&["stop", "drain", "quit", "shutdown"], "a running edge drains and ends at SIGTERM, or at POST /drain on its admin port"),
    (&["new", "create", "setup", "config-init"], "`edgeward init` writes a configuration to begin with"),
    (&["status", "health", "ready"], "the admin port answers GET /readyz and /metrics"),
];

/// Adds a hint to an error about a command that is unknown.
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

/// An option of `serve`, before or without it.
fn of_option(written: &str) -> Option<String> {
    matches!(written, "-c" | "--config" | "--replace").then(|| format!("a command comes first: `edgeward serve {written}`"))
}
