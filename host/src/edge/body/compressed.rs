//! A body that is compressed as it comes.
//!
//! Other tasks need the worker's thread, too: after each slice they get a turn, even if more has come. Each slice ends with
//! a flush. That bounds the work of one poll (encoders gather blocks and would process a whole one at once), gives readers
//! what has come, and costs about one byte in a hundred. Slices are cut from the body, not from the pieces it comes in:
//! small pieces do not spoil the compression, and large ones do not block the thread.
//!
//! Only a slice and the encoder's window are held, never the body. A body that is not as long as it said ends with an
//! error: its reader could not tell any more.

mod encoder;

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame};

use crate::cache::key::Coding;
use crate::edge::body::PolledFrame;
use crate::limits::compression::{AT_ONCE, SLICE_BYTES};
use crate::telemetry::CacheMetrics;
use encoder::Encoder;

/// How many bodies are being compressed.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

pub(crate) struct Compressed<B> {
    body: B,
    coding: Coding,
    /// `None` when all has been written, or nothing more will come.
    encoder: Option<Encoder>,
    /// What has come and is not compressed yet.
    piece: Bytes,
    /// Compressed since the last flush.
    unflushed: usize,
    said: u64,
    came: u64,
    output: u64,
    /// A slice is done: other tasks get a turn.
    rests: bool,
    metrics: CacheMetrics,
    _permit: CompressionPermit,
}

/// Why a body is not compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Uncompressed {
    /// As many as allowed are being compressed.
    Busy,
    /// The encoder failed to start.
    Encoder,
}

impl Uncompressed {
    /// The word in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Uncompressed::Busy => "busy",
            Uncompressed::Encoder => "encoder",
        }
    }
}

impl<B> Compressed<B>
where
    B: Body<Data = Bytes, Error = anyhow::Error> + Unpin,
{
    /// Gives the body back if it cannot be compressed now.
    pub(crate) fn new(body: B, coding: Coding, length: u64, metrics: CacheMetrics) -> Result<Compressed<B>, (B, Uncompressed)> {
        let Some(permit) = CompressionPermit::take(&TAKEN, AT_ONCE) else { return Err((body, Uncompressed::Busy)) };
        let Ok(encoder) = Encoder::new(coding, length) else { return Err((body, Uncompressed::Encoder)) };
        Ok(Compressed {
            body,
            coding,
            encoder: Some(encoder),
            piece: Bytes::new(),
            unflushed: 0,
            said: length,
            came: 0,
            output: 0,
            rests: false,
            metrics,
            _permit: permit,
        })
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.encoder.is_none()
    }

    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> PolledFrame {
        if std::mem::take(&mut self.rests) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            let Some(encoder) = &mut self.encoder else { return Poll::Ready(None) };
            if self.piece.is_empty() {
                match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                    None => return Poll::Ready(self.end()),
                    Some(Err(error)) => return self.broke(error),
                    // Trailers are not stored.
                    Some(Ok(frame)) => self.piece = frame.into_data().unwrap_or_default(),
                }
                self.came += self.piece.len() as u64;
                if self.came > self.said {
                    let error = anyhow::anyhow!("the body is longer than the {} bytes that it should have", self.said);
                    return self.broke(error);
                }
                continue;
            }
            let slice = self.piece.split_to(self.piece.len().min(SLICE_BYTES - self.unflushed));
            if let Err(error) = encoder.write(&slice) {
                return self.failed(error);
            }
            self.unflushed += slice.len();
            if self.unflushed < SLICE_BYTES {
                continue;
            }
            self.unflushed = 0;
            self.rests = true;
            return match encoder.flush() {
                Err(error) => self.failed(error),
                Ok(bytes) => {
                    self.output += bytes.len() as u64;
                    Poll::Ready(Some(Ok(Frame::data(Bytes::from(bytes)))))
                }
            };
        }
    }

    /// The origin has sent its last byte.
    fn end(&mut self) -> Option<Result<Frame<Bytes>, anyhow::Error>> {
        let encoder = self.encoder.take()?;
        if self.came < self.said {
            return Some(Err(anyhow::anyhow!("the body has {} bytes of the {} that it should have", self.came, self.said)));
        }
        let bytes = match encoder.finish() {
            Ok(bytes) => bytes,
            Err(error) => {
                self.metrics.uncompressed(Uncompressed::Encoder.name());
                return Some(Err(anyhow::Error::new(error).context(self.coding.name())));
            }
        };
        self.output += bytes.len() as u64;
        self.metrics.compressed(self.coding.name(), self.came, self.output);
        Some(Ok(Frame::data(Bytes::from(bytes))))
    }

    fn broke(&mut self, error: anyhow::Error) -> PolledFrame {
        self.encoder = None;
        Poll::Ready(Some(Err(error)))
    }

    fn failed(&mut self, error: std::io::Error) -> PolledFrame {
        self.metrics.uncompressed(Uncompressed::Encoder.name());
        self.broke(anyhow::Error::new(error).context(self.coding.name()))
    }
}

/// The right to compress one body.
struct CompressionPermit(&'static AtomicUsize);

impl CompressionPermit {
    fn take(taken: &'static AtomicUsize, most: usize) -> Option<CompressionPermit> {
        let more = |taken: usize| (taken < most).then_some(taken + 1);
        taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| CompressionPermit(taken))
    }
}

impl Drop for CompressionPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
