//! The table of the parts of a request that may select a shared response.
//!
//! Each row is a [`KeyPart`] of the request. Both the key, which hashes all of them, and, in CloudFront mode, the request to
//! the origin, which has nothing else of the client's, are made from them. So a part cannot be in one and not in the other.
//! In addition to the parts that request has what an origin request policy adds, which the operator decides, and the
//! edge's own fields: `Via`, `X-Forwarded-For` with the client's address alone, `X-Amz-Cf-Id`, and `traceparent` if
//! requests are traced.
//!
//! How a part is hashed, or written for the origin, is not decided here.

use bytes::Bytes;
use http::Method;
use http::header::{self, GetAll, HeaderMap, HeaderName, HeaderValue};

use super::codings::Encodings;
use super::policy::{Choice, KeyPolicy};

/// What an origin sees of a request, whatever the policy chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OriginView {
    /// The viewer's `Host`, port included.
    pub host: bool,
    /// Whether the viewer used https; a part of the URI, which is the key of RFC 9111 section 2.
    pub scheme: bool,
    pub forwarded: Forwarded,
}

/// Who sets `Forwarded` (RFC 7239) and `X-Forwarded-Proto`, `-Host`, `-Port`, which tell an origin how the viewer asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Forwarded {
    /// They are fields like others, which the policy keys or does not.
    #[default]
    AsOthers,
    /// The client, which is a proxy of the operator's: all of them are keyed.
    Theirs,
    /// The edge.
    Ours,
}

/// The edge's own `Forwarded` fields, which follow from the scheme and the `Host`.
#[derive(Debug, Clone, Copy)]
pub struct ForwardedFields<'a> {
    pub secure: bool,
    pub host: Option<&'a HeaderValue>,
}

const FORWARDED: HeaderName = header::FORWARDED;
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// The fields for which [`Forwarded`] says who sets them.
pub static FORWARDED_FIELDS: [HeaderName; 4] = [FORWARDED, FORWARDED_HOST, FORWARDED_PORT, FORWARDED_PROTO];

impl<'a> ForwardedFields<'a> {
    pub fn of(secure: bool, headers: &'a HeaderMap) -> ForwardedFields<'a> {
        ForwardedFields { secure, host: headers.get(header::HOST) }
    }

    /// Replaces the fields. Without a client, `for` in `Forwarded` is added where its address is known.
    pub fn write(&self, client_ip: Option<&str>, headers: &mut HeaderMap) {
        for (name, value) in self.fields(client_ip) {
            match value {
                Some(value) => drop(headers.insert(name, value)),
                None => drop(headers.remove(name)),
            }
        }
    }

    /// Runs for every request: a host in lower case and fixed values are shared, not copied.
    fn fields(&self, client_ip: Option<&str>) -> [(HeaderName, Option<HeaderValue>); 4] {
        let proto = if self.secure { "https" } else { "http" };
        let host = self.host.and_then(|host| match host.as_bytes().iter().any(u8::is_ascii_uppercase) {
            true => HeaderValue::from_bytes(&host.as_bytes().to_ascii_lowercase()).ok(),
            false => Some(host.clone()),
        });
        let port = match host.as_ref().and_then(|host| port(host.as_bytes())) {
            Some(port) => HeaderValue::from_bytes(port).ok(),
            None => Some(HeaderValue::from_static(if self.secure { "443" } else { "80" })),
        };
        let [open, client, close] = client_ip.map_or([&b""[..]; 3], forwarded_for);
        let parts = match &host {
            // Quoted, since a token has no colon.
            Some(host) => [open, client, close, b"host=\"", host.as_bytes(), b"\";proto=", proto.as_bytes()],
            None => [open, client, close, b"", b"", b"proto=", proto.as_bytes()],
        };
        let forwarded = HeaderValue::from_maybe_shared(Bytes::from(parts.concat())).ok();
        [
            (FORWARDED, forwarded),
            (FORWARDED_HOST, host),
            (FORWARDED_PORT, port),
            (FORWARDED_PROTO, Some(HeaderValue::from_static(proto))),
        ]
    }
}

/// `for=`, to stand before the rest of `Forwarded` (RFC 7239 section 5.2).
pub fn forwarded_for(client_ip: &str) -> [&[u8]; 3] {
    // An address with colons is quoted, in brackets.
    let (open, close) = if client_ip.contains(':') { ("for=\"[", "]\";") } else { ("for=", ";") };
    [open.as_bytes(), client_ip.as_bytes(), close.as_bytes()]
}

/// The port after the name or the bracketed address.
fn port(host: &[u8]) -> Option<&[u8]> {
    let colon = host.iter().rposition(|&byte| byte == b':')?;
    let port = &host[colon + 1..];
    (!port.is_empty() && port.iter().all(u8::is_ascii_digit)).then_some(port)
}

/// A request, as its key is derived from it: after the viewer-request hook.
#[derive(Debug, Clone, Copy)]
pub struct KeyRequest<'a> {
    pub secure: bool,
    pub method: &'a Method,
    pub path: &'a str,
    pub query: Option<&'a str>,
    pub headers: &'a HeaderMap,
}

/// A part of a request that its response may depend on.
#[derive(Debug)]
pub enum KeyPart<'a> {
    /// GET, which also answers HEAD, or OPTIONS.
    Method(&'a Method),
    Scheme {
        secure: bool,
    },
    Path(&'a str),
    /// Case-insensitive.
    Host(&'a [u8]),
    /// The whole query string, unchanged.
    Query(&'a str),
    /// `name=value`, in the order of the request: for CloudFront another order is another object.
    Parameter(&'a str),
    Field(&'a HeaderName, GetAll<'a, HeaderValue>),
    /// `name=value`. Chosen ones come in the order of the choice, so that a client's order makes no difference.
    Cookie(&'a [u8]),
    /// The codings that the policy keys and the client accepts; absent if there are none.
    Codings(Encodings),
    /// In any case.
    ForwardedFields(ForwardedFields<'a>),
}

impl KeyPart<'_> {
    /// Distinguishes the kinds.
    pub(super) fn tag(&self) -> u8 {
        match self {
            KeyPart::Method(_) => b'm',
            KeyPart::Scheme { .. } => b's',
            KeyPart::Path(_) => b'/',
            KeyPart::Host(_) => b'h',
            KeyPart::Query(_) => b'q',
            KeyPart::Parameter(_) => b'p',
            KeyPart::Field(..) => b'f',
            KeyPart::Cookie(_) => b'c',
            KeyPart::Codings(_) => b'e',
            KeyPart::ForwardedFields(_) => b't',
        }
    }
}

/// The proxies that a request has passed. It must be forwarded, or two proxies could loop for ever (RFC 8586 section 2.1).
static CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");

/// Visits all parts of a request that select its response, always in the same order.
pub fn of<'a>(sees: OriginView, policy: &'a KeyPolicy, asked: &KeyRequest<'a>, mut take: impl FnMut(KeyPart<'a>)) {
    take(KeyPart::Method(if *asked.method == Method::OPTIONS { &Method::OPTIONS } else { &Method::GET }));
    if sees.scheme {
        take(KeyPart::Scheme { secure: asked.secure });
    }
    take(KeyPart::Path(asked.path));
    if (sees.host || policy.host)
        && let Some(host) = asked.headers.get(header::HOST)
    {
        take(KeyPart::Host(host.as_bytes()));
    }
    query(&policy.query, asked.query, &mut take);
    headers(&policy.headers, asked.headers, &mut take);
    cookies(&policy.cookies, asked.headers, &mut take);
    let codings = policy.encodings.accepted(asked.headers);
    if codings != Encodings::default() {
        take(KeyPart::Codings(codings));
    }
    match sees.forwarded {
        Forwarded::AsOthers => {}
        Forwarded::Theirs => {
            for name in &FORWARDED_FIELDS {
                let values = asked.headers.get_all(name);
                if values.iter().next().is_some() {
                    take(KeyPart::Field(name, values));
                }
            }
        }
        // Last: whatever else of these fields is keyed, the origin gets ours.
        Forwarded::Ours => take(KeyPart::ForwardedFields(ForwardedFields::of(asked.secure, asked.headers))),
    }
}

fn query<'a>(choice: &Choice<String>, query: Option<&'a str>, take: &mut impl FnMut(KeyPart<'a>)) {
    match (choice, query) {
        (Choice::None, _) | (_, None) => {}
        (Choice::All, Some(query)) => take(KeyPart::Query(query)),
        (Choice::Only(_) | Choice::Except(_), Some(query)) => {
            for pair in query.split('&').filter(|pair| !pair.is_empty()) {
                if choice.takes(|listed| listed == parameter_name(pair)) {
                    take(KeyPart::Parameter(pair));
                }
            }
        }
    }
}

/// The name of a query parameter.
pub fn parameter_name(pair: &str) -> &str {
    pair.split('=').next().unwrap_or_default()
}

fn headers<'a>(choice: &'a Choice<HeaderName>, asked: &'a HeaderMap, take: &mut impl FnMut(KeyPart<'a>)) {
    let mut one = |name: &'a HeaderName| {
        let values = asked.get_all(name);
        if values.iter().next().is_some() {
            take(KeyPart::Field(name, values));
        }
    };
    match choice {
        Choice::None => {}
        Choice::Only(list) => list.iter().for_each(&mut one),
        Choice::Except(_) | Choice::All => {
            let mut names: Vec<_> = asked.keys().filter(|name| choice.takes(|listed| listed == *name)).collect();
            names.sort_unstable_by_key(|name| name.as_str());
            names.into_iter().for_each(&mut one);
        }
    }
    if !choice.takes(|listed| *listed == CDN_LOOP) {
        one(&CDN_LOOP);
    }
}

fn cookies<'a>(choice: &'a Choice<String>, asked: &'a HeaderMap, take: &mut impl FnMut(KeyPart<'a>)) {
    let is_named = |pair: &[u8], name: &String| cookie_name(pair) == name.as_bytes();
    match choice {
        Choice::None => {}
        Choice::Only(list) => {
            for listed in list {
                cookie_pairs(asked).filter(|pair| is_named(pair, listed)).for_each(|pair| take(KeyPart::Cookie(pair)));
            }
        }
        Choice::Except(_) | Choice::All => {
            let chosen = cookie_pairs(asked).filter(|pair| choice.takes(|listed| is_named(pair, listed)));
            chosen.for_each(|pair| take(KeyPart::Cookie(pair)));
        }
    }
}

/// All cookies of a request, on any number of lines.
pub fn cookie_pairs(asked: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lines = asked.get_all(header::COOKIE).into_iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b';')).map(<[u8]>::trim_ascii);
    pairs.filter(|pair| !pair.is_empty())
}

pub fn cookie_name(pair: &[u8]) -> &[u8] {
    pair.split(|&byte| byte == b'=').next().unwrap_or_default()
}
