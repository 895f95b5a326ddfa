//! Conditional requests: the client's conditions, evaluated against a stored response, and ours, to revalidate it.
//!
//! RFC 9110 section 13 and RFC 9111 section 4.3. The origin evaluates `If-Match` and `If-Unmodified-Since`:
//! they protect writes, and only the origin knows the newest state.

use http::header::{self, HeaderMap, HeaderName};
use http::{Method, StatusCode};

use crate::cache::control;

/// The result of evaluating a request's conditions against a stored response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionResult {
    /// Send it.
    Send,
    /// The client has it: 304, with `fields::describe_nothing`.
    NotModified,
    /// Only the origin can tell.
    Forward,
}

/// Evaluates the conditions of a request against a stored response.
pub fn evaluate(method: &Method, asked: &HeaderMap, status: StatusCode, stored: &HeaderMap, received_ms: u64) -> ConditionResult {
    if asked.contains_key(header::IF_MATCH) || asked.contains_key(header::IF_UNMODIFIED_SINCE) {
        return ConditionResult::Forward;
    }
    // Conditions apply to successful responses to GET and HEAD (RFC 9110 section 13.2.1).
    if !matches!(*method, Method::GET | Method::HEAD) || !status.is_success() {
        return ConditionResult::Send;
    }
    let has_it = if asked.contains_key(header::IF_NONE_MATCH) {
        matches_stored_tag(asked, stored)
    } else {
        asked.get(header::IF_MODIFIED_SINCE).and_then(control::moment_ms).is_some_and(|since_ms| {
            let modified_ms = control::date_ms(stored, header::LAST_MODIFIED)
                .or_else(|| control::date_ms(stored, header::DATE))
                .unwrap_or(received_ms);
            modified_ms <= since_ms
        })
    };
    if has_it { ConditionResult::NotModified } else { ConditionResult::Send }
}

/// If-None-Match, by weak comparison.
fn matches_stored_tag(asked: &HeaderMap, stored: &HeaderMap) -> bool {
    let stored = stored.get(header::ETAG).map(|tag| opaque(tag.as_bytes().trim_ascii()));
    let lines = asked.get_all(header::IF_NONE_MATCH).iter();
    lines.flat_map(|line| Tags { rest: line.as_bytes() }).any(|tag| tag == b"*" || Some(opaque(tag)) == stored)
}

/// The tag without the prefix of a weak one.
fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// Entity tags between commas. An invalid tag is taken unchanged: it may still equal an invalid ETag.
struct Tags<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Tags<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let start = self.rest.iter().position(|byte| !matches!(byte, b',' | b' ' | b'\t'))?;
        let rest = &self.rest[start..];
        let opening = if rest.starts_with(b"W/\"") { 2 } else { 0 };
        let quoted = rest.get(opening) == Some(&b'"');
        let closing = quoted.then(|| rest[opening + 1..].iter().position(|&byte| byte == b'"')).flatten();
        let end = match closing {
            Some(length) => opening + length + 2,
            None => rest.iter().position(|&byte| byte == b',').unwrap_or(rest.len()),
        };
        self.rest = &rest[end..];
        Some(rest[..end].trim_ascii_end())
    }
}

/// Strong comparison: both tags are strong and equal.
pub(crate) fn is_same_strong_tag(left: &[u8], right: &[u8]) -> bool {
    left == right && left.starts_with(b"\"") && left.len() > 1
}

const CONDITIONS: [HeaderName; 6] = [
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::RANGE,
];

/// Turns a client's request into one for the whole response, to fill the cache. The client's conditions and ranges
/// are then answered from the stored response.
pub fn make_unconditional(asked: &mut HeaderMap) {
    for name in CONDITIONS {
        asked.remove(name);
    }
}

/// Turns a client's request into one that revalidates a stored response. Returns false if there is no validator; then it
/// asks for the whole response.
pub fn make_conditional(asked: &mut HeaderMap, stored: &HeaderMap) -> bool {
    make_unconditional(asked);
    let mut conditional = false;
    for (validator, condition) in [(header::ETAG, header::IF_NONE_MATCH), (header::LAST_MODIFIED, header::IF_MODIFIED_SINCE)] {
        if let Some(value) = stored.get(validator) {
            asked.insert(condition, value.clone());
            conditional = true;
        }
    }
    conditional
}

/// Whether a 304 is about the stored response (RFC 9111 section 4.3.4). If not, the whole response must be requested.
pub fn is_about(stored: &HeaderMap, answered: &HeaderMap) -> bool {
    match (stored.get(header::ETAG), answered.get(header::ETAG)) {
        (Some(stored), Some(answered)) => opaque(stored.as_bytes()) == opaque(answered.as_bytes()),
        // It has the tag of another response.
        (None, Some(answered)) => !answered.as_bytes().starts_with(b"\""),
        (_, None) => match (stored.get(header::LAST_MODIFIED), answered.get(header::LAST_MODIFIED)) {
            (Some(stored), Some(answered)) => stored == answered,
            _ => true,
        },
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    const EARLIER: &str = "Sun, 06 Nov 1994 08:00:00 GMT";
    const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const NOW_MS: u64 = 784_111_777_000;

    fn held(asked: &[(&str, &str)], stored: &[(&str, &str)]) -> ConditionResult {
        evaluate(&Method::GET, &map(asked), StatusCode::OK, &map(stored), NOW_MS)
    }

    #[test]
    fn if_none_match_is_compared_weakly() {
        for (asked, stored, has_it) in [
            ("\"abcdef\"", "\"abcdef\"", true),
            ("W/\"abcdef\"", "\"abcdef\"", true),
            ("\"abcdef\"", "W/\"abcdef\"", true),
            ("W/\"abcdef\"", "W/\"abcdef\"", true),
            ("\"abcdef\", \"1\", \"2\"", "\"abcdef\"", true),
            ("\"1\", \"abcdef\", \"2\"", "\"abcdef\"", true),
            ("\"1\",\"2\",W/\"abcdef\"", "\"abcdef\"", true),
            ("*", "\"abcdef\"", true),
            ("abcdef", "abcdef", true),
            ("\"a,b\"", "\"a,b\"", true),
            ("\"a\\\"", "\"a\\\"", true),
            ("abcdef", "\"abcdef\"", false),
            ("\"ABCDEF\"", "\"abcdef\"", false),
            ("\"a,b\"", "\"b\"", false),
            ("\"1\"", "\"abcdef\"", false),
            ("\"abcdef", "\"abcdef\"", false),
            ("", "\"abcdef\"", false),
            (",", "\"abcdef\"", false),
        ] {
            let expected = if has_it { ConditionResult::NotModified } else { ConditionResult::Send };
            assert_eq!(held(&[("if-none-match", asked)], &[("etag", stored)]), expected, "{asked} {stored}");
        }
        assert_eq!(held(&[("if-none-match", "\"1\"")], &[]), ConditionResult::Send);
        assert_eq!(held(&[("if-none-match", "*")], &[]), ConditionResult::NotModified);
        assert_eq!(
            held(&[("if-none-match", "\"1\""), ("if-none-match", "\"2\"")], &[("etag", "\"2\"")]),
            ConditionResult::NotModified
        );
    }

    #[test]
    fn if_none_match_goes_before_if_modified_since() {
        let stored = [("etag", "\"1\""), ("last-modified", EARLIER)];
        assert_eq!(held(&[("if-none-match", "\"1\""), ("if-modified-since", "x")], &stored), ConditionResult::NotModified);
        assert_eq!(held(&[("if-none-match", "\"2\""), ("if-modified-since", NOW)], &stored), ConditionResult::Send);
    }

    #[test]
    fn if_modified_since_is_compared_with_the_best_available_date() {
        for (since, stored, expected) in [
            (NOW, &[("last-modified", EARLIER)][..], ConditionResult::NotModified),
            (EARLIER, &[("last-modified", EARLIER)], ConditionResult::NotModified),
            ("Sunday, 06-Nov-94 08:00:00 GMT", &[("last-modified", EARLIER)], ConditionResult::NotModified),
            (EARLIER, &[("last-modified", NOW), ("date", EARLIER)], ConditionResult::Send),
            (EARLIER, &[("date", EARLIER)], ConditionResult::NotModified),
            (EARLIER, &[("date", NOW)], ConditionResult::Send),
            (NOW, &[], ConditionResult::NotModified),
            (EARLIER, &[], ConditionResult::Send),
            ("yesterday", &[("last-modified", EARLIER)], ConditionResult::Send),
        ] {
            assert_eq!(held(&[("if-modified-since", since)], stored), expected, "{since} {stored:?}");
        }
    }

    #[test]
    fn conditions_are_about_successful_reads() {
        let (asked, stored) = (map(&[("if-none-match", "*")]), map(&[]));
        for (method, status, expected) in [
            (Method::GET, 200, ConditionResult::NotModified),
            (Method::HEAD, 200, ConditionResult::NotModified),
            (Method::GET, 203, ConditionResult::NotModified),
            (Method::GET, 301, ConditionResult::Send),
            (Method::GET, 404, ConditionResult::Send),
            (Method::OPTIONS, 200, ConditionResult::Send),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(evaluate(&method, &asked, status, &stored, 0), expected, "{method} {status}");
        }
        for name in ["if-match", "if-unmodified-since"] {
            assert_eq!(held(&[(name, "*"), ("if-none-match", "*")], &[]), ConditionResult::Forward);
        }
    }

    #[test]
    fn a_revalidation_uses_the_stored_validators_and_not_the_clients() {
        let asker = map(&[
            ("if-none-match", "\"theirs\""),
            ("if-modified-since", NOW),
            ("if-range", "\"theirs\""),
            ("range", "bytes=0-1"),
            ("abc", "123"),
        ]);
        let mut asked = asker.clone();
        assert!(make_conditional(&mut asked, &map(&[("etag", "W/\"1\""), ("last-modified", EARLIER)])));
        assert_eq!(asked, map(&[("abc", "123"), ("if-none-match", "W/\"1\""), ("if-modified-since", EARLIER)]));
        let mut asked = asker.clone();
        assert!(!make_conditional(&mut asked, &map(&[])));
        assert_eq!(asked, map(&[("abc", "123")]));
    }

    #[test]
    fn a_304_must_be_about_what_is_stored() {
        for (stored, answered, about) in [
            (&[("etag", "\"1\"")][..], &[("etag", "\"1\"")][..], true),
            (&[("etag", "W/\"1\"")], &[("etag", "W/\"1\"")], true),
            (&[("etag", "\"1\"")], &[], true),
            (&[("etag", "\"1\"")], &[("etag", "\"2\"")], false),
            (&[("last-modified", NOW)], &[("etag", "\"2\"")], false),
            (&[("last-modified", NOW)], &[("last-modified", NOW)], true),
            (&[("last-modified", NOW)], &[("last-modified", EARLIER)], false),
            (&[("last-modified", NOW)], &[], true),
        ] {
            assert_eq!(is_about(&map(stored), &map(answered)), about, "{stored:?} {answered:?}");
        }
    }

    proptest! {
        #[test]
        fn a_tag_in_a_list_is_found(before in prop::collection::vec("(W/)?\"[a-z,\\\\]{0,4}\"", 0..4), tag in "(W/)?\"[A-Z, ]{0,6}\"") {
            let list = [before, vec![tag.clone()]].concat().join(", ");
            prop_assert_eq!(held(&[("if-none-match", &list)], &[("etag", &tag)]), ConditionResult::NotModified);
        }

        #[test]
        fn any_condition_is_evaluated_without_a_panic(line in "[ -~\t]{0,60}", tag in "[ -~]{0,10}") {
            let _ = held(&[("if-none-match", &line), ("if-modified-since", &line)], &[("etag", &tag)]);
        }
    }
}
