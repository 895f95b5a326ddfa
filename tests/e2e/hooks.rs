//! When hooks run, what they may change, and what the origin and the viewer then see.

use crate::harness::{Config, Edge, Origin, Reply, component, eventually};

/// One site whose behaviors run the guest of bad answers at one moment each: `/vq/*`, `/oq/*`, `/or/*`, `/vr/*`.
fn edge_of_bad_replies(origin: &Origin) -> Edge {
    let guest = component("hostile-bad-replies");
    Edge::start(
        Config::new()
            .function("viewer", &guest)
            .function("worker", &guest)
            .origin("o", origin.url())
            .site("o")
            .behavior("/vq/*")
            .set("viewer_request", "viewer")
            .behavior("/oq/*")
            .set("origin_request", "worker")
            .behavior("/or/*")
            .set("origin_response", "worker")
            .behavior("/vr/*")
            .set("viewer_response", "viewer"),
    )
}

/// Answers that are wrong at every moment.
const NEVER: [&str; 17] = [
    "empty",
    "garbage",
    "wrong-version",
    "unknown-op",
    "cut-off",
    "length-overflow",
    "not-utf8",
    "uri-without-slash",
    "uri-empty",
    "uri-with-line-break",
    "disallowed-header",
    "disallowed-prefix",
    "header-name-invalid",
    "header-name-empty",
    "header-value-with-line-break",
    "header-value-with-zero",
    "header-too-long",
];

/// Wrong in an answer to a request.
const NOT_FOR_REQUESTS: [&str; 16] = [
    "uri-too-long",
    "query-with-space",
    "read-only-length",
    "read-only-transfer-encoding",
    "read-only-header",
    "remove-read-only-header",
    "no-content-with-body",
    "status-99",
    "status-101",
    "status-999",
    "reason-with-line-break",
    "set-status",
    "oversized",
    "unknown-origin",
    "origin-host-invalid",
    "origin-path-invalid",
];

/// Wrong in an answer to a response.
const NOT_FOR_RESPONSES: [&str; 5] =
    ["read-only-header", "remove-read-only-header", "read-only-transfer-encoding", "no-content-with-body", "unknown-origin"];

#[test]
fn an_answer_that_breaks_the_contract_is_502_and_reaches_nobody() {
    let origin = Origin::echo();
    let edge = edge_of_bad_replies(&origin);
    let mut wrong = Vec::new();
    for (moment, result, cases) in [
        ("vq", "FunctionValidationError from cloudfront", NEVER.iter().chain(&NOT_FOR_REQUESTS)),
        ("oq", "LambdaValidationError from cloudfront", NEVER.iter().chain(&NOT_FOR_REQUESTS)),
        ("or", "LambdaValidationError from cloudfront", NEVER.iter().chain(&NOT_FOR_RESPONSES[..])),
        ("vr", "FunctionValidationError from cloudfront", NEVER.iter().chain(&NOT_FOR_RESPONSES[..])),
    ] {
        for case in cases {
            // More than the memory of a viewer hook: it never gets to say it.
            if (moment, *case) == ("vq", "oversized") {
                continue;
            }
            let asked = origin.seen().len();
            let answer = edge.get(&format!("/{moment}/{case}"));
            let sane = edge.get(&format!("/{moment}/nothing-wrong"));
            let reached = origin.seen().len() - asked;
            let expected = if moment.ends_with('q') { 1 } else { 2 };
            if (answer.status, answer.header("x-cache")) != (502, result) || sane.status != 200 || reached != expected {
                wrong.push(format!(
                    "{moment} {case}: {} {:?}, then {}, {reached} at the origin",
                    answer.status,
                    answer.header("x-cache"),
                    sane.status
                ));
            }
            assert_eq!(answer.header("x-injected"), "", "{moment} {case}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_client_learns_a_category_and_the_log_the_reason() {
    let origin = Origin::echo();
    let edge = edge_of_bad_replies(&origin);
    let answer = edge.get("/vq/disallowed-header");
    let id = answer.header("x-amz-cf-id").to_owned();
    assert!(answer.text().contains("bad-reply") && answer.text().contains(&id), "{answer:?}");
    assert!(!answer.text().contains("connection"), "{answer:?}");
    eventually("the log tells of the request", || edge.log().contains(&id));
    let log = edge.log();
    let line = log.lines().find(|line| line.contains(&id)).expect("it does");
    assert!(line.contains("connection") && line.contains("viewer-request"), "{line}");
}

#[test]
fn the_behavior_is_that_of_the_path_as_it_came() {
    let origin = Origin::echo();
    let edge = Edge::start(
        Config::new()
            .function("f", component("spa-rewrite"))
            .origin("o", origin.url())
            .fixed("fixed", "fixed")
            .site("o")
            .set("viewer_request", "f")
            .behavior("/index.html")
            .set("origin", "fixed"),
    );
    assert_eq!(edge.get("/index.html").text(), "fixed");
    assert_eq!(edge.get("/route").text(), "GET /index.html\n");
}

#[test]
fn a_viewer_response_hook_does_not_see_errors_of_the_origin() {
    let origin = Origin::start(|seen| Reply::new(if seen.target == "/ok" { 200 } else { 404 }, ""));
    let edge = Edge::start(
        Config::new()
            .function("f", component("security-headers"))
            .origin("o", origin.url())
            .site("o")
            .set("viewer_response", "f"),
    );
    assert_eq!(edge.get("/ok").header("x-frame-options"), "DENY");
    let missing = edge.get("/missing");
    assert_eq!((missing.status, missing.header("x-frame-options")), (404, ""));
    assert_eq!(missing.header("x-cache"), "Error from cloudfront");
}

#[test]
fn the_origin_sees_cloudfronts_headers_and_no_hop_by_hop_ones() {
    let origin = Origin::echo();
    let edge = Edge::start(Config::new().origin("o", origin.url()).site("o"));
    let headers = "X-Forwarded-For: 192.0.2.1\r\nConnection: x-hop\r\nX-Hop: 1\r\nTE: trailers\r\nKeep-Alive: 1\r\nX-Keep: 1\r\n\
                   X-Edge-Secret: 1\r\nX-Amz-Cf-Id: forged\r\nUpgrade: h2c\r\nTraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
    let answer = edge.get_with("/", headers);
    assert_eq!(answer.status, 200);
    let seen = origin.last();
    assert_eq!(seen.header("x-forwarded-for"), "192.0.2.1, 127.0.0.1");
    assert!(seen.header("via").contains("1.1 "), "{seen:?}");
    assert_eq!(seen.header("host"), origin.address.to_string());
    assert_eq!(seen.header("x-amz-cf-id"), answer.header("x-amz-cf-id"));
    assert_eq!(seen.header("x-keep"), "1");
    assert_eq!(seen.header("traceparent"), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    assert_eq!(seen.header("te"), "trailers", "the only one that goes on");
    for gone in ["x-hop", "keep-alive", "x-edge-secret", "upgrade"] {
        assert!(!seen.has(gone), "{gone}: {seen:?}");
    }
    assert_eq!(answer.header("x-cache"), "Miss from cloudfront");
    assert_eq!(answer.header("x-amz-cf-pop"), "TST1");
    assert!(answer.header("via").contains("TST1"), "{answer:?}");
}

#[test]
fn calls_of_a_fresh_hook_are_counted_and_none_is_reused() {
    let origin = Origin::echo();
    let edge = Edge::start(
        Config::new().function("f", component("spa-rewrite")).origin("o", origin.url()).site("o").set("viewer_request", "f"),
    );
    let mut client = edge.connect();
    for n in 0..200 {
        assert_eq!(client.request("GET", &format!("/route-{n}"), "www", "", b"").text(), "GET /index.html\n");
    }
    assert_eq!(edge.metric("edgeward_function_calls_total{function=\"f\",result=\"ok\"}"), 200.0);
    assert_eq!(edge.metric("edgeward_function_instances_total{event=\"reused\""), 0.0);
}

/// A viewer's hook would believe what a client says of the scheme; and what the edge says is for origins.
#[test]
fn who_hears_how_the_viewer_asked() {
    const SAID: &str = "Forwarded: proto=https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\nX-Forwarded-Proto: https\r\n";
    let origin = Origin::start(|_| Reply::new(200, "from the origin"));
    let edge = edge_of_bad_replies(&origin);
    let heard = |answer: crate::harness::Answer| {
        let event = answer.text().to_lowercase();
        ["forwarded", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto"].map(|name| event.contains(name))
    };
    assert_eq!(heard(edge.get_with("/vq/event", SAID)), [false; 4]);
    let event = edge.get_with("/oq/event", SAID);
    assert!(!event.text().contains("evil") && !event.text().contains("https"), "{event:?}");
    assert_eq!(heard(event), [true; 4]);
}
