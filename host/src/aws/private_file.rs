//! Small files that only their owner may read, written whole: whatever ends the process, a file is the new one or the one before.
//!
//! Who writes one file at the same time as another does excludes the other by a lock.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// A file to lock, of which the content means nothing.
pub fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(path)
}

/// Makes a file, or replaces the one that is there. Blocks for the disk.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::rename(unfinished(path, bytes)?, path)?;
    sync_folder(path)
}

/// Makes a file; one that is there stays, and is an error. Blocks for the disk.
pub fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = unfinished(path, bytes)?;
    // Unlike a renaming, a link fails if somebody has made the file meanwhile.
    fs::hard_link(&unfinished, path)?;
    fs::remove_file(&unfinished)?;
    sync_folder(path)
}

/// Brings the bytes to the disk under another name. What a crash has left there is removed.
fn unfinished(path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    let unfinished = path.with_added_extension("unfinished");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(unfinished)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_file_is_its_owners_and_is_replaced_only_where_that_is_meant() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        fs::write(folder.path().join("a.json.unfinished"), "of a crash").unwrap();
        create(&path, b"first").unwrap();
        assert_eq!(create(&path, b"second").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        replace(&path, b"third").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"third");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing unfinished is left");
    }
}
