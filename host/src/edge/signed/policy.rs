//! The policy that a signer has written: what, until when, from when, for whom.
//!
//! Strict where CloudFront is silent: a condition that we do not know must not be one that we ignore.

use std::net::IpAddr;

use serde::{Deserialize, Deserializer};

use super::Denied;
use crate::limits::signed::{EPOCH_S, RESOURCE_WILDCARDS};
use crate::path::pattern::Pattern;

pub(crate) struct Policy {
    /// None: everything.
    resource: Option<Resource>,
    until_s: u64,
    from_s: Option<u64>,
    source: Option<Network>,
}

impl Policy {
    /// A canned policy, whose resource is the URL itself.
    pub(crate) fn until(expires: &str) -> Option<Policy> {
        Some(Policy { resource: None, until_s: time(expires)?, from_s: None, source: None })
    }

    /// A custom policy.
    pub(crate) fn read(text: &[u8]) -> Option<Policy> {
        let Document { statement: [statement] } = serde_json::from_slice(text).ok()?;
        let condition = statement.condition;
        let source = condition.ip_address.map(|address| Network::read(&address.source_ip));
        let times = [Some(condition.date_less_than.epoch_time), condition.date_greater_than.map(|date| date.epoch_time)];
        if times.iter().flatten().any(|&time| time > EPOCH_S) || source == Some(None) {
            return None;
        }
        let resource = match statement.resource {
            None => None,
            Some(text) => Some(Resource::read(&text)?),
        };
        Some(Policy { resource, until_s: times[0]?, from_s: times[1], source: source.flatten() })
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

    pub(crate) fn covers(&self, url: impl FnOnce() -> String) -> bool {
        self.resource.as_ref().is_none_or(|resource| resource.covers(&url()))
    }
}

/// `*` and `?` are wildcards, also the `?` before a query: it stands for itself, among others.
struct Resource {
    pattern: Pattern,
    /// Without a scheme either will do. What begins with `/` would take a host for a path.
    any_scheme: bool,
}

impl Resource {
    fn read(text: &str) -> Option<Resource> {
        if text.matches('?').count() > RESOURCE_WILDCARDS {
            return None;
        }
        Some(Resource { pattern: Pattern::url(text), any_scheme: !text.contains("://") && !text.starts_with('/') })
    }

    fn covers(&self, url: &str) -> bool {
        let without_scheme = || url.split_once("://").map_or(url, |(_, rest)| rest);
        self.pattern.matches(url) || (self.any_scheme && self.pattern.matches(without_scheme()))
    }
}

/// The text that the signer of a canned policy has signed, byte for byte. None if the URL could end its string.
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

/// Addresses with the same first bits.
#[derive(PartialEq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// `192.0.2.0/24`, or one address.
    fn read(text: &str) -> Option<Network> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(most), |bits| bits.parse().ok())?;
        (bits <= most).then_some(Network { address, bits })
    }

    fn contains(&self, client: IpAddr) -> bool {
        let (own, other, length) = match (self.address, client.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (u128::from(own.to_bits()), u128::from(other.to_bits()), 32),
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits(), other.to_bits(), 128),
            _ => return false,
        };
        // A shift by all bits leaves none.
        (own ^ other).checked_shr(length - u32::from(self.bits)).unwrap_or(0) == 0
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "Statement")]
    statement: [Statement; 1],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    #[serde(rename = "Resource", default, deserialize_with = "not_null")]
    resource: Option<String>,
    #[serde(rename = "Condition")]
    condition: Condition,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Condition {
    date_less_than: Date,
    #[serde(default, deserialize_with = "not_null")]
    date_greater_than: Option<Date>,
    #[serde(default, deserialize_with = "not_null")]
    ip_address: Option<Address>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Date {
    #[serde(rename = "AWS:EpochTime")]
    epoch_time: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Address {
    #[serde(rename = "AWS:SourceIp")]
    source_ip: String,
}

/// What is `null` is there, and nothing that is understood: it does not stand for "everything".
fn not_null<'d, T: Deserialize<'d>, D: Deserializer<'d>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
