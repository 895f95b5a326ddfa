//! Removes compiled files when all of them together are too large.
//!
//! The files that were neither written nor loaded for the longest time go first, until the rest fits. A revision may use
//! one of them: its code stays mapped without a name, and is compiled again when it is next loaded.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType};

/// The ending of a compiled file, and of the file beside it that says what is known of it.
pub(super) const CODE: &str = "cwasm";
pub(super) const NOTE: &str = "json";

/// Removes files until at most `bytes_max` are left. Returns the number of components removed. `kept` stays.
pub(super) fn prune(directory: BorrowedFd<'_>, bytes_max: u64, kept: &str) -> io::Result<usize> {
    let mut found = Vec::new();
    for entry in rustix::fs::Dir::read_from(directory.as_fd())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if Path::new(&name).extension().is_none_or(|ending| ending != CODE) {
            continue;
        }
        // It may have been removed since.
        let Ok(stat) = rustix::fs::statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
            found.push(((stat.st_atime, stat.st_atime_nsec), u64::try_from(stat.st_size).unwrap_or_default(), name));
        }
    }
    found.sort_unstable();
    let mut bytes: u64 = found.iter().map(|(_, bytes, _)| bytes).sum();
    let mut removed = 0;
    for (_, size, name) in found.iter().filter(|(_, _, name)| name != kept) {
        if bytes <= bytes_max {
            break;
        }
        // The code first: a description without code is ignored.
        rustix::fs::unlinkat(directory, name, AtFlags::empty())?;
        let note = Path::new(name).with_extension(NOTE);
        // It may be missing.
        let _ = rustix::fs::unlinkat(directory, &note, AtFlags::empty());
        bytes -= size;
        removed += 1;
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes};
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn what_was_not_used_for_the_longest_time_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let begin = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        for (age_s, name) in [(4, "a"), (1, "b"), (3, "c"), (2, "d")] {
            for ending in [CODE, NOTE] {
                let file = File::create(folder.path().join(format!("{name}.{ending}"))).unwrap();
                file.set_len(100).unwrap();
                file.set_times(FileTimes::new().set_accessed(begin - Duration::from_secs(age_s))).unwrap();
            }
        }
        std::fs::write(folder.path().join("other"), [0; 1_000]).unwrap();
        let directory = File::open(folder.path()).unwrap();
        let names = || {
            let mut names: Vec<_> = std::fs::read_dir(folder.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names.join(" ")
        };
        assert_eq!(prune(directory.as_fd(), 400, "b.cwasm").unwrap(), 0, "as many bytes as there may be");
        assert_eq!(prune(directory.as_fd(), 399, "b.cwasm").unwrap(), 1);
        assert_eq!(names(), "b.cwasm b.json c.cwasm c.json d.cwasm d.json other");
        assert_eq!(prune(directory.as_fd(), 150, "c.cwasm").unwrap(), 2);
        assert_eq!(names(), "c.cwasm c.json other", "the one that was just written stays");
        assert_eq!(prune(directory.as_fd(), 0, "c.cwasm").unwrap(), 0);
    }
}
