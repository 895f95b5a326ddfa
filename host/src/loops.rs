//! Loop detection: this process adds its name to every request it sends, and looks for it in every request it receives
//! (`CDN-Loop`, RFC 8586; `Via`, RFC 9110 section 7.6.3).
//!
//! The name is random and unique to this process: two Edgewards one behind the other are no loop, and an origin that
//! leads back here, over however many proxies, is detected at the first return.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue, VIA};

pub(crate) const CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");

static NAME: LazyLock<(String, HeaderValue)> = LazyLock::new(|| {
    let name = format!("edgeward-{:016x}", RandomState::new().hash_one(0u8));
    let mark = HeaderValue::from_str(&name).unwrap_or(HeaderValue::from_static("edgeward"));
    (name, mark)
});

/// The name of this process, a token as both fields require.
pub(crate) fn name() -> &'static str {
    &NAME.0
}

/// The loop fields of a request, for the requests that are made on its behalf: two edges that dropped each other's marks
/// would ask each other for ever.
#[derive(Debug, Clone, Default)]
pub struct LoopMarks(Vec<(HeaderName, HeaderValue)>);

impl LoopMarks {
    pub(crate) fn of(headers: &HeaderMap) -> LoopMarks {
        let lines = |name: HeaderName| headers.get_all(&name).iter().map(move |line| (name.clone(), line.clone()));
        LoopMarks([CDN_LOOP, VIA].into_iter().flat_map(lines).collect())
    }

    /// Adds the lines that are missing: a guest may have copied them itself.
    pub(crate) fn append_to(&self, headers: &mut HeaderMap) {
        for (name, line) in &self.0 {
            if !headers.get_all(name).iter().any(|there| there == line) {
                // As in `mark`.
                let _ = headers.try_append(name.clone(), line.clone());
            }
        }
    }
}

/// Adds this process to the proxies that a request has passed. Neither a configuration nor a guest can prevent it.
pub(crate) fn mark(headers: &mut HeaderMap) {
    // A full map has far more fields than any request may have.
    let _ = headers.try_append(CDN_LOOP, NAME.1.clone());
}

/// Whether a request has passed this process, by either field.
pub(crate) fn is_back(headers: &HeaderMap) -> bool {
    let passed = members(headers, &CDN_LOOP).any(|member| first_word(member, b";") == name().as_bytes());
    // `received-protocol received-by [comment]`.
    passed
        || members(headers, &VIA).any(|member| {
            let by = member.iter().position(|byte| matches!(byte, b' ' | b'\t')).map_or(&[][..], |at| &member[at..]);
            first_word(by.trim_ascii_start(), b"(") == name().as_bytes()
        })
}

/// The members of a list, however many lines it takes.
fn members<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(name).iter().flat_map(|line| line.as_bytes().split(|&byte| byte == b',')).map(<[u8]>::trim_ascii)
}

/// What stands before white space or one of these.
fn first_word<'a>(text: &'a [u8], ends: &[u8]) -> &'a [u8] {
    let end = text.iter().position(|byte| matches!(byte, b' ' | b'\t') || ends.contains(byte));
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_name_in_its_place_is_a_loop() {
        let own = name();
        for (field, value, back) in [
            ("cdn-loop", own.to_owned(), true),
            ("cdn-loop", format!("{own}; v=1"), true),
            ("cdn-loop", format!("{own};v=1"), true),
            ("cdn-loop", format!("other.example, {own}"), true),
            ("cdn-loop", format!("other.example; by=\"{own}\""), false),
            ("cdn-loop", format!("{own}0"), false),
            ("cdn-loop", "edgeward-0".to_owned(), false),
            ("cdn-loop", ",, ;".to_owned(), false),
            ("via", format!("1.1 {own}"), true),
            ("via", format!("1.0 fred, 2.0 \t {own} (FRA50)"), true),
            ("via", format!("1.1 {own}(FRA50)"), true),
            ("via", own.to_owned(), false),
            ("via", format!("1.1 fred ({own})"), false),
            ("via", "1.1 local (edgeward)".to_owned(), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(HeaderName::from_static(field), HeaderValue::from_static("before"));
            headers.append(HeaderName::from_static(field), value.parse().unwrap());
            assert_eq!(is_back(&headers), back, "{field}: {value}");
        }
        let mut headers = HeaderMap::new();
        assert!(!is_back(&headers));
        mark(&mut headers);
        assert!(is_back(&headers));
    }

    #[test]
    fn where_a_request_has_been_is_passed_on_once() {
        let mut before = HeaderMap::new();
        for (name, value) in [("cdn-loop", "a"), ("cdn-loop", "b; x=1"), ("via", "1.1 a"), ("cookie", "c=1")] {
            before.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let passed = LoopMarks::of(&before);
        let mut after = HeaderMap::new();
        after.append(CDN_LOOP, HeaderValue::from_static("a"));
        passed.append_to(&mut after);
        assert_eq!(after.get_all(CDN_LOOP).iter().collect::<Vec<_>>(), ["a", "b; x=1"]);
        assert_eq!(after.get_all(VIA).iter().collect::<Vec<_>>(), ["1.1 a"]);
        assert!(!after.contains_key("cookie"));
    }
}
