//! Hosts and ports as text, and which of them a configuration grants.
//!
//! One reading decides all: what a guest or a pattern names is read here, what was read is what is granted, resolved,
//! connected to, and named in `NetworkHost` and TLS. I resolve nothing and know no sockets.

mod grants;
mod target;

pub use grants::{Grants, InvalidGrant, is_public};
pub use target::{HostPort, InvalidHostPort, NetworkHost};
