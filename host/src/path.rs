//! I am the one reading of a request's path: behaviors, signed resources, purges, error pages and folders all ask me,
//! so that none of them takes a path for another one than the others do.
//!
//! Two spellings of one path (RFC 3986 section 6.2.2) have one text: escapes that say no more than their character are
//! undone, the others are in capitals, dot segments are resolved, repeated slashes are one. Escapes that mean something
//! by being escapes stay: `%2F`, `%5C`, `%3F`, `%23`, `%25`, spaces, control characters, and bytes that are no UTF-8. A `%`
//! that begins no escape is `%25`. The text of a text is itself.
//!
//! What is sent on is the path as it came, and not all servers read it by the RFC. Where they are known to differ there is
//! a doubt, and `others` gives the texts that those servers may make of the path:
//!
//! | doubt | who |
//! |-|-|
//! | `%2F` is a slash | nginx, WSGI (Django) |
//! | `\` and `%5C` are slashes | IIS, WHATWG URL (Node) |
//! | `;…` is no part of its segment (`..;`) | Tomcat and other Java servers |
//! | an overlong UTF-8 sequence is its character (`%C0%AE`) | old IIS and Java |
//! | `%252F` is undone twice | a proxy that decodes before a server that does |
//! | `%3F`, `%23` and `%0A` end the path | servers that look for what ends it after decoding |
//! | slashes are made one after dots are resolved (`//..`) | RFC 3986 itself; nginx and Apache do it before, as I do |
//!
//! Whoever decides by a path must decide alike for all of them. I know no sites, files or statuses. The common path costs
//! one pass over its bytes, and no allocation.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
pub mod pattern;

use std::borrow::Cow;

use crate::limits::request::PATH_DOUBTS;

/// A path as everybody in this house reads it.
#[derive(Debug, Clone)]
pub struct NormalPath<'a> {
    raw: &'a str,
    text: Cow<'a, str>,
    doubts: u8,
    has_nul: bool,
}

/// A slash that is escaped.
const SLASH: u8 = 1;
const BACKSLASH: u8 = 1 << 1;
const PARAMETERS: u8 = 1 << 2;
const OVERLONG: u8 = 1 << 3;
const TWICE: u8 = 1 << 4;
/// Dots are resolved before slashes are made one.
const DOTS_FIRST: u8 = 1 << 5;
/// What would end the path if it were not escaped does.
const ENDS: u8 = 1 << 6;

impl<'a> NormalPath<'a> {
    pub fn of(raw: &'a str) -> NormalPath<'a> {
        match survey(raw.as_bytes()) {
            Survey::Plain { doubts } => NormalPath { raw, text: Cow::Borrowed(raw), doubts, has_nul: false },
            Survey::Odd => {
                let doubts = doubts(raw);
                NormalPath { raw, text: Cow::Owned(read(raw, 0, Stars::Plain)), doubts, has_nul: has_nul(raw) }
            }
        }
    }

    /// Begins with `/`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What other servers may take the same path for: nothing, for nearly all.
    pub fn others(&self) -> impl Iterator<Item = String> + '_ {
        subsets(self.doubts).map(|habits| read(self.raw, habits, Stars::Plain))
    }

    /// An escaped NUL, at which some servers end a path, and which nobody writes in good faith.
    pub fn has_nul(&self) -> bool {
        self.has_nul
    }

    /// Whether there are more doubts than can be looked at.
    pub fn is_too_doubtful(&self) -> bool {
        self.doubts.count_ones() > PATH_DOUBTS
    }

    /// Whether a server could find more `..` than there are segments before them: behind a prefix it leaves that.
    pub fn may_climb(&self) -> bool {
        if matches!(self.text, Cow::Borrowed(_)) && self.doubts == 0 {
            return false;
        }
        self.is_too_doubtful() || subsets(self.doubts).chain([0]).any(|habits| walk(self.raw, habits, Stars::Plain).climbs)
    }

    /// The text in the characters that a URL may have.
    pub fn to_url(&self) -> String {
        let mut url = String::with_capacity(self.text.len());
        for byte in self.text.bytes() {
            if byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte) {
                url.push(char::from(byte))
            } else {
                escape(byte, &mut url)
            }
        }
        url
    }
}

/// What one pass over a path tells.
enum Survey {
    /// It is its own text.
    Plain {
        doubts: u8,
    },
    Odd,
}

fn survey(path: &[u8]) -> Survey {
    let mut doubts = 0;
    let mut before = 0;
    for &byte in path {
        let odd = match byte {
            b'/' => before == b'/',
            b'.' => before == b'/',
            b';' => {
                doubts = PARAMETERS;
                false
            }
            b'%' | b'\\' | b'?' | b'#' => true,
            _ => !byte.is_ascii_graphic(),
        };
        if odd {
            return Survey::Odd;
        }
        before = byte;
    }
    if path.first() == Some(&b'/') { Survey::Plain { doubts } } else { Survey::Odd }
}

/// How an escaped `*` is written in the text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stars {
    Plain,
    /// As `NO_WILDCARD`, so that a pattern may tell it from a wildcard.
    Marked,
}

/// A control character, which no text has: they are escaped.
const NO_WILDCARD: u8 = 1;

fn doubts(raw: &str) -> u8 {
    let mut found = doubts_of_bytes(raw.as_bytes());
    if found & TWICE != 0 {
        found |= doubts_of_bytes(&undone_once(raw.as_bytes()));
    }
    // If the order matters to any reader, it does to the one who sees most segments.
    if read(raw, found, Stars::Plain) != read(raw, found | DOTS_FIRST, Stars::Plain) {
        found |= DOTS_FIRST;
    }
    found
}

fn doubts_of_bytes(path: &[u8]) -> u8 {
    let mut found = 0;
    for (at, &byte) in path.iter().enumerate() {
        found |= match (byte, escaped(path, at)) {
            (b'\\', _) | (_, Some(b'\\')) => BACKSLASH,
            (b';', _) => PARAMETERS,
            (_, Some(b'/')) => SLASH,
            (_, Some(b'?' | b'#' | b'\n')) => ENDS,
            (_, Some(b'%')) if hex_pair(path, at + 3).is_some() => TWICE,
            (_, Some(0xc0..)) if overlong(path, at).is_some() => OVERLONG,
            _ => 0,
        };
    }
    found
}

fn has_nul(raw: &str) -> bool {
    let raw = raw.as_bytes();
    (0..raw.len()).any(|at| raw[at] == 0 || escaped(raw, at) == Some(0))
}

/// A server may have any of the habits. Who asks for these has refused what is too doubtful, so that they are few.
fn subsets(doubts: u8) -> impl Iterator<Item = u8> {
    (1..=doubts).filter(move |subset| subset & !doubts == 0)
}

/// The text of a path, as a reader with these habits has it.
fn read(raw: &str, habits: u8, stars: Stars) -> String {
    walk(raw, habits, stars).text
}

struct Walk {
    text: String,
    /// Whether there was a `..` at the root.
    climbs: bool,
}

fn walk(raw: &str, habits: u8, stars: Stars) -> Walk {
    let mut bytes = Cow::Borrowed(raw.as_bytes());
    if habits & TWICE != 0 {
        bytes = undone_once(&bytes).into();
    }
    if habits & OVERLONG != 0 {
        bytes = shortened(&bytes).into();
    }
    if habits & ENDS != 0
        && let Some(end) = (0..bytes.len()).find(|&at| matches!(escaped(&bytes, at), Some(b'?' | b'#' | b'\n')))
    {
        bytes.to_mut().truncate(end);
    }
    let separates = |at: usize| match (bytes[at], escaped(&bytes, at)) {
        (b'/', _) => Some(1),
        (b'\\', _) if habits & BACKSLASH != 0 => Some(1),
        (_, Some(b'\\')) if habits & BACKSLASH != 0 => Some(3),
        (_, Some(b'/')) if habits & SLASH != 0 => Some(3),
        _ => None,
    };
    // Each segment with the slash before it.
    let mut text = String::with_capacity(bytes.len() + 1);
    let (mut segment, mut climbs) = (Vec::new(), false);
    let mut at = bytes.first().map_or(0, |_| separates(0).unwrap_or(0));
    loop {
        segment.clear();
        let mut separator = None;
        let mut parameters = false;
        while at < bytes.len() && separator.is_none() {
            separator = separates(at);
            if let Some(length) = separator {
                at += length;
                continue;
            }
            parameters |= habits & PARAMETERS != 0 && bytes[at] == b';';
            at += spell(&bytes, at, stars, if parameters { None } else { Some(&mut segment) });
        }
        let is_last = separator.is_none();
        match segment.as_slice() {
            b"." => {}
            b".." => {
                climbs |= text.is_empty();
                text.truncate(text.rfind('/').unwrap_or(0));
            }
            b"" if habits & DOTS_FIRST == 0 || is_last => {}
            _ => {
                text.push('/');
                push_utf8(&segment, &mut text);
                if !is_last {
                    continue;
                }
                break;
            }
        }
        if is_last {
            text.push('/');
            break;
        }
    }
    if habits & DOTS_FIRST != 0 {
        let mut before = ' ';
        text.retain(|c| std::mem::replace(&mut before, c) != '/' || c != '/');
    }
    Walk { text, climbs }
}

/// A part of a path in the characters of a text; slashes and dots stay as they are.
fn spelled(part: &str, stars: Stars) -> String {
    let (bytes, mut spelled, mut text) = (part.as_bytes(), Vec::new(), String::with_capacity(part.len()));
    let mut at = 0;
    while at < bytes.len() {
        at += spell(bytes, at, stars, Some(&mut spelled));
    }
    push_utf8(&spelled, &mut text);
    text
}

/// Writes the character or escape at `at`; how many bytes it takes.
fn spell(path: &[u8], at: usize, stars: Stars, into: Option<&mut Vec<u8>>) -> usize {
    let undone = escaped(path, at);
    let (value, length) = undone.map_or((path[at], 1), |value| (value, 3));
    let Some(into) = into else { return length };
    match value {
        b'*' if undone.is_some() && stars == Stars::Marked => into.push(NO_WILDCARD),
        b'/' if undone.is_some() => into.extend(escape_of(value)),
        b'%' | b'\\' | b'?' | b'#' => into.extend(escape_of(value)),
        0x80.. => into.push(value),
        _ if value.is_ascii_graphic() => into.push(value),
        _ => into.extend(escape_of(value)),
    }
    length
}

/// What is no UTF-8 stays escaped.
fn push_utf8(bytes: &[u8], text: &mut String) {
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|&byte| escape(byte, text));
    }
}

fn escape_of(byte: u8) -> [u8; 3] {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    [b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

fn escape(byte: u8, text: &mut String) {
    text.extend(escape_of(byte).map(char::from));
}

/// The byte that is escaped at `at`.
fn escaped(path: &[u8], at: usize) -> Option<u8> {
    if path[at] == b'%' { hex_pair(path, at + 1) } else { None }
}

fn hex_pair(path: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| char::from(*path.get(at)?).to_digit(16);
    u8::try_from(digit(at)? * 16 + digit(at + 1)?).ok()
}

/// `%25XX` becomes `%XX`, and a slash if that is what it stands for.
fn undone_once(path: &[u8]) -> Vec<u8> {
    let mut undone = Vec::with_capacity(path.len());
    let mut at = 0;
    while at < path.len() {
        match (escaped(path, at), hex_pair(path, at + 3)) {
            (Some(b'%'), Some(b'/' | b'\\')) => {
                undone.push(b'/');
                at += 5;
            }
            (Some(b'%'), Some(_)) => {
                undone.push(b'%');
                at += 3;
            }
            _ => {
                undone.push(path[at]);
                at += 1;
            }
        }
    }
    undone
}

/// The ASCII character that an escaped sequence of more bytes than it needs stands for, and the sequence's length.
fn overlong(path: &[u8], at: usize) -> Option<(u8, usize)> {
    let tails = match escaped(path, at)? {
        0xc0 | 0xc1 => 1,
        0xe0 => 2,
        0xf0 => 3,
        _ => return None,
    };
    // The first byte's own bits: the last of 0xC0 and 0xC1, and none of the longer ones.
    let mut value = if tails == 1 { u32::from(escaped(path, at)? & 1) } else { 0 };
    for tail in 1..=tails {
        let at = at + 3 * tail;
        let byte = if at < path.len() { escaped(path, at)? } else { return None };
        if byte & 0xc0 != 0x80 {
            return None;
        }
        value = (value << 6) | u32::from(byte & 0x3f);
    }
    let value = u8::try_from(value).ok().filter(u8::is_ascii)?;
    Some((value, 3 * (tails + 1)))
}

fn shortened(path: &[u8]) -> Vec<u8> {
    let mut short = Vec::with_capacity(path.len());
    let mut at = 0;
    while at < path.len() {
        match overlong(path, at) {
            Some((value, length)) => {
                if matches!(value, b'/' | b'\\') {
                    short.push(b'/')
                } else {
                    short.extend(escape_of(value))
                }
                at += length;
            }
            None => {
                short.push(path[at]);
                at += 1;
            }
        }
    }
    short
}

#[cfg(test)]
mod tests;
