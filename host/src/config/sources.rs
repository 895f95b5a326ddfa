//! The texts of a configuration, and the files that they name.
//!
//! Spans refer to the concatenation of all texts, so that a value in an included file has a place like one in the main
//! file.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::files::FileStamp;
use super::include::Include;

pub(super) struct Sources {
    /// The main file first.
    all: Vec<SourceFile>,
}

pub(super) struct SourceFile {
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// Its offset in the concatenation.
    pub(super) start: usize,
}

impl Sources {
    pub(super) fn new(path: &Path, text: &str) -> Sources {
        Sources { all: vec![SourceFile { path: path.to_owned(), text: text.to_owned(), start: 0 }] }
    }

    pub(super) fn push(&mut self, path: PathBuf, text: String) {
        // One more than its length: the end of a file is a place in that file.
        let start = self.all.last().map_or(0, |last| last.start + last.text.len() + 1);
        self.all.push(SourceFile { path, text, start });
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &SourceFile> {
        self.all.iter()
    }

    pub(super) fn main(&self) -> &SourceFile {
        &self.all[0]
    }

    /// The file that contains an offset.
    pub(super) fn at(&self, offset: usize) -> &SourceFile {
        let behind = self.all.partition_point(|source| source.start <= offset);
        &self.all[behind.saturating_sub(1)]
    }

    /// Formats `sites/www.toml:12`, for messages that name a second place.
    pub(super) fn location(&self, span: &Range<usize>) -> String {
        let source = self.at(span.start);
        let before = source.text.as_bytes().iter().take(span.start - source.start);
        format!("{}:{}", source.path.display(), before.filter(|&&byte| byte == b'\n').count() + 1)
    }
}

impl SourceFile {
    /// The folder that its relative paths start from.
    pub(super) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// The text of a span; empty if the span is not in this file.
    pub(super) fn written(&self, span: &Range<usize>) -> &str {
        let range = span.start.saturating_sub(self.start)..span.end.saturating_sub(self.start);
        self.text.get(range).unwrap_or_default()
    }
}

/// The files that a configuration was read from, with their stamps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputSnapshot {
    /// Its own files and the files that they name; `None` for a missing file.
    pub files: BTreeMap<PathBuf, Option<FileStamp>>,
    pub includes: Vec<Include>,
}

impl InputSnapshot {
    /// Returns the files whose stamps have changed, and records the new stamps.
    pub fn changed(&mut self) -> BTreeSet<PathBuf> {
        let mut changed = BTreeSet::new();
        for (file, before) in &mut self.files {
            let now = FileStamp::at(file);
            if *before != now {
                changed.insert(file.clone());
            }
            *before = now;
        }
        for include in &mut self.includes {
            changed.extend(include.changed());
        }
        changed
    }

    /// When a file, or what is in a folder, was modified last; of those that were looked at.
    pub fn modified(&self, path: &Path) -> Option<SystemTime> {
        let below = self.files.range(path.to_owned()..).take_while(|(file, _)| file.starts_with(path));
        below.filter_map(|(_, stamp)| stamp.as_ref()?.modified()).max()
    }

    /// The folders to watch for changes.
    pub fn folders(&self) -> BTreeSet<PathBuf> {
        let named = |folder: &Path| if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() };
        let parents = self.files.keys().map(|file| file.parent().unwrap_or(Path::new("")));
        parents.chain(self.includes.iter().flat_map(Include::folders)).map(named).collect()
    }

    /// Adds the files of `other`.
    pub fn extend(&mut self, other: InputSnapshot) {
        self.files.extend(other.files);
        self.includes.retain(|include| !other.includes.iter().any(|other| include.is_of(other)));
        self.includes.extend(other.includes);
    }
}
