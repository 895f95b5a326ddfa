//! Which headers a hook may not see or change, and which never pass a proxy. CloudFront's lists
//! (Lambda@Edge, "Restrictions on HTTP headers") and RFC 9110 section 7.6.1, as tables.

use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};

use crate::wasm::abi::Moment;

/// Hidden from hooks, and not theirs to add. Names are lower-case.
pub(crate) fn is_disallowed(name: &str) -> bool {
    // Most headers start with another letter: one comparison decides.
    match name.as_bytes().first() {
        Some(b'c') => name == "connection",
        Some(b'e') => name == "expect",
        Some(b'k') => name == "keep-alive",
        Some(b'p') => matches!(name, "proxy-authenticate" | "proxy-authorization" | "proxy-connection"),
        Some(b't') => matches!(name, "trailer" | "te"),
        Some(b'u') => name == "upgrade",
        Some(b'x') => is_disallowed_extension(name),
        _ => false,
    }
}

fn is_disallowed_extension(name: &str) -> bool {
    matches!(
        name,
        "x-accel-buffering"
            | "x-accel-charset"
            | "x-accel-limit-rate"
            | "x-accel-redirect"
            | "x-amzn-auth"
            | "x-amzn-cf-billing"
            | "x-amzn-cf-id"
            | "x-amzn-cf-xff"
            | "x-amzn-errortype"
            | "x-amzn-fle-profile"
            | "x-amzn-header-count"
            | "x-amzn-header-order"
            | "x-amzn-lambda-integration-tag"
            | "x-amzn-requestid"
            | "x-cache"
            | "x-forwarded-proto"
            | "x-real-ip"
    ) || name.starts_with("x-amz-cf-")
        || name.starts_with("x-edge-")
}

/// Shown, but not to be changed at that moment.
pub(crate) fn is_read_only(moment: Moment, name: &str) -> bool {
    match moment {
        Moment::ViewerRequest => {
            matches!(name, "content-length" | "host" | "transfer-encoding" | "via" | "cloudfront-viewer-country")
        }
        Moment::OriginRequest => matches!(
            name,
            "accept-encoding"
                | "content-length"
                | "if-modified-since"
                | "if-none-match"
                | "if-range"
                | "if-unmodified-since"
                | "transfer-encoding"
                | "via"
        ),
        Moment::OriginResponse => matches!(name, "transfer-encoding" | "via"),
        // Framing is ours: a changed Transfer-Encoding would let a hook split the connection.
        Moment::ViewerResponse => matches!(name, "warning" | "via" | "transfer-encoding"),
    }
}

/// Removes what a request may not carry to a hook or an origin: hop-by-hop headers, those that `Connection`
/// names, and CloudFront's disallowed ones. Framing (`Content-Length`, `Transfer-Encoding`) stays.
pub(crate) fn strip_request(headers: &mut HeaderMap) {
    strip(headers, |name| is_disallowed(name) || name == "x-http-method-override");
}

/// Removes hop-by-hop headers of an origin's answer, framing included: the body says how long it is.
pub(crate) fn strip_response(headers: &mut HeaderMap) {
    let chunked = headers.contains_key(header::TRANSFER_ENCODING);
    strip(headers, |name| {
        matches!(name, "connection" | "keep-alive" | "proxy-connection" | "te" | "trailer" | "transfer-encoding" | "upgrade")
            || name.starts_with("x-amz-cf-")
            || name.starts_with("x-edge-")
            || name == "x-cache"
    });
    if chunked {
        // With both, the length is not the body's (RFC 9112 section 6.3).
        headers.remove(header::CONTENT_LENGTH);
    }
}

fn strip(headers: &mut HeaderMap, goes: impl Fn(&str) -> bool) {
    let mut gone: Vec<HeaderName> = Vec::new();
    if headers.contains_key(header::CONNECTION) {
        let named = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
        for name in named.flat_map(|value| value.split(',')) {
            // Whoever names an end-to-end header there must not make us forget whom the request is for.
            let name = HeaderName::from_bytes(name.trim().as_bytes()).ok();
            gone.extend(name.filter(|name| {
                !matches!(name.as_str(), "host" | "content-length" | "transfer-encoding" | "via" | "x-forwarded-for")
            }));
        }
    }
    gone.extend(headers.keys().filter(|name| goes(name.as_str())).cloned());
    for name in gone {
        headers.remove(name);
    }
}

/// Leaves the cookies whose names are wanted, in one line.
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
    fn disallowed_headers_are_those_of_the_table() {
        for name in
            ["connection", "expect", "te", "upgrade", "x-edge-anything", "x-amz-cf-id", "x-cache", "x-real-ip", "x-accel-charset"]
        {
            assert!(is_disallowed(name), "{name}");
        }
        for name in
            ["host", "cookie", "x-forwarded-for", "x-custom", "content-type", "transfer-encoding", "x-amz-date", "x-edgeward"]
        {
            assert!(!is_disallowed(name), "{name}");
        }
    }

    #[test]
    fn read_only_headers_depend_on_the_moment() {
        assert!(is_read_only(Moment::ViewerRequest, "host"));
        assert!(!is_read_only(Moment::OriginRequest, "host"));
        assert!(is_read_only(Moment::OriginRequest, "if-none-match"));
        assert!(!is_read_only(Moment::ViewerRequest, "if-none-match"));
        assert!(Moment::ALL.iter().all(|&moment| is_read_only(moment, "via") && is_read_only(moment, "transfer-encoding")));
        assert!(is_read_only(Moment::ViewerResponse, "warning"));
    }

    #[test]
    fn headers_named_by_connection_are_dropped_but_never_the_framing_or_host() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, x-hop"),
            ("connection", "host, content-length"),
            ("x-hop", "1"),
            ("host", "a"),
            ("content-length", "3"),
            ("x-keep", "1"),
        ] {
            headers.append(name, value.parse().unwrap());
        }
        strip_request(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "host", "x-keep"]);
    }

    #[test]
    fn a_chunked_answer_loses_its_length() {
        let mut headers = HeaderMap::new();
        headers.insert("content-length", "3".parse().unwrap());
        headers.insert("transfer-encoding", "chunked".parse().unwrap());
        strip_response(&mut headers);
        assert!(headers.is_empty());
    }
}
