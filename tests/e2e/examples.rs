//! Each example hook does what its page says.

use crate::harness::{Edge, Origin, component};

fn site(origin: &Origin, hooks: &str, functions: &[&str]) -> String {
    let mut tables = format!("[origin.app]\nurl = \"http://127.0.0.1:{}\"\n", origin.port);
    for name in functions {
        tables.push_str(&format!("[function.{name}]\ncomponent = {:?}\n", component(name)));
    }
    tables.push_str(&format!("[[site]]\nname = \"s\"\nhosts = [\"*\"]\norigin = \"app\"\n{hooks}\n"));
    tables
}

#[test]
fn a_single_page_apps_paths_are_rewritten_before_the_origin() {
    let origin = Origin::start();
    let edge = Edge::start(&site(&origin, "viewer_request = \"spa-rewrite\"", &["spa-rewrite"]));
    let reply = edge.get("/docs/");
    assert_eq!((reply.status, reply.header("x-origin-uri")), (200, Some("/docs/index.html")));
    assert_eq!(reply.x_cache(), "Miss from cloudfront");
    assert_eq!(edge.metric("edgeward_function_instances_total{event=\"restored\",function=\"spa-rewrite\",reason=\"\"}"), 1.0);
}

#[test]
fn rules_on_both_sides_rewrite_and_add_security_headers() {
    let origin = Origin::start();
    let edge = Edge::start(&site(&origin, "viewer_request = \"edge-rules\"\nviewer_response = \"edge-rules\"", &["edge-rules"]));
    let reply = edge.get("/about");
    assert_eq!(reply.header("x-origin-uri"), Some("/about/index.html"));
    assert_eq!(reply.header("x-frame-options"), Some("DENY"));
    let blocked = edge.get_with("/about", &[("x-block", "1")]);
    assert_eq!((blocked.status, blocked.x_cache()), (403, "FunctionGeneratedResponse from cloudfront"));
}

#[test]
fn security_headers_are_on_every_response_below_400() {
    let origin = Origin::start();
    let edge = Edge::start(&site(&origin, "viewer_response = \"security-headers\"", &["security-headers"]));
    assert!(edge.get("/x").header("strict-transport-security").is_some());
    assert!(edge.get("/status/404").header("strict-transport-security").is_none());
}

#[test]
fn a_query_is_normalised() {
    let origin = Origin::start();
    let edge = Edge::start(&site(&origin, "viewer_request = \"normalize-query\"", &["normalize-query"]));
    assert_eq!(edge.get("/x?b=2&a=1").header("x-origin-uri"), Some("/x?a=1&b=2"));
}

#[test]
fn a_token_is_checked_against_the_key_value_store() {
    let origin = Origin::start();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("keys.json"), "{\"jwt-secret\":\"secret\"}").unwrap();
    let mut tables = format!("[key_value_store.keys]\nfile = {:?}\n", directory.path().join("keys.json"));
    tables.push_str(&site(&origin, "viewer_request = \"jwt-check\"", &["jwt-check"]));
    let tables = tables.replace("jwt-check.wasm\"\n", "jwt-check.wasm\"\nkey_value_store = \"keys\"\n");
    let edge = Edge::start(&tables);
    assert_eq!(edge.get("/private").status, 401);
    // {"alg":"HS256","typ":"JWT"}.{"sub":"ada"} signed with `secret`.
    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhZGEifQ.W9IaWDAi7kBrj5wSKOL9KMSwPLlCUbmQiyqXjKBdDlE";
    let reply = edge.get_with("/private", &[("authorization", &format!("Bearer {token}"))]);
    assert_ne!(reply.status, 503, "{}", edge.log());
    let forged = edge.get_with("/private", &[("authorization", &format!("Bearer {token}x"))]);
    assert_eq!(forged.status, 401);
}

#[test]
fn a_hook_of_plain_rust_with_wasi_runs_sealed() {
    let origin = Origin::start();
    let edge = Edge::start(&site(&origin, "viewer_request = \"stock-rewrite\"", &["stock-rewrite"]));
    for _ in 0..5 {
        assert_eq!(edge.get("/docs/").header("x-origin-uri"), Some("/docs/index.html"), "{}", edge.log());
    }
}

#[test]
fn an_origin_hook_shows_a_page_in_place_of_an_error() {
    let origin = Origin::start();
    let edge = Edge::start(&site(&origin, "origin_response = \"fallback-page\"", &["fallback-page"]));
    let reply = edge.get_with("/status/503", &[("accept", "text/html")]);
    assert!(reply.text().contains("<"), "{reply:?} {}", edge.log());
    assert_eq!(edge.get("/fine").text(), "origin saw /fine\n");
}
