//! Compiled components on disk: `DIR/<digest of component, engine and rewriting>.cwasm`.
//!
//! A file is written whole under another name, flushed, and then renamed: one that has the right name was
//! written by us and is complete. The directory is ours alone (mode 0700).

use std::fs::File;
use std::io::Write as _;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};
use wasmtime::component::Component;
use wasmtime::{Engine, Result};

/// See the module.
pub struct AotCache {
    directory: PathBuf,
}

impl AotCache {
    pub fn open(data_dir: &Path) -> std::io::Result<AotCache> {
        use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
        let directory = data_dir.join("aot");
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700))?;
        Ok(AotCache { directory })
    }

    /// Where the compiled form of what has this digest, made by `engine` in the way that `how` names, is kept.
    pub fn path(&self, engine: &Engine, sha256: &[u8; 32], how: &str) -> PathBuf {
        use std::hash::{Hash as _, Hasher as _};
        let mut compatibility = std::hash::DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut compatibility);
        let mut digest = Sha256::new();
        digest.update(compatibility.finish().to_le_bytes());
        digest.update(how.as_bytes());
        digest.update([0]);
        digest.update(sha256);
        self.directory.join(format!("{}.cwasm", hex::encode(digest.finalize())))
    }

    /// None where there is no file, or one that this engine does not take (it will be written anew).
    #[allow(unsafe_code, reason = "the only place that runs code from a file")]
    pub fn load(&self, engine: &Engine, path: &Path) -> Option<Component> {
        if !path.is_file() {
            return None;
        }
        // JUSTIFICATION: compiling takes a hundred times longer than mapping a compiled file, and wasmtime
        // cannot check machine code, so it has no safe call for this.
        // SAFETY: `deserialize_file` needs a file that `Component::serialize` wrote and nobody changes while
        // it is mapped. `store` is the only writer, it never touches a file after its rename, and the
        // directory is accessible to our own user alone.
        match unsafe { Component::deserialize_file(engine, path) } {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "compiled file cannot be used; compiling again");
                None
            }
        }
    }

    /// Gives back the pages of a compiled file that loading and starting it have touched. They stay in the kernel's
    /// cache, and what is called finds them there; a function that nobody calls costs no memory for its code.
    pub fn release(&self, component: &Component) {
        let image = component.image_range();
        for pages in file_pages(&(image.start.addr()..image.end.addr())).unwrap_or_default() {
            let start = image.start.with_addr(pages.start).cast_mut().cast();
            // JUSTIFICATION: there is no safe call that drops pages of a mapping that is somebody else's.
            // SAFETY: the pages are inside the mapping that `component` keeps alive, and hold what the file
            // holds: `file_pages` left out those that were written to, and nobody writes once it is loaded.
            // Reading one of them, from whichever thread, maps it again.
            #[allow(unsafe_code, reason = "see above")]
            let dropped = unsafe { rustix::mm::madvise(start, pages.len(), rustix::mm::Advice::LinuxDontNeed) };
            if let Err(error) = dropped {
                tracing::debug!(%error, "pages of a compiled file stay");
            }
        }
    }

    pub fn store(&self, component: &Component, path: &Path) -> Result<()> {
        let compiled = component.serialize()?;
        // Nobody else's: neither another process's nor another thread's.
        static STORES: AtomicU64 = AtomicU64::new(0);
        let store = STORES.fetch_add(1, Ordering::Relaxed);
        let unfinished = path.with_extension(format!("{}-{store}.tmp", std::process::id()));
        let written = File::create(&unfinished).and_then(|mut file| {
            file.write_all(&compiled)?;
            file.sync_all()?;
            std::fs::rename(&unfinished, path)
        });
        if written.is_err() {
            let _ = std::fs::remove_file(&unfinished);
        }
        Ok(written?)
    }
}

/// The addresses of pages within a range that are mapped from a file, and not copies of our own. Rounded inwards.
fn file_pages(range: &Range<usize>) -> std::io::Result<Vec<Range<usize>>> {
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
