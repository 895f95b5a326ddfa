//! The canonical request: the one spelling of a request that is signed.
//!
//! It is as long as the request, at most three times: each header that is signed is written once, and each byte that is
//! percent-encoded becomes three.

use percent_encoding::{AsciiSet, percent_decode_str, percent_encode, utf8_percent_encode};

use super::claim::{Form, S3, SignatureClaim, Signed};
use super::error::SignatureError;
use crate::percent::RESERVED;

/// What S3 percent-encodes in paths.
const RESERVED_IN_KEYS: &AsciiSet = &RESERVED.remove(b'/');

/// The canonical request, of which the hash is signed.
pub(super) fn request(request: &Signed<'_>, claim: &SignatureClaim, content_sha256: &str) -> Result<Vec<u8>, SignatureError> {
    let path = path(request.path, &claim.service);
    let query = query(request.query, &claim.form);
    let mut text = [request.method, &path, &query, ""].join("\n").into_bytes();
    for name in &claim.signed_headers {
        text.extend_from_slice(name.as_bytes());
        let mut separator = b':';
        for value in request.headers.get_all(name) {
            text.push(separator);
            push_trimmed(&mut text, value.as_bytes());
            separator = b',';
        }
        // A header that was signed and has not arrived.
        if separator == b':' {
            return Err(SignatureError::Mismatch);
        }
        text.push(b'\n');
    }
    text.push(b'\n');
    text.extend_from_slice(claim.signed_headers.join(";").as_bytes());
    text.push(b'\n');
    text.extend_from_slice(content_sha256.as_bytes());
    Ok(text)
}

/// The name and value of each parameter, decoded. A plus is a space, as in forms.
pub(super) fn parameters(query: &str) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    query.split('&').filter(|parameter| !parameter.is_empty()).map(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let decode_form = |text: &str| percent_decode_str(&text.replace('+', " ")).collect();
        (decode_form(name), decode_form(value))
    })
}

/// S3 signs the path that it was asked for, percent-encoded in the one right way. The others sign the path as it was sent,
/// without dot segments and empty segments (RFC 3986, section 5.2.4), and percent-encoded once more.
pub(super) fn path(path: &str, service: &str) -> String {
    let mut text = String::with_capacity(path.len() + path.len() / 4);
    if service == S3 {
        let decoded: Vec<u8> = percent_decode_str(path).collect();
        text.extend(percent_encode(&decoded, RESERVED_IN_KEYS));
        if text.is_empty() {
            text.push('/');
        }
        return text;
    }
    let mut kept = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    for segment in &kept {
        text.push('/');
        text.extend(utf8_percent_encode(segment, RESERVED));
    }
    if matches!(path.rsplit('/').next(), Some("" | "." | "..")) {
        text.push('/');
    }
    text
}

/// Sorted by name and value, as they are encoded.
fn query(query: &str, form: &Form) -> String {
    let encode = |decoded: &[u8]| percent_encode(decoded, RESERVED).to_string();
    let is_signed = |name: &[u8]| *form == Form::Header || name != b"X-Amz-Signature";
    let mut encoded: Vec<(String, String)> =
        parameters(query).filter(|(name, _)| is_signed(name)).map(|(name, value)| (encode(&name), encode(&value))).collect();
    encoded.sort_unstable();
    let encoded: Vec<String> = encoded.into_iter().map(|(name, value)| name + "=" + &value).collect();
    encoded.join("&")
}

/// Without spaces at its ends, and with one for each run of them.
fn push_trimmed(text: &mut Vec<u8>, value: &[u8]) {
    let mut words = value.trim_ascii().split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    text.extend_from_slice(words.next().unwrap_or_default());
    for word in words {
        text.push(b' ');
        text.extend_from_slice(word);
    }
}
