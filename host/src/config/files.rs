//! Files that the configuration refers to: paths are relative to the configuration's own folder.
//!
//! I remember each file, so that a change of it can be noticed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::reader::{Table, Text};

pub(super) struct Files<'a> {
    folder: &'a Path,
    read: BTreeSet<PathBuf>,
}

impl<'a> Files<'a> {
    pub(super) fn new(folder: &'a Path) -> Files<'a> {
        Files { folder, read: BTreeSet::new() }
    }

    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// A file that is there and can be opened. One that is not is watched too: it may come.
    pub(super) fn existing(&mut self, table: &Table<'_>, text: &Text<'_>) -> Option<PathBuf> {
        let path = self.resolve(text.get_ref());
        let opened = open(&path).map(drop);
        self.read.insert(path.clone());
        self.found(table, text, path, opened)
    }

    /// The bytes of a file of at most `bytes_max`.
    pub(super) fn contents(&mut self, table: &Table<'_>, text: &Text<'_>, bytes_max: u64) -> Option<Vec<u8>> {
        let path = self.existing(table, text)?;
        match read_bounded(&path, bytes_max) {
            Ok(bytes) => Some(bytes),
            Err(error) => self.found(table, text, path, Err(error)).and(None),
        }
    }

    pub(super) fn existing_folder(&self, table: &Table<'_>, text: &Text<'_>) -> Option<PathBuf> {
        let path = self.resolve(text.get_ref());
        let opened = std::fs::read_dir(&path).map(drop);
        self.found(table, text, path, opened)
    }

    fn found(&self, table: &Table<'_>, text: &Text<'_>, path: PathBuf, opened: std::io::Result<()>) -> Option<PathBuf> {
        let Err(error) = opened else { return Some(path) };
        let message = format!("cannot read `{}`: {}", text.get_ref().escape_debug(), reason(&error));
        let remedy =
            if Path::new(text.get_ref()).is_absolute() { String::new() } else { format!("looked for in {}", shown(self.folder)) };
        table.report.error(text.span(), message, remedy);
        None
    }

    pub(super) fn into_read(self) -> BTreeSet<PathBuf> {
        self.read
    }
}

/// Reads a file that must not be larger than `bytes_max`, whatever its metadata says.
pub(super) fn read_bounded(path: &Path, bytes_max: u64) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    open(path)?.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(std::io::Error::other(format!("it has more than {bytes_max} bytes")));
    }
    Ok(bytes)
}

/// Opens a file, and nothing else: a pipe would be waited for until somebody writes into it.
fn open(path: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let no_file = || std::io::Error::other("not a file");
    // A look before, since opening a device may do anything; a look after, since it may be another one by then.
    if !std::fs::metadata(path)?.is_file() {
        return Err(no_file());
    }
    let without_waiting = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = std::fs::File::options().read(true).custom_flags(without_waiting).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(no_file()) }
}

/// Without the operating system's number, so that messages are the same everywhere.
pub(super) fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or folder".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::NotADirectory => "not a folder".to_owned(),
        _ => error.to_string(),
    }
}

fn shown(folder: &Path) -> String {
    if folder.as_os_str().is_empty() { ".".to_owned() } else { folder.display().to_string() }
}
