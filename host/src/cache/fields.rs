//! Which header fields of a response are stored, renewed and sent.
//!
//! RFC 9111 sections 3.1 and 3.2, and RFC 9110 section 15.4.5. Fields for one connection or one client are never
//! stored. The fields of a 304 replace the stored ones, except those that describe the stored bytes.

use std::time::{Duration, UNIX_EPOCH};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::cache::control::{self, Control, DirectiveScope};

/// Whether `Set-Cookie` is stored with a response, and so sent with every hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetCookie {
    /// It is stored, as in the RFC and, for behaviors that forward cookies, in CloudFront.
    Keep,
    /// It is dropped, as in CloudFront when no cookies are forwarded.
    Drop,
    /// The response is not stored, unless it says that the field is for one client only: as in nginx and Varnish.
    Refuse,
}

/// The fields of a response that are for the requesting client only, and so not stored: those that `no-cache="…"` and
/// `private="…"` name, and `Set-Cookie` where it is not shared. The client of this response gets them.
pub fn personal(answered: &HeaderMap, cookies: SetCookie) -> Vec<HeaderName> {
    let mut names = control::withheld(answered);
    // Fields that describe the bytes must match the stored bytes, which may be compressed.
    names.retain(|name| *name != header::ETAG && !name.as_str().starts_with("content-"));
    names.retain(|name| !is_vital(name) && !CONNECTION.contains(&name.as_str()));
    match cookies {
        SetCookie::Keep => {}
        SetCookie::Drop => names.retain(|name| *name != header::SET_COOKIE),
        SetCookie::Refuse => names.push(header::SET_COOKIE),
    }
    names.sort_unstable_by(|left, right| left.as_str().cmp(right.as_str()));
    names.dedup();
    names
}

/// Whether a response sets a cookie without saying that it is for one client only.
pub fn sets_cookie(answered: &HeaderMap) -> bool {
    answered.contains_key(header::SET_COOKIE) && !control::withheld(answered).contains(&header::SET_COOKIE)
}

/// The header fields to store with a response. `Age` is not one of them: it is kept as a number.
pub fn storable(answered: &HeaderMap, cookies: SetCookie, received_ms: u64) -> HeaderMap {
    let mut stored = answered.clone();
    strip(&mut stored);
    if cookies != SetCookie::Keep {
        stored.remove(header::SET_COOKIE);
    }
    date(&mut stored, received_ms);
    stored
}

/// Updates stored header fields with those of a 304.
pub fn freshen(stored: &mut HeaderMap, answered: &HeaderMap, cookies: SetCookie, received_ms: u64) {
    let mut new = storable(answered, cookies, received_ms);
    // They describe the stored bytes; a message without content does not.
    for name in ["content-length", "content-encoding", "content-range", "content-md5"] {
        new.remove(name);
    }
    for name in new.keys() {
        stored.remove(name);
    }
    for (name, value) in &new {
        stored.append(name, value.clone());
    }
    // A directive of the 304 may withhold what was stored before.
    strip(stored);
}

/// Turns a response's header fields into those of a 304: removes what describes the content, which the client already
/// has.
pub fn remove_content_fields(headers: &mut HeaderMap) {
    for name in [
        header::CONTENT_LENGTH,
        header::CONTENT_ENCODING,
        header::CONTENT_LANGUAGE,
        header::CONTENT_RANGE,
        header::CONTENT_TYPE,
        header::TRANSFER_ENCODING,
    ] {
        headers.remove(name);
    }
    if headers.contains_key(header::ETAG) {
        headers.remove(header::LAST_MODIFIED);
    }
}

/// Fields of one connection, and `Age`, which is kept as a number.
const CONNECTION: [&str; 11] = [
    "age",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

fn strip(headers: &mut HeaderMap) {
    let mut gone = Vec::new();
    for line in headers.get_all(header::CONNECTION) {
        let names = line.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
        // Naming these is a mistake of the sender: without them the stored response would be a different one.
        let names = names.filter_map(|name| HeaderName::from_bytes(name).ok()).filter(|name| !is_vital(name));
        gone.extend(names);
    }
    let said = Control::of(headers);
    if said.no_cache == DirectiveScope::Fields || said.private == DirectiveScope::Fields {
        gone.extend(control::withheld(headers).into_iter().filter(|name| !is_vital(name)));
    }
    for name in CONNECTION {
        headers.remove(name);
    }
    for name in gone {
        headers.remove(name);
    }
}

/// Whether a field decides how a stored response may be used.
fn is_vital(name: &HeaderName) -> bool {
    matches!(*name, header::CACHE_CONTROL | header::CONTENT_ENCODING | header::CONTENT_LENGTH | header::DATE | header::VARY)
}

/// Gives a response without a date the time at which it arrived (RFC 9110 section 6.6.1), so that all copies have the same
/// date.
fn date(headers: &mut HeaderMap, received_ms: u64) {
    if headers.contains_key(header::DATE) {
        return;
    }
    if let Some(value) = moment(received_ms) {
        headers.insert(header::DATE, value);
    }
}

/// Formats a date, up to the year 9999.
fn moment(at_ms: u64) -> Option<HeaderValue> {
    const END_MS: u64 = 253_402_300_800_000;
    let at = UNIX_EPOCH + Duration::from_millis(Some(at_ms).filter(|&at_ms| at_ms < END_MS)?);
    HeaderValue::from_str(&httpdate::fmt_http_date(at)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 784_111_777_123;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_belongs_to_the_connection_or_is_withheld_is_not_stored() {
        let answered = map(&[
            ("connection", "a, b, cache-control"),
            ("a", "1"),
            ("b", "1"),
            ("c", "1"),
            ("keep-alive", "1"),
            ("proxy-authenticate", "1"),
            ("proxy-authentication-info", "1"),
            ("proxy-authorization", "1"),
            ("proxy-connection", "1"),
            ("te", "1"),
            ("trailer", "x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "1"),
            ("age", "5"),
            ("cache-control", "max-age=5, no-cache=\"d, e\", private=f"),
            ("d", "1"),
            ("e", "1"),
            ("f", "1"),
            ("set-cookie", "g=1"),
            ("date", "Sun, 06 Nov 1994 08:49:36 GMT"),
        ]);
        let stored = storable(&answered, SetCookie::Keep, NOW_MS);
        assert_eq!(names(&stored), ["c", "cache-control", "date", "set-cookie"]);
        assert_eq!(names(&storable(&answered, SetCookie::Drop, NOW_MS)), ["c", "cache-control", "date"]);
        assert_eq!(stored["date"], "Sun, 06 Nov 1994 08:49:36 GMT");
    }

    #[test]
    fn a_response_without_a_date_gets_one() {
        assert_eq!(storable(&HeaderMap::new(), SetCookie::Keep, NOW_MS)["date"], "Sun, 06 Nov 1994 08:49:37 GMT");
        assert!(storable(&HeaderMap::new(), SetCookie::Keep, u64::MAX).is_empty());
    }

    #[test]
    fn a_304_replaces_all_but_what_describes_the_bytes() {
        let mut stored = map(&[
            ("etag", "\"1\""),
            ("a", "1"),
            ("a", "2"),
            ("b", "1"),
            ("content-length", "5"),
            ("content-encoding", "gzip"),
            ("content-type", "text/plain"),
            ("date", "Sun, 06 Nov 1994 08:00:00 GMT"),
        ]);
        let answered = map(&[
            ("a", "3"),
            ("a", "4"),
            ("content-length", "10"),
            ("content-encoding", "br"),
            ("content-type", "text/html"),
            ("set-cookie", "a=b"),
            ("connection", "x"),
            ("x", "1"),
            ("age", "3"),
        ]);
        freshen(&mut stored, &answered, SetCookie::Keep, NOW_MS);
        let expected = map(&[
            ("etag", "\"1\""),
            ("a", "3"),
            ("a", "4"),
            ("b", "1"),
            ("content-length", "5"),
            ("content-encoding", "gzip"),
            ("content-type", "text/html"),
            ("set-cookie", "a=b"),
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ]);
        assert_eq!(stored, expected);
        freshen(&mut stored, &map(&[("cache-control", "no-cache=\"b\"")]), SetCookie::Keep, NOW_MS);
        assert!(!stored.contains_key("b"));
    }

    #[test]
    fn what_is_withheld_is_for_the_one_who_asked() {
        let answered = map(&[
            ("cache-control", "no-cache=\"x, set-cookie\", private=\"x, etag, vary, connection\""),
            ("set-cookie", "a=b"),
            ("x", "1"),
        ]);
        for (cookies, expected) in
            [(SetCookie::Keep, &["set-cookie", "x"][..]), (SetCookie::Drop, &["x"]), (SetCookie::Refuse, &["set-cookie", "x"])]
        {
            assert_eq!(personal(&answered, cookies), expected, "{cookies:?}");
        }
        assert!(!sets_cookie(&answered) && sets_cookie(&map(&[("set-cookie", "a=b")])));
        assert!(personal(&map(&[("a", "1")]), SetCookie::Keep).is_empty());
    }

    #[test]
    fn a_304_has_no_content_fields() {
        let mut headers = map(&[
            ("etag", "\"1\""),
            ("last-modified", "x"),
            ("content-length", "5"),
            ("content-type", "text/plain"),
            ("content-location", "/a"),
            ("cache-control", "max-age=5"),
            ("vary", "a"),
        ]);
        remove_content_fields(&mut headers);
        assert_eq!(names(&headers), ["cache-control", "content-location", "etag", "vary"]);
        let mut headers = map(&[("last-modified", "x")]);
        remove_content_fields(&mut headers);
        assert_eq!(names(&headers), ["last-modified"]);
    }
}
