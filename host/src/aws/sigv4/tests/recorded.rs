//! Requests as botocore 1.44.8 signed them, at a fixed time with the credentials of S3's documentation.

use super::*;

const NOW: &str = "20240229T235958Z";
const TOKEN: &str = "IQoJb3JpZ2luX2VjE+/==";

fn check(request: &Request, is_expected: fn(&Payload) -> bool) {
    let payload = request.verify(S3_SECRET, NOW).unwrap();
    assert!(is_expected(&payload), "{payload:?}");
    assert_eq!(request.verify(SUITE_SECRET, NOW).unwrap_err(), SignatureError::Mismatch);
}

fn is_signed(payload: &Payload) -> bool {
    matches!(payload, Payload::Signed)
}

#[test]
fn lambda_invoke_with_an_encoded_arn() {
    let request = Request::new(
        "POST /2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Ahello%3Alive/invocations?Qualifier=live
        Host: lambda.eu-west-1.amazonaws.com
        X-Amz-Invocation-Type: Event
        User-Agent: Botocore/1.44.8
        X-Amz-Date: 20240229T235958Z
        Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20240229/eu-west-1/lambda/aws4_request, SignedHeaders=host;x-amz-date;x-amz-invocation-type, Signature=f921188dbedfd26cef0491ec2eabe43404208d7d808c0cd81a56bde4e8289f47
        amz-sdk-invocation-id: 32d9574d-face-4c5f-b328-62f92b994c8b
        amz-sdk-request: attempt=1; max=3
        Content-Length: 17

{\"key\": \"välue\"}",
    );
    check(&request, is_signed);
    let claim = request.claim().unwrap();
    assert_eq!(
        [&claim.access_key, &claim.date, &claim.region, &claim.service],
        ["AKIAIOSFODNN7EXAMPLE", "20240229", "eu-west-1", "lambda"]
    );
    assert_eq!(claim.session_token, None);
    // The path that a router might see is not the path that was signed.
    let mut decoded = request;
    decoded.path = decoded.path.replace("%3A", ":");
    assert_eq!(decoded.verify(S3_SECRET, NOW).unwrap_err(), SignatureError::Mismatch);
}

#[test]
fn lambda_list_functions_with_a_marker() {
    check(
        &Request::new(
            "GET /2015-03-31/functions?MaxItems=7&Marker=a%2Bb%2Fc%20d%3D
            Host: lambda.eu-west-1.amazonaws.com
            X-Amz-Date: 20240229T235958Z
            Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20240229/eu-west-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=0d4bc54184dcfe64aed75e0dafa035c736834c6eb568b1e3917e0ed5c2860cf6",
        ),
        is_signed,
    );
}

#[test]
fn lambda_tag_resource_with_a_session_token() {
    let request = Request::new(
        "POST /2017-03-31/tags/arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Ahello
        Host: lambda.eu-west-1.amazonaws.com
        Content-Type: application/json
        X-Amz-Date: 20240229T235958Z
        X-Amz-Security-Token: IQoJb3JpZ2luX2VjE+/==
        Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20240229/eu-west-1/lambda/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature=19d0ec5589b0215f789ca56ebe29f91fd64016405e8d1f4fde48e2ff4fa7665b
        Content-Length: 20

{\"Tags\": {\"a\": \"b\"}}",
    );
    assert_eq!(request.claim().unwrap().session_token.as_deref(), Some(TOKEN));
    check(&request, is_signed);
}

/// botocore writes the date of mail instead of HTTP's.
#[test]
fn date_header_instead_of_x_amz_date() {
    check(
        &Request::new(
            "GET /2015-03-31/functions/
            Host: lambda.eu-west-1.amazonaws.com
            Date: Thu, 29 Feb 2024 23:59:58 -0000
            Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20240229/eu-west-1/lambda/aws4_request, SignedHeaders=date;host, Signature=54d77f5a22a0256a20428ed8f9e0998af5bb5b3085231096dce243479ac35e68",
        ),
        is_signed,
    );
}

#[test]
fn presigned_lambda_urls() {
    let invoke = Request::new(
        "POST /2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Ahello/invocations?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20240229%2Feu-west-1%2Flambda%2Faws4_request&X-Amz-Date=20240229T235958Z&X-Amz-Expires=300&X-Amz-SignedHeaders=host&X-Amz-Signature=6694b86abac4e94e1ba71b8588515a0568802fec1047b13febd6897e33495223
        Host: lambda.eu-west-1.amazonaws.com",
    );
    check(&invoke, is_signed);
    for (now, is_valid) in
        [("20240229T234457Z", false), ("20240229T234458Z", true), ("20240301T000458Z", true), ("20240301T000459Z", false)]
    {
        assert_eq!(invoke.verify(S3_SECRET, now).is_ok(), is_valid, "{now}");
    }
    let get = Request::new(
        "GET /2015-03-31/functions/hello?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20240229%2Feu-west-1%2Flambda%2Faws4_request&X-Amz-Date=20240229T235958Z&X-Amz-Expires=604800&X-Amz-SignedHeaders=host&X-Amz-Security-Token=IQoJb3JpZ2luX2VjE%2B%2F%3D%3D&X-Amz-Signature=a21a41cdb9c83bc14693f028e42dec378dc5e15d2ba07a7f4dadc12c8b3e9fd4
        Host: lambda.eu-west-1.amazonaws.com",
    );
    check(&get, is_signed);
    assert_eq!(get.claim().unwrap().session_token.as_deref(), Some(TOKEN));
}

#[test]
fn s3_put_of_a_key_that_looks_like_a_path() {
    let mut request = Request::new(
        "PUT /examplebucket/dir//../a%20b%2Bc~%281%29%C3%BC.txt
        Host: 127.0.0.1:9000
        x-amz-meta-note: two  spaces
        Expect: 100-continue
        X-Amz-Date: 20240229T235958Z
        X-Amz-Content-SHA256: 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072
        Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20240229/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-meta-note, Signature=8a085ce3ac030c06aa07383dc0ed66f56a8d9be8d92c393e2520dbf21ddefd2f
        Content-Length: 21

Welcome to Amazon S3.",
    );
    check(&request, is_signed);
    // Another spelling of the same key.
    request.path = request.path.replace("~%281%29%C3", "%7e(1)%c3");
    check(&request, is_signed);
}

#[test]
fn s3_put_presigned() {
    check(
        &Request::new(
            "PUT /examplebucket/dir//a%20b.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20240229%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20240229T235958Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=e891b011e17f50d6b4442a09b314b93e5456ca03336b05efe923e6f15f76f54b
            Host: 127.0.0.1:9000

whatever",
        ),
        |payload| matches!(payload, Payload::Unsigned),
    );
}

#[test]
fn s3_put_with_a_checksum_in_the_trailer() {
    let mut request = Request::new(
        "PUT /examplebucket/dir//../a%20b%2Bc~%281%29%C3%BC.txt
        Host: s3.us-east-1.amazonaws.com
        x-amz-meta-note: two  spaces
        Expect: 100-continue
        Transfer-Encoding: chunked
        Content-Encoding: aws-chunked
        X-Amz-Trailer: x-amz-checksum-crc32
        X-Amz-Decoded-Content-Length: 21
        x-amz-sdk-checksum-algorithm: CRC32
        X-Amz-Date: 20240229T235958Z
        X-Amz-Content-SHA256: STREAMING-UNSIGNED-PAYLOAD-TRAILER
        Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20240229/us-east-1/s3/aws4_request, SignedHeaders=content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-meta-note;x-amz-sdk-checksum-algorithm;x-amz-trailer, Signature=e3d3aa214e17e2523dcdaf504762f2d13ab3444ce43730304f1be14beb7468e4",
    );
    request.body = b"15\r\nWelcome to Amazon S3.\r\n0\r\nx-amz-checksum-crc32:Ox7nCg==\r\n\r\n".to_vec();
    let Payload::Chunked(body) = request.verify(S3_SECRET, NOW).unwrap() else { panic!("not chunked") };
    assert_eq!(body.decode(&request.body).unwrap(), b"Welcome to Amazon S3.");
    let shown = format!("{body:?} {:?}", request.claim().unwrap());
    assert!(!shown.contains("e3d3aa21") && shown.contains("AKIAIOSFODNN7EXAMPLE"), "{shown}");
}
