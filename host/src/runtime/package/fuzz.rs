//! For a fuzz target: bytes that may be an archive. What is copied out of it is in its folder, and no more than was allowed;
//! what is read of it is in proportion to what it has.

use std::path::{Path, PathBuf};

use super::{PackageError, check_package, component_in, copy};
use crate::limits::init::PACKAGE_BYTES;

/// What a fuzzer's archive may become on disk: more takes its time and finds nothing.
const BYTES_MAX: u64 = 1 << 20;

/// An archive.
pub(crate) fn zip(data: &[u8]) {
    let folder = Folder::new();
    let archive = folder.0.join("archive.zip");
    let target = folder.0.join("inner/target");
    let written = std::fs::write(&archive, data).and_then(|()| std::fs::create_dir_all(&target));
    written.unwrap_or_else(|error| panic!("{error}"));

    let before = read_bytes();
    let checked = check_package(&archive);
    if let (Some(before), Some(after)) = (before, read_bytes()) {
        // Each member has a header of its own, before which the reader's buffer begins again.
        let steps_max = 64 * (data.len() as u64 + 1_024) + data.len() as u64 / 46 * (16 << 10);
        assert!(after - before <= steps_max, "{} bytes were read of {}", after - before, data.len());
    }
    let copied = copy(&[&archive], BYTES_MAX, Some(&target));
    let mut files = Vec::new();
    list(&folder.0, &mut files);
    let mut bytes = 0;
    for (path, length) in &files {
        let is_inside = path.starts_with(&target) || *path == archive;
        assert!(is_inside, "{} is outside", path.display());
        bytes += if *path == archive { 0 } else { *length };
    }
    assert!(bytes <= BYTES_MAX, "{bytes} bytes were written");
    match (&checked, &copied) {
        (Ok(checked), Ok(copied)) => assert_eq!((*checked, bytes), (copied.bytes, copied.bytes)),
        (Ok(checked), Err(PackageError::Bytes(BYTES_MAX))) => assert!(*checked > BYTES_MAX),
        // A name may be too long for a file system, and a folder may be in it twice.
        (Ok(_), Err(PackageError::Unreadable { .. } | PackageError::Archive { .. })) | (Err(_), Err(_)) => {}
        _ => panic!("{checked:?} to be checked, but {:?} to be copied", copied.map(|copied| copied.bytes)),
    }
    if let Ok(component) = component_in(&archive) {
        assert!(component.len() as u64 <= PACKAGE_BYTES);
    }
}

/// It is gone when the input is done.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        let thread = std::thread::current().id();
        let folder = std::env::temp_dir().join(format!("edgeward-fuzz-zip-{}-{thread:?}", std::process::id()));
        drop(std::fs::remove_dir_all(&folder));
        std::fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{error}"));
        Folder(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// What this thread has read so far. `None` where nobody counts.
fn read_bytes() -> Option<u64> {
    let counts = std::fs::read_to_string("/proc/thread-self/io").ok()?;
    counts.lines().find_map(|line| line.strip_prefix("rchar: ")?.parse().ok())
}

fn list(folder: &Path, files: &mut Vec<(PathBuf, u64)>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{error}")) {
        let path = entry.unwrap_or_else(|error| panic!("{error}")).path();
        let metadata = std::fs::symlink_metadata(&path).unwrap_or_else(|error| panic!("{error}"));
        assert!(metadata.is_dir() || metadata.is_file(), "{} is a link", path.display());
        if metadata.is_dir() { list(&path, files) } else { files.push((path, metadata.len())) }
    }
}
