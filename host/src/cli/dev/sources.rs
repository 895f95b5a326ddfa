//! The sources of a project, and which of them have changed.
//!
//! Folders are watched, since editors rename a new file over the old one. An event only says that it is time to look: what
//! counts is whether a file looks different, so that a build that touches its own folder causes no other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::config::{Build, FileStamp};
use crate::limits::command::SOURCE_FILES;
use crate::limits::reload::QUIET_MS;

/// How long nothing must have happened.
pub(super) const QUIET: Duration = Duration::from_millis(QUIET_MS);

/// See the module.
pub(super) struct WatchedSources {
    configuration: PathBuf,
    /// Files and folders.
    roots: BTreeSet<PathBuf>,
    seen: BTreeMap<PathBuf, Option<FileStamp>>,
    watcher: RecommendedWatcher,
}

impl WatchedSources {
    pub(super) fn watch(
        configuration: &Path,
        builds: &[Build],
        touched: impl Fn() + Send + 'static,
    ) -> anyhow::Result<WatchedSources> {
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if !event.is_ok_and(|event| event.kind.is_access()) {
                touched();
            }
        })
        .context("cannot watch files")?;
        let mut sources =
            WatchedSources { configuration: configuration.to_owned(), roots: BTreeSet::new(), seen: BTreeMap::new(), watcher };
        sources.follow(builds);
        Ok(sources)
    }

    /// Watches the sources of these builds instead.
    pub(super) fn follow(&mut self, builds: &[Build]) {
        let wanted = builds.iter().flat_map(|build| build.sources.iter().cloned()).chain([self.configuration.clone()]);
        let wanted: BTreeSet<PathBuf> = wanted.collect();
        if wanted == self.roots {
            return;
        }
        for root in &wanted {
            // A file is watched by its folder.
            let (folder, mode) = if root.is_dir() {
                (root.as_path(), RecursiveMode::Recursive)
            } else {
                (root.parent().unwrap_or(root), RecursiveMode::NonRecursive)
            };
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            if let Err(error) = self.watcher.watch(folder, mode) {
                eprintln!("warning: changes in {} go unnoticed: {error}", folder.display());
            }
        }
        self.roots = wanted;
        self.seen = self.look();
    }

    /// Files that were written, added or removed since the last time.
    pub(super) fn changed(&mut self) -> Vec<PathBuf> {
        let now = self.look();
        let paths: BTreeSet<&PathBuf> = self.seen.keys().chain(now.keys()).collect();
        let changed = paths.into_iter().filter(|path| self.seen.get(*path) != now.get(*path)).cloned().collect();
        self.seen = now;
        changed
    }

    fn look(&self) -> BTreeMap<PathBuf, Option<FileStamp>> {
        let mut found = BTreeMap::new();
        let mut left: Vec<PathBuf> = self.roots.iter().cloned().collect();
        while let Some(path) = left.pop() {
            if found.len() >= SOURCE_FILES {
                break;
            }
            match std::fs::read_dir(&path) {
                Ok(entries) => left.extend(entries.flatten().map(|entry| entry.path())),
                Err(_) => drop(found.insert(path.clone(), FileStamp::at(&path))),
            }
        }
        found
    }
}
