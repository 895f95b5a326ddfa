//! One comparison of a pattern: an operator and a literal, against a text or a number.

use memchr::memmem;

use crate::aws::logs::filter::reader::{PatternFault, PatternText, no_expressions};

/// See the module.
#[derive(Debug)]
pub struct FilterComparison {
    operator: CompareOperator,
    literal: CompareLiteral,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CompareOperator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug)]
struct CompareLiteral {
    /// The texts between the `*`; one is a text without `*`.
    pieces: Vec<String>,
    /// If it was written without quotation marks and is one.
    number: Option<f64>,
}

impl FilterComparison {
    /// Whether an operator is next.
    pub fn is_next(text: &mut PatternText<'_>) -> bool {
        text.skip_spaces();
        matches!(text.peek(), Some('=' | '!' | '<' | '>'))
    }

    pub fn parse(text: &mut PatternText<'_>) -> Result<FilterComparison, PatternFault> {
        text.skip_spaces();
        let operator = if text.take("!=") {
            CompareOperator::Unequal
        } else if text.take("<=") {
            CompareOperator::LessOrEqual
        } else if text.take(">=") {
            CompareOperator::GreaterOrEqual
        } else if text.take("<") {
            CompareOperator::Less
        } else if text.take(">") {
            CompareOperator::Greater
        } else if text.take("=") {
            CompareOperator::Equal
        } else {
            return Err(text.unexpected("one of = != < > <= >="));
        };
        text.skip_spaces();
        let literal = match text.peek() {
            Some('%') => return Err(no_expressions()),
            Some('"') => CompareLiteral::of(&text.quoted()?, None),
            _ => {
                let word =
                    text.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '+' | '*' | ':' | '/' | '@' | '#'));
                if word.is_empty() {
                    return Err(text.unexpected("a value"));
                }
                // `inf` and `nan` are words here.
                let number = word.parse().ok().filter(|number: &f64| number.is_finite());
                CompareLiteral::of(word, number)
            }
        };
        let is_ordered = !matches!(operator, CompareOperator::Equal | CompareOperator::Unequal);
        if is_ordered && literal.number.is_none() {
            return Err("Invalid filter pattern: only numbers are less or greater".to_owned());
        }
        Ok(FilterComparison { operator, literal })
    }

    /// Against a text, which may say a number.
    pub fn text(&self, text: &str) -> bool {
        match self.operator {
            CompareOperator::Equal => self.equals(text),
            CompareOperator::Unequal => !self.equals(text),
            _ => text.parse().is_ok_and(|number| self.number(number)),
        }
    }

    /// Against a number. `4*` is compared with its text; any other text is no number, and equals none.
    pub fn number(&self, value: f64) -> bool {
        let Some(literal) = self.literal.number else {
            let is_alike = self.literal.pieces.len() > 1 && self.literal.matches(&value.to_string());
            return is_alike == (self.operator == CompareOperator::Equal);
        };
        match self.operator {
            CompareOperator::Equal => value == literal,
            CompareOperator::Unequal => value != literal,
            CompareOperator::Less => value < literal,
            CompareOperator::LessOrEqual => value <= literal,
            CompareOperator::Greater => value > literal,
            CompareOperator::GreaterOrEqual => value >= literal,
        }
    }

    fn equals(&self, text: &str) -> bool {
        self.literal.matches(text)
            || self.literal.number.is_some_and(|literal| text.parse().is_ok_and(|number: f64| number == literal))
    }
}

impl CompareLiteral {
    fn of(text: &str, number: Option<f64>) -> CompareLiteral {
        CompareLiteral { pieces: text.split('*').map(str::to_owned).collect(), number }
    }

    /// Each piece is searched for behind the one before: where the first of several places is too early for what follows, a
    /// later one is no better.
    fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = &self.pieces[..] else {
            return self.pieces.first().is_some_and(|whole| whole == text);
        };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
        for piece in middle {
            let Some(at) = memmem::find(rest.as_bytes(), piece.as_bytes()) else { return false };
            rest = &rest[at + piece.len()..];
        }
        rest.ends_with(last.as_str())
    }
}
