//! Bytes in files that are named after their digest.
//!
//! A file with its final name is complete, even after a crash: it is written under another name, brought to disk, and
//! renamed. Equal bytes are one file.

use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// SHA-256 of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct BlobDigest(pub [u8; 32]);

impl BlobDigest {
    pub fn of(bytes: &[u8]) -> BlobDigest {
        BlobDigest(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for BlobDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl From<BlobDigest> for String {
    fn from(digest: BlobDigest) -> String {
        digest.to_string()
    }
}

impl TryFrom<String> for BlobDigest {
    type Error = hex::FromHexError;

    fn try_from(text: String) -> Result<BlobDigest, hex::FromHexError> {
        let mut digest = [0; 32];
        hex::decode_to_slice(text, &mut digest)?;
        Ok(BlobDigest(digest))
    }
}

/// See the module.
pub struct Blobs {
    folder: PathBuf,
}

impl Blobs {
    pub(super) fn at(folder: PathBuf) -> Blobs {
        Blobs { folder }
    }

    /// Keeps bytes under `suffix`, such as `zip`. Returns when they are on disk. Blocks.
    pub fn keep(&self, bytes: &[u8], suffix: &str) -> io::Result<BlobDigest> {
        static KEPT: AtomicU64 = AtomicU64::new(0);
        let digest = BlobDigest::of(bytes);
        let path = self.path(digest, suffix);
        if path.exists() {
            return Ok(digest);
        }
        std::fs::create_dir_all(&self.folder)?;
        let number = KEPT.fetch_add(1, Ordering::Relaxed);
        let unfinished = self.folder.join(format!("{}-{number}.unfinished", std::process::id()));
        let written = File::create_new(&unfinished).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        let named =
            written.and_then(|()| std::fs::rename(&unfinished, &path)).and_then(|()| File::open(&self.folder)?.sync_all());
        if named.is_err() {
            // What cannot be removed is removed by the next start.
            let _ = std::fs::remove_file(&unfinished);
        }
        named.map(|()| digest)
    }

    /// Where the bytes are, if they were kept.
    pub fn path(&self, digest: BlobDigest, suffix: &str) -> PathBuf {
        self.folder.join(format!("{digest}.{suffix}"))
    }

    pub fn read(&self, digest: BlobDigest, suffix: &str) -> io::Result<Vec<u8>> {
        std::fs::read(self.path(digest, suffix))
    }

    /// Removes the files that nothing names: those that a crash has left, and the code of functions that are gone.
    pub fn retain(&self, is_named: impl Fn(&str) -> bool) -> io::Result<()> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let path = entry?.path();
            if !path.file_stem().and_then(|stem| stem.to_str()).is_some_and(&is_named) {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_are_one_file_and_what_nothing_names_goes() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::at(folder.path().join("code"));
        blobs.retain(|_| true).unwrap();
        let one = blobs.keep(b"one", "zip").unwrap();
        assert_eq!(blobs.keep(b"one", "zip").unwrap(), one);
        let two = blobs.keep(b"two", "zip").unwrap();
        assert_eq!(blobs.read(two, "zip").unwrap(), b"two");
        std::fs::write(folder.path().join("code/1-1.unfinished"), "half").unwrap();
        blobs.retain(|name| name == one.to_string()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path().join("code")).unwrap().count(), 1);
        assert_eq!(BlobDigest::try_from(String::from(one)).unwrap(), one);
    }
}
