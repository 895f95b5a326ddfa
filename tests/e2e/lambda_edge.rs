//! Functions as origin hooks: what their Lambda@Edge events say, and what becomes of their replies.

use serde_json::{Value, json};

use crate::harness::{Answer, Config, Edge, Origin, Reply, component, edgeward, eventually};

/// `/oq/*` has the function as its origin-request hook, `/or/*` as its origin-response hook. One instance serves all calls.
fn edge(origin: &Origin, more: impl FnOnce(Config) -> Config) -> Edge {
    let function = Config::new().server("workers", 1).function("f", component("function-behaviors"));
    let config = more(function.set("policy", json!({ "reuse": {} })).origin("o", origin.url())).site("o");
    let request = config.behavior("/oq/*").set("origin_request", "f").set("include_body", true);
    let config = request.behavior("/or/*").set("origin_response", "f");
    // So the log has every failure, however many there are.
    Edge::start_by_level("debug", tempfile::tempdir().unwrap(), config)
}

fn header(name: &str, value: impl ToString) -> String {
    format!("{name}: {}\r\n", value.to_string())
}

fn shown(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

#[test]
fn a_function_sees_the_request_and_its_origin() {
    let origin = Origin::echo();
    let edge = edge(&origin, |config| config.set("headers", json!({ "x-key": "secret" })));
    let answer = edge.request("PUT", "/oq/a%20b?x=1&y", &(header("X-Do", "show") + "Accept: a\r\nAccept: b\r\n"), b"hi");
    let cf = &shown(&answer)["cf"];
    let config = json!({
        "distributionDomainName": "www", "distributionId": "www", "eventType": "origin-request",
        "requestId": answer.header("x-amz-cf-id"),
    });
    assert_eq!(cf["config"], config);
    let request = &cf["request"];
    assert_eq!(
        (&request["method"], &request["uri"], &request["querystring"], &request["clientIp"]),
        (&json!("PUT"), &json!("/oq/a%20b"), &json!("x=1&y"), &json!("127.0.0.1"))
    );
    let address = origin.address.to_string();
    assert_eq!(request["headers"]["host"], json!([{"key": "Host", "value": address}]));
    assert_eq!(request["headers"]["accept"], json!([{"key": "Accept", "value": "a"}, {"key": "Accept", "value": "b"}]));
    assert!(request["headers"]["via"][0]["value"].is_string(), "{request}");
    let body = json!({"inputTruncated": false, "action": "read-only", "encoding": "base64", "data": "aGk="});
    assert_eq!(request["body"], body);
    let custom = &request["origin"]["custom"];
    assert_eq!(
        (&custom["domainName"], &custom["port"], &custom["protocol"]),
        (&json!("127.0.0.1"), &json!(origin.address.port()), &json!("http"))
    );
    assert_eq!(custom["customHeaders"], json!({"x-key": [{"key": "X-Key", "value": "secret"}]}));
    assert_eq!(answer.header("x-cache"), "LambdaGeneratedResponse from cloudfront");
    assert_eq!(origin.seen().len(), 0);
}

#[test]
fn what_a_function_changes_of_a_request_reaches_the_origin() {
    let origin = Origin::echo();
    let edge = edge(&origin, |config| config);
    let untouched = edge.request("PUT", "/oq/a%20b?x=1", "X-Kept: k\r\n", b"hi");
    assert_eq!((untouched.status, untouched.text().as_str()), (200, "PUT /oq/a%20b?x=1\n"));
    assert_eq!((origin.last().header("x-kept"), origin.last().body.as_slice()), ("k", b"hi".as_slice()));

    let patch = json!({
        "uri": "/new", "querystring": "y=2",
        "headers": {"x-added": [{"key": "X-Added", "value": "1"}, {"key": "X-Added", "value": "2"}], "x-gone": null},
        "body": {"action": "replace", "encoding": "text", "data": "rewritten"},
    });
    let answer = edge.request("PUT", "/oq/a?x=1", &(header("X-Patch", patch) + "X-Gone: g\r\n"), b"hi");
    assert_eq!((answer.status, answer.text().as_str()), (200, "PUT /new?y=2\n"));
    let seen = origin.last();
    let added: Vec<_> = seen.headers.iter().filter(|(name, _)| name == "x-added").map(|(_, value)| value.as_str()).collect();
    assert_eq!((added, seen.has("x-gone")), (vec!["1", "2"], false));
    assert_eq!((seen.body.as_slice(), seen.header("content-length")), (b"rewritten".as_slice(), "9"));

    let bytes = json!({"body": {"action": "replace", "data": "AP8="}});
    edge.request("PUT", "/oq/a", &header("X-Patch", bytes), b"hi");
    assert_eq!(origin.last().body, b"\x00\xff");
}

#[test]
fn a_function_answers_in_place_of_the_origin() {
    let origin = Origin::echo();
    let edge = edge(&origin, |config| config);
    let redirect = json!({
        "status": "302", "statusDescription": "Found",
        "headers": {"location": [{"key": "Location", "value": "https://example.com/x"}], "set-cookie": [{"value": "a=1"}]},
    });
    let answer = edge.get_with("/oq/a", &header("X-Reply", redirect));
    assert_eq!((answer.status, answer.header("location")), (302, "https://example.com/x"));
    assert_eq!((answer.header("set-cookie"), answer.body.len()), ("a=1", 0));
    assert_eq!(answer.header("x-cache"), "LambdaGeneratedResponse from cloudfront");

    let page = json!({
        "status": 404, "body": "AP8=", "bodyEncoding": "base64", "headers": {"content-type": [{"value": "image/png"}]},
    });
    let answer = edge.get_with("/oq/a", &header("X-Reply", page));
    assert_eq!(
        (answer.status, answer.header("content-type"), answer.body.as_slice()),
        (404, "image/png", b"\x00\xff".as_slice())
    );
    assert_eq!(origin.seen().len(), 0);
}

#[test]
fn a_function_sends_a_request_to_another_origin() {
    let (first, second) = (Origin::echo(), Origin::echo());
    let port = second.address.port();
    let edge = edge(&first, |config| {
        config.set("headers", json!({ "x-key": "secret" })).origin("second", format!("http://localhost:{port}"))
    });
    let other = json!({
        "domainName": "localhost", "port": port, "protocol": "http", "path": "/base", "readTimeout": 10,
        "keepaliveTimeout": 5, "sslProtocols": ["TLSv1.2"],
        "customHeaders": {"x-own": [{"key": "X-Own", "value": "1"}], "x-key": null},
    });
    let host = format!("localhost:{port}");
    let patch = json!({"origin": {"custom": other}, "headers": {"host": [{"key": "Host", "value": host}]}});
    let answer = edge.get_with("/oq/a", &header("X-Patch", &patch));
    assert_eq!((answer.status, answer.text().as_str()), (200, "GET /base/oq/a\n"), "{}", edge.log());
    let seen = second.last();
    assert_eq!((seen.header("host"), seen.header("x-own"), seen.has("x-key")), (host.as_str(), "1", false));
    // As in CloudFront, the Host is the first origin's unless the function changes it.
    let patch = json!({"origin": {"custom": other}});
    assert_eq!(edge.get_with("/oq/a", &header("X-Patch", &patch)).status, 200);
    assert_eq!(second.last().header("host"), first.address.to_string());
    assert_eq!(first.seen().len(), 0);

    // An address that the configuration does not declare must be a public one.
    let inside = json!({"origin": {"custom": {"domainName": "localhost", "port": 8081}}});
    let answer = edge.get_with("/oq/a", &header("X-Patch", inside));
    assert_eq!(answer.status, 502, "{answer:?}");
    assert!(answer.text().contains("origin-forbidden"), "{answer:?}");
}

#[test]
fn a_function_changes_the_response_of_the_origin() {
    let origin =
        Origin::start(|_| Reply::new(200, "old").header("x-old", "o").header("set-cookie", "a=1").header("x-real-ip", "1"));
    let edge = edge(&origin, |config| config);
    let untouched = edge.get("/or/a");
    assert_eq!((untouched.status, untouched.text().as_str(), untouched.header("x-old")), (200, "old", "o"));

    let patch = json!({
        "status": "203", "statusDescription": "Second hand",
        "headers": {"x-old": null, "x-new": [{"key": "X-New", "value": "n"}], "set-cookie": [{"value": "a=1"}, {"value": "b=2"}]},
        "body": "new",
    });
    let answer = edge.get_with("/or/a", &header("X-Patch", patch));
    assert_eq!((answer.status, answer.text().as_str()), (203, "new"));
    assert_eq!((answer.header("x-old"), answer.header("x-new"), answer.header("content-length")), ("", "n", "3"));
    let kept = edge.get_with("/or/a", &header("X-Patch", json!({"status": 404})));
    assert_eq!((kept.status, kept.text().as_str()), (404, "old"));
    let emptied = edge.get_with("/or/a", &header("X-Patch", json!({"body": ""})));
    assert_eq!((emptied.status, emptied.body.len()), (200, 0));

    let cf = shown(&edge.get_with("/or/a", &header("X-Do", "show")))["cf"].clone();
    assert_eq!((&cf["config"]["eventType"], &cf["request"]["uri"]), (&json!("origin-response"), &json!("/or/a")));
    let response = &cf["response"];
    assert_eq!((&response["status"], &response["statusDescription"]), (&json!("200"), &json!("OK")));
    assert_eq!(response["headers"]["x-old"], json!([{"key": "X-Old", "value": "o"}]));
    assert!(response.get("body").is_none() && response["headers"].get("x-real-ip").is_none(), "{response}");
}

#[test]
fn a_reply_that_is_not_valid_is_502_with_its_reason_in_the_log() {
    let origin = Origin::echo();
    let edge = edge(&origin, |config| config);
    let patch = |patch: Value| header("X-Patch", patch);
    let cases = [
        ("/oq/a", header("X-Reply", "null"), "its reply is null, and no object"),
        ("/oq/a", header("X-Reply", "{"), "its reply is no JSON"),
        ("/oq/a", header("X-Reply", r#"{"status":"99"}"#), "no status from 200 to 599"),
        ("/oq/a", header("X-Reply", r#"{"status":"204","body":"x"}"#), "a response with status 204 cannot have a body"),
        ("/oq/a", patch(json!({"uri": "x"})), "the URI `x` does not begin with `/`"),
        ("/oq/a", patch(json!({"method": "PUT"})), "`method` is read-only"),
        ("/oq/a", patch(json!({"headers": {"via": null}})), "header `via` is read-only in origin-request"),
        ("/oq/a", patch(json!({"headers": {"x-cache": [{"value": "1"}]}})), "header `x-cache` is not allowed"),
        ("/oq/a", patch(json!({"headers": {"x-a": [{"value": "a\r\nb: c"}]}})), "the value of header `x-a` is not valid"),
        ("/oq/a", patch(json!({"origin": {"s3": {}}})), "`origin` has not exactly one of `custom` and `s3`"),
        ("/or/a", header("X-Reply", "null"), "its reply is null, and no object"),
        ("/or/a", patch(json!({"status": null})), "its reply is no response: `status` is missing"),
        ("/or/a", patch(json!({"headers": {"via": [{"value": "1.1 me"}]}})), "header `via` is read-only in origin-response"),
    ];
    for (target, headers, why) in &cases {
        let answer = edge.get_with(target, headers);
        assert_eq!(
            (answer.status, answer.header("x-cache")),
            (502, "LambdaValidationError from cloudfront"),
            "{headers} {answer:?}"
        );
        assert!(answer.text().contains("category: bad-reply"), "{answer:?}");
        let id = answer.header("x-amz-cf-id").to_owned();
        eventually("the log has the reason", || edge.log().lines().any(|line| line.contains(&id) && line.contains(why)));
    }
    assert_eq!(origin.seen().len(), 3, "of origin-request, none was sent");
    // One instance has served them all.
    let calls = shown(&edge.get_with("/oq/a", &header("X-Do", "show")))["calls"].as_u64().unwrap();
    assert_eq!(usize::try_from(calls).unwrap(), cases.len() + 1);
}

#[test]
fn an_error_of_the_functions_own_is_503_and_its_instance_goes_on() {
    let origin = Origin::echo();
    let edge = edge(&origin, |config| config);
    let calls = || shown(&edge.get_with("/oq/a", &header("X-Do", "show")))["calls"].as_u64().unwrap();
    assert_eq!(calls(), 1);
    for (target, what, category, calls_after) in
        [("/oq/a", "error", "guest-error", 3), ("/or/a", "error", "guest-error", 5), ("/oq/a", "panic", "trap", 1)]
    {
        let answer = edge.get_with(target, &header("X-Do", what));
        assert_eq!((answer.status, answer.header("x-cache")), (503, "LambdaExecutionError from cloudfront"), "{answer:?}");
        assert!(answer.text().contains(&format!("category: {category}")), "{answer:?}");
        assert_eq!(calls(), calls_after, "after {what} at {target}");
    }
    eventually("the log has the error and its stack", || {
        let log = edge.log();
        log.contains("OutOfStock: no apples left") && log.contains("in sell")
    });
}

#[test]
fn a_function_cannot_be_a_viewer_hook() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::new().function("f", component("function-behaviors")).fixed("o", "").site("o").set("viewer_request", "f");
    std::fs::write(folder.path().join("edge.toml"), config.file()).unwrap();
    let output = edgeward().args(["check", "edge.toml"]).current_dir(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    let fine = config.file().replace("viewer_request", "origin_request");
    std::fs::write(folder.path().join("edge.toml"), fine).unwrap();
    let output = edgeward().args(["check", "edge.toml"]).current_dir(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_function_is_tried_as_a_hook() {
    let folder = tempfile::tempdir().unwrap();
    let event = json!({
        "version": "1.0", "context": {"eventType": "origin-request"}, "viewer": {"ip": "192.0.2.7"},
        "request": {
            "method": "GET", "uri": "/a", "querystring": {},
            "headers": {"host": {"value": "example.com"}, "x-patch": {"value": r#"{"uri": "/b", "headers": {"x-patch": null}}"#}},
        },
    });
    std::fs::write(folder.path().join("event.json"), event.to_string()).unwrap();
    let output = edgeward()
        .args(["test", &component("function-behaviors"), "event.json", "--json"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let result: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let expected = json!({"request": {
        "method": "GET", "uri": "/b", "querystring": "", "headers": {"host": {"value": "example.com"}},
    }});
    assert_eq!((output.status.code(), &result["FunctionOutput"]), (Some(0), &expected), "{result}");
}

/// What `edgeward test` says of an event of Lambda@Edge: the result, or why there is none.
fn tried(component_name: &str, cf: &Value) -> (Option<i32>, Value, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("event.json"), json!({"Records": [{"cf": cf}]}).to_string()).unwrap();
    let mut command = edgeward();
    command.args(["test", &component(component_name), "event.json", "--json"]).current_dir(folder.path());
    let output = command.output().unwrap();
    let result = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), result, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn field(name: &str, value: impl Into<Value>) -> Value {
    json!([{"key": name, "value": value.into()}])
}

fn cf(moment: &str, headers: Value, response: Value) -> Value {
    json!({
        "config": {"distributionId": "E1", "eventType": moment},
        "request": {
            "clientIp": "192.0.2.7", "method": "PUT", "uri": "/a", "querystring": "b=1", "headers": headers,
            "body": {"inputTruncated": false, "action": "read-only", "encoding": "base64", "data": "aGk="},
            "origin": {"custom": {
                "customHeaders": {"x-key": field("X-Key", "s")}, "domainName": "o.example.com", "keepaliveTimeout": 5, "path": "/v1",
                "port": 443, "protocol": "https", "readTimeout": 30, "sslProtocols": ["TLSv1.2"],
            }},
        },
        "response": response,
    })
}

#[test]
fn a_function_is_tried_on_an_event_of_lambda_at_edge() {
    let headers = |patch: Value| json!({"host": field("Host", "o.example.com"), "x-patch": field("X-Patch", patch.to_string())});
    let patch =
        json!({"uri": "/b", "headers": {"x-patch": null}, "body": {"action": "replace", "encoding": "text", "data": "ho"}});
    let (code, result, errors) = tried("function-behaviors", &cf("origin-request", headers(patch), Value::Null));
    let origin = json!({"custom": {
        "customHeaders": {"x-key": field("x-key", "s")}, "domainName": "o.example.com", "path": "/v1", "port": 443,
        "protocol": "https", "readTimeout": 30,
    }});
    let expected = json!({"request": {
        "clientIp": "192.0.2.7", "method": "PUT", "uri": "/b", "querystring": "b=1",
        "headers": {"host": field("host", "o.example.com")}, "origin": origin,
        "body": {"action": "replace", "encoding": "base64", "data": "aG8="},
    }});
    assert_eq!((code, &result["FunctionOutput"]), (Some(0), &expected), "{result}{errors}");

    // It sees the event whole.
    let show = json!({"host": field("Host", "o.example.com"), "x-do": field("X-Do", "show")});
    let (code, result, errors) = tried("function-behaviors", &cf("origin-request", show, Value::Null));
    let response = &result["FunctionOutput"]["response"];
    assert_eq!(
        (code, &response["status"], &response["bodyEncoding"]),
        (Some(0), &json!("200"), &json!("text")),
        "{result}{errors}"
    );
    let seen: Value = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
    let request = &seen["cf"]["request"];
    assert_eq!(request["origin"]["custom"]["domainName"], "o.example.com");
    assert_eq!((&request["body"]["data"], &seen["cf"]["config"]["distributionId"]), (&json!("aGk="), &json!("E1")));

    let patch = json!({"status": "404", "statusDescription": "Not Here", "headers": {"x-a": field("X-A", "b")}, "body": "gone"});
    let response = json!({"status": "200", "statusDescription": "OK", "headers": {"etag": field("ETag", "x")}});
    let (code, result, errors) = tried("function-behaviors", &cf("origin-response", headers(patch), response));
    let response = &result["FunctionOutput"]["response"];
    assert_eq!(
        (code, &response["status"], &response["statusDescription"]),
        (Some(0), &json!("404"), &json!("Not Here")),
        "{result}{errors}"
    );
    assert_eq!((&response["body"], &response["headers"]["x-a"]), (&json!("gone"), &field("x-a", "b")), "{result}");
}

#[test]
fn what_breaks_a_rule_of_lambda_at_edge_fails_the_trial() {
    let patch = json!({"method": "GET"}).to_string();
    let headers = json!({"host": field("Host", "o.example.com"), "x-patch": field("X-Patch", patch)});
    let (code, result, _) = tried("function-behaviors", &cf("origin-request", headers, Value::Null));
    let error = result["FunctionErrorMessage"].as_str().unwrap_or_default();
    assert!(code == Some(1) && error.contains("`method` is read-only") && result["FunctionOutput"].is_null(), "{result}");

    for moment in ["viewer-request", "viewer-response"] {
        let (code, _, errors) = tried("function-behaviors", &cf(moment, json!({}), json!({"status": "200"})));
        assert!(
            code == Some(1) && errors.contains(&format!("the event is for {moment}, where no function can be")),
            "{code:?} {errors}"
        );
    }
}

/// A hook's component takes the same event, whatever its interface.
#[test]
fn a_component_is_tried_on_an_event_of_lambda_at_edge() {
    let headers = json!({"host": field("Host", "o.example.com"), "content-type": field("Content-Type", "application/x-www-form-urlencoded")});
    let mut event = cf("origin-request", headers, Value::Null);
    event["request"]["body"]["data"] = json!("YT0x");
    let (code, result, errors) = tried("body-rewrite", &event);
    let request = &result["FunctionOutput"]["request"];
    assert_eq!((code, &request["body"]["data"]), (Some(0), &json!("eyJhIjoiMSJ9")), "{result}{errors}");
}
