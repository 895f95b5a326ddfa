//! The walls between the rooms, and what every file owes its reader.

use std::path::{Path, PathBuf};

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut todo: Vec<PathBuf> = vec![root.clone()];
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            found.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    found
}

/// The files of a room that name another room.
fn naming(room: &str, other: &str) -> Vec<String> {
    let inside = |name: &str| name == format!("{room}.rs") || name.starts_with(&format!("{room}/"));
    sources()
        .into_iter()
        .filter(|(name, text)| inside(name) && text.contains(&format!("crate::{other}")))
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn rooms_do_not_know_what_they_must_not() {
    for (room, others) in [
        ("wasm", &["function", "edge", "host", "admin", "net", "cli"][..]),
        ("function", &["edge", "host", "admin", "cli"]),
        ("edge", &["host", "admin", "cli"]),
        ("config", &["wasm::engine", "function", "edge", "host"]),
        ("limits", &["wasm", "function", "edge", "config"]),
        ("net", &["edge", "function", "wasm"]),
        ("failure", &["edge", "function", "wasm"]),
    ] {
        for other in others {
            assert_eq!(naming(room, other), Vec::<String>::new(), "`{room}` names `{other}`");
        }
    }
}

#[test]
fn only_telemetry_names_prometheus() {
    let naming: Vec<_> = sources()
        .into_iter()
        .filter(|(name, text)| !name.starts_with("telemetry") && text.contains("prometheus::"))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(naming, Vec::<String>::new());
}

#[test]
fn unsafe_code_is_in_one_place() {
    let naming: Vec<_> =
        sources().into_iter().filter(|(_, text)| text.contains("allow(unsafe_code")).map(|(name, _)| name).collect();
    assert_eq!(naming, ["wasm/aot.rs"]);
}

#[test]
fn every_file_says_what_it_is_and_stays_small() {
    for (name, text) in sources() {
        if name == "main.rs" || name.ends_with("tests.rs") || name.contains("/tests/") {
            continue;
        }
        assert!(text.starts_with("//!"), "{name} does not say what it is");
        let lines = text.lines().count();
        assert!(lines <= 700, "{name} has {lines} lines: which second idea has moved in?");
    }
}
