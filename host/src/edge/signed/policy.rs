//! The policy that a signer has written: what, until when, from when, for whom.
//!
//! Strict where CloudFront is silent: a condition that we do not know must not be one that we ignore.

use std::net::IpAddr;

use serde::Deserialize;

use super::Denied;
use crate::edge::site::Pattern;
use crate::limits::signed::EPOCH_S;

pub(crate) struct Policy {
    /// None: everything.
    resource: Option<String>,
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
        Some(Policy { resource: statement.resource, until_s: times[0]?, from_s: times[1], source: source.flatten() })
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

    /// `*` and `?` are wildcards, also the `?` before a query: it stands for itself, among others.
    pub(crate) fn covers(&self, url: &str) -> bool {
        let Some(resource) = &self.resource else { return true };
        if Pattern::whole(resource).matches_whole(url) {
            return true;
        }
        // Without a scheme either will do. What begins with `/` would take a host for a path.
        let no_scheme = !resource.contains("://") && !resource.starts_with('/');
        no_scheme && url.split_once("://").is_some_and(|(_, rest)| Pattern::whole(resource).matches_whole(rest))
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
struct Document {
    #[serde(rename = "Statement")]
    statement: [Statement; 1],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    #[serde(rename = "Resource")]
    resource: Option<String>,
    #[serde(rename = "Condition")]
    condition: Condition,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Condition {
    date_less_than: Date,
    date_greater_than: Option<Date>,
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
