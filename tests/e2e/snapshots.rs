//! What people read: messages of `check`, what clients are told, and what logs and manual pages say, as committed files.
//!
//! A change of a text is a change of a file here, to be read in review: `UPDATE_EXPECT=1 cargo test --test e2e -- snapshots`
//! writes them anew. Help texts are in `tests/docs/help.txt`, the list of metrics is the table of `docs/metrics.md`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use expect_test::expect_file;
use serde_json::Value;

use crate::harness::{Config, Edge, Origin, Reply, closed_port, component, edgeward, eventually};

/// `text` with `what` in place of each run of characters that `is_part` takes and that begins with a digit.
fn without_numbers(text: &str, what: &str, is_part: impl Fn(char) -> bool) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        out.push_str(&rest[..at]);
        out.push_str(what);
        rest = rest[at..].trim_start_matches(&is_part);
    }
    out + rest
}

#[test]
fn errors_of_a_configuration() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/e2e/snapshots/wrong");
    let mut names: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let mut all = String::new();
    for name in names {
        let ran = edgeward().args(["check", &name]).current_dir(&folder).env_remove("EDGEWARD_TEST_UNSET").output().unwrap();
        assert_eq!((ran.status.code(), ran.stdout.len()), (Some(64), 0), "{name}: {ran:?}");
        let _ = writeln!(all, "$ edgeward check {name}\n{}", String::from_utf8_lossy(&ran.stderr));
    }
    expect_file!["snapshots/check.txt"].assert_eq(&all);
}

/// An edge with something to tell: an origin, one that is away, a hook that fails, a cache.
fn eventful() -> (Config, Origin) {
    let origin = Origin::start(|_| Reply::new(200, "page").header("cache-control", "max-age=60"));
    let config = Config::new().function("trap", component("hostile-trap")).origin("o", origin.url());
    let config = config.origin("away", format!("http://127.0.0.1:{}", closed_port())).set("connect_attempts", 1);
    let config = config.site_named("www", "www.example.com", "o").cached();
    let config = config.behavior("/trap").set("viewer_request", "trap").behavior("/away").set("origin", "away");
    let config =
        config.behavior("/secure").set("viewer_protocol", "https-only").behavior("/read").set("allowed_methods", ["GET", "HEAD"]);
    (config, origin)
}

#[test]
fn what_a_client_is_told() {
    let (config, _origin) = eventful();
    let edge = Edge::start(config);
    let mut all = String::new();
    for (method, target, host, headers) in [
        ("GET", "/", "nobody.example", ""),
        ("GET", "/trap", "www.example.com", ""),
        ("GET", "/away", "www.example.com", ""),
        ("GET", "/secure", "www.example.com", ""),
        ("POST", "/read", "www.example.com", ""),
        ("GET", "/%00", "www.example.com", ""),
        ("GET", "/", "www.example.com", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n"),
    ] {
        let answer = edge.connect().request(method, target, host, headers, b"");
        let id = answer.header("x-amz-cf-id");
        let text = if id.is_empty() { answer.text() } else { answer.text().replace(id, "ID") };
        let _ = writeln!(
            all,
            "{method} {target} {host} {}\n{} {}\n{text}",
            headers.trim_end().replace("\r\n", ", "),
            answer.status,
            answer.header("x-cache")
        );
    }
    expect_file!["snapshots/responses.txt"].assert_eq(&all);
}

/// Level, message and the names of all fields; numbers and addresses are left out, and so is how often a line was there.
fn shape(record: &Value) -> String {
    let fields = record.as_object().unwrap();
    let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default();
    let names: Vec<_> =
        fields.keys().filter(|key| !["timestamp", "level", "target", "message"].contains(&key.as_str())).collect();
    let message = text("message").lines().next().unwrap_or_default();
    let message = without_numbers(message, "N", |c| c.is_ascii_digit() || c == '.' || c == ':');
    let names = names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" ");
    format!("{} {}: {message} [{names}]", text("level"), text("target"))
}

#[test]
fn lines_of_the_log() {
    let (config, _origin) = eventful();
    let mut edge = Edge::start(&config);
    for target in ["/", "/", "/trap", "/away"] {
        edge.get(target);
    }
    edge.reconfigure("nonsense");
    edge.wait_for_metric("edgeward_config_reloads_total{result=\"refused\"}", 1.0);
    edge.reconfigure(config.behavior("/more").server("workers", 1));
    edge.wait_for_metric("edgeward_config_reloads_total{result=\"ok\"}", 1.0);
    eventually("all requests are logged", || edge.access_log().len() == 4);
    let access = edge.access_log();
    edge.signal("TERM");
    assert!(edge.ended().success());
    let log = edge.log();
    let records: BTreeSet<String> = log.lines().map(|line| shape(&serde_json::from_str(line).unwrap())).collect();
    let mut all = String::from("# The log: level, target, message [fields]\n\n");
    records.iter().for_each(|record| all += &format!("{record}\n"));
    all += "\n# The access log: fields of a miss, a hit, a failed hook, an origin that is away\n\n";
    for line in &access {
        let names: Vec<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
        all += &format!("{} {}: {}\n", line["sc-status"], line["x-edge-result-type"], names.join(" "));
    }
    expect_file!["snapshots/log.txt"].assert_eq(&all);
}

#[test]
fn the_manual_page() {
    let ran = edgeward().arg("man").output().unwrap();
    let page = String::from_utf8(ran.stdout).unwrap().replace(env!("CARGO_PKG_VERSION"), "VERSION");
    expect_file!["snapshots/edgeward.1"].assert_eq(&page);
}
