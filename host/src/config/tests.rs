//! The configuration through its door: text in, a `Config` or every error out.

use std::path::Path;
use std::time::Duration;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::{Config, OriginKind, Policy, ViewerProtocol, parse};
use crate::limits::{Limit, Profile};

/// A folder with the files that the texts below refer to.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("hook.wasm", b"\0asm");
    write("chain.pem", b"");
    write("key.pem", b"");
    write("values.json", br#"{"a": "1", "b": "2"}"#);
    write("broken.json", b"[1]");
    write("numbers.json", br#"{"a": 1, "b": "2", "c": null}"#);
    std::fs::create_dir(folder.path().join("www")).unwrap();
    folder
}

fn good(text: &str) -> Config {
    let folder = folder();
    parse(text, &folder.path().join("edge.toml")).unwrap_or_else(|errors| panic!("{errors}"))
}

fn check(text: &str, expected: Expect) {
    let folder = folder();
    let errors = parse(text, &folder.path().join("edge.toml")).unwrap_err();
    let inside = format!("{}/", folder.path().display());
    let text = errors.to_string().replace(&inside, "").replace(&folder.path().display().to_string(), "FOLDER");
    expected.assert_eq(&(text + "\n"));
}

const FULL: &str = r#"
[server]
http = ["127.0.0.1:8080", "[::1]:8080"]
https = ["127.0.0.1:8443"]
admin = "127.0.0.1:9901"
workers = 2
data_dir = "data"
edge_location = "FRA50"
drain_s = 5
access_log = false

[[server.certificate]]
hosts = ["example.com", "*.example.com"]
chain = "chain.pem"
key = "key.pem"

[key_value_store.flags]
file = "values.json"

[function.rewrite]
component = "hook.wasm"
limits = { cpu_us = 500, memory_bytes = 1_048_576 }
key_value_store = "flags"
min_warm = 4

[function.app]
component = "hook.wasm"
policy = { reuse = { max_calls = 100 } }
network = ["db.internal:5432", "*.example.com:443"]
environment = { MODE = "fast" }

[origin.api]
url = "https://api.example.com:8443/v1/"
headers = { x-secret = "s", x-two = ["a", "b"] }
connect_timeout_s = 2

[origin.www]
folder = "www"

[origin.gone]
fixed = { status = 410, headers = { content-type = "text/plain" }, body = "gone\n" }

[origin.app]
component = "app"

[origin_group.safe]
primary = "api"
secondary = "gone"
status = [500, 404]

[[site]]
name = "www"
hosts = ["www.example.com", "*.example.com"]
default_root_object = "index.html"
origin = "www"
viewer_request = "rewrite"

[[site.behavior]]
path = "/api/*"
origin = "safe"
viewer_protocol = "https-only"
allowed_methods = ["GET", "HEAD"]

[[site.behavior]]
path = "app/?"
origin = "app"
origin_request = "app"
include_body = true

[[site.behavior]]
path = "*.png"
"#;

#[test]
fn a_full_file_is_read() {
    let config = good(FULL);
    assert_eq!(config.server.http.len(), 2);
    assert_eq!(config.server.drain, Duration::from_secs(5));
    assert_eq!(config.server.certificates[0].hosts, ["example.com", "*.example.com"]);

    let rewrite = &config.functions["rewrite"];
    assert_eq!((rewrite.profile, rewrite.policy, rewrite.min_warm), (Profile::Viewer, Policy::Fresh, 4));
    assert_eq!(rewrite.limits.value(Limit::CpuUs), 500);
    assert_eq!(rewrite.key_value_store.as_ref().unwrap().values["a"], b"1");
    let app = &config.functions["app"];
    assert_eq!(app.profile, Profile::Worker);
    assert_eq!(app.policy, Policy::Reuse { max_calls: 100, max_idle: Duration::from_secs(60) });
    assert_eq!(app.network, ["db.internal:5432", "*.example.com:443"]);

    let OriginKind::Url(api) = &config.origins["api"].kind else { panic!("not a URL") };
    assert_eq!((api.tls, api.host.as_str(), api.port, api.path.as_str()), (true, "api.example.com", 8443, "/v1"));
    assert_eq!(api.headers.len(), 3);
    assert_eq!((api.connect_timeout, api.connect_attempts), (Duration::from_secs(2), 3));
    assert_eq!(config.origin_groups["safe"].status, [500, 404]);

    let site = &config.sites[0];
    let paths: Vec<_> = site.behaviors.iter().map(|behavior| behavior.path.as_str()).collect();
    assert_eq!(paths, ["/api/*", "/app/?", "*.png", "*"]);
    assert_eq!(site.behaviors[0].viewer_protocol, ViewerProtocol::HttpsOnly);
    assert_eq!(site.behaviors[2].origin, "www", "a behavior without an origin goes where its site goes");
    assert_eq!(site.behaviors[3].viewer_request.as_deref(), Some("rewrite"));
    assert_eq!(site.behaviors[2].viewer_request, None, "hooks are not inherited");
}

#[test]
fn files_that_were_read_are_named() {
    let folder = folder();
    let path = folder.path().join("edge.toml");
    std::fs::write(&path, FULL).unwrap();
    let files = super::load(&path).unwrap().files;
    let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["chain.pem", "edge.toml", "hook.wasm", "key.pem", "values.json"]);
}

/// A file that is right but for `lines`.
fn with(lines: &str) -> String {
    format!("[server]\nhttp = [\"127.0.0.1:8080\"]\n[[site]]\nname = \"www\"\nhosts = [\"*\"]\norigin = \"o\"\n[origin.o]\nfolder = \"www\"\n{lines}")
}

#[test]
fn the_smallest_file_is_enough() {
    good(&with(""));
}

#[test]
fn an_empty_file_says_what_is_missing() {
    check(" ", expect![[r#""#]]);
}

#[test]
fn every_error_is_reported_at_once() {
    check(
        r#"[server]
http = ["localhost:8080"]
workers = 0
worker = 2

[function.rewrite]
component = "hok.wasm"
limits = { cpu_us = 20_000, cpu = 1 }

[origin.api]
url = "ftp://api"

[[site]]
name = "www"
hosts = ["*"]
origin = "api2"
viewer_request = "rewrit"
"#,
        expect![[r#""#]],
    );
}

#[test]
fn a_limit_over_its_maximum_says_the_maximum() {
    check(
        &with("[function.f]\ncomponent = \"hook.wasm\"\nlimits = { cpu_us = 10_001, memory_bytes = -1 }\n[[site.behavior]]\npath = \"/a\"\nviewer_request = \"f\"\n"),
        expect![[r#""#]],
    );
}

#[test]
fn a_viewer_hook_is_no_worker() {
    check(
        &with("[function.f]\ncomponent = \"hook.wasm\"\nnetwork = [\"db:1\"]\nenvironment = { A = \"b\" }\n[[site.behavior]]\npath = \"/a\"\nviewer_request = \"f\"\norigin_request = \"f\"\n"),
        expect![[r#""#]],
    );
}

#[test]
fn origins_are_checked() {
    check(
        &with(
            r#"
[origin.none]
[origin.two]
url = "http://a"
folder = "www"
[origin.path]
url = "http://a/b?c"
[origin.hop]
url = "http://user@a"
headers = { host = "a", connection = "close", "a b" = "c", good = "a\nb", list = [1] }
[origin.many]
url = "http://a"
connect_attempts = 4
read_timeout_s = 0
host_header = "b"
forward_host = true
ca = "missing.pem"
[origin."bad name"]
folder = "missing"
[origin.fixed]
fixed = { status = 100, body = "a", body_file = "hook.wasm", boby = "" }
[origin.component]
component = "hook.wasm"
[origin_group.g]
primary = "two"
secondary = "two"
status = [200, "500"]
[origin_group.o]
primary = "x"
"#,
        ),
        expect![[r#""#]],
    );
}

#[test]
fn sites_are_checked() {
    check(
        &with(
            r#"
[[site]]
name = "www"
hosts = ["*", "a.b:80", "A.example.com"]
origin = "o"
default_root_object = "/index.html"
viewer_protocol = "https"
allowed_methods = ["get", "TRACE"]
include_body = true
[[site.behavior]]
path = "*"
[[site.behavior]]
path = "/a"
[[site.behavior]]
path = "a"
[[site.behavior]]
[[site]]
hosts = []
behaviour = []
"#,
        ),
        expect![[r#""#]],
    );
}

#[test]
fn key_value_stores_are_checked() {
    check(
        &with(
            r#"
[key_value_store.a]
file = "missing.json"
[key_value_store.b]
file = "broken.json"
[key_value_store.c]
file = "numbers.json"
[key_value_store.d]
[function.f]
component = "hook.wasm"
key_value_store = "e"
policy = "reused"
"#,
        ),
        expect![[r#""#]],
    );
}

#[test]
fn server_settings_are_checked() {
    check(
        r#"[server]
http = ["127.0.0.1:80"]
https = ["127.0.0.1:80", 443]
admin = "127.0.0.1"
edge_location = "a b"
drain_s = 1e3
access_log = "yes"
certificate = "a"
[[site]]
"#,
        expect![[r#""#]],
    );
}

#[test]
fn broken_toml_is_shown_in_its_place() {
    check("[server]\nhttp = [\"127.0.0.1:8080\"\nworkers = = 2\n[server]\n", expect![[r#""#]]);
}

#[test]
fn a_terminal_gets_no_escape_sequence() {
    let folder = folder();
    let text = "[\"\u{9b}31m\"]\n\"\\u001b[0m\" = 1\n";
    let shown = parse(text, &folder.path().join("edge.toml")).unwrap_err().to_string();
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
}

#[test]
fn a_thousand_errors_are_counted_and_a_hundred_shown() {
    let lines: String = (0..1000).map(|n| format!("k{n} = 1\n")).collect();
    let errors = parse(&(lines + &with("")), Path::new("edge.toml")).unwrap_err();
    assert_eq!(errors.errors.len(), 100);
    assert!(errors.omitted >= 900);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = parse(&text, Path::new("edge.toml")).map_err(|errors| errors.to_string());
    }

    /// Parts of a real file, put together wrongly.
    #[test]
    fn no_mutation_panics(
        at in 0..FULL.len(),
        length in 0..200_usize,
        insert in prop_oneof![Just("= 1"), Just("[]"), Just("{}"), Just("\""), Just("é\t"), Just("\r\n"), Just("-99999999999999999999"), Just("*")],
    ) {
        let at = (0..=at).rev().find(|at| FULL.is_char_boundary(*at)).unwrap();
        let end = (at + length).min(FULL.len());
        let text = format!("{}{insert}{}", &FULL[..at], &FULL[end..]);
        let _ = parse(&text, Path::new("edge.toml")).map_err(|errors| errors.to_string());
    }
}
