//! The canonical request: the one spelling of a request that is signed.
//!
//! It is as long as the request, at most three times: each header that is signed is written once, and each byte that is
//! percent-encoded becomes three.

use std::fmt::Write as _;

use super::claim::{Form, S3, SignatureClaim, Signed};
use super::error::SignatureError;

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
        let decode_form = |text: &str| decode(&text.replace('+', " "));
        (decode_form(name), decode_form(value))
    })
}

/// S3 signs the path that it was asked for, percent-encoded in the one right way. The others sign the path as it was sent,
/// without dot segments and empty segments (RFC 3986, section 5.2.4), and percent-encoded once more.
pub(super) fn path(path: &str, service: &str) -> String {
    let mut text = String::with_capacity(path.len() + path.len() / 4);
    if service == S3 {
        push_encoded(&mut text, &decode(path), b"/");
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
        push_encoded(&mut text, segment.as_bytes(), b"");
    }
    if matches!(path.rsplit('/').next(), Some("" | "." | "..")) {
        text.push('/');
    }
    text
}

/// Sorted by name and value, as they are encoded.
fn query(query: &str, form: &Form) -> String {
    let encode = |decoded: &[u8]| {
        let mut text = String::with_capacity(decoded.len());
        push_encoded(&mut text, decoded, b"");
        text
    };
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

/// Percent-encodes all but the unreserved characters of RFC 3986.
fn push_encoded(text: &mut String, decoded: &[u8], keep: &[u8]) {
    for byte in decoded {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || keep.contains(byte) {
            text.push(char::from(*byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
}

/// A percent sign that begins no encoding stands for itself.
fn decode(encoded: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let [first, tail @ ..] = rest {
        let mut byte = [0];
        match tail {
            [high, low, tail @ ..] if *first == b'%' && hex::decode_to_slice([*high, *low], &mut byte).is_ok() => {
                decoded.push(byte[0]);
                rest = tail;
            }
            _ => {
                decoded.push(*first);
                rest = tail;
            }
        }
    }
    decoded
}
