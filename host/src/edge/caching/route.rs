//! How one request is keyed and forwarded: who answers it, and what the edge adds to it on the way.

use std::borrow::Cow;
use std::sync::Arc;

use http::header::{self, HeaderName};
use http::{Method, Version};

use crate::cache::key::parts::KeyRequest;
use crate::cache::key::{Base, Key, Selecting};
use crate::edge::caching::forward::ForwardRules;
use crate::edge::origin::backend::{Backend, Origin};
use crate::edge::request::head::RequestHead;
use crate::edge::site::caching::Caching;
use crate::edge::trip::Trip;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// See the module.
pub(crate) struct CacheRoute<'a> {
    pub(super) caching: &'a Caching,
    base: Cow<'a, Base>,
    pub(super) secure: bool,
    /// What is added for the origin. `None`: the request has the fields that would reach the origin.
    added: Option<[(HeaderName, &'a [u8]); 2]>,
}

impl<'a> CacheRoute<'a> {
    /// `first` is the primary as a hook has edited it.
    pub(crate) fn new(caching: &'a Caching, trip: &Trip<'a>, first: Option<&Arc<Origin>>, version: Version) -> CacheRoute<'a> {
        let base = match first {
            None => Cow::Borrowed(&caching.base),
            Some(_) => Cow::Owned(caching.base_for(&trip.backend, first)),
        };
        let (ip, via) = trip.added_for_origin(version);
        let added = [(FORWARDED_FOR, ip.as_bytes()), (header::VIA, via.as_bytes())];
        CacheRoute { caching, base, secure: trip.secure, added: Some(added) }
    }

    /// For a request that is not made. `backend` is the one that a hook would choose.
    pub(crate) fn supposed(caching: &'a Caching, secure: bool, backend: Option<&Backend>) -> CacheRoute<'a> {
        let base = backend.map_or(Cow::Borrowed(&caching.base), |backend| Cow::Owned(caching.base_for(backend, None)));
        CacheRoute { caching, base, secure, added: None }
    }

    /// The fields by which a variant is selected.
    pub(super) fn selecting<'s>(&'s self, head: &'s RequestHead) -> Selecting<'s> {
        Selecting { headers: &head.headers, added: self.added.as_ref().map_or(&[][..], |added| added) }
    }

    pub(super) fn rules(&self) -> ForwardRules<'_> {
        let Caching { policy, forwarding, .. } = self.caching;
        ForwardRules { policy, also: forwarding.as_deref(), sees: self.base.sees(), secure: self.secure }
    }

    /// The only host that an answer is for; empty if it is for all hosts of the site. A port makes another key, but not
    /// another host.
    pub(super) fn keyed_host(&self, head: &RequestHead) -> Box<str> {
        let keyed = self.base.sees().host || self.caching.policy.key.host;
        if keyed { head.host().to_ascii_lowercase().into() } else { Box::default() }
    }

    pub(super) fn key(&self, method: &Method, head: &RequestHead) -> Key {
        let asked =
            KeyRequest { secure: self.secure, method, path: head.path(), query: head.target.query(), headers: &head.headers };
        Key::derive(&self.base, &self.caching.policy.key, &asked)
    }
}
