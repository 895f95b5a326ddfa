//! `${NAME}`, `${NAME:-default}` and `${file:PATH}` in the strings of a configuration.
//!
//! Values of the environment and of files may be secrets: messages show the unexpanded text. Keys, numbers and table
//! names are not expanded.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::files::{self, Files};
use super::report::Report;
use crate::limits::config::{INSERTED_BYTES, INSERTED_VALUES, VALUE_FILE_BYTES};

const FORMS: &str = "`${NAME}`, `${NAME:-default}` or `${file:PATH}`; a literal `${` is written `$${`";

pub(super) struct Substitution<'f, 'a> {
    report: &'f Report<'f>,
    files: &'f mut Files<'a>,
    /// The contents of files, or why they could not be read.
    contents: BTreeMap<PathBuf, Result<String, String>>,
    inserted: usize,
    inserted_bytes: usize,
}

/// A part of a string.
enum ValuePart<'t> {
    Literal(&'t str),
    /// The text between `${` and `}`.
    Value(&'t str),
    Unclosed,
}

impl<'f, 'a> Substitution<'f, 'a> {
    pub(super) fn new(report: &'f Report<'f>, files: &'f mut Files<'a>) -> Substitution<'f, 'a> {
        Substitution { report, files, contents: BTreeMap::new(), inserted: 0, inserted_bytes: 0 }
    }

    /// Expands the values of a file's table, and shifts its spans by `start`, the file's offset among all files.
    pub(super) fn table<'i>(&mut self, table: DeTable<'i>, start: usize) -> DeTable<'i> {
        let entries = table.into_iter().map(|(key, mut value)| {
            self.value(&mut value, start);
            (Spanned::new(moved(&key.span(), start), key.into_inner()), value)
        });
        entries.collect()
    }

    pub(super) fn value(&mut self, value: &mut Spanned<DeValue<'_>>, start: usize) {
        let span = moved(&value.span(), start);
        match value.get_mut() {
            DeValue::String(text) => {
                if text.contains("${") {
                    *text = Cow::Owned(self.text(text, &span));
                } else if text.starts_with("file:") && !text.starts_with("file://") {
                    let place = self.report.location(&span);
                    self.files.warn(format!(
                        "{place}: a value that begins with `file:` is taken as it is; `${{file:PATH}}` is what a file says"
                    ));
                }
            }
            DeValue::Array(items) => items.iter_mut().for_each(|item| self.value(item, start)),
            DeValue::Table(table) => {
                let inner = std::mem::take(table);
                *table = self.table(inner, start);
            }
            _ => {}
        }
        let inner = std::mem::replace(value.get_mut(), DeValue::Boolean(false));
        *value = Spanned::new(span, inner);
    }

    fn text(&mut self, written: &str, span: &Range<usize>) -> String {
        let mut text = String::new();
        // The inserted texts and their unexpanded form.
        let mut hidden = Vec::new();
        let mut is_whole = true;
        for part in parts(written) {
            let named = match part {
                ValuePart::Literal(literal) => {
                    text.push_str(literal);
                    continue;
                }
                ValuePart::Value(named) => named,
                ValuePart::Unclosed => {
                    self.report.error(span.clone(), "`${` without `}`", FORMS);
                    is_whole = false;
                    break;
                }
            };
            let place = self.report.place_within(span, &format!("${{{named}}}"));
            match self.found(named, &place) {
                Ok(value) => {
                    self.inserted += 1;
                    self.inserted_bytes += value.len();
                    if self.inserted > INSERTED_VALUES || self.inserted_bytes > INSERTED_BYTES {
                        let remedy = format!("at most {INSERTED_VALUES} in all, of {INSERTED_BYTES} bytes together");
                        self.report.error(place, "too many values from the environment and files", remedy);
                        is_whole = false;
                        break;
                    }
                    text.push_str(&value);
                    hidden.push((value, format!("${{{named}}}")));
                }
                Err((message, remedy)) => {
                    self.report.error(place, message, remedy);
                    is_whole = false;
                }
            }
        }
        if !is_whole {
            self.report.give_up(span.clone());
        }
        if !hidden.is_empty() {
            hidden.insert(0, (text.clone(), written.to_owned()));
            self.report.hide(span.clone(), hidden);
        }
        text
    }

    /// The value of a reference, or the error and a remedy.
    fn found(&mut self, named: &str, place: &Range<usize>) -> Result<String, (String, String)> {
        if let Some(path) = named.strip_prefix("file:") {
            return self.content(path, place);
        }
        let (name, default) = named.split_once(":-").map_or((named, None), |(name, default)| (name, Some(default)));
        let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        if !first || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err((format!("`${{{}}}` names no value", named.escape_debug()), FORMS.to_owned()));
        }
        match (std::env::var(name), default) {
            // As in a shell, an empty variable is replaced too.
            (Ok(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
            (Ok(value), _) => Ok(value),
            (Err(std::env::VarError::NotPresent), Some(default)) => Ok(default.to_owned()),
            (Err(std::env::VarError::NotPresent), None) => {
                let remedy = format!("set it, or give a default: `${{{name}:-…}}`; a literal `${{` is written `$${{`");
                Err((format!("the environment variable `{name}` is not set"), remedy))
            }
            (Err(std::env::VarError::NotUnicode(_)), _) => {
                Err((format!("the environment variable `{name}` is not UTF-8"), String::new()))
            }
        }
    }

    fn content(&mut self, written: &str, place: &Range<usize>) -> Result<String, (String, String)> {
        let path = self.files.resolve_at(written, place);
        let (report, files) = (self.report, &mut *self.files);
        let content = self.contents.entry(path.clone()).or_insert_with(|| {
            files.look(&path);
            if files::is_readable_by_all(&path) {
                let location = report.location(place);
                files.warn(format!("{location}: `{}` is world-readable; `chmod o-r` hides it", path.display()));
            }
            let bytes = files::read_bounded(&path, VALUE_FILE_BYTES).map_err(|error| files::reason(&error))?;
            let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
            let text = text.trim_end_matches(['\r', '\n']);
            if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(text.to_owned()) }
        });
        content.clone().map_err(|why| {
            let message = format!("cannot read a value from `{}`: {why}", written.escape_debug());
            (message, format!("a file of 1 to {VALUE_FILE_BYTES} bytes is expected; looked for {}", path.display()))
        })
    }
}

fn moved(span: &Range<usize>, start: usize) -> Range<usize> {
    span.start + start..span.end + start
}

/// `$${` is a literal `${`; any other `$` is literal.
fn parts(written: &str) -> impl Iterator<Item = ValuePart<'_>> {
    let mut rest = written;
    std::iter::from_fn(move || {
        if let Some(literal) = rest.strip_prefix("$${") {
            rest = literal;
            return Some(ValuePart::Literal("${"));
        }
        if let Some(value) = rest.strip_prefix("${") {
            let Some((named, after)) = value.split_once('}') else {
                rest = "";
                return Some(ValuePart::Unclosed);
            };
            rest = after;
            return Some(ValuePart::Value(named));
        }
        if rest.is_empty() {
            return None;
        }
        let end = rest.find("${").map_or(rest.len(), |at| if rest[..at].ends_with('$') { at - 1 } else { at });
        let (literal, after) = rest.split_at(end);
        rest = after;
        Some(ValuePart::Literal(literal))
    })
}
