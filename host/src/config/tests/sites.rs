//! `[[site]]` and its behaviors: what is refused, and with which words.

use expect_test::expect;

use super::{check, with};

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
               |        ^^^^^ each site has a name of its own; the first is at edge.toml:4

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

            error: `get` cannot be allowed
              --> edge.toml:16:20
               |
            16 | allowed_methods = ["get", "TRACE"]
               |                    ^^^^^ did you mean `GET`? a method has up to 32 capital letters, digits, `-` and `_`: `GET`, `HEAD`, `OPTIONS`, `PUT`, `POST`, `PATCH`, `DELETE`, "PROPFIND"

            error: `TRACE` cannot be allowed
              --> edge.toml:16:27
               |
            16 | allowed_methods = ["get", "TRACE"]
               |                           ^^^^^^^ the edge does not forward this method; remove it

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
               | ^^^^^^^^^ did you mean `behavior`? allowed here: `name`, `hosts`, `default_root_object`, `error_page`, `origin`, `viewer_protocol`, `websocket`, `websocket_idle_s`, `viewer_request`, `origin_request`, `origin_response`, `viewer_response`, `include_body`, `cache_policy`, `allowed_methods`, `origin_request_policy`, `response_headers_policy`, `viewer_headers`, `forwarded_headers`, `compress`, `trusted_key_groups`, `behavior`
        "#]],
    );
}

#[test]
fn error_pages_are_checked() {
    check(
        &with(
            r#"
[[site]]
name = "errors"
hosts = ["errors.test"]
origin = "o"
[[site.error_page]]
path = "errors/404.html"
[[site.error_page]]
status = 302
response_status = 301
path = "/a?b"
[[site.error_page]]
status = 500
[[site.error_page]]
status = 500
response_status = 200
min_ttl_s = 1
"#,
        ),
        expect![[r#"
            error: [[site.error_page]] has no `status`
              --> edge.toml:14:1
               |
            14 | [[site.error_page]]
               | ^^^^^^^^^^^^^^^^^^^ add `status = 404`

            error: `path` is not an absolute path
              --> edge.toml:15:8
               |
            15 | path = "errors/404.html"
               |        ^^^^^^^^^^^^^^^^^ such as "/errors/404.html", of at most 4096 printable characters, without a query

            error: `status` is out of range
              --> edge.toml:17:10
               |
            17 | status = 302
               |          ^^^ 400 to 599 is allowed

            error: `response_status` is neither a success nor an error
              --> edge.toml:18:19
               |
            18 | response_status = 301
               |                   ^^^ 200, or 400 to 599: a page is no redirect

            error: `path` is not an absolute path
              --> edge.toml:19:8
               |
            19 | path = "/a?b"
               |        ^^^^^^ such as "/errors/404.html", of at most 4096 printable characters, without a query

            error: an error page that changes nothing
              --> edge.toml:20:1
               |
            20 | [[site.error_page]]
               | ^^^^^^^^^^^^^^^^^^^ add `path` for a page, or `min_ttl_s` for how long the error is remembered

            error: `response_status` without a page
              --> edge.toml:22:1
               |
            22 | [[site.error_page]]
               | ^^^^^^^^^^^^^^^^^^^ add `path`, or remove `response_status`: without a page the status stays

            error: a second error page for 500
              --> edge.toml:22:1
               |
            22 | [[site.error_page]]
               | ^^^^^^^^^^^^^^^^^^^ one for each status: remove this one
        "#]],
    );
}

#[test]
fn response_headers_policies_are_checked() {
    check(
        &with(
            r#"
[response_headers_policy.SimpleCORS]
[response_headers_policy.p]
set = { "content-length" = "1", "a b" = "c" }
remove = ["transfer-encoding"]
server_timing = 101
[response_headers_policy.p.cors]
allow_origins = ["*"]
allow_credentials = true
allow_methods = ["GET PUT"]
[response_headers_policy.q.cors]
[response_headers_policy.r.cors]
allow_origins = ["www.example.com", "https://a.test/path", "https://*.*.test"]
[[site]]
name = "dressed"
hosts = ["dressed.test"]
origin = "o"
response_headers_policy = "SimpleCors"
"#,
        ),
        expect![[r#"
            error: `SimpleCORS` is a managed policy
              --> edge.toml:10:1
               |
            10 | [response_headers_policy.SimpleCORS]
               | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ take another name

            error: `content-length` belongs to the connection
              --> edge.toml:12:9
               |
            12 | set = { "content-length" = "1", "a b" = "c" }
               |         ^^^^^^^^^^^^^^^^ remove it

            error: `a b` cannot be the name of a header
              --> edge.toml:12:33
               |
            12 | set = { "content-length" = "1", "a b" = "c" }
               |                                 ^^^^^ letters, digits and `-` are expected

            error: `transfer-encoding` belongs to the connection
              --> edge.toml:13:11
               |
            13 | remove = ["transfer-encoding"]
               |           ^^^^^^^^^^^^^^^^^^^ remove it

            error: `server_timing` is out of range
              --> edge.toml:14:17
               |
            14 | server_timing = 101
               |                 ^^^ 0 to 100 is allowed

            error: any origin, with credentials
              --> edge.toml:16:18
               |
            16 | allow_origins = ["*"]
               |                  ^^^ name the origins: browsers take no credentials from everybody

            error: `GET PUT` is not valid in `allow_methods`
              --> edge.toml:18:18
               |
            18 | allow_methods = ["GET PUT"]
               |                  ^^^^^^^^^ such as `GET`, `content-type`

            error: [response_headers_policy.q.cors] has no `allow_origins`
              --> edge.toml:19:1
               |
            19 | [response_headers_policy.q.cors]
               | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ add `allow_origins = ["https://www.example.com"]`

            error: `www.example.com` is not an origin
              --> edge.toml:21:18
               |
            21 | allow_origins = ["www.example.com", "https://a.test/path", "https://*.*.test"]
               |                  ^^^^^^^^^^^^^^^^^ such as "https://www.example.com", "https://*.example.com" or "*", without a path

            error: `https://a.test/path` is not an origin
              --> edge.toml:21:37
               |
            21 | allow_origins = ["www.example.com", "https://a.test/path", "https://*.*.test"]
               |                                     ^^^^^^^^^^^^^^^^^^^^^ such as "https://www.example.com", "https://*.example.com" or "*", without a path

            error: `https://*.*.test` is not an origin
              --> edge.toml:21:60
               |
            21 | allow_origins = ["www.example.com", "https://a.test/path", "https://*.*.test"]
               |                                                            ^^^^^^^^^^^^^^^^^^ such as "https://www.example.com", "https://*.example.com" or "*", without a path

            error: unknown response headers policy `SimpleCors`
              --> edge.toml:26:27
               |
            26 | response_headers_policy = "SimpleCors"
               |                           ^^^^^^^^^^^^ did you mean `SimpleCORS`? declared under [response_headers_policy]: `SimpleCORS`, `p`, `q`, `r`, `CORS-and-SecurityHeadersPolicy`, `CORS-With-Preflight`, `CORS-with-preflight-and-SecurityHeadersPolicy`, `SecurityHeadersPolicy`, `SimpleCORS`
        "#]],
    );
}
