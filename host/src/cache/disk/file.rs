//! Writes an object's file, and reads its blocks.
//!
//! A file grows under a temporary name with an empty prelude; only `commit` writes the prelude and renames it.
//! Dropping a writer removes its file. There is no fsync: the checksums detect what a power cut has torn, and the
//! object is a miss.
//! `FileWriter` blocks: it belongs on the blocking pool. `BlockReader` does not: it reads there.

use std::fs::{self, File, OpenOptions};
use std::future::Future as _;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use rustix::fs::OFlags;
use tokio::task::JoinHandle;

use crate::cache::disk::format::{CRC_BYTES, FileHead, PRELUDE_BYTES, Prelude, crc};
use crate::cache::object::{BodyError, Meta};
use crate::limits::cache::{DISK_BLOCK_BYTES, DISK_READ_BLOCKS};

const BLOCK: u64 = DISK_BLOCK_BYTES as u64;

pub(crate) struct FileWriter {
    file: Arc<File>,
    id: u64,
    head: Vec<u8>,
    temporary: PathBuf,
    finished: PathBuf,
    /// The block that is not full yet.
    open: Vec<u8>,
    blocks: u64,
    at: u64,
    committed: bool,
}

impl FileWriter {
    pub(crate) fn create(id: u64, head: &FileHead, temporary: PathBuf, finished: PathBuf) -> io::Result<FileWriter> {
        let head = head.encode().ok_or_else(|| io::Error::other("the head is too large"))?;
        let file = open_regular(&temporary, OpenOptions::new().read(true).write(true).create_new(true))?;
        let at = (PRELUDE_BYTES + head.len()) as u64;
        let writer = FileWriter {
            file: Arc::new(file),
            id,
            head,
            temporary,
            finished,
            open: Vec::with_capacity(DISK_BLOCK_BYTES + CRC_BYTES),
            blocks: 0,
            at,
            committed: false,
        };
        writer.file.write_all_at(&writer.head, PRELUDE_BYTES as u64)?;
        Ok(writer)
    }

    pub(crate) fn append(&mut self, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            let (taken, rest) = data.split_at(data.len().min(DISK_BLOCK_BYTES - self.open.len()));
            self.open.extend_from_slice(taken);
            data = rest;
            if self.open.len() == DISK_BLOCK_BYTES {
                self.close_block()?;
            }
        }
        Ok(())
    }

    /// How many bytes `Blocks` of this file can read so far: whole blocks only.
    pub(crate) fn readable(&self) -> u64 {
        self.blocks * BLOCK
    }

    pub(crate) fn blocks(&self) -> Blocks {
        Blocks { file: self.file.clone(), id: self.id, body_at: (PRELUDE_BYTES + self.head.len()) as u64 }
    }

    /// Completes the file. Returns its size.
    pub(crate) fn commit(mut self) -> io::Result<u64> {
        let body_bytes = self.readable() + self.open.len() as u64;
        if !self.open.is_empty() {
            self.close_block()?;
        }
        let prelude = Prelude::new(self.id, &self.head, body_bytes);
        self.file.write_all_at(&prelude.encode(), 0)?;
        fs::rename(&self.temporary, &self.finished)?;
        self.committed = true;
        Ok(self.at)
    }

    fn close_block(&mut self) -> io::Result<()> {
        let crc = crc(self.id, self.blocks, &self.open);
        self.open.extend_from_slice(&crc.to_le_bytes());
        self.file.write_all_at(&self.open, self.at)?;
        self.at += self.open.len() as u64;
        self.blocks += 1;
        self.open.clear();
        Ok(())
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        if !self.committed {
            // A file that cannot be removed now is removed when the cache is opened again.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// The blocks of an open file.
#[derive(Clone)]
pub(crate) struct Blocks {
    file: Arc<File>,
    id: u64,
    body_at: u64,
}

impl Blocks {
    /// Reads from the block that holds `from`, some blocks at most; `length` is where the body ends. Blocks.
    pub(crate) fn read(&self, from: u64, until: u64, length: u64) -> Result<Bytes, BodyError> {
        let first = from / BLOCK;
        let last = until.div_ceil(BLOCK).min(first + DISK_READ_BLOCKS);
        let end = (last * BLOCK).min(length);
        let stride = BLOCK + CRC_BYTES as u64;
        // One read for all; then the checksums are taken out.
        let bytes = usize::try_from(end - first * BLOCK + (last - first) * CRC_BYTES as u64).map_err(|_| BodyError::Damaged)?;
        let mut data = vec![0; bytes];
        self.file.read_exact_at(&mut data, self.body_at + first * stride).map_err(|_| BodyError::Damaged)?;
        let mut kept = 0;
        let mut at = 0;
        for number in first..last {
            let size = usize::try_from((end - number * BLOCK).min(BLOCK)).map_err(|_| BodyError::Damaged)?;
            let (block, rest) = data[at..].split_at(size);
            if rest[..CRC_BYTES] != crc(self.id, number, block).to_le_bytes() {
                return Err(BodyError::Damaged);
            }
            data.copy_within(at..at + size, kept);
            kept += size;
            at += size + CRC_BYTES;
        }
        data.truncate(kept);
        let skipped = usize::try_from(from - first * BLOCK).map_err(|_| BodyError::Damaged)?;
        let wanted = usize::try_from(until.min(end) - first * BLOCK).map_err(|_| BodyError::Damaged)?;
        Ok(Bytes::from(data).slice(skipped..wanted))
    }
}

/// An object whose file is open, and whose head has been verified.
#[derive(Clone)]
pub(crate) struct OpenedObject {
    pub(crate) meta: Arc<Meta>,
    pub(crate) fill_epoch: u64,
    blocks: Blocks,
    length: u64,
    /// The beginning of the body, as far as it has been read to verify it.
    beginning: Bytes,
    damaged: Arc<dyn Fn() + Send + Sync>,
}

impl OpenedObject {
    /// Opens the file and verifies everything but the body. Blocks.
    pub(crate) fn open(path: &Path, damaged: Arc<dyn Fn() + Send + Sync>) -> io::Result<(OpenedObject, FileHead)> {
        let (file, prelude, head) = read_head(path)?;
        let blocks = Blocks { file: Arc::new(file), id: prelude.id, body_at: prelude.body_at() };
        let meta = Arc::new(head.meta.clone().compact());
        let beginning = Bytes::new();
        Ok((OpenedObject { meta, fill_epoch: head.fill_epoch, blocks, length: prelude.body_bytes, beginning, damaged }, head))
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Reads the first blocks before the response's head is sent: if they are damaged, the object is a miss. Blocks.
    pub(crate) fn read_beginning(&mut self) -> Result<(), BodyError> {
        if self.length > 0 {
            self.beginning = self.blocks.read(0, self.length, self.length)?;
        }
        Ok(())
    }

    /// The whole body. Blocks.
    pub(crate) fn read_all(&self) -> Result<Bytes, BodyError> {
        let size = usize::try_from(self.length).map_err(|_| BodyError::Damaged)?;
        let mut body = Vec::with_capacity(size);
        while (body.len() as u64) < self.length {
            body.extend_from_slice(&self.blocks.read(body.len() as u64, self.length, self.length)?);
        }
        Ok(body.into())
    }

    pub(crate) fn reader(&self, range: Range<u64>) -> BlockReader {
        let mut reader = BlockReader::new(self.blocks.clone(), self.length, range);
        reader.beginning = self.beginning.clone();
        reader.damaged = Some(self.damaged.clone());
        reader
    }
}

/// Opens a regular file and nothing else: a link is not followed, and a pipe without a writer does not block the reader.
/// A new file is readable by its owner only.
pub(crate) fn open_regular(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = options.mode(0o600).custom_flags(flags.bits().cast_signed()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::from(io::ErrorKind::InvalidData)) }
}

/// Reads and verifies prelude and head of a file, and that the file has the length that they state.
pub(crate) fn read_head(path: &Path) -> io::Result<(File, Prelude, FileHead)> {
    let damaged = || io::Error::from(io::ErrorKind::InvalidData);
    let file = open_regular(path, OpenOptions::new().read(true))?;
    let mut prelude = [0; PRELUDE_BYTES];
    file.read_exact_at(&mut prelude, 0)?;
    if Prelude::is_of_another_version(&prelude) {
        return Err(io::Error::from(io::ErrorKind::Unsupported));
    }
    let prelude = Prelude::decode(&prelude).ok_or_else(damaged)?;
    if prelude.file_bytes() != Some(file.metadata()?.len()) {
        return Err(damaged());
    }
    let mut head = vec![0; prelude.head_bytes as usize];
    file.read_exact_at(&mut head, PRELUDE_BYTES as u64)?;
    let head = prelude.decode_head(&head).ok_or_else(damaged)?;
    Ok((file, prelude, head))
}

/// A range of a body, read on the blocking pool some blocks at a time.
pub(crate) struct BlockReader {
    blocks: Blocks,
    length: u64,
    at: u64,
    until: u64,
    reading: Option<JoinHandle<Result<Bytes, BodyError>>>,
    /// Bytes that have been read already; empty once they are given out.
    beginning: Bytes,
    damaged: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl BlockReader {
    pub(crate) fn new(blocks: Blocks, length: u64, range: Range<u64>) -> BlockReader {
        let (at, until) = (range.start, range.end.max(range.start));
        BlockReader { blocks, length, at, until, reading: None, beginning: Bytes::new(), damaged: None }
    }

    pub(crate) fn remaining(&self) -> u64 {
        self.until - self.at
    }

    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.remaining() == 0 {
            return Poll::Ready(None);
        }
        let beginning = std::mem::take(&mut self.beginning);
        if let Ok(from) = usize::try_from(self.at)
            && from < beginning.len()
        {
            let to = usize::try_from(self.until).map_or(beginning.len(), |until| until.min(beginning.len()));
            self.at = to as u64;
            return Poll::Ready(Some(Ok(beginning.slice(from..to))));
        }
        let (blocks, at, until, length) = (&self.blocks, self.at, self.until, self.length);
        let reading = self.reading.get_or_insert_with(|| {
            let blocks = blocks.clone();
            tokio::task::spawn_blocking(move || blocks.read(at, until, length))
        });
        let read = ready!(Pin::new(reading).poll(cx)).unwrap_or(Err(BodyError::Cut));
        self.reading = None;
        match &read {
            Ok(data) => self.at += data.len() as u64,
            Err(_) => {
                self.at = self.until;
                if let Some(damaged) = &self.damaged {
                    damaged();
                }
            }
        }
        Poll::Ready(Some(read))
    }
}
