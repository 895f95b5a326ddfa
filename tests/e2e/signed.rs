//! Signed URLs and cookies from outside: what AWS's own tools have signed (`signed/make.py`) opens the door.

use serde::Deserialize;

use crate::harness::{Config, Edge, Origin, Reply};

#[derive(Deserialize)]
struct Case {
    name: String,
    target: String,
    cookies: String,
    answer: String,
    seen: String,
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("signed/cases.json")).unwrap()
}

fn case(name: &str) -> Case {
    cases().into_iter().find(|case| case.name == name).unwrap_or_else(|| panic!("no case `{name}`"))
}

/// `/private/*` is for those whom one of two keys has signed for.
fn private(origin: &Origin, more: impl Into<Config>) -> Edge {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rsa.pem"), include_bytes!("signed/rsa.pem")).unwrap();
    std::fs::write(folder.path().join("ecdsa.pem"), include_bytes!("signed/ecdsa.pem")).unwrap();
    Edge::start_in(folder, config(origin, ["old", "new"]).with(more))
}

fn config<const N: usize>(origin: &Origin, trusted: [&str; N]) -> Config {
    let keys = Config::new().origin("o", origin.url()).table("public_key.first").set("id", "KRSA").set("file", "rsa.pem");
    let keys = keys.table("public_key.KECDSA").set("file", "ecdsa.pem").table("key_group.old").set("keys", ["first"]);
    let groups = keys.table("key_group.new").set("keys", ["KECDSA"]);
    groups.site("o").behavior("/private/*").set("trusted_key_groups", &trusted[..])
}

/// CloudFront's code for an answer.
fn code(answer: &str) -> &'static str {
    match answer {
        "NoKey" => "<Code>MissingKey</Code><Message>Missing Key-Pair-Id query parameter or cookie value</Message>",
        "UnknownKey" => "<Code>InvalidKey</Code><Message>Unknown Key</Message>",
        "Signature" => "<Code>MalformedSignature</Code><Message>Could not unencode Signature</Message>",
        "Policy" => "<Code>MalformedPolicy</Code><Message>Malformed Policy</Message>",
        _ => "<Code>AccessDenied</Code><Message>Access denied</Message>",
    }
}

#[test]
fn what_awss_tools_sign_is_served_and_nothing_else() {
    let origin = Origin::start(|_| Reply::new(200, "secret"));
    let edge = private(&origin, "");
    let mut refused = 0.0;
    for case in cases() {
        let cookies = format!("Cookie: sid=1; {}\r\n", case.cookies);
        let answer = edge.get_with(&case.target, &cookies);
        if case.answer == "admitted" {
            assert_eq!((answer.status, answer.text().as_str()), (200, "secret"), "{}: {}", case.name, answer.text());
            let seen = origin.last();
            assert_eq!(
                (seen.target.as_str(), seen.header("cookie").trim_end_matches([';', ' '])),
                (case.seen.as_str(), "sid=1"),
                "{}",
                case.name
            );
        } else {
            refused += 1.0;
            assert_eq!((answer.status, answer.header("content-type")), (403, "text/xml"), "{}", case.name);
            assert!(answer.text().contains(code(&case.answer)), "{}: {}", case.name, answer.text());
            assert_eq!((answer.header("x-cache"), answer.header("cache-control")), ("Error from cloudfront", "no-store"));
        }
    }
    assert_eq!(origin.seen().len() as f64 + refused, cases().len() as f64, "who is refused does not reach the origin");
    assert_eq!(edge.metric("edgeward_edge_refusals_total{reason=\"signature-"), refused);
}

#[test]
fn what_is_not_private_needs_no_signature_and_keeps_its_parameters() {
    let origin = Origin::echo();
    let edge = private(&origin, "");
    let answer = edge.get_with("/open?Expires=1&Signature=x", "Cookie: CloudFront-Policy=p\r\n");
    assert_eq!((answer.status, answer.text().as_str()), (200, "GET /open?Expires=1&Signature=x\n"));
    assert_eq!(origin.last().header("cookie"), "CloudFront-Policy=p");
}

#[test]
fn all_admitted_clients_share_stored_responses() {
    let origin = Origin::start(|_| Reply::new(200, "secret").header("cache-control", "max-age=60"));
    let edge = private(
        &origin,
        Config::new().set("cache_policy", "all").table("cache_policy.all").set("query", "all").set("cookies", "all"),
    );
    let get = |name: &str| {
        let case = case(name);
        let cookies = if case.cookies.is_empty() { String::new() } else { format!("Cookie: {}\r\n", case.cookies) };
        edge.get_with(&case.target, &cookies)
    };
    assert_eq!(get("canned").header("x-cache"), "Miss from cloudfront");
    for name in ["canned", "custom", "custom, ECDSA", "cookies, custom"] {
        assert_eq!(get(name).header("x-cache"), "Hit from cloudfront", "{name}");
    }
    // What is stored is as private as what is not.
    for name in ["canned, expired", "nothing", "cookies, expired"] {
        assert_eq!(get(name).status, 403, "{name}");
    }
    assert_eq!(origin.seen().len(), 1);
}

#[test]
fn a_removed_key_no_longer_admits_anybody() {
    let origin = Origin::echo();
    let edge = private(&origin, "");
    let (old, new) = (case("canned").target, case("canned, ECDSA").target);
    assert_eq!((edge.get(&old).status, edge.get(&new).status), (200, 200));
    edge.reconfigure(config(&origin, ["new"]));
    edge.wait_for_metric("edgeward_config_reloads_total{result=\"ok\"}", 1.0);
    assert_eq!((edge.get(&old).status, edge.get(&new).status), (403, 200));
}

#[test]
fn a_key_file_that_is_replaced_is_another_key() {
    let origin = Origin::echo();
    let edge = private(&origin, "");
    let good = case("canned").target;
    assert_eq!(edge.get(&good).status, 200);
    edge.put("rsa.pem", include_bytes!("signed/ecdsa.pem"));
    edge.wait_for_metric("edgeward_config_reloads_total{result=\"ok\"}", 1.0);
    assert_eq!(edge.get(&good).status, 403);
    edge.put("rsa.pem", include_bytes!("signed/rsa-1024.pem"));
    edge.wait_for_metric("edgeward_config_reloads_total{result=\"refused\"}", 1.0);
    assert!(edge.log().contains("RSA key of 1024 bits"), "{}", edge.log());
}

/// A signer with a key of its own, made here, and its public key as PEM.
fn signer() -> (impl Fn(&str) -> String, String) {
    use base64::Engine as _;
    use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
    let random = ring::rand::SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &random).unwrap();
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let info =
        [&hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap(), pair.public_key().as_ref()].concat();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", base64(&info));
    let sign = move |policy: &str| {
        let encode = |bytes: &[u8]| base64(bytes).replace('+', "-").replace('/', "~").replace('=', "_");
        let signature = pair.sign(&random, policy.as_bytes()).unwrap();
        let (policy, signature) = (encode(policy.as_bytes()), encode(signature.as_ref()));
        format!("Policy={policy}&Signature={signature}&Key-Pair-Id=K&Hash-Algorithm=SHA256")
    };
    (sign, pem)
}

#[test]
fn a_policy_for_one_folder_opens_no_other() {
    let origin = Origin::echo();
    let folder = tempfile::tempdir().unwrap();
    let (sign, pem) = signer();
    std::fs::write(folder.path().join("key.pem"), pem).unwrap();
    let key = Config::new().origin("o", origin.url()).table("public_key.K").set("file", "key.pem");
    let site = key.table("key_group.g").set("keys", ["K"]).site("o");
    let edge = Edge::start_in(folder, site.behavior("/members/*").set("trusted_key_groups", ["g"]));
    let policy = |resource: &str| {
        sign(&format!(
            "{{\"Statement\":[{{\"Resource\":{resource},\"Condition\":{{\"DateLessThan\":{{\"AWS:EpochTime\":2147483000}}}}}}]}}"
        ))
    };
    let public = policy("\"http://www.example.com/members/pub/*\"");
    for target in ["/members/pub/a", "/members/pub/%61/b%20c", "//members/./pub/x/../a", "/members/pub/AC%2FDC"] {
        assert_eq!(edge.get(&format!("{target}?{public}")).text(), format!("GET {target}\n"));
    }
    let before = origin.seen().len();
    for target in [
        "/members/pub/../vip",
        "/members/pub/%2e%2e/vip",
        "/members/pub/.%2E/vip",
        "/members/pub//../vip",
        "/members/pub/./../vip",
        "/members/pub/..%2fvip",
        "/members/pub/..%5cvip",
        "/members/pub/..\\vip",
        "/members/pub/..;/vip",
        "/members/pub/%252e%252e/vip",
        "/members/pub/%c0%ae%c0%ae/vip",
        "/members/pub/%25%32%65%25%32%65/vip",
        "/members/pub/..%3B/vip",
        "/members/pub/..%25%32%46vip",
        "/members/pub/%u002e%u002e/vip",
        "/members/pub/a%00",
        "/members/vip",
    ] {
        let answer = edge.get(&format!("{target}?{public}"));
        assert!(answer.status == 403 && answer.text().contains("AccessDenied"), "{target}: {answer:?}");
    }
    // What its wildcards stand for is looked for in their part of the URL, and not in the query.
    for resource in ["http*://www.example.com/members/pub/*", "http://*.example.com/members/pub/*"] {
        let policy = policy(&format!("{resource:?}"));
        for (target, status) in [
            ("/members/pub/a?b=c", 200),
            ("/members/vip?x=://www.example.com/members/pub/y", 403),
            ("/members/vip?a.example.com/members/pub/y", 403),
        ] {
            assert_eq!(edge.get(&format!("{target}&{policy}")).status, status, "{resource}: {target}");
        }
    }
    for resource in ["null", "[\"*\"]"] {
        let answer = edge.get(&format!("/members/vip?{}", policy(resource)));
        assert!(answer.status == 403 && answer.text().contains("MalformedPolicy"), "{resource}: {answer:?}");
    }
    let array = sign("{\"Statement\":[[\"*\",{\"DateLessThan\":{\"AWS:EpochTime\":2147483000}}]]}");
    let answer = edge.get(&format!("/members/vip?{array}"));
    assert!(answer.status == 403 && answer.text().contains("MalformedPolicy"), "{answer:?}");
    assert_eq!(origin.seen().len(), before + 2);
    // A signer's cookies are seen beside one that is no ASCII.
    let cookies: Vec<_> = public.split('&').map(|pair| format!("CloudFront-{pair}")).collect();
    let answer = edge.get_with("/members/pub/a", &format!("Cookie: name=\u{e9}; {}\r\n", cookies.join("; ")));
    assert_eq!(answer.status, 200, "{answer:?}");
}
