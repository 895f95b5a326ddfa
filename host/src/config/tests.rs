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
              | ^^^^^^ did you mean `workers`? allowed here: `http`, `https`, `admin`, `workers`, `data_dir`, `edge_location`, `drain_s`, `access_log`, `certificate`

            error: cannot read `hok.wasm`: no such file or folder
             --> edge.toml:7:13
              |
            7 | component = "hok.wasm"
              |             ^^^^^^^^^^ looked for in FOLDER

            error: unknown limit `cpu`
             --> edge.toml:8:29
              |
            8 | limits = { cpu_us = 20_000, cpu = 1 }
              |                             ^^^ the limits are: `cpu_us`, `deadline_ms`, `memory_bytes`, `table_elements`, `stack_bytes`, `handles`, `log_bytes`, `host_calls`, `reply_bytes`, `header_count`, `header_bytes`, `body_bytes`, `instances`, `queue`, `queue_wait_ms`

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
        expect![[r#"
            error: [origin.none] says not where it is
              --> edge.toml:10:1
               |
            10 | [origin.none]
               | ^^^^^^^^^^^^^ exactly one of `url`, `folder`, `fixed`, `component`

            error: [origin.two] has `url`, `folder` at once
              --> edge.toml:11:1
               |
            11 | [origin.two]
               | ^^^^^^^^^^^^ exactly one of `url`, `folder`, `fixed`, `component`

            error: `http://a/b?c` is not the URL of an origin: a query or fragment has no meaning here
              --> edge.toml:15:7
               |
            15 | url = "http://a/b?c"
               |       ^^^^^^^^^^^^^^ such as "http://127.0.0.1:9000" or "https://example.com/base"

            error: `http://user@a` is not the URL of an origin: a host, without a user, is needed
              --> edge.toml:17:7
               |
            17 | url = "http://user@a"
               |       ^^^^^^^^^^^^^^^ such as "http://127.0.0.1:9000" or "https://example.com/base"

            error: `host` is not set here
              --> edge.toml:18:13
               |
            18 | headers = { host = "a", connection = "close", "a b" = "c", good = "a\nb", list = [1] }
               |             ^^^^ use `host_header` or `forward_host`

            error: `connection` belongs to the connection
              --> edge.toml:18:25
               |
            18 | headers = { host = "a", connection = "close", "a b" = "c", good = "a\nb", list = [1] }
               |                         ^^^^^^^^^^ remove it

            error: `a b` cannot be the name of a header
              --> edge.toml:18:47
               |
            18 | headers = { host = "a", connection = "close", "a b" = "c", good = "a\nb", list = [1] }
               |                                               ^^^^^ letters, digits and `-` are expected

            error: this cannot be the value of a header
              --> edge.toml:18:67
               |
            18 | headers = { host = "a", connection = "close", "a b" = "c", good = "a\nb", list = [1] }
               |                                                                   ^^^^^^ at most 1783 characters, no line breaks

            error: `list` is an integer
              --> edge.toml:18:83
               |
            18 | headers = { host = "a", connection = "close", "a b" = "c", good = "a\nb", list = [1] }
               |                                                                                   ^ a string is expected

            error: `connect_attempts` is out of range
              --> edge.toml:21:20
               |
            21 | connect_attempts = 4
               |                    ^ 1 to 3 is allowed

            error: `read_timeout_s` is out of range
              --> edge.toml:22:18
               |
            22 | read_timeout_s = 0
               |                  ^ 1 to 120 is allowed

            error: `host_header` and `forward_host` exclude each other
              --> edge.toml:23:15
               |
            23 | host_header = "b"
               |               ^^^ remove one of them

            error: cannot read `missing.pem`: no such file or folder
              --> edge.toml:25:6
               |
            25 | ca = "missing.pem"
               |      ^^^^^^^^^^^^^ looked for in FOLDER

            error: `bad name` cannot be a name
              --> edge.toml:26:9
               |
            26 | [origin."bad name"]
               |         ^^^^^^^^^^ 1 to 64 of the letters a-z and A-Z, digits, `-`, `_` and `.`

            error: cannot read `missing`: no such file or folder
              --> edge.toml:27:10
               |
            27 | folder = "missing"
               |          ^^^^^^^^^ looked for in FOLDER

            error: `status` is out of range
              --> edge.toml:29:20
               |
            29 | fixed = { status = 100, body = "a", body_file = "hook.wasm", boby = "" }
               |                    ^^^ 200 to 599 is allowed

            error: `body` and `body_file` exclude each other
              --> edge.toml:29:49
               |
            29 | fixed = { status = 100, body = "a", body_file = "hook.wasm", boby = "" }
               |                                                 ^^^^^^^^^^^ remove one of them

            error: unknown key `boby` in [origin.fixed.fixed]
              --> edge.toml:29:62
               |
            29 | fixed = { status = 100, body = "a", body_file = "hook.wasm", boby = "" }
               |                                                              ^^^^ did you mean `body`? allowed here: `status`, `headers`, `body`, `body_file`

            error: unknown function `hook.wasm`
              --> edge.toml:31:13
               |
            31 | component = "hook.wasm"
               |             ^^^^^^^^^^^ none is declared; add a table [function.NAME]

            error: an origin cannot stand in for itself
              --> edge.toml:34:13
               |
            34 | secondary = "two"
               |             ^^^^^ name another origin

            error: 200 is no reason to fail over
              --> edge.toml:35:11
               |
            35 | status = [200, "500"]
               |           ^^^ allowed: 400, 403, 404, 416, 429, 500, 502, 503, 504

            error: `status` is a string
              --> edge.toml:35:16
               |
            35 | status = [200, "500"]
               |                ^^^^^ a whole number is expected

            error: [origin_group.o] has no `secondary`
              --> edge.toml:36:1
               |
            36 | [origin_group.o]
               | ^^^^^^^^^^^^^^^^ add `secondary = "NAME"`

            error: `o` is an origin and an origin group
              --> edge.toml:36:15
               |
            36 | [origin_group.o]
               |               ^ rename one of them

            error: unknown origin `x`
              --> edge.toml:37:11
               |
            37 | primary = "x"
               |           ^^^ declared under [origin]: `bad name`, `component`, `fixed`, `hop`, `many`, `none`, `o`, `path`, `two`
        "#]],
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
        expect![[r#"
            error: a second site `www`
              --> edge.toml:11:8
               |
            11 | name = "www"
               |        ^^^^^ each site has a name of its own

            error: host `*` is also a host of site `www`
              --> edge.toml:12:10
               |
            12 | hosts = ["*", "a.b:80", "A.example.com"]
               |          ^^^ a host belongs to one site

            error: `a.b:80` is not a host
              --> edge.toml:12:15
               |
            12 | hosts = ["*", "a.b:80", "A.example.com"]
               |               ^^^^^^^^ a name without a port is expected: "www.example.com", "*.example.com", or "*"

            error: `default_root_object` is not a relative path
              --> edge.toml:14:23
               |
            14 | default_root_object = "/index.html"
               |                       ^^^^^^^^^^^^^ such as "index.html"

            error: unknown viewer protocol `https`
              --> edge.toml:15:19
               |
            15 | viewer_protocol = "https"
               |                   ^^^^^^^ one of `allow-all`, `https-only`, `redirect-to-https`

            error: unknown method `get`
              --> edge.toml:16:20
               |
            16 | allowed_methods = ["get", "TRACE"]
               |                    ^^^^^ did you mean `GET`? allowed: `GET`, `HEAD`, `OPTIONS`, `PUT`, `POST`, `PATCH`, `DELETE`

            error: unknown method `TRACE`
              --> edge.toml:16:27
               |
            16 | allowed_methods = ["get", "TRACE"]
               |                           ^^^^^^^ allowed: `GET`, `HEAD`, `OPTIONS`, `PUT`, `POST`, `PATCH`, `DELETE`

            error: `include_body` without a hook that could see the body
              --> edge.toml:17:16
               |
            17 | include_body = true
               |                ^^^^ add `origin_request`, or remove `include_body`

            error: `*` is the default behavior
              --> edge.toml:19:8
               |
            19 | path = "*"
               |        ^^^ write its settings into [[site]] itself

            error: a second behavior for `/a`
              --> edge.toml:23:8
               |
            23 | path = "a"
               |        ^^^ the first behavior that matches is taken: remove this one

            error: [[site.behavior]] has no `path`
              --> edge.toml:24:1
               |
            24 | [[site.behavior]]
               | ^^^^^^^^^^^^^^^^^ add `path = "/images/*"`

            error: [[site]] has no `name`
              --> edge.toml:25:1
               |
            25 | [[site]]
               | ^^^^^^^^ add `name = "www"`

            error: `hosts` is empty
              --> edge.toml:25:1
               |
            25 | [[site]]
               | ^^^^^^^^ name at least one host; "*" stands for all

            error: [[site]] has no `origin`
              --> edge.toml:25:1
               |
            25 | [[site]]
               | ^^^^^^^^ add `origin = "NAME"`

            error: unknown key `behaviour` in [[site]]
              --> edge.toml:27:1
               |
            27 | behaviour = []
               | ^^^^^^^^^ did you mean `behavior`? allowed here: `name`, `hosts`, `default_root_object`, `origin`, `viewer_protocol`, `allowed_methods`, `viewer_request`, `origin_request`, `origin_response`, `viewer_response`, `include_body`, `cache_policy`, `origin_request_policy`, `behavior`
        "#]],
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
        expect![[r#"
            error: cannot read `missing.json`: no such file or folder
              --> edge.toml:11:8
               |
            11 | file = "missing.json"
               |        ^^^^^^^^^^^^^^ looked for in FOLDER

            error: `broken.json` is not one JSON object: invalid type: sequence, expected a map at line 1 column 0
              --> edge.toml:13:8
               |
            13 | file = "broken.json"
               |        ^^^^^^^^^^^^^ an object of strings is expected: {"key": "value"}

            error: values that are not strings: `a`, `c`
              --> edge.toml:15:8
               |
            15 | file = "numbers.json"
               |        ^^^^^^^^^^^^^^ quote them; a number is a string here

            error: [key_value_store.d] has no `file`
              --> edge.toml:16:1
               |
            16 | [key_value_store.d]
               | ^^^^^^^^^^^^^^^^^^^ add `file = "values.json"`

            error: unknown key-value store `e`
              --> edge.toml:19:19
               |
            19 | key_value_store = "e"
               |                   ^^^ declared under [key_value_store]: `a`, `b`, `c`, `d`

            error: unknown policy `reused`
              --> edge.toml:20:10
               |
            20 | policy = "reused"
               |          ^^^^^^^^ "fresh", or { reuse = { max_calls = 1000, max_idle_s = 60 } }
        "#]],
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
        expect![[r#"
            error: 127.0.0.1:80 is listened on twice
             --> edge.toml:3:10
              |
            3 | https = ["127.0.0.1:80", 443]
              |          ^^^^^^^^^^^^^^ take another port for `https`

            error: `https` is an integer
             --> edge.toml:3:26
              |
            3 | https = ["127.0.0.1:80", 443]
              |                          ^^^ a string is expected

            error: `127.0.0.1` is not an address to listen on
             --> edge.toml:4:9
              |
            4 | admin = "127.0.0.1"
              |         ^^^^^^^^^^^ IP address and port are expected: "127.0.0.1:8080", "[::]:443"

            error: `edge_location` cannot stand in a header
             --> edge.toml:5:17
              |
            5 | edge_location = "a b"
              |                 ^^^^^ 1 to 64 printable ASCII characters without space, such as "FRA50"

            error: `drain_s` is a float
             --> edge.toml:6:11
              |
            6 | drain_s = 1e3
              |           ^^^ a whole number is expected

            error: `access_log` is a string
             --> edge.toml:7:14
              |
            7 | access_log = "yes"
              |              ^^^^^ true or false is expected

            error: `certificate` is a string
             --> edge.toml:8:15
              |
            8 | certificate = "a"
              |               ^^^ a list of tables, [[server.certificate]], is expected

            error: [[site]] has no `name`
             --> edge.toml:9:1
              |
            9 | [[site]]
              | ^^^^^^^^ add `name = "www"`

            error: [[site]] has no `hosts`
             --> edge.toml:9:1
              |
            9 | [[site]]
              | ^^^^^^^^ add `hosts = ["www.example.com"]` or, for all, `hosts = ["*"]`

            error: [[site]] has no `origin`
             --> edge.toml:9:1
              |
            9 | [[site]]
              | ^^^^^^^^ add `origin = "NAME"`
        "#]],
    );
}

#[test]
fn broken_toml_is_shown_in_its_place() {
    check(
        "[server]\nhttp = [\"127.0.0.1:8080\"\nworkers = = 2\n[server]\n",
        expect![[r#"
            error: not TOML: missing comma between array elements, expected `,`
             --> edge.toml:3:1
              |
            3 | workers = = 2
              | ^

            error: not TOML: missing comma between array elements, expected `,`
             --> edge.toml:4:1
              |
            4 | [server]
              | ^
        "#]],
    );
}

#[test]
fn a_name_in_the_file_brings_no_escape_sequence_into_a_message() {
    let text =
        "[origin.\"\\u001b[31m\"]\n\"\\u0007x\" = 1\n[[site]]\nname = \"w\"\nhosts = [\"\\u001b*\"]\norigin = \"\\u001b\"\n";
    let shown = parse(text, Path::new("edge.toml")).unwrap_err().to_string();
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
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
