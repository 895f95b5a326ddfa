//! `edgeward compile`: what the edge starts for each component that it has to compile. Not for people.

use std::process::exit;

use super::FAILED;
use crate::wasm::compile;

/// Compile one component; started by `serve`, `test` and `bench`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What is to be done, as JSON.
    job: String,
}

/// The component is standard input; what it becomes goes to standard output, and what is to be said to standard error.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    if compile::serve(&args.job)? {
        return Ok(());
    }
    // It has been said.
    exit(i32::from(FAILED))
}
