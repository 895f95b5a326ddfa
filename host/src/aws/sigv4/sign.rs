//! Signs a request: AWS Signature Version 4, the client's side, with the signature in `Authorization`.
//!
//! What is signed is all that is sent: the headers that are there when `sign` is called, the hash of the body, and the time,
//! which `sign` adds. The canonical request is the verifier's own, so that the two cannot differ.

use std::time::SystemTime;

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};
use sha2::{Digest as _, Sha256};

use super::claim::{ALGORITHM, CONTENT_SHA256, Form, SignatureClaim, Signed};
use super::key::SigningKey;
use super::{canonical, time};

const DATE: &str = "x-amz-date";
const TOKEN: &str = "x-amz-security-token";

/// With what, and for what, a request is signed.
#[derive(Clone, Copy)]
pub struct Signer<'a> {
    pub access_key: &'a str,
    pub secret_key: &'a str,
    /// Of temporary credentials.
    pub session_token: Option<&'a str>,
    pub region: &'a str,
    pub service: &'a str,
}

/// A request that is not signed yet.
pub struct Unsigned<'a> {
    pub method: &'a str,
    /// As it will be sent, percent-encoded.
    pub path: &'a str,
    /// Without the question mark; empty if there is none.
    pub query: &'a str,
    /// With `host`. Gets what the signature consists of.
    pub headers: &'a mut HeaderMap,
    pub body: &'a [u8],
}

/// Adds the signature to the headers of a request.
///
/// # Errors
/// A key or token that cannot stand in a header.
pub fn sign(request: Unsigned<'_>, signer: Signer<'_>, now: SystemTime) -> Result<(), InvalidHeaderValue> {
    let time_s = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let timestamp = time::format_basic(time_s);
    let body_sha256 = hex::encode(Sha256::digest(request.body));
    let headers = request.headers;
    headers.insert(HeaderName::from_static(DATE), HeaderValue::from_str(&timestamp)?);
    headers.insert(HeaderName::from_static(CONTENT_SHA256), HeaderValue::from_str(&body_sha256)?);
    if let Some(token) = signer.session_token {
        let mut token = HeaderValue::from_str(token)?;
        token.set_sensitive(true);
        headers.insert(HeaderName::from_static(TOKEN), token);
    }
    headers.remove(AUTHORIZATION);
    let mut signed_headers: Vec<String> = headers.keys().map(|name| name.as_str().to_owned()).collect();
    signed_headers.sort_unstable();
    let claim = SignatureClaim {
        access_key: signer.access_key.to_owned(),
        date: timestamp.chars().take_while(char::is_ascii_digit).collect(),
        region: signer.region.to_owned(),
        service: signer.service.to_owned(),
        session_token: None,
        time_s,
        form: Form::Header,
        signed_headers,
        signature: String::new(),
    };
    let signed = Signed { method: request.method, path: request.path, query: request.query, headers };
    // It fails only for a header that is not there.
    let canonical = canonical::request(&signed, &claim, &body_sha256).unwrap_or_default();
    let to_sign = [ALGORITHM, &timestamp, &claim.scope(), &hex::encode(Sha256::digest(canonical))].join("\n");
    let key = SigningKey::derive(signer.secret_key, &claim.date, signer.region, signer.service);
    let authorization = format!(
        "{ALGORITHM} Credential={}/{}, SignedHeaders={}, Signature={}",
        claim.access_key,
        claim.scope(),
        claim.signed_headers.join(";"),
        key.sign(to_sign.as_bytes())
    );
    headers.insert(AUTHORIZATION, HeaderValue::from_str(&authorization)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::{Payload, SignatureError};
    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    fn at(time_s: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(time_s)
    }

    fn signer<'a>(service: &'a str, session_token: Option<&'a str>) -> Signer<'a> {
        Signer { access_key: "AKIDEXAMPLE", secret_key: SECRET, session_token, region: "us-east-1", service }
    }

    fn headers() -> HeaderMap {
        HeaderMap::from_iter([(http::header::HOST, HeaderValue::from_static("127.0.0.1:9000"))])
    }

    fn verified(path: &str, query: &str, headers: &HeaderMap, body: &[u8], secret: &str) -> Result<Payload, SignatureError> {
        let signed = Signed { method: "PUT", path, query, headers };
        let claim = SignatureClaim::read(&signed)?.unwrap();
        claim.verify(&signed, &claim.signing_key(secret), || Sha256::digest(body).into(), at(1_440_938_160))
    }

    #[test]
    fn the_signature_of_awss_example_is_the_one_in_the_documentation() {
        // GET of IAM's ListUsers ("Signature Version 4 signing process", 2013): its headers are two, and none has a hash.
        let key = SigningKey::derive(SECRET, "20150830", "us-east-1", "iam");
        let to_sign = "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\nf536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59";
        assert_eq!(key.sign(to_sign.as_bytes()), "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
    }

    #[test]
    fn a_token_is_signed_with_the_rest() {
        let mut headers = headers();
        let request = Unsigned { method: "PUT", path: "/", query: "", headers: &mut headers, body: b"" };
        sign(request, signer("sts", Some("IQoJ/==")), at(1_440_938_160)).unwrap();
        assert!(
            headers[AUTHORIZATION]
                .to_str()
                .unwrap()
                .contains("SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,")
        );
        assert!(matches!(verified("/", "", &headers, b"", SECRET), Ok(Payload::Signed)));
        headers.insert(TOKEN, HeaderValue::from_static("IQoJ/="));
        assert_eq!(verified("/", "", &headers, b"", SECRET).unwrap_err(), SignatureError::Mismatch);
    }

    #[test]
    fn a_key_that_is_no_header_is_an_error() {
        let mut headers = headers();
        let request = Unsigned { method: "PUT", path: "/", query: "", headers: &mut headers, body: b"" };
        assert!(sign(request, Signer { access_key: "AK\n", ..signer("sts", None) }, at(0)).is_err());
    }

    proptest! {
        #[test]
        fn what_is_signed_verifies_and_what_is_changed_then_does_not(
            path in "(/[a-zA-Z0-9%:._~-]{0,8}){1,4}", query in "([a-z]{1,3}=[a-zA-Z0-9%+]{0,4}&?){0,3}",
            body in proptest::collection::vec(any::<u8>(), 0..64), service in "lambda|sts|iam|logs",
        ) {
            let mut headers = headers();
            let request = Unsigned { method: "PUT", path: &path, query: &query, headers: &mut headers, body: &body };
            sign(request, signer(&service, None), at(1_440_938_160)).unwrap();
            prop_assert!(matches!(verified(&path, &query, &headers, &body, SECRET), Ok(Payload::Signed)));
            prop_assert_eq!(verified(&path, &query, &headers, &body, "other").unwrap_err(), SignatureError::Mismatch);
            let longer = [&body[..], b"!"].concat();
            prop_assert_eq!(verified(&path, &query, &headers, &longer, SECRET).unwrap_err(), SignatureError::Mismatch);
            prop_assert_eq!(verified(&(path + "x"), &query, &headers, &body, SECRET).unwrap_err(), SignatureError::Mismatch);
        }
    }
}
