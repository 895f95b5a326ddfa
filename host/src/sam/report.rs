//! I collect the errors and warnings of a template, and display errors as those of a configuration are: place, line, remedy.
//!
//! Reading goes on after an error, so that a person sees all of them at once.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::ops::Range;

use crate::advice::{Advice, Trap};
use crate::diagnostic::{self, SourceLocation, nearest, printable_text};
use crate::limits::config::report::ERRORS;

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
    pub place: SourceLocation,
}

/// Something that may be meant, and is probably not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub trap: Trap,
    pub message: String,
    pub place: SourceLocation,
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
        let SourceLocation { file, line, column, .. } = &self.place;
        write!(f, "warning: {} ({file}:{line}:{column})", self.message)
    }
}

/// What has been found so far.
pub(super) struct TemplateReport<'t> {
    file: &'t str,
    text: &'t str,
    errors: RefCell<Vec<(Range<usize>, String, String)>>,
    warnings: RefCell<Vec<(Range<usize>, Trap, String)>>,
}

impl<'t> TemplateReport<'t> {
    pub(super) fn new(file: &'t str, text: &'t str) -> TemplateReport<'t> {
        TemplateReport { file, text, errors: RefCell::default(), warnings: RefCell::default() }
    }

    pub(super) fn error(&self, span: &Range<usize>, message: impl Into<String>, remedy: impl Into<String>) {
        let problem = (span.clone(), printable_text(message.into()), printable_text(remedy.into()));
        let mut errors = self.errors.borrow_mut();
        // What two resources share is read twice.
        if !errors.contains(&problem) && errors.len() <= 10 * ERRORS {
            errors.push(problem);
        }
    }

    /// What the template says is not what it seems.
    pub(super) fn warn(&self, span: &Range<usize>, message: impl Into<String>) {
        self.walked_into(span, Trap::File, message.into());
    }

    /// A function that the template makes has walked into a trap.
    pub(super) fn advise(&self, span: &Range<usize>, advice: &Advice) {
        self.walked_into(span, advice.trap, advice.told());
    }

    fn walked_into(&self, span: &Range<usize>, trap: Trap, message: String) {
        let warning = (span.clone(), trap, printable_text(message));
        let mut warnings = self.warnings.borrow_mut();
        if !warnings.contains(&warning) && warnings.len() < ERRORS {
            warnings.push(warning);
        }
    }

    /// Every warning, if there is no error; else every error.
    pub(super) fn finish(self) -> Result<Vec<Warning>, TemplateErrors> {
        let (mut errors, mut warnings) = (self.errors.into_inner(), self.warnings.into_inner());
        let place = |span: &Range<usize>| SourceLocation::new(self.file.to_owned(), self.text, span);
        if errors.is_empty() {
            warnings.sort_by_key(|(span, ..)| span.start);
            let warnings = warnings.into_iter();
            return Ok(warnings.map(|(span, trap, message)| Warning { trap, message, place: place(&span) }).collect());
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
        SourceLocation::new(self.file.to_owned(), self.text, span).line
    }
}

/// "`a`, `b`", and `did you mean` in front if one is near.
pub(super) fn one_of<'k>(wanted: &str, known: impl IntoIterator<Item = &'k str> + Clone) -> String {
    match nearest(wanted, known.clone()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("known here: {}", quoted(known)),
    }
}

/// "`a`, `b`", or "nothing".
pub(super) fn quoted<'k>(names: impl IntoIterator<Item = &'k str>) -> String {
    let list = diagnostic::quoted(names);
    if list.is_empty() { "nothing".to_owned() } else { list }
}
