//! The host and port of an outgoing request, parsed once.
//!
//! A host that ends in a number is an address or nothing, in every spelling that a resolver takes for one: decimal,
//! octal and hexadecimal numbers, one to four of them (`134744072`, `0x8.8.2056`, `010.8.8.8`, `127.1`), as in the URL
//! standard. User information, percent-encodings, zone ids, non-ASCII letters, and ports that are not decimal numbers from
//! 1 to 65535 are refused.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    pub host: NetworkHost,
    pub port: u16,
}

/// A host in its normal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkHost {
    /// A name in lower case, without the final dot.
    Name(String),
    /// An IPv4 address that was written as IPv6 is an IPv4 address.
    Address(IpAddr),
}

/// Why an authority leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHostPort {
    #[error("user information does not belong into an authority")]
    UserInformation,
    #[error("the port is not a number from 1 to 65535")]
    Port,
    #[error("a host that ends in a number is not an IPv4 address")]
    Ipv4,
    #[error("not an IPv6 address in brackets")]
    Ipv6,
    #[error("a name consists of labels of up to 63 letters, digits, `-` and `_`, and of 253 characters at most")]
    Name,
}

const NAME_BYTES: usize = 253;
const LABEL_BYTES: usize = 63;

impl HostPort {
    /// Reads `host`, `host:` or `host:port`.
    pub fn parse(authority: &str, default_port: u16) -> Result<HostPort, InvalidHostPort> {
        if authority.contains('@') {
            return Err(InvalidHostPort::UserInformation);
        }
        // The last colon is a port's, unless it stands within brackets.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port),
            _ => (authority, ""),
        };
        let port = if port.is_empty() { default_port } else { decimal(port).ok_or(InvalidHostPort::Port)? };
        if port == 0 {
            return Err(InvalidHostPort::Port);
        }
        Ok(HostPort { host: NetworkHost::parse(host)?, port })
    }

    /// The value of `Host`: with the port only if it is not the scheme's default.
    pub fn authority(&self, default_port: u16) -> String {
        if self.port == default_port { self.host.to_string() } else { self.to_string() }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl NetworkHost {
    pub fn parse(text: &str) -> Result<NetworkHost, InvalidHostPort> {
        if text.starts_with('[') || text.contains(':') {
            let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).ok_or(InvalidHostPort::Ipv6)?;
            let address: Ipv6Addr = bare.parse().map_err(|_| InvalidHostPort::Ipv6)?;
            return Ok(NetworkHost::Address(IpAddr::V6(address).to_canonical()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        if ends_in_number(name) {
            return ipv4(name).map(|address| NetworkHost::Address(address.into())).ok_or(InvalidHostPort::Ipv4);
        }
        if name.len() > NAME_BYTES || !name.split('.').all(is_label) {
            return Err(InvalidHostPort::Name);
        }
        Ok(NetworkHost::Name(name.to_ascii_lowercase()))
    }
}

impl fmt::Display for NetworkHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NetworkHost::Name(name) => f.write_str(name),
            NetworkHost::Address(IpAddr::V4(address)) => address.fmt(f),
            NetworkHost::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// A part of a name.
pub(super) fn is_label(label: &str) -> bool {
    (1..=LABEL_BYTES).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Whether a name is meant to be an IPv4 address: no top-level domain is a number.
pub(super) fn ends_in_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()))
        || hexadecimal(last).is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// A decimal number and nothing else: `str::parse` takes a sign.
pub(super) fn decimal<N: std::str::FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// One to four numbers, of which the last fills what the others leave (inet_aton).
fn ipv4(name: &str) -> Option<Ipv4Addr> {
    let mut parts = name.split('.').map(number).collect::<Option<Vec<u32>>>()?;
    let last = parts.pop()?;
    let room = 4_usize.checked_sub(parts.len()).filter(|room| *room > 0)?;
    if u64::from(last) >= 1 << (8 * room) {
        return None;
    }
    let mut address = last;
    for (i, part) in parts.iter().enumerate() {
        address |= u32::from(u8::try_from(*part).ok()?) << (8 * (3 - i));
    }
    Some(address.into())
}

/// Decimal, octal after `0`, hexadecimal after `0x`.
fn number(text: &str) -> Option<u32> {
    let (digits, radix) = match hexadecimal(text) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    // A sign is no digit.
    let sound = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    sound.then(|| u32::from_str_radix(digits, radix).ok())?
}

fn hexadecimal(text: &str) -> Option<&str> {
    text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(authority: &str) -> Result<String, InvalidHostPort> {
        HostPort::parse(authority, 80).map(|target| target.to_string())
    }

    #[test]
    fn every_spelling_of_an_address_is_that_address() {
        for (authority, address) in [
            ("8.8.8.8", "8.8.8.8:80"),
            ("8.8.8.8.", "8.8.8.8:80"),
            ("134744072", "8.8.8.8:80"),
            ("134744072.:81", "8.8.8.8:81"),
            ("0x08080808", "8.8.8.8:80"),
            ("0X8080808", "8.8.8.8:80"),
            ("0x00000000000008080808", "8.8.8.8:80"),
            ("010.8.8.8", "8.8.8.8:80"),
            ("010.0x8.8.8", "8.8.8.8:80"),
            ("01002004010", "8.8.8.8:80"),
            ("8.8.2056", "8.8.8.8:80"),
            ("8.526344", "8.8.8.8:80"),
            ("127.1", "127.0.0.1:80"),
            ("0", "0.0.0.0:80"),
            ("0.0", "0.0.0.0:80"),
            ("0xffffffff", "255.255.255.255:80"),
            ("4294967295", "255.255.255.255:80"),
            ("[::ffff:8.8.8.8]", "8.8.8.8:80"),
            ("[::FFFF:808:808]:8080", "8.8.8.8:8080"),
            ("[0:0:0:0:0:ffff:808:808]", "8.8.8.8:80"),
            ("[::8.8.8.8]", "[::808:808]:80"),
            ("[::1]:443", "[::1]:443"),
        ] {
            assert_eq!(read(authority).as_deref(), Ok(address), "{authority}");
        }
    }

    #[test]
    fn a_name_is_one_name_however_it_is_written() {
        for (authority, name) in [
            ("example.com", "example.com:80"),
            ("EXAMPLE.com.", "example.com:80"),
            ("example.com:", "example.com:80"),
            ("example.com:080", "example.com:80"),
            ("example.com:00000443", "example.com:443"),
            ("example.com:65535", "example.com:65535"),
            ("0x8.com", "0x8.com:80"),
            ("1.example", "1.example:80"),
            ("127.0.0.1.nip", "127.0.0.1.nip:80"),
            ("0xg", "0xg:80"),
            ("a_b-c.d", "a_b-c.d:80"),
        ] {
            assert_eq!(read(authority).as_deref(), Ok(name), "{authority}");
        }
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        use InvalidHostPort::*;
        for (authority, why) in [
            ("user@example.com", UserInformation),
            ("user:password@example.com:80", UserInformation),
            ("@example.com", UserInformation),
            ("a.example@b.example@c.example", UserInformation),
            ("example.com:+80", Port),
            ("example.com:-80", Port),
            ("example.com: 80", Port),
            ("example.com:80 ", Port),
            ("example.com:0x50", Port),
            ("example.com:0", Port),
            ("example.com:00", Port),
            ("example.com:65536", Port),
            ("example.com:99999999999999999999", Port),
            ("example.com:８０", Port),
            ("[::1]:+80", Port),
            ("1.2.3.4.5", Ipv4),
            ("256.1.1.1", Ipv4),
            ("1.256.1", Ipv4),
            ("1.2.65536", Ipv4),
            ("1.16777216", Ipv4),
            ("4294967296", Ipv4),
            ("0x100000000", Ipv4),
            ("08.8.8.8", Ipv4),
            ("8.8.8.08", Ipv4),
            ("0x", Ipv4),
            ("0x.1", Ipv4),
            ("1..1", Ipv4),
            (".1", Ipv4),
            ("example.1", Ipv4),
            ("example.0x1", Ipv4),
            ("::1", Ipv6),
            ("[::1", Ipv6),
            ("[]", Ipv6),
            ("[fe80::1%25eth0]", Ipv6),
            ("[fe80::1%eth0]", Ipv6),
            ("[8.8.8.8]", Ipv6),
            ("[v1.x]", Ipv6),
            ("[::1]x:80", Ipv6),
            ("example.com:80:80", Ipv6),
            ("", Name),
            (".", Name),
            (":80", Name),
            ("example..com", Name),
            ("example.com..", Name),
            (".example.com", Name),
            ("8.8.8.%38", Name),
            ("%65xample.com", Name),
            ("８.８.８.８", Name),
            ("8。8。8。8", Name),
            ("①.com", Name),
            ("exam ple.com", Name),
            ("example.com/", Name),
            ("example.com\\x", Name),
            ("example.com\0", Name),
        ] {
            assert_eq!(read(authority), Err(why), "{authority}");
        }
        let label = "a".repeat(63);
        let long = [label.as_str(), &label, &label, &label[..61]].join(".");
        assert_eq!(long.len(), 253);
        assert!(read(&long).is_ok() && read(&format!("{long}.")).is_ok());
        assert_eq!(read(&format!("{long}a")), Err(Name));
        assert_eq!(read(&format!("{label}a.com")), Err(Name));
    }

    #[test]
    fn the_port_is_told_where_it_is_not_the_schemes() {
        let target = |text| HostPort::parse(text, 443).unwrap().authority(443);
        assert_eq!(["A.b:443", "a.b:", "a.b:80", "[::1]:443"].map(target), ["a.b", "a.b", "a.b:80", "[::1]"]);
    }

    proptest! {
        /// The C library's resolver takes these for addresses; whatever it would connect to is what we have read.
        #[test]
        fn numbers_are_read_as_the_resolver_reads_them(
            parts in prop::collection::vec((0u32..70_000, 0..3u8), 1..=5),
            dot in any::<bool>(),
        ) {
            use std::net::ToSocketAddrs as _;
            let written: Vec<String> = parts.iter().map(|(part, radix)| match radix {
                0 => format!("{part}"),
                1 => format!("0{part:o}"),
                _ => format!("0x{part:x}"),
            }).collect();
            let text = written.join(".");
            if let Ok(NetworkHost::Address(address)) = NetworkHost::parse(&text) {
                let resolved: Vec<_> = (text.as_str(), 80).to_socket_addrs().unwrap().map(|found| found.ip()).collect();
                prop_assert_eq!(resolved, vec![address]);
            }
            let dotted = if dot { format!("{text}.") } else { text.clone() };
            prop_assert_eq!(NetworkHost::parse(&dotted), NetworkHost::parse(&text));
        }

        /// Read, written and read again, it is the same; and nothing is read from garbage that has other letters.
        #[test]
        fn what_was_read_reads_the_same_again(authority in "[0-9a-zA-Z.:@%+\\[\\]xX_-]{0,40}") {
            if let Ok(target) = HostPort::parse(&authority, 80) {
                prop_assert_eq!(HostPort::parse(&target.to_string(), 1), Ok(target.clone()));
                prop_assert_eq!(HostPort::parse(&target.authority(80), 80), Ok(target));
            }
        }
    }
}
