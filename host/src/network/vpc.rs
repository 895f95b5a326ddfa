//! Virtual private clouds: which addresses a function that is attached to one may connect to.
//!
//! A subnet says where a connection has a route to, a security group what may take it. A function has the routes of all its
//! subnets, and what any of its groups permits. Names are not looked at: what counts is the address that is connected to.
//!
//!     address ─► IPv6 allowed? ─► a CIDR block of a subnet, or public and a NAT ─► a rule of a security group ─► connect

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use super::cidr::Cidr;
use super::grants::is_public;

/// All that the configuration defines, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vpcs(pub BTreeMap<String, Vpc>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vpc {
    pub subnets: Vec<Subnet>,
    pub security_groups: Vec<SecurityGroup>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// `subnet-…`
    pub id: String,
    /// Where it has routes to.
    pub cidrs: Vec<Cidr>,
    /// Whether it has one to the public internet.
    pub nat: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityGroup {
    /// `sg-…`
    pub id: String,
    pub egress: Vec<EgressRule>,
}

/// What may leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressRule {
    pub protocol: RuleProtocol,
    pub ports: RangeInclusive<u16>,
    pub cidrs: Vec<Cidr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleProtocol {
    All,
    Tcp,
    /// Functions have no UDP.
    Udp,
}

/// The subnets and security groups of one function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// `vpc-…`
    pub vpc_id: String,
    subnets: Vec<Subnet>,
    security_groups: Vec<SecurityGroup>,
    /// `Ipv6AllowedForDualStack`
    ipv6: bool,
}

/// Why a function cannot be attached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttachError {
    #[error("The subnet ID '{0}' does not exist")]
    Subnet(String),
    #[error("The security group '{0}' does not exist")]
    SecurityGroup(String),
    #[error("The subnets {0} and {1} belong to different VPCs")]
    SubnetElsewhere(String, String),
    #[error("The security group {0} and the subnet {1} belong to different VPCs")]
    SecurityGroupElsewhere(String, String),
}

/// Why an attached function may not connect somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VpcDenial {
    Ipv6,
    NoRoute,
    NoRule,
}

/// Whether a text is `prefix` (`subnet-`, `sg-`) and digits and letters, of which capitals are for security groups.
pub fn is_vpc_id(text: &str, prefix: &str) -> bool {
    let letter = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || (prefix == "sg-" && c.is_ascii_uppercase());
    text.strip_prefix(prefix).is_some_and(|id| id.bytes().all(letter))
}

impl Vpcs {
    /// What these ids name together. There is at least one subnet, and all of one VPC.
    pub fn attach(&self, subnets: &[String], security_groups: &[String], ipv6: bool) -> Result<Attachment, AttachError> {
        let mut home: Option<(&String, &Vpc, &String)> = None;
        let mut found = Attachment { vpc_id: String::new(), subnets: Vec::new(), security_groups: Vec::new(), ipv6 };
        for id in subnets {
            let (name, vpc, subnet) = self.subnet(id).ok_or_else(|| AttachError::Subnet(id.clone()))?;
            let (home, _, first) = *home.get_or_insert((name, vpc, id));
            if home != name {
                return Err(AttachError::SubnetElsewhere(first.clone(), id.clone()));
            }
            found.subnets.push(subnet.clone());
        }
        for id in security_groups {
            let (name, group) = self.security_group(id).ok_or_else(|| AttachError::SecurityGroup(id.clone()))?;
            if let Some((home, _, first)) = home
                && home != name
            {
                return Err(AttachError::SecurityGroupElsewhere(id.clone(), first.clone()));
            }
            found.security_groups.push(group.clone());
        }
        found.vpc_id = home.map_or_else(String::new, |(name, ..)| format!("vpc-{name}"));
        Ok(found)
    }

    fn subnet(&self, id: &str) -> Option<(&String, &Vpc, &Subnet)> {
        self.0.iter().find_map(|(name, vpc)| Some((name, vpc, vpc.subnets.iter().find(|subnet| subnet.id == id)?)))
    }

    fn security_group(&self, id: &str) -> Option<(&String, &SecurityGroup)> {
        self.0.iter().find_map(|(name, vpc)| Some((name, vpc.security_groups.iter().find(|group| group.id == id)?)))
    }
}

impl Attachment {
    /// Whether a function may connect to this address, by this protocol.
    pub fn check(&self, protocol: RuleProtocol, address: SocketAddr) -> Result<(), VpcDenial> {
        let ip = address.ip().to_canonical();
        if ip.is_ipv6() && !self.ipv6 {
            return Err(VpcDenial::Ipv6);
        }
        if !self.subnets.iter().any(|subnet| subnet.routes(ip)) {
            return Err(VpcDenial::NoRoute);
        }
        let permits = |group: &SecurityGroup| group.egress.iter().any(|rule| rule.permits(protocol, ip, address.port()));
        if self.security_groups.iter().any(permits) { Ok(()) } else { Err(VpcDenial::NoRule) }
    }

    /// Says of a refusal what would have to be otherwise.
    pub fn explain(&self, denial: VpcDenial) -> String {
        let ids = |ids: Vec<&str>| if ids.is_empty() { "none".to_owned() } else { ids.join(", ") };
        match denial {
            VpcDenial::Ipv6 => "IPv6 is not allowed: Ipv6AllowedForDualStack is false".to_owned(),
            VpcDenial::NoRoute => {
                let subnets = ids(self.subnets.iter().map(|subnet| subnet.id.as_str()).collect());
                let nat = if self.subnets.iter().any(|subnet| subnet.nat) { "and is not public" } else { "which have no NAT" };
                format!("in no CIDR block of its subnets ({subnets}), {nat}")
            }
            VpcDenial::NoRule => {
                let groups = ids(self.security_groups.iter().map(|group| group.id.as_str()).collect());
                format!("permitted by no egress rule of its security groups ({groups})")
            }
        }
    }
}

impl Subnet {
    fn routes(&self, ip: IpAddr) -> bool {
        self.cidrs.iter().any(|cidr| cidr.contains(ip)) || (self.nat && is_public(ip))
    }
}

impl EgressRule {
    fn permits(&self, protocol: RuleProtocol, ip: IpAddr, port: u16) -> bool {
        (self.protocol == RuleProtocol::All || self.protocol == protocol)
            && self.ports.contains(&port)
            && self.cidrs.iter().any(|cidr| cidr.contains(ip))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cidrs(texts: &[&str]) -> Vec<Cidr> {
        texts.iter().map(|text| Cidr::parse(text).unwrap()).collect()
    }

    fn subnet(id: &str, blocks: &[&str], nat: bool) -> Subnet {
        Subnet { id: id.to_owned(), cidrs: cidrs(blocks), nat }
    }

    fn group(id: &str, rules: &[(RuleProtocol, RangeInclusive<u16>, &[&str])]) -> SecurityGroup {
        let rule = |(protocol, ports, blocks): &(RuleProtocol, RangeInclusive<u16>, &[&str])| EgressRule {
            protocol: *protocol,
            ports: ports.clone(),
            cidrs: cidrs(blocks),
        };
        SecurityGroup { id: id.to_owned(), egress: rules.iter().map(rule).collect() }
    }

    fn vpcs() -> Vpcs {
        let all = 0..=u16::MAX;
        let main = Vpc {
            subnets: vec![
                subnet("subnet-data", &["10.0.1.0/24", "fd12::/16"], false),
                subnet("subnet-web", &["10.0.2.0/24"], true),
                subnet("subnet-none", &[], false),
            ],
            security_groups: vec![
                group("sg-postgres", &[(RuleProtocol::Tcp, 5432..=5432, &["10.0.0.0/16", "fd12::/16"])]),
                group("sg-https", &[(RuleProtocol::Tcp, 443..=443, &["0.0.0.0/0", "::/0"])]),
                group("sg-dns", &[(RuleProtocol::Udp, 53..=53, &["0.0.0.0/0"])]),
                group("sg-any", &[(RuleProtocol::All, all, &["0.0.0.0/0", "::/0"])]),
                group("sg-none", &[]),
            ],
        };
        let other = Vpc { subnets: vec![subnet("subnet-b", &[], false)], security_groups: vec![group("sg-b", &[])] };
        Vpcs([("main".to_owned(), main), ("other".to_owned(), other)].into())
    }

    fn attached(subnets: &[&str], groups: &[&str], ipv6: bool) -> Result<Attachment, AttachError> {
        let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        vpcs().attach(&owned(subnets), &owned(groups), ipv6)
    }

    #[test]
    fn a_subnet_and_a_security_group_must_both_permit_a_connection() {
        let ok = Ok(());
        let (no_route, no_rule) = (Err(VpcDenial::NoRoute), Err(VpcDenial::NoRule));
        for (subnets, groups, address, decision) in [
            (&["subnet-data"][..], &["sg-postgres"][..], "10.0.1.5:5432", ok),
            (&["subnet-data"], &["sg-postgres"], "[::ffff:10.0.1.5]:5432", ok),
            (&["subnet-data"], &["sg-postgres"], "10.0.1.5:5433", no_rule),
            (&["subnet-data"], &["sg-postgres"], "10.0.2.5:5432", no_route),
            (&["subnet-data", "subnet-web"], &["sg-postgres"], "10.0.2.5:5432", ok),
            (&["subnet-data"], &["sg-https"], "10.0.1.5:5432", no_rule),
            (&["subnet-data"], &["sg-https", "sg-postgres"], "10.0.1.5:5432", ok),
            (&["subnet-data"], &["sg-dns"], "10.0.1.5:53", no_rule),
            (&["subnet-data"], &["sg-none"], "10.0.1.5:5432", no_rule),
            (&["subnet-data"], &["sg-any"], "1.1.1.1:443", no_route),
            (&["subnet-web"], &["sg-any"], "1.1.1.1:443", ok),
            (&["subnet-web"], &["sg-https"], "1.1.1.1:80", no_rule),
            (&["subnet-web"], &["sg-any"], "10.0.1.5:443", no_route),
            (&["subnet-web"], &["sg-any"], "127.0.0.1:443", no_route),
            (&["subnet-web"], &["sg-any"], "169.254.1.1:443", no_route),
            (&["subnet-none"], &["sg-any"], "10.0.1.5:443", no_route),
        ] {
            let attachment = attached(subnets, groups, false).unwrap();
            let decided = attachment.check(RuleProtocol::Tcp, address.parse().unwrap());
            assert_eq!(decided, decision, "{subnets:?} {groups:?} {address}");
        }
    }

    #[test]
    fn ipv6_is_for_who_asked_for_it() {
        let address: SocketAddr = "[fd12::1]:5432".parse().unwrap();
        let of = |ipv6| attached(&["subnet-data"], &["sg-postgres"], ipv6).unwrap().check(RuleProtocol::Tcp, address);
        assert_eq!((of(false), of(true)), (Err(VpcDenial::Ipv6), Ok(())));
    }

    #[test]
    fn ids_must_be_defined_and_of_one_vpc() {
        let error = |subnets: &[&str], groups: &[&str]| attached(subnets, groups, false).unwrap_err().to_string();
        assert_eq!(attached(&["subnet-b"], &["sg-b"], false).unwrap().vpc_id, "vpc-other");
        assert_eq!(error(&["subnet-x"], &["sg-b"]), "The subnet ID 'subnet-x' does not exist");
        assert_eq!(error(&["subnet-b"], &["sg-x"]), "The security group 'sg-x' does not exist");
        assert!(error(&["subnet-b", "subnet-web"], &["sg-b"]).contains("subnet-b and subnet-web belong to different VPCs"));
        assert!(error(&["subnet-b"], &["sg-any"]).contains("sg-any and the subnet subnet-b belong to different VPCs"));
    }

    #[test]
    fn a_refusal_says_what_would_have_to_be_otherwise() {
        let explained = |subnets: &[&str], denial| attached(subnets, &["sg-https", "sg-dns"], false).unwrap().explain(denial);
        assert_eq!(
            explained(&["subnet-data"], VpcDenial::NoRoute),
            "in no CIDR block of its subnets (subnet-data), which have no NAT"
        );
        assert_eq!(
            explained(&["subnet-data", "subnet-web"], VpcDenial::NoRoute),
            "in no CIDR block of its subnets (subnet-data, subnet-web), and is not public"
        );
        assert_eq!(
            explained(&["subnet-web"], VpcDenial::NoRule),
            "permitted by no egress rule of its security groups (sg-https, sg-dns)"
        );
    }

    proptest! {
        /// Whatever the rules are: without a NAT nothing is reached outside of the blocks, and what is not public never by a NAT.
        #[test]
        fn nothing_is_reached_beyond_the_routes(
            ip: u32, port: u16, block: u32, bits in 1_u8..=32, nat: bool, ports in any::<(u16, u16)>(), rule_bits in 0_u8..=32
        ) {
            let ip = IpAddr::V4(ip.into());
            let cidr = |address: u32, bits: u8| Cidr::parse(&format!("{}/{bits}", std::net::Ipv4Addr::from(address))).unwrap();
            let (route, to) = (cidr(block, bits), cidr(block, rule_bits));
            let rule = EgressRule { protocol: RuleProtocol::All, ports: ports.0..=ports.1, cidrs: vec![to] };
            let attachment = Attachment {
                vpc_id: String::new(),
                subnets: vec![Subnet { id: String::new(), cidrs: vec![route], nat }],
                security_groups: vec![SecurityGroup { id: String::new(), egress: vec![rule] }],
                ipv6: false,
            };
            let is_routed = route.contains(ip) || nat && is_public(ip);
            let is_permitted = (ports.0..=ports.1).contains(&port) && to.contains(ip);
            let decided = attachment.check(RuleProtocol::Tcp, SocketAddr::new(ip, port));
            prop_assert_eq!(decided.is_ok(), is_routed && is_permitted);
        }
    }
}
