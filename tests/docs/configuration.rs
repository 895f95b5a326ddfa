//! docs/configuration.md against the parser: what keys there are, and what numbers they take.
//!
//! The parser is asked through its door. A key that no table has is refused with the list of those that it
//! does have, and a number that is out of range with the range.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use edgeward::limits::{Limit, Profile, UNBOUNDED};

use crate::folder::{Folder, Ran};
use crate::root;

const SERVER: &str = "[server]\nhttp = [\"127.0.0.1:8080\"]\n";
const ORIGIN: &str = "[origin.app]\nfixed = {}\n";
const SITE: &str = "[[site]]\nname = \"s\"\nhosts = [\"*\"]\norigin = \"app\"\n";

/// Headings of the document, and a configuration with a place for a key of that table.
const TABLES: [(&str, &str); 32] = [
    ("Top level", "KEY\n"),
    ("[server]", "[server]\nhttp = [\"127.0.0.1:8080\"]\nKEY\n"),
    ("access_log", "[server]\nhttp = [\"127.0.0.1:8080\"]\naccess_log = { KEY }\n"),
    ("[[server.certificate]]", "[[server.certificate]]\nKEY\n"),
    ("[key_value_store.NAME]", "[key_value_store.k]\nKEY\n"),
    ("[function.NAME]", "[function.f]\nKEY\n"),
    ("[build.NAME]", "[build.rules]\nKEY\n"),
    ("policy", "[function.f]\npolicy = { reuse = { KEY } }\n"),
    ("limits", "[function.f]\nlimits = { KEY }\n"),
    ("url", "[origin.o]\nurl = \"http://a\"\nKEY\n"),
    ("folder", "[origin.o]\nfolder = \".\"\nKEY\n"),
    ("fixed", "[origin.o]\nfixed = { KEY }\n"),
    ("api", "[origin.o]\napi = { KEY }\n"),
    ("component", "[origin.o]\ncomponent = \"f\"\nKEY\n"),
    ("[origin_group.NAME]", "[origin_group.g]\nKEY\n"),
    ("[geo]", "[geo]\nKEY\n"),
    ("[tracing]", "[tracing]\nKEY\n"),
    ("[cache]", "[cache]\nKEY\n"),
    ("disk", "[cache.disk]\nfolder = \"c\"\nKEY\n"),
    ("[cache_policy.NAME]", "[cache_policy.p]\nKEY\n"),
    ("[origin_request_policy.NAME]", "[origin_request_policy.p]\nKEY\n"),
    ("[response_headers_policy.NAME]", "[response_headers_policy.p]\nKEY\n"),
    ("cors", "[response_headers_policy.p.cors]\nKEY\n"),
    ("[public_key.NAME]", "[public_key.k]\nKEY\n"),
    ("[key_group.NAME]", "[key_group.g]\nKEY\n"),
    ("[vpc.NAME]", "[vpc.main]\nKEY\n"),
    ("[[vpc.NAME.subnet]]", "[[vpc.main.subnet]]\nid = \"subnet-a\"\nKEY\n"),
    ("[[vpc.NAME.security_group]]", "[[vpc.main.security_group]]\nid = \"sg-a\"\nKEY\n"),
    (
        "[[vpc.NAME.security_group.egress]]",
        "[[vpc.main.security_group]]\nid = \"sg-a\"\n[[vpc.main.security_group.egress]]\nKEY\n",
    ),
    ("[[site]]", "[[site]]\nname = \"s\"\nhosts = [\"*\"]\norigin = \"app\"\nKEY\n"),
    ("[[site.behavior]]", "[[site]]\nname = \"s\"\nhosts = [\"*\"]\norigin = \"app\"\n[[site.behavior]]\nKEY\n"),
    ("[[site.error_page]]", "[[site]]\nname = \"s\"\nhosts = [\"*\"]\norigin = \"app\"\n[[site.error_page]]\nKEY\n"),
];

/// A part of a configuration, with what it lacks to be whole.
pub fn completed(part: &str) -> String {
    let parts = [
        ("[server]", SERVER),
        ("[origin.app]", ORIGIN),
        ("[[site]]", SITE),
        ("[function.rules]", "[function.rules]\ncomponent = \"hooks/edge-rules.wasm\"\n"),
        ("[function.auth]", "[function.auth]\ncomponent = \"hooks/auth-call.wasm\"\n"),
    ];
    let has = |head: &str| part.lines().any(|line| line.trim() == head);
    // Keys of the top level stand before every table.
    let lacking = parts.iter().filter(|(head, _)| !has(head)).map(|(_, text)| *text);
    part.to_owned() + &lacking.collect::<String>()
}

/// The rows of each table, by the heading above it: the cells of each row, the first without its backquotes.
fn documented() -> BTreeMap<String, Vec<Vec<String>>> {
    let text = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let mut tables: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    let mut heading = String::new();
    for line in text.lines() {
        if let Some(text) = line.strip_prefix('#') {
            text.trim_start_matches('#').trim().clone_into(&mut heading);
        } else if let Some(row) = line.strip_prefix("| `") {
            let mut cells: Vec<_> = row.trim_end_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
            cells[0] = cells[0].trim_end_matches('`').to_owned();
            tables.entry(heading.clone()).or_default().push(cells);
        }
    }
    tables
}

/// The errors that the parser has with a key in a place: message and remedy.
fn errors(folder: &Folder, template: &str, key: &str) -> Vec<(String, String)> {
    folder.write("edge.toml", &completed(&template.replace("KEY", key)));
    let Ran::Ended { output, .. } = folder.ran("edgeward check edge.toml --json") else { panic!("check goes on") };
    let json: serde_json::Value = serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}"));
    let text = |error: &serde_json::Value, key: &str| error[key].as_str().unwrap_or_default().to_owned();
    json["errors"].as_array().unwrap().iter().map(|error| (text(error, "message"), text(error, "remedy"))).collect()
}

fn known(folder: &Folder, template: &str) -> BTreeSet<String> {
    const STRANGER: &str = "zzzzzzzzzzzzzzzz";
    let errors = errors(folder, template, &format!("{STRANGER} = 1"));
    let (_, remedy) = errors.iter().find(|(message, _)| message.contains(STRANGER)).unwrap_or_else(|| panic!("{errors:?}"));
    let (_, list) = remedy.rsplit_once(": ").expect("a list of keys");
    assert!(!list.contains(" more"), "the list is cut: {list}");
    list.split(", ").map(|key| key.trim_matches('`').to_owned()).collect()
}

#[test]
fn every_key_is_documented_and_nothing_else() {
    let (folder, documented) = (Folder::new(), documented());
    let keys = |heading: &str| -> BTreeSet<String> {
        documented.get(heading).into_iter().flatten().map(|cells| cells[0].clone()).collect()
    };
    for (heading, template) in TABLES {
        let mut written = keys(heading);
        if heading == "[[site]]" {
            written.extend(keys("[[site.behavior]]").into_iter().filter(|key| key != "path"));
        }
        assert_eq!(written, known(&folder, template), "`{heading}` in docs/configuration.md, and what the parser knows");
    }
    let unchecked: Vec<_> = documented.keys().filter(|heading| TABLES.iter().all(|(known, _)| known != heading)).collect();
    assert!(unchecked.is_empty(), "no template for {unchecked:?}");
}

#[test]
fn numbers_have_the_documented_range() {
    let (folder, documented) = (Folder::new(), documented());
    let mut n = 0;
    for (heading, template) in TABLES {
        for cells in documented.get(heading).into_iter().flatten().filter(|cells| cells[1].starts_with("integer")) {
            let (key, allowed) = (&cells[0], &cells[3]);
            let errors = errors(&folder, template, &format!("{key} = -1"));
            let out_of_range = errors.iter().find(|(message, _)| *message == format!("`{key}` is out of range"));
            let Some((_, remedy)) = out_of_range else { panic!("`{key}` in `{heading}`: {errors:?}") };
            assert_eq!(*remedy, format!("{allowed} is allowed"), "`{key}` in `{heading}`");
            n += 1;
        }
    }
    assert!(n >= 10, "the numbers are where they were");
}

#[test]
fn limits_are_those_of_the_program() {
    let documented = documented();
    let written: Vec<_> = documented["limits"].iter().map(|cells| cells.join(" | ")).collect();
    let (viewer, worker) = (Profile::Viewer, Profile::Worker);
    let actual = Limit::ALL.map(|limit| {
        let numbers = [limit.default(viewer), limit.maximum(viewer), limit.default(worker), limit.maximum(worker)];
        format!("{} | {} | {}", limit.name(), limit.unit(), numbers.map(bound).join(" | "))
    });
    assert_eq!(written, actual);
}

fn bound(number: u64) -> String {
    if number == UNBOUNDED { "none".to_owned() } else { number.to_string() }
}
