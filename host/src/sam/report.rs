//! I collect the errors and warnings of a template, and display errors as those of a configuration are: place, line, remedy.
//!
//! Reading goes on after an error, so that a person sees all of them at once.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::ops::Range;

use crate::limits::config::report::{ERRORS, LINE_CHARS, NAMES};

/// Every error of a template. `Display` shows them all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub struct TemplateErrors {
    pub errors: Vec<TemplateError>,
    /// Number of errors beyond those listed.
    pub omitted: usize,
}

/// A message, its place and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    pub message: String,
    pub remedy: String,
    pub place: TemplatePlace,
}

/// Line and column begin at 1, columns count characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplatePlace {
    pub file: String,
    pub line: usize,
    pub column: usize,
    shown: String,
    carets: Range<usize>,
}

/// Something that may be meant, and is probably not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub message: String,
    pub place: TemplatePlace,
}

impl TemplateErrors {
    fn text(&self) -> String {
        let mut text = self.errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n");
        if self.omitted > 0 {
            let _ = write!(text, "\n\nand {} more", self.omitted);
        }
        text
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", self.message)?;
        self.place.fmt(f)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, " {}", self.remedy) }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TemplatePlace { file, line, column, .. } = &self.place;
        write!(f, "warning: {} ({file}:{line}:{column})", self.message)
    }
}

impl fmt::Display for TemplatePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "{margin}--> {}:{}:{}", self.file, self.line, self.column)?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {}", self.shown)?;
        write!(f, "{margin} | {}{}", " ".repeat(self.carets.start), "^".repeat(self.carets.len().max(1)))
    }
}

/// What has been found so far.
pub(super) struct TemplateReport<'t> {
    file: &'t str,
    text: &'t str,
    errors: RefCell<Vec<(Range<usize>, String, String)>>,
    warnings: RefCell<Vec<(Range<usize>, String)>>,
}

impl<'t> TemplateReport<'t> {
    pub(super) fn new(file: &'t str, text: &'t str) -> TemplateReport<'t> {
        TemplateReport { file, text, errors: RefCell::default(), warnings: RefCell::default() }
    }

    pub(super) fn error(&self, span: &Range<usize>, message: impl Into<String>, remedy: impl Into<String>) {
        let problem = (span.clone(), printable(message.into()), printable(remedy.into()));
        let mut errors = self.errors.borrow_mut();
        // What two resources share is read twice.
        if !errors.contains(&problem) && errors.len() <= 10 * ERRORS {
            errors.push(problem);
        }
    }

    pub(super) fn warn(&self, span: &Range<usize>, message: impl Into<String>) {
        let warning = (span.clone(), printable(message.into()));
        let mut warnings = self.warnings.borrow_mut();
        if !warnings.contains(&warning) && warnings.len() < ERRORS {
            warnings.push(warning);
        }
    }

    /// Every warning, if there is no error; else every error.
    pub(super) fn finish(self) -> Result<Vec<Warning>, TemplateErrors> {
        let (mut errors, mut warnings) = (self.errors.into_inner(), self.warnings.into_inner());
        let place = |span: &Range<usize>| place(self.file, self.text, span);
        if errors.is_empty() {
            warnings.sort_by_key(|(span, _)| span.start);
            return Ok(warnings.into_iter().map(|(span, message)| Warning { message, place: place(&span) }).collect());
        }
        errors.sort_by_key(|(span, ..)| span.start);
        let omitted = errors.len().saturating_sub(ERRORS);
        errors.truncate(ERRORS);
        let told =
            |(span, message, remedy): (Range<usize>, String, String)| TemplateError { message, remedy, place: place(&span) };
        Err(TemplateErrors { errors: errors.into_iter().map(told).collect(), omitted })
    }

    /// `12`.
    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        place(self.file, self.text, span).line
    }
}

fn place(file: &str, text: &str, span: &Range<usize>) -> TemplatePlace {
    let at = boundary(text, span.start);
    let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
    let end = boundary(text, span.end).clamp(at, line_end);
    let column = text[line_start..at].chars().count();
    let width = text[at..end].trim_end().chars().count();
    // The window moves right only as far as the carets need.
    let skipped = if column + width < LINE_CHARS { 0 } else { column.saturating_sub(LINE_CHARS / 4) };
    let shown: String = text[line_start..line_end].trim_end().chars().skip(skipped).take(LINE_CHARS).collect();
    let start = column - skipped;
    let carets = start..(start + width).min(LINE_CHARS.max(start));
    let line = text[..line_start].matches('\n').count() + 1;
    TemplatePlace { file: file.to_owned(), line, column: column + 1, shown: printable(shown), carets }
}

/// The template may be a stranger's: escape sequences must not reach the terminal. A tab becomes one column.
fn printable(text: String) -> String {
    if !text.contains(char::is_control) {
        return text;
    }
    let replaced = |c: char| match c {
        '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(replaced).collect()
}

fn boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// "`a`, `b`", and `did you mean` in front if one is near.
pub(super) fn one_of<'k>(wanted: &str, known: impl IntoIterator<Item = &'k str> + Clone) -> String {
    let far = match wanted.chars().count() {
        0..3 => 0,
        letters => letters / 3 + 1,
    };
    let near = known.clone().into_iter().map(|name| (strsim::osa_distance(wanted, name), name)).min();
    match near.filter(|(distance, _)| *distance <= far) {
        Some((_, name)) => format!("did you mean `{name}`?"),
        None => format!("known here: {}", quoted(known)),
    }
}

pub(super) fn quoted<'k>(names: impl IntoIterator<Item = &'k str>) -> String {
    let mut names = names.into_iter().map(|name| format!("`{name}`"));
    let mut list = names.by_ref().take(NAMES).collect::<Vec<_>>().join(", ");
    let rest = names.count();
    if rest > 0 {
        let _ = write!(list, " and {rest} more");
    }
    if list.is_empty() { "nothing".to_owned() } else { list }
}
