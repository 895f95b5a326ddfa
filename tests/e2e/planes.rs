//! Both planes of one host: the AWS APIs show the functions of the configuration, and sites call functions of the APIs.

mod hooks;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::api::{ApiClient, seed_compiled};
use crate::harness::runtime::{Runtime, compiled_in};
use crate::harness::{Answer, Client, Config, Edge, Origin, Reply, component, edgeward, eventually};

/// A host that serves a site and the APIs.
struct Both {
    edge: Edge,
    api: ApiClient,
}

impl Both {
    #[track_caller]
    fn start(folder: tempfile::TempDir, config: Config) -> Both {
        seed_compiled(&folder.path().join("data/aot"));
        let edge = Edge::start_in(folder, config.server("api", "127.0.0.1:0"));
        let printed = fs::read_to_string(edge.folder().join("access.log")).unwrap();
        let api = ApiClient::of(&edge.log(), &printed).expect("the API listens before the admin port");
        Both { edge, api }
    }

    /// What an expression of Python is, in which `aws` is a client of Lambda.
    #[track_caller]
    fn look(&self, expression: &str) -> Value {
        let printed = self.api.python(&format!("import json\nfrom aws import *\nprint(json.dumps({expression}))"));
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
    }

    /// Runs lines of Python.
    #[track_caller]
    fn do_(&self, lines: &str) {
        self.api.python(&format!("from aws import *\n{lines}"));
    }
}

fn put(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).unwrap();
}

const GREETER: &str = "def lambda_handler(event, context):\n    return 'hello ' + event.get('name', 'you')\n";
const HOOK: &str = "function handler(event) { return event.request; }\n";

/// With a function of each kind: of a source, of a component, a hook, a service.
fn every_kind() -> Config {
    let python = Config::new().table("function.greeter").set("source", "greeter.py").set("runtime", "python3.14");
    let python = python.set("limits", json!({"deadline_ms": 2_500, "memory_bytes": 268_435_456_u64}));
    let python = python.set("environment", json!({"TOKEN": "secret"}));
    let all = python.function("adder", "adder.wasm").function("shop", component("service-p3")).source("hook", "hook.js");
    let origins = all.service("greeter", "greeter").service("adder", "adder").service("shop", "shop");
    let site = origins.site("greeter").set("viewer_request", "hook");
    site.behavior("/adder").set("origin", "adder").behavior("/shop").set("origin", "shop")
}

fn files_of_every_kind() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    compiled_in(folder.path(), Runtime::CloudfrontJs);
    put(folder.path(), "greeter.py", GREETER);
    put(folder.path(), "hook.js", HOOK);
    fs::copy(component("function-behaviors"), folder.path().join("adder.wasm")).unwrap();
    folder
}

#[test]
fn functions_of_the_file_are_shown_and_called_by_the_api_and_changed_in_the_file_only() {
    let both = Both::start(files_of_every_kind(), every_kind());
    let done = both.api.story("file", Path::new("/"));
    assert!(done >= 12, "{done} steps");
    assert_eq!(both.edge.get("/?name=edge").text(), "hello you", "the site calls it as before");
}

#[test]
fn a_reload_changes_what_the_api_shows() {
    let both = Both::start(files_of_every_kind(), every_kind());
    let code = r#"[f["CodeSha256"] for f in aws.list_functions()["Functions"] if f["FunctionName"] == "greeter"]"#;
    let answer = r#"aws.invoke(FunctionName="greeter")["Payload"].read().decode()"#;
    let before = both.look(code);
    assert_eq!(both.look(answer), r#""hello you""#);
    both.edge.put("greeter.py", GREETER.replace("hello", "good morning").as_bytes());
    eventually("the new source is called", || both.look(answer) == r#""good morning you""#);
    let after = both.look(code);
    assert!(before != after && after.as_array().is_some_and(|all| all.len() == 1), "{before} {after}");

    let python = Config::new().table("function.other").set("source", "greeter.py").set("runtime", "python3.14");
    both.edge.reconfigure(python.service("o", "other").site("o").server("api", "127.0.0.1:0"));
    both.edge.signal("HUP");
    let names = r#"[f["FunctionName"] for f in aws.list_functions()["Functions"]]"#;
    eventually("the new functions are shown", || both.look(names) == json!(["other"]));
    both.do_("with missing(\"Function not found: \" + arn(\"greeter\", \"$LATEST\")): aws.invoke(FunctionName=\"greeter\")");
    both.do_("create(\"greeter\", python(\"def lambda_handler(event, context):\\n    return 1\\n\"))");
}

#[test]
fn a_function_that_the_api_has_made_keeps_its_name() {
    let config = Config::new().fixed("o", "x").site("o");
    let both = Both::start(files_of_every_kind(), config);
    both.do_("create(\"greeter\", python(\"def lambda_handler(event, context):\\n    return 'of the API'\\n\"))");
    both.edge.reconfigure(every_kind().server("api", "127.0.0.1:0"));
    eventually("the file's function is in force", || both.edge.get("/").text() == "hello you");
    let answer = r#"aws.invoke(FunctionName="greeter")["Payload"].read().decode()"#;
    assert_eq!(both.look(answer), r#""of the API""#);
    assert!(both.edge.log().contains("they have made one of its name"), "{}", both.edge.log());
    both.do_("aws.update_function_configuration(FunctionName=\"greeter\", Timeout=7)\nupdated(\"greeter\")");
    both.do_("aws.delete_function(FunctionName=\"greeter\")");
    assert_eq!(both.look(answer), r#""hello you""#, "now the file's is what the name leads to");
}

/// A site whose origin is `shop:live`.
fn with_api_origin() -> Config {
    Config::new().table("origin.shop").set("api", json!({"function": "shop:live"})).site("shop")
}

/// Answers in words that say what it was asked, and as which version.
const SHOP: &str = r#"
import base64, json, os
def lambda_handler(event, context):
    path, http = event["rawPath"], event["requestContext"]["http"]
    print("asked", path)
    if path == "/error":
        raise ValueError("no such fruit")
    if path == "/odd":
        return {"statusCode": "apple"}
    if path == "/slow":
        while True:
            pass
    if path == "/body":
        bytes = base64.b64decode(event["body"]) if event["isBase64Encoded"] else event["body"].encode()
        return {"statusCode": 200, "body": str(len(bytes))}
    if path == "/event":
        return {"statusCode": 201, "headers": {"x-fruit": "apple", "content-type": "text/plain"}, "cookies": ["a=1"], "body": json.dumps({
            "version": event["version"], "path": path, "query": event["queryStringParameters"], "method": http["method"],
            "ip": http["sourceIp"], "account": event["requestContext"]["accountId"], "host": event["headers"]["host"],
            "cookies": event["cookies"], "arn": context.invoked_function_arn.split(":function:")[1]})}
    return context.function_version
"#;

fn make_shop(both: &Both) {
    both.do_(&format!(
        "create(\"shop\", python({SHOP:?}), Timeout=2)\naws.publish_version(FunctionName=\"shop\")\n\
         aws.create_alias(FunctionName=\"shop\", Name=\"live\", FunctionVersion=\"1\")"
    ));
}

#[track_caller]
fn failed(answer: &Answer, status: u16, category: &str, x_cache: &str) {
    assert_eq!((answer.status, answer.header("x-cache")), (status, x_cache), "{answer:?}");
    assert!(answer.text().contains(&format!("category: {category}\n")), "{}", answer.text());
}

#[test]
fn a_function_of_the_api_is_the_origin_of_a_site() {
    let both = Both::start(tempfile::tempdir().unwrap(), with_api_origin());
    assert!(both.edge.log().contains("the AWS APIs have no such function yet"), "{}", both.edge.log());
    failed(&both.edge.get("/"), 503, "not-runnable", "LambdaExecutionError from cloudfront");
    assert!(both.edge.log().contains("Function not found: "), "{}", both.edge.log());

    make_shop(&both);
    let answer = both.edge.request("PATCH", "/event?q=%C3%A9&q=b", "Cookie: c=2\r\n", b"");
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!((answer.header("x-fruit"), answer.header("set-cookie")), ("apple", "a=1"));
    let expected = json!({
        "version": "2.0", "path": "/event", "query": {"q": "é,b"}, "method": "PATCH", "ip": "127.0.0.1",
        "account": "anonymous", "host": "www.example.com", "cookies": ["c=2"], "arn": "shop:live",
    });
    assert_eq!(serde_json::from_str::<Value>(&answer.text()).unwrap(), expected);

    // The version of each call is the alias's of then.
    assert_eq!(both.edge.get("/").text(), "1");
    both.do_(
        "aws.update_function_configuration(FunctionName=\"shop\", Timeout=3)\nupdated(\"shop\")\n\
         aws.publish_version(FunctionName=\"shop\")\n\
         aws.update_alias(FunctionName=\"shop\", Name=\"live\", FunctionVersion=\"2\")",
    );
    assert_eq!(both.edge.get("/").text(), "2");
    both.do_(
        "aws.update_alias(FunctionName=\"shop\", Name=\"live\", RoutingConfig={\"AdditionalVersionWeights\": {\"1\": 0.5}})",
    );
    let versions: Vec<String> = (0..100).map(|_| both.edge.get("/").text()).collect();
    assert!(["1", "2"].iter().all(|version| versions.iter().any(|answer| answer == version)), "{versions:?}");
    both.do_("aws.delete_function(FunctionName=\"shop\")");
    failed(&both.edge.get("/"), 503, "not-runnable", "LambdaExecutionError from cloudfront");
}

#[test]
fn what_a_function_of_the_api_does_wrong_is_told_as_of_any_origin_that_is_a_function() {
    let both = Both::start(tempfile::tempdir().unwrap(), with_api_origin());
    make_shop(&both);
    failed(&both.edge.get("/error"), 503, "guest-error", "LambdaExecutionError from cloudfront");
    failed(&both.edge.get("/odd"), 502, "bad-reply", "LambdaValidationError from cloudfront");
    failed(&both.edge.get("/slow"), 503, "limit", "LambdaLimitExceeded from cloudfront");
    // Of failures in a row, the log of the edge has the first.
    let log = both.edge.log();
    assert!(log.contains("origin: guest error: ValueError: no such fruit (RequestId: "), "{log}");

    let body = vec![0xff; 4_500_000];
    assert_eq!(both.edge.request("POST", "/body", "", &body).text(), "4500000");
    assert_eq!(both.edge.request("POST", "/body", "", &vec![b'a'; 4_500_001]).status, 413);
}

#[test]
fn calls_of_sites_count_and_log_as_all_others_of_their_function() {
    let both = Both::start(tempfile::tempdir().unwrap(), with_api_origin());
    make_shop(&both);
    assert_eq!(both.edge.get("/").status, 200);
    let logged =
        both.look(r#"[e["message"] for e in client("logs").filter_log_events(logGroupName="/aws/lambda/shop")["events"]]"#);
    let logged: Vec<&str> = logged.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(logged.iter().any(|line| line.starts_with("START RequestId: ") && line.contains("Version: 1")), "{logged:?}");
    assert!(logged.contains(&"asked /\n") || logged.contains(&"asked /"), "{logged:?}");

    both.do_("aws.put_function_concurrency(FunctionName=\"shop\", ReservedConcurrentExecutions=0)");
    failed(&both.edge.get("/"), 503, "throttled", "LambdaLimitExceeded from cloudfront");
    let refused =
        "edgeward_lambda_throttles_total{function=\"shop\",reason=\"ReservedFunctionConcurrentInvocationLimitExceeded\"}";
    both.edge.wait_for_metric(refused, 1.0);
    both.do_("aws.delete_function_concurrency(FunctionName=\"shop\")");
    assert_eq!(both.edge.get("/").status, 200);

    let of_shop = |metric: &str| format!("edgeward_lambda_{metric}{{function=\"shop\"}}");
    for (metric, value) in [("invocations_total", 2.0), ("duration_seconds_count", 2.0), ("errors_total", 0.0)] {
        both.edge.wait_for_metric(&of_shop(metric), value);
    }
    both.edge.wait_for_metric(&of_shop("concurrent_executions"), 0.0);
    assert!(both.edge.metric("edgeward_lambda_built_bytes") >= f64::from(2 * (512 << 10)), "both versions are built");
    assert!(both.edge.metric("edgeward_lambda_built_released_total") == 0.0, "and there is room for them");
    both.do_("aws.delete_function(FunctionName=\"shop\")");
    both.edge.wait_for_metric("edgeward_lambda_built_bytes", 0.0);
    let metrics = both.edge.admin("/metrics").text();
    let is_left = |line: &&str| line.starts_with("edgeward_lambda") && line.contains("\"shop\"");
    let left: Vec<&str> = metrics.lines().filter(is_left).collect();
    assert_eq!(left, [""; 0], "a function that is gone has no series");
}

/// Asks somebody else.
const ASKER: &str = r#"
export const handler = async (event) => {
    const answer = await fetch(event.queryStringParameters.at);
    return { statusCode: 200, body: String(answer.status) };
};
"#;

#[test]
fn what_a_function_of_the_api_asks_tells_where_the_request_has_been() {
    let both = Both::start(tempfile::tempdir().unwrap(), with_api_origin().server("api_network", ["127.0.0.1:*"]));
    both.do_(&format!(
        "create(\"shop\", zipped({{\"index.mjs\": {ASKER:?}}}), Runtime=\"nodejs24.x\", Handler=\"index.handler\")\n\
         aws.publish_version(FunctionName=\"shop\")\n\
         aws.create_alias(FunctionName=\"shop\", Name=\"live\", FunctionVersion=\"1\")"
    ));
    let origin = Origin::echo();
    assert_eq!(both.edge.get_with(&format!("/?at={}/", origin.url()), "CDN-Loop: elsewhere.example\r\n").text(), "200");
    let seen = origin.seen();
    let marks: Vec<&str> = seen[0].headers.iter().filter(|(name, _)| name == "cdn-loop").map(|(_, mark)| mark.as_str()).collect();
    assert!(marks.iter().any(|mark| mark.contains("elsewhere.example")), "{marks:?}");
    assert_eq!(both.edge.get(&format!("/?at=http://{}/", both.edge.http())).text(), "508", "the site itself is a loop");
}

/// Goes on once it has been answered.
const WRITER: &str = r#"
export const handler = awslambda.streamifyResponse(async (event, stream) => {
    stream = awslambda.HttpResponseStream.from(stream, { statusCode: 203, headers: { 'content-type': 'text/plain' } });
    stream.write('first;');
    await fetch(event.queryStringParameters.at);
    stream.write('last');
    if (event.rawPath === '/fails') throw new Error('in the middle');
    stream.end();
});
"#;

#[test]
fn what_a_function_of_the_api_writes_reaches_the_client_while_it_runs() {
    let both = Both::start(tempfile::tempdir().unwrap(), with_api_origin().server("api_network", ["127.0.0.1:*"]));
    both.do_(&format!(
        "create(\"shop\", zipped({{\"index.mjs\": {WRITER:?}}}), Runtime=\"nodejs24.x\", Handler=\"index.handler\", Timeout=60)\n\
         aws.publish_version(FunctionName=\"shop\")\n\
         aws.create_alias(FunctionName=\"shop\", Name=\"live\", FunctionVersion=\"1\")"
    ));
    let gate = Arc::new(Notify::new());
    let held = gate.clone();
    let origin = Origin::start(move |_| Reply::new(200, "x").held(held.clone()));
    for (path, whole) in [("/", true), ("/fails", false)] {
        let mut client = Client::connect(both.edge.http());
        client.send(format!("GET {path}?at={}/ HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n", origin.url()));
        let first = client.until("first;");
        assert!(first.starts_with("HTTP/1.1 203 ") && !first.contains("last"), "{first}");
        gate.notify_one();
        let rest = client.rest();
        assert!(rest.contains("last"), "{rest}");
        assert_eq!(rest.ends_with("0\r\n\r\n"), whole, "a client can tell a whole response from one that breaks off: {rest}");
    }
}

const TEMPLATE: &str = r#"
Transform: AWS::Serverless-2016-10-31
Resources:
  Items:
    Type: AWS::Serverless::Function
    Properties:
      InlineCode: |
        def handler(event, context):
            return event["requestContext"]["http"]["method"] + " " + event["rawPath"]
      Runtime: python3.14
      Handler: index.handler
      AutoPublishAlias: live
      Events:
        One: {Type: HttpApi, Properties: {Path: "/items/{id}", Method: PUT}}
        All: {Type: HttpApi, Properties: {Path: /items, Method: ANY}}
"#;

#[test]
fn the_tables_that_a_template_comes_with_make_a_site_of_its_functions() {
    let both = Both::start(tempfile::tempdir().unwrap(), Config::new().fixed("o", "x").site("o"));
    put(both.edge.folder(), "template.yaml", TEMPLATE);
    let mut deploy = both.api.command(edgeward().get_program());
    deploy.args(["deploy", "--stack", "shop", "--yes"]).current_dir(both.edge.folder());
    let ran = deploy.output().unwrap();
    let told = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{told}\n{}", String::from_utf8_lossy(&ran.stderr));
    let (_, tables) = told.split_once("In edge.toml:\n").expect("tables for edge.toml");
    both.edge.reconfigure(Config::new().server("api", "127.0.0.1:0").with(tables));
    eventually("the site of the template is served", || both.edge.get("/items").text() == "GET /items");
    assert_eq!(both.edge.request("PUT", "/items/7", "", b"").text(), "PUT /items/7");
    let answers = [both.edge.request("POST", "/items/7", "", b"").status, both.edge.get("/elsewhere").status];
    assert_eq!(answers, [403, 404]);
}
