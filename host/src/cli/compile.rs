//! `edgeward compile`: the process that the edge starts to compile a component. Not for people.

use std::process::exit;

use super::FAILED;
use crate::wasm::compile;

/// Compile one component; started by `serve`, `test` and `bench`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The job, as JSON.
    job: String,
}

/// Reads the component from stdin, writes the result to stdout and messages to stderr.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    if compile::serve(&args.job)? {
        return Ok(());
    }
    // The error has been printed.
    exit(i32::from(FAILED))
}
