//! Response headers policies: what is added, replaced and taken out, and who may read a response.

use crate::harness::{Answer, Config, Edge, Origin, Reply, component};

fn edge(origin: &Origin, policy: &str, more: impl Into<Config>) -> Edge {
    let url = origin.url();
    Edge::start(
        Config::new()
            .origin("o", url)
            .table("response_headers_policy.p")
            .with(policy)
            .site("o")
            .set("response_headers_policy", "p")
            .with(more),
    )
}

fn plain() -> Origin {
    Origin::start(|seen| match seen.target.as_str() {
        "/missing" => Reply::new(404, "no"),
        _ => Reply::new(200, "yes")
            .header("server", "secret/1.0")
            .header("x-frame-options", "SAMEORIGIN")
            .header("referrer-policy", "no-referrer")
            .header("cache-control", "max-age=60"),
    })
}

fn allowed(answer: &Answer) -> (&str, &str) {
    (answer.header("access-control-allow-origin"), answer.header("vary"))
}

#[test]
fn headers_are_set_added_and_removed() {
    let origin = plain();
    let policy = "set = { x-frame-options = \"DENY\", x-twice = [\"1\", \"2\"] }\n\
                  add = { referrer-policy = \"same-origin\", x-added = \"a\" }\nremove = [\"Server\"]\nserver_timing = 100";
    let edge = edge(&origin, policy, "cache_policy = \"CachingOptimized\"");
    for cached in ["miss", "hit"] {
        let answer = edge.get("/a");
        assert_eq!((answer.header("x-frame-options"), answer.header("referrer-policy")), ("DENY", "no-referrer"));
        assert_eq!((answer.header("x-added"), answer.header("server")), ("a", ""));
        let twice = answer.headers.iter().filter(|(name, _)| name == "x-twice").count();
        assert_eq!(twice, 2);
        let timing = answer.header("server-timing");
        assert!(timing.starts_with(&format!("cdn-cache-{cached},cdn-pop;desc=\"TST1\",cdn-rid;desc=\"")), "{timing}");
    }
    assert_eq!(edge.get("/missing").header("x-frame-options"), "DENY", "of errors too");
}

#[test]
fn only_an_origin_that_is_allowed_may_read() {
    let origin = plain();
    let cors = "cors = { allow_origins = [\"https://app.test\", \"https://*.b.test\"], allow_credentials = true, \
                allow_methods = [\"GET\", \"PUT\"], allow_headers = [\"x-token\"], expose_headers = [\"etag\"], max_age_s = 60 }";
    let edge = edge(&origin, cors, "cache_policy = \"CachingOptimized\"");
    for origin in ["https://app.test", "https://a.b.test"] {
        let answer = edge.get_with("/a", &format!("Origin: {origin}\r\n"));
        assert_eq!(allowed(&answer), (origin, "Origin"));
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
        assert_eq!((answer.header("access-control-expose-headers"), answer.header("access-control-allow-methods")), ("etag", ""));
    }
    for headers in ["", "Origin: https://evil.test\r\n", "Origin: https://b.test\r\n"] {
        assert_eq!(allowed(&edge.get_with("/a", headers)), ("", "Origin"), "{headers}");
    }
    let preflight = edge.request("OPTIONS", "/a", "Origin: https://app.test\r\nAccess-Control-Request-Method: PUT\r\n", b"");
    assert_eq!(allowed(&preflight).0, "https://app.test");
    assert_eq!(preflight.header("access-control-allow-methods"), "GET, PUT");
    assert_eq!(preflight.header("access-control-allow-headers"), "x-token");
    assert_eq!(preflight.header("access-control-max-age"), "60");
}

#[test]
fn what_the_origin_says_of_sharing_stays_unless_it_is_overridden() {
    let origin = Origin::start(|_| Reply::new(200, "yes").header("access-control-allow-origin", "https://own.test"));
    for (overrides, says) in [("true", "*"), ("false", "https://own.test")] {
        let edge = edge(&origin, &format!("cors = {{ allow_origins = [\"*\"], override = {overrides} }}"), "");
        let answer = edge.get_with("/a", "Origin: https://app.test\r\n");
        assert_eq!(answer.header("access-control-allow-origin"), says);
    }
}

#[test]
fn managed_policies_need_no_declaration() {
    let origin = Origin::echo();
    let config = |name: &str| {
        let url = origin.url();
        Config::new().origin("o", url).site("o").set("response_headers_policy", name)
    };
    let edge = Edge::start(config("CORS-with-preflight-and-SecurityHeadersPolicy"));
    let answer = edge.get_with("/a", "Origin: https://app.test\r\n");
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-expose-headers", "*"),
        ("referrer-policy", "strict-origin-when-cross-origin"),
        ("strict-transport-security", "max-age=31536000"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "SAMEORIGIN"),
        ("x-xss-protection", "1; mode=block"),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    let edge = Edge::start(config("SimpleCORS"));
    let answer = edge.get_with("/a", "Origin: https://app.test\r\n");
    assert_eq!((answer.header("access-control-allow-origin"), answer.header("x-frame-options")), ("*", ""));
    assert_eq!(edge.get("/a").header("access-control-allow-origin"), "");
}

#[test]
fn viewer_response_hooks_run_after_the_policy_and_generated_responses_get_it_too() {
    let origin = Origin::echo();
    let hooks = Config::new()
        .set("viewer_response", "security")
        .behavior("/made")
        .set("viewer_request", "synth")
        .set("response_headers_policy", "p")
        .function("security", component("security-headers"))
        .function("synth", component("edge-synth"));
    let edge = edge(&origin, "set = { x-frame-options = \"policy\", x-set = \"s\" }", hooks);
    let answer = edge.get("/a");
    assert_eq!(answer.header("x-set"), "s");
    assert_ne!(answer.header("x-frame-options"), "policy", "the hook comes after the policy");
    let made = edge.get("/made");
    assert_eq!((made.header("x-cache"), made.header("x-set")), ("FunctionGeneratedResponse from cloudfront", "s"));
}

#[test]
fn an_error_page_has_the_headers_of_the_error_that_it_replaces() {
    let origin = plain();
    let pages = Config::new().error_page(404).set("path", "/page");
    let edge = edge(&origin, "set = { x-set = \"s\" }\nremove = [\"server\"]", pages);
    let answer = edge.get("/missing");
    assert_eq!((answer.status, answer.text(), answer.header("x-set"), answer.header("server")), (404, "yes".to_owned(), "s", ""));
}
