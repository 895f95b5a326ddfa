//! Functions that are sources: deployed by running them once, and as clean at each call as any component.

use std::fs;
use std::process::Output;

use crate::harness::runtime::{Runtime, compiled_in};
use crate::harness::{Config, Edge, Origin, edgeward, eventually, runtimes};

const REWRITE: &str =
    "function handler(event) {\n  var request = event.request;\n  request.uri = '/one' + request.uri;\n  return request;\n}\n";

const EVENT: &str = r#"{"version":"1.0","context":{"eventType":"viewer-request"},"viewer":{"ip":"192.0.2.1"},
    "request":{"method":"GET","uri":"/a","querystring":{},"headers":{},"cookies":{}}}"#;

fn folder_with(source: &str) -> tempfile::TempDir {
    runtimes();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("f.js"), source).unwrap();
    folder
}

fn config(origin: &Origin) -> Config {
    Config::new().source("f", "f.js").origin("o", origin.url()).site("o").set("viewer_request", "f")
}

fn start(source: &str) -> (Origin, Edge) {
    let origin = Origin::echo();
    let folder = folder_with(source);
    compiled_in(folder.path(), Runtime::CloudfrontJs);
    let edge = Edge::start_in(folder, config(&origin));
    (origin, edge)
}

/// Runs the program in a folder with this source and `edge.toml`.
fn run(source: &str, edge: &str, arguments: &[&str]) -> Output {
    let folder = folder_with(source);
    fs::write(folder.path().join("edge.toml"), edge).unwrap();
    fs::write(folder.path().join("event.json"), EVENT).unwrap();
    edgeward().args(arguments).current_dir(folder.path()).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_source_is_served_and_a_new_one_takes_its_place() {
    let (_origin, edge) = start(REWRITE);
    assert_eq!(edge.get("/a").text(), "GET /one/a\n");
    edge.put("f.js", REWRITE.replace("/one", "/two").as_bytes());
    eventually("the new source answers", || edge.get("/a").text() == "GET /two/a\n");
    let shown: serde_json::Value = serde_json::from_str(&edge.admin("/config/functions").text()).unwrap();
    let function = &shown[0];
    assert_eq!(function["runtime"]["name"], "cloudfront-js-2.0");
    assert!(function["runtime"]["digest"].as_str().unwrap().starts_with("sha256:"), "{shown}");
    assert_eq!(function["instances"]["between_calls"], "restored");
}

#[test]
fn what_a_call_changes_is_gone_at_the_next_one() {
    let source = "var seen = ['begin'];\nfunction handler(event) {\n  seen.push(event.request.uri);\n  event.request.uri = '/' + seen.length + seen[1];\n  return event.request;\n}\n";
    let (_origin, edge) = start(source);
    for target in ["/a", "/b", "/c", "/d"] {
        assert_eq!(edge.get(target).text(), format!("GET /2{target}\n"));
    }
    eventually("restored instances are compared with new ones", || {
        edge.metric("edgeward_function_audits_total{function=\"f\",result=\"same\"}") >= 1.0
    });
    assert_eq!(edge.metric("edgeward_function_audits_total{function=\"f\",result=\"different\"}"), 0.0);
}

#[test]
fn a_handler_that_throws_is_an_execution_error_and_one_that_returns_nonsense_a_validation_error() {
    let source = "function handler(event) {\n  if (event.request.uri === '/throw') return null.x;\n  return event.request.uri === '/nothing' ? 7 : event.request;\n}\n";
    let (_origin, edge) = start(source);
    assert_eq!(edge.get("/throw").status, 503);
    eventually("the log has the place", || edge.log().contains("f.js:2"));
    assert_eq!(edge.get("/nothing").status, 502);
    assert_eq!(edge.get("/fine").text(), "GET /fine\n");
    assert_eq!(edge.metric("edgeward_function_calls_total{function=\"f\",result=\"guest-error\"}"), 1.0);
}

#[test]
fn a_source_that_does_not_start_leaves_the_old_one_in_force() {
    let (_origin, edge) = start(REWRITE);
    let wrong = ["function handler(", "var x = null.y;\nfunction handler() {}", "while (true) {}"];
    for (refused, (source, told)) in (1u32..).zip(wrong.into_iter().zip(["SyntaxError", "f.js:1", "CPU time"])) {
        edge.put("f.js", source.as_bytes());
        edge.wait_for_metric("edgeward_deployments_refused_total{reason=\"init\"}", refused.into());
        eventually("the log says why", || edge.log().contains(told));
        assert_eq!(edge.get("/a").text(), "GET /one/a\n");
    }
}

#[test]
fn what_is_wrong_with_a_source_is_told_by_check_with_its_place() {
    let origin = Origin::echo();
    let good = config(&origin).file();
    let checked = run(REWRITE, &good, &["check"]);
    assert!(checked.status.success(), "{}", said(&checked));
    for (source, edge, told) in [
        ("var x = null.y;", good.clone(), "f.js:1"),
        (&"/".repeat(10_241), good.clone(), "a source of cloudfront-js-2.0 may have at most 10240"),
        (REWRITE, good.replace("cloudfront-js-2.0", "cloudfront-js-2"), "did you mean `cloudfront-js-2.0`?"),
        (REWRITE, good.replace("runtime = \"cloudfront-js-2.0\"", ""), "add `runtime = \"cloudfront-js-2.0\"`"),
        (REWRITE, good.replace("source = \"f.js\"", ""), "has a `runtime` and no `source`"),
        (REWRITE, good.replace("source =", "component = \"f.js\"\nsource ="), "has a `component` and a `source`"),
        (
            REWRITE,
            good.replace("viewer_request", "origin_request"),
            "is a source of cloudfront-js-2.0, which can only be a viewer hook",
        ),
    ] {
        let checked = run(source, &edge, &["check"]);
        assert_eq!(checked.status.code(), Some(64), "{edge}");
        assert!(said(&checked).contains(told), "{told}: {}", said(&checked));
    }
}

#[test]
fn a_runtime_that_is_not_installed_is_told_with_what_to_do() {
    let folder = folder_with(REWRITE);
    let empty = tempfile::tempdir().unwrap();
    let mut command = edgeward();
    command.args(["inspect", "f.js", "--runtime", "cloudfront-js-2.0", "--runtimes"]).arg(empty.path());
    let output = command.current_dir(folder.path()).output().unwrap();
    let told = said(&output);
    assert!(told.contains("`cloudfront-js.wasm`, is not installed") && told.contains("EDGEWARD_RUNTIMES"), "{told}");
    assert_eq!(output.status.code(), Some(64));
}

#[test]
fn a_source_is_inspected_and_tried_like_a_component() {
    let runtime = ["--runtime", "cloudfront-js-2.0"];
    let inspected = run(REWRITE, "", &[&["inspect", "f.js"], &runtime[..]].concat());
    assert!(said(&inspected).contains("viewer-request hook"), "{}", said(&inspected));
    let tried = run(REWRITE, "", &[&["test", "f.js", "event.json", "--json"], &runtime[..]].concat());
    let result: serde_json::Value = serde_json::from_slice(&tried.stdout).unwrap_or_else(|_| panic!("{}", said(&tried)));
    assert_eq!(result["FunctionOutput"]["request"]["uri"], "/one/a");
    let logs = "function handler(event) {\n  console.log('seen');\n  return event.none.x;\n}\n";
    let tried = run(logs, "", &[&["test", "f.js", "event.json", "--json"], &runtime[..]].concat());
    let result: serde_json::Value = serde_json::from_slice(&tried.stdout).unwrap_or_else(|_| panic!("{}", said(&tried)));
    assert_eq!(tried.status.code(), Some(1));
    assert_eq!(result["FunctionExecutionLogs"][0], "seen");
    assert!(result["FunctionErrorMessage"].as_str().unwrap().contains("f.js:3:"), "{result}");
    let forgotten = run(REWRITE, "", &["test", "f.js", "event.json"]);
    assert!(said(&forgotten).contains("a source needs `--runtime`"), "{}", said(&forgotten));
    let forgotten = run(REWRITE, "", &["invoke", "f.js"]);
    assert!(said(&forgotten).contains("such as `--runtime nodejs24.x`"), "{}", said(&forgotten));
}
