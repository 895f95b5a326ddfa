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
               | ^^^^^^^^^ did you mean `behavior`? allowed here: `name`, `hosts`, `default_root_object`, `origin`, `viewer_protocol`, `allowed_methods`, `viewer_request`, `origin_request`, `origin_response`, `viewer_response`, `include_body`, `cache_policy`, `origin_request_policy`, `trusted_key_groups`, `behavior`
        "#]],
    );
}
