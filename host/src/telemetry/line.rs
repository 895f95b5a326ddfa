//! Keeps a log record on one line, whatever a client or a guest has put into it.
//!
//! JSON escapes the C0 controls, but line splitters and terminals also interpret DEL, the C1 controls (NEL and CSI among
//! them), U+2028 and U+2029. In JSON these can occur in strings only, so they can be escaped without parsing.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::limits::logging::PATH_BYTES;

/// Escapes JSON so that every reader sees one line. Borrows if nothing needs escaping.
pub fn one_line_json(text: Vec<u8>) -> Vec<u8> {
    if !may_break(&text) {
        return text;
    }
    let Ok(text) = String::from_utf8(text) else {
        debug_assert!(false, "JSON is UTF-8");
        return b"null".to_vec();
    };
    let mut line = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        if breaks(c) { line.push_str(&format!("\\u{:04x}", u32::from(c))) } else { line.push(c) }
    }
    line.into_bytes()
}

/// Escapes a text record. Colour sequences stay; with `keep_lines`, further lines are indented instead of escaped.
pub fn one_line_text(text: &str, keep_lines: bool) -> String {
    let (body, end) = text.strip_suffix('\n').map_or((text, ""), |body| (body, "\n"));
    let mut line = String::with_capacity(text.len() + 64);
    for c in body.chars() {
        match c {
            '\n' if keep_lines => line.push_str("\n    "),
            // The beginning of a colour sequence; untrusted text has been escaped before.
            '\t' | '\x1b' => line.push(c),
            c if c.is_control() || breaks(c) => line.extend(c.escape_default()),
            c => line.push(c),
        }
    }
    line + end
}

/// Whether a text record needs no escaping.
pub fn is_one_line(text: &[u8]) -> bool {
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    !body.iter().any(|&byte| (byte < b' ' && byte != b'\x1b') || byte == 0x7f) && !may_break(text)
}

/// A path for the log: without its query, non-ASCII percent-encoded, and cut to a maximum length.
pub fn shown_path(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut shown = String::with_capacity(path.len().min(PATH_BYTES) + 4);
    for byte in path.bytes() {
        if shown.len() >= PATH_BYTES {
            shown.push('…');
            break;
        }
        if byte.is_ascii_graphic() {
            shown.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(shown, "%{byte:02X}");
        }
    }
    shown
}

/// Cuts a text to so many bytes, with a mark where it was cut.
pub fn shortened(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
        text.push('…');
    }
    text
}

/// Removes credentials from a URL: `SIGNED` replaces a query that has a parameter of a signature.
pub fn without_signature(url: &str) -> Cow<'_, str> {
    match url.split_once('?') {
        Some((before, query)) if is_signed(query) => Cow::Owned(format!("{before}?{SIGNED}")),
        _ => Cow::Borrowed(url),
    }
}

/// Replaces a secret query.
pub const SIGNED: &str = "(signed)";

/// Whether a query has a parameter of a known signature: CloudFront, S3 and compatible storage, Google's storage, Azure's
/// storage.
pub fn is_signed(query: &str) -> bool {
    const NAMES: [&str; 13] = [
        "Signature",
        "Policy",
        "Key-Pair-Id",
        "Hash-Algorithm",
        "X-Amz-Signature",
        "X-Amz-Credential",
        "X-Amz-Security-Token",
        "AWSAccessKeyId",
        "X-Goog-Signature",
        "X-Goog-Credential",
        "GoogleAccessId",
        "sig",
        "hdnts",
    ];
    query.split(['&', ';', '#']).any(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
    })
}

fn breaks(c: char) -> bool {
    matches!(c, '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}')
}

/// Without decoding: whether the byte is DEL or can begin a character that is escaped.
fn may_break(text: &[u8]) -> bool {
    text.iter().any(|&byte| matches!(byte, 0x7f | 0xc2 | 0xe2))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Python's `splitlines` and JavaScript take for the end of a line, and a terminal for a command.
    const WILD: &str = "a\u{85}b\u{2028}c\u{2029}d\u{9b}31m\u{7f}\r\n\u{b}\u{c}\u{1c}\u{0}\"\\é€😀";

    #[test]
    fn a_path_is_one_bounded_line_without_its_query() {
        let long = format!("/{}", "a".repeat(2 * PATH_BYTES));
        for (path, shown) in [
            ("/a%20b/c", "/a%20b/c"),
            ("/a?Signature=x", "/a"),
            ("/é\u{2028}\n \"", "/%C3%A9%E2%80%A8%0A%20\""),
            (&long[..=PATH_BYTES], &format!("{}…", &long[..PATH_BYTES])),
            (&long[..PATH_BYTES], &long[..PATH_BYTES]),
        ] {
            assert_eq!(shown_path(path), shown);
        }
        assert_eq!(shortened("aé".to_owned(), 3), "aé");
        assert_eq!(shortened("aéé".to_owned(), 4), "aé…");
    }

    #[test]
    fn a_signed_url_keeps_its_path_and_nothing_else() {
        for (url, shown) in [
            ("https://a/b", "https://a/b"),
            ("https://a/b?c=d&expires=1", "https://a/b?c=d&expires=1"),
            ("https://a/b?c=d&Expires=1&Signature=s&Key-Pair-Id=k", "https://a/b?(signed)"),
            ("https://a/b?Policy=p", "https://a/b?(signed)"),
            ("https://a/b?x-amz-signature=s", "https://a/b?(signed)"),
            ("https://a/b?x=1;sig=s", "https://a/b?(signed)"),
            ("https://a/b?design=s", "https://a/b?design=s"),
        ] {
            assert_eq!(without_signature(url), shown);
        }
    }

    #[test]
    fn json_stays_one_line_and_says_the_same() {
        let line = one_line_json(serde_json::to_vec(&[WILD]).unwrap());
        let text = std::str::from_utf8(&line).unwrap();
        assert!(text.chars().all(|c| !c.is_control() && !breaks(c)), "{text:?}");
        assert!(text.contains("é€😀"), "{text}");
        assert_eq!(serde_json::from_slice::<[String; 1]>(&line).unwrap(), [WILD]);
        assert_eq!(one_line_json(b"{\"a\":1}".to_vec()), b"{\"a\":1}");
    }

    #[test]
    fn text_stays_one_line_unless_its_lines_are_the_operators() {
        let line = one_line_text(&format!("INFO {WILD}\n"), false);
        assert!(line.ends_with('\n') && !line[..line.len() - 1].chars().any(|c| c.is_control() || breaks(c)), "{line:?}");
        assert!(line.contains("\\r\\n") && line.contains("é€😀"), "{line}");
        assert_eq!(one_line_text("wrong:\nerror: x\n", true), "wrong:\n    error: x\n");
        for (text, clean) in [("plain é\n", true), ("no end", true), ("two\nlines\n", false), ("\u{2028}\n", false)] {
            let escaped = one_line_text(text, false);
            assert_eq!(escaped == text, clean, "{text:?}");
            assert!(clean || !is_one_line(text.as_bytes()), "{text:?}");
        }
    }
}
