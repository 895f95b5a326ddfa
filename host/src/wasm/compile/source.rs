//! The bytes of a component as a file that stays open, whatever is put under its name later.
//!
//! The bytes are not kept in memory. They are hashed here, and read by the compiling process, which compares the
//! digest of what it has read: a file that was written to in between is detected.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{MemfdFlags, OFlags, memfd_create};
use sha2::{Digest as _, Sha256};

use crate::limits;

/// See the module.
pub struct ComponentSource {
    file: File,
    pub sha256: [u8; 32],
    pub bytes: u64,
}

impl ComponentSource {
    pub fn open(path: &Path) -> io::Result<ComponentSource> {
        // Opening a FIFO would block, and a device may be endless.
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("not a file"));
        }
        ComponentSource::of(file)
    }

    pub fn from_bytes(bytes: &[u8]) -> io::Result<ComponentSource> {
        let mut file = File::from(memfd_create("component", MemfdFlags::CLOEXEC)?);
        file.write_all(bytes)?;
        ComponentSource::of(file)
    }

    fn of(mut file: File) -> io::Result<ComponentSource> {
        file.seek(SeekFrom::Start(0))?;
        let (mut digest, mut chunk, mut bytes) = (Sha256::new(), vec![0; limits::compile::CHUNK_BYTES], 0u64);
        loop {
            let read = file.read(&mut chunk)?;
            if read == 0 {
                break;
            }
            bytes += read as u64;
            if bytes > limits::config::COMPONENT_BYTES {
                return Err(too_large());
            }
            digest.update(&chunk[..read]);
        }
        Ok(ComponentSource { file, sha256: digest.finalize().into(), bytes })
    }

    /// The file, to be read from its beginning.
    pub(super) fn file(&self) -> io::Result<File> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    }
}

/// Reads all bytes, and computes their digest.
pub(super) fn read(file: impl Read) -> io::Result<(Vec<u8>, [u8; 32])> {
    let mut bytes = Vec::new();
    file.take(limits::config::COMPONENT_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limits::config::COMPONENT_BYTES {
        return Err(too_large());
    }
    let digest = Sha256::digest(&bytes).into();
    Ok((bytes, digest))
}

fn too_large() -> io::Error {
    io::Error::other(format!("it has more than {} bytes", limits::config::COMPONENT_BYTES))
}
