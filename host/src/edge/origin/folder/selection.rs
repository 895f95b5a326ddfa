//! Which part of a file a request's conditions and range select (RFC 9110 sections 13 and 14).
//!
//! Pure. One range is served; for several, or an invalid one, the whole file is the answer, as the RFC allows.

use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{self, HeaderMap, HeaderName};
use http::{HeaderValue, Method};

use crate::cache;
use crate::edge::request::head::RequestHead;

/// What distinguishes one state of a file from another.
pub(super) struct Validators {
    /// A strong tag: no two states of a file share it.
    pub(super) tag: String,
    pub(super) modified: SystemTime,
}

/// What the conditions of a request say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ConditionOutcome {
    Send,
    NotModified,
    Failed,
}

impl Validators {
    pub(super) fn new(modified: SystemTime, length: u64) -> Validators {
        let age = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        // Not later than now (RFC 9110 section 8.8.2.1), and not before the first date that can be written.
        let said = modified.clamp(UNIX_EPOCH, SystemTime::now());
        Validators { tag: format!("\"{:x}-{:x}\"", age.as_nanos(), length), modified: said }
    }

    pub(super) fn insert_into(&self, headers: &mut HeaderMap) {
        for (name, value) in [(header::ETAG, self.tag.as_str()), (header::LAST_MODIFIED, &httpdate::fmt_http_date(self.modified))]
        {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
    }

    /// In the order of RFC 9110 section 13.2.2: where there is a tag, it decides alone.
    pub(super) fn check(&self, headers: &HeaderMap) -> ConditionOutcome {
        if headers.contains_key(header::IF_MATCH) {
            if !tags(headers, &header::IF_MATCH).any(|tag| tag == "*" || tag == self.tag) {
                return ConditionOutcome::Failed;
            }
        } else if date(headers, &header::IF_UNMODIFIED_SINCE).is_some_and(|since| seconds(self.modified) > since) {
            return ConditionOutcome::Failed;
        }
        let unchanged = if headers.contains_key(header::IF_NONE_MATCH) {
            tags(headers, &header::IF_NONE_MATCH).any(|tag| tag == "*" || tag.trim_start_matches("W/") == self.tag)
        } else {
            date(headers, &header::IF_MODIFIED_SINCE).is_some_and(|since| seconds(self.modified) <= since)
        };
        if unchanged { ConditionOutcome::NotModified } else { ConditionOutcome::Send }
    }
}

/// A tag may have bytes outside ASCII (RFC 9110 section 8.8.3). Such a tag is not ours, but others in the list may be.
fn tags<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let lines = headers.get_all(name).iter().map(|value| value.as_bytes());
    lines.flat_map(|line| line.split(|&byte| byte == b',')).filter_map(|tag| str::from_utf8(tag.trim_ascii()).ok())
}

/// In seconds, the resolution of a date in a header.
fn date(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    cache::date::parse(headers.get(name)?.to_str().ok()?).map(seconds)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The range that a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WantedRange {
    bytes: ByteRange,
    /// `If-Range`: if it does not hold, the whole file is sent.
    condition: Option<HeaderValue>,
}

#[derive(Debug, PartialEq, Eq)]
enum ByteRange {
    /// First and last, both inclusive.
    From(u64, Option<u64>),
    Last(u64),
}

/// Which bytes of a file are sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FilePart {
    Whole,
    /// First and length.
    Of(u64, u64),
    Unsatisfiable,
}

impl WantedRange {
    pub(super) fn of(head: &RequestHead) -> Option<WantedRange> {
        let mut ranges = head.headers.get_all(header::RANGE).iter();
        let (Some(range), None, &Method::GET) = (ranges.next(), ranges.next(), &head.method) else { return None };
        let (unit, range) = range.to_str().ok()?.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (first, last) = range.trim().split_once('-')?;
        let bytes = match (first, last) {
            ("", last) => ByteRange::Last(number(last)?),
            (first, "") => ByteRange::From(number(first)?, None),
            (first, last) => ByteRange::From(number(first)?, Some(number(last)?)),
        };
        if matches!(bytes, ByteRange::From(first, Some(last)) if last < first) {
            return None;
        }
        Some(WantedRange { bytes, condition: head.headers.get(header::IF_RANGE).cloned() })
    }

    pub(super) fn part(&self, validators: &Validators, length: u64) -> FilePart {
        // Only an identical file can be completed, so a weak tag never matches.
        let holds = self.condition.as_ref().is_none_or(|condition| {
            condition.as_bytes() == validators.tag.as_bytes()
                || condition.as_bytes() == httpdate::fmt_http_date(validators.modified).as_bytes()
        });
        match self.bytes {
            _ if !holds => FilePart::Whole,
            ByteRange::Last(0) => FilePart::Unsatisfiable,
            // An empty file has no range.
            ByteRange::Last(_) if length == 0 => FilePart::Whole,
            ByteRange::Last(n) => FilePart::Of(length - n.min(length), n.min(length)),
            ByteRange::From(first, _) if first >= length => FilePart::Unsatisfiable,
            ByteRange::From(first, last) => FilePart::Of(first, last.unwrap_or(u64::MAX).min(length - 1) - first + 1),
        }
    }
}

/// A number of any length; one that does not fit is larger than any file.
fn number(digits: &str) -> Option<u64> {
    let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(method: Method, headers: &[(&'static str, &str)]) -> RequestHead {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        RequestHead::new(method, "/".parse().unwrap(), map, http::Version::HTTP_11)
    }

    fn validators() -> Validators {
        Validators { tag: "\"t\"".to_owned(), modified: UNIX_EPOCH + std::time::Duration::from_millis(1_000_500) }
    }

    #[test]
    fn one_range_is_a_part_and_anything_else_the_whole() {
        use FilePart::{Of, Unsatisfiable, Whole};
        for (range, length, part) in [
            ("bytes=0-0", 10, Of(0, 1)),
            ("bytes=2-5", 10, Of(2, 4)),
            ("Bytes = 2-5", 10, Of(2, 4)),
            ("bytes=9-9", 10, Of(9, 1)),
            ("bytes=9-10", 10, Of(9, 1)),
            ("bytes=0-99999999999999999999999", 10, Of(0, 10)),
            ("bytes=0-18446744073709551615", 10, Of(0, 10)),
            ("bytes=3-", 10, Of(3, 7)),
            ("bytes=-1", 10, Of(9, 1)),
            ("bytes=-10", 10, Of(0, 10)),
            ("bytes=-11", 10, Of(0, 10)),
            ("bytes=10-", 10, Unsatisfiable),
            ("bytes=10-11", 10, Unsatisfiable),
            ("bytes=99999999999999999999999-", 10, Unsatisfiable),
            ("bytes=-0", 10, Unsatisfiable),
            ("bytes=0-", 0, Unsatisfiable),
            ("bytes=-5", 0, Whole),
            ("bytes=5-2", 10, Whole),
            ("bytes=0-1,3-4", 10, Whole),
            ("bytes=+1-2", 10, Whole),
            ("bytes=-", 10, Whole),
            ("bytes=1", 10, Whole),
            ("lines=1-2", 10, Whole),
            ("", 10, Whole),
        ] {
            let wanted = WantedRange::of(&head(Method::GET, &[("range", range)]));
            assert_eq!(wanted.map_or(Whole, |wanted| wanted.part(&validators(), length)), part, "{range:?} of {length}");
        }
        assert_eq!(WantedRange::of(&head(Method::HEAD, &[("range", "bytes=0-0")])), None);
        assert_eq!(WantedRange::of(&head(Method::GET, &[("range", "bytes=0-0"), ("range", "bytes=1-1")])), None);
    }

    #[test]
    fn a_part_is_sent_only_of_what_the_client_has() {
        let modified = httpdate::fmt_http_date(validators().modified);
        for (condition, holds) in
            [("\"t\"", true), ("W/\"t\"", false), ("\"x\"", false), (&*modified, true), ("Thu, 01 Jan 1970 00:00:00 GMT", false)]
        {
            let wanted = WantedRange::of(&head(Method::GET, &[("range", "bytes=0-0"), ("if-range", condition)])).unwrap();
            assert_eq!(wanted.part(&validators(), 10) == FilePart::Of(0, 1), holds, "{condition}");
        }
    }

    #[test]
    fn validators_answer_whether_a_file_changed() {
        use ConditionOutcome::{Failed, NotModified, Send};
        let (same, before) = (httpdate::fmt_http_date(validators().modified), httpdate::fmt_http_date(UNIX_EPOCH));
        for (headers, outcome) in [
            (&[][..], Send),
            (&[("if-none-match", "\"x\", W/\"t\"")], NotModified),
            (&[("if-none-match", "*")], NotModified),
            (&[("if-none-match", "\"x\"")], Send),
            (&[("if-modified-since", &same)], NotModified),
            (&[("if-modified-since", &before)], Send),
            (&[("if-modified-since", "yesterday")], Send),
            (&[("if-none-match", "\"x\""), ("if-modified-since", &same)], Send),
            (&[("if-match", "\"t\"")], Send),
            (&[("if-match", "*")], Send),
            (&[("if-match", "W/\"t\"")], Failed),
            (&[("if-match", "\"x\"")], Failed),
            (&[("if-unmodified-since", &before)], Failed),
            (&[("if-unmodified-since", &same)], Send),
            (&[("if-match", "\"t\""), ("if-unmodified-since", &before), ("if-none-match", "\"t\"")], NotModified),
        ] {
            assert_eq!(validators().check(&head(Method::GET, headers).headers), outcome, "{headers:?}");
        }
    }
}
