//! Where a place in the code that runs is in the code that was written, by the source map that a bundler has left.
//!
//! A map is looked for when a stack with the file in it is read for the first time, and never while all is well. It is in the file
//! or beside it: what `//# sourceMappingURL=` names, or else FILE.map. Of its mappings nothing is unpacked: they are read anew
//! for each place, up to its line.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use base64ct::{Base64, Encoding as _};
use serde::Deserialize;

/// Where a function's files are.
const ROOT: &str = "/var/task";
/// More of a file is not read for an error's sake.
const BYTES_AT_MOST: u64 = 16 << 20;
const TAIL_BYTES: u64 = 4 << 10;
const COMMENT: &[u8] = b"//# sourceMappingURL=";
const LAST_LINES: usize = 4;

thread_local! {
    /// By their files; `None` for those without one.
    static MAPS: RefCell<HashMap<String, Option<SourceMap>>> = RefCell::default();
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SourceMap {
    mappings: String,
    sources: Vec<Option<String>>,
    source_root: Option<String>,
    /// Of the file that the map was in, below `ROOT`.
    #[serde(skip)]
    folder: String,
}

/// The source's name, line and column of a place in a file; lines and columns begin at 1. Code that loads is read with what it
/// was wrapped in, so a column may be smaller.
pub(crate) fn position(file: &str, line: u32, column: i32) -> Option<(String, u32, u32)> {
    if !file.starts_with(ROOT) {
        return None;
    }
    MAPS.with_borrow_mut(|maps| {
        if !maps.contains_key(file) {
            maps.insert(file.to_owned(), SourceMap::of(file));
        }
        let map = maps.get(file)?.as_ref()?;
        let found = find(&map.mappings, line.checked_sub(1)?, i64::from(column.max(1)) - 1)?;
        Some((map.name(usize::try_from(found.source).ok()?)?, shown(found.line)?, shown(found.column)?))
    })
}

/// For a snapshot: what has been read so far is in no instance's memory.
pub(crate) fn forget() {
    MAPS.take();
}

fn shown(number: i64) -> Option<u32> {
    u32::try_from(number + 1).ok()
}

impl SourceMap {
    fn of(file: &str) -> Option<SourceMap> {
        let folder = Path::new(file).parent()?;
        let end = read(Path::new(file), TAIL_BYTES)?;
        // A map in the file is one long line.
        let whole = if end.trim_ascii_end().contains(&b'\n') { end } else { read(Path::new(file), BYTES_AT_MOST)? };
        // A bundler writes it last, but for a line or two.
        let comment = whole.rsplit(|byte| *byte == b'\n').take(LAST_LINES).find_map(|line| line.strip_prefix(COMMENT));
        let url = comment.and_then(|url| std::str::from_utf8(url).ok()).map(str::trim_ascii);
        let (json, folder) = match url {
            Some(url) if url.starts_with("data:") => (Base64::decode_vec(url.split_once("base64,")?.1).ok()?, folder.to_owned()),
            Some(url) => (read(&folder.join(url), BYTES_AT_MOST)?, folder.join(url).parent()?.to_owned()),
            None => (read(Path::new(&format!("{file}.map")), BYTES_AT_MOST)?, folder.to_owned()),
        };
        let map: SourceMap = serde_json::from_slice(&json).ok()?;
        let folder = folder.to_str()?.strip_prefix(ROOT)?.to_owned();
        Some(SourceMap { folder, ..map })
    }

    /// Below `ROOT` with its whole path. What was above it when the code was bundled has no place here, and is shown without the
    /// way up: `../src/index.ts` as `src/index.ts`.
    fn name(&self, source: usize) -> Option<String> {
        let source = self.sources.get(source)?.as_deref()?;
        let root = self.source_root.as_deref().unwrap_or_default();
        let source = if root.is_empty() { source.to_owned() } else { format!("{}/{source}", root.trim_end_matches('/')) };
        if source.starts_with('/') || source.contains("://") {
            return Some(source);
        }
        let mut is_above = false;
        let mut parts: Vec<&str> = Vec::new();
        for part in self.folder.split('/').chain(source.split('/')) {
            match part {
                "" | "." => {}
                ".." => is_above |= parts.pop().is_none(),
                part => parts.push(part),
            }
        }
        let path = parts.join("/");
        Some(if is_above { path } else { format!("{ROOT}/{path}") })
    }
}

/// The end of a file.
fn read(file: &Path, most: u64) -> Option<Vec<u8>> {
    let mut file = File::open(file).ok()?;
    let bytes = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(bytes.saturating_sub(most))).ok()?;
    let mut end = Vec::new();
    file.take(most).read_to_end(&mut end).ok()?;
    Some(end)
}

/// What is mapped, counted from 0.
#[derive(Clone, Copy, Default)]
struct Mapped {
    source: i64,
    line: i64,
    column: i64,
}

/// The last mapping of a line that does not begin after the column. Each number is told by its difference to the one before.
fn find(mappings: &str, line: u32, column: i64) -> Option<Mapped> {
    let mut now = Mapped::default();
    let mut found = None;
    for (number, segments) in (0u32..).zip(mappings.split(';')) {
        let mut begins = 0;
        for segment in segments.split(',').filter(|segment| !segment.is_empty()) {
            let mut differences = Differences(segment.bytes());
            begins += differences.next()?;
            let is_mapped = match (differences.next(), differences.next(), differences.next()) {
                (Some(source), Some(line), Some(column)) => {
                    now = Mapped { source: now.source + source, line: now.line + line, column: now.column + column };
                    true
                }
                _ => false,
            };
            if number == line && begins <= column {
                found = is_mapped.then_some(now);
            }
        }
        if number == line {
            return found;
        }
    }
    None
}

/// Base64 VLQ: five bits to a character, the lowest first, and of the first of them the lowest is the sign.
struct Differences<'a>(std::str::Bytes<'a>);

impl Iterator for Differences<'_> {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        let mut value = 0i64;
        for shift in (0..60).step_by(5) {
            let digit = match self.0.next()? {
                letter @ b'A'..=b'Z' => letter - b'A',
                letter @ b'a'..=b'z' => letter - b'a' + 26,
                digit @ b'0'..=b'9' => digit - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            value |= i64::from(digit & 31) << shift;
            if digit & 32 == 0 {
                return Some(if value & 1 == 0 { value >> 1 } else { -(value >> 1) });
            }
        }
        None
    }
}
