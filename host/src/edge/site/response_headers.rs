//! Applies a behavior's response headers policy (CloudFront: "Add or remove HTTP headers in CloudFront responses").
//!
//! It applies to hits and misses, generated answers and error pages; stored responses stay as the origin sent them. The
//! viewer-response hook comes after it.

use std::fmt::Write as _;

use http::Method;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::config::{AllowedOrigins, Cors, ResponseHeaders};
use crate::edge::request::head::RequestHead;
use crate::edge::request::id::RequestId;
use crate::telemetry::ResultType;

/// A policy, and the parts of the request that it depends on.
pub(crate) struct ResponseHeaderPolicy<'a> {
    policy: &'a ResponseHeaders,
    origin: Option<HeaderValue>,
    preflight: bool,
}

impl<'a> ResponseHeaderPolicy<'a> {
    /// Called before the request's head is taken apart.
    pub(crate) fn new(policy: &'a ResponseHeaders, head: &RequestHead) -> ResponseHeaderPolicy<'a> {
        let origin = policy.cors.as_ref().and_then(|_| head.headers.get(header::ORIGIN)).cloned();
        let preflight = origin.is_some()
            && head.method == Method::OPTIONS
            && head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        ResponseHeaderPolicy { policy, origin, preflight }
    }

    pub(crate) fn apply(&self, headers: &mut HeaderMap, result: ResultType, id: &RequestId, pop: &str) {
        for name in &self.policy.remove {
            headers.remove(name);
        }
        if let Some(cors) = &self.policy.cors {
            set_cors(cors, self.origin.as_ref(), self.preflight, headers);
        }
        for (name, value) in &self.policy.add {
            if !headers.contains_key(name) {
                headers.insert(name, value.clone());
            }
        }
        for (name, _) in &self.policy.set {
            headers.remove(name);
        }
        for (name, value) in &self.policy.set {
            headers.append(name, value.clone());
        }
        if is_sampled(id, self.policy.server_timing) {
            headers.extend(server_timing(result, id, pop));
        }
    }
}

/// Sets the fields of the Fetch standard's CORS protocol. The response varies by origin also when this one may not read
/// it.
fn set_cors(cors: &Cors, origin: Option<&HeaderValue>, preflight: bool, headers: &mut HeaderMap) {
    const FIELDS: [HeaderName; 6] = [
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
        header::ACCESS_CONTROL_ALLOW_METHODS,
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        header::ACCESS_CONTROL_MAX_AGE,
    ];
    if !cors.overrides && FIELDS.iter().any(|name| headers.contains_key(name)) {
        return;
    }
    FIELDS.iter().for_each(|name| drop(headers.remove(name)));
    let allowed = match &cors.origins {
        AllowedOrigins::Any => origin.map(|_| HeaderValue::from_static("*")),
        AllowedOrigins::Some(origins) => {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
            origin.filter(|origin| origins.iter().any(|allowed| is_allowed(allowed, origin))).cloned()
        }
    };
    let Some(allowed) = allowed else { return };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    if cors.credentials {
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    let mut set = |name, value: &Option<HeaderValue>| {
        if let Some(value) = value {
            headers.insert(name, value.clone());
        }
    };
    if preflight {
        set(header::ACCESS_CONTROL_ALLOW_METHODS, &cors.methods);
        set(header::ACCESS_CONTROL_ALLOW_HEADERS, &cors.headers);
        set(header::ACCESS_CONTROL_MAX_AGE, &cors.max_age);
    } else {
        set(header::ACCESS_CONTROL_EXPOSE_HEADERS, &cors.expose);
    }
}

/// `allowed` is in lower case, `https://www.example.com` or `https://*.example.com`.
fn is_allowed(allowed: &str, origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    let Some((scheme, suffix)) = allowed.split_once("*.") else { return origin.eq_ignore_ascii_case(allowed) };
    let Some(host) = origin.get(..scheme.len()).filter(|head| head.eq_ignore_ascii_case(scheme)).and(origin.get(scheme.len()..))
    else {
        return false;
    };
    // The star stands for at least one label, and only for parts of a name.
    let Some(labels) = host.len().checked_sub(suffix.len()).and_then(|at| Some((host.get(..at)?, host.get(at..)?))) else {
        return false;
    };
    let (labels, rest) = labels;
    let Some(labels) = labels.strip_suffix('.') else { return false };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    rest.eq_ignore_ascii_case(suffix) && !labels.is_empty() && labels.bytes().all(is_name)
}

/// Whether this request is sampled; ids are random.
fn is_sampled(id: &RequestId, percent: u8) -> bool {
    if percent == 0 {
        return false;
    }
    let spread = id.as_str().bytes().rev().take(6).fold(0, |sum: u64, byte| sum.wrapping_mul(61).wrapping_add(u64::from(byte)));
    spread % 100 < u64::from(percent)
}

/// CloudFront's metrics in `Server-Timing`, as far as they are known here.
fn server_timing(result: ResultType, id: &RequestId, pop: &str) -> Option<(HeaderName, HeaderValue)> {
    let cache = match result {
        ResultType::Hit => "cdn-cache-hit",
        ResultType::RefreshHit => "cdn-cache-refresh",
        _ => "cdn-cache-miss",
    };
    let mut text = String::with_capacity(96);
    write!(text, "{cache},cdn-pop;desc=\"{pop}\",cdn-rid;desc=\"{id}\"").ok()?;
    Some((HeaderName::from_static("server-timing"), HeaderValue::try_from(text).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_allowed_by_name_or_by_its_last_labels() {
        for (allowed, origin, yes) in [
            ("https://www.example.com", "https://www.example.com", true),
            ("https://www.example.com", "https://WWW.example.com", true),
            ("https://www.example.com", "http://www.example.com", false),
            ("https://www.example.com", "https://www.example.com:8443", false),
            ("https://www.example.com", "null", false),
            ("https://*.example.com", "https://a.example.com", true),
            ("https://*.example.com", "https://a.b.example.com", true),
            ("https://*.example.com", "https://example.com", false),
            ("https://*.example.com", "https://.example.com", false),
            ("https://*.example.com", "https://evil.com/.example.com", false),
            ("https://*.example.com", "https://evilexample.com", false),
            ("https://*.example.com", "https://a.example.com.evil.com", false),
            ("https://*.example.com:8443", "https://a.example.com:8443", true),
            ("https://*.example.com", "https://é.example.com", false),
        ] {
            let header = HeaderValue::from_bytes(origin.as_bytes()).unwrap();
            assert_eq!(is_allowed(allowed, &header), yes, "{allowed} {origin}");
        }
    }

    #[test]
    fn a_share_of_the_requests_is_sampled() {
        let share = |percent| (0..10_000).filter(|_| is_sampled(&RequestId::next(), percent)).count();
        assert_eq!((share(0), share(100)), (0, 10_000));
        assert!((3_500..6_500).contains(&share(50)));
    }
}
