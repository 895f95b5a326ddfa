//! `[origin.NAME]` and `[origin_group.NAME]`: what is refused, and with which words.

use expect_test::expect;

use super::{check, with};

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
headers = { host = "a", connection = "close", "a b" = "c", good = "a\nb", list = [1], CDN-Loop = "a" }
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
            error: [origin.none] does not say where it is
              --> edge.toml:10:1
               |
            10 | [origin.none]
               | ^^^^^^^^^^^^^ exactly one of `url`, `folder`, `fixed`, `component`, `api`

            error: [origin.two] has `url`, `folder` at once
              --> edge.toml:11:1
               |
            11 | [origin.two]
               | ^^^^^^^^^^^^ exactly one of `url`, `folder`, `fixed`, `component`, `api`

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
            18 | headers = { host = "a", connection = "close", "a b" = "c", good = "a\nb", list = [1], CDN-Loop = "a" }
               |             ^^^^ use `host_header` or `forward_host`

            error: `connection` belongs to the connection
              --> edge.toml:18:25
               |
            18 | headers = { host = "a", connection = "close", "a b" = "c", good = "a\nb", list = [1], CDN-Loop = "a" }
               |                         ^^^^^^^^^^ remove it

            error: `a b` cannot be the name of a header
              --> edge.toml:18:47
               |
            18 | headers = { host = "a", connection = "close", "a b" = "c", good = "a\nb", list = [1], CDN-Loop = "a" }
               |                                               ^^^^^ letters, digits and `-` are expected

            error: this cannot be the value of a header
              --> edge.toml:18:67
               |
            18 | headers = { host = "a", connection = "close", "a b" = "c", good = "a\nb", list = [1], CDN-Loop = "a" }
               |                                                                   ^^^^^^ at most 1783 characters, no line breaks

            error: `list` is an integer
              --> edge.toml:18:83
               |
            18 | headers = { host = "a", connection = "close", "a b" = "c", good = "a\nb", list = [1], CDN-Loop = "a" }
               |                                                                                   ^ a string is expected

            error: `cdn-loop` is the edge's own: it tells where a request has been
              --> edge.toml:18:87
               |
            18 | headers = { host = "a", connection = "close", "a b" = "c", good = "a\nb", list = [1], CDN-Loop = "a" }
               |                                                                                       ^^^^^^^^ remove it

            error: `connect_attempts` is out of range
              --> edge.toml:21:20
               |
            21 | connect_attempts = 4
               |                    ^ 1 to 3 is allowed

            error: `read_timeout_s` is out of range
              --> edge.toml:22:18
               |
            22 | read_timeout_s = 0
               |                  ^ 1 to 3600 is allowed

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

            error: an origin cannot be its own fallback
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
fn functions_of_the_apis_are_checked() {
    let origins = r#"
[function.own]
component = "hook.wasm"
[origin.good]
api = { function = "checkout:live" }
[origin.odd]
api = { function = "checkout:live:1" }
[origin.long]
api = { function = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" }
[origin.own]
api = { function = "own", alias = "live" }
[origin.bare]
api = {}
[origin.text]
api = "checkout"
"#;
    check(
        &with(origins).replace("[server]\n", "[server]\napi = \"127.0.0.1:9000\"\n"),
        expect![[r#"
        error: `checkout:live:1` does not name a function of the AWS APIs
          --> edge.toml:16:20
           |
        16 | api = { function = "checkout:live:1" }
           |                    ^^^^^^^^^^^^^^^^^ a name of at most 64 letters, digits, `-` and `_`, with an alias or a version if need be: "checkout:live"

        error: `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` does not name a function of the AWS APIs
          --> edge.toml:18:20
           |
        18 | api = { function = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" }
           |                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ a name of at most 64 letters, digits, `-` and `_`, with an alias or a version if need be: "checkout:live"

        error: `own` is a function of this configuration
          --> edge.toml:20:20
           |
        20 | api = { function = "own", alias = "live" }
           |                    ^^^^^ say `component = "own"` in place of `api`

        error: unknown key `alias` in [origin.own.api]
          --> edge.toml:20:27
           |
        20 | api = { function = "own", alias = "live" }
           |                           ^^^^^ allowed here: `function`

        error: [origin.bare.api] has no `function`
          --> edge.toml:22:7
           |
        22 | api = {}
           |       ^^ add `function = "NAME:ALIAS"`

        error: [origin.text.api] is a string
          --> edge.toml:24:7
           |
        24 | api = "checkout"
           |       ^^^^^^^^^^ a table is expected
    "#]],
    );
}

#[test]
fn a_function_of_the_apis_needs_the_apis() {
    check(
        &with("[origin.shop]\napi = { function = \"shop\" }\n"),
        expect![[r#"
        error: [origin.shop] names a function of the AWS APIs, which are not served
          --> edge.toml:10:20
           |
        10 | api = { function = "shop" }
           |                    ^^^^^^ add `api = "127.0.0.1:9000"` to [server]: functions are made there
    "#]],
    );
}

#[test]
fn hooks_of_the_apis_are_checked() {
    let hooks = "[function.own]\ncomponent = \"hook.wasm\"\n[[site.behavior]]\npath = \"/a\"\norigin_request = { api = \"own\" }\norigin_response = { api = \"a:b:c\" }\n[[site.behavior]]\npath = \"/b\"\norigin_request = { function = \"f\" }\nviewer_request = { api = \"f\" }\n";
    check(
        &with(hooks).replace("[server]\n", "[server]\napi = \"127.0.0.1:9000\"\n"),
        expect![[r#"
        error: `own` is a function of this configuration
          --> edge.toml:14:26
           |
        14 | origin_request = { api = "own" }
           |                          ^^^^^ say `origin_request = "own"` in place of `api`

        error: `a:b:c` does not name a function of the AWS APIs
          --> edge.toml:15:27
           |
        15 | origin_response = { api = "a:b:c" }
           |                           ^^^^^^^ a name of at most 64 letters, digits, `-` and `_`, with an alias or a version if need be: "checkout:live"

        error: [site.behavior.origin_request] has no `api`
          --> edge.toml:18:18
           |
        18 | origin_request = { function = "f" }
           |                  ^^^^^^^^^^^^^^^^^^ add `api = "NAME:ALIAS"`

        error: unknown key `function` in [site.behavior.origin_request]
          --> edge.toml:18:20
           |
        18 | origin_request = { function = "f" }
           |                    ^^^^^^^^ allowed here: `api`

        error: `viewer_request` is a table
          --> edge.toml:19:18
           |
        19 | viewer_request = { api = "f" }
           |                  ^^^^^^^^^^^^^ a string is expected
    "#]],
    );
}
