//! I collect the errors of a configuration and display them as a compiler does: place, line, remedy.
//!
//! Reading continues after an error, so that a person sees all of them at once. I display at most
//! `ERRORS` and count the rest: a generated file can have a million errors.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt::{self, Write as _};
use std::ops::Range;
use std::path::Path;

use serde::Serialize;

use super::sources::{InputSnapshot, SourceFile, Sources};
use crate::diagnostic::{SourceLocation, printable, printable_text};
use crate::limits::config::report::{ERRORS, SECRET_BYTES_MIN};

/// Every error of a configuration. `Display` shows them all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("{}", self.text())]
pub struct ConfigErrors {
    pub file: String,
    pub errors: Vec<ConfigError>,
    /// Number of errors beyond those listed.
    pub omitted: usize,
    /// The files that were read: a change of one may fix the errors.
    #[serde(skip)]
    pub seen: InputSnapshot,
}

/// One error: message, place and remedy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigError {
    pub message: String,
    pub remedy: String,
    /// `None` if the error concerns the whole file.
    pub place: Option<SourceLocation>,
}

impl ConfigErrors {
    /// A single error for a file that cannot be read.
    pub(super) fn file(path: &Path, message: impl Into<String>, remedy: impl Into<String>) -> ConfigErrors {
        let error = ConfigError { message: message.into(), remedy: remedy.into(), place: None };
        ConfigErrors { file: path.display().to_string(), errors: vec![error], omitted: 0, seen: InputSnapshot::default() }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (index, error) in self.errors.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n\n" };
            // Writing to a String cannot fail.
            let _ = write!(text, "{separator}{}", LocatedError { file: &self.file, error });
        }
        if self.omitted > 0 {
            let _ = write!(text, "\n\nand {} more", self.omitted);
        }
        text
    }
}

struct LocatedError<'a> {
    file: &'a str,
    error: &'a ConfigError,
}

impl fmt::Display for LocatedError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConfigError { message, remedy, place } = self.error;
        writeln!(f, "error: {message}")?;
        let Some(place) = place else {
            write!(f, "  --> {}", self.file)?;
            return if remedy.is_empty() { Ok(()) } else { write!(f, "\n   = {remedy}") };
        };
        place.fmt(f)?;
        if remedy.is_empty() { Ok(()) } else { write!(f, " {remedy}") }
    }
}

/// The errors found so far.
pub(super) struct Report<'s> {
    sources: &'s Sources,
    found: RefCell<Findings>,
}

/// The state that a report of more sources takes over.
#[derive(Default)]
pub(super) struct Findings {
    problems: Vec<Problem>,
    hidden: Vec<HiddenText>,
    /// Values that could not be read: further errors about them are consequences.
    abandoned: HashSet<Range<usize>>,
}

struct Problem {
    span: Range<usize>,
    message: String,
    remedy: String,
}

/// Secret texts, the span of the value that contains them, and what to display instead.
struct HiddenText {
    span: Range<usize>,
    texts: Vec<(String, String)>,
}

impl<'s> Report<'s> {
    pub(super) fn new(sources: &'s Sources, found: Findings) -> Report<'s> {
        Report { sources, found: RefCell::new(found) }
    }

    pub(super) fn into_found(self) -> Findings {
        self.found.into_inner()
    }

    pub(super) fn error(&self, span: Range<usize>, message: impl Into<String>, remedy: impl Into<String>) {
        let mut found = self.found.borrow_mut();
        if !found.abandoned.contains(&span) {
            // Names of the file occur in both.
            let (message, remedy) = (printable_text(message.into()), printable_text(remedy.into()));
            found.problems.push(Problem { span, message, remedy });
        }
    }

    /// Records the texts inserted into the value at `span`: messages show them unexpanded.
    pub(super) fn hide(&self, span: Range<usize>, texts: Vec<(String, String)>) {
        self.found.borrow_mut().hidden.push(HiddenText { span, texts });
    }

    pub(super) fn give_up(&self, span: Range<usize>) {
        self.found.borrow_mut().abandoned.insert(span);
    }

    pub(super) fn has_errors(&self) -> bool {
        !self.found.borrow().problems.is_empty()
    }

    /// `sites/www.toml:12`.
    pub(super) fn location(&self, span: &Range<usize>) -> String {
        self.sources.location(span)
    }

    /// The span of a part of a value; the whole value if the part is not literally in the file.
    pub(super) fn place_within(&self, span: &Range<usize>, part: &str) -> Range<usize> {
        match self.sources.at(span.start).written(span).find(part) {
            Some(at) => span.start + at..span.start + at + part.len(),
            None => span.clone(),
        }
    }

    /// Returns `value`, or every error.
    pub(super) fn finish<T>(&self, value: T) -> Result<T, ConfigErrors> {
        if self.has_errors() { Err(self.errors()) } else { Ok(value) }
    }

    /// Every error, in the order of the files.
    pub(super) fn errors(&self) -> ConfigErrors {
        let Findings { mut problems, hidden, .. } = self.found.take();
        problems.sort_by_key(|problem| problem.span.start);
        let omitted = problems.len().saturating_sub(ERRORS);
        problems.truncate(ERRORS);
        let errors = problems.into_iter().map(|problem| {
            let source = self.sources.at(problem.span.start);
            ConfigError {
                message: as_written(problem.message, &problem.span, &hidden),
                remedy: as_written(problem.remedy, &problem.span, &hidden),
                place: (!source.text.is_empty()).then(|| place(source, &problem.span)),
            }
        });
        let file = self.sources.main().path.display().to_string();
        ConfigErrors { file, errors: errors.collect(), omitted, seen: InputSnapshot::default() }
    }
}

/// Removes values of the environment and of files from a message.
///
/// Whole values appear in backquotes; parts of them may appear anywhere. A part that is too short to be a secret is
/// replaced in backquotes only, or every `a` of the message would disappear.
fn as_written(mut message: String, span: &Range<usize>, hidden: &[HiddenText]) -> String {
    for HiddenText { span: place, texts } in hidden {
        let is_meant = place.start < span.end.max(span.start + 1) && span.start < place.end;
        for (text, written) in texts {
            let escaped = text.escape_debug().to_string();
            let blanked: String = text.chars().map(printable).collect();
            for text in [text, &escaped, &blanked] {
                if text.len() >= SECRET_BYTES_MIN {
                    message = replaced(&message, text, written);
                } else if is_meant && !text.is_empty() {
                    message = replaced(&message, &format!("`{text}`"), &format!("`{written}`"));
                }
            }
        }
    }
    message
}

/// Ignores case: some messages have hosts in lower case.
fn replaced(message: &str, text: &str, by: &str) -> String {
    let (lower, sought) = (message.to_ascii_lowercase(), text.to_ascii_lowercase());
    let (mut result, mut at) = (String::new(), 0);
    while let Some(found) = lower[at..].find(&sought) {
        result.push_str(&message[at..at + found]);
        result.push_str(by);
        at += found + sought.len();
    }
    result + &message[at..]
}

fn place(source: &SourceFile, span: &Range<usize>) -> SourceLocation {
    let within = span.start - source.start..span.end.saturating_sub(source.start);
    SourceLocation::new(source.path.display().to_string(), &source.text, &within)
}
