//! The key and the request that fills are made of the same parts, whatever the policy and the requests are.

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use proptest::prelude::*;

use super::*;
use crate::cache::freshness::Ttls;
use crate::cache::key::{Base, Identity, Key, KeyPolicy};
use crate::edge::origin::announce::announce;

fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> RequestHead {
    let mut request = http::Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut head = RequestHead::admit(http::Request::get("/").header("host", "h").body(()).unwrap().into_parts().0).unwrap();
    let parts = request.body(()).unwrap().into_parts().0;
    head.method = parts.method;
    head.target = target.parse::<PathAndQuery>().unwrap();
    head.headers = parts.headers;
    head.version = Version::HTTP_11;
    head
}

fn policy(mode: Mode, key: KeyPolicy) -> CachePolicy {
    CachePolicy { name: "p".to_owned(), mode, ttls: Ttls::CLOUDFRONT, key, store_set_cookie: false }
}

fn key_of(rules: ForwardRules<'_>, head: &RequestHead) -> Key {
    let identity = Identity::of("test", []);
    let asked = KeyRequest {
        secure: rules.secure,
        method: &head.method,
        path: head.path(),
        query: head.target.query(),
        headers: &head.headers,
    };
    Key::derive(&Base::new(&identity, &identity, rules.sees), &rules.policy.key, &asked)
}

/// What the origin gets, byte for byte: method, target, and fields in their order.
fn sent(rules: ForwardRules<'_>, head: &RequestHead) -> (Method, String, Vec<(String, Vec<u8>)>) {
    let mut sent = shared(rules, head);
    announce(&mut sent.headers, "192.0.2.1", &HeaderValue::from_static("1.1 here (edgeward)"));
    let fields = sent.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    (sent.method, sent.target.to_string(), fields)
}

fn choices<T: Clone + std::fmt::Debug + 'static>(names: Vec<T>) -> impl Strategy<Value = Choice<T>> {
    let some = prop::sample::subsequence(names.clone(), 1..=names.len());
    prop_oneof![Just(Choice::None), Just(Choice::All), some.clone().prop_map(Choice::Only), some.prop_map(Choice::Except)]
}

const FIELDS: [&str; 27] = [
    "host",
    "accept",
    "accept-encoding",
    "authorization",
    "cache-control",
    "cdn-loop",
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "cookie",
    "forwarded",
    "if-none-match",
    "if-range",
    "origin",
    "pragma",
    "range",
    "traceparent",
    "tracestate",
    "user-agent",
    "via",
    "x-a",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
];

fn whose() -> impl Strategy<Value = Forwarded> {
    prop::sample::select(vec![Forwarded::AsOthers, Forwarded::Theirs, Forwarded::Ours])
}

fn policies() -> impl Strategy<Value = KeyPolicy> {
    let names = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let fields: Vec<_> = FIELDS.into_iter().map(HeaderName::from_static).collect();
    (any::<bool>(), choices(names(&["a", "b", ""])), choices(fields), choices(names(&["a", "b", ""])), any::<[bool; 3]>())
        .prop_map(|(host, query, headers, cookies, [gzip, brotli, zstd])| KeyPolicy {
            host,
            query,
            headers,
            cookies,
            encodings: Encodings { gzip, brotli, zstd },
        })
}

fn fields() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let value = prop_oneof![
        "[ab]",
        "[ab]=[12]; ?[ab]=[12]",
        Just("gzip, br".to_owned()),
        Just("br;q=0, gzip".to_owned()),
        "[aA][.]t:8[01]"
    ];
    prop::collection::vec((prop::sample::select(FIELDS.to_vec()), value), 0..6)
}

fn requests() -> impl Strategy<Value = (String, String, Vec<(&'static str, String)>)> {
    let method = prop::sample::select(vec!["GET", "HEAD", "OPTIONS"]).prop_map(str::to_owned);
    (method, "/[ab]?([?][ab=&1]{0,6})?", fields())
}

/// A request, and one that may well have the same key: the same with other fields, another order, another query.
fn pairs() -> impl Strategy<Value = (RequestHead, RequestHead)> {
    (requests(), requests(), any::<[bool; 3]>(), fields()).prop_map(|(left, right, [method, target, headers], more)| {
        let made = |(method, target, headers): &(String, String, Vec<(&'static str, String)>)| {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            head(method, target, &headers)
        };
        let mixed = (
            if method { left.0.clone() } else { right.0 },
            if target { left.1.clone() } else { right.1 },
            if headers { left.2.iter().rev().cloned().chain(more).collect() } else { right.2 },
        );
        (made(&left), made(&mixed))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    /// In CloudFront mode nothing reaches the origin that is not in the key.
    #[test]
    fn requests_with_one_key_are_one_request_to_the_origin(
        (left, right) in pairs(),
        key in policies(),
        (host, scheme) in any::<(bool, bool)>(),
        forwarded in whose(),
        secure in any::<bool>(),
    ) {
        let policy = policy(Mode::CloudFront, key);
        let rules = ForwardRules { policy: &policy, also: None, sees: OriginView { host, scheme, forwarded }, secure };
        if key_of(rules, &left) == key_of(rules, &right) {
            prop_assert_eq!(sent(rules, &left), sent(rules, &right));
        }
    }

    /// In standards mode fields may differ, of which `Vary` tells; what no `Vary` could tell of is in the key.
    #[test]
    fn what_no_vary_could_name_is_in_the_key_or_left_out(
        (left, right) in pairs(),
        key in policies(),
        forwarded in whose(),
    ) {
        let policy = policy(Mode::Standards, key);
        let rules = ForwardRules { policy: &policy, also: None, sees: OriginView { host: true, scheme: true, forwarded }, secure: false };
        if key_of(rules, &left) == key_of(rules, &right) {
            let (left, right) = (shared(rules, &left), shared(rules, &right));
            let host = |head: &RequestHead| head.headers.get(header::HOST).cloned();
            if forwarded != Forwarded::AsOthers {
                for name in &parts::FORWARDED_FIELDS {
                    let all = |head: &RequestHead| head.headers.get_all(name).iter().cloned().collect::<Vec<_>>();
                    prop_assert_eq!(all(&left), all(&right));
                }
            }
            prop_assert_eq!((left.method.clone(), left.target.clone(), host(&left)), (right.method.clone(), right.target.clone(), host(&right)));
        }
    }
}

#[test]
fn the_scheme_is_in_the_key_where_an_origin_sees_it() {
    let policy = policy(Mode::CloudFront, KeyPolicy::default());
    let rules = |scheme, secure| ForwardRules {
        policy: &policy,
        also: None,
        sees: OriginView { scheme, ..OriginView::default() },
        secure,
    };
    let head = head("GET", "/", &[]);
    assert_eq!(key_of(rules(false, true), &head), key_of(rules(false, false), &head));
    assert_ne!(key_of(rules(true, true), &head), key_of(rules(true, false), &head));
}

#[test]
fn what_an_origin_request_policy_adds_comes_on_top() {
    let only = |names: &[&str]| Choice::Only(names.iter().map(|&name| name.to_owned()).collect());
    let key = KeyPolicy { query: only(&["a"]), cookies: only(&["a"]), ..KeyPolicy::default() };
    let policy = policy(Mode::CloudFront, key);
    let also = Forwarding {
        query: only(&["b"]),
        headers: Choice::Only(vec![HeaderName::from_static("x-b"), header::ACCEPT_ENCODING]),
        cookies: only(&["b"]),
    };
    let rules = ForwardRules { policy: &policy, also: Some(&also), sees: OriginView::default(), secure: false };
    let asked = head(
        "HEAD",
        "/x?b=2&&c=3&a=1",
        &[
            ("cookie", "b=2; c=3; a=1"),
            ("x-b", "1"),
            ("x-b", "2"),
            ("x-c", "3"),
            ("accept-encoding", "br"),
            ("range", "bytes=0-1"),
        ],
    );
    let sent = shared(rules, &asked);
    assert_eq!((sent.method, sent.target.as_str()), (Method::GET, "/x?b=2&a=1"));
    let lines = |headers: &HeaderMap, name: &str| {
        headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for (name, expected) in
        [("cookie", &["a=1; b=2"][..]), ("x-b", &["1", "2"]), ("x-c", &[]), ("accept-encoding", &["identity"]), ("range", &[])]
    {
        assert_eq!(lines(&sent.headers, name), expected, "{name}");
    }
}

#[test]
fn a_request_that_fills_no_cache_keeps_its_own_fields() {
    let policy = policy(Mode::CloudFront, KeyPolicy::default());
    let rules = ForwardRules { policy: &policy, also: None, sees: OriginView::default(), secure: false };
    let fields = [
        ("host", "H"),
        ("content-type", "text/plain"),
        ("x-forwarded-for", "192.0.2.9"),
        ("if-match", "\"1\""),
        ("origin", "http://o"),
        ("authorization", "Basic eA=="),
        ("x-a", "1"),
    ];
    let own_names = |method: &str| {
        let mut head = head(method, "/x?a", &fields);
        own(rules, &mut head);
        assert_eq!((head.method.as_str(), head.target.as_str()), (method, "/x"));
        let mut names: Vec<_> = head.headers.keys().map(|name| name.as_str().to_owned()).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(own_names("GET"), ["accept-encoding", "content-type", "host", "if-match", "x-forwarded-for"]);
    assert_eq!(
        own_names("POST"),
        ["accept-encoding", "authorization", "content-type", "host", "if-match", "origin", "x-forwarded-for"]
    );
}

#[test]
fn an_origin_is_told_how_the_viewer_asked_and_nothing_that_a_client_says_of_it() {
    for (mode, secure, host, expected) in [
        (Mode::CloudFront, true, "Example.com", ["host=\"example.com\";proto=https", "example.com", "443", "https"]),
        (Mode::CloudFront, false, "a:8080", ["host=\"a:8080\";proto=http", "a:8080", "8080", "http"]),
        (Mode::Standards, false, "[::1]", ["host=\"[::1]\";proto=http", "[::1]", "80", "http"]),
        (Mode::Standards, true, "[::1]:8443", ["host=\"[::1]:8443\";proto=https", "[::1]:8443", "8443", "https"]),
    ] {
        let policy = policy(mode, KeyPolicy { headers: Choice::All, ..KeyPolicy::default() });
        let sees = OriginView { forwarded: Forwarded::Ours, ..OriginView::default() };
        let rules = ForwardRules { policy: &policy, also: None, sees, secure };
        let said = [
            ("host", host),
            ("forwarded", "host=evil"),
            ("x-forwarded-host", "evil"),
            ("x-forwarded-host", "worse"),
            ("x-forwarded-port", "1"),
            ("x-forwarded-proto", "gopher"),
        ];
        let asked = head("GET", "/", &said);
        let sent = shared(rules, &asked);
        let told: Vec<_> = parts::FORWARDED_FIELDS.iter().flat_map(|name| sent.headers.get_all(name)).collect();
        assert_eq!(told, expected);
    }
}

#[test]
fn who_asked_otherwise_gets_an_object_of_its_own_where_the_origin_is_told() {
    let policy = policy(Mode::CloudFront, KeyPolicy::default());
    let of = |forwarded, secure, fields: &[(&str, &str)]| {
        let rules = ForwardRules { policy: &policy, also: None, sees: OriginView { forwarded, ..OriginView::default() }, secure };
        key_of(rules, &head("GET", "/", fields))
    };
    let ours = of(Forwarded::Ours, true, &[("host", "a")]);
    assert_eq!(ours, of(Forwarded::Ours, true, &[("host", "A"), ("x-forwarded-host", "evil"), ("forwarded", "host=evil")]));
    assert_ne!(ours, of(Forwarded::Ours, false, &[("host", "a")]));
    assert_ne!(ours, of(Forwarded::Ours, true, &[("host", "a:444")]));
    assert_ne!(ours, of(Forwarded::AsOthers, true, &[("host", "a")]));
    let theirs = |proto| of(Forwarded::Theirs, false, &[("host", "a"), ("x-forwarded-proto", proto)]);
    assert_ne!(theirs("http"), theirs("https"));
}
