//! Hosts and ports as text, and which of them a configuration grants.
//!
//! Each host is parsed once, here: what was parsed is what is granted, resolved, connected to, and named in `Host` and
//! TLS. Nothing is resolved or connected here.

mod grants;
mod target;

pub use grants::{Grants, InvalidGrant, is_public};
pub use target::{HostPort, InvalidHostPort, NetworkHost};
