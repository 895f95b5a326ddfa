//! The head of a request, checked once so that nobody else needs to.
//!
//! hyper checks the framing; this module refuses heads that two readers could understand differently.

use http::header::{self, HeaderValue};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, Method, Uri, Version, request};

use crate::edge::request::header_rules::{join_cookies, strip_request};
use crate::net::Interim;
use crate::{limits, loops};

/// Why a head is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeadError {
    #[error("malformed request: {0}")]
    Malformed(&'static str),
    #[error("the URL is too long")]
    UrlTooLong,
    #[error("too many headers")]
    TooManyHeaders,
    #[error("the request has passed this edge before")]
    Loop,
}

/// Method, target and headers, as hooks see and change them. `Host` is there once, and valid; only a request of HTTP/1.0
/// may have none.
#[derive(Debug, Clone)]
pub(crate) struct RequestHead {
    pub(crate) method: Method,
    pub(crate) target: PathAndQuery,
    pub(crate) headers: HeaderMap,
    pub(crate) version: Version,
    /// Whether it asks to go on as WebSocket. The headers that say so are removed like all that are for one connection,
    /// and written again for the origin's.
    pub(crate) websocket: bool,
    /// Whether it is `OPTIONS *`, which is about the server as a whole; everything but an origin treats it as `/`.
    pub(crate) asterisk: bool,
    /// Whether its sender says how it was asked itself, as a proxy does.
    pub(crate) forwarded: bool,
    /// What happens to the trailers of the answer.
    pub(crate) trailers: Trailers,
    /// The names of the request's own trailers, as it announces them.
    pub(crate) trailer: Option<Box<HeaderValue>>,
    /// Where interim responses (1xx) go; `None` drops them.
    pub(crate) interim: Option<Interim>,
}

/// What happens to the trailers of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trailers {
    Dropped,
    /// In HTTP/2 they harm no client that has not asked for them.
    Passed,
    /// The client asks for them (`TE: trailers`), and so does the edge at the origin.
    Wanted,
}

impl RequestHead {
    /// For a request that no client has sent.
    pub(crate) fn new(method: Method, target: PathAndQuery, headers: HeaderMap, version: Version) -> RequestHead {
        RequestHead {
            method,
            target,
            headers,
            version,
            websocket: false,
            asterisk: false,
            forwarded: false,
            trailers: Trailers::Dropped,
            trailer: None,
            interim: None,
        }
    }

    /// Checks a head. Also removes what may not pass a proxy.
    pub(crate) fn admit(parts: request::Parts) -> Result<RequestHead, HeadError> {
        let request::Parts { method, uri, version, mut headers, .. } = parts;
        if headers.len() > limits::request::HEADERS {
            return Err(HeadError::TooManyHeaders);
        }
        if headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH) {
            return Err(HeadError::Malformed("both Content-Length and Transfer-Encoding"));
        }
        if headers.get_all(header::CONTENT_LENGTH).iter().count() > 1 {
            return Err(HeadError::Malformed("more than one Content-Length"));
        }
        if version == Version::HTTP_2 && headers.values().any(has_space_around) {
            return Err(HeadError::Malformed("white space around a header's value"));
        }
        let target = target(&method, &uri, version)?;
        host(&uri, version, &mut headers)?;
        let websocket = asks_for_websocket(&method, version, &headers);
        let noted = strip_request(&mut headers);
        if noted.passed && loops::is_back(&headers) {
            return Err(HeadError::Loop);
        }
        if noted.cookies {
            join_cookies(&mut headers);
        }
        let asterisk = target.as_str() == "*";
        let target = if asterisk { PathAndQuery::from_static("/") } else { target };
        let trailers = match version {
            _ if noted.takes_trailers && version >= Version::HTTP_11 => Trailers::Wanted,
            Version::HTTP_2 => Trailers::Passed,
            _ => Trailers::Dropped,
        };
        let trailer = noted.trailer.map(Box::new);
        let forwarded = noted.forwarded;
        Ok(RequestHead { method, target, headers, version, websocket, asterisk, forwarded, trailers, trailer, interim: None })
    }

    /// The host without its port; empty if a request of HTTP/1.0 names none.
    pub(crate) fn host(&self) -> &str {
        let host = self.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        without_port(host)
    }

    /// Whether the client has asked for a port beside the host.
    pub(crate) fn names_port(&self) -> bool {
        self.headers.get(header::HOST).is_some_and(|host| host.len() > self.host().len())
    }

    pub(crate) fn path(&self) -> &str {
        self.target.path()
    }

    /// Whether its method is safe, so that the same request may be sent twice.
    pub(crate) fn is_safe(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS)
    }
}

/// RFC 6455 section 4.1. Stricter than RFC 9110, so that all readers agree: one `Upgrade`, one protocol. Any other
/// request for an upgrade is answered in HTTP, as the RFC allows.
fn asks_for_websocket(method: &Method, version: Version, headers: &HeaderMap) -> bool {
    // A request that asks for no upgrade costs one look-up.
    let mut asked = headers.get_all(header::UPGRADE).iter();
    let (Some(protocol), None) = (asked.next(), asked.next()) else { return false };
    let named = |value: &HeaderValue| value.as_bytes().split(|&byte| byte == b',').any(is_upgrade);
    *method == Method::GET
        && version == Version::HTTP_11
        && protocol.as_bytes().eq_ignore_ascii_case(b"websocket")
        && headers.get_all(header::CONNECTION).iter().any(named)
}

fn is_upgrade(option: &[u8]) -> bool {
    option.trim_ascii().eq_ignore_ascii_case(b"upgrade")
}

/// RFC 9113 section 8.2.1. In HTTP/1.1 such space is not part of the value.
fn has_space_around(value: &HeaderValue) -> bool {
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    is_space(value.as_bytes().first()) || is_space(value.as_bytes().last())
}

fn target(method: &Method, uri: &Uri, version: Version) -> Result<PathAndQuery, HeadError> {
    if uri.scheme().is_some_and(|scheme| *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS) {
        return Err(HeadError::Malformed("the target is of another scheme"));
    }
    let target = match uri.path_and_query() {
        Some(target) if method != Method::CONNECT => target.clone(),
        _ => return Err(HeadError::Malformed("the target is not a path")),
    };
    if target.as_str().len() > limits::request::URL_BYTES {
        return Err(HeadError::UrlTooLong);
    }
    match target.as_str() {
        "*" if method == Method::OPTIONS => Ok(target),
        text if text.starts_with('/') => Ok(target),
        // An absolute URL without a path means the root.
        text if text.starts_with('?') && version != Version::HTTP_2 => {
            PathAndQuery::from_maybe_shared(bytes::Bytes::from(format!("/{text}")))
                .map_err(|_| HeadError::Malformed("the target is not a path"))
        }
        _ => Err(HeadError::Malformed("the target is not a path")),
    }
}

/// Leaves exactly one valid `Host`. The authority of an absolute target, or of HTTP/2, replaces the header
/// (RFC 9112 section 3.2.2).
fn host(uri: &Uri, version: Version, headers: &mut HeaderMap) -> Result<(), HeadError> {
    const INVALID: HeadError = HeadError::Malformed("Host is not valid");
    if headers.get_all(header::HOST).iter().count() > 1 {
        return Err(HeadError::Malformed("more than one Host"));
    }
    if let Some(authority) = uri.authority() {
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| INVALID)?;
        headers.insert(header::HOST, host);
    }
    let host = match headers.get(header::HOST) {
        Some(host) => host,
        // HTTP/1.0 does not require it (RFC 9112 section 3.2). A site for all hosts serves such a request.
        None if version < Version::HTTP_11 => return Ok(()),
        None => return Err(HeadError::Malformed("Host is missing")),
    };
    if let Some(tidy) = tidied(host.as_bytes()) {
        if !is_host(&tidy) || tidied(&tidy).is_some() {
            return Err(INVALID);
        }
        headers.insert(header::HOST, HeaderValue::from_bytes(&tidy).map_err(|_| INVALID)?);
        return Ok(());
    }
    if is_host(host.as_bytes()) { Ok(()) } else { Err(INVALID) }
}

/// One spelling for one host: without a colon that no port follows, and without the dot that ends a fully qualified name
/// (RFC 3986 section 3.2). `None` if it has neither.
fn tidied(host: &[u8]) -> Option<Vec<u8>> {
    let end = host.iter().rposition(|&byte| byte == b':').filter(|&at| !host[at..].contains(&b']')).unwrap_or(host.len());
    let (name, port) = host.split_at(end);
    let whole = name.strip_suffix(b".").filter(|name| !name.starts_with(b"["));
    (whole.is_some() || port == b":").then(|| [whole.unwrap_or(name), if port == b":" { b"" } else { port }].concat())
}

/// A registered name or an address, with an optional port. No user, no path, no escapes.
pub(crate) fn is_host(host: &[u8]) -> bool {
    let (name, port) = match host {
        [b'[', rest @ ..] => {
            let Some(end) = rest.iter().position(|&byte| byte == b']') else { return false };
            let address = std::str::from_utf8(&rest[..end]).is_ok_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
            if !address {
                return false;
            }
            (&b"x"[..], &rest[end + 1..])
        }
        _ => host.split_at(host.iter().position(|&byte| byte == b':').unwrap_or(host.len())),
    };
    let valid_port = match port {
        [] => true,
        [b':', digits @ ..] => {
            let number = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
            digits.len() <= 5 && number.is_some_and(|number| number.parse::<u16>().is_ok())
        }
        _ => false,
    };
    valid_port
        && (1..=253).contains(&name.len())
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
}

fn without_port(host: &str) -> &str {
    if host.starts_with('[') {
        return host.split_inclusive(']').next().unwrap_or(host);
    }
    host.split(':').next().unwrap_or(host)
}

/// The same path with another query.
pub(crate) fn with_query(target: &PathAndQuery, query: &str) -> PathAndQuery {
    let path = target.path();
    let text = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    PathAndQuery::from_maybe_shared(bytes::Bytes::from(text)).unwrap_or_else(|_| target.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(uri: &str, headers: &[(&str, &str)]) -> Result<RequestHead, HeadError> {
        let mut request = http::Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        RequestHead::admit(request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn hosts_are_names_or_addresses_with_a_port_at_most() {
        for host in ["a", "example.com", "example.com:8080", "127.0.0.1:1", "[::1]", "[::1]:8080", "a_b.c-d", "a:65535"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "", ":80", "a:", "a:b", "a:123456", "a:65536", "a:99999", "a:+1", "user@a", "a/b", "a b", "[::1", "[x]", "[::1]x",
            "a,b", "%61",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn ambiguous_heads_are_refused() {
        for headers in [
            &[][..],
            &[("host", "a"), ("host", "b")],
            &[("host", "a b")],
            &[("host", "a"), ("content-length", "1"), ("transfer-encoding", "chunked")],
            &[("host", "a"), ("content-length", "1"), ("content-length", "1")],
        ] {
            assert!(matches!(admit("/", headers), Err(HeadError::Malformed(_))), "{headers:?}");
        }
    }

    #[test]
    fn what_http2_says_is_not_made_right() {
        let admit = |path: &'static str, value: &'static str| {
            let uri = Uri::builder().scheme("http").authority("a").path_and_query(path).build().unwrap();
            let request = http::Request::builder().version(Version::HTTP_2).uri(uri).header("x", value).body(()).unwrap();
            RequestHead::admit(request.into_parts().0)
        };
        assert!(admit("/?x", "a b").is_ok());
        for (path, value) in [("?x", "v"), ("/", " v"), ("/", "v\t"), ("/", " ")] {
            assert!(matches!(admit(path, value), Err(HeadError::Malformed(_))), "{path} {value:?}");
        }
    }

    #[test]
    fn one_host_has_one_spelling() {
        for (host, tidy) in [
            ("example.com:", "example.com"),
            ("example.com.", "example.com"),
            ("example.com.:", "example.com"),
            ("example.com.:8080", "example.com:8080"),
            ("[::1]:", "[::1]"),
            ("[::1]", "[::1]"),
            ("example.com:80", "example.com:80"),
        ] {
            assert_eq!(admit("/", &[("host", host)]).unwrap().headers["host"], tidy, "{host}");
        }
        for host in [".", ":", ".:", "a..", "[::1].", "a::"] {
            assert!(matches!(admit("/", &[("host", host)]), Err(HeadError::Malformed(_))), "{host}");
        }
    }

    #[test]
    fn a_target_is_a_path_or_a_url_of_http() {
        for target in ["/", "http://a/", "https://a", "HTTP://a/x"] {
            assert!(admit(target, &[("host", "a")]).is_ok(), "{target}");
        }
        for target in ["ftp://a/", "file://a/etc", "ws://a/", "x://a/"] {
            assert!(matches!(admit(target, &[("host", "a")]), Err(HeadError::Malformed(_))), "{target}");
        }
    }

    #[test]
    fn only_http_1_0_may_name_no_host() {
        for (version, taken) in [(Version::HTTP_10, true), (Version::HTTP_11, false), (Version::HTTP_2, false)] {
            let request = http::Request::builder().version(version).body(()).unwrap();
            let head = RequestHead::admit(request.into_parts().0);
            assert_eq!(head.as_ref().is_ok_and(|head| head.host().is_empty()), taken, "{version:?}");
        }
    }

    #[test]
    fn options_asterisk_is_recognized() {
        let ask = |method: &str| {
            let request = http::Request::builder().method(method).uri("*").header("host", "a").body(()).unwrap();
            RequestHead::admit(request.into_parts().0)
        };
        let head = ask("OPTIONS").unwrap();
        assert!(head.asterisk && head.path() == "/");
        assert!(matches!(ask("GET"), Err(HeadError::Malformed(_))));
        assert!(!admit("/", &[("host", "a")]).unwrap().asterisk);
    }

    #[test]
    fn an_absolute_target_says_the_host() {
        let head = admit("http://example.com:81/a?b", &[("host", "other")]).unwrap();
        assert_eq!((head.host(), head.path(), head.target.query()), ("example.com", "/a", Some("b")));
        assert_eq!(head.headers["host"], "example.com:81");
    }

    #[test]
    fn only_an_unambiguous_upgrade_request_is_a_websocket_handshake() {
        let asks = |method: Method, version: Version, headers: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, HeaderValue::from_static(value));
            }
            asks_for_websocket(&method, version, &map)
        };
        for headers in [
            [("connection", "Upgrade"), ("upgrade", "websocket")],
            [("connection", "keep-alive, upgrade"), ("upgrade", "WebSocket")],
        ] {
            assert!(asks(Method::GET, Version::HTTP_11, &headers), "{headers:?}");
            assert!(!asks(Method::GET, Version::HTTP_10, &headers));
            assert!(!asks(Method::GET, Version::HTTP_2, &headers));
            assert!(!asks(Method::POST, Version::HTTP_11, &headers));
        }
        for headers in [
            &[("connection", "upgrade")][..],
            &[("upgrade", "websocket")],
            &[("connection", "close"), ("upgrade", "websocket")],
            &[("connection", "upgraded"), ("upgrade", "websocket")],
            &[("connection", "upgrade"), ("upgrade", "h2c")],
            &[("connection", "upgrade"), ("upgrade", "websocket, h2c")],
            &[("connection", "upgrade"), ("upgrade", "websocket/13")],
            &[("connection", "upgrade"), ("upgrade", "websocket"), ("upgrade", "websocket")],
            &[("connection", "upgrade"), ("upgrade", "websocket"), ("upgrade", "h2c")],
        ] {
            assert!(!asks(Method::GET, Version::HTTP_11, headers), "{headers:?}");
        }
    }

    #[test]
    fn a_url_may_be_as_long_as_its_limit() {
        let url = |n: usize| format!("/{}", "a".repeat(n - 1));
        assert!(admit(&url(limits::request::URL_BYTES), &[("host", "a")]).is_ok());
        assert!(matches!(admit(&url(limits::request::URL_BYTES + 1), &[("host", "a")]), Err(HeadError::UrlTooLong)));
    }
}
