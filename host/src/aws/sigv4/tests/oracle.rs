//! The AWS SDK for Rust signs; what it has signed verifies, and what was changed after that does not.

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use proptest::prelude::*;

use super::*;

const NOW: &str = "20240229T235958Z";
const HOST: &str = "lambda.eu-west-1.amazonaws.com";

#[derive(Debug, Clone)]
struct Case {
    method: &'static str,
    path: String,
    query: String,
    note: String,
    body: Vec<u8>,
    service: &'static str,
    token: Option<&'static str>,
    is_presigned: bool,
    is_hash_sent: bool,
    /// That the body is not signed, said in a header or, presigned, in the query.
    is_unsigned: bool,
}

impl Case {
    fn uri(&self) -> String {
        let separator = if self.query.is_empty() { "" } else { "?" };
        let mut uri = format!("https://{HOST}{}{separator}{}", self.path, self.query);
        if self.is_presigned && self.is_unsigned {
            uri += if self.query.is_empty() { "?" } else { "&" };
            uri += "X-Amz-Content-Sha256=UNSIGNED-PAYLOAD";
        }
        uri
    }

    /// The request as it is sent, and its signature. `None` if it cannot be sent.
    fn sign(&self) -> Option<(Request, String)> {
        let identity = Credentials::new("AKIDEXAMPLE", SUITE_SECRET, self.token.map(str::to_owned), None, "test").into();
        let mut settings = SigningSettings::default();
        if self.is_presigned {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(Duration::from_secs(600));
        }
        if self.is_hash_sent || self.is_unsigned {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let is_s3 = self.service == "s3";
        if is_s3 {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        }
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("eu-west-1")
            .name(self.service)
            .time(at(NOW))
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let uri = self.uri();
        let mut sent = http::Request::builder().method(self.method).uri(&uri).header("host", HOST);
        sent = sent.header("x-amz-meta-note", &self.note);
        let mut sent = sent.body(()).ok()?;
        let headers = [("x-amz-meta-note", self.note.as_str())];
        let is_unsigned = self.is_unsigned || (is_s3 && self.is_presigned);
        let body = if is_unsigned { SignableBody::UnsignedPayload } else { SignableBody::Bytes(&self.body) };
        let signable = SignableRequest::new(self.method, &uri, headers.into_iter(), body).ok()?;
        let (instructions, signature) = sign(signable, &params).ok()?.into_parts();
        instructions.apply_to_request_http1x(&mut sent);
        let request = Request {
            method: self.method.to_owned(),
            path: sent.uri().path().to_owned(),
            query: sent.uri().query().unwrap_or_default().to_owned(),
            headers: sent.headers().clone(),
            body: self.body.clone(),
        };
        Some((request, signature))
    }
}

fn encode(decoded: &str) -> String {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    decoded.bytes().map(|byte| if is_unreserved(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn decode(encoded: &str) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < encoded.len() {
        match encoded.get(at + 1..at + 3).and_then(|two| hex::decode(two).ok()) {
            Some(byte) if encoded.as_bytes()[at] == b'%' => {
                decoded.extend(byte);
                at += 3;
            }
            _ => {
                decoded.push(encoded.as_bytes()[at]);
                at += 1;
            }
        }
    }
    decoded
}

fn cases() -> impl Strategy<Value = Case> {
    let segment = || "[a-c:.~+ %ä$@=,&-]{0,5}".prop_map(|text| encode(&text));
    let pair = ("[a-bA :ä=&+-]{0,3}", prop::option::of("[a-b /ä=&+%?~]{0,4}"));
    let pair = pair.prop_map(|(name, value)| match value {
        Some(value) => encode(&name) + "=" + &encode(&value).replace("%20", "+"),
        None => encode(&name),
    });
    (
        prop::sample::select(vec!["GET", "POST", "PUT", "DELETE"]),
        prop::collection::vec(segment(), 0..5).prop_map(|segments| "/".to_owned() + &segments.join("/")),
        prop::collection::vec(pair, 0..5).prop_map(|pairs| pairs.join("&")),
        "[a-b \",;=]{0,8}".prop_map(|note| note.trim().to_owned()),
        prop::collection::vec(any::<u8>(), 0..6),
        prop::sample::select(vec!["lambda", "s3", "execute-api"]),
        prop::option::of(Just("to+ken/==")),
        any::<(bool, bool)>(),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(method, path, query, note, body, service, token, (is_presigned, is_hash_sent), is_unsigned)| Case {
            method,
            path,
            query,
            note,
            body,
            service,
            token,
            is_presigned,
            is_hash_sent: is_hash_sent && !is_presigned,
            is_unsigned,
        })
}

/// The text with one byte changed to another that could stand there.
fn change(text: &mut String, at: prop::sample::Index, to: char) {
    if !text.is_empty() {
        let at = at.index(text.len());
        text.replace_range(at..=at, to.encode_utf8(&mut [0; 4]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_the_sdk_signs_verifies(case in cases()) {
        let (request, _) = case.sign().unwrap();
        let claim = request.claim().unwrap();
        prop_assert_eq!(claim.session_token.as_deref(), case.token);
        let verified = request.verify(SUITE_SECRET, NOW);
        let is_unsigned = case.is_unsigned || (case.is_presigned && case.service == "s3");
        let is_expected = match verified {
            Ok(Payload::Signed) => !is_unsigned,
            Ok(Payload::Unsigned) => is_unsigned,
            Ok(Payload::Chunked(_)) | Err(_) => false,
        };
        prop_assert!(is_expected, "{:?} {:?}", verified, request);
        prop_assert_eq!(request.verify(S3_SECRET, NOW).unwrap_err(), SignatureError::Mismatch);
    }

    /// A change is accepted if and only if the SDK signs the changed request with the same signature: the two have the same
    /// meaning by the rules of normalising, which are tested elsewhere.
    #[test]
    fn a_changed_byte_is_noticed_unless_it_means_the_same(
        case in cases(),
        site in 0..4,
        at in any::<prop::sample::Index>(),
        to in prop::sample::select(b"ab0Az./%+=&:~-2F".to_vec()),
    ) {
        let (mut request, signature) = case.sign().unwrap();
        let mut changed = case.clone();
        let character = char::from(to);
        match site {
            0 => {

                if changed.path.len() > 1 {
                    let mut rest = changed.path.split_off(1);
                    change(&mut rest, at, character);
                    changed.path += &rest;
                }
                // The SDK signs a path for S3 as it is given, which is right only if that is the one right way.
                prop_assume!(case.service != "s3" || decode(&changed.path) != decode(&case.path) || changed.path == case.path);
            }
            1 => change(&mut changed.query, at, character),
            2 => {
                change(&mut changed.note, at, if "%&".contains(character) { ' ' } else { character });
                changed.note = changed.note.trim().to_owned();
            }
            _ => if let Some(byte) = (!changed.body.is_empty()).then(|| at.index(changed.body.len())) {
                changed.body[byte] = to;
            },
        }
        let Some((signed, other)) = changed.sign() else { return Ok(()) };
        // The changed request with the signature of the original.
        let (path, query, note) = (signed.path.clone(), signed.query.clone(), signed.headers["x-amz-meta-note"].clone());
        request.path = path;
        request.query = query.replace(&other, &signature);
        request.headers.insert("x-amz-meta-note", note);
        request.body = changed.body.clone();
        let verified = request.verify(SUITE_SECRET, NOW);
        // A hash that is sent is the original's, so that the body is compared with it.
        let is_same = signature == other;
        prop_assert_eq!(verified.is_ok(), is_same, "{:?} {:?} {:?}", verified, case, changed);
    }

    #[test]
    fn nothing_that_is_read_is_a_panic(
        authorization in "(AWS4-HMAC-SHA256 ?)?((Credential|SignedHeaders|Signature|x)=?[a-f0-9/;,äh-]{0,9}[, ]{0,2}){0,4}",
        query in "(X-Amz-(Algorithm|Credential|Date|Expires|Signature|SignedHeaders|x)=?[A-Z0-9%+/;ä-]{0,9}&?){0,7}",
        date in "[0-9TZ, GM:+-]{0,20}",
        path in "[/.%a-fä+]{0,20}",
    ) {
        for form in 0..2 {
            let mut request = Request::new("GET /");
            request.path = path.clone();
            request.headers.insert("x-amz-date", date.parse().unwrap());
            if form == 0 {
                request.headers.insert("authorization", HeaderValue::from_bytes(authorization.as_bytes()).unwrap());
            } else {
                request.query = query.clone();
            }
            if let Ok(Some(claim)) = SignatureClaim::read(&request.signed()) {
                let _ = claim.verify(&request.signed(), &claim.signing_key("x"), || [0; 32], at(NOW));
            }
        }
    }
}
