//! Whether a request has been here before: the name that this process leaves in all that it sends, and looks for in
//! all that comes (`CDN-Loop`, RFC 8586; `Via`, RFC 9110 section 7.6.3).
//!
//! The name is random and of this process alone: two Edgewards one behind the other are no loop, and one whose origin
//! leads back to itself, over however many others, is one at the first return. I know neither requests nor statuses.

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

/// A token, as both fields want it.
pub(crate) fn name() -> &'static str {
    &NAME.0
}

/// Adds this process to those that a request has passed. Nobody who configures or writes code that runs here can
/// prevent it.
pub(crate) fn mark(headers: &mut HeaderMap) {
    // A map that is full has far more fields than any request may have.
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
}
