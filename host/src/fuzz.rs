//! I am the doors through which fuzz targets come: one for each kind of a stranger's bytes.
//!
//! Each takes bytes and panics when a promise is broken. `tests/fuzz` feeds them with what libFuzzer makes
//! up, and `tests::` with the seeds that are kept there, so that neither can rot. Not part of the crate's
//! API: I am only there with the feature `fuzzing`.

#[cfg(test)]
mod tests;

use std::path::Path;

use crate::config::{self, ConfigErrors};
use crate::{aws, edge, events, net, path, runtime, wasm};

/// The name of a target's binary and of its folder of seeds, and what runs one input.
pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: [Target; 18] = [
    ("hook-answer", edge::fuzz::hook_answer),
    ("edge-reply", wasm::fuzz::edge_reply),
    ("framing", net::fuzz::framing),
    ("config", config),
    ("component", wasm::fuzz::component),
    ("module", wasm::fuzz::module),
    ("differential", wasm::fuzz::differential),
    ("head", edge::fuzz::head),
    ("event", edge::fuzz::event),
    ("signed", edge::fuzz::signed),
    ("path", path::fuzz::path),
    ("sigv4", aws::fuzz::sigv4),
    ("policy", aws::fuzz::policy),
    ("lambda", aws::fuzz::lambda),
    ("log-filter", aws::fuzz::log_filter),
    ("event-pattern", events::fuzz::event_pattern),
    ("table-expression", aws::fuzz::table_expression),
    ("zip", runtime::fuzz::zip),
];

/// Runs one target on one input.
pub fn run(target: &str, data: &[u8]) {
    let found = TARGETS.iter().find(|(name, _)| *name == target);
    let (_, check) = found.unwrap_or_else(|| panic!("no fuzz target `{target}`"));
    check(data);
}

/// Before a target starts: writes what its seeds stand for into the folder that `EDGEWARD_FUZZ_CORPUS` names.
pub fn start(target: &str) {
    let Some(corpus) = std::env::var_os("EDGEWARD_FUZZ_CORPUS") else { return };
    let seeds = seeds(target).and_then(|seeds| {
        let written = seeds.into_iter().try_for_each(|(name, bytes)| std::fs::write(Path::new(&corpus).join(name), bytes));
        written.map_err(|error| error.to_string())
    });
    if let Err(error) = seeds {
        panic!("the seeds of {target}: {error}");
    }
}

/// Each seed of a target: its file's name and its bytes.
fn seeds(target: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/seeds").join(target);
    let mut seeds = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        let path = entry.map_err(|error| error.to_string())?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let file = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let bytes = seed(&name, &file)?;
        seeds.push((name, bytes));
    }
    Ok(seeds)
}

/// A configuration file. Relative paths lead nowhere.
fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match config::parse(text, Path::new("/nonexistent/edge.toml")) {
        Ok(config) => {
            for behavior in config.sites.iter().flat_map(|site| &site.behaviors) {
                let known = config.origins.contains_key(&behavior.origin) || config.origin_groups.contains_key(&behavior.origin);
                assert!(known, "origin {:?} is not declared", behavior.origin);
            }
        }
        Err(errors) => check_places(text, &errors),
    }
}

fn check_places(text: &str, errors: &ConfigErrors) {
    assert!(!errors.errors.is_empty() && !errors.to_string().is_empty());
    let lines: Vec<&str> = text.split('\n').collect();
    for error in &errors.errors {
        let Some(place) = error.place.as_ref().filter(|place| place.file == errors.file) else { continue };
        let line = place.line.checked_sub(1).and_then(|index| lines.get(index));
        let line = line.unwrap_or_else(|| panic!("line {} of {}", place.line, lines.len()));
        assert!((1..=line.chars().count() + 1).contains(&place.column), "column {} of {line:?}", place.column);
        assert!(!error.message.chars().any(char::is_control), "{:?}", error.message);
    }
}

/// The bytes that a seed's file stands for, by its name:
/// - `.wat`: WebAssembly text;
/// - `.http`: each LF is written CRLF on the wire;
/// - `.hex`: hexadecimal digits, `"text"` for its bytes, `s"text"` with their number (u32) before them, and
///   `#` for a comment up to the line's end;
/// - anything else: itself.
fn seed(name: &str, file: &[u8]) -> Result<Vec<u8>, String> {
    let text = || std::str::from_utf8(file).map_err(|error| format!("{name}: {error}"));
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("wat") => wat::parse_bytes(file).map(Into::into).map_err(|error| format!("{name}: {error}")),
        Some("http") => Ok(text()?.replace('\n', "\r\n").into_bytes()),
        Some("hex") => unhex(text()?).map_err(|error| format!("{name}: {error}")),
        _ => Ok(file.to_vec()),
    }
}

fn unhex(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for line in text.lines() {
        let mut rest = line.trim_start();
        while !rest.is_empty() && !rest.starts_with('#') {
            let counted = rest.strip_prefix("s\"");
            if let Some(quoted) = counted.or(rest.strip_prefix('"')) {
                let (string, after) = quoted.split_once('"').ok_or_else(|| format!("no end of {rest}"))?;
                if counted.is_some() {
                    let length = u32::try_from(string.len()).map_err(|error| error.to_string())?;
                    bytes.extend_from_slice(&length.to_le_bytes());
                }
                bytes.extend_from_slice(string.as_bytes());
                rest = after.trim_start();
            } else {
                let end = rest.find([' ', '"', '#']).unwrap_or(rest.len());
                bytes.extend(hex::decode(&rest[..end]).map_err(|error| format!("{error} in {rest}"))?);
                rest = rest[end..].trim_start();
            }
        }
    }
    Ok(bytes)
}
