//! Bodies that are encoded as `aws-chunked`: chunks with a signature each, or a trailer at the end, or both.
//!
//!     5;chunk-signature=<64 digits>\r\n
//!     hello\r\n
//!     0;chunk-signature=<64 digits>\r\n
//!     x-amz-checksum-crc32c:sOO8/Q==\r\n
//!     x-amz-trailer-signature:<64 digits>\r\n
//!     \r\n
//!
//! Each signature covers the one before it; the first covers the request's. What was decoded has the length that the request
//! declares, no more and no less. Checksums in the trailer are read over.
//!
//! Source: "Transferring Payload in Multiple Chunks" and "Including Trailing Headers" in the S3 API reference. It asks for
//! chunks of 8 KiB or more, which is not checked.

use std::fmt;

use http::HeaderMap;
use sha2::{Digest as _, Sha256};

use super::claim::SignatureClaim;
use super::error::SignatureError;
use super::key::SigningKey;
use super::read::single;
use crate::limits::sigv4::{CHUNK_LINE_BYTES, TRAILER_BYTES};

const TRAILER_SIGNATURE: &[u8] = b"x-amz-trailer-signature";

/// What `x-amz-content-sha256` says of such a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChunkedContent {
    Signed,
    SignedWithTrailer,
    UnsignedWithTrailer,
}

/// What a verified request says of its body.
pub struct ChunkedBody {
    content: ChunkedContent,
    key: SigningKey,
    timestamp: String,
    scope: String,
    /// The request's signature, which the first chunk's covers.
    seed: String,
    /// How long the body is when it has been decoded, as the request declares it.
    decoded_bytes: u64,
}

impl ChunkedContent {
    pub(super) fn of(content_sha256: &str) -> Option<ChunkedContent> {
        match content_sha256 {
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Some(ChunkedContent::Signed),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Some(ChunkedContent::SignedWithTrailer),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Some(ChunkedContent::UnsignedWithTrailer),
            _ => None,
        }
    }
}

impl ChunkedBody {
    pub(super) fn new(
        content: ChunkedContent,
        claim: &SignatureClaim,
        key: &SigningKey,
        headers: &HeaderMap,
    ) -> Result<ChunkedBody, SignatureError> {
        let declared = single(headers, "x-amz-decoded-content-length")?;
        let is_number = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let decoded_bytes = declared.filter(is_number).and_then(|text| text.parse().ok());
        Ok(ChunkedBody {
            content,
            key: key.clone(),
            timestamp: claim.timestamp(),
            scope: claim.scope(),
            seed: claim.signature.clone(),
            decoded_bytes: decoded_bytes.ok_or(SignatureError::DecodedLength)?,
        })
    }

    /// The content of a whole body. It is shorter than the body, whatever the request declares.
    pub fn decode(&self, body: &[u8]) -> Result<Vec<u8>, SignatureError> {
        // A body that cannot hold what is declared is refused before memory is asked for.
        let room = usize::try_from(self.decoded_bytes).ok().filter(|room| *room <= body.len());
        let room = room.ok_or(SignatureError::NotChunked("it is shorter than x-amz-decoded-content-length"))?;
        let mut decoded = Vec::with_capacity(room);
        let mut previous = self.seed.clone();
        let mut rest = body;
        loop {
            let (line, tail) =
                line(rest, CHUNK_LINE_BYTES).ok_or(SignatureError::NotChunked("a chunk does not begin with a line"))?;
            let (length, signature) = self.chunk_line(line)?;
            let (chunk, tail) = tail.split_at_checked(length).ok_or(SignatureError::NotChunked("a chunk is incomplete"))?;
            if decoded.len() + chunk.len() > room {
                return Err(SignatureError::NotChunked("it is longer than x-amz-decoded-content-length"));
            }
            if let Some(signature) = signature {
                let nothing = hex::encode(Sha256::digest(b""));
                self.verify("AWS4-HMAC-SHA256-PAYLOAD", &[&previous, &nothing, &hex::encode(Sha256::digest(chunk))], signature)?;
                signature.clone_into(&mut previous);
            }
            if chunk.is_empty() {
                self.end(tail, &previous)?;
                break;
            }
            decoded.extend_from_slice(chunk);
            rest = tail.strip_prefix(b"\r\n").ok_or(SignatureError::NotChunked("a chunk does not end with a line break"))?;
        }
        if decoded.len() != room {
            return Err(SignatureError::NotChunked("it is shorter than x-amz-decoded-content-length"));
        }
        Ok(decoded)
    }

    /// The length of a chunk, in bytes, and its signature, if chunks are signed.
    fn chunk_line<'a>(&self, line: &'a [u8]) -> Result<(usize, Option<&'a str>), SignatureError> {
        let line = std::str::from_utf8(line).map_err(|_| SignatureError::NotChunked("a chunk has no length"))?;
        let (length, signature) = match self.content {
            ChunkedContent::UnsignedWithTrailer => (line, None),
            ChunkedContent::Signed | ChunkedContent::SignedWithTrailer => {
                let parts = line.split_once(";chunk-signature=");
                let (length, signature) = parts.ok_or(SignatureError::NotChunked("a chunk has no signature"))?;
                (length, Some(signature))
            }
        };
        let is_number = (1..=16).contains(&length.len()) && length.bytes().all(|byte| byte.is_ascii_hexdigit());
        let length = usize::from_str_radix(length, 16).ok().filter(|_| is_number);
        Ok((length.ok_or(SignatureError::NotChunked("a chunk has no length"))?, signature))
    }

    /// What follows the line of the empty chunk: a trailer, or an empty line, or both in either order, for clients differ.
    fn end(&self, mut rest: &[u8], previous: &str) -> Result<(), SignatureError> {
        let malformed = SignatureError::NotChunked("its end is not a trailer");
        if rest.len() > TRAILER_BYTES {
            return Err(malformed);
        }
        let mut canonical = Vec::new();
        let mut signature = None;
        while !rest.is_empty() {
            let (line, tail) = line(rest, TRAILER_BYTES).ok_or(malformed.clone())?;
            rest = tail;
            if line.is_empty() {
                continue;
            }
            // Half a line break would be trimmed away as white space.
            if line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
                return Err(malformed);
            }
            let colon = line.iter().position(|byte| *byte == b':').ok_or(malformed.clone())?;
            let (name, value) = (line[..colon].trim_ascii().to_ascii_lowercase(), line[colon + 1..].trim_ascii());
            // A trailer that nobody announced, or that goes on after its signature.
            if name.is_empty() || self.content == ChunkedContent::Signed || signature.is_some() {
                return Err(malformed);
            }
            if name == TRAILER_SIGNATURE {
                signature = Some(std::str::from_utf8(value).map_err(|_| SignatureError::Mismatch)?);
            } else {
                canonical.extend_from_slice(&[&name, b":".as_slice(), value, b"\n"].concat());
            }
        }
        match (self.content, signature) {
            (ChunkedContent::SignedWithTrailer, Some(signature)) => {
                self.verify("AWS4-HMAC-SHA256-TRAILER", &[previous, &hex::encode(Sha256::digest(canonical))], signature)
            }
            (ChunkedContent::SignedWithTrailer, None) => Err(SignatureError::NotChunked("its trailer has no signature")),
            (ChunkedContent::UnsignedWithTrailer, Some(_)) => Err(malformed),
            (ChunkedContent::Signed | ChunkedContent::UnsignedWithTrailer, _) => Ok(()),
        }
    }

    fn verify(&self, algorithm: &str, signed: &[&str], signature: &str) -> Result<(), SignatureError> {
        let message = [&[algorithm, &self.timestamp, &self.scope], signed].concat().join("\n");
        self.key.verify(message.as_bytes(), signature)
    }
}

/// The signature would serve whoever reads it in a log.
impl fmt::Debug for ChunkedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut body = f.debug_struct("ChunkedBody");
        body.field("content", &self.content).field("decoded_bytes", &self.decoded_bytes).finish_non_exhaustive()
    }
}

/// A line without its end, and what follows it.
fn line(bytes: &[u8], bytes_max: usize) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(2).take(bytes_max).position(|two| two == b"\r\n")?;
    Some((&bytes[..end], &bytes[end + 2..]))
}
