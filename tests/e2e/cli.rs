//! The command line.

use std::process::{Command, Output};

use crate::harness::component;

fn edgeward(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_edgeward")).args(args).output().unwrap()
}

#[test]
fn inspect_says_what_a_component_could_be() {
    let output = edgeward(&["inspect", component("edge-rules").to_str().unwrap(), "--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["roles"], serde_json::json!(["viewer-request hook", "viewer-response hook"]));
    assert_eq!(shown["restorable"], "yes");
    let service = edgeward(&["inspect", component("service-p3").to_str().unwrap(), "--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&service.stdout).unwrap();
    assert_eq!(shown["roles"], serde_json::json!(["wasi:http 0.3 handler"]));
}

#[test]
fn test_runs_a_hook_on_an_event_of_cloudfronts_form() {
    let directory = tempfile::tempdir().unwrap();
    let event = directory.path().join("event.json");
    std::fs::write(
        &event,
        r#"{"version":"1.0","context":{"eventType":"viewer-request"},"viewer":{"ip":"192.0.2.1"},
            "request":{"method":"GET","uri":"/docs/","querystring":{"a":{"value":"1"}},"headers":{"host":{"value":"edge.test"}},"cookies":{}}}"#,
    )
    .unwrap();
    let output = edgeward(&["test", component("spa-rewrite").to_str().unwrap(), event.to_str().unwrap(), "--json"]);
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!(result["FunctionOutput"]["request"]["uri"], "/docs/index.html");
    assert!(result["ComputeUtilization"].as_u64().unwrap() <= 100);
    let trap = edgeward(&["test", component("hostile-trap").to_str().unwrap(), event.to_str().unwrap(), "--json"]);
    assert_eq!(trap.status.code(), Some(1));
}

#[test]
fn a_wrong_configuration_is_told_with_its_place_and_exit_code_64() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("edge.toml");
    std::fs::write(
        &file,
        "[server]\nhttp = [\"127.0.0.1:1\"]\n[[site]]\nname = \"s\"\nhosts = [\"*\"]\norigin = \"nowhere\"\nextra = 1\n",
    )
    .unwrap();
    let output = edgeward(&["check", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(64));
    let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("nowhere") && text.contains("extra") && text.contains("edge.toml:6"), "{text}");
}

#[test]
fn bench_draws_a_picture() {
    let directory = tempfile::tempdir().unwrap();
    let svg = directory.path().join("start.svg");
    let output = edgeward(&["bench", "cold-warm", "--rounds", "200", "--json", "-", "--svg", svg.to_str().unwrap()]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["restorable"], true);
    assert!(std::fs::read_to_string(svg).unwrap().starts_with("<svg"));
}
