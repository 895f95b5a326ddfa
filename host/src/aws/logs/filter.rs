//! Filter patterns: which messages a search is for.
//!
//! | pattern | matches a message |
//! |---|---|
//! | nothing | each |
//! | `ERROR "exact words" -excluded` | that has all terms and none of the excluded |
//! | `?ERROR ?WARN` | that has one of the terms |
//! | `{ $.level = "ERROR" && $.ms > 5 }` | that is JSON with such members (`json`) |
//! | `[ip, user, ..., status = 4*]` | that has such fields between spaces (`fields`) |
//!
//! Regular expressions (`%…%`) are refused by name. A match takes time in proportion to the message: terms and the pieces
//! between `*` are searched for one after the other, and none goes back.
//!
//! Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html>.

mod comparison;
mod fields;
mod json;
mod reader;
#[cfg(test)]
mod tests;

use memchr::memmem::Finder;

use crate::limits::logs::PATTERN_CHARS;
use fields::FieldPattern;
use json::JsonPattern;
use reader::{PatternFault, PatternText};

/// See the module.
#[derive(Debug)]
pub enum FilterPattern {
    Everything,
    Terms(FilterTerms),
    Json(JsonPattern),
    Fields(FieldPattern),
}

/// Terms, each to be found somewhere in the message.
#[derive(Debug, Default)]
pub struct FilterTerms {
    required: Vec<Finder<'static>>,
    /// One of them is enough. They count only where nothing else is asked for.
    optional: Vec<Finder<'static>>,
    excluded: Vec<Finder<'static>>,
}

impl FilterPattern {
    /// # Errors
    /// What is wrong, as a sentence.
    pub fn parse(pattern: &str) -> Result<FilterPattern, PatternFault> {
        if pattern.chars().count() > PATTERN_CHARS {
            return Err(format!("A filter pattern has at most {PATTERN_CHARS} characters"));
        }
        let mut text = PatternText::of(pattern);
        text.skip_spaces();
        match text.peek() {
            None => Ok(FilterPattern::Everything),
            Some('{') => JsonPattern::parse(&mut text).map(FilterPattern::Json),
            Some('[') => FieldPattern::parse(&mut text).map(FilterPattern::Fields),
            Some('%') => Err(reader::no_expressions()),
            Some(_) => FilterTerms::parse(&mut text).map(FilterPattern::Terms),
        }
    }

    pub fn matches(&self, message: &str) -> bool {
        match self {
            FilterPattern::Everything => true,
            FilterPattern::Terms(terms) => terms.matches(message),
            FilterPattern::Json(json) => json.matches(message),
            FilterPattern::Fields(fields) => fields.matches(message),
        }
    }
}

impl FilterTerms {
    fn parse(text: &mut PatternText<'_>) -> Result<FilterTerms, PatternFault> {
        let mut terms = FilterTerms::default();
        loop {
            text.skip_spaces();
            let list = match text.peek() {
                None => return Ok(terms),
                Some('?') => &mut terms.optional,
                Some('-') => &mut terms.excluded,
                Some(_) => &mut terms.required,
            };
            text.take_one_of(&['?', '-']);
            let term = match text.peek() {
                Some('"') => text.quoted()?,
                _ => term(text.take_while(|c| !c.is_whitespace()))?.to_owned(),
            };
            list.push(Finder::new(term.as_bytes()).into_owned());
        }
    }

    fn matches(&self, message: &str) -> bool {
        let has = |finder: &Finder<'_>| finder.find(message.as_bytes()).is_some();
        let alone = self.required.is_empty() && self.excluded.is_empty();
        !self.excluded.iter().any(has) && self.required.iter().all(has) && (!alone || self.optional.iter().any(has))
    }
}

/// A term without quotation marks.
fn term(word: &str) -> Result<&str, PatternFault> {
    if word.starts_with('%') {
        return Err(reader::no_expressions());
    }
    if word.is_empty() || !word.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.')) {
        return Err(format!("Invalid character(s) in term '{word}'"));
    }
    Ok(word)
}
