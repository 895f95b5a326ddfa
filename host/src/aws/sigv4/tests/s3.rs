//! The examples of S3's documentation: requests in one piece, presigned, and in chunks.

use proptest::prelude::*;

use super::super::chunked::{ChunkedBody, ChunkedContent};
use super::*;

const NOW: &str = "20130524T000000Z";
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const CREDENTIAL: &str = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";

fn signed(text: &str, headers: &str, signature: &str) -> Request {
    Request::new(&text.replace("HOST", "Host: examplebucket.s3.amazonaws.com").replace("EMPTY", EMPTY))
        .with("x-amz-date", NOW)
        .with("authorization", &format!("AWS4-HMAC-SHA256 Credential={CREDENTIAL},SignedHeaders={headers},Signature={signature}"))
}

#[test]
fn documented_requests_verify() {
    for request in [
        signed(
            "GET /test.txt\nHOST\nRange: bytes=0-9\nx-amz-content-sha256: EMPTY",
            "host;range;x-amz-content-sha256;x-amz-date",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        signed(
            "PUT /test$file.text\nHOST\nDate: Fri, 24 May 2013 00:00:00 GMT\nx-amz-storage-class: REDUCED_REDUNDANCY\n\
             x-amz-content-sha256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072\n\nWelcome to Amazon S3.",
            "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        signed(
            "GET /?lifecycle\nHOST\nx-amz-content-sha256: EMPTY",
            "host;x-amz-content-sha256;x-amz-date",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        signed(
            "GET /?max-keys=2&prefix=J\nHOST\nx-amz-content-sha256: EMPTY",
            "host;x-amz-content-sha256;x-amz-date",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ] {
        assert!(matches!(request.verify(S3_SECRET, NOW), Ok(Payload::Signed)), "{request:?}");
        let mut other = request;
        other.body.push(b'.');
        assert_eq!(other.verify(S3_SECRET, NOW).unwrap_err(), SignatureError::BodyHash);
    }
}

#[test]
fn documented_presigned_request_verifies_until_it_expires() {
    let request = Request::new(
        "GET /test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404
        Host: examplebucket.s3.amazonaws.com

whatever",
    );
    for now in ["20130523T234500Z", NOW, "20130525T000000Z"] {
        assert!(matches!(request.verify(S3_SECRET, now), Ok(Payload::Unsigned)), "{now}");
    }
    let early = request.verify(S3_SECRET, "20130523T234459Z").unwrap_err().to_string();
    assert_eq!(
        early,
        "Signature not yet current: 20130524T000000Z is still later than 20130523T235959Z (20130523T234459Z + 15 min.)"
    );
    let late = request.verify(S3_SECRET, "20130525T000001Z").unwrap_err().to_string();
    assert_eq!(late, "Signature expired: 20130524T000000Z is now earlier than 20130524T000001Z (20130525T000001Z - 1440 min.)");
    // A hash that is sent, but not signed, counts for nothing.
    assert!(request.clone().with("x-amz-content-sha256", EMPTY).verify(S3_SECRET, NOW).is_ok());
    let refused = request.with("x-amz-storage-class", "GLACIER").verify(S3_SECRET, NOW).unwrap_err();
    assert_eq!(refused, SignatureError::HeaderNotSigned("x-amz-storage-class".to_owned()));
}

fn chunked(trailer: &str, content: &str, headers: &str, signature: &str) -> Request {
    let text = format!(
        "PUT /examplebucket/chunkObject.txt\nHost: s3.amazonaws.com\nx-amz-storage-class: REDUCED_REDUNDANCY\n\
         x-amz-content-sha256: {content}\nContent-Encoding: aws-chunked\nx-amz-decoded-content-length: 66560\n{trailer}"
    );
    signed(&text, headers, signature)
}

fn documented_chunks() -> Request {
    let mut request = chunked(
        "Content-Length: 66824",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class",
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    );
    request.body = [
        b"10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n".as_slice(),
        &[b'a'; 65_536],
        b"\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n",
        &[b'a'; 1_024],
        b"\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n",
    ]
    .concat();
    request
}

fn documented_trailer() -> Request {
    let mut request = chunked(
        "x-amz-trailer: x-amz-checksum-crc32c",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer",
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    );
    request.body = [
        b"10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n".as_slice(),
        &[b'a'; 65_536],
        b"\r\n400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n",
        &[b'a'; 1_024],
        b"\r\n0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n",
        b"x-amz-checksum-crc32c:sOO8/Q==\r\n",
        b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
    ]
    .concat();
    request
}

fn decode(request: &Request) -> Result<Vec<u8>, SignatureError> {
    let Payload::Chunked(body) = request.verify(S3_SECRET, NOW)? else { panic!("not chunked") };
    body.decode(&request.body)
}

/// The request with a part of its body replaced.
fn replaced(request: &Request, from: &str, to: &str) -> Request {
    let at = request.body.windows(from.len()).position(|window| window == from.as_bytes()).expect(from);
    let mut request = request.clone();
    request.body.splice(at..at + from.len(), to.bytes());
    request
}

#[test]
fn documented_chunks_verify() {
    let request = documented_chunks();
    assert_eq!(request.body.len(), 66_824);
    assert_eq!(decode(&request).unwrap(), [b'a'; 66_560]);
    let request = documented_trailer();
    assert_eq!(decode(&request).unwrap(), [b'a'; 66_560]);
    // As some clients send it: an empty line before the trailer, none after it.
    let request = replaced(&request, "x-amz-checksum", "\r\nx-amz-checksum");
    assert!(decode(&request).is_ok());
    assert!(decode(&replaced(&request, "e435\r\n\r\n", "e435\r\n")).is_ok());
}

#[test]
fn chunks_that_are_not_what_was_signed_are_refused() {
    use SignatureError::{Mismatch, NotChunked};
    let (chunks, trailer) = (documented_chunks(), documented_trailer());
    let longer = NotChunked("it is longer than x-amz-decoded-content-length");
    let shorter = NotChunked("it is shorter than x-amz-decoded-content-length");
    let no_length = NotChunked("a chunk has no length");
    let no_trailer = NotChunked("its end is not a trailer");
    for (request, from, to, error) in [
        (&chunks, "aaaa", "aaab", Mismatch),
        (&chunks, "8648\r\n", "8649\r\n", Mismatch),
        (&chunks, "ad80c730", "AD80C730", Mismatch),
        (&chunks, "5497\r\n", "5496\r\n", Mismatch),
        (&chunks, "9df9\r\n", "9df8\r\n", Mismatch),
        (&chunks, "10000;", "fff;", Mismatch),
        (&chunks, "10000;", "10401;", longer.clone()),
        (&chunks, "10000;", "ffffffffffffffff;", NotChunked("a chunk is incomplete")),
        (&chunks, "10000;", "+10000;", no_length.clone()),
        (&chunks, "10000;", ";", no_length.clone()),
        (&chunks, "10000;", "00000000000010000;", no_length.clone()),
        (&chunks, "10000;chunk-signature=", "10000;", NotChunked("a chunk has no signature")),
        (&chunks, "\r\n400;", "\n\n400;", NotChunked("a chunk does not end with a line break")),
        (&chunks, "9df9\r\n\r\n", "9df9", NotChunked("a chunk does not begin with a line")),
        (&chunks, "9df9\r\n\r\n", "9df9\r\n\r\nmore", no_trailer.clone()),
        (&chunks, "9df9\r\n\r\n", "9df9\r\nx-amz-checksum-crc32c:sOO8/Q==\r\n\r\n", no_trailer.clone()),
        (&trailer, "sOO8/Q==", "sOO8/A==", Mismatch),
        (&trailer, "e435\r\n", "e436\r\n", Mismatch),
        (&trailer, "sOO8/Q==\r\n", "sOO8/Q==\r\nx-amz-meta-more:1\r\n", Mismatch),
        (&trailer, "e435\r\n", "e435\r\nx-amz-meta-more:1\r\n", no_trailer.clone()),
        (&trailer, "x-amz-trailer-signature:", "x-amz-trailer-signature=", no_trailer.clone()),
        (&trailer, "x-amz-trailer-signature:", "x-amz-else:", NotChunked("its trailer has no signature")),
    ] {
        assert_eq!(decode(&replaced(request, from, to)).unwrap_err(), error, "{from} {to}");
    }
    // Chunks cut off at a border: the signatures hold, and yet it is not all.
    let end = chunks.body.windows(4).position(|window| window == b"400;").unwrap();
    let mut cut = chunks.clone();
    cut.body.truncate(end);
    cut.body.extend_from_slice(&chunks.body[chunks.body.len() - 86 - 4..]);
    assert_eq!(decode(&cut).unwrap_err(), shorter);
    let mut cut = chunks.clone();
    cut.body.truncate(end);
    assert_eq!(decode(&cut).unwrap_err(), shorter);
    // Chunks of another request do not fit.
    let mut other = documented_trailer();
    other.body = chunks.body.clone();
    assert_eq!(decode(&other).unwrap_err(), Mismatch);
}

#[test]
fn a_trailer_is_bounded() {
    let trailer = |bytes: usize| {
        let text = format!("1\r\na\r\n0\r\nx:{}\r\n\r\n", "a".repeat(bytes - 6));
        unsigned("1").decode(text.as_bytes())
    };
    for bytes in [4_095, 4_096] {
        assert_eq!(trailer(bytes).unwrap(), b"a");
    }
    assert_eq!(trailer(4_097).unwrap_err(), SignatureError::NotChunked("its end is not a trailer"));
}

/// A body without signatures, whose request declares this length.
fn unsigned(declared: &str) -> ChunkedBody {
    try_unsigned(declared).unwrap()
}

fn try_unsigned(declared: &str) -> Result<ChunkedBody, SignatureError> {
    let request = documented_trailer().with("x-amz-decoded-content-length", declared);
    let claim = request.claim().unwrap();
    ChunkedBody::new(ChunkedContent::UnsignedWithTrailer, &claim, &claim.signing_key(S3_SECRET), &request.headers)
}

#[test]
fn the_declared_length_is_the_length() {
    let body = b"3\r\nabc\r\n2\r\nde\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
    assert_eq!(unsigned("5").decode(body).unwrap(), b"abcde");
    let longer = SignatureError::NotChunked("it is longer than x-amz-decoded-content-length");
    assert_eq!(unsigned("4").decode(body).unwrap_err(), longer);
    let shorter = SignatureError::NotChunked("it is shorter than x-amz-decoded-content-length");
    assert_eq!(unsigned("6").decode(body).unwrap_err(), shorter);
    assert_eq!(unsigned("18446744073709551615").decode(body).unwrap_err(), shorter);
    for declared in ["", "-1", "+5", "5 5", "0x5", "18446744073709551616"] {
        assert_eq!(try_unsigned(declared).unwrap_err(), SignatureError::DecodedLength, "{declared}");
    }
    assert_eq!(unsigned("0").decode(b"0\r\n\r\n").unwrap(), b"");
    let signed = b"0\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n";
    assert_eq!(unsigned("0").decode(signed).unwrap_err(), SignatureError::NotChunked("its end is not a trailer"));
}

#[test]
fn half_a_line_break_is_no_end_of_a_trailer() {
    let request = documented_trailer();
    for at in (request.body.len() - 300..request.body.len()).filter(|at| request.body[*at] == b'\r') {
        for to in [b'\t', b' ', b'\n'] {
            let mut changed = documented_trailer();
            changed.body[at] = to;
            assert!(decode(&changed).is_err(), "{at} {to}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// But for letters that mean the same in both cases: the names of trailers.
    #[test]
    fn any_changed_byte_of_a_chunked_body_is_noticed(at in any::<prop::sample::Index>(), to: u8, near_the_end: bool) {
        let mut request = documented_trailer();
        let from = if near_the_end { request.body.len() - 300 } else { 0 };
        let at = from + at.index(request.body.len() - from);
        prop_assume!(!request.body[at].eq_ignore_ascii_case(&to));
        request.body[at] = to;
        prop_assert!(decode(&request).is_err(), "{at}");
    }

    #[test]
    fn no_body_is_decoded_to_more_than_it_has(
        body in prop::collection::vec(prop_oneof![Just(b"\r\n".to_vec()), "[0-3]".prop_map(String::into_bytes), any::<[u8; 1]>().prop_map(Vec::from)], 0..40),
        declared in 0..9_u8,
    ) {
        let body = body.concat();
        if let Ok(decoded) = unsigned(&declared.to_string()).decode(&body) {
            prop_assert!(decoded.len() == usize::from(declared) && decoded.len() < body.len());
        }
    }
}
