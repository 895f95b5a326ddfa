//! A stored response: its head (`Meta`), and the head with its body in memory (`Stored`).

use std::borrow::Cow;
use std::mem::size_of;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use http::header::ETAG;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::cache::compact;
use crate::cache::freshness::Times;
use crate::limits::cache::weight::OBJECT_BYTES;

/// A stored response without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    pub status: StatusCode,
    /// Without hop-by-hop fields. Stored objects have their fields in memory of their own (`compact`).
    pub headers: HeaderMap,
    pub times: Times,
    /// The request fields that select this variant; empty if the key already tells it all.
    pub vary: Arc<[HeaderName]>,
    pub request_site: Arc<str>,
    /// The host that it is for, in lower case and without a port. Empty if all hosts of the site share it.
    pub host: Box<str>,
    pub path_and_query: Box<str>,
    /// Surrogate keys.
    pub tags: Box<[Box<str>]>,
    /// Of the body, if it is known.
    pub length: Option<u64>,
    pub stored_ms: u64,
    /// `None` if the body is as the origin sent it.
    pub original: Option<Original>,
}

/// What the origin sent, of which the stored body is a compressed form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    pub etag: Option<HeaderValue>,
}

impl Meta {
    /// The header fields as the origin sent them. Many origins compare an ETag byte by byte, and the ETag of the compressed
    /// form is not one they ever sent.
    pub fn as_sent(&self) -> Cow<'_, HeaderMap> {
        let Some(original) = &self.original else { return Cow::Borrowed(&self.headers) };
        let mut headers = self.headers.clone();
        match &original.etag {
            Some(etag) => drop(headers.insert(ETAG, etag.clone())),
            None => drop(headers.remove(ETAG)),
        }
        Cow::Owned(headers)
    }

    /// Copies the fields into memory of their own, so that the bytes counted are the bytes held.
    pub(crate) fn compact(self) -> Meta {
        let etag = |original: Original| Original { etag: original.etag.as_ref().map(compact::value) };
        Meta { headers: compact::headers(&self.headers), original: self.original.map(etag), ..self }
    }

    /// The bytes that it holds in memory, in addition to `OBJECT_BYTES`.
    pub(crate) fn bytes(&self) -> u64 {
        let tags: usize = self.tags.iter().map(|tag| tag.len() + size_of::<Box<str>>() + 16).sum();
        let vary: usize = self.vary.iter().map(|name| size_of::<HeaderName>() + compact::name_bytes(name)).sum();
        let original = self.original.as_ref().and_then(|original| original.etag.as_ref()).map_or(0, HeaderValue::len);
        compact::header_bytes(&self.headers)
            + compact::taken((tags + vary + self.host.len() + self.path_and_query.len() + original) as u64)
    }
}

/// A response in memory.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) meta: Arc<Meta>,
    pub(crate) body: Bytes,
    /// The epoch of purges at which its fill began.
    pub(crate) fill_epoch: u64,
    /// No purge up to this epoch strikes it.
    pub(crate) checked: AtomicU64,
    bytes: u64,
}

impl Stored {
    pub(crate) fn new(meta: Arc<Meta>, body: Bytes, fill_epoch: u64) -> Stored {
        let bytes = compact::taken(body.len() as u64) + meta.bytes() + OBJECT_BYTES;
        Stored { meta, body, fill_epoch, checked: AtomicU64::new(fill_epoch), bytes }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Why a body ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("the response that this one streams from was cut short")]
    Cut,
    #[error("this reader held the others up for too long")]
    Slow,
    #[error("the stored object is damaged")]
    Damaged,
}
