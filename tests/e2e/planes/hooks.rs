//! Functions of the APIs as hooks of sites at the origin.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Notify;

use super::Both;
use crate::harness::{Client, Config, Origin, Reply, eventually};
use crate::tracing::{attribute, spans};

/// Lets requests pass, and says which version of it has.
const GUARD: &str = r#"
def lambda_handler(event, context):
    cf = event["Records"][0]["cf"]
    if cf["config"]["eventType"] == "origin-response":
        cf["response"]["headers"]["x-seen"] = [{"key": "X-Seen", "value": context.function_version}]
        return cf["response"]
    request = cf["request"]
    print("guards", request["uri"])
    if request["uri"] == "/blocked":
        return {"status": "403", "body": "not here"}
    if request["uri"] == "/error":
        raise ValueError("no such fruit")
    request["headers"]["x-guard"] = [{"key": "X-Guard", "value": context.function_version}]
    return request
"#;

/// A site whose hooks at the origin are `guard:live`.
fn guarded(origin: &Origin) -> Config {
    let guard = json!({"api": "guard:live"});
    Config::new().origin("o", origin.url()).site("o").set("origin_request", &guard).set("origin_response", &guard)
}

fn make_guard(both: &Both) {
    both.do_(&format!("create(\"guard\", python({GUARD:?}))\n{LIVE}"));
}

const LIVE: &str = "aws.publish_version(FunctionName=\"guard\")\n\
    aws.create_alias(FunctionName=\"guard\", Name=\"live\", FunctionVersion=\"1\")";

fn log_of_guard(both: &Both) -> String {
    let events = r#"[e["message"] for e in client("logs").filter_log_events(logGroupName="/aws/lambda/guard")["events"]]"#;
    both.look(events).to_string()
}

#[test]
fn a_function_of_the_api_is_the_hook_of_a_site() {
    let origin = Origin::echo();
    let both = Both::start(tempfile::tempdir().unwrap(), guarded(&origin));
    assert!(both.edge.log().contains("the AWS APIs have no such function yet"), "{}", both.edge.log());
    let refused = both.edge.get("/");
    assert_eq!(refused.status, 503);
    assert!(refused.text().contains("category: not-runnable\n"), "{}", refused.text());

    make_guard(&both);
    let answer = both.edge.get("/");
    assert_eq!((answer.status, answer.header("x-seen"), origin.last().header("x-guard")), (200, "1", "1"), "{}", both.edge.log());
    let blocked = both.edge.get("/blocked");
    assert_eq!((blocked.status, blocked.text().as_str()), (403, "not here"));
    assert!(both.edge.get("/error").text().contains("category: guest-error\n"));
    let logged = log_of_guard(&both);
    for line in ["Version: 1", "guards /blocked", "REPORT RequestId: ", "no such fruit"] {
        assert!(logged.contains(line), "{line}: {logged}");
    }

    // Another version is seen by the next request, and its place is one of the account's.
    both.do_(
        "aws.update_function_configuration(FunctionName=\"guard\", Timeout=5)\nupdated(\"guard\")\n\
         aws.publish_version(FunctionName=\"guard\")\n\
         aws.update_alias(FunctionName=\"guard\", Name=\"live\", FunctionVersion=\"2\")",
    );
    assert_eq!((both.edge.get("/").header("x-seen"), origin.last().header("x-guard")), ("2", "2"));
    both.do_("aws.put_function_concurrency(FunctionName=\"guard\", ReservedConcurrentExecutions=0)");
    let throttled = both.edge.get("/");
    assert!(throttled.status == 503 && throttled.text().contains("category: throttled\n"), "{throttled:?}");
    both.do_("aws.delete_function_concurrency(FunctionName=\"guard\")");
    assert_eq!(both.edge.get("/").status, 200);
    both.edge.wait_for_metric("edgeward_lambda_concurrent_executions{function=\"guard\"}", 0.0);
    assert!(both.edge.metric("edgeward_lambda_invocations_total{function=\"guard\"}") >= 8.0);
}

#[test]
fn an_alias_shares_the_calls_of_a_hook_between_two_versions_by_their_weights() {
    let origin = Origin::echo();
    let both = Both::start(tempfile::tempdir().unwrap(), guarded(&origin));
    make_guard(&both);
    both.do_("aws.update_function_configuration(FunctionName=\"guard\", Timeout=5)\nupdated(\"guard\")\naws.publish_version(FunctionName=\"guard\")");
    let route = |weight: f64| {
        both.do_(&format!(
            "aws.update_alias(FunctionName=\"guard\", Name=\"live\", RoutingConfig={{\"AdditionalVersionWeights\": {{\"2\": {weight:?}}}}})"
        ));
    };
    for (weight, version) in [(1.0, "2"), (0.0, "1")] {
        route(weight);
        for _ in 0..10 {
            assert_eq!((both.edge.get("/").header("x-seen"), origin.last().header("x-guard")), (version, version));
        }
    }
    route(0.5);
    let versions: Vec<String> = (0..100).map(|_| both.edge.get("/").header("x-seen").to_owned()).collect();
    assert!(["1", "2"].iter().all(|version| versions.iter().any(|seen| seen == version)), "{versions:?}");
}

#[test]
fn a_body_that_is_slow_to_come_takes_no_place_of_the_hook_that_is_to_see_it() {
    let origin = Origin::echo();
    let both = Both::start(tempfile::tempdir().unwrap(), guarded(&origin).set("include_body", true));
    make_guard(&both);
    both.do_("aws.put_function_concurrency(FunctionName=\"guard\", ReservedConcurrentExecutions=1)");
    let mut slow = Client::connect(both.edge.http());
    slow.send("POST /slow HTTP/1.1\r\nHost: www.example.com\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    // The edge reads the body for its hook.
    slow.until("HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(both.edge.get("/").status, 200, "{}", both.edge.log());
    slow.send("body");
    let answer = slow.answer(false).unwrap();
    assert_eq!((answer.status, origin.last().body.as_slice()), (200, b"body".as_slice()));
}

/// Asks somebody else before it lets a request pass.
const ASKER: &str = r#"
export const handler = async (event) => {
    const { request } = event.Records[0].cf;
    console.log('asks for', request.uri);
    const answer = await fetch(request.querystring);
    console.log('was told', answer.status);
    request.headers['x-guard'] = [{ key: 'X-Guard', value: String(answer.status) }];
    return request;
};
"#;

/// A site whose hook is a function of Node.js, which asks `elsewhere`.
fn with_asker(origin: &Origin) -> Both {
    let config = Config::new().origin("o", origin.url()).site("o").set("origin_request", json!({"api": "guard:live"}));
    let both = Both::start(tempfile::tempdir().unwrap(), config.server("api_network", ["127.0.0.1:*"]));
    both.do_(&format!(
        "create(\"guard\", zipped({{\"index.mjs\": {ASKER:?}}}), Runtime=\"nodejs24.x\", Handler=\"index.handler\", Timeout=60)\n{LIVE}"
    ));
    both
}

#[test]
fn a_function_of_node_is_a_hook_whose_call_goes_on_when_the_client_has_left() {
    let origin = Origin::echo();
    let both = with_asker(&origin);
    let elsewhere = Origin::start(|_| Reply::new(202, "x"));
    assert_eq!(both.edge.get(&format!("/?{}/", elsewhere.url())).status, 200, "{}", both.edge.log());
    assert_eq!(origin.last().header("x-guard"), "202");

    let gate = Arc::new(Notify::new());
    let held = gate.clone();
    let elsewhere = Origin::start(move |_| Reply::new(203, "x").held(held.clone()));
    let mut client = Client::connect(both.edge.http());
    client.send(format!("GET /left?{}/ HTTP/1.1\r\nHost: www.example.com\r\n\r\n", elsewhere.url()));
    eventually("the hook has asked", || elsewhere.seen().len() == 1);
    drop(client);
    both.edge.wait_for_metric("edgeward_edge_requests_open", 0.0);
    both.edge.wait_for_metric("edgeward_lambda_concurrent_executions{function=\"guard\"}", 1.0);
    gate.notify_one();
    both.edge.wait_for_metric("edgeward_lambda_invocations_total{function=\"guard\"}", 2.0);
    both.edge.wait_for_metric("edgeward_lambda_concurrent_executions{function=\"guard\"}", 0.0);
    let logged = log_of_guard(&both);
    for line in ["asks for /left", "was told 203"] {
        assert!(logged.contains(line), "{line}: {logged}");
    }
    assert_eq!(logged.matches("REPORT RequestId: ").count(), 2, "{logged}");
    assert_eq!(origin.seen().len(), 1, "nobody is asked for who has left");
}

#[test]
fn the_call_of_a_hook_is_a_span_of_the_request_that_it_is_for() {
    let (collector, origin) = (Origin::echo(), Origin::echo());
    let tracing = Config::new().table("tracing").set("otlp_endpoint", collector.url()).set("service_name", "test");
    let config = guarded(&origin).with(tracing.set("headers", json!({"x-key": "k"})));
    let both = Both::start(tempfile::tempdir().unwrap(), config);
    make_guard(&both);
    assert_eq!(both.edge.get("/").status, 200, "{}", both.edge.log());
    assert!(both.edge.get("/error").text().contains("category: guest-error\n"));
    let mut all = Vec::new();
    eventually("the spans come", || {
        all = spans(&collector);
        all.iter().filter(|span| span["kind"] == 2 && span["name"] == "GET").count() == 2
    });
    let of = |name: &str| -> Vec<&Value> { all.iter().filter(|span| span["name"] == name).collect() };
    let calls = of("guard");
    assert_eq!(calls.len(), 3, "{all:#?}");
    for (call, hook) in calls.iter().zip([of("origin-request")[0], of("origin-response")[0], of("origin-request")[1]]) {
        assert_eq!((&call["parentSpanId"], &call["traceId"]), (&hook["spanId"], &hook["traceId"]), "{all:#?}");
        assert_eq!(attribute(hook, "edgeward.function"), "guard");
        assert_eq!((attribute(call, "faas.name"), attribute(call, "faas.version")), ("guard".to_owned(), "1".to_owned()));
        let invoked = attribute(call, "aws.lambda.invoked_arn");
        assert!(invoked.ends_with(":function:guard:live"), "{invoked}");
    }
    let request = all.iter().find(|span| span["kind"] == 2 && span["name"] == "GET").unwrap();
    assert_eq!(of("origin-request")[0]["parentSpanId"], request["spanId"]);
    assert_eq!((&calls[0]["status"], attribute(calls[2], "error.type").as_str()), (&json!({}), "guest-error"));
    assert!(log_of_guard(&both).contains("XRAY TraceId: 1-"));
}
