//! Percent-encoding of text, as URIs and forms have it (RFC 3986 section 2.1).

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All but the unreserved characters (RFC 3986 section 2.3).
pub const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Encodes all but the unreserved characters.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Decodes a text. A percent sign that begins no encoding stands for itself, and bytes that are not UTF-8 then become U+FFFD.
pub fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Decodes a name or a value of a form or a query, in which `+` is a space.
pub fn form_decoded(text: &str) -> String {
    let spaced: Cow<'_, str> = if text.contains('+') { text.replace('+', " ").into() } else { text.into() };
    decoded(&spaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives_and_what_is_no_encoding_stays() {
        assert_eq!(encoded("a-._~ /ä"), "a-._~%20%2F%C3%A4");
        assert_eq!(decoded(&encoded("{\"a\": [\"ä/b+\"]}")), "{\"a\": [\"ä/b+\"]}");
        assert_eq!((decoded("%zz%4"), decoded("%ff"), decoded("a+b")), ("%zz%4".into(), "\u{fffd}".into(), "a+b".into()));
        assert_eq!(form_decoded("a+b%2B%C3%A9"), "a b+é");
    }
}
