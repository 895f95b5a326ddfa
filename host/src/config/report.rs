//! I collect what is wrong with a configuration and show it as a compiler would: place, line, remedy.
//!
//! Reading goes on after an error, so that a person sees all of them at once. I show at most
//! `SHOWN_MAX` and count the rest; a generated file can be wrong a million times.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::ops::Range;
use std::path::Path;

use serde::Serialize;

const SHOWN_MAX: usize = 100;
/// What is shown of a long line, in characters.
const LINE_MAX: usize = 160;

/// Every error of one configuration. `Display` shows them all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("{}", self.text())]
pub struct ConfigErrors {
    pub file: String,
    pub errors: Vec<ConfigError>,
    /// Errors beyond those listed.
    pub omitted: usize,
}

/// One error: what is wrong, where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigError {
    pub message: String,
    pub remedy: String,
    /// None when the file as a whole is meant.
    pub place: Option<Place>,
}

/// A place in the file; line and column begin at 1, columns count characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    pub line: usize,
    pub column: usize,
    /// The part of the line that is shown, and where in it the carets stand.
    #[serde(skip)]
    shown: String,
    #[serde(skip)]
    carets: Range<usize>,
}

impl ConfigErrors {
    /// The only error: the file itself cannot be used.
    pub(super) fn file(path: &Path, message: impl Into<String>, remedy: impl Into<String>) -> ConfigErrors {
        let error = ConfigError { message: message.into(), remedy: remedy.into(), place: None };
        ConfigErrors { file: path.display().to_string(), errors: vec![error], omitted: 0 }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (index, error) in self.errors.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n\n" };
            // Writing to a String cannot fail.
            let _ = write!(text, "{separator}{}", Shown { file: &self.file, error });
        }
        if self.omitted > 0 {
            let _ = write!(text, "\n\nand {} more", self.omitted);
        }
        text
    }
}

struct Shown<'a> {
    file: &'a str,
    error: &'a ConfigError,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConfigError { message, remedy, place } = self.error;
        writeln!(f, "error: {message}")?;
        let Some(place) = place else {
            write!(f, "  --> {}", self.file)?;
            return if remedy.is_empty() { Ok(()) } else { write!(f, "\n   = {remedy}") };
        };
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "{margin}--> {}:{}:{}", self.file, place.line, place.column)?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {}", place.shown)?;
        let before = " ".repeat(place.carets.start);
        let carets = "^".repeat(place.carets.len().max(1));
        write!(f, "{margin} | {before}{carets}")?;
        if remedy.is_empty() { Ok(()) } else { write!(f, " {remedy}") }
    }
}

/// The errors found so far in one text.
pub(super) struct Report<'s> {
    source: &'s str,
    problems: RefCell<Vec<Problem>>,
}

struct Problem {
    span: Range<usize>,
    message: String,
    remedy: String,
}

impl<'s> Report<'s> {
    pub(super) fn new(source: &'s str) -> Report<'s> {
        Report { source, problems: RefCell::default() }
    }

    pub(super) fn error(&self, span: Range<usize>, message: impl Into<String>, remedy: impl Into<String>) {
        // Names of the file are in both.
        let shown = |text: String| if text.contains(char::is_control) { text.chars().map(printable).collect() } else { text };
        let problem = Problem { span, message: shown(message.into()), remedy: shown(remedy.into()) };
        self.problems.borrow_mut().push(problem);
    }

    /// `value` if nothing was wrong, else every error.
    pub(super) fn finish<T>(&self, file: &Path, value: T) -> Result<T, ConfigErrors> {
        if self.problems.borrow().is_empty() { Ok(value) } else { Err(self.errors(file)) }
    }

    /// Every error, in the order of the file.
    pub(super) fn errors(&self, file: &Path) -> ConfigErrors {
        let mut problems = self.problems.take();
        problems.sort_by_key(|problem| problem.span.start);
        let omitted = problems.len().saturating_sub(SHOWN_MAX);
        problems.truncate(SHOWN_MAX);
        let errors = problems.into_iter().map(|problem| ConfigError {
            place: (!self.source.is_empty()).then(|| place(self.source, &problem.span)),
            message: problem.message,
            remedy: problem.remedy,
        });
        ConfigErrors { file: file.display().to_string(), errors: errors.collect(), omitted }
    }
}

/// The one of `known` that was probably meant.
pub(super) fn nearest<'k>(wanted: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // One letter is near to every other one.
    let far = match wanted.chars().count() {
        0..3 => 0,
        letters => letters / 3 + 1,
    };
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(wanted, name), name))
        .filter(|(distance, _)| *distance <= far)
        .min()
        .map(|(_, name)| name)
}

/// "`a`, `b`", for a remedy.
pub(super) fn quoted<'k>(names: impl IntoIterator<Item = &'k str>) -> String {
    const NAMES_MAX: usize = 40;
    let mut names = names.into_iter().map(|name| format!("`{name}`"));
    let mut list = names.by_ref().take(NAMES_MAX).collect::<Vec<_>>().join(", ");
    let rest = names.count();
    if rest > 0 {
        let _ = write!(list, " and {rest} more");
    }
    list
}

fn place(source: &str, span: &Range<usize>) -> Place {
    let at = boundary(source, span.start);
    let line_start = source[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = source[at..].find('\n').map_or(source.len(), |newline| at + newline);
    let end = boundary(source, span.end).clamp(at, line_end);

    let column = source[line_start..at].chars().count();
    let width = source[at..end].chars().count();
    // The window moves right only as far as the carets need.
    let skipped = if column + width < LINE_MAX { 0 } else { column.saturating_sub(LINE_MAX / 4) };
    let shown = source[line_start..line_end].trim_end_matches('\r');
    let shown: String = shown.chars().skip(skipped).take(LINE_MAX).map(printable).collect();
    let start = column - skipped;
    let carets = start..(start + width).min(LINE_MAX.max(start));
    let line = source[..line_start].matches('\n').count() + 1;
    Place { line, column: column + 1, shown, carets }
}

/// A file may come from a stranger: no escape sequence of his reaches the terminal, and a tab is one column.
fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

fn boundary(source: &str, at: usize) -> usize {
    let mut at = at.min(source.len());
    while !source.is_char_boundary(at) {
        at -= 1;
    }
    at
}
