//! `Cache-Status` (RFC 9211): what the cache did with a request, in a machine-readable form.
//!
//! This only formats. Our list member is appended to those of the caches that the response came through.

use std::fmt::Write as _;

use bytes::BytesMut;
use http::{HeaderValue, StatusCode};

/// The length of most members.
pub const MEMBER_BYTES: usize = 96;

/// Why a request went to the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forward {
    /// The behavior does not cache, or the key is known to be uncacheable.
    Bypass,
    /// The method cannot be answered from a cache.
    Method,
    /// Nothing is stored under the key.
    Miss,
    /// Responses are stored, but none whose variant matches this request.
    VaryMiss,
    /// The request's Cache-Control demanded it.
    Request,
    /// The stored response was no longer fresh.
    Stale,
}

impl Forward {
    pub fn name(self) -> &'static str {
        match self {
            Forward::Bypass => "bypass",
            Forward::Method => "method",
            Forward::Miss => "uri-miss",
            Forward::VaryMiss => "vary-miss",
            Forward::Request => "request",
            Forward::Stale => "stale",
        }
    }
}

/// What the cache did with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheStatus {
    /// `None` if the response came from the cache alone.
    pub forward: Option<Forward>,
    /// The origin's status, if it is not that of the response.
    pub forward_status: Option<StatusCode>,
    /// How many seconds the response stays fresh; negative if it is stale.
    pub ttl_s: Option<i64>,
    /// The origin's response was stored.
    pub stored: bool,
    /// It was fetched for another request, for which this one waited.
    pub collapsed: bool,
    /// A further word, such as `freshness::Reason::name`.
    pub detail: Option<&'static str>,
}

impl CacheStatus {
    pub const HIT: CacheStatus =
        CacheStatus { forward: None, forward_status: None, ttl_s: None, stored: false, collapsed: false, detail: None };

    pub fn forward(why: Forward) -> CacheStatus {
        CacheStatus { forward: Some(why), ..CacheStatus::HIT }
    }

    /// Our member of the list; the cache's name is a token.
    pub fn member(&self, cache: &str) -> HeaderValue {
        let mut text = BytesMut::with_capacity(MEMBER_BYTES);
        self.write(cache, &mut text);
        HeaderValue::from_maybe_shared(text.freeze()).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
    }

    /// Appends the member to a text.
    pub fn write(&self, cache: &str, text: &mut BytesMut) {
        let mut append = |words: std::fmt::Arguments<'_>| {
            // Writing to memory does not fail.
            let _ = text.write_fmt(words);
        };
        match self.forward {
            None => append(format_args!("{cache}; hit")),
            Some(why) => append(format_args!("{cache}; fwd={}", why.name())),
        }
        if let Some(status) = self.forward_status {
            append(format_args!("; fwd-status={}", status.as_u16()));
        }
        if let Some(ttl_s) = self.ttl_s {
            append(format_args!("; ttl={ttl_s}"));
        }
        if self.stored {
            append(format_args!("; stored"));
        }
        if self.collapsed {
            append(format_args!("; collapsed"));
        }
        if let Some(detail) = self.detail {
            append(format_args!("; detail={detail}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::freshness::UncacheableReason;

    #[test]
    fn members_are_as_in_the_rfc() {
        let fetched = CacheStatus::forward(Forward::Miss);
        let stale = CacheStatus::forward(Forward::Stale);
        for (status, expected) in [
            (CacheStatus { ttl_s: Some(376), ..CacheStatus::HIT }, "Edgeward; hit; ttl=376"),
            (CacheStatus { ttl_s: Some(-5), ..CacheStatus::HIT }, "Edgeward; hit; ttl=-5"),
            (CacheStatus { stored: true, ttl_s: Some(60), ..fetched }, "Edgeward; fwd=uri-miss; ttl=60; stored"),
            (CacheStatus { stored: true, collapsed: true, ..fetched }, "Edgeward; fwd=uri-miss; stored; collapsed"),
            (CacheStatus { forward_status: Some(StatusCode::NOT_MODIFIED), ..stale }, "Edgeward; fwd=stale; fwd-status=304"),
            (
                CacheStatus { detail: Some(UncacheableReason::NoStore.name()), ..fetched },
                "Edgeward; fwd=uri-miss; detail=no-store",
            ),
            (CacheStatus::forward(Forward::Bypass), "Edgeward; fwd=bypass"),
        ] {
            assert_eq!(status.member("Edgeward"), expected);
        }
    }
}
