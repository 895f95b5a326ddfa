//! What messages about a person's text have in common: the place as a compiler shows it, and the names that were meant.

use std::fmt::{self, Write as _};
use std::ops::Range;

use serde::Serialize;

use crate::limits::config::report::{LINE_CHARS, NAMES};

/// A place in a file; line and column begin at 1, columns count characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceLocation {
    pub file: String,
    pub line: usize,
    pub column: usize,
    /// The displayed part of the line, and the columns of the carets in it.
    #[serde(skip)]
    shown: String,
    #[serde(skip)]
    carets: Range<usize>,
}

impl SourceLocation {
    /// The place of a span of bytes in the text of a file. A span beyond the text is at its end.
    pub(crate) fn new(file: String, text: &str, span: &Range<usize>) -> SourceLocation {
        let at = boundary(text, span.start);
        let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
        let end = boundary(text, span.end).clamp(at, line_end);

        let column = text[line_start..at].chars().count();
        let width = text[at..end].trim_end().chars().count();
        // The window moves right only as far as the carets need.
        let skipped = if column + width < LINE_CHARS { 0 } else { column.saturating_sub(LINE_CHARS / 4) };
        let shown = text[line_start..line_end].trim_end_matches('\r');
        let shown = shown.chars().skip(skipped).take(LINE_CHARS).map(printable).collect();
        let start = column - skipped;
        let carets = start..(start + width).min(LINE_CHARS.max(start));
        let line = text[..line_start].matches('\n').count() + 1;
        SourceLocation { file, line, column: column + 1, shown, carets }
    }
}

/// File, line and column, then the line and carets under what is meant. What would be right may follow.
impl fmt::Display for SourceLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "{margin}--> {}:{}:{}", self.file, self.line, self.column)?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {}", self.shown)?;
        let before = " ".repeat(self.carets.start);
        let carets = "^".repeat(self.carets.len().max(1));
        write!(f, "{margin} | {before}{carets}")
    }
}

/// The text may be untrusted: escape sequences must not reach the terminal. A tab becomes one column.
pub(crate) fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// A text of which every character is printable.
pub(crate) fn printable_text(text: String) -> String {
    if text.contains(char::is_control) { text.chars().map(printable).collect() } else { text }
}

/// The element of `known` that was probably meant.
pub(crate) fn nearest<'k>(wanted: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // A single letter is close to every other one.
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

/// Formats "`a`, `b`" for a remedy.
pub(crate) fn quoted<'k>(names: impl IntoIterator<Item = &'k str>) -> String {
    let mut names = names.into_iter().map(|name| format!("`{name}`"));
    let mut list = names.by_ref().take(NAMES).collect::<Vec<_>>().join(", ");
    let rest = names.count();
    if rest > 0 {
        // Writing to a String cannot fail.
        let _ = write!(list, " and {rest} more");
    }
    list
}

fn boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
