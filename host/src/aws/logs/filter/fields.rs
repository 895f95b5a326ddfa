//! Patterns of messages with fields between spaces: `[ip, user != "-", ..., status = 4* || status = 5*, bytes > 1000]`.
//!
//! A field in brackets or quotation marks may have spaces. A message matches that has as many fields as the pattern, or at
//! least as many where `...` stands for any number of them.

use crate::aws::logs::filter::comparison::FilterComparison;
use crate::aws::logs::filter::reader::{PatternFault, PatternText};

/// See the module.
#[derive(Debug)]
pub struct FieldPattern {
    before: Vec<FieldTest>,
    /// What is behind `...`, if it is there.
    after: Option<Vec<FieldTest>>,
}

/// Comparisons of one field: those between `||`, of which each is those between `&&`. Without any, the field may be anything.
#[derive(Debug)]
struct FieldTest(Vec<Vec<FilterComparison>>);

impl FieldPattern {
    pub fn parse(text: &mut PatternText<'_>) -> Result<FieldPattern, PatternFault> {
        if !text.take("[") {
            return Err(text.unexpected("["));
        }
        let (mut before, mut after) = (Vec::new(), None);
        loop {
            text.skip_spaces();
            if text.take("...") {
                if after.is_some() {
                    return Err("Invalid filter pattern: ... may stand once".to_owned());
                }
                after = Some(Vec::new());
            } else {
                after.as_mut().unwrap_or(&mut before).push(FieldTest::parse(text)?);
            }
            text.skip_spaces();
            if text.take("]") {
                text.end()?;
                return Ok(FieldPattern { before, after });
            }
            if !text.take(",") {
                return Err(text.unexpected(", or ]"));
            }
        }
    }

    pub fn matches(&self, message: &str) -> bool {
        let fields: Vec<&str> = fields(message).collect();
        let holds = |tests: &[FieldTest], fields: &[&str]| tests.iter().zip(fields).all(|(test, field)| test.holds(field));
        match &self.after {
            None => fields.len() == self.before.len() && holds(&self.before, &fields),
            Some(after) => {
                let behind = fields.len().checked_sub(after.len()).filter(|behind| *behind >= self.before.len());
                behind.is_some_and(|behind| holds(&self.before, &fields) && holds(after, &fields[behind..]))
            }
        }
    }
}

impl FieldTest {
    fn parse(text: &mut PatternText<'_>) -> Result<FieldTest, PatternFault> {
        let name = name(text);
        let mut either = Vec::new();
        if !FilterComparison::is_next(text) {
            return Ok(FieldTest(either));
        }
        let mut both = vec![FilterComparison::parse(text)?];
        loop {
            text.skip_spaces();
            if text.take("&&") {
                repeated(text, name)?;
            } else if text.take("||") {
                either.push(std::mem::take(&mut both));
                repeated(text, name)?;
            } else {
                either.push(both);
                return Ok(FieldTest(either));
            }
            both.push(FilterComparison::parse(text)?);
        }
    }

    fn holds(&self, field: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|both| both.iter().all(|comparison| comparison.text(field)))
    }
}

fn name<'a>(text: &mut PatternText<'a>) -> &'a str {
    text.skip_spaces();
    text.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
}

/// The same field once more.
fn repeated(text: &mut PatternText<'_>, expected: &str) -> Result<(), PatternFault> {
    match name(text) {
        found if found == expected => Ok(()),
        found => Err(format!("Invalid filter pattern: the field {found} is compared within the field {expected}")),
    }
}

/// The fields of a message, without the brackets or quotation marks around them.
fn fields(message: &str) -> impl Iterator<Item = &str> {
    let mut rest = message.trim_ascii();
    // A bracket that is nowhere closed is searched for once.
    let mut may_close = true;
    std::iter::from_fn(move || {
        rest = rest.trim_ascii_start();
        let close = match rest.bytes().next()? {
            b'[' if may_close => Some(']'),
            b'"' => Some('"'),
            _ => None,
        };
        let quoted = close.and_then(|close| rest[1..].split_once(close));
        may_close &= close != Some(']') || quoted.is_some();
        // What ends a field is what is skipped before the next one: a field that is neither would be found for ever.
        let end = || rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(rest.len());
        let (field, later) = quoted.unwrap_or_else(|| rest.split_at(end()));
        rest = later;
        Some(field)
    })
}
