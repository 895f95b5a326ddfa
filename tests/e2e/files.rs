//! A configuration of several files, with values from outside, and what the log says of a change.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::harness::{Config, Edge, Origin, component, edgeward, eventually, get};

fn main_site() -> Config {
    Config::new().fixed("o", "main").site_named("main", "*", "o")
}

/// A file of its own, for an edge that includes it.
fn site(name: &str, body: &str, origin: &str) -> String {
    Config::new().fixed(name, body).site_named(name, &format!("{name}.example.com"), origin).tables()
}

fn edge(folder: tempfile::TempDir, config: Config) -> Edge {
    Edge::start_in(folder, config.top("include", ["sites/*.toml"]))
}

fn put(edge: &Edge, name: &str, text: &str) {
    let path = edge.folder().join(name);
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(&new, &path).unwrap();
}

/// What each reload has changed, as the log says it.
fn changes(edge: &Edge) -> Vec<(String, String)> {
    let records = edge.log();
    let records = records.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let reloads = records.filter(|record| record["message"] == "configuration reloaded");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    reloads.map(|record| (text(&record["changed"]), text(&record["files"]))).collect()
}

#[test]
fn files_of_sites_come_change_and_go_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sites")).unwrap();
    let edge = edge(folder, main_site());
    let body = |host: &str| get(edge.http(), host, "/", "").text();
    assert_eq!(body("a.example.com"), "main");

    put(&edge, "sites/a.toml", &site("a", "one", "a"));
    eventually("the site is there", || body("a.example.com") == "one");
    put(&edge, "sites/a.toml", &site("a", "two", "a"));
    eventually("the site is another one", || body("a.example.com") == "two");

    // One that is wrong when it comes changes nothing; when it is put right, it is heard.
    put(&edge, "sites/b.toml", &site("b", "b", "nobody"));
    eventually("it is refused", || edge.metric("edgeward_config_reloads_total{result=\"refused\"}") == 1.0);
    assert!(edge.log().contains("sites/b.toml:6:10"), "{}", edge.log());
    put(&edge, "sites/b.toml", &site("b", "b", "b"));
    eventually("it is put right", || body("b.example.com") == "b");
    assert_eq!(body("a.example.com"), "two");

    std::fs::remove_file(edge.folder().join("sites/a.toml")).unwrap();
    eventually("the site is gone", || body("a.example.com") == "main");
    edge.signal("HUP");
    eventually("every reload is told", || changes(&edge).len() == 5);
    let (changed, files): (Vec<_>, Vec<_>) = changes(&edge).into_iter().unzip();
    assert_eq!(
        changed,
        [
            "origin a added; site a added",
            "origin a changed",
            "origin b added; site b added",
            "origin a removed; site a removed",
            "nothing",
        ]
    );
    assert_eq!(files, ["sites/a.toml", "sites/a.toml", "sites/b.toml", "sites/a.toml", "none"]);
}

#[test]
fn a_value_of_a_file_is_replaced_and_shown_nowhere() {
    const SECRET: &str = "the-first-s3cret";
    let origin = Origin::echo();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), format!("{SECRET}\n")).unwrap();
    std::fs::set_permissions(folder.path().join("token"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let token = json!({ "TOKEN": "${file:token}" });
    let url = Config::new().function("f", component("auth-call")).set("environment", token).origin("o", origin.url());
    let config = |origin: Config| {
        let site = origin.set("headers", json!({ "authorization": "Bearer ${file:token}" })).site("o");
        site.behavior("/hook").set("origin_request", "f")
    };
    let edge = Edge::start_in(folder, config(url.clone()));
    edge.get("/");
    assert_eq!(origin.last().header("authorization"), format!("Bearer {SECRET}"));
    let function = || serde_json::from_str::<serde_json::Value>(&edge.admin("/config/functions").text()).unwrap()[0].clone();
    let before = function();
    assert!(before["digest"].as_str().is_some_and(|digest| digest.len() == "sha256:".len() + 64), "{before}");
    assert!(before["deployed"].as_str().is_some_and(|time| time.starts_with("20") && time.ends_with('Z')), "{before}");

    put(&edge, "token", "the-second-s3cret");
    eventually("the new one is sent", || {
        edge.get("/");
        origin.last().header("authorization") == "Bearer the-second-s3cret"
    });
    eventually("it is told", || changes(&edge).len() == 1);
    assert_eq!(changes(&edge), [("function f changed; origin o changed".to_owned(), "token".to_owned())]);
    assert_eq!(function()["digest"], before["digest"], "the code is the same");

    // Wrong where it stands: the message shows how it is written.
    edge.reconfigure(config(url.set("host_header", "${file:token} x")));
    eventually("it is refused", || edge.log().contains("is refused"));
    let shown = [edge.log(), edge.admin("/config/functions").text(), edge.admin("/metrics").text()];
    for shown in shown {
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}

#[test]
fn a_missing_environment_variable_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("edge.toml");
    std::fs::write(&file, format!("[server]\nhttp = [\"127.0.0.1:${{EDGE_PORT}}\"]\n{}", main_site().tables())).unwrap();
    let check = |port: Option<&str>| {
        let mut command = edgeward();
        command.args(["check", "-c"]).arg(&file).env_remove("EDGE_PORT");
        let ran = command.envs(port.map(|port| ("EDGE_PORT", port))).output().unwrap();
        (ran.status.code(), String::from_utf8_lossy(&ran.stderr).into_owned())
    };
    assert_eq!(check(Some("8080")), (Some(0), String::new()));
    let (code, error) = check(None);
    assert!(code == Some(64) && error.contains("`EDGE_PORT` is not set") && error.contains("edge.toml:2:20"), "{error}");
    let (code, error) = check(Some("hunter2"));
    assert!(code == Some(64) && error.contains("`127.0.0.1:${EDGE_PORT}`") && !error.contains("hunter2"), "{error}");
}
