//! Traces, as a collector gets them: of requests to the edge, and of calls of functions.

use serde_json::{Value, json};

use crate::api::ApiHost;
use crate::harness::{Config, Edge, Origin, Reply, closed_port, component, eventually};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

fn config(collector: &str, origin: &Origin, rate: f64) -> Config {
    let tracing = Config::new().table("tracing").set("otlp_endpoint", collector).set("service_name", "test");
    let tracing = tracing.set("sample_rate", rate).set("headers", json!({ "x-key": "k" }));
    let functions = tracing.function("rules", component("edge-rules")).function("trap", component("hostile-trap"));
    functions
        .origin("o", origin.url())
        .site("o")
        .cached()
        .set("viewer_request", "rules")
        .behavior("/trap")
        .set("viewer_request", "trap")
}

/// All spans that a collector has got.
pub(crate) fn spans(collector: &Origin) -> Vec<Value> {
    let mut spans = Vec::new();
    for seen in collector.seen() {
        assert_eq!((seen.method.as_str(), seen.target.as_str(), seen.header("x-key")), ("POST", "/v1/traces", "k"));
        assert_eq!(seen.header("content-type"), "application/json");
        let body: Value = serde_json::from_slice(&seen.body).unwrap();
        let resource = &body["resourceSpans"][0];
        assert_eq!(attribute(&resource["resource"], "service.name"), "test");
        spans.extend(resource["scopeSpans"][0]["spans"].as_array().unwrap().iter().cloned());
    }
    spans
}

/// The spans of one more request, root last.
#[track_caller]
fn trace_of(collector: &Origin, before: usize) -> Vec<Value> {
    let mut all = Vec::new();
    eventually("the spans come", || {
        all = spans(collector);
        all[before..].iter().any(|span| span["kind"] == 2)
    });
    all.split_off(before)
}

/// As text; empty without one.
pub(crate) fn attribute(of: &Value, key: &str) -> String {
    let found = of["attributes"].as_array().unwrap().iter().find(|attribute| attribute["key"] == key);
    let Some(value) = found.and_then(|attribute| attribute["value"].as_object()?.values().next()) else { return String::new() };
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[track_caller]
fn named<'s>(spans: &'s [Value], name: &str, kind: u64) -> &'s Value {
    let found = spans.iter().find(|span| span["name"] == name && span["kind"] == kind);
    found.unwrap_or_else(|| panic!("no `{name}` of kind {kind} in {spans:#?}"))
}

#[test]
fn a_miss_a_hit_and_a_failure_of_a_hook_are_trees_of_spans() {
    let collector = Origin::echo();
    let origin = Origin::start(|_| Reply::new(200, "page").header("cache-control", "max-age=60"));
    let edge = Edge::start(config(&collector.url(), &origin, 1.0));
    let sampled = format!("traceparent: 00-{TRACE}-{PARENT}-01\r\n");

    assert_eq!(edge.get_with("/a.html", &sampled).status, 200);
    let miss = trace_of(&collector, 0);
    let root = named(&miss, "GET", 2);
    assert!(miss.iter().all(|span| span["traceId"] == TRACE), "{miss:#?}");
    assert_eq!(root["parentSpanId"], PARENT);
    for (key, value) in [
        ("http.request.method", "GET"),
        ("url.path", "/a.html"),
        ("url.scheme", "http"),
        ("server.address", "www.example.com"),
        ("client.address", "127.0.0.1"),
        ("http.response.status_code", "200"),
        ("edgeward.result", "Miss"),
        ("edgeward.site", "www"),
    ] {
        assert_eq!(attribute(root, key), value, "{key}");
    }
    assert!(attribute(root, "edgeward.cache.status").starts_with("Edgeward; fwd=uri-miss"));
    let hook = named(&miss, "viewer-request", 1);
    assert_eq!((&hook["parentSpanId"], attribute(hook, "edgeward.function")), (&root["spanId"], "rules".to_owned()));
    assert!(attribute(hook, "edgeward.fuel").parse::<u64>().unwrap() > 0);
    assert_eq!(attribute(named(&miss, "cache lookup", 1), "edgeward.cache.lookup"), "miss");
    let fill = named(&miss, "cache fill", 1);
    let fetch = named(&miss, "GET", 3);
    assert_eq!((&fill["parentSpanId"], &fetch["parentSpanId"]), (&root["spanId"], &fill["spanId"]));
    assert_eq!((attribute(fetch, "http.response.status_code"), attribute(fetch, "edgeward.origin")), ("200".into(), "o".into()));
    let told = format!("00-{TRACE}-{}-01", fetch["spanId"].as_str().unwrap());
    assert_eq!(origin.last().header("traceparent"), told);
    for span in &miss {
        let at = |key: &str| span[key].as_str().unwrap().parse::<u64>().unwrap();
        assert!(at("startTimeUnixNano") <= at("endTimeUnixNano"), "{span}");
        assert!(root["startTimeUnixNano"].as_str() <= span["startTimeUnixNano"].as_str() || span["name"] == "viewer-request");
    }

    assert_eq!(edge.get("/a.html").header("x-cache"), "Hit from cloudfront");
    let hit = trace_of(&collector, miss.len());
    let root = named(&hit, "GET", 2);
    assert!(root.get("parentSpanId").is_none() && root["traceId"] != TRACE);
    assert_eq!((attribute(root, "edgeward.result"), hit.len()), ("Hit".to_owned(), 3));
    assert_eq!(attribute(named(&hit, "cache lookup", 1), "edgeward.cache.lookup"), "hit");

    assert_eq!(edge.get("/trap").status, 503);
    let failed = trace_of(&collector, miss.len() + hit.len());
    let (root, hook) = (named(&failed, "GET", 2), named(&failed, "viewer-request", 1));
    assert_eq!((root["status"]["code"].as_u64(), attribute(root, "error.type").as_str()), (Some(2), "503"));
    assert_eq!((hook["status"]["code"].as_u64(), attribute(hook, "edgeward.function").as_str()), (Some(2), "trap"));
    assert_eq!(failed.len(), 2);
}

#[test]
fn what_is_not_sampled_passes_untouched_and_a_drain_sends_the_rest() {
    let collector = Origin::echo();
    let origin = Origin::echo();
    let mut edge = Edge::start(config(&collector.url(), &origin, 0.0));
    let unsampled = format!("00-{TRACE}-{PARENT}-00");
    edge.request("POST", "/1.html", &format!("traceparent: {unsampled}\r\n"), b"x");
    assert_eq!(origin.last().header("traceparent"), unsampled);
    // What fills the cache is for everybody.
    edge.get_with("/1.html", &format!("traceparent: {unsampled}\r\n"));
    assert!(!origin.last().has("traceparent"));
    edge.get("/2.html");
    assert!(!origin.last().has("traceparent"));
    // Who is before us has decided.
    edge.get_with("/3.html", &format!("traceparent: 00-{TRACE}-{PARENT}-01\r\n"));
    edge.signal("TERM");
    assert!(edge.ended().success());
    let roots: Vec<_> = spans(&collector).into_iter().filter(|span| span["kind"] == 2).collect();
    assert_eq!(roots.iter().map(|span| attribute(span, "url.path")).collect::<Vec<_>>(), ["/3.html"]);
}

#[test]
fn an_unreachable_collector_loses_spans_and_delays_no_request() {
    let origin = Origin::echo();
    let edge = Edge::start(config(&format!("http://127.0.0.1:{}", closed_port()), &origin, 1.0));
    assert_eq!(edge.get("/a.html").status, 200);
    eventually("they are counted", || edge.metric("edgeward_trace_spans_dropped_total{reason=\"collector\"") >= 4.0);
}

/// Calls functions, and tells what each call has returned and what it was answered with in `X-Amzn-Trace-Id`.
const CALLS: &str = r#"
import json, urllib.request
from aws import *

SOURCE = """
import os

def lambda_handler(event, context):
    if event.get("fails"):
        raise ValueError("no")
    return [os.environ.get("_X_AMZN_TRACE_ID"), event.get("headers", {}).get("x-amzn-trace-id")]
"""
create("active", python(SOURCE), TracingConfig={"Mode": "Active"})
create("passing", python(SOURCE))
url = aws.create_function_url_config(FunctionName="passing", AuthType="NONE")["FunctionUrl"]
aws.add_permission(
    FunctionName="passing", StatementId="url", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE"
)

def call(name, headers={}, event={}):
    lambdas = client()
    def send(request, **_):
        for header, value in headers.items():
            request.headers[header] = value
    lambdas.meta.events.register("before-send.lambda", send)
    answer = lambdas.invoke(FunctionName=name, Payload=json.dumps(event))
    return json.loads(answer["Payload"].read()), answer["ResponseMetadata"]["HTTPHeaders"].get("x-amzn-trace-id")

W3C = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
XRAY = "Root=1-0af76519-16cd43dd8448eb211c80319d;Parent=b7ad6b7169203332;Sampled="
at_url = urllib.request.Request(aws.meta.endpoint_url + "/lambda-url/" + url.split("//")[1].split(".")[0] + "/", headers=W3C)
calls = [
    call("active"), call("active", {"X-Amzn-Trace-Id": XRAY + "0"}), call("active", event={"fails": True}),
    call("passing"), call("passing", W3C), call("passing", {"X-Amzn-Trace-Id": XRAY + "1"}),
]
with urllib.request.urlopen(at_url) as response:
    calls.append((json.load(response), response.headers["X-Amzn-Trace-Id"]))
print(json.dumps(calls))
"#;

#[test]
fn calls_of_functions_are_spans_in_the_traces_of_their_callers() {
    let collector = Origin::echo();
    let tracing =
        format!("[tracing]\notlp_endpoint = \"{}\"\nservice_name = \"test\"\nheaders = {{ x-key = \"k\" }}\n", collector.url());
    let host = ApiHost::start_with(&tracing);
    let calls: Vec<(Value, Option<String>)> = serde_json::from_str(&host.python(CALLS)).unwrap();
    let [active, refused, failed, passing, by_w3c, by_xray, at_url] = &calls[..] else { panic!("{calls:?}") };
    let mut all = Vec::new();
    eventually("the spans come", || {
        all = spans(&collector);
        all.iter().filter(|span| span["kind"] == 2).count() >= 5
    });
    let roots: Vec<&Value> = all.iter().filter(|span| span["kind"] == 2).collect();
    let [active_span, failed_span, w3c_span, xray_span, url_span] = roots[..] else { panic!("{roots:#?}") };

    // What a function is told is its own span.
    let told = |span: &Value| {
        let (time, random) = span["traceId"].as_str().unwrap().split_at(8);
        format!("Root=1-{time}-{random};Parent={};Sampled=1", span["spanId"].as_str().unwrap())
    };
    let answered = |span: &Value| {
        let (time, random) = span["traceId"].as_str().unwrap().split_at(8);
        Some(format!("Root=1-{time}-{random};Sampled=1"))
    };
    for ((returned, header), span) in [(active, active_span), (by_w3c, w3c_span), (by_xray, xray_span), (at_url, url_span)] {
        assert_eq!((returned[0].as_str().unwrap(), header), (told(span).as_str(), &answered(span)), "{span:#}");
    }
    assert!(active_span.get("parentSpanId").is_none());
    assert_eq!((&w3c_span["traceId"], &w3c_span["parentSpanId"]), (&json!(TRACE), &json!(PARENT)));
    assert_eq!((&url_span["traceId"], &url_span["parentSpanId"]), (&json!(TRACE), &json!(PARENT)));
    assert_eq!(at_url.0[1].as_str(), answered(url_span).as_deref(), "in the event");
    assert_eq!(xray_span["traceId"], "0af7651916cd43dd8448eb211c80319d");
    assert_eq!(xray_span["parentSpanId"], "b7ad6b7169203332");

    let tail = host.python(
        "import base64\nfrom aws import *\nprint(base64.b64decode(aws.invoke(FunctionName='active', LogType='Tail')['LogResult']).decode())",
    );
    let line = tail.lines().last().unwrap_or_default();
    assert!(line.starts_with("XRAY TraceId: 1-") && line.contains("\tSegmentId: ") && line.contains("\tSampled: true"), "{tail}");

    // A caller's decision holds, and without one a function that passes through is not traced.
    let unsampled = "Root=1-0af76519-16cd43dd8448eb211c80319d;Parent=b7ad6b7169203332;Sampled=0";
    assert_eq!(refused.0[0], unsampled);
    assert_eq!(refused.1.as_deref(), Some("Root=1-0af76519-16cd43dd8448eb211c80319d;Sampled=0"));
    assert_eq!((&passing.0[0], &passing.1), (&Value::Null, &None));

    let request_id = attribute(active_span, "faas.invocation_id");
    assert_eq!(request_id.len(), 36, "{request_id}");
    for (key, value) in [
        ("faas.name", "active"),
        ("faas.version", "$LATEST"),
        ("faas.trigger", "other"),
        ("faas.coldstart", "true"),
        ("faas.max_memory", "134217728"),
        ("cloud.resource_id", "arn:aws:lambda:us-east-1:123456789012:function:active:$LATEST"),
        ("aws.lambda.invoked_arn", "arn:aws:lambda:us-east-1:123456789012:function:active"),
    ] {
        assert_eq!(attribute(active_span, key), value, "{key}");
    }
    assert_eq!((&active_span["name"], &active_span["status"]), (&json!("active"), &json!({})));
    assert_eq!(attribute(url_span, "faas.trigger"), "http");
    assert_eq!(
        (failed.0["errorType"].as_str(), attribute(failed_span, "error.type").as_str()),
        (Some("ValueError"), "ValueError")
    );
    assert_eq!((&failed_span["status"]["code"], attribute(failed_span, "faas.coldstart").as_str()), (&json!(2), "false"));
    let init = all.iter().find(|span| span["name"] == "init" && span["parentSpanId"] == active_span["spanId"]);
    let at = |span: &Value, key: &str| span[key].as_str().unwrap().parse::<u64>().unwrap();
    let init = init.unwrap_or_else(|| panic!("no cold start in {all:#?}"));
    for (before, after) in [
        (at(active_span, "startTimeUnixNano"), at(init, "startTimeUnixNano")),
        (at(init, "startTimeUnixNano"), at(init, "endTimeUnixNano")),
        (at(init, "endTimeUnixNano"), at(active_span, "endTimeUnixNano")),
    ] {
        assert!(before <= after, "{init:#} {active_span:#}");
    }
    assert!(!all.iter().any(|span| span["name"] == "init" && span["parentSpanId"] == failed_span["spanId"]));
}
