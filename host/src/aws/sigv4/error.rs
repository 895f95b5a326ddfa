//! Why a signature is refused, in AWS's words.
//!
//! No text repeats a signature or a credential: of a header that cannot be read it shows the hash, as AWS does.
//! What it shows of a request is cut and escaped. The last four arms have S3's codes; the others
//! have those of the services that speak JSON, which S3 calls by other names.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::limits::sigv4::EXCERPT_CHARS;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("{missing}(Hashed with SHA-256 and encoded with Base64) Authorization={sha256}")]
    HeaderLacks { missing: String, sha256: String },
    #[error(
        "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with Base64): '{0}'."
    )]
    NotAPair(String),
    #[error("{0}Re-examine the query-string parameters.")]
    QueryLacks(String),
    #[error("Unsupported AWS 'algorithm': '{0}' (only AWS4-HMAC-SHA256 for now). ")]
    Algorithm(String),
    #[error("Date must be in ISO-8601 'basic format'. Got '{0}'. See http://en.wikipedia.org/wiki/ISO_8601")]
    Date(String),
    /// AWS goes on to say what it got, which may be a secret that stands in the wrong place.
    #[error("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term")]
    Credential,
    /// Ours: AWS's text is not known.
    #[error("'{0}' must not be given twice.")]
    Repeated(&'static str),
    /// Ours: AWS's text is not known.
    #[error("X-Amz-Expires must be a number of seconds from 1 to 604800.")]
    Expires,

    #[error("Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.")]
    Both,
    #[error("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")]
    HostNotSigned,
    #[error("'{0}' must be a 'SignedHeader' in the AWS Authorization.")]
    HeaderNotSigned(String),
    #[error("Credential should be scoped to a valid region, not '{0}'. ")]
    Region(String),
    #[error("Credential should be scoped to correct service: '{0}'. ")]
    Service(String),
    #[error("Credential should be scoped with a valid terminator: 'aws4_request', not '{0}'. ")]
    Terminator(String),
    #[error(
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{scope}' != '{date}', from '{timestamp}'."
    )]
    ScopeDate { scope: String, date: String, timestamp: String },
    #[error("Signature expired: {date} is now earlier than {earliest} ({now} - {lifetime})")]
    Expired { date: String, earliest: String, now: String, lifetime: Lifetime },
    #[error("Signature not yet current: {date} is still later than {latest} ({now} + {skew})")]
    NotYetCurrent { date: String, latest: String, now: String, skew: Lifetime },
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
    )]
    Mismatch,

    #[error("x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, or a valid sha256 value.")]
    ContentSha256,
    #[error("The provided 'x-amz-content-sha256' header does not match what was computed.")]
    BodyHash,
    #[error("You must provide the x-amz-decoded-content-length header, a number of bytes.")]
    DecodedLength,
    #[error("The request body is not aws-chunked: {0}.")]
    NotChunked(&'static str),
}

/// Seconds, in minutes if they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime(pub(super) u64);

impl SignatureError {
    /// AWS's name of the error.
    pub fn code(&self) -> &'static str {
        use SignatureError::*;
        match self {
            HeaderLacks { .. } | NotAPair(_) | QueryLacks(_) | Algorithm(_) | Date(_) | Credential | Repeated(_) | Expires => {
                "IncompleteSignatureException"
            }
            Both | HostNotSigned | HeaderNotSigned(_) | Region(_) | Service(_) | Terminator(_) | ScopeDate { .. } => {
                "InvalidSignatureException"
            }
            Expired { .. } | NotYetCurrent { .. } | Mismatch => "InvalidSignatureException",
            ContentSha256 => "InvalidArgument",
            BodyHash => "XAmzContentSHA256Mismatch",
            DecodedLength => "MissingContentLength",
            NotChunked(_) => "IncompleteBody",
        }
    }

    /// The status of an answer that tells it.
    pub fn status(&self) -> u16 {
        match self.code() {
            "InvalidSignatureException" => 403,
            "MissingContentLength" => 411,
            _ => 400,
        }
    }
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(60) { write!(f, "{} min.", self.0 / 60) } else { write!(f, "{} sec.", self.0) }
    }
}

/// What a text may show of what was sent.
pub(super) fn excerpt(sent: &str) -> String {
    sent.chars().take(EXCERPT_CHARS).flat_map(char::escape_debug).collect()
}

/// What a text shows of an `Authorization` header.
pub(super) fn sha256_base64(sent: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(44);
    for group in Sha256::digest(sent).chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}
