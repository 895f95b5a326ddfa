//! Which responses are compressed on their way into the cache, and how their headers change.
//!
//! The conditions are CloudFront's ("Serve compressed files", Developer Guide), and RFC 9110's `no-transform`. A response is
//! compressed once, while it is stored; a hit costs no more than without. Requests that share a key accept the same
//! codings, so that no client gets what it cannot read.
//!
//! The compressed form is another representation: its ETag is weak, and headers that describe the original bytes are
//! removed. Two parts of it may never be combined, since compressing again may give other bytes under the same tag; so it
//! has no ranges.

use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};

use crate::cache::{Meta, Original};
use crate::edge::body::compressed::Compressed;
use crate::edge::body::content::Content;
use crate::edge::site::caching::Caching;
use crate::limits::compression::{BYTES_MAX, BYTES_MIN};

/// Compresses what is to be stored, if it may be and its clients can read that; `meta` then says so. `asked` are the fields
/// of the request that the key was made from.
pub(super) fn compress(caching: &Caching, asked: &HeaderMap, meta: &mut Meta, content: Content) -> Content {
    let Some(length) = meta.length.filter(|_| caching.compress) else { return content };
    if !is_compressible(meta.status, length, &meta.headers) {
        return content;
    }
    // From here on the response has two forms, whichever this one is.
    vary(&mut meta.headers);
    let Some(coding) = caching.policy.key.encodings.accepted(asked).preferred() else { return content };
    match Compressed::new(content, coding, length, caching.cache.metrics().clone()) {
        Err((content, why)) => {
            caching.cache.metrics().uncompressed(why.name());
            content
        }
        Ok(compressed) => {
            meta.original = Some(Original { etag: meta.headers.get(header::ETAG).cloned() });
            meta.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
            describe(&mut meta.headers);
            meta.length = None;
            Content::Compressed(Box::new(compressed))
        }
    }
}

/// Adapts header fields that a 304 has updated: they describe what the origin has, and must describe what is stored.
pub(super) fn renew(caching: &Caching, prior: &Meta, headers: &mut HeaderMap) {
    if prior.original.is_some() {
        describe(headers);
    } else if caching.compress && prior.length.is_some_and(|length| is_compressible(prior.status, length, headers)) {
        vary(headers);
    }
}

fn is_compressible(status: StatusCode, length: u64, headers: &HeaderMap) -> bool {
    matches!(status, StatusCode::OK | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND)
        && (BYTES_MIN..=BYTES_MAX).contains(&length)
        && !headers.contains_key(header::CONTENT_ENCODING)
        && headers.get(header::CONTENT_TYPE).is_some_and(is_listed)
        && !is_not_to_be_transformed(headers)
}

/// CloudFront's list.
const TYPES: [&str; 47] = [
    "application/dash+xml",
    "application/eot",
    "application/font",
    "application/font-sfnt",
    "application/javascript",
    "application/json",
    "application/opentype",
    "application/otf",
    "application/pkcs7-mime",
    "application/protobuf",
    "application/rss+xml",
    "application/truetype",
    "application/ttf",
    "application/vnd.apple.mpegurl",
    "application/vnd.mapbox-vector-tile",
    "application/vnd.ms-fontobject",
    "application/wasm",
    "application/x-font-opentype",
    "application/x-font-truetype",
    "application/x-font-ttf",
    "application/x-httpd-cgi",
    "application/x-javascript",
    "application/x-mpegurl",
    "application/x-opentype",
    "application/x-otf",
    "application/x-perl",
    "application/x-ttf",
    "application/xhtml+xml",
    "application/xml",
    "font/eot",
    "font/opentype",
    "font/otf",
    "font/ttf",
    "image/svg+xml",
    "text/css",
    "text/csv",
    "text/html",
    "text/javascript",
    "text/js",
    "text/plain",
    "text/richtext",
    "text/tab-separated-values",
    "text/x-component",
    "text/x-java-source",
    "text/x-script",
    "text/xml",
    "vnd.apple.mpegurl",
];

fn is_listed(content_type: &HeaderValue) -> bool {
    let named = content_type.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    TYPES.iter().any(|listed| named.eq_ignore_ascii_case(listed.as_bytes()))
}

/// RFC 9110 section 7.7.
fn is_not_to_be_transformed(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::CACHE_CONTROL).iter();
    let mut directives = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
    directives.any(|directive| directive.trim_ascii().eq_ignore_ascii_case(b"no-transform"))
}

/// Removes what is true of the origin's bytes only.
fn describe(headers: &mut HeaderMap) {
    for name in ["accept-ranges", "content-digest", "content-length", "content-md5", "content-range", "digest", "repr-digest"] {
        headers.remove(name);
    }
    vary(headers);
    match headers.get(header::ETAG).and_then(weak) {
        Some(etag) => drop(headers.insert(header::ETAG, etag)),
        None => drop(headers.remove(header::ETAG)),
    }
}

/// The weak form of a tag. What is not a tag has none, as in CloudFront.
fn weak(etag: &HeaderValue) -> Option<HeaderValue> {
    let tag = etag.as_bytes();
    if tag.starts_with(b"W/\"") {
        return Some(etag.clone());
    }
    if !tag.starts_with(b"\"") {
        return None;
    }
    HeaderValue::from_bytes(&[b"W/", tag].concat()).ok()
}

fn vary(headers: &mut HeaderMap) {
    let lines = headers.get_all(header::VARY).iter();
    let mut names = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b',')).map(<[u8]>::trim_ascii);
    if !names.any(|name| name == b"*" || name.eq_ignore_ascii_case(b"accept-encoding")) {
        headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_is_compressed_is_what_cloudfront_compresses() {
        let html: &[(&'static str, &'static str)] = &[("content-type", "text/html; charset=utf-8")];
        for (status, length, headers, compressible) in [
            (200, 5_000, html, true),
            (403, 5_000, html, true),
            (404, 5_000, html, true),
            (201, 5_000, html, false),
            (203, 5_000, html, false),
            (301, 5_000, html, false),
            (500, 5_000, html, false),
            (200, 999, html, false),
            (200, 1_000, html, true),
            (200, 1_001, html, true),
            (200, 9_999_999, html, true),
            (200, 10_000_000, html, true),
            (200, 10_000_001, html, false),
            (200, 5_000, &[], false),
            (200, 5_000, &[("content-type", "")], false),
            (200, 5_000, &[("content-type", "text/html2")], false),
            (200, 5_000, &[("content-type", "TEXT/HTML ;charset=utf-8")], true),
            (200, 5_000, &[("content-type", "application/json")], true),
            (200, 5_000, &[("content-type", "application/wasm")], true),
            (200, 5_000, &[("content-type", "image/svg+xml")], true),
            (200, 5_000, &[("content-type", "font/ttf")], true),
            (200, 5_000, &[("content-type", "font/woff2")], false),
            (200, 5_000, &[("content-type", "image/png")], false),
            (200, 5_000, &[("content-type", "text/event-stream")], false),
            (200, 5_000, &[("content-type", "text/html"), ("content-encoding", "gzip")], false),
            (200, 5_000, &[("content-type", "text/html"), ("content-encoding", "identity")], false),
            (200, 5_000, &[("content-type", "text/html"), ("cache-control", "max-age=5, No-Transform")], false),
            (200, 5_000, &[("content-type", "text/html"), ("cache-control", "a"), ("cache-control", "no-transform")], false),
            (200, 5_000, &[("content-type", "text/html"), ("cache-control", "max-age=5, x-no-transform")], true),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(is_compressible(status, length, &map(headers)), compressible, "{status} {length} {headers:?}");
        }
    }

    #[test]
    fn the_list_is_sorted_and_has_nothing_twice() {
        assert!(TYPES.is_sorted() && TYPES.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn what_was_true_of_the_origin_s_bytes_is_not_said_of_others() {
        let mut headers = map(&[
            ("content-type", "text/html"),
            ("content-encoding", "br"),
            ("content-length", "5000"),
            ("content-md5", "x"),
            ("content-digest", "x"),
            ("repr-digest", "x"),
            ("digest", "x"),
            ("accept-ranges", "bytes"),
            ("last-modified", "x"),
            ("etag", "\"1\""),
        ]);
        describe(&mut headers);
        let expected = map(&[
            ("content-type", "text/html"),
            ("content-encoding", "br"),
            ("last-modified", "x"),
            ("etag", "W/\"1\""),
            ("vary", "Accept-Encoding"),
        ]);
        assert_eq!(headers, expected);
        describe(&mut headers);
        assert_eq!(headers, expected, "it is said once");
    }

    #[test]
    fn entity_tags_of_compressed_bodies_become_weak() {
        for (etag, expected) in [
            ("\"1\"", Some("W/\"1\"")),
            ("\"\"", Some("W/\"\"")),
            ("W/\"1\"", Some("W/\"1\"")),
            ("1", None),
            ("", None),
            ("W/1", None),
        ] {
            assert_eq!(weak(&HeaderValue::from_static(etag)), expected.map(HeaderValue::from_static), "{etag}");
        }
    }

    #[test]
    fn vary_names_accept_encoding_once() {
        for (before, after) in [
            (&[][..], &["Accept-Encoding"][..]),
            (&["Origin"], &["Origin", "Accept-Encoding"]),
            (&["Origin, accept-encoding"], &["Origin, accept-encoding"]),
            (&["Origin", "ACCEPT-ENCODING"], &["Origin", "ACCEPT-ENCODING"]),
            (&["*"], &["*"]),
            (&["X-Accept-Encoding"], &["X-Accept-Encoding", "Accept-Encoding"]),
        ] {
            let mut headers = map(&before.iter().map(|&value| ("vary", value)).collect::<Vec<_>>());
            vary(&mut headers);
            assert_eq!(headers.get_all("vary").iter().collect::<Vec<_>>(), after, "{before:?}");
        }
    }
}
