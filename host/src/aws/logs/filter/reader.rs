//! Reads a filter pattern, character by character.

/// Why a pattern is none, for its author.
pub type PatternFault = String;

/// What is left of a pattern.
pub struct PatternText<'a> {
    rest: &'a str,
}

/// What regular expressions are answered with.
pub fn no_expressions() -> PatternFault {
    "Regular expressions (%...%) in filter patterns are not supported here".to_owned()
}

impl<'a> PatternText<'a> {
    pub fn of(pattern: &'a str) -> PatternText<'a> {
        PatternText { rest: pattern }
    }

    pub fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    pub fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Takes a text, if it is next.
    pub fn take(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Takes a word of a language, if it is next and ends there; letter case does not matter.
    pub fn take_word(&mut self, word: &str) -> bool {
        self.skip_spaces();
        let found = self.rest.get(..word.len()).is_some_and(|text| text.eq_ignore_ascii_case(word))
            && !self.rest[word.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
        if found {
            self.rest = &self.rest[word.len()..];
        }
        found
    }

    pub fn take_one_of(&mut self, chars: &[char]) -> Option<char> {
        let next = self.peek().filter(|next| chars.contains(next))?;
        self.rest = &self.rest[next.len_utf8()..];
        Some(next)
    }

    pub fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// A text in quotation marks, in which `\` stands before `"` and `\`.
    pub fn quoted(&mut self) -> Result<String, PatternFault> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                '\\' => match chars.next() {
                    Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                    Some((_, other)) => text.extend(['\\', other]),
                    None => break,
                },
                c => text.push(c),
            }
        }
        Err("A quotation mark of the filter pattern is not closed".to_owned())
    }

    /// Nothing but spaces may be left.
    pub fn end(&mut self) -> Result<(), PatternFault> {
        self.skip_spaces();
        if self.rest.is_empty() { Ok(()) } else { Err(self.unexpected("the end")) }
    }

    /// What is told where something else was expected.
    pub fn unexpected(&self, expected: &str) -> PatternFault {
        match self.peek() {
            Some(c) => format!("Invalid filter pattern: '{c}' where {expected} was expected"),
            None => format!("Invalid filter pattern: it ends where {expected} was expected"),
        }
    }
}
