//! Hosts and ports as text, and which of them a configuration grants, or a VPC's routes and rules permit.
//!
//! Each host is parsed once, here: what was parsed is what is granted, resolved, connected to, and named in `Host` and
//! TLS. Nothing is resolved or connected here.

mod cidr;
mod grants;
mod target;
mod vpc;

pub use cidr::Cidr;
pub use grants::{Grants, InvalidGrant, is_metadata, is_public};
pub use target::{HostPort, InvalidHostPort, NetworkHost};
pub use vpc::{AttachError, Attachment, EgressRule, RuleProtocol, SecurityGroup, Subnet, Vpc, VpcDenial, Vpcs, is_vpc_id};
