//! I take out of a request what the origin is not to see: what is not in the key may not change the answer.
//!
//! CloudFront forwards what the cache policy keys, and what the origin request policy adds ("Control origin
//! requests"). A header that changes the answer without being in the key would let one client choose what
//! others get. In standards mode everything is forwarded, since there the answer says what it depends on.

use http::header::{self, HeaderName};

use super::Caching;
use crate::cache::freshness::Mode;
use crate::cache::invalidation;
use crate::cache::key::{Choice, Encodings};
use crate::config::Forwarding;
use crate::edge::head::{Head, with_query};
use crate::edge::header::retain_cookies;

pub(super) fn reduce(caching: &Caching, head: &mut Head) {
    if caching.mode() == Mode::Standards {
        return;
    }
    let key = &caching.policy.key;
    let also = caching.forwarding.as_deref();
    let offered = key.encodings.accepted(&head.headers);
    reduce_headers(head, |name| {
        key.headers.takes(|listed| listed == name)
            || also.is_some_and(|also| also.headers.takes(|listed| listed == name))
            || is_always_forwarded(name)
    });
    retain_cookies(&mut head.headers, |name| {
        key.cookies.takes(|listed| listed.as_bytes() == name)
            || also.is_some_and(|also| also.cookies.takes(|listed| listed.as_bytes() == name))
    });
    let takes = |name: &str| {
        key.query.takes(|listed| listed == name)
            || also.is_some_and(|also: &Forwarding| also.query.takes(|listed| listed == name))
    };
    let all = key.query == Choice::All || also.is_some_and(|also| also.query == Choice::All);
    if let (false, Some(query)) = (all, head.target.query()) {
        let kept: Vec<_> = query.split('&').filter(|pair| takes(pair.split('=').next().unwrap_or_default())).collect();
        if kept.len() < query.split('&').count() {
            head.target = with_query(&head.target, &kept.join("&"));
        }
    }
    let keyed = key.headers.takes(|listed| *listed == header::ACCEPT_ENCODING);
    if !keyed {
        // Codings that no policy keys would be stored for those who cannot read them.
        let value = if key.encodings == Encodings::default() { Encodings::default().header() } else { offered.header() };
        head.headers.insert(header::ACCEPT_ENCODING, value);
    }
}

fn reduce_headers(head: &mut Head, is_taken: impl Fn(&HeaderName) -> bool) {
    let writes = !invalidation::is_safe(&head.method);
    let gone: Vec<HeaderName> = head
        .headers
        .keys()
        .filter(|name| {
            let kept = **name == header::COOKIE
                // Of a handshake, which is never stored. Without `Origin` a server cannot tell a foreign page.
                || (head.websocket && (name.as_str().starts_with("sec-websocket-") || **name == header::ORIGIN))
                || is_taken(name)
                // What a change is about, and by whom, is the origin's business.
                || (writes && (**name == header::AUTHORIZATION || **name == header::ORIGIN));
            !kept
        })
        .cloned()
        .collect();
    for name in gone {
        head.headers.remove(name);
    }
}

/// Framing, conditions, ranges, and what traces a request: none of it is about which answer to give, or it is
/// taken out of requests that fill.
fn is_always_forwarded(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::HOST
            | header::CONTENT_LENGTH
            | header::CONTENT_TYPE
            | header::CONTENT_ENCODING
            | header::CONTENT_LANGUAGE
            | header::EXPECT
            | header::IF_MATCH
            | header::IF_NONE_MATCH
            | header::IF_MODIFIED_SINCE
            | header::IF_UNMODIFIED_SINCE
            | header::IF_RANGE
            | header::RANGE
            | header::TRANSFER_ENCODING
            | header::VIA
    ) || matches!(name.as_str(), "cdn-loop" | "x-forwarded-for" | "traceparent" | "tracestate" | "content-md5")
}
