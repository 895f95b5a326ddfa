//! I say by which way a request goes: who answers it, and what the edge adds to it before it gets there.
//!
//! Who answers is in every key: the behavior, whose rules hold and whose signers let the request in, and the origin, as
//! the configuration or a viewer-request hook has chosen it. Both are digests of settings, made when the
//! configuration is loaded; only where a hook chose is the origin's part made for the request.

use std::borrow::Cow;
use std::sync::Arc;

use http::header::{self, HeaderName};
use http::{Method, Version};

use super::Caching;
use super::forward::Rules;
use crate::cache::freshness::Mode;
use crate::cache::key::parts::{Forwarded, KeyRequest, OriginView};
use crate::cache::key::{Base, Identity, Key, Selecting};
use crate::config::{self, ForwardedHeaders};
use crate::edge::exchange::Trip;
use crate::edge::head::Head;
use crate::edge::origin::{Backend, Kind, Origin};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What of a behavior is in its keys. That it is a part of this site is enough to tell what hooks and a default root
/// object make of paths: two behaviors never have an object in common.
pub(super) fn behavior(site: &str, behavior: &config::Behavior, mode: Mode) -> Identity {
    let mode = match mode {
        Mode::CloudFront => "cloudfront",
        Mode::Standards => "standards",
    };
    let hooks = [&behavior.origin_request, &behavior.origin_response];
    let [request, response] = hooks.map(|hook| hook.as_deref().unwrap_or_default());
    let shown = if behavior.include_body { "body" } else { "" };
    // What is forwarded beside the key colours answers too: who forwards less from now on does not want them.
    let forwarding = behavior.forwarding.as_ref().map_or_else(String::new, |forwarding| format!("{forwarding:?}"));
    let parts = [site, behavior.path.as_str(), mode, request, response, shown, forwarding.as_str()];
    Identity::of("behavior", parts.map(str::as_bytes))
}

/// What origins get to see of a request beside its keyed parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    /// An origin hook is told the Host, where the origin has none of its own.
    hooked: bool,
    /// In standards mode the scheme is part of the URI.
    scheme: bool,
    /// An origin-request hook may choose a component, which is asked by the whole URL.
    may_be_component: bool,
    /// How the viewer asked, by whose word.
    forwarded: Forwarded,
}

impl Shown {
    pub(super) fn new(behavior: &config::Behavior, mode: Mode, any_component: bool) -> Shown {
        Shown {
            hooked: behavior.origin_request.is_some() || behavior.origin_response.is_some(),
            scheme: mode == Mode::Standards,
            may_be_component: any_component && behavior.origin_request.is_some(),
            forwarded: match (behavior.forwarded_headers, mode) {
                (ForwardedHeaders::Set, _) => Forwarded::Ours,
                (ForwardedHeaders::Pass, Mode::Standards) => Forwarded::Theirs,
                (ForwardedHeaders::Pass | ForwardedHeaders::Remove, _) => Forwarded::AsOthers,
            },
        }
    }

    pub(super) fn to(self, backend: &Backend, first: Option<&Arc<Origin>>) -> OriginView {
        let is_component = |origin: &Origin| matches!(origin.kind, Kind::Component(_));
        let sees_host = |origin: &Origin| origin.host().is_none() && (origin.is_url() || is_component(origin) || self.hooked);
        // A folder and a fixed answer hear of nothing.
        let sees_headers = |origin: &Origin| origin.is_url() || is_component(origin) || self.hooked;
        let is_told = backend.origins(first).any(sees_headers);
        OriginView {
            forwarded: if is_told { self.forwarded } else { Forwarded::AsOthers },
            host: backend.origins(first).any(sees_host),
            scheme: self.scheme || self.may_be_component || backend.origins(first).any(is_component),
        }
    }
}

/// How a request goes.
pub(crate) struct Way<'a> {
    pub(super) caching: &'a Caching,
    pub(super) base: Cow<'a, Base>,
    pub(super) secure: bool,
    /// None: the fields of the request are those that would reach the origin.
    added: Option<[(HeaderName, &'a [u8]); 2]>,
}

impl<'a> Way<'a> {
    /// `first` is the primary as a hook has changed it.
    pub(crate) fn of(caching: &'a Caching, trip: &Trip<'a>, first: Option<&Arc<Origin>>, version: Version) -> Way<'a> {
        let base = match first {
            None => Cow::Borrowed(&caching.base),
            Some(_) => Cow::Owned(caching.base_to(trip.backend(), first)),
        };
        let (ip, via) = trip.added(version);
        let added = [(FORWARDED_FOR, ip.as_bytes()), (header::VIA, via.as_bytes())];
        Way { caching, base, secure: trip.secure, added: Some(added) }
    }

    /// Of a request that is not made. With `backend`, a hook chooses it.
    pub(crate) fn supposed(caching: &'a Caching, secure: bool, backend: Option<&Backend>) -> Way<'a> {
        let base = backend.map_or(Cow::Borrowed(&caching.base), |backend| Cow::Owned(caching.base_to(backend, None)));
        Way { caching, base, secure, added: None }
    }

    pub(super) fn selecting<'s>(&'s self, head: &'s Head) -> Selecting<'s> {
        Selecting { headers: &head.headers, added: self.added.as_ref().map_or(&[][..], |added| added) }
    }

    pub(super) fn rules(&self) -> Rules<'_> {
        let Caching { policy, forwarding, .. } = self.caching;
        Rules { policy, also: forwarding.as_deref(), sees: self.base.sees(), secure: self.secure }
    }

    /// The host whose alone an answer is; empty if it is for all hosts of the site. A port makes another key and not another
    /// host.
    pub(super) fn keyed_host(&self, head: &Head) -> Box<str> {
        let keyed = self.base.sees().host || self.caching.policy.key.host;
        if keyed { head.host().to_ascii_lowercase().into() } else { Box::default() }
    }

    pub(super) fn key(&self, method: &Method, head: &Head) -> Key {
        let asked =
            KeyRequest { secure: self.secure, method, path: head.path(), query: head.target.query(), headers: &head.headers };
        Key::derive(&self.base, &self.caching.policy.key, &asked)
    }
}
