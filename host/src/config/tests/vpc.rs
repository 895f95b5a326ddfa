//! `[vpc.NAME]`: what is read, and what is refused with which words.

use expect_test::expect;

use super::{check, good, with};
use crate::network::RuleProtocol;

#[test]
fn subnets_and_security_groups_are_read() {
    let config = good(
        r#"
[server]
api = "127.0.0.1:9000"
[[vpc.main.subnet]]
id = "subnet-data"
cidrs = ["10.0.1.0/24", "fd12::/16"]
[[vpc.main.subnet]]
id = "subnet-web"
nat = true
[[vpc.main.security_group]]
id = "sg-Out"
egress = [{ protocol = "tcp", ports = "8000-8100", cidrs = ["0.0.0.0/0"] }, { protocol = "all", cidrs = [] }]
"#,
    );
    let vpc = &config.server.vpcs.0["main"];
    let subnets: Vec<_> = vpc.subnets.iter().map(|subnet| (subnet.id.as_str(), subnet.cidrs.len(), subnet.nat)).collect();
    assert_eq!(subnets, [("subnet-data", 2, false), ("subnet-web", 0, true)]);
    let [group] = &vpc.security_groups[..] else { panic!("{vpc:?}") };
    let rules: Vec<_> = group.egress.iter().map(|rule| (rule.protocol, rule.ports.clone(), rule.cidrs.len())).collect();
    assert_eq!(rules, [(RuleProtocol::Tcp, 8000..=8100, 1), (RuleProtocol::All, 0..=65535, 0)]);
}

#[test]
fn what_is_no_subnet_or_rule_is_refused() {
    check(
        &with(
            r#"
[[vpc.main.subnet]]
cidrs = ["10.0.1.1/24", "10.0.0.0/33"]
[[vpc.main.subnet]]
id = "subnet-A"
cidrs = ["0.0.0.0/0"]
[[vpc.main.security_group]]
id = "sg-a"
[[vpc.main.security_group.egress]]
protocol = "icmp"
ports = "90-80"
[[vpc.other.security_group]]
id = "sg-a"
ingress = []
"#,
        ),
        expect![[r#"
            error: [[vpc.main.subnet]] has no `id`
              --> edge.toml:10:1
               |
            10 | [[vpc.main.subnet]]
               | ^^^^^^^^^^^^^^^^^^^ add `id = "subnet-0a1b"`

            error: `10.0.1.1/24` is an address within a CIDR block
              --> edge.toml:11:10
               |
            11 | cidrs = ["10.0.1.1/24", "10.0.0.0/33"]
               |          ^^^^^^^^^^^^^ the block is written "10.0.1.0/24"

            error: `10.0.0.0/33` is no CIDR block
              --> edge.toml:11:25
               |
            11 | cidrs = ["10.0.1.1/24", "10.0.0.0/33"]
               |                         ^^^^^^^^^^^^^ such as "10.0.0.0/16" or "fd12::/16"

            error: `subnet-A` cannot be an id
              --> edge.toml:13:6
               |
            13 | id = "subnet-A"
               |      ^^^^^^^^^^ `subnet-` and lower-case letters and digits: "subnet-0a1b"

            error: a subnet has no route to everywhere
              --> edge.toml:14:10
               |
            14 | cidrs = ["0.0.0.0/0"]
               |          ^^^^^^^^^^^ write the blocks of the networks that are meant; `nat = true` adds the public internet

            error: [[vpc.main.security_group.egress]] has no `cidrs`
              --> edge.toml:17:1
               |
            17 | [[vpc.main.security_group.egress]]
               | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ add `cidrs = ["10.0.0.0/16"]`

            error: unknown protocol `icmp`
              --> edge.toml:18:12
               |
            18 | protocol = "icmp"
               |            ^^^^^^ the protocols are: `tcp`, `udp`, `all`

            error: `90-80` is neither a port nor a range of ports
              --> edge.toml:19:9
               |
            19 | ports = "90-80"
               |         ^^^^^^^ such as "443" or "8000-8100"; without `ports`, all

            error: the id `sg-a` is taken
              --> edge.toml:21:6
               |
            21 | id = "sg-a"
               |      ^^^^^^ each id is of one subnet or security group

            error: unknown key `ingress` in [[vpc.other.security_group]]
              --> edge.toml:22:1
               |
            22 | ingress = []
               | ^^^^^^^ did you mean `egress`? allowed here: `id`, `egress`
        "#]],
    );
}
