//! I am a stored response, and its body on the way to a client.
//!
//! `Hit` is what a lookup gives: the head, and the body from wherever it lies. A body is a `http_body::Body`
//! over the whole or one range of bytes; it gives right bytes or an error, never wrong ones, and never ends
//! early without an error.

use std::borrow::Cow;
use std::mem::size_of;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::ETAG;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body::{Body, Frame, SizeHint};

use crate::cache::compact;
use crate::cache::disk::{BlockReader, Opened};
use crate::cache::freshness::Times;
use crate::cache::memory::OVERHEAD_BYTES;
use crate::cache::stream::StreamReader;
use crate::telemetry::CacheTier;

/// All of a stored response but its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    pub status: StatusCode,
    /// Without hop-by-hop fields. What is stored has them in memory of its own (`compact`).
    pub headers: HeaderMap,
    pub times: Times,
    /// The request fields that select this variant; empty if the key already tells it all.
    pub vary: Arc<[HeaderName]>,
    pub request_site: Arc<str>,
    /// Whom alone it is for, without a port and in lower case; empty if all hosts of the site have it.
    pub host: Box<str>,
    pub path_and_query: Box<str>,
    /// Surrogate keys.
    pub tags: Box<[Box<str>]>,
    /// Of the body, if it is known.
    pub length: Option<u64>,
    pub stored_ms: u64,
    /// None: the body is as the origin sent it.
    pub original: Option<Original>,
}

/// What the origin sent, of which the stored body is a compressed form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    pub etag: Option<HeaderValue>,
}

impl Meta {
    /// The header fields by which the origin knows what it sent: many compare an ETag byte by byte, and it never gave
    /// the one that stands for the compressed form.
    pub fn as_sent(&self) -> Cow<'_, HeaderMap> {
        let Some(original) = &self.original else { return Cow::Borrowed(&self.headers) };
        let mut headers = self.headers.clone();
        match &original.etag {
            Some(etag) => drop(headers.insert(ETAG, etag.clone())),
            None => drop(headers.remove(ETAG)),
        }
        Cow::Owned(headers)
    }

    /// The same in memory of its own, so that what is counted is what it holds.
    pub(crate) fn compact(self) -> Meta {
        let etag = |original: Original| Original { etag: original.etag.as_ref().map(compact::value) };
        Meta { headers: compact::headers(&self.headers), original: self.original.map(etag), ..self }
    }

    /// What it holds in memory, beside `OVERHEAD_BYTES`.
    pub(crate) fn bytes(&self) -> u64 {
        let tags: usize = self.tags.iter().map(|tag| tag.len() + size_of::<Box<str>>() + 16).sum();
        let vary: usize = self.vary.iter().map(|name| size_of::<HeaderName>() + compact::name_bytes(name)).sum();
        let original = self.original.as_ref().and_then(|original| original.etag.as_ref()).map_or(0, HeaderValue::len);
        compact::header_bytes(&self.headers)
            + compact::taken((tags + vary + self.host.len() + self.path_and_query.len() + original) as u64)
    }
}

/// A response that lies in memory.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) meta: Arc<Meta>,
    pub(crate) body: Bytes,
    /// The epoch of purges at which its fill began.
    pub(crate) born: u64,
    /// No purge up to this epoch strikes it.
    pub(crate) checked: AtomicU64,
    bytes: u64,
}

impl Stored {
    pub(crate) fn new(meta: Arc<Meta>, body: Bytes, born: u64) -> Stored {
        let bytes = compact::taken(body.len() as u64) + meta.bytes() + OVERHEAD_BYTES;
        Stored { meta, body, born, checked: AtomicU64::new(born), bytes }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// A response that may be used.
#[derive(Clone)]
pub struct Hit {
    pub meta: Arc<Meta>,
    pub(crate) source: Source,
}

#[derive(Clone)]
pub(crate) enum Source {
    Memory(Bytes),
    Disk(Opened),
    /// Holds a place in the stream, so that its beginning is kept until a body is asked for.
    Stream(StreamReader),
}

impl Hit {
    /// Of the whole body; not known of a stream that did not say it and has not ended.
    pub fn length(&self) -> Option<u64> {
        match &self.source {
            Source::Memory(body) => Some(body.len() as u64),
            Source::Disk(opened) => Some(opened.length()),
            Source::Stream(reader) => reader.length(),
        }
    }

    pub fn tier(&self) -> CacheTier {
        match &self.source {
            Source::Memory(_) => CacheTier::Memory,
            Source::Disk(_) => CacheTier::Disk,
            Source::Stream(_) => CacheTier::Flight,
        }
    }

    /// The whole body. Drop the hit once its bodies are made: it holds a stream's beginning.
    pub fn body(&self) -> HitBody {
        HitBody(match &self.source {
            Source::Memory(body) => Inner::Memory(body.clone()),
            Source::Disk(opened) => Inner::Disk(opened.reader(0..opened.length())),
            Source::Stream(reader) => Inner::Stream(reader.clone()),
        })
    }

    /// The bytes of `range`, which must lie within the length if that is known.
    pub fn part(&self, range: Range<u64>) -> HitBody {
        let within = |length: u64| range.start.min(length)..range.end.min(length);
        HitBody(match &self.source {
            Source::Memory(body) => {
                let range = within(body.len() as u64);
                // Within a slice's length, so within usize.
                #[expect(clippy::cast_possible_truncation, reason = "both ends are within the body's length")]
                Inner::Memory(body.slice(range.start as usize..(range.end as usize).max(range.start as usize)))
            }
            Source::Disk(opened) => Inner::Disk(opened.reader(within(opened.length()))),
            Source::Stream(reader) => Inner::Stream(reader.part(range)),
        })
    }
}

/// Why a body ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("the response that this one streams from was cut short")]
    Cut,
    #[error("this reader held the others up for too long")]
    Slow,
    #[error("the stored object is damaged")]
    Damaged,
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
