//! `include`, and values from the environment and from files.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use expect_test::{Expect, expect};
use tempfile::TempDir;

use super::{OriginKind, load, with};
use crate::config::{Config, ConfigErrors, Hidden, Loaded};

/// A folder with these files; the last is read.
fn read(files: &[(&str, &str)]) -> (TempDir, Result<Loaded, ConfigErrors>) {
    let folder = super::folder();
    std::fs::create_dir(folder.path().join("sites")).unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    let loaded = load(&folder.path().join(files.last().unwrap().0));
    (folder, loaded)
}

fn shown(folder: &TempDir, text: &str) -> String {
    let folder = folder.path().display().to_string();
    text.replace(&format!("{folder}/"), "").replace(&folder, "FOLDER") + "\n"
}

fn check(files: &[(&str, &str)], expected: Expect) {
    let (folder, loaded) = read(files);
    expected.assert_eq(&shown(&folder, &loaded.unwrap_err().to_string()));
}

fn good(files: &[(&str, &str)]) -> Config {
    read(files).1.unwrap_or_else(|errors| panic!("{errors}")).config
}

/// A main file with these first lines.
fn main(lines: &str) -> String {
    lines.to_owned() + &with("")
}

const BLOG: &str = "[[server.certificate]]\nchain = \"../chain.pem\"\nkey = \"../key.pem\"\n[origin.blog]\nfolder = \"../www\"\n[[site]]\nname = \"blog\"\nhosts = [\"blog.example.com\"]\norigin = \"blog\"\n";

#[test]
fn a_site_has_a_file_of_its_own() {
    let shop = "[origin.shop]\nurl = \"http://127.0.0.1:9000\"\n[[site]]\nname = \"shop\"\nhosts = [\"shop.example.com\"]\norigin = \"shop\"\n[[site.behavior]]\npath = \"/static/*\"\norigin = \"o\"\n";
    let files = [("sites/shop.toml", shop), ("sites/blog.toml", BLOG), ("edge.toml", &main("include = [\"sites/*.toml\"]\n"))];
    let (folder, loaded) = read(&files);
    let loaded = loaded.unwrap();
    let names: Vec<_> = loaded.config.sites.iter().map(|site| site.name.as_str()).collect();
    assert_eq!(names, ["www", "blog", "shop"]);
    // Paths are relative to the file that they stand in.
    let OriginKind::Folder { root, .. } = &loaded.config.origins["blog"].kind else { panic!("no folder") };
    assert_eq!(root.canonicalize().unwrap(), folder.path().join("www").canonicalize().unwrap());
    assert_eq!(loaded.config.server.certificates.len(), 1);
    assert_eq!(loaded.warnings, [""; 0]);
    for file in ["edge.toml", "sites/blog.toml", "sites/shop.toml", "sites/../chain.pem"] {
        assert!(loaded.files.files.contains_key(&folder.path().join(file)), "{file} is not watched");
    }

    // What comes and goes is noticed, and what does not concern us is not.
    let mut seen = loaded.files;
    assert!(seen.folders().contains(&folder.path().join("sites")));
    let new = folder.path().join("sites/new.toml");
    std::fs::write(folder.path().join("sites/new.toml~"), "").unwrap();
    assert!(seen.changed().is_empty());
    std::fs::write(&new, "").unwrap();
    assert_eq!(seen.changed(), [new.clone()].into());
    std::fs::remove_file(&new).unwrap();
    assert_eq!(seen.changed(), [new].into());
    assert!(seen.changed().is_empty());
}

#[test]
fn an_error_names_the_file_that_has_it() {
    let wrong = "[origin.o]\nurl = \"ftp://x\"\n[[site]]\nname = \"www\"\nhosts = [\"*\"]\norigin = \"nobody\"\nincluded = 1\n";
    check(
        &[("sites/a.toml", wrong), ("edge.toml", &main("include = [\"sites/*.toml\"]\nporst = 1\n"))],
        expect![[r#"
            error: unknown key `porst` in the file
             --> edge.toml:2:1
              |
            2 | porst = 1
              | ^^^^^ allowed here: `include`, `server`, `cache`, `geo`, `tracing`, `vpc`, `cache_policy`, `origin_request_policy`, `response_headers_policy`, `public_key`, `key_group`, `site`, `origin_group`, `origin`, `key_value_store`, `function`, `build`

            error: [origin.o] is declared twice
             --> sites/a.toml:1:9
              |
            1 | [origin.o]
              |         ^ it stands in edge.toml:9 already: take another name

            error: a second site `www`
             --> sites/a.toml:4:8
              |
            4 | name = "www"
              |        ^^^^^ each site has a name of its own; the first is at edge.toml:6

            error: host `*` is also a host of site `www`
             --> sites/a.toml:5:10
              |
            5 | hosts = ["*"]
              |          ^^^ a host belongs to one site

            error: unknown origin `nobody`
             --> sites/a.toml:6:10
              |
            6 | origin = "nobody"
              |          ^^^^^^^^ declared under [origin]: `o`

            error: unknown key `included` in [[site]]
             --> sites/a.toml:7:1
              |
            7 | included = 1
              | ^^^^^^^^ allowed here: `name`, `hosts`, `default_root_object`, `error_page`, `origin`, `viewer_protocol`, `websocket`, `websocket_idle_s`, `viewer_request`, `origin_request`, `origin_response`, `viewer_response`, `include_body`, `cache_policy`, `allowed_methods`, `origin_request_policy`, `response_headers_policy`, `viewer_headers`, `forwarded_headers`, `compress`, `trusted_key_groups`, `behavior`
        "#]],
    );
}

#[test]
fn what_cannot_be_read_is_told_for_every_file() {
    check(
        &[("sites/a.toml", "[origin.x\n"), ("sites/b.toml", "= 1\n"), ("edge.toml", &main("include = [\"sites/*\"]\n"))],
        expect![[r#"
            error: not TOML: unclosed table, expected `]`
             --> sites/a.toml:1:10
              |
            1 | [origin.x
              |          ^

            error: not TOML: unquoted keys cannot be empty, expected letters, numbers, `-`, `_`
             --> sites/b.toml:1:1
              |
            1 | = 1
              | ^
        "#]],
    );
}

#[test]
fn wrong_includes_are_told_in_their_places() {
    check(
        &[
            ("sites/nested.toml", "include = [\"x.toml\"]\n"),
            ("sites/server.toml", "[server]\nworkers = 2\n[cache]\n"),
            (
                "edge.toml",
                &main(
                    "include = [\"sites/*\", \"edge.toml\", \"missing.toml\", \"nowhere/*.toml\", 3, \"sites\", \"${NO_SUCH_VARIABLE}\"]\n",
                )
                .replace("[[site]]", "[cache]\n[[site]]"),
            ),
        ],
        expect![[r#"
            error: `edge.toml` includes the file itself
             --> edge.toml:1:23
              |
            1 | include = ["sites/*", "edge.toml", "missing.toml", "nowhere/*.toml", 3, "sites", "${NO_SUCH_VARIABLE}"]
              |                       ^^^^^^^^^^^ put what is included into a folder of its own

            error: cannot read `missing.toml`: no such file or folder
             --> edge.toml:1:36
              |
            1 | include = ["sites/*", "edge.toml", "missing.toml", "nowhere/*.toml", 3, "sites", "${NO_SUCH_VARIABLE}"]
              |                                    ^^^^^^^^^^^^^^

            error: cannot look for `nowhere/*.toml`: no such file or folder
             --> edge.toml:1:52
              |
            1 | include = ["sites/*", "edge.toml", "missing.toml", "nowhere/*.toml", 3, "sites", "${NO_SUCH_VARIABLE}"]
              |                                                    ^^^^^^^^^^^^^^^^ a folder that is there is expected

            error: `include` is an integer
             --> edge.toml:1:70
              |
            1 | include = ["sites/*", "edge.toml", "missing.toml", "nowhere/*.toml", 3, "sites", "${NO_SUCH_VARIABLE}"]
              |                                                                      ^ a string is expected

            error: cannot read `sites`: not a file
             --> edge.toml:1:73
              |
            1 | include = ["sites/*", "edge.toml", "missing.toml", "nowhere/*.toml", 3, "sites", "${NO_SUCH_VARIABLE}"]
              |                                                                         ^^^^^^^

            error: the environment variable `NO_SUCH_VARIABLE` is not set
             --> edge.toml:1:83
              |
            1 | include = ["sites/*", "edge.toml", "missing.toml", "nowhere/*.toml", 3, "sites", "${NO_SUCH_VARIABLE}"]
              |                                                                                   ^^^^^^^^^^^^^^^^^^^ set it, or give a default: `${NO_SUCH_VARIABLE:-…}`; a literal `${` is written `$${`

            error: an included file includes no others
             --> sites/nested.toml:1:1
              |
            1 | include = ["x.toml"]
              | ^^^^^^^ include it in the main file

            error: `workers` of [server] in an included file
             --> sites/server.toml:2:1
              |
            2 | workers = 2
              | ^^^^^^^ [server] belongs to the main file; only [[server.certificate]] may be here

            error: [cache] is declared twice
             --> sites/server.toml:3:2
              |
            3 | [cache]
              |  ^^^^^ it stands in edge.toml:4 already
        "#]],
    );
    check(
        &[("edge.toml", &main("include = \"sites/*.toml\"\n"))],
        expect![[r#"
        error: `include` is a string
         --> edge.toml:1:11
          |
        1 | include = "sites/*.toml"
          |           ^^^^^^^^^^^^^^ a list of paths, such as ["sites/*.toml"], is expected
    "#]],
    );
}

#[test]
fn an_include_pattern_without_files_is_a_warning() {
    let (folder, loaded) = read(&[("edge.toml", &main("include = [\"sites/*.toml\"]\n"))]);
    let warnings = loaded.unwrap().warnings;
    assert_eq!(shown(&folder, &warnings.join("\n")), "edge.toml:1: `sites/*.toml` leads to no file\n");
}

#[test]
fn a_file_that_is_included_twice_is_read_once() {
    let main = main("include = [\"sites/*.toml\", \"sites/blog.toml\"]\n");
    assert_eq!(good(&[("sites/blog.toml", BLOG), ("edge.toml", &main)]).sites.len(), 2);
}

/// Set by cargo for tests.
const SET: (&str, &str) = ("CARGO_PKG_NAME", env!("CARGO_PKG_NAME"));

#[test]
fn values_come_from_the_environment_and_from_files() {
    let config = with(
        "[function.f]\ncomponent = \"hook.wasm\"\n[function.f.environment]\nA = \"${CARGO_PKG_NAME}\"\nB = \"<${CARGO_PKG_NAME}|${NO_SUCH_VARIABLE:-default}>\"\n\
         C = \"$${CARGO_PKG_NAME} $ $$ $$${x} ${NO_SUCH_VARIABLE:-}\"\nD = \"Bearer ${file:token}\"\n\
         [origin.u]\nurl = \"http://${NO_SUCH_VARIABLE:-127.0.0.1}:9000\"\nheaders = { authorization = [\"${file:token}\", \"b\"] }\n\
         [[site.behavior]]\npath = \"/a\"\norigin_request = \"f\"\n",
    );
    let files = [("token", "s3cret \n\r\n"), ("edge.toml", &config)];
    let (folder, loaded) = read(&files);
    let loaded = loaded.unwrap();
    let environment = &loaded.config.functions["f"].environment;
    let expected = [("A", SET.1), ("B", "<edgeward|default>"), ("C", "${CARGO_PKG_NAME} $ $$ $${x} "), ("D", "Bearer s3cret ")];
    assert_eq!(***environment, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    let OriginKind::Url(origin) = &loaded.config.origins["u"].kind else { panic!("no URL") };
    assert_eq!(origin.host, "127.0.0.1");
    let header = |value: &str| ("authorization".to_owned(), value.to_owned());
    assert_eq!(origin.headers, Hidden(vec![header("s3cret "), header("b")]));
    assert!(loaded.files.files.contains_key(&folder.path().join("token")));
    // `read` lets everybody read it.
    assert!(loaded.warnings.iter().any(|warning| warning.contains("chmod o-r")), "{:?}", loaded.warnings);
    // No secret is shown by whoever shows the whole.
    let debug = format!("{:?}", loaded.config);
    assert!(!debug.contains("s3cret") && debug.contains("Hidden"), "{debug}");
}

#[test]
fn a_missing_value_is_reported_once() {
    let long = "x".repeat(65_537);
    check(
        &[
            ("empty", "\n"),
            ("long", &long),
            (
                "edge.toml",
                &with(
                    "[origin.u]\nurl = \"${NO_SUCH_VARIABLE}\"\nheaders = { a = \"${file:missing}\", b = \"x ${file:empty} ${file:long}\", c = \"${not a name}\", d = \"${open\", e = \"${}\" }\n",
                ),
            ),
        ],
        expect![[r#"
            error: the environment variable `NO_SUCH_VARIABLE` is not set
              --> edge.toml:10:8
               |
            10 | url = "${NO_SUCH_VARIABLE}"
               |        ^^^^^^^^^^^^^^^^^^^ set it, or give a default: `${NO_SUCH_VARIABLE:-…}`; a literal `${` is written `$${`

            error: cannot read a value from `missing`: no such file or folder
              --> edge.toml:11:18
               |
            11 | headers = { a = "${file:missing}", b = "x ${file:empty} ${file:long}", c = "${not a name}", d = "${open", e = "${}" }
               |                  ^^^^^^^^^^^^^^^ a file of 1 to 65536 bytes is expected; looked for missing

            error: cannot read a value from `empty`: it is empty
              --> edge.toml:11:43
               |
            11 | headers = { a = "${file:missing}", b = "x ${file:empty} ${file:long}", c = "${not a name}", d = "${open", e = "${}" }
               |                                           ^^^^^^^^^^^^^ a file of 1 to 65536 bytes is expected; looked for empty

            error: cannot read a value from `long`: it has more than 65536 bytes
              --> edge.toml:11:57
               |
            11 | headers = { a = "${file:missing}", b = "x ${file:empty} ${file:long}", c = "${not a name}", d = "${open", e = "${}" }
               |                                                         ^^^^^^^^^^^^ a file of 1 to 65536 bytes is expected; looked for long

            error: `${not a name}` names no value
              --> edge.toml:11:77
               |
            11 | headers = { a = "${file:missing}", b = "x ${file:empty} ${file:long}", c = "${not a name}", d = "${open", e = "${}" }
               |                                                                             ^^^^^^^^^^^^^ `${NAME}`, `${NAME:-default}` or `${file:PATH}`; a literal `${` is written `$${`

            error: `${` without `}`
              --> edge.toml:11:97
               |
            11 | headers = { a = "${file:missing}", b = "x ${file:empty} ${file:long}", c = "${not a name}", d = "${open", e = "${}" }
               |                                                                                                 ^^^^^^^^ `${NAME}`, `${NAME:-default}` or `${file:PATH}`; a literal `${` is written `$${`

            error: `${}` names no value
              --> edge.toml:11:112
               |
            11 | headers = { a = "${file:missing}", b = "x ${file:empty} ${file:long}", c = "${not a name}", d = "${open", e = "${}" }
               |                                                                                                                ^^^ `${NAME}`, `${NAME:-default}` or `${file:PATH}`; a literal `${` is written `$${`
        "#]],
    );
}

/// Every key with a text is given a secret that is wrong there; no message may show it.
#[test]
fn no_message_shows_what_came_from_a_file() {
    const SECRET: &str = "Top Secret%Value:99999/\u{1b}?";
    let text = r#"
[server]
http = ["${file:secret}", "127.0.0.1:1", "127.0.0.1:${file:port}", "127.0.0.1:${file:port}"]
admin = "${file:secret}"
admin_hosts = ["${file:secret}"]
admin_token_file = "${file:secret}"
data_dir = "d"
edge_location = "${file:secret}"
[[server.certificate]]
hosts = ["${file:secret}"]
chain = "${file:secret}"
key = "${file:secret}"
[key_value_store.k]
file = "${file:secret}"
[function.f]
component = "${file:secret}"
policy = "${file:secret}"
key_value_store = "${file:secret}"
network = ["${file:secret}", "a.${file:secret}:1"]
environment = { A = "${file:long}" }
[origin.o]
url = "${file:secret}"
host_header = "${file:secret}"
headers = { a = "${file:secret}" }
ca = "${file:secret}"
[origin.p]
folder = "${file:secret}"
index = "${file:secret}"
[origin.q]
component = "${file:secret}"
[origin.r]
fixed = { body_file = "${file:secret}" }
[origin_group.g]
primary = "${file:secret}"
secondary = "${file:secret}"
[geo]
city = "${file:secret}"
[tracing]
otlp_endpoint = "${file:secret}"
service_name = ""
[cache_policy.c]
mode = "${file:secret}"
query = "${file:secret}"
headers = ["${file:secret}"]
cookies = ["${file:secret}"]
[response_headers_policy.h]
set = { a = "${file:secret}" }
remove = ["${file:secret}"]
cors = { allow_origins = ["${file:secret}"], allow_methods = ["${file:secret}"], allow_headers = ["${file:secret}"] }
[public_key.a]
id = "${file:secret}"
file = "${file:secret}"
[key_group.a]
keys = ["${file:secret}"]
[[site]]
name = "${file:secret}"
hosts = ["${file:secret}", "${file:host}", "x${file:host}"]
origin = "${file:secret}"
default_root_object = "${file:secret}"
viewer_protocol = "${file:secret}"
allowed_methods = ["${file:secret}"]
viewer_request = "${file:secret}"
cache_policy = "${file:secret}"
origin_request_policy = "${file:secret}"
response_headers_policy = "${file:secret}"
trusted_key_groups = ["${file:secret}"]
viewer_headers = ["${file:secret}"]
[[site.behavior]]
path = "${file:secret}"
[[site.error_page]]
status = 404
path = "${file:secret}"
[[site]]
name = "b"
hosts = ["${file:host}"]
"#;
    let files =
        [("secret", SECRET), ("port", "7"), ("host", "Secret.Example"), ("long", &"Top Secret".repeat(500)), ("edge.toml", text)];
    let (_folder, loaded) = read(&files);
    let errors = loaded.unwrap_err();
    let told = errors.to_string();
    assert!(errors.errors.len() > 50, "{told}");
    let lower = told.to_lowercase();
    for part in ["top secret", "value:99", "99999", "secret%", "secret.example", "127.0.0.1:7", "\u{1b}"] {
        assert!(!lower.contains(part), "{part:?} is shown:\n{told}");
    }
    let json = serde_json::to_string(&errors).unwrap().to_lowercase();
    assert!(!json.contains("top secret") && !json.contains("secret.example"));
}

#[test]
fn a_prefix_without_a_meaning_is_warned_about() {
    let (folder, loaded) = read(&[("edge.toml", &with("[origin.u]\nurl = \"http://a\"\nheaders = { a = \"file:token\" }\n"))]);
    let warnings = shown(&folder, &loaded.unwrap().warnings.join("\n"));
    assert!(warnings.starts_with("edge.toml:11: a value that begins with `file:`"), "{warnings}");
}

#[test]
fn an_invalid_file_still_names_the_files_to_watch() {
    let (folder, loaded) = read(&[("sites/a.toml", "[origin.o\n"), ("edge.toml", &main("include = [\"sites/*.toml\"]\n"))]);
    let seen = loaded.unwrap_err().seen;
    assert!(
        seen.files.contains_key(&folder.path().join("sites/a.toml")) && seen.files.contains_key(&folder.path().join("edge.toml"))
    );
    assert!(load(Path::new("/nonexistent/edge.toml")).unwrap_err().seen.files.contains_key(Path::new("/nonexistent/edge.toml")));
}
