//! What AWS's own tools have signed (`tests/e2e/signed/make.py`), and signatures made here, changed in all ways.

use std::collections::BTreeMap;

use http::HeaderValue;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;

use super::*;
use crate::config::KeyKind;

const NOW_S: u64 = 1_800_000_000;

#[derive(Deserialize)]
struct Case {
    name: String,
    target: String,
    cookies: String,
    answer: String,
    seen: String,
}

fn signers() -> Signers {
    // Both have their numbers at the end of the file; how that is read is the configuration's business.
    let rsa = SubjectPublicKeyInfoDer::from_pem_slice(include_bytes!("../../../../../tests/e2e/signed/rsa.pem")).unwrap();
    let ecdsa = SubjectPublicKeyInfoDer::from_pem_slice(include_bytes!("../../../../../tests/e2e/signed/ecdsa.pem")).unwrap();
    let key = |id: &str, kind, bytes: &[u8]| Arc::new(PublicKey { id: id.to_owned(), kind, bytes: bytes.to_vec() });
    Signers { keys: vec![key("KRSA", KeyKind::Rsa, &rsa[24..]), key("KECDSA", KeyKind::EcdsaP256, &ecdsa[26..])] }
}

fn head(target: &str, cookies: &[&str]) -> RequestHead {
    let mut request = http::Request::builder().uri(target).header("host", "www.example.com");
    for cookies in cookies.iter().filter(|cookies| !cookies.is_empty()) {
        request = request.header("cookie", *cookies);
    }
    RequestHead::admit(request.body(()).unwrap().into_parts().0).unwrap_or_else(|rejection| panic!("{target}: {rejection}"))
}

fn admit(signers: &Signers, head: &RequestHead) -> Result<(), Denied> {
    let path = NormalPath::of(head.path());
    signers.admit(&SignedRequest { now_s: NOW_S, ..SignedRequest::new(head, &path, false, IpAddr::from([127, 0, 0, 1])) })
}

#[test]
fn what_awss_tools_sign_is_admitted_and_nothing_else() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../../../../tests/e2e/signed/cases.json")).unwrap();
    let signers = signers();
    let mut answers = BTreeMap::new();
    for case in &cases {
        let mut head = head(&case.target, &[&case.cookies]);
        // The second time the signature may be remembered.
        for _ in 0..2 {
            let answer = match admit(&signers, &head) {
                Ok(()) => "admitted".to_owned(),
                Err(denied) => format!("{denied:?}"),
            };
            assert_eq!(answer, case.answer, "{}", case.name);
        }
        *answers.entry(case.answer.as_str()).or_insert(0) += 1;
        if case.answer == "admitted" {
            strip(&mut head);
            assert_eq!((head.target.as_str(), head.headers.get("cookie")), (case.seen.as_str(), None), "{}", case.name);
        }
    }
    assert!(answers["admitted"] > 15 && answers.len() == 11, "every answer is there: {answers:?}");
}

/// Signs as a signer with an ECDSA key would.
struct Signer {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl Signer {
    fn new() -> Signer {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &random).unwrap();
        Signer { pair, random }
    }

    fn trusted(&self) -> Signers {
        let bytes = self.pair.public_key().as_ref().to_vec();
        Signers { keys: vec![Arc::new(PublicKey { id: "K".to_owned(), kind: KeyKind::EcdsaP256, bytes })] }
    }

    /// The parameters of a URL with this policy.
    fn parameters(&self, policy: &str) -> String {
        use base64::Engine as _;
        let encode = |bytes: &[u8]| {
            base64::engine::general_purpose::STANDARD.encode(bytes).replace('+', "-").replace('/', "~").replace('=', "_")
        };
        let signature = self.pair.sign(&self.random, policy.as_bytes()).unwrap();
        let (policy, signature) = (encode(policy.as_bytes()), encode(signature.as_ref()));
        format!("Policy={policy}&Signature={signature}&Key-Pair-Id=K&Hash-Algorithm=SHA256")
    }

    fn admit(&self, conditions: &str, resource: &str, url: &str) -> Result<(), Denied> {
        let policy = format!("{{\"Statement\":[{{\"Resource\":\"{resource}\",\"Condition\":{{{conditions}}}}}]}}");
        let separator = if url.contains('?') { "&" } else { "?" };
        let head = head(&format!("{url}{separator}{}", self.parameters(&policy)), &[]);
        admit(&self.trusted(), &head)
    }
}

fn until(time: u64) -> String {
    format!("\"DateLessThan\":{{\"AWS:EpochTime\":{time}}}")
}

#[test]
fn what_is_remembered_is_of_one_key() {
    let (signer, other) = (Signer::new(), Signer::new());
    let policy = format!("{{\"Statement\":[{{\"Condition\":{{{}}}}}]}}", until(NOW_S + 1));
    let head = head(&format!("/a?{}", signer.parameters(&policy)), &[]);
    for _ in 0..2 {
        assert_eq!(admit(&signer.trusted(), &head), Ok(()));
        // After a reload the same id may be another key's.
        assert_eq!(admit(&other.trusted(), &head), Err(Denied::Forged));
    }
}

#[test]
fn times_are_exact_to_the_second() {
    let signer = Signer::new();
    let since = |time: u64| format!("{},\"DateGreaterThan\":{{\"AWS:EpochTime\":{time}}}", until(NOW_S + 1));
    for (conditions, answer) in [
        (until(NOW_S - 1), Err(Denied::Late)),
        (until(NOW_S), Err(Denied::Late)),
        (until(NOW_S + 1), Ok(())),
        (since(NOW_S - 1), Ok(())),
        (since(NOW_S), Err(Denied::Early)),
        (since(NOW_S + 1), Err(Denied::Early)),
        (until(limits::signed::EPOCH_S), Ok(())),
        (until(limits::signed::EPOCH_S + 1), Err(Denied::Policy)),
    ] {
        assert_eq!(signer.admit(&conditions, "*", "/a"), answer, "{conditions}");
    }
}

#[test]
fn addresses_are_compared_by_their_first_bits() {
    for (network, client, contains) in [
        ("192.0.2.0/24", "192.0.2.255", true),
        ("192.0.2.77/24", "192.0.2.1", true),
        ("192.0.2.0/24", "192.0.3.0", false),
        ("192.0.2.1", "192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false),
        ("0.0.0.0/0", "203.0.113.9", true),
        ("0.0.0.0/0", "2001:db8::1", false),
        ("192.0.2.0/24", "::ffff:192.0.2.9", true),
        ("2001:db8::/32", "2001:db8:ffff::1", true),
        ("2001:db8::/32", "2001:db9::1", false),
        ("::/0", "2001:db9::1", true),
        ("2001:db8::1/128", "2001:db8::1", true),
        ("::ffff:192.0.2.1", "192.0.2.1", true),
        ("::ffff:192.0.2.1", "192.0.2.2", false),
        ("::ffff:192.0.2.0/120", "192.0.2.9", true),
        ("::ffff:192.0.2.0/120", "192.0.3.9", false),
    ] {
        let text = format!(
            "{{\"Statement\":[{{\"Condition\":{{{},\"IpAddress\":{{\"AWS:SourceIp\":\"{network}\"}}}}}}]}}",
            until(NOW_S + 1)
        );
        let policy = SignedPolicy::read(text.as_bytes()).unwrap_or_else(|| panic!("{network}"));
        let admitted = policy.admits(client.parse().unwrap(), NOW_S) == Ok(());
        assert_eq!(admitted, contains, "{client} in {network}");
    }
    for network in [
        "",
        "192.0.2.0/33",
        "2001:db8::/129",
        "192.0.2.0/",
        "192.0.2/24",
        "example.com",
        "192.0.2.0/24/8",
        "192.0.2.0/+8",
        "192.0.2.0/08",
        "192.0.2.0/ 8",
        "::ffff:192.0.2.0/95",
    ] {
        let conditions = format!("{},\"IpAddress\":{{\"AWS:SourceIp\":\"{network}\"}}", until(NOW_S + 1));
        assert_eq!(Signer::new().admit(&conditions, "*", "/a"), Err(Denied::Policy), "{network}");
    }
}

#[test]
fn a_resource_is_the_whole_url() {
    let signer = Signer::new();
    for (resource, url, covered) in [
        ("http://www.example.com/a", "/a", true),
        ("http://www.example.com/a", "/ab", false),
        ("http://www.example.com/a*", "/ab", true),
        ("https://www.example.com/a", "/a", false),
        ("http*://www.example.com/a", "/a", true),
        ("*/a", "/a", true),
        ("*", "/a", true),
        ("www.example.com/*", "/a", true),
        ("www.example.org/*", "/a", false),
        ("/a", "/a", false),
        ("/www.example.com/*", "/a", false),
        ("", "/a", false),
        ("http://www.example.com/?", "/a", true),
        ("http://www.example.com/?", "/", false),
        ("http://www.example.com/A", "/a", false),
        // A wildcard in the scheme or the host stays there.
        ("http*://www.example.com/pub/*", "/pub/a", true),
        ("http*://www.example.com/pub/*", "/vip?x=://www.example.com/pub/y", false),
        ("*://www.example.com/pub/*", "/vip?x=://www.example.com/pub/y", false),
        ("h??p://www.example.com/*", "/a", true),
        ("http://*.example.com/pub/*", "/pub/a", true),
        ("http://*.example.com/pub/*", "/vip?.example.com/pub/x", false),
        ("http://*.example.org/pub/*", "/vip?a.example.org/pub/x", false),
        ("http://www.example.???/pub/*", "/pub/a", true),
        ("*.example.com/pub/*", "/pub/a", true),
        ("*.example.org/pub/*", "/vip?a.example.org/pub/x", false),
        ("*/pub/*", "/vip?/pub/x", false),
        ("*/pub/*", "/pub/x", true),
        ("http://www.*/pub/a", "/pub/a", true),
        // Without a path only a star at the end leaves it open.
        ("http://*", "/a?b", true),
        ("http://www.example.com*", "/a?b", true),
        ("*.example.org*", "/vip?.example.org", false),
        ("http://*.example.org*", "/vip?.example.org", false),
        ("http://*.example.org", "/vip?.example.org", false),
        ("*.jpg", "/vip?.jpg", false),
        ("http://www.example.com", "/", false),
        // What looks like a scheme behind the path is none.
        ("www.example.com/a?b=c://d", "/a?b=c://d", true),
        // In a path a star goes on over the query, as in CloudFront.
        ("http://www.example.com/pub/*", "/pub/a?b=c", true),
        ("http://www.example.com/*=c", "/pub/a?b=c", true),
    ] {
        let answer = signer.admit(&until(NOW_S + 1), resource, url);
        assert_eq!(answer, if covered { Ok(()) } else { Err(Denied::Resource) }, "{resource} for {url}");
    }
}

#[test]
fn a_signed_resource_matches_only_unambiguous_paths() {
    let signer = Signer::new();
    let (pub_, all) = ("http://www.example.com/members/pub/*", "*");
    for (resource, url, covered) in [
        (pub_, "/members/pub/a", true),
        (pub_, "/members/pub/%61", true),
        (pub_, "/members//pub/./x/../a", true),
        (pub_, "/%6dembers/pub/a", true),
        // What a server that decodes once, twice, or in its own way would take for `/members/vip`.
        (pub_, "/members/pub/../vip", false),
        (pub_, "/members/pub/%2e%2e/vip", false),
        (pub_, "/members/pub/..%2fvip", false),
        (pub_, "/members/pub/..\\vip", false),
        (pub_, "/members/pub/..%5Cvip", false),
        (pub_, "/members/pub/..;/vip", false),
        (pub_, "/members/pub/%252e%252e/vip", false),
        (pub_, "/members/pub/%c0%ae%c0%ae/vip", false),
        (pub_, "/members/pub//../vip", false),
        (pub_, "/members/pub/a%00", false),
        // The same in a second spelling.
        (pub_, "/members/pub/%25%32%65%25%32%65/vip", false),
        (pub_, "/members/pub/..%3B/vip", false),
        (pub_, "/members/pub/..%25%32%46vip", false),
        (pub_, "/members/pub/%2%65%2%65/vip", false),
        (pub_, "/members/pub/%u002e%u002e/vip", false),
        (pub_, "/members/pub/%252525", false),
        ("http://www.example.com/*.jpg", "/vip%25%33%66.jpg", false),
        (pub_, "/members/pub/a%3Bv=1", true),
        (pub_, "/members/pub/100%25", true),
        ("http://www.example.com/100%25", "/100%25", true),
        (pub_, "/members/pub/a;v=1", true),
        (pub_, "/members/pub/a%2fb", true),
        (all, "/members/pub/../vip", true),
        (all, "/members/..;/vip", true),
        // However the signer has written it.
        ("http://www.example.com/%6d/caf%c3%a9/*", "/m/caf%C3%A9/a", true),
        ("http://www.example.com/m/café/*", "/m/caf%C3%A9/a", true),
        ("http://www.example.com/a%2A", "/ab", false),
        ("http://www.example.com/a%2A", "/a*", true),
        // A query is compared as it is.
        ("http://www.example.com/a?b=%61", "/a?b=%61&", false),
        ("http://www.example.com/a?b=%2A", "/a?b=%2A", true),
        ("http://www.example.com/a?b=*", "/a?b=../c", true),
    ] {
        let separator = if url.contains('?') { "&" } else { "?" };
        let policy = format!("{{\"Statement\":[{{\"Resource\":\"{resource}\",\"Condition\":{{{}}}}}]}}", until(NOW_S + 1));
        let head = head(&format!("{url}{separator}{}", signer.parameters(&policy)), &[]);
        let answer = admit(&signer.trusted(), &head);
        assert_eq!(answer, if covered { Ok(()) } else { Err(Denied::Resource) }, "{resource} for {url}");
    }
}

#[test]
fn a_policy_with_unknown_members_is_refused() {
    let time = "{\"AWS:EpochTime\":17}";
    for (policy, is_read) in [
        (format!("{{\"Statement\":[{{\"Condition\":{{\"DateLessThan\":{time}}}}}]}}"), true),
        (format!("{{\"Statement\":[{{\"Resource\":null,\"Condition\":{{\"DateLessThan\":{time}}}}}]}}"), false),
        (format!("{{\"Statement\":[{{\"Condition\":{{\"DateLessThan\":{time},\"IpAddress\":null}}}}]}}"), false),
        (format!("{{\"Statement\":[{{\"Condition\":{{\"DateLessThan\":{time},\"DateGreaterThan\":null}}}}]}}"), false),
        ("{\"Statement\":[{\"Condition\":{\"DateLessThan\":null}}]}".to_owned(), false),
        (format!("{{\"Version\":\"2012-10-17\",\"Statement\":[{{\"Condition\":{{\"DateLessThan\":{time}}}}}]}}"), false),
        (format!("{{\"Statement\":[{{\"Effect\":\"Deny\",\"Condition\":{{\"DateLessThan\":{time}}}}}]}}"), false),
        (format!("{{\"Statement\":[{{\"Condition\":{{\"DateLessThan\":{time}}}}},{{}}]}}"), false),
        // Objects are no arrays of what stands in them.
        (format!("[[{{\"Resource\":\"*\",\"Condition\":{{\"DateLessThan\":{time}}}}}]]"), false),
        (format!("{{\"Statement\":[[\"*\",{{\"DateLessThan\":{time}}}]]}}"), false),
        (format!("{{\"Statement\":[{{\"Condition\":[{time}]}}]}}"), false),
        ("{\"Statement\":[{\"Condition\":{\"DateLessThan\":[17]}}]}".to_owned(), false),
        (format!("{{\"Statement\":[{{\"Condition\":{{\"DateLessThan\":{time},\"DateGreaterThan\":[1]}}}}]}}"), false),
        (format!("{{\"Statement\":[{{\"Condition\":{{\"DateLessThan\":{time},\"IpAddress\":[\"::1\"]}}}}]}}"), false),
        (format!("{{\"Statement\":[{{\"Condition\":{{\"DateLessThan\":{time},\"DateLessThan\":{time}}}}}]}}"), false),
    ] {
        assert_eq!(policy::SignedPolicy::read(policy.as_bytes()).is_some(), is_read, "{policy}");
    }
    for (wildcards, is_read) in [(limits::signed::RESOURCE_WILDCARDS, true), (limits::signed::RESOURCE_WILDCARDS + 1, false)] {
        let resource = "?".repeat(wildcards);
        let policy = format!("{{\"Statement\":[{{\"Resource\":\"{resource}\",\"Condition\":{{\"DateLessThan\":{time}}}}}]}}");
        assert_eq!(policy::SignedPolicy::read(policy.as_bytes()).is_some(), is_read, "{wildcards}");
    }
}

#[test]
fn a_canned_policy_accepts_no_additional_content() {
    let signer = Signer::new();
    // Whoever may put a quote into a URL would write conditions of his own.
    assert_eq!(policy::canned("http://a/\",\"Condition\":{}", "1"), None);
    assert_eq!(policy::canned("http://a/\\", "1"), None);
    let expected = "{\"Statement\":[{\"Resource\":\"http://a/b\",\"Condition\":{\"DateLessThan\":{\"AWS:EpochTime\":17}}}]}";
    assert_eq!(policy::canned("http://a/b", "17").as_deref(), Some(expected.as_bytes()));
    for time in ["", "+17", "-1", "1.5", "1e9", " 17", "2147483648", "99999999999999999999"] {
        let head =
            head(&format!("/a?Signature=AAAA&Key-Pair-Id=K&Hash-Algorithm=SHA256&Expires={}", time.replace(' ', "%20")), &[]);
        assert_eq!(admit(&signer.trusted(), &head), Err(Denied::Policy), "{time}");
    }
}

#[test]
fn other_cookies_do_not_hide_those_of_a_signer() {
    let signer = Signer::new();
    let policy = format!("{{\"Statement\":[{{\"Condition\":{{{}}}}}]}}", until(NOW_S + 1));
    let cookies: Vec<_> = signer.parameters(&policy).split('&').map(|pair| format!("CloudFront-{pair}")).collect();
    let mut head = head("/a", &[]);
    let line = [b"name=\xc3\xa9\xff; ".as_slice(), cookies.join("; ").as_bytes()].concat();
    head.headers.insert("cookie", HeaderValue::from_bytes(&line).unwrap());
    assert_eq!(admit(&signer.trusted(), &head), Ok(()));
    strip(&mut head);
    assert_eq!(head.headers["cookie"].as_bytes(), b"name=\xc3\xa9\xff");
}

#[test]
fn values_that_are_too_long_are_not_decoded() {
    for (bytes, decoded) in [(0, false), (1, true), (30, true), (31, false), (300, false)] {
        let text = "A".repeat((bytes * 4_usize).div_ceil(3));
        assert_eq!(decode(&text, 30).is_some(), decoded, "{bytes}");
    }
    assert_eq!(decode("-~8_", 30).as_deref(), Some(&[0xfb, 0xff][..]));
    for text in ["+/8=", "-~9_", "A", "A___", "AA A", "_AAA"] {
        assert_eq!(decode(text, 30), None, "{text}");
    }
}

#[test]
fn only_signature_parameters_are_removed_from_the_url() {
    for (before, after) in [
        ("/a?Expires=1&b=2&Signature=x&Key-Pair-Id=y&c", "/a?b=2&c"),
        ("/a?Policy=1&Hash-Algorithm=SHA256", "/a"),
        ("/a?Policy=1&Policy=2&Expires", "/a"),
        ("/a?expires=1&xPolicy=2&b=Policy", "/a?expires=1&xPolicy=2&b=Policy"),
        ("/a?", "/a?"),
    ] {
        let mut head =
            head(before, &["CloudFront-Policy=p; sid=1", "CloudFront-Signature=s;b=CloudFront-Policy;CloudFront-Key-Pair-Id=k"]);
        strip(&mut head);
        let cookies: Vec<_> = head.headers.get_all("cookie").iter().collect();
        assert_eq!((head.target.as_str(), cookies), (after, vec![&HeaderValue::from_static("sid=1; b=CloudFront-Policy")]));
    }
    let mut other = head("/a", &["sid=1", "CloudFrontPolicy=2"]);
    strip(&mut other);
    assert_eq!(other.headers["cookie"], "sid=1; CloudFrontPolicy=2", "what has none stays as it is");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever is changed of what was signed, it is not admitted.
    #[test]
    fn a_changed_signature_or_policy_is_refused(at in any::<prop::sample::Index>(), replaced in "[A-Za-z0-9~-]") {
        let signer = Signer::new();
        let policy = format!("{{\"Statement\":[{{\"Resource\":\"http://*\",\"Condition\":{{{}}}}}]}}", until(NOW_S + 9));
        let signed = signer.parameters(&policy);
        // The parts before the key's name.
        let most = signed.find("&Key-Pair-Id").unwrap();
        let at = at.index(most);
        let mut changed = signed.clone();
        changed.replace_range(at..=at, &replaced);
        let admit = |parameters: &str| super::tests::admit(&signer.trusted(), &head(&format!("/a?{parameters}"), &[]));
        prop_assert_eq!(admit(&signed), Ok(()));
        if changed != signed {
            prop_assert!(admit(&changed).is_err(), "{}", changed);
        }
    }

    /// Nothing that a stranger sends is admitted, and what is left of it says nothing of signers.
    #[test]
    fn no_unsigned_query_is_admitted(query in "((Expires|Policy|Signature|Key-Pair-Id|Hash-Algorithm|a)=?(KRSA|KECDSA|SHA256|17|[A-Za-z0-9~_-]{0,12})&?){0,7}") {
        let mut head = head(&format!("/a?{query}"), &[]);
        prop_assert!(admit(&signers(), &head).is_err());
        strip(&mut head);
        let left = head.target.query().unwrap_or_default();
        prop_assert!(left.split('&').all(|pair| !is_signers(pair)), "{}", left);
    }
}
