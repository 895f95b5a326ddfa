//! Compiled components on disk: `DIR/<digest of component, engine and rewriting>.cwasm`.
//!
//! A file is written whole under another name, flushed, and then renamed: one that has the right name was
//! written by us and is complete. The directory is ours alone (mode 0700).

use std::io::Write as _;
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

    /// Where the compiled form of `source`, made by `engine` in the way that `how` names, is kept.
    pub fn path(&self, engine: &Engine, source: &[u8], how: &str) -> PathBuf {
        use std::hash::{Hash as _, Hasher as _};
        let mut compatibility = std::hash::DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut compatibility);
        let mut digest = Sha256::new();
        digest.update(compatibility.finish().to_le_bytes());
        digest.update(how.as_bytes());
        digest.update([0]);
        digest.update(source);
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

    pub fn store(&self, component: &Component, path: &Path) -> Result<()> {
        let compiled = component.serialize()?;
        // Nobody else's: neither another process's nor another thread's.
        static STORES: AtomicU64 = AtomicU64::new(0);
        let store = STORES.fetch_add(1, Ordering::Relaxed);
        let unfinished = path.with_extension(format!("{}-{store}.tmp", std::process::id()));
        let written = std::fs::File::create(&unfinished).and_then(|mut file| {
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
