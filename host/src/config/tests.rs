//! The configuration through its door: text in, a `Config` or every error out.

mod cache;
mod files;
mod hints;
mod layers;
mod origins;
mod server;
mod signing;
mod sites;
mod text;
mod vpc;

use std::time::Duration;

use expect_test::{Expect, expect};

use super::{Config, OriginKind, ViewerProtocol, load, parse};
use crate::limits::{InstancePolicy, Limit, Profile};

/// Creates the files that the texts below refer to.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("hook.wasm", b"\0asm");
    write("chain.pem", b"");
    write("key.pem", b"");
    write("values.json", br#"{"a": "1", "b": "2"}"#);
    write("rsa.pem", include_bytes!("../../../tests/e2e/signed/rsa.pem"));
    write("rsa-1024.pem", include_bytes!("../../../tests/e2e/signed/rsa-1024.pem"));
    write("ecdsa.pem", include_bytes!("../../../tests/e2e/signed/ecdsa.pem"));
    write("ecdsa-p384.pem", include_bytes!("../../../tests/e2e/signed/ecdsa-p384.pem"));
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
    assert_eq!((rewrite.profile, rewrite.policy, rewrite.min_warm), (Profile::Viewer, InstancePolicy::Fresh, Some(4)));
    assert_eq!(rewrite.limits.value(Limit::CpuUs), 500);
    assert_eq!(rewrite.key_value_store.as_ref().unwrap().values["a"], b"1");
    let app = &config.functions["app"];
    assert_eq!(app.profile, Profile::Worker);
    assert_eq!(app.policy, InstancePolicy::Reuse { max_calls: 100, max_idle: Duration::from_secs(60) });
    assert_eq!(app.network.to_string(), "db.internal:5432, *.example.com:443");

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
    let files = load(&path).unwrap().files.files;
    let names: Vec<_> = files.keys().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["chain.pem", "edge.toml", "hook.wasm", "key.pem", "values.json"]);
}

/// A valid file with `lines` inserted.
fn with(lines: &str) -> String {
    format!(
        "[server]\nhttp = [\"127.0.0.1:8080\"]\n[[site]]\nname = \"www\"\nhosts = [\"*\"]\norigin = \"o\"\n[origin.o]\nfolder = \"www\"\n{lines}"
    )
}

#[test]
fn the_smallest_file_is_enough() {
    good(&with(""));
}

#[test]
fn an_empty_file_says_what_is_missing() {
    check(
        " ",
        expect![[r#"
            error: the file has no [server]
             --> edge.toml:1:1
              |
            1 |  
              | ^ add [server] with `http = ["127.0.0.1:8080"]`

            error: the file has no site
             --> edge.toml:1:1
              |
            1 |  
              | ^ add [[site]] with `name`, `hosts` and `origin`
        "#]],
    );
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
        expect![[r#"
            error: `localhost:8080` is not an address to listen on
             --> edge.toml:2:9
              |
            2 | http = ["localhost:8080"]
              |         ^^^^^^^^^^^^^^^^ IP address and port are expected: "127.0.0.1:8080", "[::]:443"

            error: `workers` is out of range
             --> edge.toml:3:11
              |
            3 | workers = 0
              |           ^ 1 to 256 is allowed

            error: unknown key `worker` in [server]
             --> edge.toml:4:1
              |
            4 | worker = 2
              | ^^^^^^ did you mean `workers`? allowed here: `http`, `https`, `api`, `api_https`, `api_account`, `api_region`, `api_network`, `api_buckets`, `api_hot_reload`, `admin`, `admin_hosts`, `admin_token_file`, `workers`, `data_dir`, `runtimes`, `compile_memory_bytes`, `compile_cpu_s`, `edge_location`, `drain_s`, `drain_listen_s`, `access_log`, `websockets_per_worker`, `connections_per_client`, `upload_bytes_per_s`, `certificate`

            error: cannot read `hok.wasm`: no such file or folder
             --> edge.toml:7:13
              |
            7 | component = "hok.wasm"
              |             ^^^^^^^^^^ looked for in FOLDER

            error: unknown limit `cpu`
             --> edge.toml:8:29
              |
            8 | limits = { cpu_us = 20_000, cpu = 1 }
              |                             ^^^ the limits are: `cpu_us`, `deadline_ms`, `memory_bytes`, `ephemeral_storage_bytes`, `table_elements`, `stack_bytes`, `handles`, `connections`, `log_bytes`, `host_calls`, `reply_bytes`, `stream_bytes`, `header_count`, `header_bytes`, `body_bytes`, `instances`, `queue`, `queue_wait_ms`

            error: `ftp://api` is not the URL of an origin: it begins with neither http:// nor https://
              --> edge.toml:11:7
               |
            11 | url = "ftp://api"
               |       ^^^^^^^^^^^ such as "http://127.0.0.1:9000" or "https://example.com/base"

            error: unknown origin `api2`
              --> edge.toml:16:10
               |
            16 | origin = "api2"
               |          ^^^^^^ did you mean `api`? declared under [origin]: `api`

            error: unknown function `rewrit`
              --> edge.toml:17:18
               |
            17 | viewer_request = "rewrit"
               |                  ^^^^^^^^ did you mean `rewrite`? declared under [function]: `rewrite`
        "#]],
    );
}

#[test]
fn a_limit_over_its_maximum_says_the_maximum() {
    check(
        &with(
            "[function.f]\ncomponent = \"hook.wasm\"\nlimits = { cpu_us = 10_001, memory_bytes = -1 }\n[[site.behavior]]\npath = \"/a\"\nviewer_request = \"f\"\n",
        ),
        expect![[r#"
            error: `cpu_us` may be at most 10000 µs, not 10001
              --> edge.toml:11:21
               |
            11 | limits = { cpu_us = 10_001, memory_bytes = -1 }
               |                     ^^^^^^ 1 to 10000 µs for a viewer hook; default 1000

            error: `memory_bytes` must be at least 1 bytes, not -1
              --> edge.toml:11:44
               |
            11 | limits = { cpu_us = 10_001, memory_bytes = -1 }
               |                                            ^^ 1 to 2097152 bytes is allowed
        "#]],
    );
}

#[test]
fn network_grants_are_those_that_are_enforced() {
    check(
        &with(
            "[function.f]\ncomponent = \"hook.wasm\"\nnetwork = [\"*.x:*\", \"8.8.*.*:*\", \"134744072:80\", \"a.example:+80\", \"a.example\"]\n[[site.behavior]]\npath = \"/a\"\norigin_request = \"f\"\n",
        ),
        expect![[r#"
            error: network grant `134744072:80`: a host that ends in a number is an address: four decimal numbers, or `*` after the first
              --> edge.toml:11:34
               |
            11 | network = ["*.x:*", "8.8.*.*:*", "134744072:80", "a.example:+80", "a.example"]
               |                                  ^^^^^^^^^^^^^^ such as "api.example.com:443"; `*` stands for one label, or for any port

            error: network grant `a.example:+80`: the port is a number from 1 to 65535, or `*`
              --> edge.toml:11:50
               |
            11 | network = ["*.x:*", "8.8.*.*:*", "134744072:80", "a.example:+80", "a.example"]
               |                                                  ^^^^^^^^^^^^^^^ such as "api.example.com:443"; `*` stands for one label, or for any port

            error: network grant `a.example`: the port is missing
              --> edge.toml:11:67
               |
            11 | network = ["*.x:*", "8.8.*.*:*", "134744072:80", "a.example:+80", "a.example"]
               |                                                                   ^^^^^^^^^^^ such as "api.example.com:443"; `*` stands for one label, or for any port
        "#]],
    );
}

#[test]
fn a_viewer_hook_is_no_worker() {
    check(
        &with(
            "[function.f]\ncomponent = \"hook.wasm\"\nnetwork = [\"db:1\"]\nenvironment = { A = \"b\" }\n[[site.behavior]]\npath = \"/a\"\nviewer_request = \"f\"\norigin_request = \"f\"\n",
        ),
        expect![[r#"
            error: a viewer hook has no network
              --> edge.toml:11:12
               |
            11 | network = ["db:1"]
               |            ^^^^^^ remove `network`, or use the function at the origin

            error: a viewer hook has no environment
              --> edge.toml:12:17
               |
            12 | environment = { A = "b" }
               |                 ^ remove `environment`; a key-value store can hold settings

            error: function `f` is used as a viewer hook and also at or as an origin
              --> edge.toml:16:18
               |
            16 | origin_request = "f"
               |                  ^^^ the limits differ: declare a second function with the same `component` for this use
        "#]],
    );
}
