//! The one normalisation of a request's path. Behaviors, signed resources, purges, error pages and folders all use it, so
//! that they agree on which path a request has.
//!
//! Two spellings of one path (RFC 3986 section 6.2.2) have one normal text: needless escapes are decoded, the others are in
//! upper case, dot segments are resolved, repeated slashes are merged. Escapes that must stay escaped do: `%2F`, `%5C`,
//! `%3F`, `%23`, `%25`, spaces, control characters, and bytes that are not UTF-8. A `%` that begins no escape becomes `%25`.
//! Normalising is idempotent.
//!
//! The path is sent on as it arrived, and not all servers read it by the RFC. Where they are known to differ the path is
//! doubtful, and `others` returns the texts that those servers may read:
//!
//! | doubt | who |
//! |-|-|
//! | `%2F` is a slash | nginx, WSGI (Django) |
//! | `\` and `%5C` are slashes | IIS, WHATWG URL (Node) |
//! | `;…` is no part of its segment (`..;`, `..%3B`) | Tomcat and other Java servers, also behind a proxy that decodes |
//! | an overlong UTF-8 sequence is its character (`%C0%AE`) | old IIS and Java |
//! | `%252F` is undone twice | a proxy that decodes before a server that does |
//! | `%u002F` is a character | IIS, ASP |
//! | a `%` that begins no escape is dropped | lenient decoders |
//! | `%3F`, `%23`, `%0A` and `%0D` end the path | servers that look for what ends it after decoding |
//! | slashes are made one after dots are resolved (`//..`) | RFC 3986 itself; nginx and Apache do it before, as I do |
//!
//! Doubts are looked for in the normalised spelling, not in the raw one, and once more after everything that servers may
//! decode is decoded, so that no other spelling of a doubt is missed. A path that could then be decoded further is too
//! doubtful. Only two doubts concern the raw path, since its text no longer shows them: a lone `%`, and the order of dots
//! and slashes.
//!
//! A decision by path must be the same for all of these texts. A common path costs one pass over its bytes, and no
//! allocation.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
pub mod pattern;

use std::borrow::Cow;

use crate::limits::request::PATH_DOUBTS;

/// A normalised path.
#[derive(Debug, Clone)]
pub struct NormalPath<'a> {
    raw: &'a str,
    text: Cow<'a, str>,
    doubts: Doubts,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Doubts {
    habits: u16,
    /// After the decoding that we follow there is more to decode.
    deep: bool,
    has_nul: bool,
}

/// A slash that is escaped.
const SLASH: u16 = 1;
const BACKSLASH: u16 = 1 << 1;
const PARAMETERS: u16 = 1 << 2;
const OVERLONG: u16 = 1 << 3;
const TWICE: u16 = 1 << 4;
/// Dots are resolved before slashes are made one.
const DOTS_FIRST: u16 = 1 << 5;
/// An escaped `?`, `#` or line break ends the path.
const ENDS: u16 = 1 << 6;
/// `%u` and four digits.
const UNICODE: u16 = 1 << 7;
/// A `%` that begins no escape is dropped.
const LONE: u16 = 1 << 8;
/// Doubts after whose decoding there may be more doubts.
const DECODERS: u16 = OVERLONG | TWICE | UNICODE;

impl<'a> NormalPath<'a> {
    pub fn of(raw: &'a str) -> NormalPath<'a> {
        match survey(raw.as_bytes()) {
            Survey::Plain { habits } => {
                NormalPath { raw, text: Cow::Borrowed(raw), doubts: Doubts { habits, ..Doubts::default() } }
            }
            Survey::Odd => NormalPath { raw, text: Cow::Owned(read(raw, 0, Stars::Plain)), doubts: Doubts::of(raw) },
        }
    }

    /// Begins with `/`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The other texts that servers may read; for nearly all paths none.
    pub fn others(&self) -> impl Iterator<Item = String> + '_ {
        subsets(self.doubts.habits).map(|habits| read(self.raw, habits, Stars::Plain))
    }

    /// Whether it has an escaped NUL, at which some servers end a path and which no honest client sends; also one that only
    /// some servers would decode.
    pub fn has_nul(&self) -> bool {
        self.doubts.has_nul
    }

    /// Whether there are more doubts than are followed.
    pub fn is_too_doubtful(&self) -> bool {
        self.doubts.is_too_many()
    }

    /// Whether a server could find more `..` than segments before them, and so leave a prefix.
    pub fn may_climb(&self) -> bool {
        if matches!(self.text, Cow::Borrowed(_)) && self.doubts.habits == 0 {
            return false;
        }
        self.is_too_doubtful() || subsets(self.doubts.habits).chain([0]).any(|habits| walk(self.raw, habits, Stars::Plain).climbs)
    }

    /// The text, escaped for a URL.
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

/// The result of one pass over a path.
enum Survey {
    /// The path is its own text.
    Plain {
        habits: u16,
    },
    Odd,
}

fn survey(path: &[u8]) -> Survey {
    let mut habits = 0;
    let mut before = 0;
    for &byte in path {
        let odd = match byte {
            b'/' => before == b'/',
            b'.' => before == b'/',
            b';' => {
                habits = PARAMETERS;
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
    if path.first() == Some(&b'/') { Survey::Plain { habits } } else { Survey::Odd }
}

/// How an escaped `*` is written in the text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stars {
    Plain,
    /// As `NO_WILDCARD`, so that a pattern may tell it from a wildcard.
    Marked,
}

/// A control character, which no text contains: they are escaped.
const NO_WILDCARD: u8 = 1;

impl Doubts {
    fn of(raw: &str) -> Doubts {
        let once = spelled(raw, Stars::Plain).into_bytes();
        let mut habits = habits_for(&once);
        let decoded = decoded(once.clone(), habits);
        let mut has_nul = has_nul(&once) || has_nul(&decoded);
        let mut deep = false;
        if habits & DECODERS != 0 {
            let more = habits_for(&decoded);
            deep = more & DECODERS != 0;
            habits |= more;
        }
        let kept = without_lone(raw.as_bytes());
        if kept.len() < raw.len() {
            // Without a lone `%` its neighbours may form anything.
            let joined = Doubts::of(&String::from_utf8_lossy(&kept));
            habits |= LONE | joined.habits;
            deep |= joined.deep;
            has_nul |= joined.has_nul;
        }
        let mut doubts = Doubts { habits, deep, has_nul };
        let matters = |habits| {
            let walk = walk(raw, habits, Stars::Plain);
            walk.has_dots_after_empty && walk.text != read(raw, habits | DOTS_FIRST, Stars::Plain)
        };
        if !doubts.is_too_many() && (matters(0) || subsets(habits).any(matters)) {
            doubts.habits |= DOTS_FIRST;
        }
        doubts
    }

    fn is_too_many(self) -> bool {
        self.deep || self.habits.count_ones() > PATH_DOUBTS
    }
}

/// The habits by which readers of this spelling (`spelled`) may differ.
fn habits_for(path: &[u8]) -> u16 {
    let mut found = 0;
    for (at, &byte) in path.iter().enumerate() {
        found |= match (byte, escaped(path, at)) {
            (b';', _) => PARAMETERS,
            (_, Some(b'\\')) => BACKSLASH,
            (_, Some(b'/')) => SLASH,
            (_, Some(b'?' | b'#' | b'\n' | b'\r')) => ENDS,
            (_, Some(b'%')) if hex_pair(path, at + 3).is_some() => TWICE,
            // After a lone `%` a second decoding sees an escape that is written with one.
            (_, Some(b'%')) if unicode(path, at).is_some() => UNICODE,
            (_, Some(0xc0..)) if overlong(path, at).is_some() => OVERLONG,
            _ => 0,
        };
    }
    found
}

fn has_nul(path: &[u8]) -> bool {
    (0..path.len()).any(|at| escaped(path, at) == Some(0))
}

/// All combinations of habits. Callers have refused paths that are too doubtful, so that there are few.
fn subsets(habits: u16) -> impl Iterator<Item = u16> {
    // The next smaller subset of the bits.
    std::iter::successors(Some(habits).filter(|&all| all != 0), move |&subset| {
        Some((subset - 1) & habits).filter(|&next| next != 0)
    })
}

/// The spelling that a reader with these decoders sees.
fn decoded(mut path: Vec<u8>, habits: u16) -> Vec<u8> {
    if habits & TWICE != 0 {
        path = respelled(&replaced(&path, |at| (escaped(&path, at) == Some(b'%')).then(|| (vec![b'%'], 3))));
    }
    if habits & UNICODE != 0 {
        path = respelled(&replaced(&path, |at| unicode(&path, at).map(|(c, length)| (escapes_of(c), length))));
    }
    if habits & OVERLONG != 0 {
        path = respelled(&replaced(&path, |at| overlong(&path, at).map(|(c, length)| (escapes_of(c), length))));
    }
    path
}

fn respelled(path: &[u8]) -> Vec<u8> {
    spelled(&String::from_utf8_lossy(path), Stars::Plain).into_bytes()
}

/// The escapes of a decoded character; a slash stays a slash.
fn escapes_of(c: char) -> Vec<u8> {
    match c {
        '/' | '\\' => vec![b'/'],
        _ => c.encode_utf8(&mut [0; 4]).bytes().flat_map(escape_of).collect(),
    }
}

fn replaced(path: &[u8], with: impl Fn(usize) -> Option<(Vec<u8>, usize)>) -> Vec<u8> {
    let mut written = Vec::with_capacity(path.len());
    let mut at = 0;
    while at < path.len() {
        match with(at) {
            Some((bytes, length)) => {
                written.extend(bytes);
                at += length;
            }
            None => {
                written.push(path[at]);
                at += 1;
            }
        }
    }
    written
}

/// The raw path without any `%` that begins no escape.
fn without_lone(raw: &[u8]) -> Vec<u8> {
    let begins_none = |at: usize| raw[at] == b'%' && hex_pair(raw, at + 1).is_none();
    (0..raw.len()).filter(|&at| !begins_none(at)).map(|at| raw[at]).collect()
}

/// The text of a path for a reader with these habits.
fn read(raw: &str, habits: u16, stars: Stars) -> String {
    walk(raw, habits, stars).text
}

struct Walk {
    text: String,
    /// Whether there was a `..` at the root.
    climbs: bool,
    /// Whether there was a `..` behind an empty segment.
    has_dots_after_empty: bool,
}

fn walk(raw: &str, habits: u16, stars: Stars) -> Walk {
    let mut bytes = Cow::Borrowed(raw.as_bytes());
    if habits & LONE != 0 {
        bytes = without_lone(&bytes).into();
    }
    if habits != 0 {
        bytes = decoded(respelled(&bytes), habits).into();
    }
    if habits & ENDS != 0
        && let Some(end) = (0..bytes.len()).find(|&at| matches!(escaped(&bytes, at), Some(b'?' | b'#' | b'\n' | b'\r')))
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
    let (mut segment, mut climbs, mut has_empty, mut has_dots_after_empty) = (Vec::new(), false, false, false);
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
                has_dots_after_empty |= has_empty;
                text.truncate(text.rfind('/').unwrap_or(0));
            }
            b"" if habits & DOTS_FIRST == 0 || is_last => has_empty = true,
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
    Walk { text, climbs, has_dots_after_empty }
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

/// Writes the character or escape at `at`. Returns how many bytes it takes.
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

/// Appends bytes as text; bytes that are not UTF-8 stay escaped.
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
    if path.get(at) == Some(&b'%') { hex_pair(path, at + 1) } else { None }
}

fn hex_pair(path: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| char::from(*path.get(at)?).to_digit(16);
    u8::try_from(digit(at)? * 16 + digit(at + 1)?).ok()
}

/// The character that `%u` and four digits stand for, the `%` being spelled as it is in a text, and how long that is. A
/// pair of surrogates is two of them.
fn unicode(path: &[u8], at: usize) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let is_one = path.get(at..at + 3)? == b"%25" && matches!(path.get(at + 3)?, b'u' | b'U');
        let unit = || Some((u16::from(hex_pair(path, at + 4)?) << 8) | u16::from(hex_pair(path, at + 6)?));
        is_one.then(unit)?
    };
    const LENGTH: usize = 8;
    let first = unit(at)?;
    let units = [first, unit(at + LENGTH).unwrap_or_default()];
    let used = if (0xd800..0xdc00).contains(&first) { 2 } else { 1 };
    char::decode_utf16(units[..used].iter().copied()).next()?.ok().map(|c| (c, LENGTH * used))
}

/// The character that an escaped sequence of more bytes than it needs stands for, and the sequence's length. There were
/// sequences of up to six (RFC 2279 section 2), and there are readers who take any second byte (MS00-078, `%C1%1C`).
fn overlong(path: &[u8], at: usize) -> Option<(char, usize)> {
    let first = escaped(path, at)?;
    let (tails, own, least) = match first {
        0xc0 | 0xc1 => (1, first & 0x1f, 0x80),
        0xe0..=0xef => (2, first & 0x0f, 0x800),
        0xf0..=0xf7 => (3, first & 0x07, 0x1_0000),
        0xf8..=0xfb => (4, first & 0x03, 0x20_0000),
        0xfc..=0xfd => (5, first & 0x01, 0x400_0000),
        _ => return None,
    };
    let (mut value, mut end) = (u32::from(own), at + 3);
    for _ in 0..tails {
        let byte = if tails == 1 { *path.get(end)? } else { b'%' };
        let (tail, length) = match byte {
            b'%' => (escaped(path, end)?, 3),
            literal => (literal, 1),
        };
        if tails > 1 && tail & 0xc0 != 0x80 {
            return None;
        }
        value = (value << 6) | u32::from(tail & 0x3f);
        end += length;
    }
    let c = char::from_u32(value).filter(|_| value < least)?;
    Some((c, end - at))
}

#[cfg(test)]
mod tests;
