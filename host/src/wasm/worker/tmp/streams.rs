//! Streams that read a file of `/tmp`, and write it.
//!
//! What is in memory is read and written at once. Where that may wait for a disk, a stream waits: `ready` does the work. So a
//! stream that nobody waits for does nothing, and what it holds meanwhile is bounded, for all streams of an instance together.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::task::JoinHandle;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::tree::TreeResult;
use super::{OpenNode, SharedTmp};
use crate::limits::tmp::{BLOCK_BYTES, PENDING_BYTES, TRANSFER_BYTES};

/// Reads a file from a place on.
pub(super) struct TmpReader {
    node: Arc<OpenNode>,
    offset: u64,
    /// What was read and nobody has taken.
    ahead: Option<TreeResult<Bytes>>,
    closed: bool,
}

impl TmpReader {
    pub(super) fn new(node: Arc<OpenNode>, offset: u64) -> TmpReader {
        TmpReader { node, offset, ahead: None, closed: false }
    }

    async fn load(&mut self, most: usize) {
        let (id, offset) = (self.node.id, self.offset);
        let read = self.node.tmp.run(0, move |storage| storage.read(id, offset, most)).await;
        self.ahead = Some(read.map(Bytes::from));
    }
}

#[async_trait]
impl InputStream for TmpReader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if self.closed {
            return Err(StreamError::Closed);
        }
        if size == 0 {
            return Ok(Bytes::new());
        }
        let ahead = match self.ahead.take() {
            Some(ahead) => ahead,
            None if self.node.tmp.is_inline(0) => {
                let (id, offset) = (self.node.id, self.offset);
                self.node.tmp.with(|storage| storage.read(id, offset, size)).map(Bytes::from)
            }
            // Whoever waits for it gets some.
            None => return Ok(Bytes::new()),
        };
        self.closed = ahead.as_ref().map_or(true, Bytes::is_empty);
        let mut bytes = ahead.map_err(failed)?;
        if bytes.is_empty() {
            return Err(StreamError::Closed);
        }
        let taken = bytes.split_to(size.min(bytes.len()));
        self.offset += taken.len() as u64;
        if !bytes.is_empty() {
            self.ahead = Some(Ok(bytes));
        }
        Ok(taken)
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        if self.ahead.is_none() && !self.closed && size > 0 {
            self.load(size).await;
        }
        self.read(size)
    }
}

#[async_trait]
impl Pollable for TmpReader {
    async fn ready(&mut self) {
        if self.ahead.is_none() && !self.closed && !self.node.tmp.is_inline(0) {
            self.load(BLOCK_BYTES).await;
        }
    }
}

/// Writes a file from a place on, or at its end.
pub(super) struct TmpWriter {
    node: Arc<OpenNode>,
    /// `None`: at the end, wherever that is.
    offset: Option<u64>,
    state: Writing,
}

enum Writing {
    Ready,
    /// Nothing is done about it until somebody waits.
    Pending(PendingBytes),
    /// With the number of bytes.
    Running(JoinHandle<TreeResult<()>>, usize),
    Failed(ErrorCode),
    Closed,
}

/// Counted for as long as they are here.
struct PendingBytes {
    tmp: Arc<SharedTmp>,
    bytes: Bytes,
}

impl PendingBytes {
    fn new(tmp: &Arc<SharedTmp>, bytes: Bytes) -> Option<PendingBytes> {
        let before = tmp.pending.fetch_add(bytes.len(), Ordering::Relaxed);
        let pending = PendingBytes { tmp: tmp.clone(), bytes };
        (before + pending.bytes.len() <= PENDING_BYTES).then_some(pending)
    }
}

impl Drop for PendingBytes {
    fn drop(&mut self) {
        self.tmp.pending.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

impl TmpWriter {
    pub(super) fn new(node: Arc<OpenNode>, offset: Option<u64>) -> TmpWriter {
        TmpWriter { node, offset, state: Writing::Ready }
    }

    /// What keeps the stream from being written to.
    fn check(&mut self) -> StreamResult<()> {
        match std::mem::replace(&mut self.state, Writing::Closed) {
            Writing::Failed(error) => {
                // A C library keeps a file's stream, and its caller may make room, or write again as the file is closed.
                if error == ErrorCode::InsufficientSpace {
                    self.state = Writing::Ready;
                }
                Err(failed(error))
            }
            Writing::Closed => Err(StreamError::Closed),
            state => {
                self.state = state;
                Ok(())
            }
        }
    }

    fn settle(&mut self, written: TreeResult<()>, length: usize) {
        self.state = match written {
            Ok(()) => {
                self.offset = self.offset.map(|offset| offset + length as u64);
                Writing::Ready
            }
            Err(error) => Writing::Failed(error),
        };
    }
}

#[async_trait]
impl OutputStream for TmpWriter {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.check()?;
        if !matches!(self.state, Writing::Ready) || bytes.len() > TRANSFER_BYTES {
            return Err(StreamError::trap("more was written than `check-write` permits"));
        }
        let (tmp, id, offset, length) = (self.node.tmp.clone(), self.node.id, self.offset, bytes.len());
        if tmp.is_inline(length) {
            let written = tmp.with(|storage| match offset {
                Some(offset) => storage.write(id, offset, &bytes),
                None => storage.append(id, &bytes),
            });
            self.settle(written, length);
        } else {
            match PendingBytes::new(&tmp, bytes) {
                Some(pending) => self.state = Writing::Pending(pending),
                None => self.state = Writing::Failed(ErrorCode::InsufficientMemory),
            }
        }
        self.check()
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.check()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.check()?;
        Ok(if matches!(self.state, Writing::Ready) { TRANSFER_BYTES } else { 0 })
    }

    /// What was written and not waited for is written before the stream is gone.
    async fn cancel(&mut self) {
        self.ready().await;
    }
}

#[async_trait]
impl Pollable for TmpWriter {
    async fn ready(&mut self) {
        if matches!(self.state, Writing::Pending(_)) {
            let Ok(turn) = self.node.tmp.turn.clone().acquire_owned().await else { return };
            // From here on it goes on, even if nobody waits any more.
            if let Writing::Pending(pending) = std::mem::replace(&mut self.state, Writing::Closed) {
                let (id, offset, length) = (self.node.id, self.offset, pending.bytes.len());
                let running = tokio::task::spawn_blocking(move || {
                    let written = pending.tmp.with(|storage| match offset {
                        Some(offset) => storage.write(id, offset, &pending.bytes),
                        None => storage.append(id, &pending.bytes),
                    });
                    drop(turn);
                    written
                });
                self.state = Writing::Running(running, length);
            }
        }
        if let Writing::Running(running, length) = &mut self.state {
            let (written, length) = (running.await.unwrap_or(Err(ErrorCode::Io)), *length);
            self.settle(written, length);
        }
    }
}

fn failed(error: ErrorCode) -> StreamError {
    StreamError::LastOperationFailed(error.into())
}
