//! An expression cut into words, placeholders, numbers and signs.

/// A piece of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpressionToken<'a> {
    /// A name, a function or a keyword.
    Word(&'a str),
    /// `#name`
    NamePlaceholder(&'a str),
    /// `:value`
    ValuePlaceholder(&'a str),
    Number(&'a str),
    Sign(&'a str),
}

/// A token, and where it begins and ends in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lexeme<'a> {
    pub token: ExpressionToken<'a>,
    pub start: usize,
    pub end: usize,
}

const SIGNS: [&str; 14] = ["<>", "<=", ">=", "=", "<", ">", "(", ")", "[", "]", ".", ",", "+", "-"];

/// All tokens.
///
/// # Errors
/// Where a character begins that is none of a token.
pub fn tokens(text: &str) -> Result<Vec<Lexeme<'_>>, usize> {
    let mut lexemes = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        if first.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let rest = &text[at..];
        let word = |from: usize| &rest[..from + rest[from..].find(|c: char| !is_of_word(c)).unwrap_or(rest.len() - from)];
        let token = match first {
            '#' if word(1).len() > 1 => ExpressionToken::NamePlaceholder(word(1)),
            ':' if word(1).len() > 1 => ExpressionToken::ValuePlaceholder(word(1)),
            '0'..='9' => ExpressionToken::Number(&rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())]),
            first if is_of_word(first) => ExpressionToken::Word(word(0)),
            _ => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                Some(sign) => ExpressionToken::Sign(&rest[..sign.len()]),
                None => return Err(at),
            },
        };
        let end = at + token.text().len();
        lexemes.push(Lexeme { token, start: at, end });
        at = end;
    }
    Ok(lexemes)
}

pub fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

impl<'a> ExpressionToken<'a> {
    pub fn text(self) -> &'a str {
        match self {
            ExpressionToken::Word(text)
            | ExpressionToken::NamePlaceholder(text)
            | ExpressionToken::ValuePlaceholder(text)
            | ExpressionToken::Number(text)
            | ExpressionToken::Sign(text) => text,
        }
    }
}
