//! Reads an expression from its beginning, and tells where it is wrong.

use std::sync::Arc;

use crate::aws::dynamodb::attribute::ItemValue;
use crate::aws::dynamodb::expression::path::{DocumentPath, PathStep};
use crate::aws::dynamodb::expression::placeholders::Placeholders;
use crate::aws::dynamodb::expression::reserved::is_reserved;
use crate::aws::dynamodb::expression::token::{ExpressionToken, Lexeme, tokens};
use crate::aws::dynamodb::refusals::invalid;
use crate::aws::error::ApiError;
use crate::limits::dynamodb::{DEPTH, EXPRESSION_BYTES, EXPRESSION_DEPTH, OPERATORS};

/// See the module.
pub struct ExpressionReader<'a> {
    /// `ConditionExpression` and such.
    label: &'static str,
    text: &'a str,
    lexemes: Vec<Lexeme<'a>>,
    at: usize,
    placeholders: &'a Placeholders,
    operators: usize,
    depth: usize,
}

impl<'a> ExpressionReader<'a> {
    /// # Errors
    /// It is empty, too long, or has a character that belongs to nothing.
    pub fn open(label: &'static str, text: &'a str, placeholders: &'a Placeholders) -> Result<ExpressionReader<'a>, ApiError> {
        let mut reader = ExpressionReader { label, text, lexemes: Vec::new(), at: 0, placeholders, operators: 0, depth: 0 };
        if text.len() > EXPRESSION_BYTES {
            let size = text.len();
            return Err(reader.fault(&format!("Expression size has exceeded the maximum allowed size; expression size: {size}")));
        }
        reader.lexemes = tokens(text).map_err(|at| {
            let wrong = text[at..].chars().next().map_or(0, char::len_utf8);
            let (before, after) = (text.floor_char_boundary(at.saturating_sub(8)), text.ceil_char_boundary(at + wrong + 8));
            reader.fault(&syntax(&text[at..at + wrong], &text[before..after]))
        })?;
        if reader.lexemes.is_empty() {
            return Err(reader.fault("The expression can not be empty;"));
        }
        Ok(reader)
    }

    pub fn peek(&self) -> Option<ExpressionToken<'a>> {
        self.lexemes.get(self.at).map(|lexeme| lexeme.token)
    }

    pub fn take_sign(&mut self, sign: &str) -> bool {
        let taken = self.peek() == Some(ExpressionToken::Sign(sign));
        self.at += usize::from(taken);
        taken
    }

    pub fn expect_sign(&mut self, sign: &str) -> Result<(), ApiError> {
        if self.take_sign(sign) { Ok(()) } else { Err(self.unexpected()) }
    }

    pub fn is_keyword(&self, keyword: &str) -> bool {
        matches!(self.peek(), Some(ExpressionToken::Word(word)) if word.eq_ignore_ascii_case(keyword))
    }

    pub fn take_keyword(&mut self, keyword: &str) -> bool {
        let taken = self.is_keyword(keyword);
        self.at += usize::from(taken);
        taken
    }

    /// The name of a function and its opening parenthesis.
    pub fn take_function(&mut self) -> Option<&'a str> {
        let Some(ExpressionToken::Word(name)) = self.peek() else { return None };
        let is_function = self.lexemes.get(self.at + 1).is_some_and(|next| next.token == ExpressionToken::Sign("("));
        if !is_function {
            return None;
        }
        self.at += 2;
        Some(name)
    }

    /// `a.#b[0]`
    pub fn path(&mut self) -> Result<DocumentPath, ApiError> {
        let top = self.name()?;
        let mut steps = Vec::new();
        loop {
            if self.take_sign(".") {
                steps.push(PathStep::Name(self.name()?));
            } else if self.take_sign("[") {
                let Some(ExpressionToken::Number(digits)) = self.peek() else { return Err(self.unexpected()) };
                let too_large = |_| self.fault(&format!("List index is not within the allowable range; index: [{digits}]"));
                steps.push(PathStep::Index(digits.parse::<u32>().map_err(too_large)? as usize));
                self.at += 1;
                self.expect_sign("]")?;
            } else {
                break;
            }
        }
        if steps.len() >= DEPTH {
            return Err(self.fault("The document path has too many nesting elements; nesting levels: exceeded 32"));
        }
        Ok(DocumentPath { top, steps })
    }

    fn name(&mut self) -> Result<String, ApiError> {
        let name = match self.peek() {
            Some(ExpressionToken::Word(word)) if is_reserved(word) => {
                return Err(self.fault(&format!("Attribute name is a reserved keyword; reserved keyword: {word}")));
            }
            Some(ExpressionToken::Word(word)) => word,
            Some(ExpressionToken::NamePlaceholder(placeholder)) => self.placeholders.name(placeholder).ok_or_else(|| {
                let what = "An expression attribute name used in the document path is not defined";
                self.fault(&format!("{what}; attribute name: {placeholder}"))
            })?,
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(name.to_owned())
    }

    /// `:value`, if one is next.
    pub fn take_value(&mut self) -> Result<Option<Arc<ItemValue>>, ApiError> {
        let Some(ExpressionToken::ValuePlaceholder(placeholder)) = self.peek() else { return Ok(None) };
        let value = self.placeholders.value(placeholder).ok_or_else(|| {
            let what = "An expression attribute value used in expression is not defined";
            self.fault(&format!("{what}; attribute value: {placeholder}"))
        })?;
        self.at += 1;
        Ok(Some(value.clone()))
    }

    /// Counts an operator or a function.
    pub fn count(&mut self) -> Result<(), ApiError> {
        self.operators += 1;
        if self.operators > OPERATORS {
            return Err(self.fault(&format!("The expression contains too many operators; operator count: {}", self.operators)));
        }
        Ok(())
    }

    /// Reads what is within something, which is bounded.
    pub fn within<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, ApiError>) -> Result<T, ApiError> {
        if self.depth == EXPRESSION_DEPTH {
            return Err(self.fault("The expression has too many nested parentheses, negations or functions;"));
        }
        self.depth += 1;
        let done = read(self);
        self.depth -= 1;
        done
    }

    /// That nothing is left.
    pub fn finish(&self) -> Result<(), ApiError> {
        if self.at == self.lexemes.len() { Ok(()) } else { Err(self.unexpected()) }
    }

    pub fn fault(&self, message: &str) -> ApiError {
        invalid(format!("Invalid {}: {message}", self.label))
    }

    /// The token that is next has no place here.
    pub fn unexpected(&self) -> ApiError {
        let token = self.peek().map_or("<EOF>", ExpressionToken::text);
        let first = self.lexemes[self.at.saturating_sub(1).min(self.lexemes.len() - 1)];
        let last = self.lexemes[(self.at + 1).min(self.lexemes.len() - 1)];
        self.fault(&syntax(token, &self.text[first.start..last.end]))
    }
}

fn syntax(token: &str, near: &str) -> String {
    format!("Syntax error; token: \"{token}\", near: \"{near}\"")
}
