//! I notice that a file has changed, and replace the snapshot if everything in the new one is right.
//!
//!     event, SIGHUP ─► quiet for 100 ms ─► changed? ─► load, deploy, certificates ─► swap
//!                                                          └── wrong: say why, keep the old one
//!
//! Folders are watched, not files: editors and deployments rename a new file over the old one, and a
//! mounted ConfigMap swaps a link. What counts is whether a file that was read looks different. All of it
//! happens on a thread of its own; workers only ever load a pointer.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::Shared;
use super::api;
use super::changes::{self, listed};
use super::shared_functions;
use super::snapshot::Snapshot;
use crate::config::{self, InputSnapshot, Loaded, Server};
use crate::function::revision::Revision;
use crate::limits::reload;
use crate::telemetry::ReloadResult;

const QUIET: Duration = Duration::from_millis(reload::QUIET_MS);
const QUIET_MAX: Duration = Duration::from_millis(reload::QUIET_MS_MAX);
const RETIRED_POLL: Duration = Duration::from_millis(reload::RETIRED_POLL_MS);

pub(super) enum Cause {
    /// Something happened in a watched folder.
    Event,
    /// Somebody wants it: SIGHUP.
    Asked,
}

/// How the files looked when they were read, and which have changed since what is in force was.
pub(super) struct Changes {
    seen: InputSnapshot,
    changed: BTreeSet<PathBuf>,
}

impl Changes {
    pub(super) fn since(seen: InputSnapshot) -> Changes {
        Changes { seen, changed: BTreeSet::new() }
    }

    /// Whether any file looks different; remembers how it looks now.
    fn any(&mut self) -> bool {
        let now = self.seen.changed();
        let any = !now.is_empty();
        self.changed.extend(now);
        any
    }
}

pub(super) fn start(
    path: PathBuf,
    changes: Changes,
    shared: Arc<Shared>,
    events: Sender<Cause>,
    causes: Receiver<Cause>,
) -> anyhow::Result<()> {
    let first = events.clone();
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading a file is no change, and we read them ourselves.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            let _ = events.send(Cause::Event);
        }
    })
    .context("cannot watch files")?;
    let mut reloader = Reloader { path, changes, shared, watcher, watched: BTreeSet::new(), retired: Vec::new() };
    reloader.watch();
    // Whatever has changed while the first deployment went on, unwatched.
    let _ = first.send(Cause::Event);
    std::thread::Builder::new().name("edgeward-reload".to_owned()).spawn(move || reloader.run(&causes))?;
    Ok(())
}

struct Reloader {
    path: PathBuf,
    changes: Changes,
    shared: Arc<Shared>,
    watcher: RecommendedWatcher,
    watched: BTreeSet<PathBuf>,
    retired: Vec<Retired>,
}

/// What was replaced, and requests or calls may still hold: dropped here, since dropping instances is slow.
struct Retired {
    snapshot: Option<Arc<Snapshot>>,
    /// Of its revisions those that its successor has not.
    revisions: Vec<Arc<Revision>>,
}

impl Reloader {
    /// Ends with the process.
    fn run(mut self, causes: &Receiver<Cause>) {
        loop {
            let cause = if self.retired.is_empty() {
                causes.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                causes.recv_timeout(RETIRED_POLL)
            };
            match cause {
                Ok(cause) => {
                    let asked = quiet(causes, matches!(cause, Cause::Asked));
                    if self.changes.any() || asked {
                        self.reload();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.let_go();
        }
    }

    fn reload(&mut self) {
        let begin = Instant::now();
        self.shared.notifier.reloading();
        let result = match self.replace() {
            Ok(changed) => {
                let files = std::mem::take(&mut self.changes.changed);
                let files = listed(files.iter().map(|file| file.display()));
                let duration_ms = begin.elapsed().as_millis();
                tracing::info!(duration_ms, changed, files, "configuration reloaded");
                ReloadResult::Ok
            }
            Err(error) => {
                tracing::error!("the new configuration is refused, the old one stays:\n{error:#}");
                ReloadResult::Refused
            }
        };
        self.shared.telemetry.reloaded(result);
        self.shared.notifier.ready();
    }

    /// What is different now, in words.
    fn replace(&mut self) -> anyhow::Result<String> {
        let loaded = config::load(&self.path).map_err(|mut errors| {
            // What is in force was read from the old ones, and what is wrong may be put right in the new ones.
            self.changes.seen.extend(std::mem::take(&mut errors.seen));
            self.watch();
            errors
        });
        let Loaded { config, files, warnings } = loaded?;
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        let modified = shared_functions::modified(&config, &files);
        // Also when the deployment fails: a file that is new and wrong will be put right.
        self.changes.seen = files;
        self.watch();

        let before = self.shared.snapshot.load_full();
        let publisher = &self.shared.publisher;
        let mut next = publisher.snapshot(&config, &before.revisions, Some(&before), &self.shared.cache)?;
        // Addresses that need certificates go with a restart: until then these are the last ones.
        if let Some(tls) = &self.shared.tls
            && !config.server.certificates.is_empty()
        {
            tls.reload(&config.server.certificates)?;
            self.shared.telemetry.certificates(&tls.expiries());
        }
        let mut restart = needs_restart(&before.server, &config.server);
        if before.cache != config.cache {
            restart.push("cache");
        }
        if before.tracing != config.tracing {
            restart.push("tracing");
        }
        for setting in restart {
            tracing::warn!(setting, "a change of this setting takes effect after a restart");
        }
        // What is compared with next time is what is in force.
        let kept = before.server.clone();
        next.server = Server {
            http: kept.http,
            https: kept.https,
            api: kept.api,
            api_https: kept.api_https,
            api_account: kept.api_account,
            api_network: kept.api_network,
            api_buckets: kept.api_buckets,
            api_hot_reload: kept.api_hot_reload,
            api_movable_clock: kept.api_movable_clock,
            vpcs: kept.vpcs,
            admin: kept.admin,
            workers: kept.workers,
            data_dir: kept.data_dir,
            runtimes: kept.runtimes,
            ..config.server
        };
        self.shared.rules.set(next.server.connections_per_client, next.server.upload_bytes_per_s);
        next.modified = modified;
        next.cache = before.cache.clone();
        next.tracing = before.tracing.clone();
        let changed = changes::between(&before, &next);
        publisher.publish(Some(&before), &next);
        let has = |name: &String, revision| next.revisions.get(name).is_some_and(|kept| Arc::ptr_eq(kept, revision));
        let replaced = before.revisions.iter().filter(|(name, revision)| !has(name, revision));
        let revisions = replaced.map(|(_, revision)| revision.clone()).collect();
        drop(before);
        self.retired.push(Retired { snapshot: Some(self.shared.snapshot.swap(Arc::new(next))), revisions });
        api::share_functions(&self.shared);
        if self.retired.len() > reload::RETIRED {
            self.retired.remove(0);
        }
        Ok(changed)
    }

    /// Drops what nobody holds any more.
    fn let_go(&mut self) {
        if self.retired.is_empty() {
            return;
        }
        let now = self.shared.snapshot.load();
        let snapshots = self.retired.iter().map(|retired| retired.snapshot.as_ref());
        let edges: Vec<_> = snapshots.chain([Some(&*now)]).map(|snapshot| snapshot.map(|s| Arc::as_ptr(&s.edge))).collect();
        for (at, retired) in self.retired.iter_mut().enumerate() {
            let is_held = |snapshot: &Arc<Snapshot>| {
                // An edge that a successor has taken over is not ours to wait for.
                let passed_on = edges[at + 1..].contains(&Some(Arc::as_ptr(&snapshot.edge)));
                Arc::strong_count(snapshot) > 1 || (!passed_on && Arc::strong_count(&snapshot.edge) > 1)
            };
            retired.snapshot.take_if(|snapshot| !is_held(snapshot));
            retired.revisions.retain(|revision| Arc::strong_count(revision) > 1);
        }
        self.retired.retain(|retired| retired.snapshot.is_some() || !retired.revisions.is_empty());
    }

    /// Watches the folders of the files of now.
    fn watch(&mut self) {
        let folders = self.changes.seen.folders();
        for gone in self.watched.difference(&folders) {
            // It may have been removed, and its watch with it.
            let _ = self.watcher.unwatch(gone);
        }
        // A folder that was removed and made again looks watched but is not: watching twice is harmless.
        for folder in &folders {
            if let Err(error) = self.watcher.watch(folder, RecursiveMode::NonRecursive) {
                tracing::warn!(folder = %folder.display(), %error, "changes in this folder go unnoticed");
            }
        }
        self.watched = folders;
    }
}

/// Waits until no cause has come for a while; whether any of them was `Asked`.
fn quiet(causes: &Receiver<Cause>, mut asked: bool) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < QUIET_MAX {
        match causes.recv_timeout(QUIET) {
            Ok(cause) => asked |= matches!(cause, Cause::Asked),
            Err(_) => break,
        }
    }
    asked
}

/// The settings whose change a running process cannot follow.
fn needs_restart(now: &Server, next: &Server) -> Vec<&'static str> {
    let settings = [
        ("http", now.http != next.http),
        ("https", now.https != next.https),
        ("api", now.api != next.api),
        ("api_https", now.api_https != next.api_https),
        ("api_account, api_region", now.api_account != next.api_account),
        ("api_network", now.api_network != next.api_network),
        ("api_buckets", now.api_buckets != next.api_buckets),
        ("api_hot_reload", now.api_hot_reload != next.api_hot_reload),
        ("vpc", now.vpcs != next.vpcs),
        ("admin", now.admin != next.admin),
        ("workers", now.workers != next.workers),
        ("data_dir", now.data_dir != next.data_dir),
        ("runtimes", now.runtimes != next.runtimes),
    ];
    settings.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FileStamp;

    #[test]
    fn a_file_renamed_over_another_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&file, "1").unwrap();
        let mut changes =
            Changes::since(InputSnapshot { files: [(file.clone(), FileStamp::at(&file))].into(), includes: Vec::new() });
        assert!(!changes.any());
        std::fs::write(&other, "2").unwrap();
        std::fs::rename(&other, &file).unwrap();
        assert!(changes.any());
        assert!(!changes.any());
        std::fs::remove_file(&file).unwrap();
        assert!(changes.any());
    }

    #[test]
    fn a_file_without_a_folder_is_in_the_current_one() {
        let seen = InputSnapshot { files: [(PathBuf::from("edge.toml"), None)].into(), includes: Vec::new() };
        assert_eq!(seen.folders(), [PathBuf::from(".")].into());
    }
}
