//! `include`: further files of the configuration.
//!
//! I expand patterns into files and merge their tables. An included file cannot include others, so there are no
//! cycles. Each name is declared once across all files; of `[server]`, included files may contain certificates.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::files::{self, Files};
use super::reader;
use super::report::Report;
use super::sources::Sources;
use super::values::Substitution;
use crate::limits::config::{FILE_BYTES, INCLUDE_ENTRIES, INCLUDED_FILES};

/// A pattern, and the files that it matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    /// The folder that relative patterns start from.
    folder: PathBuf,
    pattern: String,
    found: BTreeSet<PathBuf>,
    looked_into: BTreeSet<PathBuf>,
}

impl Include {
    fn of(folder: &Path, pattern: &str) -> std::io::Result<Include> {
        let mut include = Include {
            folder: folder.to_owned(),
            pattern: pattern.to_owned(),
            found: BTreeSet::new(),
            looked_into: BTreeSet::new(),
        };
        include.look()?;
        Ok(include)
    }

    /// Returns files that were added or removed, and records the current ones.
    pub(super) fn changed(&mut self) -> Vec<PathBuf> {
        let before = self.found.clone();
        // The folder cannot be read now: keep the last result until it can.
        if self.look().is_err() {
            self.found.clone_from(&before);
        }
        before.symmetric_difference(&self.found).cloned().collect()
    }

    pub(super) fn is_of(&self, other: &Include) -> bool {
        self.folder == other.folder && self.pattern == other.pattern
    }

    /// The folders whose entries decide which files match.
    pub(super) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.looked_into.iter().map(PathBuf::as_path)
    }

    fn look(&mut self) -> std::io::Result<()> {
        let components: Vec<_> = Path::new(&self.pattern).components().collect();
        let (mut paths, mut entries) = (vec![self.folder.clone()], 0);
        let mut looked_into = BTreeSet::new();
        for (index, component) in components.iter().enumerate() {
            let last = index + 1 == components.len();
            let Component::Normal(name) = component else {
                paths.iter_mut().for_each(|path| path.push(component));
                continue;
            };
            let Some(wild) = name.to_str().filter(|name| is_wild(name)) else {
                paths.iter_mut().for_each(|path| path.push(name));
                continue;
            };
            let mut next = Vec::new();
            // The first folder is literal; others were matched, and may be files.
            let is_written = looked_into.is_empty();
            for folder in paths {
                looked_into.insert(folder.clone());
                match matching(&folder, wild, last, &mut entries) {
                    Ok(found) => next.extend(found),
                    Err(error) if !is_written && error.kind() == std::io::ErrorKind::NotADirectory => {}
                    Err(error) => return Err(error),
                }
            }
            paths = next;
        }
        self.looked_into = looked_into;
        self.found = paths.into_iter().collect();
        Ok(())
    }
}

fn is_wild(name: &str) -> bool {
    name.contains(['*', '?'])
}

/// The entries of a folder that match a name with wildcards.
fn matching(folder: &Path, wild: &str, files_only: bool, entries: &mut usize) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })? {
        *entries += 1;
        if *entries > INCLUDE_ENTRIES {
            return Err(std::io::Error::other(format!("more than {INCLUDE_ENTRIES} entries to look at")));
        }
        let name = entry?.file_name();
        let path = folder.join(&name);
        if name.to_str().is_some_and(|name| is_like(wild, name)) && (!files_only || path.is_file()) {
            found.push(path);
        }
    }
    Ok(found)
}

/// As in a shell: `*` matches any characters, `?` one; neither matches a leading dot.
fn is_like(wild: &str, name: &str) -> bool {
    if name.starts_with('.') && !wild.starts_with('.') {
        return false;
    }
    let (wild, name): (Vec<char>, Vec<char>) = (wild.chars().collect(), name.chars().collect());
    let (mut w, mut n) = (0, 0);
    // The last star, and the position in the name where its match ends.
    let mut star = None;
    while n < name.len() {
        match wild.get(w) {
            Some('*') => {
                star = Some((w, n));
                w += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => (w, n) = (w + 1, n + 1),
            _ => match star {
                Some((at, end)) => {
                    star = Some((at, end + 1));
                    (w, n) = (at + 1, end + 1);
                }
                None => return false,
            },
        }
    }
    wild[w..].iter().all(|c| *c == '*')
}

/// Path and text of the included files, in the order of the patterns; the files of one pattern in order of their names.
pub(super) fn find(main: &Sources, report: &Report<'_>, files: &mut Files<'_>) -> Vec<(PathBuf, String)> {
    let (mut root, errors) = DeTable::parse_recoverable(&main.main().text);
    // Syntax errors are reported later.
    let (true, Some((_, value))) = (errors.is_empty(), root.get_mut().remove_entry("include")) else { return Vec::new() };
    let DeValue::Array(patterns) = value.get_ref() else {
        reader::wrong_type(report, value.span(), "include", "a list of paths, such as [\"sites/*.toml\"],", value.get_ref());
        return Vec::new();
    };
    let mut found = IncludedFiles { texts: Vec::new(), taken: BTreeSet::new(), bytes_left: FILE_BYTES };
    let own = main.main().path.canonicalize().ok();
    for item in patterns {
        let mut item = item.clone();
        Substitution::new(report, files).value(&mut item, 0);
        let Some(pattern) = reader::text(report, "include", &item) else { continue };
        let wrong = |message: String, remedy: &str| report.error(item.span(), message, remedy);
        let written = pattern.get_ref().escape_debug();
        let include = match Include::of(main.main().folder(), pattern.get_ref()) {
            Ok(include) => include,
            Err(error) => {
                wrong(format!("cannot look for `{written}`: {}", files::reason(&error)), "a folder that is there is expected");
                continue;
            }
        };
        let paths = include.found.clone();
        files.seen.includes.push(include);
        if paths.is_empty() {
            files.warn(format!("{}: `{written}` leads to no file", main.location(&item.span())));
        }
        for path in paths {
            let canonical = path.canonicalize().unwrap_or_else(|_| path.clone());
            if own.as_ref() == Some(&canonical) {
                wrong(format!("`{written}` includes the file itself"), "put what is included into a folder of its own");
            } else if found.taken.insert(canonical)
                && let Err(message) = found.read(path, files)
            {
                wrong(message, "");
            }
            if found.taken.len() > INCLUDED_FILES {
                wrong("too many files are included".to_owned(), &format!("at most {INCLUDED_FILES}"));
                return found.texts;
            }
        }
    }
    found.texts
}

struct IncludedFiles {
    texts: Vec<(PathBuf, String)>,
    /// Two patterns may match one file.
    taken: BTreeSet<PathBuf>,
    bytes_left: u64,
}

impl IncludedFiles {
    fn read(&mut self, path: PathBuf, files: &mut Files<'_>) -> Result<(), String> {
        files.look(&path);
        let named = path.display().to_string().escape_debug().to_string();
        if std::fs::metadata(&path).is_ok_and(|metadata| metadata.is_file() && metadata.len() > self.bytes_left) {
            return Err(format!("`{named}` is too much: all included files together may have {FILE_BYTES} bytes"));
        }
        let bytes = files::read_bounded(&path, self.bytes_left)
            .map_err(|error| format!("cannot read `{named}`: {}", files::reason(&error)))?;
        self.bytes_left -= bytes.len() as u64;
        let text = String::from_utf8(bytes)
            .map_err(|error| format!("`{named}`: byte {} is not UTF-8", error.utf8_error().valid_up_to()))?;
        self.texts.push((path, text));
        Ok(())
    }
}

/// Merges the tables of an included file.
pub(super) fn merge<'a>(root: &mut DeTable<'a>, included: DeTable<'a>, report: &Report<'_>) {
    for (key, value) in included {
        let name = key.get_ref().clone();
        match (&*name, root.get_mut(&*name).map(Spanned::get_mut), value.get_ref()) {
            ("include", ..) => report.error(key.span(), "an included file includes no others", "include it in the main file"),
            ("server", server, DeValue::Table(_)) => merge_server(server, value, report),
            (_, Some(DeValue::Array(all)), DeValue::Array(_)) => {
                if let DeValue::Array(more) = value.into_inner() {
                    more.into_iter().for_each(|item| all.push(item));
                }
            }
            (once @ ("cache" | "geo" | "tracing"), Some(_), _) => {
                let first = root.get_key_value(once).map(|(key, _)| report.location(&key.span())).unwrap_or_default();
                report.error(key.span(), format!("[{once}] is declared twice"), format!("it stands in {first} already"));
            }
            (_, Some(DeValue::Table(all)), DeValue::Table(_)) => {
                if let DeValue::Table(more) = value.into_inner() {
                    merge_named(&name, all, more, report);
                }
            }
            (_, None, _) => drop(root.insert(key, value)),
            // One of them has a wrong type. The reader reports the one that is kept; this is the other one.
            (_, Some(kept), found) if kept.type_str() != found.type_str() => {
                reader::wrong_type(report, value.span(), &name, &format!("as before, a {}", kept.type_str()), value.get_ref());
            }
            (..) => report.error(key.span(), format!("`{}` is said twice", name.escape_debug()), "say it in one file"),
        }
    }
}

fn merge_named<'a>(kind: &str, all: &mut DeTable<'a>, more: DeTable<'a>, report: &Report<'_>) {
    for (name, value) in more {
        if let Some((first, _)) = all.get_key_value(&*name.get_ref().clone()) {
            let message = format!("[{}.{}] is declared twice", kind.escape_debug(), name.get_ref().escape_debug());
            report.error(
                name.span(),
                message,
                format!("it stands in {} already: take another name", report.location(&first.span())),
            );
        } else {
            all.insert(name, value);
        }
    }
}

/// A site's file may contain its certificate.
fn merge_server<'a>(server: Option<&mut DeValue<'a>>, value: Spanned<DeValue<'a>>, report: &Report<'_>) {
    let DeValue::Table(mut more) = value.into_inner() else { return };
    let certificates = more.remove("certificate");
    for (key, _) in &more {
        let message = format!("`{}` of [server] in an included file", key.get_ref().escape_debug());
        report.error(key.span(), message, "[server] belongs to the main file; only [[server.certificate]] may be here");
    }
    let (Some(DeValue::Table(server)), Some(certificates)) = (server, certificates) else { return };
    let span = certificates.span();
    match (server.get_mut("certificate").map(Spanned::get_mut), certificates.into_inner()) {
        (Some(DeValue::Array(all)), DeValue::Array(more)) => more.into_iter().for_each(|item| all.push(item)),
        (None, more) => drop(server.insert(Spanned::new(span.clone(), "certificate".into()), Spanned::new(span, more))),
        (Some(_), found) => reader::wrong_type(report, span, "certificate", "a list of tables, [[server.certificate]],", &found),
    }
}

#[cfg(test)]
mod tests {
    use super::is_like;

    #[test]
    fn wildcards_are_a_shell_s() {
        for (wild, name, expected) in [
            ("*.toml", "a.toml", true),
            ("*.toml", ".toml", false),
            ("*.toml", "a.toml~", false),
            ("*", ".hidden", false),
            (".*", ".hidden", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "abab", true),
            ("*a*b", "aba", false),
            ("é?", "éè", true),
            ("**", "", true),
        ] {
            assert_eq!(is_like(wild, name), expected, "{wild} {name}");
        }
    }
}
