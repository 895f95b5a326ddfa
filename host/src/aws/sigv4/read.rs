//! Reads what a request claims, from its `Authorization` header or from its query.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::claim::{ALGORITHM, Form, SignatureClaim, Signed};
use super::error::{SignatureError, excerpt, sha256_base64};
use super::key::TERMINATOR;
use super::{canonical, time};
use crate::limits::sigv4::{EXPIRES_S_MAX, SKEW_S};

const TOKEN: &str = "x-amz-security-token";
const DATE_PARAMETER: &str = "X-Amz-Date";

/// The parts of a claim before their values are read.
struct ClaimParts<'a> {
    algorithm: &'a str,
    credential: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
    /// In seconds since 1970.
    time_s: u64,
    session_token: Option<&'a str>,
    form: Form,
}

/// Parameters by name. A repeated one is refused when it is read: two readers could take different ones.
struct Parameters<'a>(Vec<(&'a str, &'a str)>);

impl SignatureClaim {
    /// `None` if the request carries no signature at all.
    pub fn read(request: &Signed<'_>) -> Result<Option<SignatureClaim>, SignatureError> {
        claim(request)
    }
}

/// The claim of a request, `None` if there is none.
fn claim(request: &Signed<'_>) -> Result<Option<SignatureClaim>, SignatureError> {
    let query: Vec<(String, String)> = canonical::parameters(request.query)
        .filter(|(name, _)| name.starts_with(b"X-Amz-"))
        .map(|(name, value)| (text(&name), text(&value)))
        .collect();
    let query = Parameters(query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect());
    let is_presigned = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"].iter().any(|name| query.has(name));
    let mut authorizations = request.headers.get_all(AUTHORIZATION).iter();
    match (authorizations.next(), authorizations.next(), is_presigned) {
        (None, _, false) => Ok(None),
        (None, _, true) => presigned(&query, request.headers).map(Some),
        (Some(_), _, true) => Err(SignatureError::Both),
        (Some(_), Some(_), false) => Err(SignatureError::Repeated("Authorization")),
        (Some(header), None, false) => match header.to_str() {
            Ok(header) => in_header(header, request.headers).map(Some),
            Err(_) => Err(SignatureError::NotAPair(sha256_base64(header.as_bytes()))),
        },
    }
}

/// The value of a header that has one value.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, SignatureError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(|value| Some(value.trim())).map_err(|_| SignatureError::Mismatch),
        (Some(_), Some(_)) => Err(SignatureError::Repeated(name)),
    }
}

/// `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`, in any order, with commas, spaces or both between.
fn in_header(header: &str, headers: &HeaderMap) -> Result<SignatureClaim, SignatureError> {
    let (algorithm, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
    let mut pairs = Vec::new();
    for pair in rest.split([',', ' ', '\t']).filter(|pair| !pair.is_empty()) {
        pairs.push(pair.split_once('=').ok_or_else(|| SignatureError::NotAPair(sha256_base64(header.as_bytes())))?);
    }
    let pairs = Parameters(pairs);
    let basic = single(headers, "x-amz-date")?;
    let date = single(headers, "date")?;

    let mut missing = String::new();
    let credential = pairs.single("Credential")?;
    let signature = pairs.single("Signature")?;
    let signed_headers = pairs.single("SignedHeaders")?;
    for (name, value) in [("Credential", credential), ("Signature", signature), ("SignedHeaders", signed_headers)] {
        if value.is_none() {
            missing += &format!("Authorization header requires '{name}' parameter. ");
        }
    }
    if basic.or(date).is_none() {
        missing += "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ";
    }
    let (Some(credential), Some(signature), Some(signed_headers), Some(written)) =
        (credential, signature, signed_headers, basic.or(date))
    else {
        return Err(SignatureError::HeaderLacks { missing, sha256: sha256_base64(header.as_bytes()) });
    };
    let time_s = time::parse_basic(written).or_else(|| if basic.is_none() { time::parse_http(written) } else { None });
    let time_s = time_s.ok_or_else(|| SignatureError::Date(excerpt(written)))?;
    let session_token = single(headers, TOKEN)?.filter(|token| !token.is_empty());
    ClaimParts { algorithm, credential, signed_headers, signature, time_s, session_token, form: Form::Header }.claim()
}

fn presigned(query: &Parameters<'_>, headers: &HeaderMap) -> Result<SignatureClaim, SignatureError> {
    let names = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", DATE_PARAMETER];
    let mut values = [None; 5];
    let mut missing = String::new();
    for (name, value) in names.into_iter().zip(&mut values) {
        *value = query.single(name)?;
        if value.is_none() {
            missing += &format!("AWS query-string parameters must include '{name}'. ");
        }
    }
    let [Some(algorithm), Some(credential), Some(signature), Some(signed_headers), Some(written)] = values else {
        return Err(SignatureError::QueryLacks(missing));
    };
    let time_s = time::parse_basic(written).ok_or_else(|| SignatureError::Date(excerpt(written)))?;
    let expires_s = query.single("X-Amz-Expires")?.map_or(Ok(SKEW_S), expires)?;
    let session_token = query.single("X-Amz-Security-Token")?.map_or_else(|| single(headers, TOKEN), |token| Ok(Some(token)))?;
    let content_sha256 = query.single("X-Amz-Content-Sha256")?.map(str::to_owned);
    let form = Form::Presigned { expires_s, content_sha256 };
    ClaimParts { algorithm, credential, signed_headers, signature, time_s, session_token, form }.claim()
}

impl ClaimParts<'_> {
    fn claim(self) -> Result<SignatureClaim, SignatureError> {
        if self.algorithm != ALGORITHM {
            return Err(SignatureError::Algorithm(excerpt(self.algorithm)));
        }
        let elements: Vec<&str> = self.credential.split('/').collect();
        let [access_key, scope_date, region, service, terminator] = elements[..] else {
            return Err(SignatureError::Credential);
        };
        // They are put into texts that are signed line by line, and into logs.
        if elements.iter().any(|element| element.is_empty() || !element.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(SignatureError::Credential);
        }
        if terminator != TERMINATOR {
            return Err(SignatureError::Terminator(excerpt(terminator)));
        }
        let timestamp = time::format_basic(self.time_s);
        let date = timestamp.chars().take_while(char::is_ascii_digit).collect();
        if scope_date != date {
            return Err(SignatureError::ScopeDate { scope: excerpt(scope_date), date, timestamp });
        }
        let mut signed_headers: Vec<String> = self.signed_headers.split(';').map(str::to_ascii_lowercase).collect();
        signed_headers.sort_unstable();
        // A name that stands there often must not be written often.
        signed_headers.dedup();
        Ok(SignatureClaim {
            access_key: access_key.to_owned(),
            date,
            region: region.to_owned(),
            service: service.to_owned(),
            session_token: self.session_token.map(str::to_owned),
            time_s: self.time_s,
            form: self.form,
            signed_headers,
            signature: self.signature.to_owned(),
        })
    }
}

impl<'a> Parameters<'a> {
    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| *known == name)
    }

    /// `None` also if it is empty.
    fn single(&self, name: &'static str) -> Result<Option<&'a str>, SignatureError> {
        let mut values = self.0.iter().filter(|(known, _)| *known == name);
        match (values.next(), values.next()) {
            (Some(_), Some(_)) => Err(SignatureError::Repeated(name)),
            (value, _) => Ok(value.map(|(_, value)| *value).filter(|value| !value.is_empty())),
        }
    }
}

fn expires(written: &str) -> Result<u64, SignatureError> {
    let is_number = (1..=6).contains(&written.len()) && written.bytes().all(|byte| byte.is_ascii_digit());
    let number = written.parse().ok().filter(|number| is_number && (1..=EXPIRES_S_MAX).contains(number));
    number.ok_or(SignatureError::Expires)
}

/// What is no UTF-8 is no name that is looked for, and no value that is right.
fn text(decoded: &[u8]) -> String {
    String::from_utf8_lossy(decoded).into_owned()
}
