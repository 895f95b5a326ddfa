//! What the configuration grants: `host:port` patterns, and which names and addresses they match.
//!
//! A pattern is a host name, in which `*` stands for any one label, or an address, IPv4 with `*` for any
//! number after the first; the port is a number or `*`. An address is granted only by a pattern of an
//! address: `*.*.*.*:80` is a pattern of names.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::target::{self, HostPort, NetworkHost};

/// The grants of one function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants(Vec<NetworkGrant>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct NetworkGrant {
    text: String,
    host: HostPattern,
    /// `None` for any.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum HostPattern {
    /// Labels; `None` matches any one label.
    Name(Vec<Option<String>>),
    V4([Option<u8>; 4]),
    V6(Ipv6Addr),
}

/// A pattern that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("network grant `{pattern}`: {why}")]
pub struct InvalidGrant {
    pattern: String,
    why: &'static str,
}

impl Grants {
    pub fn parse<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Grants, InvalidGrant> {
        let mut grants = Grants::default();
        patterns.into_iter().try_for_each(|pattern| grants.add(pattern))?;
        Ok(grants)
    }

    /// Adds one address and port.
    pub fn add_address(&mut self, address: SocketAddr) {
        let host = match address.ip().to_canonical() {
            IpAddr::V4(ip) => HostPattern::V4(ip.octets().map(Some)),
            IpAddr::V6(ip) => HostPattern::V6(ip),
        };
        self.0.push(NetworkGrant { text: address.to_string(), host, port: Some(address.port()) });
    }

    pub fn add(&mut self, pattern: &str) -> Result<(), InvalidGrant> {
        let invalid = |why| InvalidGrant { pattern: pattern.escape_debug().to_string(), why };
        self.0.push(NetworkGrant::parse(pattern).map_err(invalid)?);
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a request may name this host.
    pub fn grant(&self, target: &HostPort) -> bool {
        match &target.host {
            NetworkHost::Address(address) => self.grant_address(SocketAddr::new(*address, target.port)),
            NetworkHost::Name(name) => {
                self.of(target.port).any(|grant| matches!(&grant.host, HostPattern::Name(labels) if matches_name(labels, name)))
            }
        }
    }

    /// Whether a name is granted with any port.
    pub fn grant_at_some_port(&self, name: &str) -> bool {
        self.0.iter().any(|grant| matches!(&grant.host, HostPattern::Name(labels) if matches_name(labels, name)))
    }

    pub fn grant_address(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        self.of(address.port()).any(|grant| match (&grant.host, ip) {
            (HostPattern::V4(pattern), IpAddr::V4(ip)) => {
                pattern.iter().zip(ip.octets()).all(|(part, octet)| part.is_none_or(|part| part == octet))
            }
            (HostPattern::V6(granted), IpAddr::V6(ip)) => *granted == ip,
            _ => false,
        })
    }

    fn of(&self, port: u16) -> impl Iterator<Item = &NetworkGrant> {
        self.0.iter().filter(move |grant| grant.port.is_none_or(|granted| granted == port))
    }
}

impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing");
        }
        for (i, grant) in self.0.iter().enumerate() {
            write!(f, "{}{}", if i == 0 { "" } else { ", " }, grant.text)?;
        }
        Ok(())
    }
}

impl NetworkGrant {
    fn parse(pattern: &str) -> Result<NetworkGrant, &'static str> {
        let (host, port) = pattern.rsplit_once(':').ok_or("the port is missing")?;
        let port = match port {
            "*" => None,
            port => match target::decimal(port) {
                Some(0) | None => return Err("the port is a number from 1 to 65535, or `*`"),
                Some(port) => Some(port),
            },
        };
        Ok(NetworkGrant { text: pattern.to_ascii_lowercase(), host: HostPattern::parse(host)?, port })
    }
}

impl HostPattern {
    fn parse(host: &str) -> Result<HostPattern, &'static str> {
        if host.starts_with('[') || host.contains(':') {
            return match target::NetworkHost::parse(host) {
                Ok(NetworkHost::Address(IpAddr::V4(address))) => Ok(HostPattern::V4(address.octets().map(Some))),
                Ok(NetworkHost::Address(IpAddr::V6(address))) => Ok(HostPattern::V6(address)),
                _ => Err("not an IPv6 address in brackets"),
            };
        }
        let labels: Vec<&str> = host.split('.').collect();
        if let Some(pattern) = HostPattern::v4(&labels) {
            return Ok(pattern);
        }
        if target::ends_in_number(host) {
            return Err("a host that ends in a number is an address: four decimal numbers, or `*` after the first");
        }
        let label = |label: &&str| match *label {
            "" => Err("a label of the host is empty"),
            "*" => Ok(None),
            label if target::is_label(label) => Ok(Some(label.to_ascii_lowercase())),
            _ => Err("a label of the host is neither `*` nor up to 63 letters, digits, `-` and `_`"),
        };
        labels.iter().map(label).collect::<Result<_, _>>().map(HostPattern::Name)
    }

    /// Four parts: a number, then numbers or `*`. `010` is ambiguous and refused.
    fn v4(labels: &[&str]) -> Option<HostPattern> {
        let [first, rest @ ..] = labels else { return None };
        let number = |text: &str| target::decimal::<u8>(text).filter(|_| text == "0" || !text.starts_with('0'));
        let mut parts = [Some(number(first)?), None, None, None];
        for (part, label) in parts[1..].iter_mut().zip(rest) {
            if *label != "*" {
                *part = Some(number(label)?);
            }
        }
        (rest.len() == 3).then_some(HostPattern::V4(parts))
    }
}

fn matches_name(labels: &[Option<String>], host: &str) -> bool {
    let mut rest = host.split('.');
    let all = labels.iter().all(|label| {
        rest.next().is_some_and(|part| !part.is_empty() && label.as_ref().is_none_or(|label| label.eq_ignore_ascii_case(part)))
    });
    all && rest.next().is_none()
}

/// Whether an address belongs to the public internet. Others lead to this machine, its network, or its
/// cloud's metadata (169.254.169.254).
pub fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = a == 0
        || ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || (a == 100 && (64..128).contains(&b)) // Carrier-grade NAT.
        || (a == 192 && b == 0 && c == 0) // Protocol assignments.
        || (a == 198 && (b == 18 || b == 19)) // Benchmarks.
        || a >= 224; // Multicast, reserved, broadcast.
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    if let Some(carried) = carried_v4(ip) {
        return is_public_v4(carried);
    }
    match ip.segments() {
        // Documentation, Teredo and other special uses.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        // Global unicast; all others are local, multicast or not assigned.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// The IPv4 address that an IPv6 address stands for: NAT64, 6to4.
fn carried_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    match ip.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
        }
        _ => None,
    }
}

/// Whether an address is that of a cloud's metadata, where a machine finds its credentials: of EC2, of ECS and of EKS.
pub fn is_metadata(ip: IpAddr) -> bool {
    const V4: [Ipv4Addr; 3] =
        [Ipv4Addr::new(169, 254, 169, 254), Ipv4Addr::new(169, 254, 170, 2), Ipv4Addr::new(169, 254, 170, 23)];
    match ip.to_canonical() {
        IpAddr::V4(ip) => V4.contains(&ip),
        IpAddr::V6(ip) => {
            let own = matches!(ip.segments(), [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23 | 0x254]);
            own || carried_v4(ip).is_some_and(|carried| V4.contains(&carried))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(patterns: &[&str]) -> Grants {
        Grants::parse(patterns.iter().copied()).unwrap()
    }

    #[test]
    fn a_star_stands_for_exactly_one_label() {
        let grants = grants(&["api.example.com:443", "*.example.org:443", "single:*", "*:1"]);
        for (host, port, granted) in [
            ("api.example.com", 443, true),
            ("API.Example.COM.", 443, true),
            ("api.example.com", 80, false),
            ("xapi.example.com", 443, false),
            ("a.example.org", 443, true),
            ("example.org", 443, false),
            (".example.org", 443, false),
            ("a.b.example.org", 443, false),
            ("single", 1, true),
            ("", 443, false),
            ("user@single", 1, false),
            // A single label, and yet an address.
            ("134744072", 1, false),
            ("0x08080808", 1, false),
        ] {
            let target = HostPort::parse(&format!("{host}:{port}"), 1);
            assert_eq!(target.is_ok_and(|target| grants.grant(&target)), granted, "{host}:{port}");
        }
    }

    #[test]
    fn addresses_are_granted_by_patterns_of_addresses_only() {
        let grants = grants(&["10.1.*.*:80", "[::1]:8080", "*.*.*.*:80"]);
        for (address, granted) in [
            ("10.1.2.3:80", true),
            ("10.2.2.3:80", false),
            ("10.1.2.3:81", false),
            ("[::ffff:10.1.2.3]:80", true),
            ("[::1]:8080", true),
            ("[::2]:8080", false),
            ("127.0.0.1:80", false),
        ] {
            let address: SocketAddr = address.parse().unwrap();
            assert_eq!(grants.grant_address(address), granted, "{address}");
            let target = HostPort::parse(&address.to_string(), 1).unwrap();
            assert_eq!(grants.grant(&target), granted, "{address} as text");
        }
    }

    #[test]
    fn every_spelling_of_an_address_needs_that_address() {
        let (named, addressed) = (grants(&["*:*", "*.*:*", "*.*.*:*", "*.*.*.*:*", "*.example.com:*"]), grants(&["8.8.*.8:*"]));
        for host in ["8.8.8.8", "134744072", "0x08080808", "010.8.8.8", "8.526344", "8.8.8.8.", "[::ffff:8.8.8.8]"] {
            let target = HostPort::parse(host, 80).unwrap();
            assert!(!named.grant(&target), "{host}");
            assert!(addressed.grant(&target), "{host}");
        }
    }

    #[test]
    fn a_name_may_begin_with_a_number_and_end_in_a_star() {
        let grants = grants(&["1.example.co.uk:80", "10.*:80", "*.x:*"]);
        for (host, granted) in [("1.example.co.uk", true), ("10.com", true), ("10.1", false), ("a.x", true), ("x", false)] {
            assert_eq!(grants.grant(&HostPort::parse(host, 80).unwrap()), granted, "{host}");
        }
    }

    #[test]
    fn patterns_that_are_not_host_and_port_say_why() {
        for pattern in [
            "example.com",
            "example.com:0",
            "example.com:70000",
            ":80",
            "a..b:80",
            "a b:80",
            "[::z]:80",
            "*x.com:80",
            "10.1.*.1.1:80",
            "10.1:80",
            "134744072:80",
            "0x08080808:80",
            "010.8.8.8:80",
            "+1.2.3.4:80",
            "*.*.*.8:80",
            "example.com:+80",
            "user@example.com:80",
            "[fe80::1%eth0]:80",
            "[10.0.0.1]:80",
        ] {
            let error = Grants::parse([pattern]).unwrap_err();
            assert!(error.to_string().contains(pattern), "{error}");
        }
    }

    #[test]
    fn private_addresses_are_not_public() {
        for ip in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "fc00::1",
            "fe80::1",
            "ff02::1",
            "2001:db8::1",
        ] {
            assert!(!is_public(ip.parse().unwrap()), "{ip}");
        }
        for ip in ["1.1.1.1", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::101:101", "2001:4860:4860::8888"] {
            assert!(is_public(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn metadata_is_known_in_every_spelling() {
        for ip in [
            "169.254.169.254",
            "169.254.170.2",
            "169.254.170.23",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "fd00:ec2::254",
            "fd00:ec2::23",
        ] {
            assert!(is_metadata(ip.parse().unwrap()), "{ip}");
        }
        for ip in ["169.254.169.253", "10.0.0.1", "fd00:ec2::253", "64:ff9b::a9fe:a9fd"] {
            assert!(!is_metadata(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn a_grant_of_one_address_is_of_no_other() {
        for (address, other) in [("127.0.0.1:9000", "127.0.0.1:9001"), ("[::1]:9000", "[::2]:9000")] {
            let mut only = Grants::default();
            only.add_address(address.parse().unwrap());
            assert!(only.grant_address(address.parse().unwrap()) && !only.grant_address(other.parse().unwrap()), "{address}");
            assert_eq!(only.to_string(), address);
        }
    }
}
