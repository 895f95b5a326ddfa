//! I read a TOML table key by key. A key that was never requested is an unknown key.
//!
//! Each getter reports a wrong type itself and returns `None`, so that the reading code is a list of the keys.
//! I know no key's meaning.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::report::Report;
use crate::diagnostic::{nearest, quoted};
use crate::limits::config::NAME_BYTES;

/// A string of the file, with its span.
pub(super) type Text<'a> = Spanned<&'a str>;

pub(super) type TomlValue<'a> = &'a Spanned<DeValue<'a>>;

/// One table being read.
pub(super) struct TableReader<'a> {
    pub(super) report: &'a Report<'a>,
    /// Its header in the file: `[server]`.
    place: String,
    span: Range<usize>,
    entries: &'a DeTable<'a>,
    known: Vec<&'static str>,
}

impl<'a> TableReader<'a> {
    pub(super) fn root(report: &'a Report<'a>, entries: &'a DeTable<'a>) -> TableReader<'a> {
        TableReader { report, place: "the file".to_owned(), span: 0..0, entries, known: Vec::new() }
    }

    fn new(report: &'a Report<'a>, place: String, value: TomlValue<'a>) -> Option<TableReader<'a>> {
        match value.get_ref() {
            DeValue::Table(entries) => Some(TableReader { report, place, span: value.span(), entries, known: Vec::new() }),
            other => {
                wrong_type(report, value.span(), &place, "a table", other);
                None
            }
        }
    }

    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Marks the key as known and returns its value.
    pub(super) fn value(&mut self, key: &'static str) -> Option<TomlValue<'a>> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.entries.get(key)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// A text that is read later. What is wrong with it is told then.
    pub(super) fn peek(&self, key: &str) -> Option<&str> {
        match self.entries.get(key)?.get_ref() {
            DeValue::String(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn text(&mut self, key: &'static str) -> Option<Text<'a>> {
        let value = self.value(key)?;
        text(self.report, key, value)
    }

    pub(super) fn required_text(&mut self, key: &'static str, example: &str) -> Option<Text<'a>> {
        if !self.has(key) {
            self.missing(key, example);
        }
        self.text(key)
    }

    /// Reports a missing key at the table's header.
    pub(super) fn missing(&self, key: &str, example: &str) {
        self.report.error(self.span(), format!("{} has no `{key}`", self.place), format!("add `{key} = {example}`"));
    }

    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            other => {
                wrong_type(self.report, value.span(), key, "true or false", other);
                None
            }
        }
    }

    pub(super) fn integer(&mut self, key: &'static str, allowed: RangeInclusive<u64>) -> Option<u64> {
        let value = self.value(key)?;
        let number = integer(self.report, key, value)?;
        let (least, most) = allowed.into_inner();
        if (i128::from(least)..=i128::from(most)).contains(&number) {
            return u64::try_from(number).ok();
        }
        self.report.error(value.span(), format!("`{key}` is out of range"), format!("{least} to {most} is allowed"));
        None
    }

    /// 0 to 1.
    pub(super) fn fraction(&mut self, key: &'static str) -> Option<f64> {
        let value = self.value(key)?;
        let number = match value.get_ref() {
            DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
            DeValue::Integer(number) => number.as_str().parse::<f64>().ok(),
            other => {
                wrong_type(self.report, value.span(), key, "a number", other);
                return None;
            }
        };
        let number = number.filter(|number| (0.0..=1.0).contains(number));
        if number.is_none() {
            self.report.error(value.span(), format!("`{key}` is out of range"), "0.0 to 1.0 is allowed");
        }
        number
    }

    pub(super) fn texts(&mut self, key: &'static str) -> Option<Vec<Text<'a>>> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Array(items) => Some(items.iter().filter_map(|item| text(self.report, key, item)).collect()),
            other => {
                wrong_type(self.report, value.span(), key, "a list of strings", other);
                None
            }
        }
    }

    /// `[key]`, or `key = { … }`.
    pub(super) fn table(&mut self, key: &'static str) -> Option<TableReader<'a>> {
        let place = self.nested(key);
        let value = self.value(key)?;
        TableReader::new(self.report, format!("[{place}]"), value)
    }

    /// `[key.NAME]` for each name, in the order of the file.
    pub(super) fn named(&mut self, key: &'static str) -> Vec<(Text<'a>, TableReader<'a>)> {
        let mut tables: Vec<_> = self
            .entries_of(key)
            .filter_map(|(name, value)| {
                let place = format!("[{key}.{}]", name.get_ref());
                name_is_sound(self.report, &name);
                Some((name, TableReader::new(self.report, place, value)?))
            })
            .collect();
        tables.sort_by_key(|(name, _)| name.span().start);
        tables
    }

    /// `key = { NAME = "…" }`: any names, each with a string.
    pub(super) fn map(&mut self, key: &'static str) -> Vec<(Text<'a>, Text<'a>)> {
        self.entries_of(key).filter_map(|(name, value)| Some((name.clone(), text(self.report, name.get_ref(), value)?))).collect()
    }

    /// The entries of a table with arbitrary keys.
    pub(super) fn entries_of(&mut self, key: &'static str) -> impl Iterator<Item = (Text<'a>, TomlValue<'a>)> + use<'a> {
        let entries = self.value(key).and_then(|value| match value.get_ref() {
            DeValue::Table(entries) => Some(entries),
            other => {
                wrong_type(self.report, value.span(), key, "a table", other);
                None
            }
        });
        entries
            .into_iter()
            .flat_map(|entries| entries.iter())
            .map(|(name, value)| (Spanned::new(name.span(), name.get_ref().as_ref()), value))
    }

    /// `[[key]]`, in the order of the file.
    pub(super) fn list(&mut self, key: &'static str) -> Vec<TableReader<'a>> {
        let place = format!("[[{}]]", self.nested(key));
        let Some(value) = self.value(key) else { return Vec::new() };
        match value.get_ref() {
            DeValue::Array(items) => items.iter().filter_map(|item| TableReader::new(self.report, place.clone(), item)).collect(),
            other => {
                wrong_type(self.report, value.span(), key, &format!("a list of tables, {place},"), other);
                Vec::new()
            }
        }
    }

    /// Reports the unknown keys.
    pub(super) fn finish(self) {
        for key in self.entries.keys() {
            let name = key.get_ref().as_ref();
            if self.known.contains(&name) {
                continue;
            }
            let remedy = match nearest(name, self.known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`? "),
                None => String::new(),
            };
            let allowed = quoted(self.known.iter().copied());
            self.report.error(
                key.span(),
                format!("unknown key `{}` in {}", name.escape_debug(), self.place),
                format!("{remedy}allowed here: {allowed}"),
            );
        }
    }

    fn nested(&self, key: &str) -> String {
        let outer = self.place.trim_matches(['[', ']']);
        if self.place.starts_with('[') { format!("{outer}.{key}") } else { key.to_owned() }
    }
}

pub(super) fn text<'a>(report: &Report<'_>, key: &str, value: TomlValue<'a>) -> Option<Text<'a>> {
    match value.get_ref() {
        DeValue::String(text) => Some(Spanned::new(value.span(), text.as_ref())),
        other => {
            wrong_type(report, value.span(), key, "a string", other);
            None
        }
    }
}

pub(super) fn integer(report: &Report<'_>, key: &str, value: TomlValue<'_>) -> Option<i128> {
    match value.get_ref() {
        // A number too large for i128 is as wrong as i128::MAX, and every caller has a range.
        DeValue::Integer(number) => Some(i128::from_str_radix(number.as_str(), number.radix()).unwrap_or(i128::MAX)),
        other => {
            wrong_type(report, value.span(), key, "a whole number", other);
            None
        }
    }
}

pub(super) fn wrong_type(report: &Report<'_>, span: Range<usize>, key: &str, expected: &str, found: &DeValue<'_>) {
    let key = if key.starts_with('[') { key.to_owned() } else { format!("`{}`", key.escape_debug()) };
    let article = if matches!(found, DeValue::Array(_) | DeValue::Integer(_)) { "an" } else { "a" };
    report.error(span, format!("{key} is {article} {}", found.type_str()), format!("{expected} is expected"));
}

/// The declared names of one kind, to resolve references.
pub(super) struct Declared<'a> {
    /// The word in messages and headers: `origin`, as in `[origin.NAME]`.
    kind: &'static str,
    names: BTreeMap<&'a str, Range<usize>>,
}

impl<'a> Declared<'a> {
    pub(super) fn collect(root: &mut TableReader<'a>, kind: &'static str) -> Declared<'a> {
        let names = match root.entries.get(kind).map(Spanned::get_ref) {
            Some(DeValue::Table(entries)) => entries.keys().map(|name| (name.get_ref().as_ref(), name.span())).collect(),
            _ => BTreeMap::new(),
        };
        Declared { kind, names }
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    pub(super) fn span(&self, name: &str) -> Option<Range<usize>> {
        self.names.get(name).cloned()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.names.keys().copied()
    }

    /// Returns the name if it is declared.
    pub(super) fn resolve(&self, report: &Report<'_>, name: &Text<'_>) -> Option<String> {
        if self.contains(name.get_ref()) {
            return Some((*name.get_ref()).to_owned());
        }
        unknown(report, self.kind, name, &self.names().collect::<Vec<_>>());
        None
    }
}

/// Reports a reference to an undeclared name.
pub(super) fn unknown(report: &Report<'_>, kind: &str, name: &Text<'_>, declared: &[&str]) {
    let words = kind.replace("key_value_", "key-value ").replace('_', " ");
    let wanted = name.get_ref();
    let remedy = if declared.is_empty() {
        format!("none is declared; add a table [{kind}.NAME]")
    } else {
        let near = nearest(wanted, declared.iter().copied());
        let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
        format!("{near}declared under [{kind}]: {}", quoted(declared.iter().copied()))
    };
    report.error(name.span(), format!("unknown {words} `{}`", wanted.escape_debug()), remedy);
}

/// Names appear in metrics, logs and headers.
pub(super) fn name_is_sound(report: &Report<'_>, name: &Text<'_>) -> bool {
    let text = name.get_ref();
    let sound =
        (1..=NAME_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !sound {
        report.error(
            name.span(),
            format!("`{}` cannot be a name", text.escape_debug()),
            format!("1 to {NAME_BYTES} of the letters a-z and A-Z, digits, `-`, `_` and `.`"),
        );
    }
    sound
}
