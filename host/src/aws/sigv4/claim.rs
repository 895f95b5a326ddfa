//! What a request says about its signature, before any of it has been checked.

use std::fmt;

use http::HeaderMap;

use super::error::{SignatureError, excerpt};
use super::key::{SigningKey, TERMINATOR};
use super::time;

pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
pub(super) const CONTENT_SHA256: &str = "x-amz-content-sha256";
/// S3 signs paths and payloads by rules of its own.
pub(super) const S3: &str = "s3";

/// What is signed of a request, besides its body.
#[derive(Clone, Copy)]
pub struct Signed<'a> {
    pub method: &'a str,
    /// As it was sent, percent-encoded.
    pub path: &'a str,
    /// As it was sent, without the question mark; empty if there is none.
    pub query: &'a str,
    /// With `host`, which the caller adds from `:authority` if the request came over HTTP/2.
    pub headers: &'a HeaderMap,
}

/// What a request says about its signature. Nothing of it is true before `verify`.
#[derive(Clone)]
pub struct SignatureClaim {
    pub access_key: String,
    /// `YYYYMMDD`, the day of the request.
    pub date: String,
    pub region: String,
    pub service: String,
    /// Of temporary credentials. It is signed as a header or parameter; that it belongs to the key is not known here.
    pub session_token: Option<String>,
    /// When the request was signed, in seconds since 1970.
    pub(super) time_s: u64,
    pub(super) form: Form,
    /// In lower case, sorted, each once.
    pub(super) signed_headers: Vec<String>,
    /// In hexadecimal, as it was sent.
    pub(super) signature: String,
}

/// Where the signature stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    Header,
    Presigned {
        expires_s: u64,
        /// `X-Amz-Content-Sha256` of the query, which is signed as all of the query is.
        content_sha256: Option<String>,
    },
}

impl SignatureClaim {
    /// Refuses a signature that was made for another service or, if one is given, another region.
    pub fn require_scope(&self, region: Option<&str>, service: &str) -> Result<(), SignatureError> {
        if region.is_some_and(|region| region != self.region) {
            return Err(SignatureError::Region(excerpt(&self.region)));
        }
        if service != self.service {
            return Err(SignatureError::Service(service.to_owned()));
        }
        Ok(())
    }

    /// The key that this signature was made with, if the secret is the right one.
    pub fn signing_key(&self, secret_key: &str) -> SigningKey {
        SigningKey::derive(secret_key, &self.date, &self.region, &self.service)
    }

    pub(super) fn signs(&self, name: &str) -> bool {
        self.signed_headers.binary_search_by(|signed| signed.as_str().cmp(name)).is_ok()
    }

    /// `YYYYMMDDTHHMMSSZ`.
    pub(super) fn timestamp(&self) -> String {
        time::format_basic(self.time_s)
    }

    /// Day, region and service, as they are signed.
    pub(super) fn scope(&self) -> String {
        [&self.date, &self.region, &self.service, TERMINATOR].join("/")
    }
}

/// Signature and token would serve whoever reads them in a log.
impl fmt::Debug for SignatureClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut claim = f.debug_struct("SignatureClaim");
        claim.field("access_key", &self.access_key).field("scope", &self.scope()).field("time_s", &self.time_s);
        claim.field("form", &self.form).field("signed_headers", &self.signed_headers).finish_non_exhaustive()
    }
}
