//! The binary: an allocator, and the library's command line.

use std::process::ExitCode;

/// Instances and requests come and go on each worker; mimalloc keeps their memory on the thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    edgeward::cli::run(std::env::args_os())
}
