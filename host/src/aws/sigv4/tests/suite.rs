//! AWS's published test suite (aws-sig-v4-test-suite, later aws-c-auth's aws-signing-test-suite): each request with the
//! signature that its header and, presigned, its query has.

use super::*;

const NOW: &str = "20150830T123600Z";
const SCOPE: &str = "20150830/us-east-1/service/aws4_request";
const LONG_TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
const SHORT_TOKEN: &str = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
const UNRESERVED: &str = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const VANILLA: [&str; 2] = [
    "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    "e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d",
];
const POST: [&str; 2] = [
    "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    "2ce6e6d2e0cf2f9d1b55fafec88cd20574c31dc2e7631979f71ba2310083e95b",
];
const POST_QUERY: [&str; 2] = [
    "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
    "a9ef26247f293bffe40eeff86a0480ba8c14d31503b2e0c3399e3a16bf1a3682",
];

/// The headers that a request of the suite has, apart from those that signing adds.
fn names(request: &Request) -> Vec<&str> {
    let mut names: Vec<&str> = request.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

fn in_header(request: &Request, signature: &str) -> Request {
    let request = request.clone().with("x-amz-date", NOW);
    let signed = names(&request).join(";");
    let authorization = format!("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{SCOPE}, SignedHeaders={signed}, Signature={signature}");
    request.with("authorization", &authorization)
}

fn presigned(request: &Request, signature: &str) -> Request {
    let mut presigned = request.clone();
    let separator = if request.query.is_empty() { "" } else { "&" };
    presigned.query += &format!(
        "{separator}X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F{}&X-Amz-Date={NOW}&X-Amz-SignedHeaders={}&\
         X-Amz-Expires=3600&X-Amz-Signature={signature}",
        SCOPE.replace('/', "%2F"),
        names(request).join("%3B"),
    );
    presigned
}

fn check(name: &str, text: &str, [header, query]: [&str; 2]) {
    let request = Request::new(&text.replace("HOST", "Host:example.amazonaws.com"));
    // The suite signs the hash as a header if there is a body.
    let body_sha256 = hex::encode(Sha256::digest(&request.body));
    let with_hash =
        if request.body.is_empty() { request.clone() } else { request.clone().with("x-amz-content-sha256", &body_sha256) };
    for (form, request) in [("header", in_header(&with_hash, header)), ("query", presigned(&request, query))] {
        let verified = request.verify(SUITE_SECRET, NOW);
        assert!(matches!(verified, Ok(Payload::Signed)), "{name}, {form}: {verified:?}");
        let wrong = request.verify(S3_SECRET, NOW).unwrap_err();
        assert_eq!(wrong, SignatureError::Mismatch, "{name}, {form}");
        let mut other = request.clone();
        other.method = "PUT".to_owned();
        assert_eq!(other.verify(SUITE_SECRET, NOW).unwrap_err(), SignatureError::Mismatch, "{name}, {form}");
        let mut other = request;
        other.body.push(b'x');
        assert_eq!(other.verify(SUITE_SECRET, NOW).unwrap_err(), SignatureError::Mismatch, "{name}, {form}");
    }
}

#[test]
fn headers_of_the_suite() {
    check(
        "get-header-key-duplicate",
        "GET /\nHOST\nMy-Header1:value2\nMy-Header1:value2\nMy-Header1:value1",
        [
            "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
            "3349ee0b81b4b589da0ff28a395c3591e04de515651dd74f298fa992d1507a97",
        ],
    );
    // A header that goes on in the next line is one line with spaces when it has been read.
    check(
        "get-header-value-multiline",
        "GET /\nHOST\nMy-Header1:value1   value2      value3",
        [
            "cfd34249e4b1c8d6b91ef74165d41a32e5fab3306300901bb65a51a73575eefd",
            "e6f5def831211aca02987a44b96826706278c7bc078112ae0263659c5b2f2d56",
        ],
    );
    check(
        "get-header-value-order",
        "GET /\nHOST\nMy-Header1:value4\nMy-Header1:value1\nMy-Header1:value3\nMy-Header1:value2",
        [
            "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
            "313720e71ca6202fdcfa9b20f88de01a4eb0638a83c833b1c184359a4eda864e",
        ],
    );
    check(
        "get-header-value-trim",
        "GET /\nHOST\nMy-Header1:  value1 \nMy-Header2: \"a   b   c\"",
        [
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            "e7bb0fd515e125e1aec2ecc4c0c17484fb06f6846b927c35e46005dd3df3acd4",
        ],
    );
    check("post-header-key-case", "POST /\nHOST", POST);
    check(
        "post-header-key-sort",
        "POST /\nHOST\nMy-Header1:value1",
        [
            "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
            "c09d07e0d55871f10f2a6d350d994acf6825a3cae70673d7def55616e6119dd7",
        ],
    );
    check(
        "post-header-value-case",
        "POST /\nHOST\nMy-Header1:VALUE1",
        [
            "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
            "0698bc9e4f7f9139065ba2909c0e99da257e8e2a42492a097bcd46d792391fed",
        ],
    );
    check(
        "post-x-www-form-urlencoded",
        "POST /\nContent-Type:application/x-www-form-urlencoded\nHOST\nContent-Length:13\n\nParam1=value1",
        [
            "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
            "89a40deed0f26f9461242825a082d2222717248abc7ab41f552ad84a94ad46e9",
        ],
    );
    check(
        "post-x-www-form-urlencoded-parameters",
        "POST /\nContent-Type:application/x-www-form-urlencoded; charset=utf-8\nHOST\nContent-Length:13\n\nParam1=value1",
        [
            "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422",
            "0dbeb9b026c7b6675f266b8427efec9b4fa8b1f6ef1477d717aea231106eab4d",
        ],
    );
}

#[test]
fn paths_of_the_suite() {
    check("get-vanilla", "GET /\nHOST", VANILLA);
    check("get-relative", "GET /example/..\nHOST", VANILLA);
    check("get-relative-relative", "GET /example1/example2/../..\nHOST", VANILLA);
    check("get-slash-dot-slash", "GET /./\nHOST", VANILLA);
    check("get-slash", "GET //\nHOST", VANILLA);
    check(
        "get-slash-pointless-dot",
        "GET /./example\nHOST",
        [
            "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5",
            "35034b1a0bdd969f346975386daf8aedfd4976573b8348cf4f67eaa41c5857de",
        ],
    );
    check(
        "get-slashes",
        "GET //example//\nHOST",
        [
            "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
            "c1834e8fb0307243711f0f907f6ab7311ed300d87f13792d7ee4da89ab93e082",
        ],
    );
    // The suite gives the path as it is before it is encoded the first time.
    let mut space = Request::new("GET /\nHost:example.amazonaws.com");
    space.path = "/example space/".to_owned();
    let [header, query] = [
        "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
        "7a1f416954786484c9824d93c1f26ef64acb9b1b6c9154d08c9f07d0e394abf6",
    ];
    assert!(in_header(&space, header).verify(SUITE_SECRET, NOW).is_ok(), "get-space");
    assert!(presigned(&space, query).verify(SUITE_SECRET, NOW).is_ok(), "get-space");
    check(
        "get-unreserved",
        &format!("GET /{UNRESERVED}\nHOST"),
        [
            "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
            "95968482db1b9e0fadef6efc1bd24689f77c77d9ef56919c96a28cc92e0d6005",
        ],
    );
    check(
        "get-utf8",
        "GET /ሴ\nHOST",
        [
            "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
            "10eae3f14a260bd3911cc6d008d3c576d143b05b62f09782a7a4b37f52178e44",
        ],
    );
}

#[test]
fn queries_of_the_suite() {
    check("get-vanilla-query", "GET /?\nHOST", VANILLA);
    check(
        "get-vanilla-empty-query-key",
        "GET /?Param1=value1\nHOST",
        [
            "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
            "49096700cbbaa5753443850f40df10f904fc2fdb544dc9512203cc77c471a9de",
        ],
    );
    check(
        "get-vanilla-query-order-encoded",
        "GET /?Param-3=Value3&Param=Value2&%E1%88%B4=Value1\nHOST",
        [
            "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
            "c5f1848ceec943ac2ca68ee720460c23aaae30a2300586597ada94c4a65e4787",
        ],
    );
    check(
        "get-vanilla-query-order-key",
        "GET /?Param2=value2&Param1=value1\nHOST",
        [
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            "86012e2c9ad4d77369f5d81c11f75158aae4f895a085212cc6d3f923d300bed5",
        ],
    );
    check(
        "get-vanilla-query-unreserved",
        &format!("GET /?{UNRESERVED}={UNRESERVED}\nHOST"),
        [
            "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
            "8e76a88a7433637b12778d5592799b29ad21ecd6cf6325051c21d86f0acda2bf",
        ],
    );
    check(
        "get-vanilla-utf8-query",
        "GET /?ሴ=bar\nHOST",
        [
            "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
            "0bdd809b1519ac4f0c1dc3540e2cc46bd0c7f778eda408b2ebf3b913d21ff600",
        ],
    );
    check("post-vanilla", "POST /\nHOST", POST);
    check("post-vanilla-query", "POST /?Param1=value1\nHOST", POST_QUERY);
    check("post-vanilla-empty-query-value", "POST /?Param1=value1\nHOST", POST_QUERY);
}

#[test]
fn session_tokens_of_the_suite() {
    for (method, token, header, query) in [
        (
            "GET",
            SHORT_TOKEN,
            "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
            "7ff2b50b376cb4d151970630573d6291dc128cc5c2a12ffb237f73cc53f67b6c",
        ),
        (
            "POST",
            LONG_TOKEN,
            "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
            "46c2e3c63c1dbe7d39f8ada16fe7f001c1f56c5791441565323677f96308871c",
        ),
    ] {
        let request = Request::new(&format!("{method} /\nHost:example.amazonaws.com"));
        let signed = in_header(&request.clone().with("x-amz-security-token", token), header);
        assert_eq!(signed.claim().unwrap().session_token.as_deref(), Some(token));
        assert!(signed.verify(SUITE_SECRET, NOW).is_ok());
        let mut signed = presigned(&request, query);
        let encoded = token.replace('/', "%2F").replace('+', "%2B").replace('=', "%3D");
        signed.query += &format!("&X-Amz-Security-Token={encoded}");
        assert_eq!(signed.claim().unwrap().session_token.as_deref(), Some(token));
        assert!(signed.verify(SUITE_SECRET, NOW).is_ok());
    }
    // A token that is added after signing (post-sts-header-after) is a header that nobody has signed.
    let after = in_header(&Request::new("POST /\nHost:example.amazonaws.com"), POST[0]).with("x-amz-security-token", LONG_TOKEN);
    let refused = after.verify(SUITE_SECRET, NOW).unwrap_err();
    assert_eq!(refused, SignatureError::HeaderNotSigned("x-amz-security-token".to_owned()));
}

/// `double-encode-path` of the AWS SDK for Rust, which signs with credentials of its own.
#[test]
fn encoded_paths_are_encoded_once_more() {
    let request = Request::new(
        "POST /test/@connections/JBDvjfGEIAMCERw%3D
        Host:tj9n5r0m12.execute-api.us-east-1.amazonaws.com
        X-Amz-Date:20150830T123600Z
        Authorization:AWS4-HMAC-SHA256 Credential=ANOTREAL/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=57d157672191bac40bae387e48bbe14b15303c001fdbb01f4abf295dccb09705",
    );
    assert!(request.verify("notrealrnrELgWzOk3IfjzDKtFBhDby", NOW).is_ok());
}

#[test]
fn paths_are_normalised_for_all_but_s3() {
    for (sent, canonical, s3) in [
        ("", "/", "/"),
        ("/", "/", "/"),
        ("//", "/", "//"),
        ("/a/", "/a/", "/a/"),
        ("/a//b", "/a/b", "/a//b"),
        ("/a/.", "/a/", "/a/."),
        ("/a/b/..", "/a/", "/a/b/.."),
        ("/a/b/../", "/a/", "/a/b/../"),
        ("/../../a", "/a", "/../../a"),
        ("/a/../..", "/", "/a/../.."),
        ("/a./.b/...", "/a./.b/...", "/a./.b/..."),
        ("/a%2Fb%2fc", "/a%252Fb%252fc", "/a/b/c"),
        ("/a:b", "/a%3Ab", "/a%3Ab"),
        ("/functions/arn%3Aaws%3Alambda", "/functions/arn%253Aaws%253Alambda", "/functions/arn%3Aaws%3Alambda"),
        ("/a%3Ab", "/a%253Ab", "/a%3Ab"),
        ("/%7e+%zz%", "/%257e%2B%25zz%25", "/~%2B%25zz%25"),
        ("/%2e%2e/a", "/%252e%252e/a", "/../a"),
    ] {
        assert_eq!(canonical::path(sent, "lambda"), canonical, "{sent}");
        assert_eq!(canonical::path(sent, "s3"), s3, "{sent}");
    }
}
