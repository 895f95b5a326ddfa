//! Which stored responses an unsafe request invalidates (RFC 9111 section 4.4).
//!
//! After a PUT, POST, DELETE or unknown method that did not fail: the target itself, and the URIs in `Location` and
//! `Content-Location` if they have the same origin. Otherwise one site could invalidate the responses of another.

use http::header::{self, HeaderMap};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, StatusCode};

/// The target of a request as the viewer sees it.
#[derive(Debug, Clone, Copy)]
pub struct InvalidationTarget<'a> {
    pub scheme: &'a Scheme,
    pub authority: &'a Authority,
    pub path_and_query: &'a PathAndQuery,
}

/// The targets on the same host whose stored responses are no longer to be used.
pub fn targets(method: &Method, target: &InvalidationTarget, status: StatusCode, answered: &HeaderMap) -> Vec<PathAndQuery> {
    if is_safe(method) || !(status.is_success() || status.is_redirection()) {
        return Vec::new();
    }
    let mut targets = vec![target.path_and_query.clone()];
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        let named = answered.get(name).and_then(|value| value.to_str().ok());
        if let Some(named) = named.and_then(|named| resolve(target, named.trim()))
            && !targets.contains(&named)
        {
            targets.push(named);
        }
    }
    targets
}

/// Whether the method is safe by the IANA registry. An unknown method is not.
pub fn is_safe(method: &Method) -> bool {
    matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PROPFIND" | "REPORT" | "SEARCH" | "QUERY")
}

/// Resolves a reference of the same origin to an absolute path (RFC 3986 section 5.2). `None` for another origin, or if it
/// is invalid.
fn resolve(base: &InvalidationTarget, reference: &str) -> Option<PathAndQuery> {
    let reference = reference.split('#').next().unwrap_or_default();
    let (scheme, rest) = split_scheme(reference);
    if scheme.is_some_and(|scheme| !scheme.eq_ignore_ascii_case(base.scheme.as_str())) {
        return None;
    }
    let rest = match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (authority, rest) = rest.split_at(end);
            if !is_same_host(base, authority) {
                return None;
            }
            if rest.is_empty() { "/" } else { rest }
        }
        // `https:path` is a form that parsers read differently.
        None if scheme.is_some() => return None,
        None => rest,
    };
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    let base_path = base.path_and_query.path();
    let (path, query) = if path.starts_with('/') {
        (without_dots(path), query)
    } else if !path.is_empty() {
        let folder = base_path.rfind('/').map_or("/", |slash| &base_path[..=slash]);
        (without_dots(&format!("{folder}{path}")), query)
    } else if rest.starts_with('?') {
        (if reference.contains("//") { "/".to_owned() } else { base_path.to_owned() }, query)
    } else {
        (base_path.to_owned(), base.path_and_query.query())
    };
    let text = match query {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    PathAndQuery::from_maybe_shared(bytes::Bytes::from(text)).ok()
}

fn split_scheme(reference: &str) -> (Option<&str>, &str) {
    match reference.split_once(':') {
        Some((scheme, rest))
            if scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) =>
        {
            (Some(scheme), rest)
        }
        _ => (None, reference),
    }
}

fn is_same_host(base: &InvalidationTarget, authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let default = if *base.scheme == Scheme::HTTPS { 443 } else { 80 };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(default);
    authority.host().eq_ignore_ascii_case(base.authority.host())
        && port(&authority) == port(base.authority)
        && !authority.as_str().contains('@')
}

/// RFC 3986 section 5.2.4.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            ".." | "." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(method: &str, status: u16, fields: &[(&'static str, &str)]) -> Vec<String> {
        let mut answered = HeaderMap::new();
        for (name, value) in fields {
            answered.append(*name, value.parse().unwrap());
        }
        let target = InvalidationTarget {
            scheme: &Scheme::HTTPS,
            authority: &Authority::from_static("Example.com"),
            path_and_query: &PathAndQuery::from_static("/a/b?c"),
        };
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let targets = targets(&method, &target, StatusCode::from_u16(status).unwrap(), &answered);
        targets.iter().map(|target| target.as_str().to_owned()).collect()
    }

    #[test]
    fn unsafe_requests_that_did_not_fail_invalidate_their_target() {
        for method in ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH", "UNHEARD-OF"] {
            for (status, invalidates) in [(200, true), (201, true), (204, true), (303, true), (404, false), (500, false)] {
                assert_eq!(after(method, status, &[]) == ["/a/b?c"], invalidates, "{method} {status}");
            }
        }
        for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "QUERY"] {
            assert!(after(method, 200, &[("location", "/x")]).is_empty(), "{method}");
        }
    }

    #[test]
    fn what_is_named_is_resolved_and_must_be_of_the_same_origin() {
        for (reference, named) in [
            ("/x", Some("/x")),
            ("/x?y#z", Some("/x?y")),
            ("x", Some("/a/x")),
            ("../x", Some("/x")),
            ("../../../x", Some("/x")),
            ("./x/./y/..", Some("/a/x/")),
            ("?d", Some("/a/b?d")),
            ("https://example.com/x", Some("/x")),
            ("HTTPS://EXAMPLE.COM:443/x", Some("/x")),
            ("https://example.com", Some("/")),
            ("https://example.com?d", Some("/?d")),
            ("//example.com/x", Some("/x")),
            ("http://example.com/x", None),
            ("https://example.com:8443/x", None),
            ("https://example.org/x", None),
            ("https://user@example.com/x", None),
            ("//example.org/x", None),
            ("https:x", None),
            ("mailto:a@example.com", None),
            ("//", None),
            // The target itself.
            ("", None),
            ("#z", None),
            ("/a/b?c", None),
        ] {
            let expected: Vec<_> = ["/a/b?c"].into_iter().chain(named).collect();
            for name in ["location", "content-location"] {
                assert_eq!(after("POST", 201, &[(name, reference)]), expected, "{name}: {reference}");
            }
        }
        assert_eq!(after("PUT", 200, &[("location", "/x"), ("content-location", "y")]), ["/a/b?c", "/x", "/a/y"]);
    }

    proptest! {
        #[test]
        fn whatever_is_named_is_an_absolute_path(reference in "[a-z/.?#:%@ -]{0,20}") {
            for target in after("POST", 200, &[("location", &reference)]) {
                prop_assert!(target.starts_with('/'));
                prop_assert!(!target.split('?').next().unwrap().split('/').any(|segment| segment == ".."));
            }
        }
    }
}
