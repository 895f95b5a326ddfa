//! Within a room, files name each other in one direction: no circle of files.
//!
//! A file depends on another of its room when its code has a path that leads there: by `crate::room::`, `super::`, `self::`,
//! or the name of a module that it declares. `mod name;` alone is no dependency, and neither is `pub use`: a parent that
//! hands a name on uses nothing of it. Whoever names what is handed on depends on the file that it comes from, not on the
//! parent. Tests are not looked at. Methods are called without a path, so a call alone is not seen; the type that has the
//! method is named somewhere.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, sources};

/// Files that are in a circle, with the reason. The list is exact: an entry that is no longer needed fails, too.
const KNOWN: [(&str, &[&str], &str); 5] = [
    ("admin", &["admin.rs", "admin/functions.rs"], "the functions page uses the state that its parent defines"),
    (
        "cli",
        &["cli/bench.rs", "cli/bench/languages.rs", "cli/cache.rs", "cli/cache/nodes.rs"],
        "what is below a command uses the arguments that its parent defines",
    ),
    (
        "config",
        &[
            "config/files.rs",
            "config/include.rs",
            "config/reader.rs",
            "config/report.rs",
            "config/sources.rs",
            "config/values.rs",
        ],
        "files, the values in them and the report of what is wrong with them name each other",
    ),
    (
        "host",
        &["host.rs", "host/api.rs", "host/handover.rs", "host/reload.rs", "host/sockets.rs", "host/worker.rs"],
        "the parts of a host use the types that their parent defines",
    ),
    (
        "telemetry",
        &["telemetry/trace.rs", "telemetry/trace/export.rs", "telemetry/trace/otlp.rs"],
        "a trace, its format and its export know each other",
    ),
];

/// Folders (or files of that name) of `edge` that must not name others.
const EDGE_WALLS: [(&str, &[&str]); 4] = [
    ("request", &["site", "hook", "origin", "trip", "exchange", "caching", "response", "node"]),
    ("site", &["trip", "exchange", "caching", "response", "node"]),
    ("hook", &["site", "trip", "exchange", "caching", "response", "node"]),
    ("body", &["site", "hook", "trip", "exchange", "caching", "response", "node"]),
];

type Path = Vec<String>;

/// One room's files, by their paths as modules.
struct Modules<'a> {
    files: BTreeMap<Path, Module<'a>>,
}

struct Module<'a> {
    source: &'a Source,
    /// Without tests.
    code: String,
    children: BTreeSet<String>,
    /// What `pub use` hands on, by its name here.
    reexports: BTreeMap<String, Path>,
}

impl<'a> Modules<'a> {
    fn new(sources: &'a [Source], room: &str) -> Modules<'a> {
        let mut modules = Modules { files: BTreeMap::new() };
        for source in sources.iter().filter(|source| source.room == room && !source.is_test()) {
            let code = source.code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
            let path = source.path.trim_start_matches("host/src/").trim_end_matches(".rs");
            let path: Path = path.split('/').map(str::to_owned).collect();
            let module = Module { source, children: declared(&code), reexports: BTreeMap::new(), code };
            modules.files.insert(path, module);
        }
        let paths: Vec<Path> = modules.files.keys().cloned().collect();
        for path in paths {
            let statements = reexports(&modules.files[&path].code);
            let found = statements.iter().flat_map(|statement| modules.paths_in(statement, &path));
            let found = found.filter_map(|(target, name)| Some((name.or_else(|| target.last().cloned())?, target))).collect();
            modules.files.get_mut(&path).unwrap().reexports = found;
        }
        modules
    }

    /// Which files of the room each file names.
    fn graph(&self) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
        let edges = self.files.iter().map(|(path, module)| {
            let mut code = module.code.clone();
            for statement in reexports(&module.code) {
                code = code.replace(&statement, "");
            }
            let named = self.paths_in(&code, path).into_iter().filter_map(|(target, _)| self.file(&target, 0));
            (module.source.path.as_str(), named.filter(|file| *file != module.source.path).collect())
        });
        edges.collect()
    }

    /// The file in which a path ends, re-exports followed.
    fn file(&self, path: &[String], followed: u8) -> Option<&'a str> {
        let deepest = (1..=path.len()).rev().find(|&end| self.files.contains_key(&path[..end]))?;
        let module = &self.files[&path[..deepest]];
        let through = path.get(deepest).and_then(|name| module.reexports.get(name)).filter(|_| followed < 8);
        through.and_then(|target| self.file(target, followed + 1)).or(Some(module.source.path.as_str()))
    }

    /// All paths in `code` that lead into the room, from the crate on, each with the name that `as` gives it.
    fn paths_in(&self, code: &str, module: &Path) -> Vec<(Path, Option<String>)> {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let mut paths = Vec::new();
        let mut at = 0;
        while let Some(found) = code[at..].find(is_word) {
            at += found;
            let rest = &code[at..];
            let word = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
            let begins = !code[..at].ends_with("::") && rest[word.len()..].starts_with("::");
            let base = match word {
                "crate" => Some(Path::new()),
                "self" => Some(module.clone()),
                "super" => Some(module[..module.len() - 1].to_vec()),
                child if self.files[module].children.contains(child) => Some([&module[..], &[child.to_owned()]].concat()),
                _ => None,
            };
            at += word.len();
            if let (true, Some(base)) = (begins, base) {
                expand(&code[at + 2..], &base, &mut paths);
            }
        }
        paths.retain(|(path, _)| path.first() == module.first());
        paths
    }
}

/// Reads a path, or a tree of them, behind a `::`. Returns how long its text is.
fn expand(text: &str, base: &[String], into: &mut Vec<(Path, Option<String>)>) -> usize {
    let indent = text.len() - text.trim_start().len();
    let text = &text[indent..];
    if let Some(list) = text.strip_prefix('{') {
        let mut at = 0;
        while !list[at..].trim_start().starts_with('}') && at < list.len() {
            at += expand(&list[at..], base, into);
            at += list[at..].find([',', '}']).unwrap_or(list.len() - at);
            if list[at..].starts_with(',') {
                at += 1;
            }
        }
        at += list[at..].find('}').map_or(0, |end| end + 1);
        return indent + 1 + at;
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let mut path = base.to_vec();
    match &text[..end] {
        "" | "self" => {}
        "super" => drop(path.pop()),
        word => path.push(word.to_owned()),
    }
    if text[end..].starts_with("::") && !text[end + 2..].starts_with('<') {
        return indent + end + 2 + expand(&text[end + 2..], &path, into);
    }
    let name =
        text[end..].strip_prefix(" as ").map(|name| name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
    into.push((path, name));
    indent + end
}

/// The modules that a file declares in files of their own.
fn declared(code: &str) -> BTreeSet<String> {
    let lines = code.lines().filter_map(|line| line.trim().strip_suffix(';'));
    lines.filter_map(|line| line.rsplit_once("mod ").map(|(_, name)| name.to_owned())).collect()
}

fn reexports(code: &str) -> Vec<String> {
    let starts = code.match_indices("use ").filter(|(at, _)| {
        let line = code[..*at].rsplit('\n').next().unwrap_or_default();
        line.starts_with("pub")
    });
    starts.map(|(at, _)| code[at..].split_inclusive(';').next().unwrap_or_default().to_owned()).collect()
}

/// The files that reach themselves.
fn in_circles<'a>(graph: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let reaches = |from: &'a str, to: &'a str| {
        let mut seen = BTreeSet::new();
        let mut next: Vec<&str> = graph.get(from).into_iter().flatten().copied().collect();
        while let Some(file) = next.pop() {
            if file == to {
                return true;
            }
            if seen.insert(file) {
                next.extend(graph.get(file).into_iter().flatten().copied());
            }
        }
        false
    };
    graph.keys().copied().filter(|file| reaches(file, file)).collect()
}

#[test]
fn within_a_room_no_files_depend_on_each_other_in_a_circle() {
    let sources = sources();
    let rooms: BTreeSet<&str> = sources.iter().map(|source| source.room.as_str()).collect();
    let mut broken = Vec::new();
    for room in rooms {
        let graph = Modules::new(&sources, room).graph();
        let circle = in_circles(&graph);
        let known = KNOWN.iter().filter(|(of, ..)| *of == room).flat_map(|(_, files, _)| *files);
        let known: BTreeSet<String> = known.map(|file| format!("host/src/{file}")).collect();
        for file in circle.iter().filter(|file| !known.contains(**file)) {
            let names: Vec<_> = graph[file].iter().filter(|named| circle.contains(*named)).copied().collect();
            broken.push(format!("{file} is in a circle: it names {}", names.join(", ")));
        }
        for file in known.iter().filter(|file| !circle.contains(file.as_str())) {
            broken.push(format!("{file} is in no circle any more: take it off the list"));
        }
    }
    super::assert_none(&broken, "files of a room depend on each other in a circle");
}

#[test]
fn what_stands_low_in_the_edge_names_nothing_above_it() {
    let sources = sources();
    let graph = Modules::new(&sources, "edge").graph();
    let part = |file: &str| file.trim_start_matches("host/src/edge/").split(['/', '.']).next().unwrap().to_owned();
    let mut broken = Vec::new();
    for (file, named) in &graph {
        let walls = EDGE_WALLS.iter().find(|(of, _)| *of == part(file)).map_or(&[][..], |(_, walls)| walls);
        let through = named.iter().filter(|named| walls.contains(&part(named).as_str()));
        broken.extend(through.map(|named| format!("{file} names {named}")));
    }
    super::assert_none(&broken, "a wall within the edge is broken");
}

#[test]
fn paths_are_read_through_trees_and_reexports() {
    let mut paths = Vec::new();
    let text = "edge::{self, a::{b, super::c as d}, e::F};";
    expand(text, &[], &mut paths);
    let text: Vec<String> = paths.iter().map(|(path, _)| path.join("::")).collect();
    assert_eq!(text, ["edge", "edge::a::b", "edge::c", "edge::e::F"]);
    assert_eq!(paths[2].1.as_deref(), Some("d"));
    assert_eq!(reexports("use a;\npub use b::{\n  C,\n};\npub(crate) use d;"), ["use b::{\n  C,\n};", "use d;"]);
    let graph = BTreeMap::from([("a", BTreeSet::from(["b"])), ("b", BTreeSet::from(["c"])), ("c", BTreeSet::from(["b"]))]);
    assert_eq!(in_circles(&graph), BTreeSet::from(["b", "c"]));
}
