//! Which headers never pass a proxy: those that hooks neither see nor add, and RFC 9110 section 7.6.1, as tables.

use bytes::Bytes;
use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};
use http_body::Frame;

use crate::limits;
use crate::wasm::abi::header_rules::is_disallowed;

/// What was found among a request's headers that needs attention.
#[derive(Debug, Default)]
pub(crate) struct HeaderFindings {
    /// It has passed other proxies, or this one.
    pub(crate) passed: bool,
    /// It says how its sender was asked, in one of `FORWARDED_FIELDS`.
    pub(crate) forwarded: bool,
    /// It has cookies, in one line or more.
    pub(crate) cookies: bool,
    /// Its sender accepts trailers (RFC 9110 section 10.1.4).
    pub(crate) takes_trailers: bool,
    /// The trailers that it announces itself.
    pub(crate) trailer: Option<HeaderValue>,
}

/// Removes from trailers, if this frame has them, what may not pass.
pub(crate) fn clean_trailers(mut frame: Frame<Bytes>) -> Frame<Bytes> {
    if let Some(trailers) = frame.trailers_mut() {
        retain_trailers(trailers);
    }
    frame
}

/// Removes what a request may not carry to a hook or an origin: hop-by-hop headers, those that `Connection`
/// names, and CloudFront's disallowed ones. Framing (`Content-Length`, `Transfer-Encoding`) stays.
pub(crate) fn strip_request(headers: &mut HeaderMap) -> HeaderFindings {
    let mut noted = HeaderFindings::default();
    let (mut te, mut trailer) = (false, false);
    let gone = named_by_connection(headers);
    // One pass over the headers finds everything.
    let gone = gone_of(headers, gone, |name| {
        match name {
            "cookie" => noted.cookies = true,
            "via" | "cdn-loop" => noted.passed = true,
            // `x-forwarded-proto` is disallowed.
            "forwarded" | "x-forwarded-host" | "x-forwarded-port" => noted.forwarded = true,
            "te" => te = true,
            "trailer" => trailer = true,
            _ => {}
        }
        // `HTTP2-Settings` belongs to an upgrade that is not supported (RFC 7540 section 3.2.1), and is for this connection
        // whether `Connection` names it or not.
        is_disallowed(name) || matches!(name, "x-http-method-override" | "http2-settings")
    });
    if te {
        let members = headers.get_all(header::TE).iter().flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
        noted.takes_trailers = members.map(<[u8]>::trim_ascii).any(|member| member.eq_ignore_ascii_case(b"trailers"));
    }
    if trailer {
        noted.trailer = one_line(headers, &header::TRAILER, b", ");
    }
    remove(headers, gone);
    noted
}

/// Removes hop-by-hop headers of an origin's answer, framing included: the body knows its own length. `Trailer` stays for
/// a client that accepts trailers.
pub(crate) fn strip_response(headers: &mut HeaderMap, takes_trailers: bool) {
    let chunked = headers.contains_key(header::TRANSFER_ENCODING);
    let gone = named_by_connection(headers);
    let gone = gone_of(headers, gone, |name| {
        matches!(name, "connection" | "keep-alive" | "proxy-connection" | "te" | "transfer-encoding" | "upgrade")
            // A body of known length has no trailers.
            || (name == "trailer" && !(takes_trailers && (chunked || !headers.contains_key(header::CONTENT_LENGTH))))
            || name.starts_with("x-amz-cf-")
            || name.starts_with("x-edge-")
            || name == "x-cache"
    });
    remove(headers, gone);
    if chunked {
        // If both are there, the length is not that of the body (RFC 9112 section 6.3).
        headers.remove(header::CONTENT_LENGTH);
    }
}

/// The headers that `Connection` names.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    if !headers.contains_key(header::CONNECTION) {
        return Vec::new();
    }
    // By bytes: an invalid member must not hide the others.
    let members = headers.get_all(header::CONNECTION).iter().flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
    let names = members.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
    names.filter(|name| !is_end_to_end(name.as_str())).collect()
}

/// Fields that `Connection` cannot remove (RFC 9110 section 7.6.1: a field for all recipients is not a connection option).
/// Naming them there must not make the edge forget whom a message is for, who sent it, where it has been, how it is framed
/// and read, or who may store it and for how long.
fn is_end_to_end(name: &str) -> bool {
    matches!(
        name,
        "accept-ranges"
            | "age"
            | "authorization"
            | "cache-control"
            | "cache-status"
            | "cache-tag"
            | "cdn-loop"
            | "cookie"
            | "date"
            | "etag"
            | "expires"
            | "forwarded"
            | "host"
            | "last-modified"
            | "location"
            | "no-vary-search"
            | "pragma"
            | "range"
            | "set-cookie"
            | "strict-transport-security"
            | "surrogate-control"
            | "surrogate-key"
            | "transfer-encoding"
            | "vary"
            | "via"
            | "warning"
            | "www-authenticate"
            | "x-frame-options"
    ) || name.ends_with("-cache-control")
        || ["content-", "if-", "access-control-", "x-forwarded-", "cloudfront-"].iter().any(|prefix| name.starts_with(prefix))
}

fn gone_of(headers: &HeaderMap, mut gone: Vec<HeaderName>, mut goes: impl FnMut(&str) -> bool) -> Vec<HeaderName> {
    gone.extend(headers.keys().filter(|name| goes(name.as_str())).cloned());
    gone
}

fn remove(headers: &mut HeaderMap, gone: Vec<HeaderName>) {
    for name in gone {
        headers.remove(name);
    }
}

/// Joins all lines of a header.
fn one_line(headers: &HeaderMap, name: &HeaderName, between: &[u8]) -> Option<HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next()?;
    let Some(second) = lines.next() else { return Some(first.clone()) };
    let mut all = first.as_bytes().to_vec();
    for line in std::iter::once(second).chain(lines) {
        all.extend_from_slice(between);
        all.extend_from_slice(line.as_bytes());
    }
    HeaderValue::from_bytes(&all).ok()
}

/// Joins the cookies of a request into one line. HTTP/2 lets a client send each in its own line, which HTTP/1 does not (RFC
/// 9113 section 8.2.3).
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(header::COOKIE).iter().nth(1).is_some()
        && let Some(cookies) = one_line(headers, &header::COOKIE, b"; ")
    {
        headers.insert(header::COOKIE, cookies);
    }
}

/// Removes trailers that are not allowed (RFC 9110 section 6.5.1): those by which a message is framed, routed, authenticated
/// or read, and those that may not pass as headers either. Removes all if they are too many or too large.
pub(crate) fn retain_trailers(trailers: &mut HeaderMap) {
    let bytes: usize = trailers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if trailers.len() > limits::trailers::FIELDS || bytes > limits::trailers::BYTES {
        trailers.clear();
        return;
    }
    let gone = gone_of(trailers, Vec::new(), |name| is_disallowed(name) || !may_trail(name));
    remove(trailers, gone);
}

fn may_trail(name: &str) -> bool {
    !(matches!(
        name,
        "age"
            | "authorization"
            | "cache-control"
            | "cdn-loop"
            | "cookie"
            | "date"
            | "expires"
            | "forwarded"
            | "host"
            | "location"
            | "max-forwards"
            | "pragma"
            | "range"
            | "retry-after"
            | "set-cookie"
            | "transfer-encoding"
            | "vary"
            | "via"
            | "warning"
            | "www-authenticate"
            | "x-forwarded-for"
    ) || name.starts_with("content-")
        || name.starts_with("if-")
        || name.starts_with("access-control-"))
}

/// Keeps the cookies whose names are wanted, in one line.
pub(crate) fn retain_cookies(headers: &mut HeaderMap, is_wanted: impl Fn(&[u8]) -> bool) {
    if !headers.contains_key(header::COOKIE) {
        return;
    }
    let mut kept: Vec<u8> = Vec::new();
    let lines = headers.get_all(header::COOKIE).iter();
    for pair in lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b';')).map(<[u8]>::trim_ascii) {
        let name = pair.split(|&byte| byte == b'=').next().unwrap_or_default();
        if !pair.is_empty() && is_wanted(name) {
            if !kept.is_empty() {
                kept.extend_from_slice(b"; ");
            }
            kept.extend_from_slice(pair);
        }
    }
    headers.remove(header::COOKIE);
    if let (false, Ok(cookies)) = (kept.is_empty(), HeaderValue::from_bytes(&kept)) {
        headers.insert(header::COOKIE, cookies);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_named_by_connection_are_dropped_but_never_the_framing_or_host() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, x-hop"),
            ("connection", "host, content-length"),
            ("connection", "Cookie,\tx-other , \u{e9}"),
            ("x-hop", "1"),
            ("x-other", "1"),
            ("cookie", "a=1"),
            ("host", "a"),
            ("content-length", "3"),
            ("x-keep", "1"),
        ] {
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        strip_request(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "cookie", "host", "x-keep"]);
    }

    #[test]
    fn an_answer_keeps_what_the_cache_judges_it_by_whatever_its_connection_says() {
        for name in [
            "cache-control",
            "cdn-cache-control",
            "edgeward-cache-control",
            "surrogate-control",
            "vary",
            "set-cookie",
            "expires",
            "age",
            "date",
            "etag",
            "last-modified",
            "pragma",
            "content-encoding",
            "content-range",
            "access-control-allow-origin",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONNECTION, HeaderValue::from_bytes(format!("x-hop, {name}, \u{e9}").as_bytes()).unwrap());
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("v"));
            headers.insert("x-hop", HeaderValue::from_static("v"));
            strip_response(&mut headers, false);
            assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), [name]);
        }
    }

    #[test]
    fn a_chunked_answer_loses_its_length() {
        let mut headers = HeaderMap::new();
        headers.insert("content-length", "3".parse().unwrap());
        headers.insert("transfer-encoding", "chunked".parse().unwrap());
        strip_response(&mut headers, false);
        assert!(headers.is_empty());
    }

    #[test]
    fn cookies_of_several_lines_become_one() {
        for (lines, joined) in
            [(&["a=1"][..], "a=1"), (&["a=1", "b=2"], "a=1; b=2"), (&["a=1; b=2", "c=3", "d=4"], "a=1; b=2; c=3; d=4")]
        {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("cookie", line.parse().unwrap());
            }
            join_cookies(&mut headers);
            assert_eq!(headers.get_all("cookie").iter().collect::<Vec<_>>(), [joined]);
        }
    }

    #[test]
    fn what_announces_trailers_stays_for_those_who_take_them() {
        for (framing, takes, stays) in [
            (Some(("transfer-encoding", "chunked")), true, true),
            (None, true, true),
            (Some(("transfer-encoding", "chunked")), false, false),
            (Some(("content-length", "2")), true, false),
            (None, false, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("trailer", "x-sum".parse().unwrap());
            if let Some((name, value)) = framing {
                headers.insert(name, HeaderValue::from_static(value));
            }
            strip_response(&mut headers, takes);
            assert_eq!(headers.contains_key("trailer"), stays, "{framing:?} {takes}");
        }
    }

    #[test]
    fn trailers_frame_and_route_nothing_and_have_limits() {
        let trailers = |names: &[&str]| {
            let mut map = HeaderMap::new();
            for name in names {
                map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static("v"));
            }
            retain_trailers(&mut map);
            map.len()
        };
        assert_eq!(trailers(&["x-checksum", "grpc-status", "server-timing", "etag"]), 4);
        for name in ["content-length", "transfer-encoding", "host", "set-cookie", "authorization", "trailer", "te", "x-cache"] {
            assert_eq!(trailers(&[name, "x"]), 1, "{name}");
        }
        let many = |n: usize| trailers(&vec!["x"; n]);
        let most = limits::trailers::FIELDS;
        assert_eq!([many(most - 1), many(most), many(most + 1)], [most - 1, most, 0]);
        let large = |n: usize| {
            let mut map = HeaderMap::new();
            map.insert("x", HeaderValue::from_bytes(&vec![b'v'; n - 1]).unwrap());
            retain_trailers(&mut map);
            map.len()
        };
        let most = limits::trailers::BYTES;
        assert_eq!([large(most - 1), large(most), large(most + 1)], [1, 1, 0]);
    }
}
