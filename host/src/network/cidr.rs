//! CIDR blocks: addresses with the same first bits.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `192.0.2.0/24`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    bits: u8,
}

impl Cidr {
    pub fn parse(text: &str) -> Option<Cidr> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let written: IpAddr = address.parse().ok()?;
        let most = if written.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(most), length).filter(|&bits| bits <= most)?;
        // Addresses are compared in canonical form, so blocks are, too (RFC 4291 section 2.5.5.2).
        let address = written.to_canonical();
        let bits = if address.is_ipv4() && written.is_ipv6() { bits.checked_sub(96)? } else { bits };
        Some(Cidr { address, bits })
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        let (own, other, length) = match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (u128::from(own.to_bits()), u128::from(other.to_bits()), 32),
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits(), other.to_bits(), 128),
            _ => return false,
        };
        // `checked_shr` gives `None` for a shift by all bits.
        (own ^ other).checked_shr(length - u32::from(self.bits)).unwrap_or(0) == 0
    }

    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// The same block by its first address.
    pub fn normal(&self) -> Cidr {
        let bits = u32::from(self.bits);
        let address = match self.address {
            IpAddr::V4(address) => IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & !u32::MAX.checked_shr(bits).unwrap_or(0))),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::MAX.checked_shr(bits).unwrap_or(0))),
        };
        Cidr { address, bits: self.bits }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// Digits only, without leading zeros.
fn length(bits: &str) -> Option<u8> {
    bits.parse().ok().filter(|length: &u8| length.to_string() == bits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_block_is_an_address_and_the_length_of_what_its_addresses_share() {
        for (text, normal) in [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("10.1.2.3", "10.1.2.3/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::1", "::1/128"),
            ("2001:db8::1/32", "2001:db8::/32"),
            ("::ffff:10.1.2.3/104", "10.0.0.0/8"),
        ] {
            assert_eq!(Cidr::parse(text).unwrap().normal().to_string(), normal, "{text}");
        }
        for text in
            ["", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "10.0.0/8", "::/129", "::ffff:10.0.0.0/8", "a/8", "10.0.0.0/+8"]
        {
            assert_eq!(Cidr::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_block_contains_what_shares_its_bits(own: u32, other: u32, bits in 0_u8..=32) {
            let block = Cidr::parse(&format!("{}/{bits}", Ipv4Addr::from_bits(own))).unwrap();
            let shares = (0..u32::from(bits)).all(|at| (own ^ other) & (1 << (31 - at)) == 0);
            let other = IpAddr::V4(Ipv4Addr::from_bits(other));
            prop_assert_eq!(block.contains(other), shares);
            prop_assert_eq!(block.normal().contains(other), shares);
            prop_assert_eq!(Cidr::parse(&block.to_string()), Some(block));
        }
    }
}
