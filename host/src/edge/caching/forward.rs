//! Makes the request that goes to the origin: in CloudFront mode, from the parts that its key is made of.
//!
//! A request for everybody (`shared`) has nothing of the client's but those parts and what an origin request policy adds,
//! for which the operator answers ("Control origin requests"). A header that changed the answer without being in the key
//! would let one client choose what others get. In standards mode everything is forwarded, since there the answer says
//! what it depends on; it cannot say so of the query string, so parameters that are not in the key are left out.
//!
//! A request for one client (`own`) also describes its body, and has its conditions and where it came from.

use http::Method;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::cache::condition;
use crate::cache::freshness::Mode;
use crate::cache::invalidation;
use crate::cache::key::parts::{self, Forwarded, ForwardedFields, KeyPart, KeyRequest, OriginView};
use crate::cache::key::{Choice, Encodings};
use crate::config::{CachePolicy, Forwarding};
use crate::edge::request::head::{RequestHead, with_query};

/// What decides what is forwarded.
#[derive(Clone, Copy)]
pub(super) struct ForwardRules<'a> {
    pub(super) policy: &'a CachePolicy,
    pub(super) also: Option<&'a Forwarding>,
    pub(super) sees: OriginView,
    pub(super) secure: bool,
}

/// The request whose answer is for all clients with its key: for the whole, without conditions.
pub(super) fn shared(rules: ForwardRules<'_>, head: &RequestHead) -> RequestHead {
    let mut sent = head.clone();
    // HEAD is answered from what GET stores.
    if sent.method == Method::HEAD {
        sent.method = Method::GET;
    }
    let chosen = ForwardedParts::of(rules, head);
    sent.target = with_chosen_query(rules, head, &chosen);
    match rules.policy.mode {
        Mode::CloudFront => sent.headers = headers(rules, head, chosen),
        Mode::Standards => {
            if let Some(host) = chosen.headers.get(header::HOST) {
                sent.headers.insert(header::HOST, host.clone());
            }
            if rules.sees.forwarded == Forwarded::Ours {
                ForwardedFields::of(rules.secure, &head.headers).write(None, &mut sent.headers);
            }
        }
    }
    condition::make_unconditional(&mut sent.headers);
    sent
}

/// A request like `shared` whose answer nobody will share: for the whole, without conditions.
pub(super) fn unshared(rules: ForwardRules<'_>, head: &RequestHead) -> RequestHead {
    let mut sent = head.clone();
    if sent.method == Method::HEAD {
        sent.method = Method::GET;
    }
    own(rules, &mut sent);
    condition::make_unconditional(&mut sent.headers);
    sent
}

/// The request whose answer is for this client alone.
pub(super) fn own(rules: ForwardRules<'_>, head: &mut RequestHead) {
    if rules.policy.mode == Mode::Standards {
        return;
    }
    let chosen = ForwardedParts::of(rules, head);
    let target = with_chosen_query(rules, head, &chosen);
    let mut sent = headers(rules, head, chosen);
    let writes = !invalidation::is_safe(&head.method);
    for name in head.headers.keys() {
        let kept = concerns_one_client(name)
            // Of a handshake, which is never stored. Without `Origin` a server cannot recognize a foreign page.
            || (head.websocket && (name.as_str().starts_with("sec-websocket-") || *name == header::ORIGIN))
            // The origin decides about changes, and who makes them.
            || (writes && (*name == header::AUTHORIZATION || *name == header::ORIGIN));
        if kept {
            copy(&head.headers, name, &mut sent);
        }
    }
    (head.headers, head.target) = (sent, target);
}

/// Framing, conditions, ranges, and what traces a request: they concern one client only.
fn concerns_one_client(name: &HeaderName) -> bool {
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

/// The keyed parts of a request, as they are written for an origin.
#[derive(Default)]
struct ForwardedParts {
    headers: HeaderMap,
    parameters: String,
    cookies: Vec<u8>,
    codings: Encodings,
}

impl ForwardedParts {
    fn of(rules: ForwardRules<'_>, head: &RequestHead) -> ForwardedParts {
        let asked = KeyRequest {
            secure: rules.secure,
            method: &head.method,
            path: head.path(),
            query: head.target.query(),
            headers: &head.headers,
        };
        let mut chosen = ForwardedParts::default();
        parts::of(rules.sees, &rules.policy.key, &asked, |part| chosen.take(&part, &head.headers));
        chosen
    }

    fn take(&mut self, part: &KeyPart<'_>, asked: &HeaderMap) {
        match *part {
            // Of the connection, or in the target and the method that are there already.
            KeyPart::Method(_) | KeyPart::Scheme { .. } | KeyPart::Path(_) | KeyPart::Query(_) => {}
            KeyPart::Host(host) => {
                if let Ok(host) = HeaderValue::from_bytes(&host.to_ascii_lowercase()) {
                    self.headers.insert(header::HOST, host);
                }
            }
            KeyPart::Parameter(pair) => {
                if !self.parameters.is_empty() {
                    self.parameters.push('&');
                }
                self.parameters.push_str(pair);
            }
            KeyPart::Field(name, _) => copy(asked, name, &mut self.headers),
            KeyPart::Cookie(pair) => self.cookie(pair),
            KeyPart::Codings(codings) => self.codings = codings,
            KeyPart::ForwardedFields(told) => told.write(None, &mut self.headers),
        }
    }

    fn cookie(&mut self, pair: &[u8]) {
        if !self.cookies.is_empty() {
            self.cookies.extend_from_slice(b"; ");
        }
        self.cookies.extend_from_slice(pair);
    }
}

/// Copies all lines of a field over any that are there.
fn copy(from: &HeaderMap, name: &HeaderName, to: &mut HeaderMap) {
    let mut values = from.get_all(name).iter();
    if let Some(first) = values.next() {
        to.insert(name.clone(), first.clone());
    }
    for value in values {
        to.append(name.clone(), value.clone());
    }
}

fn with_chosen_query(rules: ForwardRules<'_>, head: &RequestHead, chosen: &ForwardedParts) -> http::uri::PathAndQuery {
    let (keyed, also) = (&rules.policy.key.query, rules.also.map_or(&Choice::None, |also| &also.query));
    match (head.target.query(), keyed, also) {
        (None, ..) | (_, Choice::All, _) | (_, _, Choice::All) => head.target.clone(),
        (Some(_), _, Choice::None) => with_query(&head.target, &chosen.parameters),
        (Some(query), ..) => {
            let is_taken = |pair: &&str| {
                let name = parts::parameter_name(pair);
                !pair.is_empty() && (keyed.takes(|listed| listed == name) || also.takes(|listed| listed == name))
            };
            with_query(&head.target, &query.split('&').filter(is_taken).collect::<Vec<_>>().join("&"))
        }
    }
}

/// The chosen fields, and those that the origin request policy adds.
fn headers(rules: ForwardRules<'_>, head: &RequestHead, mut chosen: ForwardedParts) -> HeaderMap {
    let keyed = &rules.policy.key;
    if let Some(also) = rules.also {
        for name in head.headers.keys() {
            // These three have rules of their own: the origin's setting, the list of cookies, the list of codings.
            let own_rule = matches!(*name, header::HOST | header::COOKIE | header::ACCEPT_ENCODING);
            if !own_rule && !chosen.headers.contains_key(name) && also.headers.takes(|listed| listed == name) {
                copy(&head.headers, name, &mut chosen.headers);
            }
        }
        for pair in parts::cookie_pairs(&head.headers) {
            let is_named = |listed: &String| listed.as_bytes() == parts::cookie_name(pair);
            if also.cookies.takes(is_named) && !keyed.cookies.takes(is_named) {
                chosen.cookie(pair);
            }
        }
    }
    let mut headers = chosen.headers;
    if !chosen.cookies.is_empty()
        && let (http::header::Entry::Vacant(entry), Ok(cookies)) =
            (headers.entry(header::COOKIE), HeaderValue::from_bytes(&chosen.cookies))
    {
        entry.insert(cookies);
    }
    // Codings that are not in the key would be stored for clients that cannot read them.
    headers.entry(header::ACCEPT_ENCODING).or_insert_with(|| chosen.codings.header());
    headers
}

#[cfg(test)]
mod tests;
