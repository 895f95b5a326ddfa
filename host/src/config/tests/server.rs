//! `[server]` and `[key_value_store.NAME]`: what is refused, and with which words.

use expect_test::expect;

use super::{check, folder, good, parse, with};
use crate::config::AccessLog;
use crate::fields::Field;

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

            error: `edge_location` is not valid in a header
             --> edge.toml:5:17
              |
            5 | edge_location = "a b"
              |                 ^^^^^ 1 to 64 ASCII letters, digits and any of !#$%&'*+-.^_`|~, such as "FRA50"

            error: `drain_s` is a float
             --> edge.toml:6:11
              |
            6 | drain_s = 1e3
              |           ^^^ a whole number is expected

            error: `access_log` is a string
             --> edge.toml:7:14
              |
            7 | access_log = "yes"
              |              ^^^^^ true, false, or a table such as { fields = ["timestamp", "sc-status"] } is expected

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
fn a_certificate_says_until_when_it_is_valid() {
    let folder = folder();
    let path = folder.path().join("edge.toml");
    let text = "[server]\nhttps = [\"127.0.0.1:443\"]\n[[server.certificate]]\nchain = \"dated.pem\"\nkey = \"key.pem\"\n\
        [origin.a]\nfixed = {}\n[[site]]\nname = \"www\"\nhosts = [\"*\"]\norigin = \"a\"\n";
    let mut issue = rcgen::CertificateParams::new(vec!["example.com".to_owned()]).unwrap();
    issue.not_after = rcgen::date_time_ymd(2020, 1, 2);
    let issued = issue.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
    std::fs::write(folder.path().join("dated.pem"), issued.pem()).unwrap();
    let dated = parse(text, &path).unwrap();
    assert_eq!(dated.server.certificates[0].not_after_s, Some(1_577_923_200));
    // Whoever loads it says that it is none.
    std::fs::write(folder.path().join("dated.pem"), "nothing").unwrap();
    assert_eq!(parse(text, &path).unwrap().server.certificates[0].not_after_s, None);
}

#[test]
fn the_access_log_has_the_fields_that_it_is_told() {
    let of = |value: &str| {
        let text = with("").replace("access_log = false\n", "");
        good(&text.replacen("[server]\n", &format!("[server]\n{value}\n"), 1)).server.access_log
    };
    let default = AccessLog { fields: Field::defaults(), signed_queries: false };
    assert_eq!(of(""), Some(default.clone()));
    assert_eq!(of("access_log = true"), Some(default.clone()));
    assert_eq!(of("access_log = false"), None);
    let fields = vec![Field::Status, Field::Cookie];
    let chosen = of("access_log = { fields = [\"sc-status\", \"cs(Cookie)\"] }");
    assert_eq!(chosen, Some(AccessLog { fields, signed_queries: false }));
    assert_eq!(of("access_log = { signed_queries = true }"), Some(AccessLog { signed_queries: true, ..default }));
    let (server, site) = (
        "[server]\nhttp = [\"127.0.0.1:80\"]\n",
        "[origin.o]\nfixed = {}\n[[site]]\nname = \"s\"\nhosts = [\"*\"]\norigin = \"o\"\n",
    );
    check(
        &format!(
            "{server}access_log = {{ fields = [\"sc-statsu\", \"time-taken\", \"cs(Authorization)\", \"time-taken\"], field = 1 }}\n{site}"
        ),
        expect![[r#"
            error: the access log has no field `sc-statsu`
             --> edge.toml:3:26
              |
            3 | access_log = { fields = ["sc-statsu", "time-taken", "cs(Authorization)", "time-taken"], field = 1 }
              |                          ^^^^^^^^^^^ did you mean `sc-status`? fields: `timestamp`, `x-edge-location`, `sc-bytes`, `cs-bytes`, `c-ip`, `c-port`, `cs-method`, `cs-uri-stem`, `cs-uri-query`, `sc-status`, `cs(Referer)`, `cs(User-Agent)`, `cs(Cookie)`, `x-edge-result-type`, `x-edge-response-result-type`, `x-edge-detailed-result-type`, `x-edge-request-id`, `x-host-header`, `site`, `cs-protocol`, `cs-protocol-version`, `time-taken`, `time-to-first-byte`, `x-forwarded-for`, `ssl-protocol`, `ssl-cipher`, `sc-content-type`, `sc-content-len`, `sc-range-start`, `sc-range-end`, `origin`, `origin-address`, `origin-connect`, `origin-fbl`, `origin-tries`, `origin-failovers`, `function-calls`, `function-time`

            error: the access log has no field `cs(Authorization)`
             --> edge.toml:3:53
              |
            3 | access_log = { fields = ["sc-statsu", "time-taken", "cs(Authorization)", "time-taken"], field = 1 }
              |                                                     ^^^^^^^^^^^^^^^^^^^ fields: `timestamp`, `x-edge-location`, `sc-bytes`, `cs-bytes`, `c-ip`, `c-port`, `cs-method`, `cs-uri-stem`, `cs-uri-query`, `sc-status`, `cs(Referer)`, `cs(User-Agent)`, `cs(Cookie)`, `x-edge-result-type`, `x-edge-response-result-type`, `x-edge-detailed-result-type`, `x-edge-request-id`, `x-host-header`, `site`, `cs-protocol`, `cs-protocol-version`, `time-taken`, `time-to-first-byte`, `x-forwarded-for`, `ssl-protocol`, `ssl-cipher`, `sc-content-type`, `sc-content-len`, `sc-range-start`, `sc-range-end`, `origin`, `origin-address`, `origin-connect`, `origin-fbl`, `origin-tries`, `origin-failovers`, `function-calls`, `function-time`

            error: `time-taken` is listed twice
             --> edge.toml:3:74
              |
            3 | access_log = { fields = ["sc-statsu", "time-taken", "cs(Authorization)", "time-taken"], field = 1 }
              |                                                                          ^^^^^^^^^^^^ list each field once

            error: unknown key `field` in [server.access_log]
             --> edge.toml:3:89
              |
            3 | access_log = { fields = ["sc-statsu", "time-taken", "cs(Authorization)", "time-taken"], field = 1 }
              |                                                                                         ^^^^^ did you mean `fields`? allowed here: `fields`, `signed_queries`
        "#]],
    );
    check(
        &format!("{server}access_log = {{ fields = [] }}\n{site}"),
        expect![[r#"
        error: `fields` is empty
         --> edge.toml:3:14
          |
        3 | access_log = { fields = [] }
          |              ^^^^^^^^^^^^^^^ name at least one, or say `access_log = false`
    "#]],
    );
}

#[test]
fn the_apis_over_tls_need_a_certificate_and_an_address_for_functions() {
    check(
        &with("").replace("[[site]]", "api_https = \"127.0.0.1:9443\"\n[[site]]"),
        expect![[r#"
        error: `api_https` needs a certificate
         --> edge.toml:1:1
          |
        1 | [server]
          | ^^^^^^^^ add [[server.certificate]] with `chain` and `key`

        error: `api_https` needs `api`
         --> edge.toml:1:1
          |
        1 | [server]
          | ^^^^^^^^ add an address that functions reach: `api = "127.0.0.1:9000"`
    "#]],
    );
}
