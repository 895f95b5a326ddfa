//! Which bytes of a stored response a request wants (RFC 9110 section 14), and the header fields of the response.
//!
//! A range request may always be answered with the whole content. That is done for unusual requests: many ranges,
//! overlapping ranges (which could make a server send a file many times over), or, as in CloudFront, ranges out of
//! order. No planned response is longer than the content and the heads of `RANGES` parts.
//!
//! This only plans, without I/O: the parts are byte ranges of the content with the text that precedes each.

use std::ops::Range;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};

use crate::cache::condition::is_same_strong_tag;
use crate::cache::control::{self, SECOND_MS};
use crate::cache::freshness::Mode;
use crate::limits::negotiation::RANGES;

/// What to send of a stored response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All of it, as if no range had been requested.
    Whole,
    /// 206 with [`part`].
    One(Range<u64>),
    /// 206 with [`Multipart`]; two or more, none overlapping another.
    Several(Vec<Range<u64>>),
    /// 416 with [`unsatisfiable`].
    Unsatisfiable,
}

/// Selects from a stored response. Without a known length it is sent whole.
pub fn select(
    mode: Mode,
    method: &Method,
    asked: &HeaderMap,
    status: StatusCode,
    stored: &HeaderMap,
    length: Option<u64>,
) -> Selection {
    let (Some(length), &Method::GET, StatusCode::OK) = (length, method, status) else { return Selection::Whole };
    let mut lines = asked.get_all(header::RANGE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return Selection::Whole };
    if !if_range_holds(asked, stored) {
        return Selection::Whole;
    }
    parse(mode, line.as_bytes(), length)
}

/// If-Range: the ranges are wanted only if the client's other parts are of this response, by strong comparison.
fn if_range_holds(asked: &HeaderMap, stored: &HeaderMap) -> bool {
    let Some(condition) = asked.get(header::IF_RANGE) else { return true };
    let tag = condition.as_bytes().trim_ascii();
    if tag.starts_with(b"\"") || tag.starts_with(b"W/") {
        return stored.get(header::ETAG).is_some_and(|stored| is_same_strong_tag(tag, stored.as_bytes().trim_ascii()));
    }
    let (Some(condition_ms), Some(modified_ms)) =
        (control::moment_ms(condition), control::date_ms(stored, header::LAST_MODIFIED))
    else {
        return false;
    };
    // Two changes within a second have one date, which is strong only if the response was made later (section 8.8.2.2).
    let strong = control::date_ms(stored, header::DATE).is_some_and(|date_ms| modified_ms + SECOND_MS <= date_ms);
    strong && condition_ms == modified_ms
}

fn parse(mode: Mode, line: &[u8], length: u64) -> Selection {
    let Some(set) = line.split_at_checked(6).filter(|(unit, _)| unit.eq_ignore_ascii_case(b"bytes=")).map(|(_, set)| set) else {
        return Selection::Whole;
    };
    let mut parts: Vec<Range<u64>> = Vec::new();
    let mut any = false;
    for (n, spec) in set.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|spec| !spec.is_empty()).enumerate() {
        let Some(wanted) = RangeSpec::parse(spec) else { return Selection::Whole };
        any = true;
        if n >= RANGES {
            return Selection::Whole;
        }
        let Some(part) = wanted.within(length) else { continue };
        if mode == Mode::CloudFront && parts.last().is_some_and(|last| part.start < last.end) {
            return Selection::Whole;
        }
        if parts.iter().any(|other| part.start < other.end && other.start < part.end) {
            return Selection::Whole;
        }
        parts.push(part);
    }
    match (parts.len(), any) {
        (0, true) => Selection::Unsatisfiable,
        (0, false) => Selection::Whole,
        (1, _) => Selection::One(parts.swap_remove(0)),
        _ => Selection::Several(parts),
    }
}

/// One of the requested ranges.
enum RangeSpec {
    /// First and last byte, the last one included.
    Between(u64, u64),
    Last(u64),
}

impl RangeSpec {
    /// `None` if it is invalid, which makes the whole header invalid.
    fn parse(spec: &[u8]) -> Option<RangeSpec> {
        let dash = spec.iter().position(|&byte| byte == b'-')?;
        let (first, last) = (&spec[..dash], &spec[dash + 1..]);
        if first.is_empty() {
            return number(last).map(RangeSpec::Last);
        }
        let first = number(first)?;
        let last = if last.is_empty() { u64::MAX } else { number(last)? };
        (first <= last).then_some(RangeSpec::Between(first, last))
    }

    /// `None` if it is not satisfiable.
    fn within(&self, length: u64) -> Option<Range<u64>> {
        let part = match *self {
            RangeSpec::Between(first, last) => first..last.saturating_add(1).min(length),
            RangeSpec::Last(wanted) => length.saturating_sub(wanted)..length,
        };
        (part.start < part.end).then_some(part)
    }
}

/// Parses a number; one that is too large counts as the largest.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'))))
}

/// Turns a whole response's header fields into those of a 206 with one part.
pub fn part(headers: &mut HeaderMap, part: &Range<u64>, length: u64) {
    headers.insert(header::CONTENT_RANGE, value(content_range(part, length)));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(part.end - part.start));
}

/// Turns a whole response's header fields into those of a 416. The stored validators do not describe it.
pub fn unsatisfiable(headers: &mut HeaderMap, length: u64) {
    for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_LANGUAGE, header::ETAG, header::LAST_MODIFIED] {
        headers.remove(name);
    }
    headers.insert(header::CONTENT_RANGE, value(format!("bytes */{length}")));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(0u64));
}

fn content_range(part: &Range<u64>, length: u64) -> String {
    format!("bytes {}-{}/{length}", part.start, part.end - 1)
}

fn value(text: String) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The body of a 206 with several parts: text, bytes, text, bytes, …, text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multipart {
    /// The text before each part, and which bytes of the content the part is.
    pub parts: Vec<(Bytes, Range<u64>)>,
    /// The text after the last part.
    pub end: Bytes,
    /// The length of the body.
    pub length: u64,
}

impl Multipart {
    /// Plans the body, and turns a whole response's header fields into those for it. The boundary is letters
    /// and digits that the content does not contain, such as 128 random bits.
    pub fn plan(headers: &mut HeaderMap, ranges: &[Range<u64>], length: u64, boundary: &str) -> Multipart {
        let content_type = headers.get(header::CONTENT_TYPE).cloned();
        let mut parts = Vec::with_capacity(ranges.len());
        for (n, range) in ranges.iter().enumerate() {
            let mut text = Vec::with_capacity(160);
            text.extend_from_slice(if n == 0 { b"--" } else { b"\r\n--" });
            text.extend_from_slice(boundary.as_bytes());
            if let Some(content_type) = &content_type {
                text.extend_from_slice(b"\r\nContent-Type: ");
                text.extend_from_slice(content_type.as_bytes());
            }
            text.extend_from_slice(b"\r\nContent-Range: ");
            text.extend_from_slice(content_range(range, length).as_bytes());
            text.extend_from_slice(b"\r\n\r\n");
            parts.push((Bytes::from(text), range.clone()));
        }
        let end = Bytes::from(format!("\r\n--{boundary}--\r\n"));
        let bytes = |(text, range): &(Bytes, Range<u64>)| text.len() as u64 + (range.end - range.start);
        let body = parts.iter().map(bytes).sum::<u64>() + end.len() as u64;
        headers.remove(header::CONTENT_RANGE);
        headers.insert(header::CONTENT_TYPE, value(format!("multipart/byteranges; boundary={boundary}")));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body));
        Multipart { parts, end, length: body }
    }
}

#[cfg(test)]
mod tests {
    use http::header::HeaderName;
    use proptest::prelude::*;

    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn of_10(mode: Mode, line: &str) -> Selection {
        select(mode, &Method::GET, &map(&[("range", line)]), StatusCode::OK, &HeaderMap::new(), Some(10))
    }

    #[test]
    fn ranges_of_ten_bytes() {
        use Selection::{One, Several, Unsatisfiable, Whole};
        for (line, expected) in [
            ("bytes=0-1", One(0..2)),
            ("bytes=1-", One(1..10)),
            ("bytes=-1", One(9..10)),
            ("bytes=-10", One(0..10)),
            ("bytes=-11", One(0..10)),
            ("bytes=0-9", One(0..10)),
            ("bytes=0-10", One(0..10)),
            ("bytes=9-9", One(9..10)),
            ("BYTES=0-1", One(0..2)),
            ("bytes= 0-1 ,", One(0..2)),
            ("bytes=5-99999999999999999999999", One(5..10)),
            ("bytes=0-1,3-4", Several(vec![0..2, 3..5])),
            ("bytes=0-1, 2-3, -1", Several(vec![0..2, 2..4, 9..10])),
            ("bytes=0-1,10-12", One(0..2)),
            ("bytes=10-", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=10-11,20-", Unsatisfiable),
            ("bytes=99999999999999999999999-", Unsatisfiable),
            ("bytes=2-1", Whole),
            ("bytes=0-1,5-4", Whole),
            ("bytes=0-5,3-8", Whole),
            ("bytes=0-,0-,0-", Whole),
            ("bytes=", Whole),
            ("bytes=,", Whole),
            ("bytes=-", Whole),
            ("bytes=a-b", Whole),
            ("bytes=1", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=--1", Whole),
            ("bytes 0-1", Whole),
            ("items=0-1", Whole),
            ("", Whole),
        ] {
            for mode in [Mode::CloudFront, Mode::Standards] {
                assert_eq!(of_10(mode, line), expected, "{mode:?} {line}");
            }
        }
    }

    #[test]
    fn cloudfront_requires_ranges_in_order() {
        assert_eq!(of_10(Mode::CloudFront, "bytes=3-4,0-1"), Selection::Whole);
        assert_eq!(of_10(Mode::Standards, "bytes=3-4,0-1"), Selection::Several(vec![3..5, 0..2]));
    }

    #[test]
    fn too_many_ranges_get_the_whole_body() {
        let ranges = |n: usize| {
            let list = (0..n).map(|n| format!("{0}-{0}", 2 * n)).collect::<Vec<_>>().join(",");
            parse(Mode::Standards, format!("bytes={list}").as_bytes(), 1000)
        };
        assert!(matches!(ranges(RANGES - 1), Selection::Several(parts) if parts.len() == RANGES - 1));
        assert!(matches!(ranges(RANGES), Selection::Several(parts) if parts.len() == RANGES));
        assert_eq!(ranges(RANGES + 1), Selection::Whole);
        let unsatisfiable = format!("bytes={}", vec!["5000-"; 1000].join(","));
        assert_eq!(parse(Mode::Standards, unsatisfiable.as_bytes(), 1000), Selection::Whole);
    }

    #[test]
    fn ranges_are_of_whole_stored_answers_to_get() {
        let asked = map(&[("range", "bytes=0-1")]);
        let of = |method, status, length| select(Mode::Standards, method, &asked, status, &HeaderMap::new(), length);
        assert_eq!(of(&Method::GET, StatusCode::OK, Some(10)), Selection::One(0..2));
        assert_eq!(of(&Method::HEAD, StatusCode::OK, Some(10)), Selection::Whole);
        assert_eq!(of(&Method::GET, StatusCode::NOT_FOUND, Some(10)), Selection::Whole);
        assert_eq!(of(&Method::GET, StatusCode::OK, None), Selection::Whole);
        assert_eq!(of(&Method::GET, StatusCode::OK, Some(0)), Selection::Unsatisfiable);
        let twice = map(&[("range", "bytes=0-1"), ("range", "bytes=2-3")]);
        assert_eq!(select(Mode::Standards, &Method::GET, &twice, StatusCode::OK, &HeaderMap::new(), Some(9)), Selection::Whole);
    }

    #[test]
    fn if_range_is_compared_strongly() {
        const EARLIER: &str = "Sun, 06 Nov 1994 08:00:00 GMT";
        const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (condition, stored, wanted) in [
            ("\"1\"", &[("etag", "\"1\"")][..], true),
            ("\"1\"", &[("etag", "\"2\"")], false),
            ("\"1\"", &[], false),
            ("W/\"1\"", &[("etag", "W/\"1\"")], false),
            ("\"1\"", &[("etag", "W/\"1\"")], false),
            (EARLIER, &[("last-modified", EARLIER), ("date", NOW)], true),
            (EARLIER, &[("last-modified", EARLIER), ("date", EARLIER)], false),
            (EARLIER, &[("last-modified", EARLIER)], false),
            (NOW, &[("last-modified", EARLIER), ("date", NOW)], false),
            ("1", &[("etag", "1")], false),
            ("", &[], false),
        ] {
            let asked = map(&[("range", "bytes=0-1"), ("if-range", condition)]);
            let selection = select(Mode::Standards, &Method::GET, &asked, StatusCode::OK, &map(stored), Some(10));
            assert_eq!(selection == Selection::One(0..2), wanted, "{condition} {stored:?}");
            assert_eq!(selection == Selection::Whole, !wanted, "{condition} {stored:?}");
        }
    }

    #[test]
    fn heads_of_parts() {
        let mut headers = map(&[("content-length", "10"), ("etag", "\"1\""), ("content-type", "text/plain")]);
        part(&mut headers, &(2..5), 10);
        assert_eq!(headers["content-range"], "bytes 2-4/10");
        assert_eq!(headers["content-length"], "3");
        unsatisfiable(&mut headers, 10);
        assert_eq!(headers, map(&[("content-range", "bytes */10"), ("content-length", "0")]));
    }

    #[test]
    fn several_parts_are_one_body() {
        let content = b"0123456789";
        let mut headers = map(&[("content-length", "10"), ("content-type", "text/plain")]);
        let plan = Multipart::plan(&mut headers, &[0..2, 9..10], 10, "B");
        let mut body = Vec::new();
        for (text, range) in &plan.parts {
            body.extend_from_slice(text);
            body.extend_from_slice(&content[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()]);
        }
        body.extend_from_slice(&plan.end);
        expect_test::expect![[r#"
            --B
            Content-Type: text/plain
            Content-Range: bytes 0-1/10

            01
            --B
            Content-Type: text/plain
            Content-Range: bytes 9-9/10

            9
            --B--
        "#]]
        .assert_eq(&String::from_utf8(body.clone()).unwrap().replace("\r\n", "\n"));
        assert_eq!(plan.length, body.len() as u64);
        assert_eq!(headers["content-length"], body.len().to_string());
        assert_eq!(headers["content-type"], "multipart/byteranges; boundary=B");
    }

    proptest! {
        /// Whatever is asked, an answer lies within the content, and no byte of it twice.
        #[test]
        fn no_byte_is_sent_twice(line in "bytes=([0-9]{0,2}-[0-9]{0,2},?){0,6}", length in 0u64..60, cloudfront: bool) {
            let mode = if cloudfront { Mode::CloudFront } else { Mode::Standards };
            let parts = match parse(mode, line.as_bytes(), length) {
                Selection::One(part) => vec![part],
                Selection::Several(parts) => parts,
                Selection::Whole | Selection::Unsatisfiable => vec![],
            };
            for part in &parts {
                prop_assert!(part.start < part.end && part.end <= length);
            }
            prop_assert!(parts.iter().map(|part| part.end - part.start).sum::<u64>() <= length);
        }

        #[test]
        fn anything_at_all_is_parsed(line in "[ -~]{0,60}", length: u64) {
            let _ = parse(Mode::Standards, line.as_bytes(), length);
        }
    }
}
