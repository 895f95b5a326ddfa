//! Where logs go, and in which form.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use super::Usage;

/// Wasmtime's WASI writes a line for each request of a guest that fails, and a guest may send as many as it likes: what is
/// worth telling stands in the function's own log.
const DEFAULT: &str = "info,wasmtime_wasi=off,wasmtime_wasi_http=off";

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

/// Logs go to stderr: stdout belongs to the answer of a command.
pub(super) fn start(format: Option<Format>) -> anyhow::Result<()> {
    let terminal = std::io::stderr().is_terminal();
    let filter = match std::env::var("EDGEWARD_LOG") {
        Err(_) => EnvFilter::new(DEFAULT),
        Ok(filter) => EnvFilter::try_new(&filter).map_err(|error| Usage(format!("EDGEWARD_LOG: {error}")))?,
    };
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format.unwrap_or(if terminal { Format::Text } else { Format::Json }) {
        Format::Text => subscriber.with_ansi(terminal).init(),
        Format::Json => subscriber.json().flatten_event(true).with_current_span(false).init(),
    }
    Ok(())
}
