//! The other commands: `check`, `inspect`, `test`.

use std::process::Output;

use crate::harness::{Config, component, edgeward, runtimes};

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = edgeward().args(arguments).output().unwrap();
    (status.code(), String::from_utf8_lossy(&stdout).into_owned(), String::from_utf8_lossy(&stderr).into_owned())
}

fn write(folder: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn check_reports_every_error_at_once_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(
        &folder,
        "edge.toml",
        "[server]\nhttp = [\"nowhere\"]\n[origin.o]\nfixed = { status = 200 }\n[[site]]\nname = \"www\"\nhosts = [\"*\"]\norigin = \"p\"\n",
    );
    let (code, _, errors) = run(&["check", &file]);
    assert_eq!(code, Some(64));
    assert!(errors.contains("`nowhere` is not an address") && errors.contains("edge.toml:2:"), "{errors}");
    assert!(errors.contains("`p`") && errors.contains("edge.toml:8:"), "{errors}");
    let (code, json, _) = run(&["check", &file, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, json["ok"].as_bool(), json["errors"].as_array().map(Vec::len)), (Some(64), Some(false), Some(2)));
}

#[test]
fn check_finds_a_component_that_cannot_do_what_it_is_used_for() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        |hook: &str| Config::new().function("f", component("spa-rewrite")).fixed("o", "").site("o").set(hook, "f").file();
    let file = write(&folder, "edge.toml", &config("viewer_request"));
    assert_eq!(run(&["check", &file]).0, Some(0));
    let file = write(&folder, "edge.toml", &config("viewer_response"));
    let (code, _, errors) = run(&["check", &file]);
    assert_eq!(code, Some(64));
    assert!(errors.contains("viewer-response"), "{errors}");
}

#[test]
fn inspect_shows_what_a_component_could_be() {
    let (code, shown, _) = run(&["inspect", &component("edge-rules")]);
    assert_eq!(code, Some(0));
    for expected in ["viewer-request", "viewer-response", "cpu_us"] {
        assert!(shown.contains(expected), "no {expected} in\n{shown}");
    }
    let (code, json, _) = run(&["inspect", "--json", &component("edge-rules")]);
    assert_eq!(code, Some(0));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json["roles"].as_array().is_some_and(|roles| roles.len() >= 2), "{json}");
    let folder = tempfile::tempdir().unwrap();
    let (code, _, error) = run(&["inspect", &write(&folder, "not.wasm", "text")]);
    assert!(code != Some(0) && error.contains("not.wasm"), "{code:?} {error}");
}

#[test]
fn test_runs_one_hook_on_one_event() {
    let folder = tempfile::tempdir().unwrap();
    let event = write(
        &folder,
        "event.json",
        r#"{"version":"1.0","context":{"eventType":"viewer-request"},"viewer":{"ip":"192.0.2.1"},
            "request":{"method":"GET","uri":"/users/42","querystring":{"tab":{"value":"1"}},"headers":{"host":{"value":"www"}},"cookies":{}}}"#,
    );
    let (code, json, errors) = run(&["test", "--json", &component("spa-rewrite"), &event]);
    assert_eq!(code, Some(0), "{errors}");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json.to_string().contains("/index.html"), "{json}");
    let (code, _, _) = run(&["test", &component("hostile-infinite-loop"), &event]);
    assert_eq!(code, Some(1));
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    assert_eq!(run(&["serv"]).0, Some(64));
    assert_eq!(run(&["--help"]).0, Some(0));
    let (code, _, error) = run(&["check", "missing.toml"]);
    assert!(code == Some(64) && error.contains("missing.toml"), "{code:?} {error}");
}

#[test]
fn bench_draws_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let svg = folder.path().join("start.svg").display().to_string();
    let (code, json, errors) = run(&["bench", "cold-warm", "--rounds", "200", "--json", "-", "--svg", &svg]);
    assert_eq!(code, Some(0), "{errors}");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["restorable"], true);
    assert!(std::fs::read_to_string(svg).unwrap().starts_with("<svg"));
}

#[test]
fn bench_compares_functions() {
    let event = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(event.path(), r#"{"do": "echo"}"#).unwrap();
    let (handler, program) = (component("function-behaviors"), component("function-program"));
    let event = event.path().display().to_string();
    let arguments = ["bench", "languages", &handler, &program, "--event", &event, "--rounds", "100"];
    let (code, table, errors) = run(&arguments);
    assert_eq!(code, Some(0), "{errors}");
    let rows: Vec<&str> = table.lines().collect();
    assert!(
        rows.len() == 4
            && rows.iter().all(|row| row.matches(" |").count() == rows[0].matches(" |").count() || row.contains("-|"))
    );
    assert!(rows[2].contains(&handler) && rows[3].contains(&program), "{table}");
    let (_, json, _) = run(&[&arguments[..], &["--json"]].concat());
    let reports: serde_json::Value = serde_json::from_str(&json).unwrap();
    let first_call = |file: &str| reports[file]["stages"].as_array().unwrap().iter().any(|stage| stage["stage"] == "first call");
    assert!(first_call(&handler) && first_call(&program), "{json}");
    let (code, _, error) = run(&["bench", "languages", &component("edge-rules")]);
    assert!(code == Some(1) && error.contains("edge-rules"), "{code:?} {error}");
}

#[test]
fn bench_compares_a_cold_start_with_those_that_are_prepared() {
    let folder = tempfile::tempdir().unwrap();
    write(
        &folder,
        "lambda_function.py",
        "TOTAL = sum(range(200_000))\n\ndef lambda_handler(event, context):\n    return TOTAL\n",
    );
    let package = folder.path().display().to_string();
    let arguments = ["bench", "cold-warm", &package, "--runtime", "python3.14", "--rounds", "100", "--json", "-"];
    let output = edgeward().args(arguments).env("EDGEWARD_RUNTIMES", runtimes()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let stages = report["stages"].as_array().unwrap();
    let stage = |name: &str| stages.iter().find(|stage| stage["stage"] == name).unwrap_or_else(|| panic!("{name}: {report}"));
    for name in ["cold start", "snapshot start", "provisioned start", "reused call"] {
        assert!(stage(name)["samples"].as_u64() > Some(0), "{report}");
    }
    // What a call takes where it runs INIT, and where all is there: the order would be the same on any machine.
    let median = |name: &str| stage(name)["p50_ns"].as_u64().unwrap();
    assert!(median("cold start") > median("snapshot start") && median("snapshot start") > median("reused call"), "{report}");
    let archive = write(&folder, "function.zip", "PK");
    let (code, _, error) = run(&["bench", "cold-warm", &archive]);
    assert!(code == Some(64) && error.contains("is an archive, which needs `--runtime`"), "{code:?} {error}");
}

#[test]
fn functions_share_a_thread_by_their_memory() {
    let (code, json, errors) = run(&["bench", "shares", "--seconds", "1", "--json"]);
    assert_eq!(code, Some(0), "{errors}");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let functions = json["functions"].as_array().unwrap();
    assert_eq!([&functions[0]["memory_mb"], &functions[1]["memory_mb"]], [1_769, 442]);
    // Four times as much, whatever the machine: both compute all the time. How near to it is for the benchmark to say.
    let ratio = functions[0]["ratio"].as_f64().unwrap();
    assert!((3.0..5.0).contains(&ratio), "{json}");
}

#[test]
fn bench_has_a_disk_keep_events_and_leaves_nothing_there() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    let (code, json, errors) = run(&["bench", "events", "--events", "500", "--clients", "8", "--folder", place, "--json"]);
    assert_eq!(code, Some(0), "{errors}");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json["accepted"].as_f64().unwrap() > 0.0 && json["ended"].as_f64().unwrap() > 0.0, "{json}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn bench_prices_code_of_every_kind() {
    let (code, json, errors) = run(&["bench", "fuel", "--json"]);
    assert_eq!(code, Some(0), "{errors}");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let kinds = json["kinds"].as_array().unwrap();
    let of = |class: &str| kinds.iter().filter(|kind| kind["class"] == class).count();
    assert!(of("ordinary") >= 5 && of("operator") > 300, "{json}");
    let units = |name: &str| kinds.iter().find(|kind| kind["name"] == name).and_then(|kind| kind["units"].as_f64()).unwrap();
    // A frame of a thousand locals is paid for, however little the function does.
    assert!(units("call with 1,000 locals") > 50.0 * units("call"));
}

#[test]
fn a_closed_pipe_ends_a_command_without_a_panic() {
    use std::process::Stdio;

    let mut child =
        edgeward().args(["inspect", &component("edge-rules")]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ran = child.wait_with_output().unwrap();
    assert_eq!((ran.status.code(), String::from_utf8_lossy(&ran.stderr).as_ref()), (Some(0), ""));
}
