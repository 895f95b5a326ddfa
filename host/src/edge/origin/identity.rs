//! I say of what an origin's answers depend among its settings, as one digest that is part of every key.
//!
//! Where it is, what it is asked for, and what is told it in headers of its own are in it; how patiently it is asked is
//! not. So what a hook changes about an origin leads to other objects, a reload that leaves an origin as it is keeps
//! them, and one that sends requests elsewhere begins with none. A component is its function's name: a new version of
//! it takes over what is stored, as a new version of a server would.

use std::sync::Arc;

use super::{Backend, Kind, Origin, Target};
use crate::cache::key::Identity;
use crate::config::{self, OriginKind};

/// Of an origin as the configuration has it.
pub(super) fn of_declared(origin: &config::Origin, kind: &Kind) -> Identity {
    match (&origin.kind, kind) {
        (_, Kind::Url(target)) => of_target(target),
        (OriginKind::Folder { root, index }, _) => {
            Identity::of("folder", [root.as_os_str().as_encoded_bytes(), index.as_bytes()])
        }
        (OriginKind::Fixed { status, headers, body }, _) => {
            let status = status.to_le_bytes();
            let headers = headers.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
            Identity::of("fixed", [&status[..], &body[..]].into_iter().chain(headers))
        }
        (OriginKind::Component { function }, _) => Identity::of("component", [function.as_bytes()]),
        (OriginKind::Url(_), _) => Identity::of("origin", [origin.name.as_bytes()]),
    }
}

/// Of a server, also as a hook has changed it.
pub(super) fn of_target(target: &Target) -> Identity {
    let port = target.endpoint.port.to_le_bytes();
    let tls = [u8::from(target.endpoint.is_tls())];
    // No host may be empty, so that "the viewer's" is none of them.
    let host = target.host.as_ref().map_or(&b""[..], |host| host.as_bytes());
    let place = [target.endpoint.host.as_bytes(), &port[..], &tls[..], target.path.as_bytes(), host];
    let headers = target.headers.iter().flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()]);
    Identity::of("url", place.into_iter().chain(headers))
}

impl Backend {
    /// `first` is the primary as a hook has changed it.
    pub(crate) fn identity(&self, first: Option<&Arc<Origin>>) -> Identity {
        match self {
            Backend::One(origin) => first.unwrap_or(origin).identity,
            Backend::Group(group) => {
                let statuses: Vec<u8> = group.statuses.iter().flat_map(|status| status.to_le_bytes()).collect();
                let primary = first.unwrap_or(&group.primary).identity;
                Identity::of("group", [primary.bytes(), group.secondary.identity.bytes(), &statuses[..]])
            }
        }
    }

    /// Whom a request may reach; `first` is the primary as a hook has changed it.
    pub(crate) fn origins<'a>(&'a self, first: Option<&'a Arc<Origin>>) -> impl Iterator<Item = &'a Origin> {
        let (primary, secondary) = match self {
            Backend::One(origin) => (origin, None),
            Backend::Group(group) => (&group.primary, Some(&group.secondary)),
        };
        [Some(first.unwrap_or(primary)), secondary].into_iter().flatten().map(|origin| &**origin)
    }
}
