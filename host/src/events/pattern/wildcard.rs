//! `wildcard`: a text in which `*` stands for any text, `\*` for a star and `\\` for a backslash.

use super::error::PatternError;
use crate::limits::event_rules::WILDCARD_STARS;

/// The texts between the stars, one more than there are stars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wildcard(Vec<String>);

impl Wildcard {
    pub fn parse(text: &str) -> Result<Wildcard, PatternError> {
        let mut between = vec![String::new()];
        let mut rest = text.char_indices().peekable();
        while let Some((at, c)) = rest.next() {
            // AWS counts from the quote in front of the text.
            let at = at + 1;
            let next = rest.peek().map(|&(_, next)| next);
            match c {
                '*' if next == Some('*') => {
                    return Err(PatternError::new(format!("Consecutive wildcard characters at pos {at}")));
                }
                '*' => between.push(String::new()),
                '\\' => match next {
                    Some(escaped @ ('*' | '\\')) => {
                        rest.next();
                        push(&mut between, escaped);
                    }
                    _ => return Err(PatternError::new(format!("Invalid escape character at pos {at}"))),
                },
                c => push(&mut between, c),
            }
        }
        if between.len() > WILDCARD_STARS + 1 {
            return Err(PatternError::new(
                "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a \
                 wildcard character",
            ));
        }
        Ok(Wildcard(between))
    }

    /// Takes each text between two stars where it is found first: whatever comes later has the most room then.
    pub fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = self.0.as_slice() else {
            return self.0.first().is_some_and(|whole| whole == text);
        };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
        for part in middle {
            let Some(at) = memchr::memmem::find(rest.as_bytes(), part.as_bytes()) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last.as_str())
    }
}

fn push(between: &mut [String], c: char) {
    if let Some(last) = between.last_mut() {
        last.push(c);
    }
}
