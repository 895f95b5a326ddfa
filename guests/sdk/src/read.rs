//! I read flat bytes in place: a cursor, and what is iterated over without being collected.

/// Reads an event from its beginning. An event that ends too early is a bug of the host; it traps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    #[inline]
    pub(crate) fn take(&mut self, n: usize) -> &'a [u8] {
        let Some((taken, rest)) = self.0.split_at_checked(n) else { malformed() };
        self.0 = rest;
        taken
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else { malformed() };
        self.0 = rest;
        byte
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> u16 {
        let Some((&bytes, rest)) = self.0.split_first_chunk() else { malformed() };
        self.0 = rest;
        u16::from_le_bytes(bytes)
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> u32 {
        let Some((&bytes, rest)) = self.0.split_first_chunk() else { malformed() };
        self.0 = rest;
        u32::from_le_bytes(bytes)
    }

    #[inline]
    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let n = self.u32() as usize;
        self.take(n)
    }

    #[inline]
    pub(crate) fn text(&mut self) -> &'a str {
        Self::text_of(self.bytes())
    }

    #[inline]
    pub(crate) fn text_of(bytes: &[u8]) -> &str {
        match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(_) => malformed(),
        }
    }

    pub(crate) fn headers(&mut self) -> Headers<'a> {
        let left = self.u16();
        let headers = Headers { left, at: *self };
        for _ in 0..left {
            self.bytes();
            self.bytes();
        }
        headers
    }
}

/// Ends the call without a message: nothing here is worth linking a formatter for.
#[cold]
#[inline(never)]
pub(crate) fn malformed() -> ! {
    #[cfg(target_arch = "wasm32")]
    std::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    panic!("the event is not what docs/abi.md says");
}

/// Headers in the order in which they arrived: name in lower case, and value.
#[derive(Debug, Clone, Copy)]
pub struct Headers<'a> {
    left: u16,
    at: Cursor<'a>,
}

impl<'a> Headers<'a> {
    /// Starts at the count; walks nothing.
    pub(crate) fn at(mut cursor: Cursor<'a>) -> Headers<'a> {
        let left = cursor.u16();
        Headers { left, at: cursor }
    }

    /// The first value of a name (lower case); one scan.
    pub fn value(mut self, name: &str) -> Option<&'a [u8]> {
        debug_assert!(!name.bytes().any(|byte| byte.is_ascii_uppercase()), "names of headers are lower-case");
        while self.left > 0 {
            self.left -= 1;
            let found = self.at.bytes() == name.as_bytes();
            let value = self.at.bytes();
            if found {
                return Some(value);
            }
        }
        None
    }

    /// All values of a name (lower case).
    pub fn values<'n>(self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        debug_assert!(!name.bytes().any(|byte| byte.is_ascii_uppercase()), "names of headers are lower-case");
        self.filter(move |(each, _)| each.as_bytes() == name.as_bytes()).map(|(_, value)| value)
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some((self.at.text(), self.at.bytes()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left.into(), Some(self.left.into()))
    }
}

/// `name=value` pairs of a query string (`&`) or of cookies (`;`), as they stand there: nothing is decoded.
#[derive(Debug, Clone)]
pub struct Pairs<'a> {
    rest: Option<&'a str>,
    separator: u8,
}

impl<'a> Pairs<'a> {
    pub(crate) fn query(query: &'a str) -> Pairs<'a> {
        Pairs { rest: Some(query), separator: b'&' }
    }

    pub(crate) fn cookies(cookies: &'a str) -> Pairs<'a> {
        Pairs { rest: Some(cookies), separator: b';' }
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let text = self.rest.take()?;
            let (pair, rest) = split(text, self.separator);
            self.rest = rest;
            let pair = if self.separator == b';' { pair.trim_ascii() } else { pair };
            if !pair.is_empty() {
                let (name, value) = split(pair, b'=');
                return Some((name, value.unwrap_or("")));
            }
        }
    }
}

/// The text before and after the first `byte`, an ASCII character. Short strings: a plain loop beats a searcher.
fn split(text: &str, byte: u8) -> (&str, Option<&str>) {
    match text.bytes().position(|each| each == byte) {
        Some(at) => (text.get(..at).unwrap_or(""), text.get(at + 1..)),
        None => (text, None),
    }
}
