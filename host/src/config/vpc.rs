//! `[vpc.NAME]`: subnets and security groups, which functions of the API can be attached to.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::reader::{TableReader, Text};
use crate::limits::config::{CIDRS, EGRESS_RULES, SECURITY_GROUPS, SUBNETS, VPCS};
use crate::network::{Cidr, EgressRule, RuleProtocol, SecurityGroup, Subnet, Vpc, Vpcs, is_vpc_id};

/// The ids that are taken: a function names them without their VPC.
type Ids<'a> = BTreeSet<&'a str>;

pub(super) fn read(root: &mut TableReader<'_>) -> Vpcs {
    let mut ids = Ids::new();
    let mut vpcs = Vpcs::default();
    for (name, mut table) in root.named("vpc") {
        if vpcs.0.len() == VPCS {
            table.report.error(name.span(), "too many tables [vpc.NAME]", format!("at most {VPCS}"));
        }
        let subnets = list(&mut table, "subnet", SUBNETS, |table| subnet(table, &mut ids));
        let security_groups = list(&mut table, "security_group", SECURITY_GROUPS, |table| security_group(table, &mut ids));
        table.finish();
        vpcs.0.insert((*name.get_ref()).to_owned(), Vpc { subnets, security_groups });
    }
    vpcs
}

/// `[[key]]`, so many at most.
fn list<'a, T>(
    table: &mut TableReader<'a>,
    key: &'static str,
    most: usize,
    read: impl FnMut(TableReader<'a>) -> Option<T>,
) -> Vec<T> {
    let tables = table.list(key);
    if let Some(beyond) = tables.get(most) {
        table.report.error(beyond.span(), format!("too many tables {}", beyond.place()), format!("at most {most}"));
    }
    tables.into_iter().filter_map(read).collect()
}

fn subnet<'a>(mut table: TableReader<'a>, ids: &mut Ids<'a>) -> Option<Subnet> {
    let id = id(&mut table, "subnet-", "\"subnet-0a1b\"", ids);
    let found = cidrs(&mut table);
    for (text, _) in found.iter().filter(|(_, cidr)| cidr.bits() == 0) {
        let remedy = "write the blocks of the networks that are meant; `nat = true` adds the public internet";
        table.report.error(text.span(), "a subnet has no route to everywhere", remedy);
    }
    let cidrs = found.into_iter().map(|(_, cidr)| cidr).collect();
    let nat = table.flag("nat").unwrap_or(false);
    table.finish();
    Some(Subnet { id: id?, cidrs, nat })
}

fn security_group<'a>(mut table: TableReader<'a>, ids: &mut Ids<'a>) -> Option<SecurityGroup> {
    let id = id(&mut table, "sg-", "\"sg-0a1b\"", ids);
    let egress = list(&mut table, "egress", EGRESS_RULES, rule);
    table.finish();
    Some(SecurityGroup { id: id?, egress })
}

fn rule(mut table: TableReader<'_>) -> Option<EgressRule> {
    let protocol = table.required_text("protocol", "\"tcp\"");
    let protocol = protocol.and_then(|text| match *text.get_ref() {
        "all" => Some(RuleProtocol::All),
        "tcp" => Some(RuleProtocol::Tcp),
        "udp" => Some(RuleProtocol::Udp),
        other => {
            let message = format!("unknown protocol `{}`", other.escape_debug());
            table.report.error(text.span(), message, "the protocols are: `tcp`, `udp`, `all`");
            None
        }
    });
    let ports = match table.text("ports") {
        None => Some(0..=u16::MAX),
        Some(text) => ports(&table, &text),
    };
    if !table.has("cidrs") {
        table.missing("cidrs", "[\"10.0.0.0/16\"]");
    }
    let cidrs = cidrs(&mut table).into_iter().map(|(_, cidr)| cidr).collect();
    table.finish();
    Some(EgressRule { protocol: protocol?, ports: ports?, cidrs })
}

/// `443`, or `8000-8100`.
fn ports(table: &TableReader<'_>, text: &Text<'_>) -> Option<RangeInclusive<u16>> {
    let written = *text.get_ref();
    let (first, last) = written.split_once('-').unwrap_or((written, written));
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| port.to_string() == text);
    let range = port(first).zip(port(last)).filter(|(first, last)| first <= last);
    if range.is_none() {
        let message = format!("`{}` is neither a port nor a range of ports", written.escape_debug());
        table.report.error(text.span(), message, "such as \"443\" or \"8000-8100\"; without `ports`, all");
    }
    range.map(|(first, last)| first..=last)
}

/// The blocks, with what is written of each.
fn cidrs<'a>(table: &mut TableReader<'a>) -> Vec<(Text<'a>, Cidr)> {
    let texts = table.texts("cidrs").unwrap_or_default();
    if let Some(beyond) = texts.get(CIDRS) {
        table.report.error(beyond.span(), "too many CIDR blocks", format!("at most {CIDRS}"));
    }
    let read = |text: Text<'a>| {
        let written = text.get_ref().escape_debug();
        let Some(cidr) = Cidr::parse(text.get_ref()) else {
            table.report.error(text.span(), format!("`{written}` is no CIDR block"), "such as \"10.0.0.0/16\" or \"fd12::/16\"");
            return None;
        };
        let normal = cidr.normal();
        if cidr != normal {
            let message = format!("`{written}` is an address within a CIDR block");
            table.report.error(text.span(), message, format!("the block is written \"{normal}\""));
        }
        Some((text, normal))
    };
    texts.into_iter().filter_map(read).collect()
}

fn id<'a>(table: &mut TableReader<'a>, prefix: &str, example: &str, ids: &mut Ids<'a>) -> Option<String> {
    let text = table.required_text("id", example)?;
    let id = *text.get_ref();
    if !is_vpc_id(id, prefix) || id == prefix || id.len() > crate::limits::config::NAME_BYTES {
        let remedy = format!("`{prefix}` and lower-case letters and digits: {example}");
        table.report.error(text.span(), format!("`{}` cannot be an id", id.escape_debug()), remedy);
    } else if !ids.insert(id) {
        table.report.error(text.span(), format!("the id `{id}` is taken"), "each id is of one subnet or security group");
    }
    Some(id.to_owned())
}
