//! The format of an object's file: a prelude, the head, the body in blocks.
//!
//!     prelude (64 bytes) │ head │ block │ crc │ block │ crc │ …
//!
//! The prelude is written last; a file without a valid one is not used. It has all lengths and the checksum of
//! itself and the head. The checksum of a block also covers the file's id and the block's number, so that a
//! block of another file, or from another position, is not accepted.
//! Numbers are little-endian. Every length is bounded before memory is allocated for it.

use std::sync::Arc;

use crc32fast::Hasher;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::cache::freshness::Times;
use crate::cache::key::Key;
use crate::cache::object::{Meta, Original};
use crate::limits::cache::{DISK_BLOCK_BYTES, DISK_HEAD_BYTES};

pub(crate) const PRELUDE_BYTES: usize = 64;
pub(crate) const CRC_BYTES: usize = 4;
/// The last character is the version. It also changes when keys are derived differently, since old objects would not be found.
const MAGIC: [u8; 8] = *b"EWCACHE4";
/// The part of the prelude that its checksum covers.
const COVERED: usize = PRELUDE_BYTES - CRC_BYTES;

/// The head of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileHead {
    /// The object's own key: that of the variant, if the response varies.
    pub(crate) key: Key,
    /// The key that leads to its variants.
    pub(crate) primary: Key,
    pub(crate) fill_epoch: u64,
    pub(crate) meta: Meta,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prelude {
    pub(crate) id: u64,
    pub(crate) head_bytes: u32,
    pub(crate) body_bytes: u64,
    head_crc: u32,
}

impl Prelude {
    pub(crate) fn new(id: u64, head: &[u8], body_bytes: u64) -> Prelude {
        let head_bytes = u32::try_from(head.len()).expect("bounded by DISK_HEAD_BYTES");
        Prelude { id, head_bytes, body_bytes, head_crc: crc(id, u64::MAX, head) }
    }

    #[expect(clippy::cast_possible_truncation, reason = "a block is a part of a file, far below 4 GiB")]
    pub(crate) fn encode(&self) -> [u8; PRELUDE_BYTES] {
        let mut out = [0; PRELUDE_BYTES];
        out[..8].copy_from_slice(&MAGIC);
        out[8..16].copy_from_slice(&self.id.to_le_bytes());
        out[16..24].copy_from_slice(&self.body_bytes.to_le_bytes());
        out[24..28].copy_from_slice(&self.head_bytes.to_le_bytes());
        out[28..32].copy_from_slice(&self.head_crc.to_le_bytes());
        out[32..36].copy_from_slice(&(DISK_BLOCK_BYTES as u32).to_le_bytes());
        let crc = crc(self.id, u64::MAX - 1, &out[..COVERED]);
        out[COVERED..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Whether another version of Edgeward has written this: the file is unusable, but not damaged.
    pub(crate) fn is_of_another_version(bytes: &[u8; PRELUDE_BYTES]) -> bool {
        bytes[..7] == MAGIC[..7] && bytes[7].is_ascii_digit() && bytes[7] != MAGIC[7]
    }

    pub(crate) fn decode(bytes: &[u8; PRELUDE_BYTES]) -> Option<Prelude> {
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let prelude = Prelude { id: u64_at(8), body_bytes: u64_at(16), head_bytes: u32_at(24), head_crc: u32_at(28) };
        let right = bytes[..8] == MAGIC
            && u32_at(32) as usize == DISK_BLOCK_BYTES
            && prelude.head_bytes as usize <= DISK_HEAD_BYTES
            && u32_at(COVERED) == crc(prelude.id, u64::MAX - 1, &bytes[..COVERED]);
        right.then_some(prelude)
    }

    pub(crate) fn decode_head(&self, head: &[u8]) -> Option<FileHead> {
        let whole = head.len() == self.head_bytes as usize && crc(self.id, u64::MAX, head) == self.head_crc;
        let mut head = if whole { FileHead::decode(head)? } else { return None };
        if head.meta.length.is_some_and(|length| length != self.body_bytes) {
            return None;
        }
        head.meta.length = Some(self.body_bytes);
        Some(head)
    }

    pub(crate) fn body_at(&self) -> u64 {
        PRELUDE_BYTES as u64 + u64::from(self.head_bytes)
    }

    /// `None` if the lengths overflow.
    pub(crate) fn file_bytes(&self) -> Option<u64> {
        let blocks = self.body_bytes.div_ceil(DISK_BLOCK_BYTES as u64);
        self.body_at().checked_add(self.body_bytes)?.checked_add(blocks.checked_mul(CRC_BYTES as u64)?)
    }
}

/// The checksum of a piece of a file; `place` is the block's number.
pub(crate) fn crc(id: u64, place: u64, bytes: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&id.to_le_bytes());
    hasher.update(&place.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

impl FileHead {
    /// `None` if the head is larger than allowed.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(1024);
        let Meta { status, headers, times, vary, request_site, host, path_and_query, tags, length, stored_ms, original } =
            &self.meta;
        out.extend_from_slice(self.key.bytes());
        out.extend_from_slice(self.primary.bytes());
        for number in [
            self.fill_epoch,
            times.received_ms,
            times.age_ms,
            times.lifetime_ms,
            times.stale_while_revalidate_ms,
            times.stale_if_error_ms,
            length.map_or(u64::MAX, |length| length),
            *stored_ms,
        ] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&status.as_u16().to_le_bytes());
        out.push(times.must_revalidate.into());
        put(&mut out, request_site.as_bytes());
        put(&mut out, host.as_bytes());
        put(&mut out, path_and_query.as_bytes());
        put_count(&mut out, tags.len());
        tags.iter().for_each(|tag| put(&mut out, tag.as_bytes()));
        put_count(&mut out, vary.len());
        vary.iter().for_each(|name| put(&mut out, name.as_str().as_bytes()));
        put_count(&mut out, headers.len());
        for (name, value) in headers {
            put(&mut out, name.as_str().as_bytes());
            put(&mut out, value.as_bytes());
        }
        let etag = original.as_ref().map(|original| original.etag.as_ref());
        out.push(match etag {
            None => 0,
            Some(None) => 1,
            Some(Some(_)) => 2,
        });
        if let Some(Some(etag)) = etag {
            put(&mut out, etag.as_bytes());
        }
        (out.len() <= DISK_HEAD_BYTES).then_some(out)
    }

    fn decode(bytes: &[u8]) -> Option<FileHead> {
        let mut input = HeadDecoder(bytes);
        let key = Key::from_bytes(input.array()?);
        let primary = Key::from_bytes(input.array()?);
        let fill_epoch = input.number()?;
        let mut times = Times {
            received_ms: input.number()?,
            age_ms: input.number()?,
            lifetime_ms: input.number()?,
            stale_while_revalidate_ms: input.number()?,
            stale_if_error_ms: input.number()?,
            must_revalidate: false,
        };
        let length = Some(input.number()?).filter(|length| *length != u64::MAX);
        let stored_ms = input.number()?;
        let status = StatusCode::from_u16(u16::from_le_bytes(input.array()?)).ok()?;
        times.must_revalidate = match input.array()? {
            [0] => false,
            [1] => true,
            _ => return None,
        };
        let request_site = Arc::from(input.text()?);
        let host = Box::from(input.text()?);
        let path_and_query = Box::from(input.text()?);
        let tags = (0..input.count()?).map(|_| input.text().map(Box::from)).collect::<Option<_>>()?;
        let vary: Option<Vec<_>> = (0..input.count()?).map(|_| HeaderName::from_bytes(input.bytes()?).ok()).collect();
        let mut headers = HeaderMap::new();
        for _ in 0..input.count()? {
            let name = HeaderName::from_bytes(input.bytes()?).ok()?;
            headers.try_append(name, HeaderValue::from_bytes(input.bytes()?).ok()?).ok()?;
        }
        let original = match input.array()? {
            [0] => None,
            [1] => Some(Original { etag: None }),
            [2] => Some(Original { etag: Some(HeaderValue::from_bytes(input.bytes()?).ok()?) }),
            _ => return None,
        };
        let vary = vary?.into();
        let meta = Meta { status, headers, times, vary, request_site, host, path_and_query, tags, length, stored_ms, original };
        input.0.is_empty().then_some(FileHead { key, primary, fill_epoch, meta })
    }
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    put_count(out, bytes.len());
    out.extend_from_slice(bytes);
}

struct HeadDecoder<'a>(&'a [u8]);

impl<'a> HeadDecoder<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// The number of items that follow, each of which takes four bytes at least.
    fn count(&mut self) -> Option<usize> {
        let count = u32::from_le_bytes(self.array()?) as usize;
        (count <= self.0.len() / 4).then_some(count)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let count = u32::from_le_bytes(self.array()?) as usize;
        self.take(count)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }
}
