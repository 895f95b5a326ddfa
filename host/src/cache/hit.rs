//! A stored response that a lookup has found, and its body on the way to a client.
//!
//! A `Hit` has the head, and the body from wherever it is stored. A body is a `http_body::Body` over the whole or one
//! range of bytes. It yields correct bytes or an error, never wrong bytes, and never ends early without an error.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::cache::disk::{BlockReader, OpenedObject};
use crate::cache::object::{BodyError, Meta, Stored};
use crate::cache::stream::StreamReader;
use crate::telemetry::CacheTier;

/// A response that may be used.
#[derive(Clone)]
pub struct Hit {
    pub meta: Arc<Meta>,
    pub(crate) source: BodySource,
}

#[derive(Clone)]
pub(crate) enum BodySource {
    Memory(Bytes),
    Disk(OpenedObject),
    /// Holds a reader's position, so that the stream keeps its beginning until a body is asked for.
    Stream(StreamReader),
}

impl Hit {
    pub(crate) fn in_memory(stored: &Stored) -> Hit {
        Hit { meta: stored.meta.clone(), source: BodySource::Memory(stored.body.clone()) }
    }

    /// The length of the whole body. `None` for a stream without a stated length that has not ended.
    pub fn length(&self) -> Option<u64> {
        match &self.source {
            BodySource::Memory(body) => Some(body.len() as u64),
            BodySource::Disk(opened) => Some(opened.length()),
            BodySource::Stream(reader) => reader.length(),
        }
    }

    pub fn tier(&self) -> CacheTier {
        match &self.source {
            BodySource::Memory(_) => CacheTier::Memory,
            BodySource::Disk(_) => CacheTier::Disk,
            BodySource::Stream(_) => CacheTier::Flight,
        }
    }

    /// The whole body. Drop the hit once its bodies are made: it keeps a stream's beginning in memory.
    pub fn body(&self) -> HitBody {
        HitBody(match &self.source {
            BodySource::Memory(body) => Inner::Memory(body.clone()),
            BodySource::Disk(opened) => Inner::Disk(opened.reader(0..opened.length())),
            BodySource::Stream(reader) => Inner::Stream(reader.clone()),
        })
    }

    /// The bytes of `range`, which must be within the length if that is known.
    pub fn part(&self, range: Range<u64>) -> HitBody {
        let within = |length: u64| range.start.min(length)..range.end.min(length);
        HitBody(match &self.source {
            BodySource::Memory(body) => {
                let range = within(body.len() as u64);
                // Within a slice's length, so within usize.
                #[expect(clippy::cast_possible_truncation, reason = "both ends are within the body's length")]
                Inner::Memory(body.slice(range.start as usize..(range.end as usize).max(range.start as usize)))
            }
            BodySource::Disk(opened) => Inner::Disk(opened.reader(within(opened.length()))),
            BodySource::Stream(reader) => Inner::Stream(reader.part(range)),
        })
    }
}

/// A stored body on its way out.
pub struct HitBody(Inner);

enum Inner {
    Memory(Bytes),
    Disk(BlockReader),
    Stream(StreamReader),
}

impl Body for HitBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = match &mut self.0 {
            Inner::Memory(bytes) if bytes.is_empty() => return Poll::Ready(None),
            Inner::Memory(bytes) => return Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Inner::Disk(reader) => reader.poll_read(cx),
            Inner::Stream(reader) => reader.poll_read(cx),
        };
        polled.map(|read| read.map(|data| data.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Memory(bytes) => bytes.is_empty(),
            Inner::Disk(reader) => reader.remaining() == 0,
            Inner::Stream(reader) => reader.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Memory(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Disk(reader) => SizeHint::with_exact(reader.remaining()),
            Inner::Stream(reader) => reader.remaining().map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}
