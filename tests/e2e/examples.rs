//! Each example guest does in the edge what its first paragraph says.

use serde_json::json;

use crate::harness::{Answer, Config, Edge, Origin, Reply, closed_port, component};

/// An edge with one behavior: `hooks` are lines like `viewer_request = "f"` for the function `f`.
fn edge_with(guest: &str, hooks: &str, origin: &Origin) -> Edge {
    edge_with_settings(guest, "", hooks, origin)
}

fn edge_with_settings(guest: &str, settings: impl Into<Config>, hooks: &str, origin: &Origin) -> Edge {
    Edge::start(Config::new().function("f", component(guest)).with(settings).origin("o", origin.url()).site("o").with(hooks))
}

fn echoed(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text().trim_end().to_owned()
}

#[test]
fn spa_rewrite_leads_routes_to_the_index() {
    let origin = Origin::echo();
    let edge = edge_with("spa-rewrite", "viewer_request = \"f\"", &origin);
    for (target, at_origin) in
        [("/users/42?tab=1", "GET /index.html?tab=1"), ("/app.js", "GET /app.js"), ("/docs/guide/", "GET /docs/guide/index.html")]
    {
        assert_eq!(echoed(&edge.get(target)), at_origin, "{target}");
    }
}

#[test]
fn stock_rewrite_runs_without_the_sdk() {
    let origin = Origin::echo();
    let edge = edge_with("stock-rewrite", "viewer_request = \"f\"", &origin);
    assert_eq!(echoed(&edge.get("/a/b")), "GET /a/b/index.html");
    let blocked = edge.get_with("/", "X-Block: 1\r\n");
    assert_eq!((blocked.status, blocked.text().as_str()), (403, "blocked\n"));
}

#[test]
fn edge_rules_rewrite_block_and_mark() {
    let origin = Origin::echo();
    let edge = edge_with("edge-rules", "viewer_request = \"f\"\nviewer_response = \"f\"", &origin);
    let page = edge.get("/a");
    assert_eq!(echoed(&page), "GET /a/index.html");
    assert_eq!(page.header("x-frame-options"), "DENY");
    let blocked = edge.get_with("/a", "X-Block: 1\r\n");
    assert_eq!(blocked.status, 403);
    assert_eq!(blocked.header("x-cache"), "FunctionGeneratedResponse from cloudfront");
    // A viewer-response hook does not run on what viewer-request has answered.
    assert_eq!(blocked.header("x-frame-options"), "");
    assert_eq!(origin.seen().len(), 1);
}

#[test]
fn edge_synth_answers_without_an_origin() {
    let origin = Origin::echo();
    let edge = edge_with("edge-synth", "viewer_request = \"f\"", &origin);
    let answer = edge.get("/");
    assert_eq!(answer.header("x-cache"), "FunctionGeneratedResponse from cloudfront");
    assert!(origin.seen().is_empty());
}

#[test]
fn country_redirect_sends_to_the_edition() {
    let origin = Origin::echo();
    let edge = edge_with("country-redirect", "viewer_request = \"f\"", &origin);
    let redirect = edge.get_with("/?a=b", "CloudFront-Viewer-Country: AT\r\n");
    assert_eq!((redirect.status, redirect.header("location")), (302, "/de/?a=b"));
    let chosen = edge.get_with("/", "CloudFront-Viewer-Country: AT\r\nCookie: edition=en\r\n");
    assert_eq!(echoed(&chosen), "GET /");
}

#[test]
fn security_headers_protect_every_response() {
    let origin = Origin::start(|_| Reply::new(200, "ok").header("server", "secret/1.0").header("x-powered-by", "secret"));
    let edge = edge_with("security-headers", "viewer_response = \"f\"", &origin);
    let answer = edge.get("/");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("content-security-policy"), "default-src 'self'; frame-ancestors 'none'");
    assert_eq!((answer.header("server"), answer.header("x-powered-by")), ("", ""));
}

#[test]
fn cors_answers_preflights_and_marks_responses() {
    let origin = Origin::echo();
    let edge = edge_with("cors", "viewer_request = \"f\"\nviewer_response = \"f\"", &origin);
    let preflight = "Origin: https://app.example.com\r\nAccess-Control-Request-Method: PUT\r\n";
    let answer = edge.request("OPTIONS", "/api", preflight, b"");
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, "https://app.example.com"));
    assert!(origin.seen().is_empty());
    let known = edge.get_with("/api", "Origin: https://app.example.com\r\n");
    assert_eq!(known.header("access-control-allow-origin"), "https://app.example.com");
    let stranger = edge.get_with("/api", "Origin: https://evil.example\r\n");
    assert_eq!((stranger.header("access-control-allow-origin"), stranger.header("vary")), ("", "origin"));
}

#[test]
fn ab_split_shows_one_visitor_one_version() {
    let origin = Origin::echo();
    let edge = edge_with("ab-split", "viewer_request = \"f\"\nviewer_response = \"f\"", &origin);
    assert_eq!(echoed(&edge.get_with("/x", "Cookie: ab=b\r\n")), "GET /b/x");
    assert_eq!(echoed(&edge.get_with("/x", "Cookie: ab=a\r\n")), "GET /x");
    let first = edge.get_with("/x", "User-Agent: one\r\n");
    let cookie = first.header("set-cookie").to_owned();
    assert!(cookie.starts_with("ab="), "{first:?}");
    let group = if echoed(&first) == "GET /b/x" { "ab=b" } else { "ab=a" };
    assert!(cookie.starts_with(group), "{cookie}");
}

#[test]
fn normalize_query_brings_parameters_into_one_form() {
    let origin = Origin::echo();
    let edge = edge_with("normalize-query", "viewer_request = \"f\"", &origin);
    for (target, at_origin) in [
        ("/?b=2&a=1", "GET /?a=1&b=2"),
        ("/?utm_source=x&q=1", "GET /?q=1"),
        ("/?utm_source=x", "GET /"),
        ("/?a=2&a=1", "GET /?a=2&a=1"),
    ] {
        assert_eq!(echoed(&edge.get(target)), at_origin, "{target}");
    }
}

#[test]
fn jwt_check_lets_only_signed_tokens_pass() {
    let origin = Origin::echo();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("keys.json"), r#"{"jwt-secret": "secret"}"#).unwrap();
    let function = Config::new().function("f", component("jwt-check")).set("key_value_store", "keys");
    let config = function.table("key_value_store.keys").set("file", "keys.json").origin("o", origin.url()).site("o");
    let edge = Edge::start_in(folder, config.set("viewer_request", "f"));
    // {"alg":"HS256","typ":"JWT"}.{"sub":"ada"}, HMAC-SHA-256 with `secret`.
    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhZGEifQ.-G7HR4Se6onpiv1N_jWqt9jGA0VR0kRJ_2BoHWhkfhg";
    let passed = edge.get_with("/", &format!("Authorization: Bearer {token}\r\nX-User: root\r\n"));
    assert_eq!(passed.status, 200, "{passed:?}");
    assert_eq!(origin.last().header("x-user"), "ada");
    let (unsigned, _) = token.rsplit_once('.').unwrap();
    for wrong in [format!("{unsigned}."), format!("{unsigned}.AAAA"), "x".to_owned(), String::new()] {
        let answer = edge.get_with("/", &format!("Authorization: Bearer {wrong}\r\n"));
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, "Bearer"), "{wrong}");
    }
    assert_eq!(origin.seen().len(), 1);
}

#[test]
fn pick_origin_chooses_by_path_and_cookie() {
    let (site, api, standby, canary) = (Origin::echo(), Origin::start(|_| Reply::new(500, "")), Origin::echo(), Origin::echo());
    let edge = Edge::start(
        Config::new()
            .function("f", component("pick-origin"))
            .origin("site", site.url())
            .origin("api", api.url())
            .origin("api-standby", standby.url())
            .origin("canary", canary.url())
            .site("site")
            .set("viewer_request", "f"),
    );
    assert_eq!(echoed(&edge.get("/x")), "GET /x");
    assert_eq!(site.seen().len(), 1);
    // A read fails over to the standby, a write does not.
    assert_eq!(echoed(&edge.get("/api/users")), "GET /users");
    assert_eq!((api.seen().len(), standby.seen().len()), (1, 1));
    assert_eq!(edge.request("POST", "/api/users", "", b"x").status, 500);
    assert_eq!((api.seen().len(), standby.seen().len()), (2, 1));
    assert_eq!(echoed(&edge.get_with("/x", "Cookie: canary=1\r\n")), "GET /x");
    assert_eq!(canary.seen().len(), 1);
}

#[test]
fn auth_call_asks_another_service() {
    let origin = Origin::echo();
    let service = Origin::start(|seen| match seen.header("authorization") {
        "Bearer good" => Reply::new(200, "").header("x-user", "ada"),
        "Bearer odd" => Reply::new(418, ""),
        _ => Reply::new(401, "who are you?\n"),
    });
    let service_at = service.address.to_string();
    let settings = Config::new().set("network", [&service_at]).set("environment", json!({ "AUTH_SERVICE": service_at }));
    let edge = edge_with_settings("auth-call", settings, "origin_request = \"f\"", &origin);
    let passed = edge.get_with("/secret", "Authorization: Bearer good\r\n");
    assert_eq!(echoed(&passed), "GET /secret");
    assert_eq!(origin.last().header("x-user"), "ada");
    assert_eq!(service.last().header("x-original-uri"), "/secret");
    let refused = edge.get("/secret");
    assert_eq!((refused.status, refused.text().as_str()), (401, "who are you?\n"));
    assert_eq!(refused.header("x-cache"), "LambdaGeneratedResponse from cloudfront");
    assert_eq!(edge.get_with("/secret", "Authorization: Bearer odd\r\n").status, 503);
    assert_eq!(origin.seen().len(), 1);
}

#[test]
fn auth_call_is_closed_when_the_service_is_not_granted() {
    let (origin, service) = (Origin::echo(), Origin::echo());
    let settings = Config::new().set("environment", json!({ "AUTH_SERVICE": service.address.to_string() }));
    let edge = edge_with_settings("auth-call", settings, "origin_request = \"f\"", &origin);
    assert_eq!(edge.get("/").status, 503);
    assert!(service.seen().is_empty() && origin.seen().is_empty());
}

#[test]
fn body_rewrite_turns_a_form_into_json() {
    let origin = Origin::echo();
    let edge = edge_with("body-rewrite", "origin_request = \"f\"\ninclude_body = true", &origin);
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    assert_eq!(edge.request("POST", "/form", form, b"name=Ada+L%22&k=1").status, 200);
    let seen = origin.last();
    assert_eq!(String::from_utf8(seen.body.clone()).unwrap(), r#"{"name":"Ada L\"","k":"1"}"#);
    assert_eq!(seen.header("content-type"), "application/json");
    assert_eq!(seen.header("content-length"), "26");
    // Over the part of a body that a hook is shown (1 MiB).
    let large = edge.request("POST", "/form", form, &vec![b'a'; (1 << 20) + 1]);
    assert_eq!(large.status, 413);
    assert_eq!(edge.request("POST", "/form", "Content-Type: text/plain\r\n", b"a=b").status, 200);
    assert_eq!(origin.last().body, b"a=b");
}

#[test]
fn http_lookup_answers_from_a_database() {
    let origin = Origin::echo();
    let database = Origin::start(|seen| match seen.target.as_str() {
        "/products?id=eq.7&limit=1" => Reply::new(200, r#"[{"id":7}]"#),
        _ => Reply::new(200, "[]"),
    });
    let database_at = database.address.to_string();
    let settings = Config::new().set("network", [&database_at]).set("environment", json!({ "DATABASE": database_at }));
    let edge = edge_with_settings("http-lookup", settings, "origin_request = \"f\"", &origin);
    let found = edge.get("/products/7");
    assert_eq!((found.status, found.text().as_str()), (200, r#"{"id":7}"#));
    assert_eq!(edge.get("/products/8").status, 404);
    assert_eq!(edge.get("/products/x").status, 404);
    assert_eq!(edge.request("POST", "/products/7", "", b"x").status, 405);
    assert!(origin.seen().is_empty());
    assert_eq!(database.seen().len(), 2);
}

#[test]
fn http_lookup_says_503_when_the_database_is_away() {
    let origin = Origin::echo();
    let database = format!("127.0.0.1:{}", closed_port());
    let settings = Config::new().set("network", [&database]).set("environment", json!({ "DATABASE": database }));
    let edge = edge_with_settings("http-lookup", settings, "origin_request = \"f\"", &origin);
    let answer = edge.get("/products/7");
    assert_eq!((answer.status, answer.header("retry-after")), (503, "5"));
}

#[test]
fn fallback_page_hides_an_error() {
    let origin =
        Origin::start(|seen| if seen.target == "/ok" { Reply::new(200, "fine") } else { Reply::new(500, "stack trace") });
    let edge = edge_with("fallback-page", "origin_response = \"f\"", &origin);
    let page = edge.get_with("/broken", "Accept: text/html\r\n");
    assert_eq!((page.status, page.header("retry-after")), (500, "60"));
    assert!(page.text().starts_with("<!doctype html>") && !page.text().contains("stack trace"), "{page:?}");
    assert!(edge.get_with("/broken", "Accept: */*\r\n").text().contains("temporarily unavailable"));
    assert_eq!(edge.get("/ok").text(), "fine");
}
