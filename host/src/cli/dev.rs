//! `edgeward dev`: builds, serves, and builds again when a source is saved.
//!
//!     dev ── build ──► component ◄── watched ── edgeward serve (a process of its own)
//!      ▲                                            │ access log
//!      └─ a source or the configuration changes     └──► one line for each request
//!
//! What is served is served as in production: by `edgeward serve`, which reloads a component that was replaced. A build that
//! fails leaves the last component in force. I end when the edge ends, and the edge ends with me.

mod requests;
mod sources;

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

use super::build;
use super::configuration::ConfigFile;
use super::output::say;
use crate::config::{self, Build};
use sources::WatchedSources;

/// Build and serve a project, and do both again when a source changes.
///
/// Prints one line for each request, and the log. What a build replaces is reloaded without losing a request; a build that
/// fails leaves the last component in force.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  edgeward dev\n  EDGEWARD_LOG=debug edgeward dev -c project/edge.toml")]
pub(super) struct Args {
    #[command(flatten)]
    file: ConfigFile,
}

/// What happens meanwhile.
enum DevEvent {
    /// In a folder of sources.
    Touched,
    /// The edge has ended.
    Ended,
    /// A signal asks to end.
    Asked,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let path = args.file.path()?;
    let (events, happened) = mpsc::channel();
    hear_signals(events.clone())?;
    // A function may need no build: the edge reloads its source by itself.
    let builds = config::builds(path)?;
    let mut sources = {
        let events = events.clone();
        // The other end goes with the program.
        WatchedSources::watch(path, &builds, move || drop(events.send(DevEvent::Touched)))?
    };
    let mut edge = None;
    let mut due = builds;
    loop {
        let built = due.iter().all(built);
        if edge.is_none() && built {
            edge = Some(ServingProcess::start(path, events.clone())?);
        }
        due = loop {
            match next(&happened)? {
                DevEvent::Touched => {}
                DevEvent::Ended => bail!("the edge has ended"),
                DevEvent::Asked => return edge.map_or(Ok(()), ServingProcess::end),
            }
            let changed = sources.changed();
            if changed.is_empty() {
                continue;
            }
            match config::builds(path) {
                Ok(builds) => {
                    sources.follow(&builds);
                    // A first build that failed is tried as a whole.
                    let all = edge.is_none() || changed.iter().any(|file| file == path);
                    break builds
                        .into_iter()
                        .filter(|build| {
                            all || build.sources.iter().any(|source| changed.iter().any(|file| file.starts_with(source)))
                        })
                        .collect();
                }
                Err(error) => eprintln!("{error:#}"),
            }
        };
    }
}

/// An error of a build is the author's to correct: it is printed.
fn built(build: &Build) -> bool {
    build::make(build).inspect_err(|error| eprintln!("error: {error:#}")).is_ok()
}

/// The next event; of those that come together, as when an editor saves a file in steps, the last counts.
fn next(happened: &Receiver<DevEvent>) -> anyhow::Result<DevEvent> {
    let mut event = happened.recv().context("nobody watches any more")?;
    while matches!(event, DevEvent::Touched) {
        match happened.recv_timeout(sources::QUIET) {
            Ok(more) => event = more,
            Err(_) => break,
        }
    }
    Ok(event)
}

fn hear_signals(events: Sender<DevEvent>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut terminate, mut interrupt) = {
        let _entered = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    let hear = async move {
        let mut asked = false;
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            // A second signal does not wait for open requests; the edge ends with this process.
            if asked || events.send(DevEvent::Asked).is_err() {
                std::process::exit(i32::from(super::FAILED));
            }
            asked = true;
        }
    };
    std::thread::Builder::new().name("edgeward-signals".to_owned()).spawn(move || runtime.block_on(hear))?;
    Ok(())
}

/// The edge, in a process and a process group of its own: Ctrl-C reaches it through me.
struct ServingProcess(Child);

impl ServingProcess {
    fn start(path: &Path, events: Sender<DevEvent>) -> anyhow::Result<ServingProcess> {
        let program = PathBuf::from("/proc/self/exe");
        let mut child = Command::new(program)
            .arg0("edgeward")
            .args(["--log", "text", "serve", "--with-parent", "-c"])
            .arg(path)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the edge")?;
        let log = child.stdout.take().context("the edge has no output")?;
        let print = move || {
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                say!("{}", requests::line(&line));
            }
            // The access log ends with the edge.
            let _ = events.send(DevEvent::Ended);
        };
        std::thread::Builder::new().name("edgeward-requests".to_owned()).spawn(print)?;
        Ok(ServingProcess(child))
    }

    /// Lets open requests finish.
    fn end(mut self) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.0), Signal::TERM).context("cannot end the edge")?;
        let status = self.0.wait().context("cannot wait for the edge")?;
        if status.success() { Ok(()) } else { bail!("the edge ended with {status}") }
    }
}

impl Drop for ServingProcess {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
