//! A file that nobody can find, and that is gone when it is closed, or the process killed.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

/// Makes one, to read and write, on the file system of a folder.
pub(super) fn nameless_file(folder: impl AsFd) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::openat(&folder, ".", flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => Ok(file.into()),
        // Not every file system can do that.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT) => removed_file(folder),
        Err(error) => Err(error.into()),
    }
}

/// Makes a file and removes it: a process that is killed between the two leaves an empty one.
fn removed_file(folder: impl AsFd) -> io::Result<File> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let name = format!("tmp-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&folder, &name, flags, Mode::RUSR | Mode::WUSR)?;
    rustix::fs::unlinkat(&folder, &name, AtFlags::empty())?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    #[test]
    fn a_file_has_no_name_wherever_it_is_made() {
        let folder = tempfile::tempdir().unwrap();
        for make in [|folder: &File| nameless_file(folder), |folder: &File| removed_file(folder)] {
            let file = make(&File::open(folder.path()).unwrap()).unwrap();
            file.write_all_at(b"text", 0).unwrap();
            let mut read = [0; 4];
            file.read_exact_at(&mut read, 0).unwrap();
            assert_eq!((&read, std::fs::read_dir(folder.path()).unwrap().count()), (b"text", 0));
        }
    }
}
