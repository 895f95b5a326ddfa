//! The content of a file, piece by piece. The file system blocks, so each piece is read on the blocking pool.

use std::fs::File;
use std::io::{self, Read as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;
use tokio::task::JoinHandle;

use crate::edge::body::PolledFrame;
use crate::limits::origin::FILE_CHUNK_BYTES;

/// A read on the blocking pool, which gives the file back with what was read.
type Reading = JoinHandle<io::Result<(File, Vec<u8>)>>;

/// The rest of a file, piece by piece.
pub(crate) struct FileContent {
    first: Option<Bytes>,
    file: Option<File>,
    reading: Option<Reading>,
    remaining: u64,
}

impl FileContent {
    /// `first` is what has been read of the `length` bytes that follow in the file.
    pub(crate) fn new(first: Vec<u8>, file: File, length: u64) -> FileContent {
        FileContent { first: Some(first.into()), file: Some(file), reading: None, remaining: length }
    }

    pub(crate) fn remaining(&self) -> u64 {
        self.remaining
    }

    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> PolledFrame {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(self.take(first))));
        }
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        if let Some(mut file) = self.file.take() {
            let remaining = self.remaining;
            self.reading = Some(tokio::task::spawn_blocking(move || {
                let chunk = read_chunk(&mut file, remaining)?;
                Ok((file, chunk))
            }));
        }
        let Some(reading) = &mut self.reading else { return Poll::Ready(None) };
        let read = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        Poll::Ready(Some(match read {
            Ok(Ok((_, chunk))) if chunk.is_empty() => Err(anyhow::anyhow!("the file became shorter while it was sent")),
            Ok(Ok((file, chunk))) => {
                self.file = Some(file);
                Ok(self.take(chunk.into()))
            }
            Ok(Err(error)) => Err(error.into()),
            Err(error) => Err(error.into()),
        }))
    }

    fn take(&mut self, chunk: Bytes) -> Frame<Bytes> {
        self.remaining -= chunk.len() as u64;
        Frame::data(chunk)
    }
}

/// The next piece of a file of which `remaining` bytes are left; shorter only if the file has shrunk.
pub(crate) fn read_chunk(file: &mut File, remaining: u64) -> io::Result<Vec<u8>> {
    let wanted = remaining.min(FILE_CHUNK_BYTES as u64);
    let mut chunk = Vec::with_capacity(usize::try_from(wanted).unwrap_or_default());
    file.take(wanted).read_to_end(&mut chunk)?;
    Ok(chunk)
}
