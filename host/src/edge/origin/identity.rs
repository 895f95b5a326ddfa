//! Which settings of an origin its answers depend on, as one digest that is part of every cache key.
//!
//! The digest covers where the origin is, what it is asked for, and the headers of its own that it is sent; it does not
//! cover timeouts. So an origin that a hook edits has other objects, a reload that leaves an origin alone keeps its
//! objects, and one that sends requests elsewhere starts with none. A component counts by its function's name: a new
//! version of it takes over what is stored, as a new version of a server would.

use crate::cache::key::Identity;
use crate::config::{self, OriginKind};
use crate::edge::origin::server::OriginServer;

/// Of an origin that is not a server, as the configuration declares it.
pub(super) fn of_declared(origin: &config::Origin) -> Identity {
    match &origin.kind {
        OriginKind::Folder { root, index } => Identity::of("folder", [root.as_os_str().as_encoded_bytes(), index.as_bytes()]),
        OriginKind::Fixed { status, headers, body } => {
            let status = status.to_le_bytes();
            let headers = headers.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
            Identity::of("fixed", [&status[..], &body[..]].into_iter().chain(headers))
        }
        OriginKind::Component { function } => Identity::of("component", [function.as_bytes()]),
        OriginKind::Api { function } => Identity::of("api", [function.to_string().as_bytes()]),
        OriginKind::Url(_) => Identity::of("origin", [origin.name.as_bytes()]),
    }
}

/// Of a server, also one that a hook has edited.
pub(super) fn of_server(server: &OriginServer) -> Identity {
    let address = server.endpoint.address();
    let port = address.port().to_le_bytes();
    let tls = [u8::from(address.is_tls())];
    // A host is never empty, so that "the viewer's" differs from all of them.
    let host = server.host.as_ref().map_or(&b""[..], |host| host.as_bytes());
    let place = [address.host().as_bytes(), &port[..], &tls[..], server.path.as_bytes(), host];
    let headers = server.headers.iter().flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()]);
    Identity::of("url", place.into_iter().chain(headers))
}
