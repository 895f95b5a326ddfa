//! For a fuzz target: a request of which everything was made up, and one that AWS's own SDK has signed and that was changed
//! after that.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::{SigningParams, calculate_signature, generate_signing_key};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use sha2::{Digest as _, Sha256};

use super::{Payload, SignatureClaim, SignatureError, Signed};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const HOST: &str = "lambda.us-east-1.amazonaws.com";
const REGION: &str = "us-east-1";
const DATE: &str = "20150830T123600Z";
const SCOPE_DATE: &str = "20150830";
/// `DATE`, of AWS's test suite, in seconds since 1970.
const NOW_S: u64 = 1_440_938_160;

/// A request, as text: its line, headers, and after an empty line the body.
#[derive(Debug, Clone, PartialEq)]
struct Message {
    method: String,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// The first line: how the SDK is to sign the request that follows, and what is changed then. `lambda presigned body 3 x`.
struct Change<'a> {
    service: &'a str,
    form: &'a str,
    part: &'a str,
    at: usize,
    to: u8,
}

/// A line that says what is changed, and a request.
pub(crate) fn sigv4(data: &[u8]) {
    let (line, request) = data.split_at(data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len()));
    let (Ok(line), Some(request)) = (std::str::from_utf8(line), Message::read(request.get(1..).unwrap_or_default())) else {
        return;
    };
    let _ = request.verify();
    let Some(change) = Change::read(line) else { return };
    match change.form {
        "chunked" => chunked(&request, &change),
        "made-up" => made_up_chunks(&request, &change),
        form => whole(&request, &change, form == "presigned"),
    }
}

/// What was changed in a part that is signed is not accepted, unless it means the same.
fn whole(request: &Message, change: &Change<'_>, is_presigned: bool) {
    let hash = SignableBody::Bytes(&request.body);
    let Some((signed, _)) = request.signed_by_sdk(change.service, is_presigned, hash) else { return };
    // The SDK leaves unsigned what it cannot spell.
    let Ok(payload) = signed.verify() else { return };
    let mut changed = signed.clone();
    changed.change(change);
    let accepted = changed.verify();
    let is_body_signed = matches!(payload, Payload::Signed);
    assert!(is_body_signed || (is_presigned && change.service == "s3"), "{signed:?}");
    let is_same = signed.meaning(change.service, is_body_signed) == changed.meaning(change.service, is_body_signed);
    assert!(accepted.is_err() || is_same, "accepted {changed:?}, but {signed:?} was signed");
    let claim = SignatureClaim::read(&signed.signed()).ok().flatten().unwrap_or_else(|| panic!("{signed:?} has a claim"));
    let other = claim.verify(&signed.signed(), &claim.signing_key("another"), || signed.sha256(), now());
    assert!(matches!(other, Err(SignatureError::Mismatch)), "{other:?} by another key");
}

/// A body in chunks that were signed: what is decoded after a change is what was sent.
fn chunked(request: &Message, change: &Change<'_>) {
    const CONTENT: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    let mut declared = request.clone();
    let length = HeaderValue::from(request.body.len());
    declared.headers.insert("x-amz-decoded-content-length", length);
    let hash = SignableBody::Precomputed(CONTENT.to_owned());
    let Some((mut signed, seed)) = declared.signed_by_sdk("s3", false, hash) else { return };
    let mut previous = seed;
    let mut encoded = Vec::new();
    let key = generate_signing_key(SECRET, now(), REGION, "s3");
    // As the SDKs do, the last chunk is an empty one.
    for chunk in request.body.chunks(change.at % 9 + 1).chain([&b""[..]]) {
        let digests = [hex::encode(Sha256::digest(b"")), hex::encode(Sha256::digest(chunk))].join("\n");
        let scope = [SCOPE_DATE, REGION, "s3", "aws4_request"].join("/");
        let text = ["AWS4-HMAC-SHA256-PAYLOAD", DATE, &scope, &previous, &digests].join("\n");
        previous = calculate_signature(&key, text.as_bytes());
        encoded.extend_from_slice(format!("{:x};chunk-signature={previous}\r\n", chunk.len()).as_bytes());
        encoded.extend_from_slice(chunk);
        encoded.extend_from_slice(b"\r\n");
    }
    signed.body = encoded;
    let Ok(payload) = signed.verify() else { return };
    let Payload::Chunked(chunked) = payload else { panic!("{payload:?} of {signed:?}") };
    assert_eq!(chunked.decode(&signed.body).as_ref(), Ok(&request.body), "{signed:?}");
    let mut changed = signed.body.clone();
    let at = change.at % changed.len();
    changed[at] = change.to;
    if let Ok(decoded) = chunked.decode(&changed) {
        assert_eq!(decoded, request.body, "of {:?}", changed.escape_ascii().to_string());
    }
    for cut in [at, changed.len() - at] {
        if let Ok(decoded) = chunked.decode(&signed.body[..cut]) {
            assert_eq!(decoded, request.body, "of {cut} bytes");
        }
    }
}

/// A body in chunks that nobody has signed.
fn made_up_chunks(request: &Message, change: &Change<'_>) {
    let contents = [
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    ];
    let content = contents[usize::from(change.to) % contents.len()];
    let mut declared = request.clone();
    declared.headers.insert("x-amz-decoded-content-length", HeaderValue::from(change.at));
    let Some((signed, _)) = declared.signed_by_sdk("s3", false, SignableBody::Precomputed(content.to_owned())) else { return };
    let Ok(Payload::Chunked(chunked)) = signed.verify() else { return };
    if let Ok(decoded) = chunked.decode(&signed.body) {
        assert!(content == contents[2] && decoded.len() == change.at && decoded.len() < signed.body.len(), "{signed:?}");
    }
}

/// Method, parts of the path, parameters, headers, body.
type Meaning = (String, Vec<Vec<u8>>, Vec<Vec<u8>>, Vec<String>, Vec<u8>);

impl Message {
    fn read(text: &[u8]) -> Option<Message> {
        let end = text.windows(2).position(|two| two == b"\n\n").unwrap_or(text.len());
        let (head, body) = (std::str::from_utf8(&text[..end]).ok()?, text.get(end + 2..).unwrap_or_default());
        let mut lines = head.lines();
        let (method, target) = lines.next()?.split_once(' ')?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Method::from_bytes(method.as_bytes()).ok()?;
        target.parse::<http::uri::PathAndQuery>().ok().filter(|_| path.starts_with('/'))?;
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(':')?;
            headers.append(name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value.trim_start()).ok()?);
        }
        Some(Message { method: method.to_owned(), path: path.to_owned(), query: query.to_owned(), headers, body: body.to_vec() })
    }

    fn signed(&self) -> Signed<'_> {
        Signed { method: &self.method, path: &self.path, query: &self.query, headers: &self.headers }
    }

    fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.body).into()
    }

    fn verify(&self) -> Result<Payload, SignatureError> {
        let claim = SignatureClaim::read(&self.signed())?.ok_or(SignatureError::Credential)?;
        let _ = claim.require_scope(Some(REGION), "lambda");
        claim.verify(&self.signed(), &claim.signing_key(SECRET), || self.sha256(), now())
    }

    /// The request without its own signature and with the SDK's; and that. `None` if the SDK does not sign it.
    fn signed_by_sdk(&self, service: &str, is_presigned: bool, body: SignableBody<'_>) -> Option<(Message, String)> {
        let identity = Credentials::new("AKIDEXAMPLE", SECRET, None, None, "fuzz").into();
        let mut settings = SigningSettings::default();
        if is_presigned {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(Duration::from_secs(600));
        } else {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let is_s3 = service == "s3";
        if is_s3 {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        }
        let params = SigningParams::builder().identity(&identity).region(REGION).name(service).time(now()).settings(settings);
        let params = params.build().ok()?.into();
        let mut headers = self.headers.clone();
        for name in ["authorization", "host", "x-amz-date", "date", "x-amz-content-sha256", "x-amz-security-token"] {
            headers.remove(name);
        }
        let separator = if self.query.is_empty() { "" } else { "?" };
        let uri = format!("https://{HOST}{}{separator}{}", self.path, self.query);
        let mut sent = http::Request::builder().method(self.method.as_str()).uri(&uri).body(()).ok()?;
        headers.insert("host", HeaderValue::from_static(HOST));
        *sent.headers_mut() = headers;
        let named = sent.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let body = if is_s3 && is_presigned { SignableBody::UnsignedPayload } else { body };
        let signable = SignableRequest::new(&self.method, &uri, named, body).ok()?;
        let (instructions, signature) = sign(signable, &params).ok()?.into_parts();
        instructions.apply_to_request_http1x(&mut sent);
        let signed = Message {
            method: self.method.clone(),
            path: sent.uri().path().to_owned(),
            query: sent.uri().query().unwrap_or_default().to_owned(),
            headers: sent.headers().clone(),
            body: self.body.clone(),
        };
        Some((signed, signature))
    }

    fn change(&mut self, change: &Change<'_>) {
        let changed = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            let at = change.at % bytes.len().max(1);
            bytes.get_mut(at).into_iter().for_each(|byte| *byte = change.to);
            String::from_utf8(bytes).ok()
        };
        match change.part {
            "method" => self.method = changed(&self.method).unwrap_or_default(),
            "path" => self.path = changed(&self.path).unwrap_or_default(),
            "query" => self.query = changed(&self.query).unwrap_or_default(),
            "added" => self.query += &format!("&{}={}", char::from(change.to), change.at),
            "body" => {
                let at = change.at % self.body.len().max(1);
                self.body.get_mut(at).into_iter().for_each(|byte| *byte = change.to);
            }
            "longer" => self.body.push(change.to),
            "shorter" => drop(self.body.pop()),
            "header" => {
                let index = usize::from(change.to) % self.headers.len().max(1);
                let Some(name) = self.headers.keys().nth(index).cloned() else { return };
                let bytes = self.headers.get(&name).map(|value| value.as_bytes().to_vec()).unwrap_or_default();
                let text = String::from_utf8(bytes).ok().and_then(|text| changed(&text)).unwrap_or_default();
                if let Ok(value) = HeaderValue::from_str(&text) {
                    self.headers.insert(name, value);
                }
            }
            "x-amz" => drop(self.headers.append("x-amz-meta-fuzz", HeaderValue::from(change.at))),
            _ => {}
        }
    }

    /// What the request asks for, as far as it is signed, read in another way than `canonical` does.
    fn meaning(&self, service: &str, is_body_signed: bool) -> Meaning {
        let is_s3 = service == "s3";
        let mut segments: Vec<Vec<u8>> = Vec::new();
        for segment in self.path.split('/') {
            match segment {
                _ if is_s3 => segments.push(unescaped(segment)),
                "" | "." => {}
                ".." => drop(segments.pop()),
                _ => segments.push(segment.into()),
            }
        }
        // A slash at the end means something.
        segments.push(self.path.rsplit('/').next().filter(|last| !["", ".", ".."].contains(last)).unwrap_or("/").into());
        if is_s3 {
            // An escaped slash and a slash are the same key.
            segments = vec![segments.split_last().map(|(_, rest)| rest).unwrap_or_default().join(&b'/')];
        }
        let mut pairs: Vec<Vec<u8>> = Vec::new();
        for pair in self.query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let form = |text: &str| unescaped(&text.replace('+', " "));
            pairs.push([form(name), form(value)].join(&b'\0'));
        }
        pairs.sort();
        let mut headers: Vec<String> = Vec::new();
        for name in self.headers.keys() {
            let words = |value: &HeaderValue| {
                let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
                text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ").trim_ascii().to_owned()
            };
            // How the signature itself is written is not signed, nor what the SDK leaves out.
            let is_left_out = ["authorization", "user-agent", "x-amzn-trace-id", "transfer-encoding"].contains(&name.as_str());
            let is_of_hop = ["connection", "expect", "te", "upgrade", "trailer", "keep-alive"].contains(&name.as_str());
            if !is_left_out && !is_of_hop {
                let values: Vec<String> = self.headers.get_all(name).iter().map(words).collect();
                headers.push(format!("{name}:{}", values.join(",")));
            }
        }
        headers.sort();
        let body = if is_body_signed { self.body.clone() } else { Vec::new() };
        (self.method.clone(), segments, pairs, headers, body)
    }
}

impl<'a> Change<'a> {
    fn read(line: &'a str) -> Option<Change<'a>> {
        let mut words = line.split(' ');
        let (service, form, part) = (words.next()?, words.next()?, words.next()?);
        let is_name = !service.is_empty() && service.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let at = words.next()?.parse::<u16>().ok()?;
        let to = words.next()?.bytes().next()?;
        is_name.then_some(Change { service, form, part, at: at.into(), to })
    }
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW_S)
}

fn unescaped(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut plain, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                plain.extend(u8::try_from(high * 16 + low));
                at += 3;
            }
            (byte, ..) => {
                plain.push(byte);
                at += 1;
            }
        }
    }
    plain
}
