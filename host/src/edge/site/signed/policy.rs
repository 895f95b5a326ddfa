//! The policy of a signature: what it covers, until when, from when, and for whom.
//!
//! Where CloudFront's documentation is silent, this is strict: an unknown condition is refused, not ignored.

use std::fmt;
use std::marker::PhantomData;
use std::net::IpAddr;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::edge::site::signed::denied::Denied;
use crate::limits::signed::{EPOCH_S, RESOURCE_WILDCARDS};
use crate::network::Cidr;
use crate::path::pattern::Pattern;

pub(crate) struct SignedPolicy {
    /// `None` covers everything.
    resource: Option<Resource>,
    until_s: u64,
    from_s: Option<u64>,
    source: Option<Cidr>,
}

impl SignedPolicy {
    /// A canned policy, whose resource is the URL itself.
    pub(crate) fn until(expires: &str) -> Option<SignedPolicy> {
        Some(SignedPolicy { resource: None, until_s: time(expires)?, from_s: None, source: None })
    }

    /// A custom policy.
    pub(crate) fn read(text: &[u8]) -> Option<SignedPolicy> {
        let Object(Document { statement: [Object(statement)] }) = serde_json::from_slice(text).ok()?;
        let Object(condition) = statement.condition;
        let source = condition.ip_address.map(|address| Cidr::parse(&address.0.source_ip));
        let times = [Some(condition.date_less_than.0.epoch_time), condition.date_greater_than.map(|date| date.0.epoch_time)];
        if times.iter().flatten().any(|&time| time > EPOCH_S) || source == Some(None) {
            return None;
        }
        let resource = match statement.resource {
            None => None,
            Some(text) => Some(Resource::read(&text)?),
        };
        Some(SignedPolicy { resource, until_s: times[0]?, from_s: times[1], source: source.flatten() })
    }

    pub(crate) fn admits(&self, client: IpAddr, now_s: u64) -> Result<(), Denied> {
        if now_s >= self.until_s {
            return Err(Denied::Late);
        }
        if self.from_s.is_some_and(|from_s| now_s <= from_s) {
            return Err(Denied::Early);
        }
        if self.source.as_ref().is_some_and(|source| !source.contains(client)) {
            return Err(Denied::Address);
        }
        Ok(())
    }

    pub(crate) fn covers(&self, scheme: &str, host: &str, target: impl FnOnce() -> String) -> bool {
        self.resource.as_ref().is_none_or(|resource| resource.covers(scheme, host, target))
    }
}

/// `*` and `?` are wildcards, also the `?` before a query, which matches itself among others. A wildcard matches only within
/// its part: one in a scheme or a host could otherwise match a path, and what follows it could be found in the query, which
/// the client writes.
enum Resource {
    /// `None` matches any scheme, or any path and query.
    Parts { scheme: Option<Pattern>, host: Pattern, target: Option<Pattern> },
    /// A resource that begins with a slash, or has neither a path nor a `*` in its place.
    Nothing,
}

impl Resource {
    fn read(text: &str) -> Option<Resource> {
        if text.matches('?').count() > RESOURCE_WILDCARDS {
            return None;
        }
        let (scheme, rest) = match text.split_once("://") {
            // After a slash, `://` belongs to a path or a query.
            Some((scheme, rest)) if !scheme.contains('/') => (Some(Pattern::url(scheme)), rest),
            _ => (None, text),
        };
        let (host, target) = match rest.find('/') {
            Some(at) => (&rest[..at], Some(Pattern::url(&rest[at..]))),
            None if rest.ends_with('*') => (rest, None),
            None => return Some(Resource::Nothing),
        };
        // A request may lack a host, which an empty one would match.
        if host.is_empty() {
            return Some(Resource::Nothing);
        }
        Some(Resource::Parts { scheme, host: Pattern::url(host), target })
    }

    fn covers(&self, asked_scheme: &str, asked_host: &str, asked_target: impl FnOnce() -> String) -> bool {
        let Resource::Parts { scheme, host, target } = self else { return false };
        scheme.as_ref().is_none_or(|scheme| scheme.matches(asked_scheme))
            && host.matches(asked_host)
            && target.as_ref().is_none_or(|target| target.matches(&asked_target()))
    }
}

/// The text that the signer of a canned policy has signed, byte for byte. `None` if the URL could end its JSON string.
pub(crate) fn canned(url: &str, expires: &str) -> Option<Vec<u8>> {
    if url.contains(['"', '\\']) {
        return None;
    }
    let parts =
        ["{\"Statement\":[{\"Resource\":\"", url, "\",\"Condition\":{\"DateLessThan\":{\"AWS:EpochTime\":", expires, "}}}]}"];
    Some(parts.concat().into_bytes())
}

/// Digits only: no sign, no fraction.
fn time(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&time| digits && time <= EPOCH_S)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "Statement")]
    statement: [Object<Statement>; 1],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    #[serde(rename = "Resource", default, deserialize_with = "not_null")]
    resource: Option<String>,
    #[serde(rename = "Condition")]
    condition: Object<Condition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Condition {
    date_less_than: Object<Date>,
    #[serde(default, deserialize_with = "not_null")]
    date_greater_than: Option<Object<Date>>,
    #[serde(default, deserialize_with = "not_null")]
    ip_address: Option<Object<SourceAddress>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Date {
    #[serde(rename = "AWS:EpochTime")]
    epoch_time: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceAddress {
    #[serde(rename = "AWS:SourceIp")]
    source_ip: String,
}

/// Refuses `null`, which does not mean "everything".
fn not_null<'d, T: Deserialize<'d>, D: Deserializer<'d>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Accepts an object only: a derived `Deserialize` would take an array of the values as well.
struct Object<T>(T);

impl<'d, T: Deserialize<'d>> Deserialize<'d> for Object<T> {
    fn deserialize<D: Deserializer<'d>>(deserializer: D) -> Result<Self, D::Error> {
        struct Of<T>(PhantomData<T>);
        impl<'d, T: Deserialize<'d>> Visitor<'d> for Of<T> {
            type Value = T;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'d>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_map(Of(PhantomData)).map(Object)
    }
}
