//! The laws of `docs/architecture.md`, checked on the source: who may name whom, and what no file may have.
//!
//! Each law is an absence. I read text, not syntax: comments and strings are cut away first, and what a
//! file names by `crate::`, `super::` or `use` is what it depends on. Tests inside the source are held to
//! the same walls, except that they may be long.

#[path = "tidy/circles.rs"]
mod circles;
#[path = "tidy/numbers.rs"]
mod numbers;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of one file, tests not counted.
const LINES_MAX: usize = 700;

/// The one file that may load machine code, and so say `unsafe`.
const UNSAFE_ALLOWED: [&str; 1] = ["host/src/wasm/aot.rs"];

/// What a room must not name.
const WALLS: [(&str, &[&str]); 23] = [
    ("wasm", &["function", "edge", "host", "admin", "cli", "net", "config", "cache", "runtime", "aws", "events", "store"]),
    ("function", &["edge", "host", "admin", "cli", "net", "cache", "config", "aws", "events"]),
    ("edge", &["host", "admin", "cli", "aws", "events", "store", "runtime"]),
    ("runtime", &["function", "edge", "host", "admin", "cli", "net", "cache", "config", "aws", "events", "store"]),
    ("aws", &["edge", "cache", "net", "host", "admin", "cli"]),
    ("sam", &["wasm", "function", "edge", "host", "admin", "cli", "net", "config", "cache", "runtime", "aws", "events", "store"]),
    (
        "advice",
        &[
            "wasm", "function", "edge", "host", "admin", "cli", "net", "config", "cache", "runtime", "aws", "events", "store",
            "sam",
        ],
    ),
    (
        "payload",
        &["wasm", "function", "edge", "host", "admin", "cli", "net", "config", "cache", "runtime", "aws", "store", "telemetry"],
    ),
    ("events", &["edge", "cache", "net", "wasm", "aws", "host", "admin", "cli"]),
    ("store", &["edge", "cache", "net", "wasm", "function", "runtime", "aws", "events", "host", "admin", "cli", "config"]),
    ("cache", &["wasm", "edge", "function", "config", "host", "admin", "cli"]),
    ("net", &["edge", "function", "wasm", "host", "admin", "cli", "cache"]),
    ("config", &["wasm", "function", "edge", "net", "host", "admin", "cli", "telemetry"]),
    ("telemetry", &["wasm", "function", "edge", "net", "host", "admin", "cli", "config", "cache"]),
    ("network", &["wasm", "function", "edge", "net", "host", "admin", "cli", "config", "telemetry", "cache"]),
    ("fields", &["wasm", "function", "edge", "net", "host", "admin", "cli", "config", "telemetry", "failure", "cache", "limits"]),
    (
        "language",
        &["wasm", "function", "runtime", "edge", "net", "host", "admin", "cli", "config", "telemetry", "failure", "cache"],
    ),
    ("limits", &["wasm", "function", "edge", "net", "host", "admin", "cli", "config", "telemetry", "failure", "cache"]),
    ("path", &["wasm", "function", "edge", "net", "host", "admin", "cli", "config", "telemetry", "failure", "cache", "measure"]),
    ("failure", &["wasm", "function", "edge", "net", "host", "admin", "cli", "config", "telemetry", "cache"]),
    ("host", &["cli"]),
    ("admin", &["cli", "edge", "wasm", "net"]),
    ("measure", &["cli", "edge", "net", "host", "admin", "cache"]),
];

/// Rooms that are not there yet, and whose walls are. One that has been built is taken from this list.
const ROOMS_TO_COME: [&str; 0] = [];

/// Crates that only some rooms may name.
const ONLY: [(&str, &[&str]); 16] = [
    ("redb", &["store"]),
    ("async_nats", &["events", "store"]),
    ("prometheus", &["telemetry"]),
    ("saphyr_parser", &["sam"]),
    ("wasmtime", &["wasm", "measure"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("axum", &["admin"]),
    ("toml", &["config"]),
    ("notify", &["host", "cli"]),
    ("socket2", &["net"]),
    ("flate2", &["edge"]),
    ("brotli", &["edge"]),
    ("zstd", &["edge"]),
    ("percent_encoding", &["percent", "aws"]),
];

/// Names that several types have, and why: the module in front tells them apart, and no other name would be as plain.
const SHARED_NAMES: [(&str, &str); 9] = [
    ("AccessLog", CONFIGURED),
    ("Args", "the arguments of one command, always written with its module: `serve::Args`"),
    ("Behavior", CONFIGURED),
    ("Cache", CONFIGURED),
    ("Function", CONFIGURED),
    ("Instance", "what each of the two pools keeps; nobody has both"),
    ("KeyValues", CONFIGURED),
    ("Origin", CONFIGURED),
    ("Site", CONFIGURED),
];

const CONFIGURED: &str = "what the configuration says of it, always written with its module, and what is made of that";

struct Source {
    /// From the root of the repository.
    path: String,
    /// The first part of the path below `host/src`: `edge` for `edge.rs` and `edge/site.rs`.
    room: String,
    text: String,
    /// The text without comments and strings.
    code: String,
}

impl Source {
    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// The rooms that this file names.
    fn names(&self, rooms: &BTreeSet<String>) -> BTreeSet<String> {
        let depth = self.path.matches('/').count() - "host/src".matches('/').count();
        let mut named = BTreeSet::new();
        for path in paths_after(&self.code, "crate::") {
            named.extend(path);
        }
        // `super::` leads out of the room from its own file only: rooms are one level below the crate.
        if depth == 1 {
            for path in paths_after(&self.code, "super::") {
                named.extend(path);
            }
        }
        named.retain(|name| rooms.contains(name) && *name != self.room);
        named
    }

    /// Whether the code names a crate, as in `name::` or `use name`.
    fn names_crate(&self, name: &str) -> bool {
        self.code.match_indices(name).any(|(at, _)| {
            let before = self.code[..at].chars().next_back();
            let after = &self.code[at + name.len()..];
            let whole = !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '.');
            whole && (after.starts_with("::") || (self.code[..at].ends_with("use ") && after.starts_with(';')))
        })
    }
}

/// The types that a file declares at its top level. What stands in functions, macros and tests is nobody's vocabulary.
fn types_of(source: &Source) -> impl Iterator<Item = String> {
    // Tests that are a file of their own are told by their path; `mod tests;` may stand anywhere.
    let code = source.code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().filter_map(|line| {
        let line = match line.strip_prefix("pub") {
            Some(rest) => rest.split_once(' ')?.1,
            None => line,
        };
        let (kind, rest) = line.split_once(' ')?;
        let name = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        ["struct", "enum", "trait", "type"].contains(&kind).then_some(name)
    })
}

/// The first names behind each `prefix`: one for `crate::edge::x`, several for `crate::{edge::x, net}`.
fn paths_after(code: &str, prefix: &str) -> Vec<Vec<String>> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    code.match_indices(prefix)
        .map(|(at, _)| {
            let rest = &code[at + prefix.len()..];
            let Some(list) = rest.strip_prefix('{') else { return vec![word(rest)] };
            let mut depth = 0;
            let mut names = vec![word(list.trim_start())];
            for (at, c) in list.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => names.push(word(list[at + 1..].trim_start())),
                    _ => {}
                }
            }
            names
        })
        .collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn files(folder: &Path, extension: &str, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                files(&path, extension, into);
            }
        } else if path.extension().is_some_and(|found| found == extension) {
            into.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let root = root();
    let mut paths = Vec::new();
    files(&root.join("host/src"), "rs", &mut paths);
    paths.sort();
    assert!(paths.len() > 10, "the source is where it was");
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            let room = path.strip_prefix("host/src/").unwrap().split(['/', '.']).next().unwrap().to_owned();
            let code = without_comments_and_strings(&text);
            Source { path, room, text, code }
        })
        .collect()
}

fn rooms(sources: &[Source]) -> BTreeSet<String> {
    sources.iter().map(|source| source.room.clone()).filter(|room| room != "lib" && room != "main").collect()
}

/// Good enough for this repository: line comments, block comments, strings, raw strings, characters.
fn without_comments_and_strings(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let end = if rest.starts_with(b"//") {
            rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len())
        } else if rest.starts_with(b"/*") {
            find(rest, b"*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(end) = raw_string(rest, code.last().copied()) {
            end
        } else if rest[0] == b'"' {
            string_end(rest)
        } else if rest.starts_with(b"'\"'") || rest.starts_with(b"'\\\"'") {
            find(&rest[1..], b"'").map_or(1, |end| end + 2)
        } else {
            code.push(rest[0]);
            at += 1;
            continue;
        };
        code.extend(rest[..end].iter().filter(|&&byte| byte == b'\n'));
        at += end;
    }
    String::from_utf8(code).expect("cut at ASCII characters")
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn raw_string(rest: &[u8], before: Option<u8>) -> Option<usize> {
    if before.is_some_and(|byte| byte.is_ascii_alphanumeric() && byte != b'b' || byte == b'_') || rest[0] != b'r' {
        return None;
    }
    let hashes = rest[1..].iter().take_while(|&&byte| byte == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return None;
    }
    let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    find(&rest[2 + hashes..], &close).map(|end| 2 + hashes + end + close.len())
}

fn string_end(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

#[track_caller]
fn assert_none(broken: &[String], law: &str) {
    assert!(broken.is_empty(), "{law}:\n{}", broken.join("\n"));
}

#[test]
fn no_room_names_one_that_it_must_not_know() {
    let sources = sources();
    let rooms = rooms(&sources);
    let mut broken = Vec::new();
    for source in &sources {
        let walls = WALLS.iter().find(|(room, _)| *room == source.room).map_or(&[][..], |(_, walls)| walls);
        for named in source.names(&rooms) {
            if walls.contains(&named.as_str()) && !source.is_test() {
                broken.push(format!("{} names `{named}`", source.path));
            }
        }
    }
    assert_none(&broken, "a wall of docs/architecture.md is broken");
}

/// A wall against a room that is misspelt, or was renamed, keeps nobody out.
#[test]
fn walls_stand_before_rooms_that_are_there_or_to_come() {
    let rooms = rooms(&sources());
    let walled = WALLS.iter().flat_map(|(room, walls)| walls.iter().chain([room]));
    let owners = ONLY.iter().flat_map(|(_, rooms)| rooms.iter());
    let unknown = |name: &&&str| !rooms.contains(**name) && !ROOMS_TO_COME.contains(*name);
    let unknown: BTreeSet<&str> = walled.chain(owners).filter(unknown).copied().collect();
    assert!(unknown.is_empty(), "these are no rooms: {unknown:?}");
    let built: Vec<_> = ROOMS_TO_COME.iter().filter(|room| rooms.contains(**room)).collect();
    assert!(built.is_empty(), "these rooms are there, and no longer to come: {built:?}");
}

#[test]
fn a_room_to_come_is_seen_where_it_is_named() {
    let mut rooms = rooms(&sources());
    rooms.extend(ROOMS_TO_COME.map(str::to_owned));
    let code = "use crate::aws::lambda;\nuse crate::{store, edge::Edge};".to_owned();
    let source = Source { path: "host/src/edge/x.rs".to_owned(), room: "edge".to_owned(), text: String::new(), code };
    assert_eq!(source.names(&rooms), ["aws", "store"].map(str::to_owned).into());
}

#[test]
fn rooms_depend_on_each_other_in_one_direction() {
    let sources = sources();
    let rooms = rooms(&sources);
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources.iter().filter(|source| !source.is_test() && rooms.contains(&source.room)) {
        graph.entry(source.room.clone()).or_default().extend(source.names(&rooms));
    }
    // Take away what depends on nothing that is left; what stays is a cycle.
    while let Some(free) = graph.iter().find(|(_, names)| names.iter().all(|name| !graph.contains_key(name))) {
        let free = free.0.clone();
        graph.remove(&free);
    }
    let mut cycle = String::new();
    for (room, names) in &graph {
        let names: Vec<_> = names.iter().filter(|name| graph.contains_key(*name)).cloned().collect();
        let _ = writeln!(cycle, "{room} names {}", names.join(", "));
    }
    assert!(cycle.is_empty(), "these rooms depend on each other in a circle:\n{cycle}");
}

#[test]
fn some_crates_are_named_in_one_room_only() {
    let mut broken = Vec::new();
    for source in sources() {
        for (name, allowed) in ONLY {
            if source.names_crate(name) && !allowed.contains(&source.room.as_str()) {
                broken.push(format!("{} names the crate `{name}`, which belongs to {}", source.path, allowed.join(", ")));
            }
        }
    }
    assert_none(&broken, "a crate is named outside of its room");
}

#[test]
fn every_file_says_what_it_is() {
    let broken: Vec<String> = sources()
        .iter()
        .filter(|source| source.path != "host/src/main.rs" && !source.text.starts_with("//! "))
        .map(|source| source.path.clone())
        .collect();
    assert_none(&broken, "these files do not begin with `//!`");
}

#[test]
fn no_file_is_too_long_to_be_held_in_the_head() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        let lines = source.text.lines().take_while(|line| line.trim() != "#[cfg(test)]").count();
        if lines > LINES_MAX {
            broken.push(format!("{} has {lines} lines", source.path));
        }
    }
    assert_none(&broken, "ask which second idea has moved in");
}

#[test]
fn only_the_loading_of_aot_files_is_unsafe() {
    let mut broken = Vec::new();
    for source in sources() {
        let says = source.code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe");
        if says && !UNSAFE_ALLOWED.contains(&source.path.as_str()) {
            broken.push(source.path);
        }
    }
    assert_none(&broken, "`unsafe` outside of the one file that may");
}

#[test]
fn there_is_no_mod_rs_and_no_silent_debt() {
    let mut broken = Vec::new();
    for source in sources() {
        if source.path.ends_with("/mod.rs") {
            broken.push(format!("{}: foo.rs and foo/bar.rs, no mod.rs", source.path));
        }
        for debt in ["todo!(", "unimplemented!(", "dbg!("] {
            if source.code.contains(debt) {
                broken.push(format!("{} has {debt}…)", source.path));
            }
        }
    }
    assert_none(&broken, "unfinished");
}

#[test]
fn statuses_for_failures_are_chosen_in_one_place_of_each_plane() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        let code = source.code.split("#[cfg(test)]").next().unwrap_or_default();
        let chooses = ["BAD_GATEWAY", "GATEWAY_TIMEOUT"].iter().any(|status| code.contains(status));
        let chooser = ["host/src/edge/response/rejection.rs", "host/src/aws/error.rs"].contains(&source.path.as_str());
        if chooses && !chooser {
            broken.push(source.path.clone());
        }
    }
    assert_none(&broken, "edge::response::rejection and aws::error choose the statuses for failures");
}

#[test]
fn a_type_has_a_name_of_its_own() {
    let mut homes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources().iter().filter(|source| !source.is_test() && !source.path.contains("/fuzz")) {
        for name in types_of(source) {
            homes.entry(name).or_default().insert(source.path.clone());
        }
    }
    assert!(homes.len() > 300, "the types are where they were");
    homes.retain(|_, paths| paths.len() > 1);
    let is_shared = |name: &str| SHARED_NAMES.iter().any(|(shared, _)| *shared == name);
    let mut broken: Vec<String> = homes
        .iter()
        .filter(|(name, _)| !is_shared(name))
        .map(|(name, paths)| format!("`{name}` is declared in {}", Vec::from_iter(paths.iter().map(String::as_str)).join(", ")))
        .collect();
    let stale = SHARED_NAMES.iter().filter(|(name, _)| !homes.contains_key(*name));
    broken.extend(stale.map(|(name, _)| format!("`{name}` is declared once: take it off the list")));
    assert_none(&broken, "one concept, one noun; a name for two types needs a reason in SHARED_NAMES");
    const { assert!(SHARED_NAMES.len() < 10, "fewer than ten") };
}
