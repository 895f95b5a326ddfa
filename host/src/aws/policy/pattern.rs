//! Texts of a policy that stand for many: `*` for any characters, `?` for one, `${key}` for a value of the request.
//!
//! A match never recurses and never returns to a `*` before the last one: it takes at most one step for each pair of a
//! character of the pattern and one of the text, whatever stands between. Characters that come out of a variable are
//! literal, and a variable never makes a pattern longer than the text that it is held against.
//!
//! Source: the IAM User Guide, "IAM policy elements: Variables and tags".

use std::borrow::Cow;

use super::context::Context;

/// What a pattern says, with its text for printing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyPattern {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Tokens(Vec<PatternToken>),
    Variable { key: String, default: Option<String> },
}

/// A pattern without variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PatternToken {
    Char(char),
    /// The pattern's own colon, which a variable's is not: it parts an ARN.
    Colon,
    /// Any one character.
    One,
    /// Any characters, also none.
    Many,
}

/// Whether letters of either case are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LetterCase {
    Sensitive,
    Ignored,
}

/// How a pattern and a text fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    Yes,
    No,
    /// The request has no single value for a variable.
    Unresolved,
}

impl PolicyPattern {
    /// A pattern in which `${key}`, `${key, 'default'}`, `${*}`, `${?}` and `${$}` are variables.
    ///
    /// Fails for a `${` that begins no variable.
    pub(super) fn with_variables(text: &str) -> Result<PolicyPattern, &'static str> {
        let mut pieces = PatternPieces::default();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            pieces.tokens.extend(tokens(before));
            let (name, behind) = after.split_once('}').ok_or("a variable has no closing brace")?;
            pieces.variable(name)?;
            rest = behind;
        }
        pieces.tokens.extend(tokens(rest));
        Ok(PolicyPattern { text: text.to_owned(), pieces: pieces.end() })
    }

    /// A pattern of a policy that knows no variables: of version 2008-10-17, or an action.
    pub(super) fn without_variables(text: &str) -> PolicyPattern {
        PolicyPattern { text: text.to_owned(), pieces: vec![Piece::Tokens(tokens(text).collect())] }
    }

    /// As the policy has it.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn has_variables(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Variable { .. }))
    }

    /// As a pattern: `*` and `?` stand for others.
    pub(super) fn fits(&self, text: &str, case: LetterCase, context: &Context) -> Fit {
        self.against(text, context, |tokens| matches(tokens, text, case))
    }

    /// As a text: `*` and `?` stand for themselves.
    pub(super) fn equals(&self, text: &str, case: LetterCase, context: &Context) -> Fit {
        self.against(text, context, |tokens| {
            let literal: Vec<PatternToken> = tokens.iter().map(|token| PatternToken::Char(token.literal())).collect();
            matches(&literal, text, case)
        })
    }

    /// As an ARN: each of the six parts is a pattern of its own, which does not reach across a colon but in the last.
    /// The pattern `*` is every ARN's.
    pub(super) fn fits_arn(&self, text: &str, context: &Context) -> Fit {
        if self.text == "*" {
            return if text.starts_with("arn:") { Fit::Yes } else { Fit::No };
        }
        let values: Vec<&str> = text.splitn(ARN_PARTS, ':').collect();
        self.against(text, context, |tokens| {
            let parts: Vec<&[PatternToken]> = tokens.splitn(ARN_PARTS, |token| *token == PatternToken::Colon).collect();
            let mut pairs = parts.iter().zip(&values);
            values.len() == ARN_PARTS
                && parts.len() == ARN_PARTS
                && pairs.all(|(part, value)| matches(part, value, LetterCase::Sensitive))
        })
    }

    fn against(&self, text: &str, context: &Context, matches: impl FnOnce(&[PatternToken]) -> bool) -> Fit {
        match self.resolve(text.chars().count(), context) {
            Ok(tokens) if matches(&tokens) => Fit::Yes,
            Ok(_) => Fit::No,
            Err(fit) => fit,
        }
    }

    /// Replaces the variables. `Err` is the answer where no comparison is needed: `Unresolved`, or `No` because the values
    /// have more characters than the text.
    fn resolve(&self, chars_max: usize, context: &Context) -> Result<Cow<'_, [PatternToken]>, Fit> {
        if let [Piece::Tokens(tokens)] = &self.pieces[..] {
            return Ok(Cow::Borrowed(tokens));
        }
        let mut resolved = Vec::new();
        let mut room = Some(chars_max);
        for piece in &self.pieces {
            match piece {
                Piece::Tokens(tokens) => resolved.extend_from_slice(tokens),
                Piece::Variable { key, default } => {
                    // Without room, the loop goes on only to learn whether the others can be resolved.
                    let value = context.single(key).or(default.as_deref()).ok_or(Fit::Unresolved)?;
                    room = room.and_then(|room| room.checked_sub(value.chars().take(chars_max.saturating_add(1)).count()));
                    if room.is_some() {
                        resolved.extend(value.chars().map(PatternToken::Char));
                    }
                }
            }
        }
        room.map(|_| Cow::Owned(resolved)).ok_or(Fit::No)
    }
}

/// The pieces read so far, and the tokens since the last variable.
#[derive(Default)]
struct PatternPieces {
    pieces: Vec<Piece>,
    tokens: Vec<PatternToken>,
}

impl PatternPieces {
    /// Adds what stands between `${` and `}`.
    fn variable(&mut self, name: &str) -> Result<(), &'static str> {
        if let "*" | "?" | "$" = name {
            self.tokens.extend(name.chars().map(PatternToken::Char));
            return Ok(());
        }
        let (key, default) = match name.split_once(',') {
            None => (name, None),
            Some((key, default)) => {
                let quoted = default.trim().strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
                let default = quoted.filter(|text| !text.contains('\'')).ok_or("a variable's default stands in single quotes")?;
                (key, Some(default.to_owned()))
            }
        };
        if key.is_empty() || key.trim() != key || key.contains(['$', '{', '\'', '*', '?']) {
            return Err("a variable has no valid name");
        }
        self.pieces.push(Piece::Tokens(std::mem::take(&mut self.tokens)));
        self.pieces.push(Piece::Variable { key: key.to_owned(), default });
        Ok(())
    }

    fn end(mut self) -> Vec<Piece> {
        self.pieces.push(Piece::Tokens(self.tokens));
        self.pieces
    }
}

const ARN_PARTS: usize = 6;

impl PatternToken {
    fn literal(self) -> char {
        match self {
            PatternToken::Char(char) => char,
            PatternToken::Colon => ':',
            PatternToken::One => '?',
            PatternToken::Many => '*',
        }
    }

    fn is(self, char: char, case: LetterCase) -> bool {
        match (self, case) {
            (PatternToken::Char(own), LetterCase::Sensitive) => own == char,
            (PatternToken::Char(own), LetterCase::Ignored) => own == char || own.to_lowercase().eq(char.to_lowercase()),
            (PatternToken::Colon, _) => char == ':',
            (PatternToken::One, _) => true,
            (PatternToken::Many, _) => false,
        }
    }
}

fn tokens(text: &str) -> impl Iterator<Item = PatternToken> {
    text.chars().map(|char| match char {
        '*' => PatternToken::Many,
        '?' => PatternToken::One,
        ':' => PatternToken::Colon,
        char => PatternToken::Char(char),
    })
}

fn matches(pattern: &[PatternToken], text: &str, case: LetterCase) -> bool {
    matches_in(pattern, text, case, &mut 0)
}

/// Whether a pattern fits; adds the comparisons made to `steps`.
///
/// A `*` takes nothing at first. Where the pattern fails after it, the last `*` takes one character more: what an earlier
/// one could take would only leave less for the rest.
pub(super) fn matches_in(pattern: &[PatternToken], text: &str, case: LetterCase, steps: &mut usize) -> bool {
    let (mut at, mut offset) = (0, 0);
    // Where the last `*` stands, and where the text goes on that it has not taken.
    let mut last: Option<(usize, usize)> = None;
    while let Some(char) = text[offset..].chars().next() {
        *steps += 1;
        match pattern.get(at) {
            Some(PatternToken::Many) => {
                last = Some((at, offset));
                at += 1;
            }
            Some(token) if token.is(char, case) => {
                at += 1;
                offset += char.len_utf8();
            }
            _ => {
                let Some((star, from)) = last else { return false };
                let from = from + text[from..].chars().next().map_or(0, char::len_utf8);
                last = Some((star, from));
                (at, offset) = (star + 1, from);
            }
        }
    }
    pattern[at..].iter().all(|token| *token == PatternToken::Many)
}
