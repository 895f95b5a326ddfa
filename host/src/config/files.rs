//! I open the files that the configuration refers to. Paths are relative to the folder of the file that contains them.
//!
//! I record each file's stamp before it is read, so that later changes are noticed.

use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::reader::{TableReader, Text};
use super::report::Report;
use super::sources::{InputSnapshot, Sources};
use super::{Certificate, Function};
use crate::language::NOT_IN_PACKAGES;
use crate::limits::{Limits, config};

pub(super) struct Files<'a> {
    sources: &'a Sources,
    pub(super) seen: InputSnapshot,
    judges: Option<&'a Judges<'a>>,
    warnings: Vec<String>,
}

/// Validators for files whose contents are not part of a `Config`, so that their errors are reported with a place
/// like all others. Each returns the error and a remedy.
pub struct Judges<'a> {
    pub component: &'a dyn Fn(&Path, &Limits) -> Vec<Fault>,
    pub source: &'a dyn Fn(&Function) -> Vec<Fault>,
    pub layer: &'a dyn Fn(&Path) -> Vec<Fault>,
    pub certificate: &'a dyn Fn(&Certificate) -> Vec<Fault>,
}

/// An error in a file, and its remedy.
pub struct Fault {
    pub message: String,
    pub remedy: String,
}

/// Distinguishes versions of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStamp {
    bytes: u64,
    modified: Option<SystemTime>,
    inode: u64,
}

impl FileStamp {
    pub(super) fn modified(&self) -> Option<SystemTime> {
        self.modified
    }

    /// `None` if there is no file.
    pub fn at(file: &Path) -> Option<FileStamp> {
        let metadata = std::fs::metadata(file).ok()?;
        Some(FileStamp { bytes: metadata.len(), modified: metadata.modified().ok(), inode: metadata.ino() })
    }
}

impl<'a> Files<'a> {
    pub(super) fn new(sources: &'a Sources, judges: Option<&'a Judges<'a>>) -> Files<'a> {
        Files { sources, seen: InputSnapshot::default(), judges, warnings: Vec::new() }
    }

    /// The stamps and warnings so far, to continue with more sources.
    pub(super) fn into_parts(self) -> (InputSnapshot, Vec<String>) {
        (self.seen, self.warnings)
    }

    pub(super) fn continued(self, (seen, warnings): (InputSnapshot, Vec<String>)) -> Files<'a> {
        Files { seen, warnings, ..self }
    }

    pub(super) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// Records a file's stamp. The first one counts: if the file changes before it is read, the stamp differs.
    pub(super) fn look(&mut self, path: &Path) {
        if !self.seen.files.contains_key(path) {
            self.seen.files.insert(path.to_owned(), FileStamp::at(path));
        }
    }

    /// Validates a component, if there is a validator.
    pub(super) fn judge_component(&self, table: &TableReader<'_>, text: &Text<'_>, path: &Path, limits: &Limits) {
        for Fault { message, remedy } in self.judges.map_or_else(Vec::new, |judges| (judges.component)(path, limits)) {
            table.report.error(text.span(), format!("`{}`: {message}", text.get_ref().escape_debug()), remedy);
        }
    }

    /// Runs INIT of a function's source, if somebody wants to know.
    pub(super) fn judge_source(&self, report: &Report<'_>, text: &Text<'_>, function: &Function) {
        for Fault { message, remedy } in self.judges.map_or_else(Vec::new, |judges| (judges.source)(function)) {
            report.error(text.span(), format!("`{}`: {message}", text.get_ref().escape_debug()), remedy);
        }
    }

    /// Reads a layer, if somebody wants to know. Whether nothing is wrong with it.
    pub(super) fn judge_layer(&self, report: &Report<'_>, text: &Text<'_>, path: &Path) -> bool {
        let faults = self.judges.map_or_else(Vec::new, |judges| (judges.layer)(path));
        let is_right = faults.is_empty();
        for Fault { message, remedy } in faults {
            report.error(text.span(), message, remedy);
        }
        is_right
    }

    pub(super) fn judge_certificate(&self, table: &TableReader<'_>, certificate: &Certificate) {
        for Fault { message, remedy } in self.judges.map_or_else(Vec::new, |judges| (judges.certificate)(certificate)) {
            table.report.error(table.span(), message, remedy);
        }
    }

    pub(super) fn resolve(&self, text: &Text<'_>) -> PathBuf {
        self.resolve_at(text.get_ref(), &text.span())
    }

    /// Resolves a path against the folder of the file that contains it.
    pub(super) fn resolve_at(&self, path: &str, place: &Range<usize>) -> PathBuf {
        self.sources.at(place.start).folder().join(path)
    }

    /// The file of the configuration that contains a text.
    pub(super) fn source_of(&self, text: &Text<'_>) -> PathBuf {
        self.sources.at(text.span().start).path.clone()
    }

    /// A file that exists and can be opened. A missing file is watched too: it may appear later.
    pub(super) fn existing(&mut self, table: &TableReader<'_>, text: &Text<'_>) -> Option<PathBuf> {
        let path = self.resolve(text);
        self.look(&path);
        let opened = open(&path).map(drop);
        self.found(table, text, path, opened)
    }

    /// A file, or a folder with everything in it, that exists and is watched; of a large folder, only its first files are.
    pub(super) fn tree(&mut self, table: &TableReader<'_>, text: &Text<'_>) -> Option<PathBuf> {
        let path = self.resolve(text);
        self.look(&path);
        if !path.is_dir() {
            return self.existing(table, text);
        }
        let mut folders = vec![path.clone()];
        let mut left = config::WATCHED_FILES;
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            let belongs = |entry: &std::fs::DirEntry| NOT_IN_PACKAGES.iter().all(|name| entry.file_name() != *name);
            for entry in entries.flatten().filter(belongs).take(left) {
                left -= 1;
                self.look(&entry.path());
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(entry.path());
                }
            }
        }
        Some(path)
    }

    /// Reads a file of at most `bytes_max` bytes.
    pub(super) fn contents(&mut self, table: &TableReader<'_>, text: &Text<'_>, bytes_max: u64) -> Option<Vec<u8>> {
        let path = self.existing(table, text)?;
        match read_bounded(&path, bytes_max) {
            Ok(bytes) => Some(bytes),
            Err(error) => self.found(table, text, path, Err(error)).and(None),
        }
    }

    pub(super) fn existing_folder(&self, table: &TableReader<'_>, text: &Text<'_>) -> Option<PathBuf> {
        let path = self.resolve(text);
        let opened = std::fs::read_dir(&path).map(drop);
        self.found(table, text, path, opened)
    }

    /// A folder that is created when it is first needed. If the path exists, it must be a folder.
    pub(super) fn folder_to_be(&self, table: &TableReader<'_>, text: &Text<'_>) -> PathBuf {
        let path = self.resolve(text);
        let found = std::fs::metadata(&path);
        let wrong = match &found {
            Ok(found) => (!found.is_dir()).then(|| "it is not a folder".to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => Some(reason(error)),
        };
        if let Some(wrong) = wrong {
            let message = format!("cannot store anything in `{}`: {wrong}", text.get_ref().escape_debug());
            table.report.error(text.span(), message, "name a folder; it is created if missing");
        }
        path
    }

    fn found(&self, table: &TableReader<'_>, text: &Text<'_>, path: PathBuf, opened: std::io::Result<()>) -> Option<PathBuf> {
        let Err(error) = opened else { return Some(path) };
        let message = format!("cannot read `{}`: {}", text.get_ref().escape_debug(), reason(&error));
        let folder = self.sources.at(text.span().start).folder();
        let remedy =
            if Path::new(text.get_ref()).is_absolute() { String::new() } else { format!("looked for in {}", shown(folder)) };
        table.report.error(text.span(), message, remedy);
        None
    }
}

/// Reads at most `bytes_max` bytes, whatever the file's metadata says.
pub(super) fn read_bounded(path: &Path, bytes_max: u64) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    open(path)?.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(std::io::Error::other(format!("it has more than {bytes_max} bytes")));
    }
    Ok(bytes)
}

/// Opens regular files only: opening a pipe would block until somebody writes into it.
fn open(path: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let no_file = || std::io::Error::other("not a file");
    // Checked before, since opening a device can have side effects, and after, since the path may lead elsewhere by then.
    if !std::fs::metadata(path)?.is_file() {
        return Err(no_file());
    }
    let without_waiting = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = std::fs::File::options().read(true).custom_flags(without_waiting).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(no_file()) }
}

/// Whether users other than the owner and the group can read the file.
pub(super) fn is_readable_by_all(path: &Path) -> bool {
    const OTHERS_READ: u32 = 0o004;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.mode() & OTHERS_READ != 0)
}

/// Omits the operating system's error number, so that messages are the same everywhere.
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
