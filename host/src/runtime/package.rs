//! Packages: the files of functions, each under the digest of its contents: `DIR/<digest>/…`.
//!
//! A function keeps the files that it was deployed with, whatever becomes of the folder they came from. A package is
//! copied under a temporary name, flushed, and then renamed; one that is in use is locked, so that another process does not remove
//! it either. Layers are merged before they are kept: what a function finds below `/opt` is one package.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use zip::ZipArchive;

use crate::language::NOT_IN_PACKAGES;
use crate::limits::init::{PACKAGE_BYTES, PACKAGE_DEPTH, PACKAGE_FILES, PACKAGES_UNUSED};

const UNFINISHED: &str = "tmp";

/// Where packages are kept.
pub struct PackageStore {
    directory: PathBuf,
}

/// The files of a function. As long as I live, they stay.
#[derive(Debug)]
pub struct Package {
    pub sha256: [u8; 32],
    pub folder: PathBuf,
    /// Of its files.
    pub bytes: u64,
    /// Locked.
    _in_use: File,
}

/// Why files cannot be a package.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    #[error("{}: {error}", .path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{}: {why}", .path.display())]
    Archive { path: PathBuf, why: String },
    #[error("{} is neither a file nor a folder; leave it out", .0.display())]
    Odd(PathBuf),
    #[error("{} is no name in UTF-8", .0.display())]
    Name(PathBuf),
    #[error("it has more than {PACKAGE_FILES} files")]
    Files,
    #[error("it has more than {0} bytes")]
    Bytes(u64),
    #[error("`{}` is a file in one and a folder in another", .0.escape_debug())]
    Clash(String),
    #[error("{} is in more than {PACKAGE_DEPTH} folders", .0.display())]
    Depth(PathBuf),
}

/// The files of a package by their names in it, from several sources: a later one replaces the files of those before it.
type Members<'a> = BTreeMap<String, (&'a Path, MemberPlace)>;

/// Where a file of a package is, in its source.
enum MemberPlace {
    File(PathBuf),
    Archive(usize),
}

impl PackageStore {
    /// `directory` is made when it is first needed.
    pub fn at(directory: PathBuf) -> PackageStore {
        PackageStore { directory }
    }

    /// Keeps a file, or a folder or the contents of a zip archive with everything in it. What is kept already is not copied.
    pub fn keep(&self, source: &Path) -> Result<Package, PackageError> {
        self.keep_merged(&[source], PACKAGE_BYTES)
    }

    /// Keeps several as one: a file of a later one replaces one of the same name. Together they have `bytes_max` at most.
    pub fn keep_merged(&self, sources: &[&Path], bytes_max: u64) -> Result<Package, PackageError> {
        let kept = |error| PackageError::Unreadable { path: self.directory.clone(), error };
        let copied = copy(sources, bytes_max, None)?;
        if let Some(package) = self.kept(copied).map_err(kept)? {
            return Ok(package);
        }
        static KEPT: AtomicU64 = AtomicU64::new(0);
        let number = KEPT.fetch_add(1, Ordering::Relaxed);
        let unfinished = self.directory.join(format!("{}-{number}.{UNFINISHED}", std::process::id()));
        std::fs::create_dir_all(&unfinished).map_err(kept)?;
        let locked = File::open(&unfinished).and_then(|folder| folder.lock_shared().map(|()| folder)).map_err(kept)?;
        // The files may have changed since they were read.
        let copied = copy(sources, bytes_max, Some(&unfinished));
        let package = copied.and_then(|copied| self.named(&unfinished, locked, copied).map_err(kept));
        if package.is_err() {
            // What is left over is removed by `prune`.
            drop(std::fs::remove_dir_all(&unfinished));
        }
        if let Err(error) = self.prune() {
            tracing::warn!(path = %self.directory.display(), %error, "packages that are not used stay");
        }
        package
    }

    /// The package with this digest, if there is one.
    fn kept(&self, copied: Copied) -> io::Result<Option<Package>> {
        let Copied { sha256, bytes } = copied;
        let folder = self.directory.join(hex::encode(sha256));
        let in_use = match File::open(&folder) {
            Ok(in_use) => in_use,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        in_use.lock_shared()?;
        // It may have been removed before it was locked.
        Ok(folder.exists().then_some(Package { sha256, folder, bytes, _in_use: in_use }))
    }

    fn named(&self, unfinished: &Path, locked: File, copied: Copied) -> io::Result<Package> {
        let Copied { sha256, bytes } = copied;
        let folder = self.directory.join(hex::encode(sha256));
        // A folder with the final name is complete, even after a crash.
        rustix::fs::syncfs(&locked)?;
        loop {
            match std::fs::rename(unfinished, &folder) {
                Ok(()) => return Ok(Package { sha256, folder, bytes, _in_use: locked }),
                // Another one was faster.
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                Err(error) => return Err(error),
            }
            if let Some(package) = self.kept(copied)? {
                let _ = std::fs::remove_dir_all(unfinished);
                return Ok(package);
            }
        }
    }

    /// Removes the packages that have not been used for the longest time, and what a process has left unfinished.
    fn prune(&self) -> io::Result<()> {
        let mut unused: Vec<(SystemTime, PathBuf, File)> = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let Ok(folder) = File::open(&path) else { continue };
            if folder.try_lock().is_ok() {
                let modified = folder.metadata().and_then(|metadata| metadata.modified());
                unused.push((modified.unwrap_or(SystemTime::UNIX_EPOCH), path, folder));
            }
        }
        unused.sort_by_key(|(modified, ..)| std::cmp::Reverse(*modified));
        for (_, path, _locked) in unused.drain(..).skip(PACKAGES_UNUSED) {
            std::fs::remove_dir_all(&path)?;
        }
        Ok(())
    }
}

/// Whether a source could be kept, alone. Returns the bytes of its files.
pub fn check_package(source: &Path) -> Result<u64, PackageError> {
    copy(&[source], PACKAGE_BYTES, None).map(|copied| copied.bytes)
}

/// The component of an archive: `bootstrap.wasm`, or the only `.wasm` in it. A file that is none is one itself.
pub fn component_in(archive: &Path) -> Result<Vec<u8>, PackageError> {
    let wrong = |why: &str| PackageError::Archive { path: archive.to_owned(), why: why.to_owned() };
    let unreadable = |error| PackageError::Unreadable { path: archive.to_owned(), error };
    let mut magic = [0; 4];
    let mut file = File::open(archive).map_err(unreadable)?;
    if file.read_exact(&mut magic).is_ok() && magic == *b"\0asm" {
        return std::fs::read(archive).map_err(unreadable);
    }
    let mut members = BTreeMap::new();
    let mut zip = archive_members(archive, &mut members)?;
    let mut components = members.iter().filter(|(name, _)| name.ends_with(".wasm"));
    let component = match (members.get_key_value("bootstrap.wasm"), components.next(), components.next()) {
        (Some(named), ..) | (None, Some(named), None) => named.1,
        _ => return Err(wrong("it has neither `bootstrap.wasm` nor exactly one other file that ends in `.wasm`")),
    };
    let MemberPlace::Archive(index) = component else { return Err(wrong("it was not read")) };
    let member = zip.by_index(*index).map_err(|error| wrong(&error.to_string()))?;
    let mut bytes = Vec::new();
    member.take(PACKAGE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > PACKAGE_BYTES { Err(PackageError::Bytes(PACKAGE_BYTES)) } else { Ok(bytes) }
}

/// What was copied: the digest of the names and contents, and the bytes.
#[derive(Clone, Copy)]
struct Copied {
    sha256: [u8; 32],
    bytes: u64,
}

/// Copies the files, if there is a `target`. The digest is the same for a folder and for an archive of it.
fn copy(sources: &[&Path], bytes_max: u64, target: Option<&Path>) -> Result<Copied, PackageError> {
    let (mut members, mut archives) = (Members::new(), BTreeMap::new());
    for source in sources {
        let metadata = read(source)?;
        let mut named = BTreeMap::new();
        if metadata.is_file() && source.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip")) {
            archives.insert(*source, archive_members(source, &mut named)?);
        } else if metadata.is_dir() {
            list(source, "", 0, &mut named)?;
        } else {
            let name = source.file_name().unwrap_or_default().to_str().map(str::to_owned);
            let (name, place) = member(source, &metadata, name)?;
            named.insert(name, place);
        }
        members.extend(named.into_iter().map(|(name, place)| (name, (*source, place))));
    }
    if members.len() > PACKAGE_FILES {
        return Err(PackageError::Files);
    }
    if let Some(name) = members.keys().find(|name| is_also_a_folder(&members, name)) {
        return Err(PackageError::Clash(name.clone()));
    }
    let mut copier = Copier { target, digest: Sha256::new(), bytes: 0, bytes_max, buffer: vec![0; 64 << 10] };
    for (name, (source, place)) in &members {
        match place {
            MemberPlace::File(path) => {
                let unreadable = |error| PackageError::Unreadable { path: path.clone(), error };
                let mut from = File::open(path).map_err(unreadable)?;
                copier.add(name, &mut from).map_err(|error| error.at(path))?;
            }
            MemberPlace::Archive(index) => {
                let wrong = |why: String| PackageError::Archive { path: source.to_path_buf(), why };
                let zip = archives.get_mut(source).ok_or_else(|| wrong("it was not read".to_owned()))?;
                let mut from = zip.by_index(*index).map_err(|error| wrong(error.to_string()))?;
                copier.add(name, &mut from).map_err(|error| match error {
                    CopyError::Io(error) => wrong(format!("`{}`: {error}", name.escape_debug())),
                    error @ CopyError::Bytes(_) => error.at(source),
                })?;
            }
        }
    }
    Ok(Copied { sha256: copier.digest.finalize().into(), bytes: copier.bytes })
}

/// Whether files have this file's name for a folder.
fn is_also_a_folder(members: &Members<'_>, name: &str) -> bool {
    let folder = format!("{name}/");
    members.range(folder.clone()..).next().is_some_and(|(next, _)| next.starts_with(&folder))
}

type Archive = ZipArchive<BufReader<File>>;

/// Opens an archive, and lists its files.
fn archive_members(archive: &Path, members: &mut BTreeMap<String, MemberPlace>) -> Result<Archive, PackageError> {
    let wrong = |why: String| PackageError::Archive { path: archive.to_owned(), why };
    let unreadable = |error| PackageError::Unreadable { path: archive.to_owned(), error };
    let file = File::open(archive).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|error| wrong(error.to_string()))?;
    if zip.len() > PACKAGE_FILES {
        return Err(PackageError::Files);
    }
    let mut compressed: u64 = 0;
    for index in 0..zip.len() {
        let member = zip.by_index(index).map_err(|error| wrong(error.to_string()))?;
        if member.is_dir() {
            continue;
        }
        // What many members share would be read once for each of them, without anything to come out of it that could be too much.
        compressed = compressed.saturating_add(member.compressed_size());
        if compressed > length {
            return Err(wrong("its files overlap".to_owned()));
        }
        // A name that leads out of the folder, or a link, may name any file of the host.
        let leads_out = |name: &str| name.starts_with('/') || name.split(['/', '\\']).any(|part| part == "..");
        let sound = !member.is_symlink() && member.name().is_ok_and(|name| !leads_out(&name));
        let name = member.enclosed_name().filter(|_| sound);
        let name =
            name.ok_or_else(|| wrong(format!("`{}` is no file within it", member.name().unwrap_or_default().escape_debug())))?;
        let name = name.to_str().ok_or_else(|| PackageError::Name(name.clone()))?;
        if !name.split('/').any(|part| NOT_IN_PACKAGES.contains(&part)) {
            members.insert(name.to_owned(), MemberPlace::Archive(index));
        }
    }
    Ok(zip)
}

/// Reads the files of a package, and copies them.
struct Copier<'a> {
    target: Option<&'a Path>,
    digest: Sha256,
    bytes: u64,
    bytes_max: u64,
    buffer: Vec<u8>,
}

enum CopyError {
    Io(io::Error),
    Bytes(u64),
}

impl CopyError {
    fn at(self, path: &Path) -> PackageError {
        match self {
            CopyError::Io(error) => PackageError::Unreadable { path: path.to_owned(), error },
            CopyError::Bytes(most) => PackageError::Bytes(most),
        }
    }
}

impl From<io::Error> for CopyError {
    fn from(error: io::Error) -> CopyError {
        CopyError::Io(error)
    }
}

impl Copier<'_> {
    fn add(&mut self, name: &str, from: &mut impl Read) -> Result<(), CopyError> {
        let path = self.target.map(|target| target.join(name));
        if let Some(folder) = path.as_deref().and_then(Path::parent) {
            std::fs::create_dir_all(folder)?;
        }
        let mut to = path.map(File::create_new).transpose()?;
        let (mut contents, mut bytes) = (Sha256::new(), 0);
        loop {
            let count = from.read(&mut self.buffer)?;
            if count == 0 {
                break;
            }
            bytes += count as u64;
            if self.bytes + bytes > self.bytes_max {
                return Err(CopyError::Bytes(self.bytes_max));
            }
            contents.update(&self.buffer[..count]);
            if let Some(to) = &mut to {
                to.write_all(&self.buffer[..count])?;
            }
        }
        self.bytes += bytes;
        self.digest.update((name.len() as u64).to_le_bytes());
        self.digest.update(name.as_bytes());
        self.digest.update(bytes.to_le_bytes());
        self.digest.update(contents.finalize());
        Ok(())
    }
}

fn list(folder: &Path, prefix: &str, depth: usize, members: &mut BTreeMap<String, MemberPlace>) -> Result<(), PackageError> {
    if depth > PACKAGE_DEPTH {
        return Err(PackageError::Depth(folder.to_owned()));
    }
    let unreadable = |error| PackageError::Unreadable { path: folder.to_owned(), error };
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        let Ok(name) = entry.file_name().into_string() else { return Err(PackageError::Name(path)) };
        if NOT_IN_PACKAGES.contains(&name.as_str()) {
            continue;
        }
        let metadata = read(&path)?;
        let name = format!("{prefix}{name}");
        if metadata.is_dir() {
            list(&path, &format!("{name}/"), depth + 1, members)?;
        } else {
            members.extend([member(&path, &metadata, Some(name))?]);
        }
        if members.len() > PACKAGE_FILES {
            return Err(PackageError::Files);
        }
    }
    Ok(())
}

/// Of what a link leads to.
fn read(path: &Path) -> Result<Metadata, PackageError> {
    std::fs::metadata(path).map_err(|error| PackageError::Unreadable { path: path.to_owned(), error })
}

fn member(path: &Path, metadata: &Metadata, name: Option<String>) -> Result<(String, MemberPlace), PackageError> {
    // A pipe or a device may never end.
    if !metadata.is_file() {
        return Err(PackageError::Odd(path.to_owned()));
    }
    let name = name.ok_or_else(|| PackageError::Name(path.to_owned()))?;
    Ok((name, MemberPlace::File(path.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, PackageStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = PackageStore::at(folder.path().join("packages"));
        (folder, store)
    }

    fn write(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn a_package_has_its_files_and_a_digest_of_them() {
        let (folder, store) = store();
        let code = folder.path().join("code");
        write(&code.join("index.js"), "one");
        write(&code.join("lib/a.js"), "two");
        write(&code.join("lib/__pycache__/a.pyc"), "left out");
        let first = store.keep(&code).unwrap();
        assert_eq!(std::fs::read_to_string(first.folder.join("lib/a.js")).unwrap(), "two");
        assert!(!first.folder.join("lib/__pycache__").exists());
        let same = store.keep(&code).unwrap();
        assert_eq!((same.sha256, &same.folder), (first.sha256, &first.folder));
        write(&code.join("lib/a.js"), "three");
        let other = store.keep(&code).unwrap();
        assert_ne!(other.sha256, first.sha256);
        assert_eq!(std::fs::read_to_string(first.folder.join("lib/a.js")).unwrap(), "two", "it stays as it was deployed");
        let one = store.keep(&code.join("index.js")).unwrap();
        assert_eq!(std::fs::read_to_string(one.folder.join("index.js")).unwrap(), "one");
    }

    fn zip(path: &Path, files: &[(&str, &str)]) {
        let mut zip = zip::ZipWriter::new(File::create(path).unwrap());
        for (name, text) in files {
            let options = zip::write::SimpleFileOptions::default();
            zip.start_file(*name, options.compression_method(zip::CompressionMethod::Deflated)).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
    }

    #[test]
    fn an_archive_is_as_good_as_the_folder_that_was_archived() {
        let (folder, store) = store();
        let code = folder.path().join("code");
        write(&code.join("index.js"), "one");
        write(&code.join("lib/a.js"), "two");
        let archive = folder.path().join("code.zip");
        zip(&archive, &[("lib/a.js", "two"), ("index.js", "one"), (".git/HEAD", "left out")]);
        let (from_folder, from_archive) = (store.keep(&code).unwrap(), store.keep(&archive).unwrap());
        assert_eq!(from_archive.sha256, from_folder.sha256);

        let refused = |files: &[(&str, &str)]| {
            zip(&archive, files);
            store.keep(&archive).map(drop).unwrap_err().to_string()
        };
        assert!(refused(&[("../outside.js", "x")]).ends_with("`../outside.js` is no file within it"));
        assert!(!folder.path().join("packages/outside.js").exists() && !folder.path().join("outside.js").exists());
        let bomb = "x".repeat(usize::try_from(PACKAGE_BYTES).unwrap() + 1);
        assert_eq!(refused(&[("bomb", &bomb)]), "it has more than 262144000 bytes");
        write(&archive, "no archive");
        assert!(store.keep(&archive).map(drop).unwrap_err().to_string().contains("code.zip: "));
    }

    /// The record of a file in an archive: an empty one, whose deflated data has the given length.
    fn record(name: &[u8], magic: &[u8], length: u32) -> Vec<u8> {
        let zeros = |count| vec![0; count];
        let is_listed = magic == b"PK\x01\x02";
        let version = if is_listed { [20, 0, 20, 0].as_slice() } else { &[20, 0] };
        let name_length = u16::try_from(name.len()).unwrap().to_le_bytes();
        let sizes = [0, length, 0].map(u32::to_le_bytes).concat();
        let behind = zeros(if is_listed { 16 } else { 2 });
        // Flags, the method (deflated), the time and the day.
        [magic, version, &[0, 0, 8, 0, 0, 0, 0x21, 0x58], &sizes, &name_length, &behind, name].concat()
    }

    #[test]
    fn files_that_share_their_bytes_are_not_read_once_for_each() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("code.zip");
        // Blocks of nothing, of which nothing comes: what is read of them is in no limit.
        let data = [[0, 0, 0, 0xff, 0xff].repeat(200), vec![1, 0, 0, 0xff, 0xff]].concat();
        let length = u32::try_from(data.len()).unwrap();
        let written = |files: u16| {
            let stored = [record(b"0", b"PK\x03\x04", length), data.clone()].concat();
            let listed: Vec<u8> =
                (0..files).flat_map(|file| record(&[b'0' + u8::try_from(file).unwrap()], b"PK\x01\x02", length)).collect();
            let sizes = [listed.len(), stored.len()].map(|size| u32::try_from(size).unwrap().to_le_bytes()).concat();
            let end = [b"PK\x05\x06\0\0\0\0".as_slice(), &[files.to_le_bytes(); 2].concat(), &sizes, &[0, 0]].concat();
            std::fs::write(&archive, [stored, listed, end].concat()).unwrap();
            check_package(&archive)
        };
        assert_eq!(written(1).unwrap(), 0);
        assert!(written(2).unwrap_err().to_string().ends_with("its files overlap"));
        assert!(component_in(&archive).unwrap_err().to_string().ends_with("its files overlap"));
    }

    #[test]
    fn layers_are_merged_in_their_order() {
        let (folder, store) = store();
        let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
        write(&first.join("python/a.py"), "first");
        write(&first.join("python/b.py"), "first");
        write(&second.join("python/b.py"), "second");
        let archive = folder.path().join("third.zip");
        zip(&archive, &[("python/c.py", "third"), ("python/a.py", "third")]);
        let merged = |sources: &[&Path]| store.keep_merged(sources, PACKAGE_BYTES);
        let layers = merged(&[&first, &second, &archive]).unwrap();
        let read = |name: &str| std::fs::read_to_string(layers.folder.join("python").join(name)).unwrap();
        assert_eq!(["a.py", "b.py", "c.py"].map(read), ["third", "second", "third"]);
        assert_eq!(layers.bytes, 16);
        let other = merged(&[&archive, &second, &first]).unwrap();
        assert_ne!(other.sha256, layers.sha256, "the order decides");
        // What decides is what the function finds, not where it comes from.
        assert_eq!(merged(&[&second, &archive, &first]).unwrap().sha256, other.sha256);
        assert_eq!(merged(&[&layers.folder]).unwrap().sha256, layers.sha256);

        assert!(store.keep_merged(&[&first, &second, &archive], 16).is_ok());
        let refused = store.keep_merged(&[&first, &second, &archive], 15).map(drop).unwrap_err().to_string();
        assert_eq!(refused, "it has more than 15 bytes");
        write(&second.join("python/c.py/d"), "");
        let refused = merged(&[&archive, &second]).map(drop).unwrap_err().to_string();
        assert_eq!(refused, "`python/c.py` is a file in one and a folder in another");
    }

    #[test]
    fn packages_that_are_used_stay_and_a_few_others() {
        let (folder, store) = store();
        let file = folder.path().join("f.py");
        write(&file, "used");
        let used = store.keep(&file).unwrap();
        for number in 0..PACKAGES_UNUSED + 5 {
            write(&file, &number.to_string());
            store.keep(&file).unwrap();
        }
        assert!(used.folder.join("f.py").exists());
        // The last one was in use while the others were counted.
        assert_eq!(std::fs::read_dir(&store.directory).unwrap().count(), PACKAGES_UNUSED + 2);
    }

    #[test]
    fn what_is_no_file_is_refused_with_its_path() {
        let (folder, store) = store();
        let code = folder.path().join("code");
        write(&code.join("index.js"), "one");
        let pipe = code.join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        let refused = store.keep(&code).map(drop).unwrap_err().to_string();
        assert_eq!(refused, format!("{} is neither a file nor a folder; leave it out", pipe.display()));
        assert!(!store.directory.exists(), "nothing was begun");
        assert!(store.keep(&folder.path().join("none")).map(drop).unwrap_err().to_string().contains("No such file"));
    }
}
