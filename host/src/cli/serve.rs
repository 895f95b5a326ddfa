//! `edgeward serve`: run the edge until a signal ends it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::exit;

use tokio::signal::unix::{SignalKind, signal};

use super::FAILED;
use super::configuration::ConfigFile;
use super::source::RuntimesOption;
use crate::config;
use crate::host::{Asked, Drain, Host, Launch, Notifier, Passed};
use crate::wasm::compile::Compiler;

/// Serve the sites of a configuration.
///
/// Reloads when the configuration, or a file that it names, changes, without losing a request. SIGHUP reloads too; SIGTERM and
/// SIGINT end the program when the open requests have been answered.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  edgeward serve\n  edgeward serve --api 127.0.0.1:9000 --data-dir /var/lib/edgeward\n  EDGEWARD_LOG=debug edgeward serve sites/edge.toml"
)]
pub(super) struct Args {
    #[command(flatten)]
    file: ConfigFile,
    /// Serve the AWS APIs on this address, and nothing else: no configuration is read.
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["file", "config"])]
    api: Option<SocketAddr>,
    /// With `--api`, where functions, logs and credentials are kept [default: edgeward-data]
    #[arg(long, value_name = "DIR", requires = "api", value_hint = clap::ValueHint::DirPath)]
    data_dir: Option<PathBuf>,
    /// With `--api`, a folder of buckets: functions may be made of `DIR/BUCKET/KEY`, as of S3.
    #[arg(long, value_name = "DIR", requires = "api", value_hint = clap::ValueHint::DirPath)]
    api_buckets: Option<PathBuf>,
    /// With `--api`, a folder below which the code of functions may be that is reloaded when it changes; may be given again.
    #[arg(long, value_name = "DIR", requires = "api", value_hint = clap::ValueHint::DirPath)]
    api_hot_reload: Vec<PathBuf>,
    /// With `--api`, let the command `queue advance` move the clock of events, to try out in a moment what would take days.
    #[arg(long, requires = "api")]
    movable_clock: bool,
    /// Take over from a running edge with the same data folder: it stops when this one is ready.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    runtimes: RuntimesOption,
    /// End with the process that has started this one.
    #[arg(long, hide = true)]
    with_parent: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    if args.with_parent {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
    }
    // No other threads exist yet.
    let launch = Launch {
        passed: Passed::from_environment()?,
        notifier: Notifier::from_environment()?,
        replace: args.replace,
        runtimes: args.runtimes.folder.clone(),
    };
    // First, since until then a signal ends the process.
    let (asked, ear) = Asked::new();
    obey_signals(asked.clone())?;
    let (path, loaded) = match args.api {
        None => {
            let path = args.file.path()?;
            (path.to_owned(), config::load(path)?)
        }
        Some(api) => {
            let data_dir = args.data_dir.clone().unwrap_or_else(|| PathBuf::from("edgeward-data"));
            // Where a configuration would be, for whoever asks for a reload.
            let path = data_dir.join("edge.toml");
            let mut loaded = config::api_only(api, data_dir)?;
            loaded.config.server.api_buckets.clone_from(&args.api_buckets);
            loaded.config.server.api_hot_reload.clone_from(&args.api_hot_reload);
            loaded.config.server.api_movable_clock = args.movable_clock;
            (path, loaded)
        }
    };
    let host = Host::start(path, loaded, Compiler::this_program(), asked, ear, launch)?;
    host.wait()
}

/// Runs on a thread that ends with the process.
fn obey_signals(host: Asked) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut terminate, mut interrupt, mut hangup) = {
        let _entered = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?)
    };
    let obey = async move {
        let mut signalled = false;
        loop {
            tokio::select! {
                _ = hangup.recv() => {
                    host.reload();
                    continue;
                }
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if signalled {
                // The second signal ends the process without waiting.
                exit(i32::from(FAILED));
            }
            signalled = true;
            if host.drain() == Drain::Nothing {
                tracing::info!("asked to end before anything was served");
                exit(0);
            }
        }
    };
    std::thread::Builder::new().name("edgeward-signals".to_owned()).spawn(move || runtime.block_on(obey))?;
    Ok(())
}
