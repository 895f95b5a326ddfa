//! Addresses of the Internet protocol, and networks of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::error::PatternError;

/// From the address of a `cidr` to the end of its network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressRange {
    first: IpAddr,
    last: IpAddr,
}

impl AddressRange {
    /// `10.0.0.0/24`
    pub fn parse(text: &str) -> Result<AddressRange, PatternError> {
        let mut parts = text.split('/');
        let (Some(first), Some(bits), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(PatternError::new("Malformed CIDR, one '/' required"));
        };
        let bits: i32 = bits.parse().map_err(|_| PatternError::new("Malformed CIDR, mask bits must be an integer"))?;
        let bits = u32::try_from(bits).map_err(|_| PatternError::new("Malformed CIDR, mask bits must not be negative"))?;
        let first = address(first).ok_or_else(|| PatternError::new(format!("Nonstandard IP address: {first}")))?;
        let last = match first {
            IpAddr::V4(_) if bits >= u32::BITS => return Err(PatternError::new("IPv4 mask bits must be < 32")),
            IpAddr::V6(_) if bits >= u128::BITS => return Err(PatternError::new("IPv6 mask bits must be < 128")),
            IpAddr::V4(first) => IpAddr::V4(Ipv4Addr::from_bits(first.to_bits() | u32::MAX >> bits)),
            IpAddr::V6(first) => IpAddr::V6(Ipv6Addr::from_bits(first.to_bits() | u128::MAX >> bits)),
        };
        Ok(AddressRange { first, last })
    }

    pub fn contains(&self, text: &str) -> bool {
        address(text).is_some_and(|found| found.is_ipv4() == self.first.is_ipv4() && self.first <= found && found <= self.last)
    }
}

/// The address that a text is. AWS does not know version 6 with a version 4 at its end.
pub fn address(text: &str) -> Option<IpAddr> {
    let is_mixed = text.contains(':') && text.contains('.');
    text.parse().ok().filter(|_| !is_mixed)
}
