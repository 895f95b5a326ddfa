//! Opens files beneath a folder, and nothing elsewhere, whatever is linked or moved meanwhile.
//!
//! The kernel resolves the path and refuses to leave the folder (`openat2`, Linux 5.6). Where it cannot, or where a link is
//! absolute and so seems to leave it, the links are resolved first, and then each folder on the way is opened by itself
//! without following links: a link that appears in between is an error, never a way out.
//!
//! Only regular files are opened: opening a pipe waits for its other end, and opening a device may have effects. The file
//! is examined through a handle that cannot be read (`O_PATH`), then opened without waiting, then examined again.

use std::fs::{File, Metadata};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};

use crate::limits::origin;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Errno;

/// What a path names.
#[derive(Debug)]
pub enum FolderEntry {
    File(File, Metadata),
    Folder,
}

/// `root` is without links. Blocks as long as the file system does.
pub fn open(root: &Path, relative: &Path) -> io::Result<FolderEntry> {
    open_by(resolve, root, relative)
}

/// Writes a file that is not there yet, with the folders on its way. No link is followed. It has its name once its bytes are on
/// disk. Blocks.
pub fn create(root: &Path, relative: &Path, bytes: &[u8]) -> io::Result<()> {
    let elsewhere = || io::Error::from(io::ErrorKind::InvalidInput);
    let (parent, name) = (relative.parent().ok_or_else(elsewhere)?, relative.file_name().ok_or_else(elsewhere)?);
    let through = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut at = rustix::fs::open(root, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    for component in parent.components() {
        let Component::Normal(folder) = component else { return Err(elsewhere()) };
        match rustix::fs::mkdirat(&at, folder, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        at = rustix::fs::openat(&at, folder, through, Mode::empty())?;
    }
    let mut unfinished = std::ffi::OsString::from(".unfinished-");
    unfinished.push(name);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::openat(&at, &unfinished, flags, Mode::from_raw_mode(0o666))?);
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let named = written.and_then(|()| Ok(rustix::fs::renameat_with(&at, &unfinished, &at, name, RenameFlags::NOREPLACE)?));
    if named.is_err() {
        // What cannot be removed either stays; it has no name that anybody asks for.
        let _ = rustix::fs::unlinkat(&at, &unfinished, AtFlags::empty());
    }
    named?;
    Ok(rustix::fs::fsync(&at)?)
}

type Resolve = fn(&OwnedFd, &Path, &Path, OFlags) -> io::Result<OwnedFd>;

fn open_by(resolve: Resolve, root: &Path, relative: &Path) -> io::Result<FolderEntry> {
    let folder = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let looked_at = resolve(&folder, root, relative, OFlags::PATH)?;
    match FileType::from_raw_mode(rustix::fs::fstat(&looked_at)?.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Ok(FolderEntry::Folder),
        _ => return Err(io::ErrorKind::NotFound.into()),
    }
    // The path may name something else by now.
    let file = File::from(resolve(&folder, root, relative, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?);
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok(FolderEntry::File(file, metadata)) } else { Err(io::ErrorKind::NotFound.into()) }
}

fn resolve(folder: &OwnedFd, root: &Path, relative: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..origin::OPEN_ATTEMPTS {
        match rustix::fs::openat2(folder, relative, flags | OFlags::CLOEXEC, Mode::empty(), beneath) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            // A link leads out and may lead in again; or the kernel, or its sandbox, does not offer `openat2`.
            Err(Errno::XDEV | Errno::NOSYS | Errno::PERM) => return step_by_step(folder, root, relative, flags),
            opened => return Ok(opened?),
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

fn step_by_step(folder: &OwnedFd, root: &Path, relative: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let elsewhere = || io::Error::from(io::ErrorKind::NotFound);
    let real = root.join(relative).canonicalize()?;
    let inside = real.strip_prefix(root).map_err(|_| elsewhere())?;
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Some(name) = inside.file_name() else { return Ok(rustix::fs::openat(folder, ".", flags, Mode::empty())?) };
    let mut at: Option<OwnedFd> = None;
    for component in inside.parent().into_iter().flat_map(Path::components) {
        let Component::Normal(name) = component else { return Err(elsewhere()) };
        let through = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let from = at.as_ref().map_or_else(|| folder.as_fd(), AsFd::as_fd);
        at = Some(rustix::fs::openat(from, name, through, Mode::empty())?);
    }
    let from = at.as_ref().map_or_else(|| folder.as_fd(), AsFd::as_fd);
    Ok(rustix::fs::openat(from, name, flags, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    const WAYS: [Resolve; 2] = [resolve, step_by_step];

    fn text(resolve: Resolve, root: &Path, relative: &str) -> Option<String> {
        match open_by(resolve, root, Path::new(relative)) {
            Ok(FolderEntry::File(mut file, _)) => {
                let mut text = String::new();
                file.read_to_string(&mut text).unwrap();
                Some(text)
            }
            Ok(FolderEntry::Folder) => Some("a folder".to_owned()),
            Err(_) => None,
        }
    }

    /// A root with a file in it, beside a secret.
    fn place() -> (tempfile::TempDir, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap().join("root");
        std::fs::create_dir_all(root.join("folder")).unwrap();
        std::fs::write(root.join("folder/file"), "inside").unwrap();
        std::fs::create_dir(place.path().join("outside")).unwrap();
        std::fs::write(place.path().join("outside/file"), "outside").unwrap();
        (place, root)
    }

    #[test]
    fn links_are_followed_as_long_as_they_stay_inside() {
        let (place, root) = place();
        symlink("folder/file", root.join("relative")).unwrap();
        symlink(root.join("folder"), root.join("absolute")).unwrap();
        symlink("../root/folder/file", root.join("out-and-in")).unwrap();
        symlink(".", root.join("folder/self")).unwrap();
        symlink("..", root.join("folder/up")).unwrap();
        symlink("../outside/file", root.join("out")).unwrap();
        symlink(place.path().join("outside"), root.join("away")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        symlink("/proc/self/root", root.join("magic")).unwrap();
        for way in WAYS {
            for (path, found) in [
                ("folder/file", Some("inside")),
                ("relative", Some("inside")),
                ("absolute/file", Some("inside")),
                ("absolute", Some("a folder")),
                ("out-and-in", Some("inside")),
                ("folder/self/self/file", Some("inside")),
                ("folder/up/relative", Some("inside")),
                ("folder/up", Some("a folder")),
                ("folder", Some("a folder")),
                ("out", None),
                ("away/file", None),
                ("away", None),
                ("loop", None),
                ("magic/etc/passwd", None),
                ("folder/file/more", None),
                ("none", None),
            ] {
                assert_eq!(text(way, &root, path).as_deref(), found, "{path}");
            }
        }
    }

    #[test]
    fn only_regular_files_are_opened() {
        let (_place, root) = place();
        rustix::fs::mknodat(rustix::fs::CWD, root.join("pipe"), FileType::Fifo, 0o600.into(), 0).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
        symlink("pipe", root.join("link")).unwrap();
        symlink("/dev/zero", root.join("device")).unwrap();
        for way in WAYS {
            for path in ["pipe", "socket", "link", "device"] {
                assert_eq!(text(way, &root, path), None, "{path}");
            }
        }
    }

    /// Somebody who may write into the folder replaces a file, or the folder around it, by a link out.
    #[test]
    fn a_link_that_replaces_a_folder_meanwhile_is_not_followed() {
        const ROUNDS: usize = 4_000;
        let (place, root) = place();
        symlink(place.path().join("outside"), root.join("trap")).unwrap();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let exchange = |a: &str, b: &str| {
                    let here = rustix::fs::CWD;
                    let flags = rustix::fs::RenameFlags::EXCHANGE;
                    rustix::fs::renameat_with(here, root.join(a), here, root.join(b), flags).unwrap();
                };
                while !over.load(Ordering::Relaxed) {
                    exchange("folder", "trap");
                }
            });
            for way in WAYS {
                let mut inside = 0;
                for _ in 0..ROUNDS {
                    match text(way, &root, "folder/file").as_deref() {
                        Some("inside") => inside += 1,
                        None => {}
                        other => panic!("got {other:?}"),
                    }
                }
                assert!(inside > 0, "it was there half of the time");
            }
            over.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn a_file_is_made_beneath_the_folder_or_nowhere() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        std::fs::create_dir_all(root.join("there")).unwrap();
        std::fs::create_dir_all(place.path().join("outside")).unwrap();
        symlink(place.path().join("outside"), root.join("link")).unwrap();
        for path in ["one", "there/two", "new/folder/three"] {
            create(&root, Path::new(path), b"bytes").unwrap();
            assert_eq!(std::fs::read(root.join(path)).unwrap(), b"bytes");
            assert!(create(&root, Path::new(path), b"other").is_err(), "it is there");
            assert_eq!(std::fs::read(root.join(path)).unwrap(), b"bytes");
        }
        for path in ["link/four", "../four", "/four", "there/..", ""] {
            assert!(create(&root, Path::new(path), b"bytes").is_err(), "{path}");
        }
        assert_eq!(std::fs::read_dir(place.path().join("outside")).unwrap().count(), 0);
        assert_eq!(std::fs::read_dir(root.join("there")).unwrap().count(), 1);
    }
}
