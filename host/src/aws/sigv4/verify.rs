//! Whether a signature holds: it is in time, signs what it must, and is the one that the key makes.

use std::time::SystemTime;

use http::HeaderMap;
use sha2::{Digest as _, Sha256};

use super::canonical;
use super::chunked::{ChunkedBody, ChunkedContent};
use super::claim::{ALGORITHM, CONTENT_SHA256, Form, S3, SignatureClaim, Signed};
use super::error::{Lifetime, SignatureError, excerpt};
use super::key::{SigningKey, is_lower_hex_sha256};
use super::read::single;
use super::time;
use crate::limits::sigv4::SKEW_S;

const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// What a signature that holds says about the body.
#[derive(Debug)]
pub enum Payload {
    /// The body is what was signed.
    Signed,
    /// The signature covers no body.
    Unsigned,
    /// The body is encoded as `aws-chunked`, and what it contains is known when it has been decoded.
    Chunked(Box<ChunkedBody>),
}

impl SignatureClaim {
    /// Whether the signature is the one that `key` makes for this request at this time.
    ///
    /// `body_sha256` is the hash of the body as it was sent. It is asked for only if the answer depends on it, and not
    /// before the signature holds if the request declares the hash itself.
    pub fn verify(
        &self,
        request: &Signed<'_>,
        key: &SigningKey,
        body_sha256: impl FnOnce() -> [u8; 32],
        now: SystemTime,
    ) -> Result<Payload, SignatureError> {
        self.require_time(now)?;
        self.require_signed_headers(request.headers)?;
        let declared = self.declared_payload(request.headers)?;
        let computed;
        let (content_sha256, body_sha256) = match declared {
            Some(declared) => (declared, Some(body_sha256)),
            None if self.service == S3 && self.form != Form::Header => (UNSIGNED_PAYLOAD, None),
            None => {
                computed = hex::encode(body_sha256());
                (computed.as_str(), None)
            }
        };
        let canonical = canonical::request(request, self, content_sha256)?;
        let to_sign = [ALGORITHM, &self.timestamp(), &self.scope(), &hex::encode(Sha256::digest(canonical))].join("\n");
        key.verify(to_sign.as_bytes(), &self.signature)?;

        if content_sha256 == UNSIGNED_PAYLOAD {
            return Ok(Payload::Unsigned);
        }
        if let Some(content) = ChunkedContent::of(content_sha256) {
            return Ok(Payload::Chunked(Box::new(ChunkedBody::new(content, self, key, request.headers)?)));
        }
        // Both are known to whoever sent them: the time of this comparison tells nothing.
        if let Some(body_sha256) = body_sha256
            && hex::encode(body_sha256()) != content_sha256
        {
            return Err(if self.service == S3 { SignatureError::BodyHash } else { SignatureError::Mismatch });
        }
        Ok(Payload::Signed)
    }

    fn require_time(&self, now: SystemTime) -> Result<(), SignatureError> {
        let now_s = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let lifetime_s = match self.form {
            Form::Header => SKEW_S,
            Form::Presigned { expires_s, .. } => expires_s,
        };
        let (date, now) = (self.timestamp(), time::format_basic(now_s));
        if self.time_s.saturating_add(lifetime_s) < now_s {
            let earliest = time::format_basic(now_s - lifetime_s);
            return Err(SignatureError::Expired { date, earliest, now, lifetime: Lifetime(lifetime_s) });
        }
        if self.time_s > now_s.saturating_add(SKEW_S) {
            let latest = time::format_basic(now_s.saturating_add(SKEW_S));
            return Err(SignatureError::NotYetCurrent { date, latest, now, skew: Lifetime(SKEW_S) });
        }
        Ok(())
    }

    fn require_signed_headers(&self, headers: &HeaderMap) -> Result<(), SignatureError> {
        if !self.signs("host") {
            return Err(SignatureError::HostNotSigned);
        }
        for name in headers.keys().map(http::HeaderName::as_str).filter(|name| name.starts_with("x-amz-")) {
            // Clients send the hash with presigned requests, too; unsigned it counts for nothing.
            let counts = self.form == Form::Header || name != CONTENT_SHA256;
            if counts && !self.signs(name) {
                return Err(SignatureError::HeaderNotSigned(excerpt(name)));
            }
        }
        Ok(())
    }

    /// What the request itself says the hash of its body is, or stands for one.
    fn declared_payload<'a>(&'a self, headers: &'a HeaderMap) -> Result<Option<&'a str>, SignatureError> {
        let declared = match &self.form {
            Form::Presigned { content_sha256: Some(declared), .. } => Some(declared.as_str()),
            _ if self.signs(CONTENT_SHA256) => single(headers, CONTENT_SHA256)?,
            _ => None,
        };
        let is_known = |declared: &str| {
            is_lower_hex_sha256(declared) || declared == UNSIGNED_PAYLOAD || ChunkedContent::of(declared).is_some()
        };
        match declared {
            Some(declared) if !is_known(declared) => Err(SignatureError::ContentSha256),
            declared => Ok(declared),
        }
    }
}
