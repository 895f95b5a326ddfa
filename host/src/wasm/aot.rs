//! Compiled components on disk: `DIR/<digest of component, engine and rewriting>.cwasm`, and beside each its description,
//! `.json`.
//!
//! A file is written whole under a temporary name, flushed, and then renamed: a file with the final name was
//! written by us and is complete. Whoever can write here can run code in this process. So the directory must belong to
//! our user and be closed to all others (mode 0700), and is opened once: a directory that is put under its name later is
//! not used. A file is used only if it is a regular file of our user that nobody else may write, and has no second name.
//! What only this process needs is in a file without a name.

mod prune;

use std::fs::{File, FileTimes};
use std::io::{self, Read as _, Write as _};
use std::ops::Range;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Mode, OFlags};
use sha2::{Digest as _, Sha256};
use wasmtime::component::Component;
use wasmtime::{Engine, Module};

use crate::limits;
use crate::limits::aot::NOTE_BYTES;
use crate::wasm::engine::config;
use crate::wasm::nameless_file::nameless_file;
use prune::{CODE, NOTE};

const UNFINISHED: &str = "tmp";

/// See the module.
pub struct AotCache {
    directory: OwnedFd,
    /// For messages.
    path: PathBuf,
}

/// The file name of one compiled component, without its extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AotKey(String);

impl AotKey {
    /// The key of a component with this digest, compiled by `engine` after the rewriting that `how` names.
    pub fn new(engine: &Engine, sha256: &[u8; 32], how: &str) -> AotKey {
        let mut digest = Sha256::new();
        digest.update(config::digest(engine).to_le_bytes());
        digest.update(how.as_bytes());
        digest.update([0]);
        digest.update(sha256);
        AotKey(hex::encode(digest.finalize()))
    }

    fn file(&self, ending: &str) -> String {
        format!("{}.{ending}", self.0)
    }
}

/// Code that is mapped from a file of ours.
#[derive(Clone, Copy)]
pub enum MappedCode<'a> {
    Component(&'a Component),
    Module(&'a Module),
}

impl MappedCode<'_> {
    /// Releases the pages of a compiled file that loading and starting it have touched. They stay in the kernel's page
    /// cache, where a call finds them; a function that nobody calls costs no memory for its code.
    pub fn release(self) {
        let image = match self {
            MappedCode::Component(component) => component.image_range(),
            MappedCode::Module(module) => module.image_range(),
        };
        for pages in file_pages(&(image.start.addr()..image.end.addr())).unwrap_or_default() {
            let start = image.start.with_addr(pages.start).cast_mut().cast();
            // JUSTIFICATION: there is no safe call that drops pages of a mapping that is somebody else's.
            // SAFETY: the pages are inside the mapping that is alive as long as what `self` borrows, and hold what the file
            // holds: `file_pages` left out those that were written to, and nobody writes once it is loaded.
            // Reading one of them, from whichever thread, maps it again.
            #[allow(unsafe_code, reason = "see above")]
            let dropped = unsafe { rustix::mm::madvise(start, pages.len(), rustix::mm::Advice::LinuxDontNeed) };
            if let Err(error) = dropped {
                tracing::debug!(%error, "pages of a compiled file stay");
            }
        }
    }
}

/// A compiled module in a file without a name, of which only this process knows.
pub struct ModuleFile(File);

impl ModuleFile {
    /// Maps the module. What it holds is in the kernel's page cache and not in our memory: nobody pays for what is not used.
    pub fn map(&self, engine: &Engine) -> wasmtime::Result<Module> {
        let file = self.0.try_clone()?;
        // JUSTIFICATION: only what is loaded from a file is mapped from it, and wasmtime cannot check machine code, so it has
        // no safe call for this.
        // SAFETY: `deserialize_open_file` needs a file that `Engine::precompile_module` made and nobody changes while it is
        // mapped. `AotCache::module_file` wrote it, and it has no name: nobody else has a handle of it, and nobody writes
        // to this one.
        #[allow(unsafe_code, reason = "see above")]
        let module = unsafe { Module::deserialize_open_file(engine, file) }?;
        MappedCode::Module(&module).release();
        Ok(module)
    }
}

/// A file that is being written; removed unless it is kept. It is locked while it is open, so that a file that was left
/// behind can be recognised.
pub struct UnfinishedFile<'a> {
    cache: &'a AotCache,
    name: String,
    pub file: File,
}

impl AotCache {
    pub fn open(data_dir: &Path) -> io::Result<AotCache> {
        use std::os::unix::fs::DirBuilderExt as _;
        let path = data_dir.join("aot");
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let foreign = |why: &str| {
            let path = path.display();
            io::Error::other(format!(
                "{path} {why}: whoever can write there can run code in Edgeward; remove it, or take another `data_dir`"
            ))
        };
        let directory = match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(directory) => File::from(directory),
            Err(rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {
                return Err(foreign("is not a folder, but a link or file"));
            }
            Err(error) => return Err(error.into()),
        };
        let owner = directory.metadata()?.uid();
        if owner != our_user() {
            return Err(foreign(&format!("belongs to user {owner}, and Edgeward runs as {}", our_user())));
        }
        directory.set_permissions(std::fs::Permissions::from_mode(0o700))?;
        let cache = AotCache { directory: directory.into(), path };
        cache.sweep();
        Ok(cache)
    }

    /// Loads a component and its description. `None` if there is no complete file of ours; an error if this engine refuses
    /// the file.
    pub fn load(&self, engine: &Engine, key: &AotKey) -> Option<wasmtime::Result<(Component, Vec<u8>)>> {
        let mut note = Vec::new();
        self.ours(&key.file(NOTE))?.take(NOTE_BYTES).read_to_end(&mut note).ok()?;
        let code = self.ours(&key.file(CODE))?;
        // Marks the file as used for `prune`. If the time cannot be set, it may be removed sooner.
        let _ = code.set_times(FileTimes::new().set_accessed(SystemTime::now()));
        // The file that was checked, not another one that has its name by now.
        let path = format!("/proc/self/fd/{}", code.as_raw_fd());
        // JUSTIFICATION: compiling takes a hundred times longer than mapping a compiled file, and wasmtime
        // cannot check machine code, so it has no safe call for this.
        // SAFETY: `deserialize_file` needs a file that `Engine::precompile_component` made and nobody changes while
        // it is mapped. `ours` gives no file but those that our own user alone may write, in a directory of which
        // the same is true, and we never write to one after its rename: `load` sets its times, `prune` takes its name.
        #[allow(unsafe_code, reason = "see above")]
        let loaded = unsafe { Component::deserialize_file(engine, &path) };
        Some(loaded.map(|component| (component, note)))
    }

    /// Compiles a module that only this process uses.
    pub fn module_file(&self, engine: &Engine, module: &[u8]) -> wasmtime::Result<ModuleFile> {
        let mut file = nameless_file(&self.directory)?;
        file.write_all(&engine.precompile_module(module)?)?;
        Ok(ModuleFile(file))
    }

    /// Removes a file that cannot be used.
    pub fn remove(&self, key: &AotKey) {
        for ending in [CODE, NOTE] {
            if let Err(error) = rustix::fs::unlinkat(&self.directory, key.file(ending), AtFlags::empty()) {
                tracing::debug!(path = %self.path.join(key.file(ending)).display(), %error, "compiled file stays");
            }
        }
    }

    /// Opens a file that nobody but us could have written.
    fn ours(&self, name: &str) -> Option<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let path = self.path.join(name);
        let file = match rustix::fs::openat(&self.directory, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(rustix::io::Errno::NOENT) => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "compiled file is not used; compiling again");
                return None;
            }
        };
        let metadata = file.metadata().ok()?;
        let others_write = metadata.mode() & 0o022 != 0;
        if !metadata.is_file() || metadata.uid() != our_user() || others_write || metadata.nlink() != 1 {
            tracing::warn!(path = %path.display(), "compiled file is not used, as somebody else may have written it; compiling again");
            return None;
        }
        Some(file)
    }

    /// Creates a file for the code that is being compiled.
    pub fn begin(&self, key: &AotKey) -> io::Result<UnfinishedFile<'_>> {
        self.unfinished(key)
    }

    /// Keeps the compiled code with its description.
    pub fn keep(&self, key: &AotKey, code: UnfinishedFile<'_>, note: &[u8]) -> io::Result<()> {
        let mut noted = self.unfinished(key)?;
        noted.file.write_all(note)?;
        // The description first: code without one is not found.
        noted.named(&key.file(NOTE))?;
        code.named(&key.file(CODE))?;
        match prune::prune(self.directory.as_fd(), limits::aot::BYTES, &key.file(CODE)) {
            Ok(0) => {}
            Ok(n) => {
                tracing::info!(path = %self.path.display(), "{n} compiled files that had not been used for long were removed")
            }
            Err(error) => tracing::warn!(path = %self.path.display(), %error, "compiled files stay"),
        }
        Ok(())
    }

    fn unfinished(&self, key: &AotKey) -> io::Result<UnfinishedFile<'_>> {
        // A name of its own: no other process and no other thread uses it.
        static BEGUN: AtomicU64 = AtomicU64::new(0);
        let begun = BEGUN.fetch_add(1, Ordering::Relaxed);
        let name = key.file(&format!("{}-{begun}.{UNFINISHED}", std::process::id()));
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(&self.directory, &name, flags, Mode::RUSR | Mode::WUSR)?);
        file.try_lock().map_err(io::Error::from)?;
        Ok(UnfinishedFile { cache: self, name, file })
    }

    /// Removes files whose writer has ended. Files that another process writes are locked.
    fn sweep(&self) {
        let swept = || -> io::Result<()> {
            for entry in rustix::fs::Dir::read_from(&self.directory)? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                if Path::new(&name).extension().is_none_or(|ending| ending != UNFINISHED) {
                    continue;
                }
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let in_work = rustix::fs::openat(&self.directory, &name, flags, Mode::empty()).is_ok_and(|file| {
                    let file = File::from(file);
                    // A file that was just created may not be locked yet.
                    let age = file.metadata().and_then(|metadata| metadata.modified()).map(|modified| modified.elapsed());
                    let is_new = age.is_ok_and(|age| age.is_ok_and(|age| age < Duration::from_millis(limits::aot::SETTLED_MS)));
                    is_new || file.try_lock().is_err()
                });
                if !in_work {
                    let _ = rustix::fs::unlinkat(&self.directory, &name, AtFlags::empty());
                }
            }
            Ok(())
        };
        if let Err(error) = swept() {
            tracing::warn!(path = %self.path.display(), %error, "unfinished files stay");
        }
    }
}

impl UnfinishedFile<'_> {
    fn named(mut self, name: &str) -> io::Result<()> {
        self.file.sync_all()?;
        rustix::fs::renameat(&self.cache.directory, &self.name, &self.cache.directory, name)?;
        self.name.clear();
        Ok(())
    }
}

impl Drop for UnfinishedFile<'_> {
    fn drop(&mut self) {
        if !self.name.is_empty() {
            let _ = rustix::fs::unlinkat(&self.cache.directory, &self.name, AtFlags::empty());
        }
    }
}

fn our_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The addresses of pages within a range that are mapped from a file, without private copies. Rounded inwards.
fn file_pages(range: &Range<usize>) -> io::Result<Vec<Range<usize>>> {
    // `Documentation/admin-guide/mm/pagemap.rst`: eight bytes for each page.
    const PRESENT: u64 = 1 << 63;
    const OF_A_FILE: u64 = 1 << 61;
    let page_bytes = rustix::param::page_size();
    let pages = range.start.div_ceil(page_bytes)..range.end / page_bytes;
    let mut entries = vec![0; pages.len() * 8];
    File::open("/proc/self/pagemap")?.read_exact_at(&mut entries, pages.start as u64 * 8)?;
    let mut found: Vec<Range<usize>> = Vec::new();
    for (page, entry) in pages.zip(entries.as_chunks().0) {
        let entry = u64::from_ne_bytes(*entry);
        if entry & PRESENT == 0 || entry & OF_A_FILE == 0 {
            continue;
        }
        let start = page * page_bytes;
        match found.last_mut() {
            Some(last) if last.end == start => last.end += page_bytes,
            _ => found.push(start..start + page_bytes),
        }
    }
    Ok(found)
}
