//! How a behavior caches: its policy, and the part of its cache keys that does not depend on the request.
//!
//! Who answers is in every key: the behavior, whose rules apply and whose signers let the request in, and the origin, as
//! the configuration or a viewer-request hook has chosen it. Both are digests of settings, made when the configuration is
//! loaded; only when a hook chooses an origin is that part made for the request.

use std::sync::Arc;

use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName};

use crate::cache::Cache;
use crate::cache::fields::SetCookie;
use crate::cache::freshness::{Mode, Ttls};
use crate::cache::key::parts::{Forwarded, OriginView};
use crate::cache::key::{Base, Identity};
use crate::config::{self, CachePolicy, ForwardedHeaders, Forwarding};
use crate::edge::origin::backend::{Backend, Origin};

/// See the module.
pub(crate) struct Caching {
    pub(crate) cache: Arc<Cache>,
    pub(crate) site: Arc<str>,
    pub(crate) policy: Arc<CachePolicy>,
    pub(crate) forwarding: Option<Arc<Forwarding>>,
    /// The site's own minimum TTLs for errors, by status.
    error_ttls_ms: Arc<[(u16, u64)]>,
    pub(crate) compress: bool,
    behavior: Identity,
    visibility: OriginVisibility,
    /// Of the keys of requests for the behavior's own origin.
    pub(crate) base: Base,
}

/// What surrounds the behavior that caches.
pub(crate) struct CachingContext<'a> {
    pub(crate) cache: &'a Arc<Cache>,
    pub(crate) site: &'a Arc<str>,
    /// By status.
    pub(crate) error_ttls_ms: &'a Arc<[(u16, u64)]>,
    /// Whether one of the origins is a function.
    pub(crate) any_function: bool,
}

impl Caching {
    pub(crate) fn new(
        behavior: &config::Behavior,
        policy: &Arc<CachePolicy>,
        backend: &Backend,
        context: &CachingContext<'_>,
    ) -> Caching {
        let identity = behavior_identity(context.site, behavior, policy.mode);
        let visibility = OriginVisibility::new(behavior, policy.mode, context.any_function);
        Caching {
            cache: context.cache.clone(),
            site: context.site.clone(),
            policy: policy.clone(),
            forwarding: behavior.forwarding.clone(),
            error_ttls_ms: context.error_ttls_ms.clone(),
            compress: behavior.compress,
            behavior: identity,
            visibility,
            base: Base::new(&identity, &backend.identity(None), visibility.of(backend, None)),
        }
    }

    /// The base of keys of requests for this backend; `first` is its primary as a hook has edited it.
    pub(crate) fn base_for(&self, backend: &Backend, first: Option<&Arc<Origin>>) -> Base {
        Base::new(&self.behavior, &backend.identity(first), self.visibility.of(backend, first))
    }

    pub(crate) fn mode(&self) -> Mode {
        self.policy.mode
    }

    /// As with `CachingDisabled`. Requests then do not wait for each other; errors are stored all the same.
    pub(crate) fn keeps_nothing(&self) -> bool {
        self.mode() == Mode::CloudFront && self.policy.ttls.max_ms == 0
    }

    /// The policy's TTLs, with the site's own for errors of this status.
    pub(crate) fn ttls(&self, status: StatusCode) -> Ttls {
        let own = self.error_ttls_ms.iter().find(|(of, _)| *of == status.as_u16());
        own.map_or(self.policy.ttls, |(_, error_min_ms)| Ttls { error_min_ms: *error_min_ms, ..self.policy.ttls })
    }

    /// Whether the origin will see credentials that are not in the key: its answer may then be for this client alone.
    pub(crate) fn forwards_credentials(&self, headers: &HeaderMap) -> bool {
        let is_authorization = |name: &HeaderName| *name == header::AUTHORIZATION;
        headers.contains_key(header::AUTHORIZATION)
            && !self.policy.key.has_authorization()
            && (self.mode() == Mode::Standards
                || self.forwarding.as_ref().is_some_and(|also| also.headers.takes(is_authorization)))
    }

    /// What happens to the cookies that a response sets: whether they are for everybody with the same key.
    pub(crate) fn cookies(&self) -> SetCookie {
        match self.mode() {
            _ if self.policy.key.has_cookies() => SetCookie::Keep,
            Mode::CloudFront => SetCookie::Drop,
            Mode::Standards if self.policy.store_set_cookie => SetCookie::Keep,
            Mode::Standards => SetCookie::Refuse,
        }
    }
}

/// The part of a behavior that is in its keys. The site's name covers what hooks and a default root object make of paths:
/// two behaviors never share an object.
fn behavior_identity(site: &str, behavior: &config::Behavior, mode: Mode) -> Identity {
    let mode = match mode {
        Mode::CloudFront => "cloudfront",
        Mode::Standards => "standards",
    };
    let hooks = [&behavior.origin_request, &behavior.origin_response];
    let [request, response] = hooks.map(|hook| match hook {
        None => String::new(),
        Some(config::OriginHookName::Declared(name)) => name.clone(),
        Some(config::OriginHookName::Api(name)) => format!("api {name}"),
    });
    let include_body = if behavior.include_body { "body" } else { "" };
    // What is forwarded besides the key affects answers, too: once less is forwarded, the old ones must not be used.
    let forwarding = behavior.forwarding.as_ref().map_or_else(String::new, |forwarding| format!("{forwarding:?}"));
    let parts = [site, behavior.path.as_str(), mode, request.as_str(), response.as_str(), include_body, forwarding.as_str()];
    Identity::of("behavior", parts.map(str::as_bytes))
}

/// What origins see of a request besides its keyed parts.
#[derive(Debug, Clone, Copy)]
struct OriginVisibility {
    /// An origin hook sees the Host, where the origin has none of its own.
    hooked: bool,
    /// In standards mode the scheme is part of the URI.
    scheme: bool,
    /// An origin-request hook may choose a component, which sees the whole URL.
    may_be_function: bool,
    /// Who says how the viewer asked.
    forwarded: Forwarded,
}

impl OriginVisibility {
    fn new(behavior: &config::Behavior, mode: Mode, any_function: bool) -> OriginVisibility {
        OriginVisibility {
            hooked: behavior.origin_request.is_some() || behavior.origin_response.is_some(),
            scheme: mode == Mode::Standards,
            may_be_function: any_function && behavior.origin_request.is_some(),
            forwarded: match (behavior.forwarded_headers, mode) {
                (ForwardedHeaders::Set, _) => Forwarded::Ours,
                (ForwardedHeaders::Pass, Mode::Standards) => Forwarded::Theirs,
                (ForwardedHeaders::Pass | ForwardedHeaders::Remove, _) => Forwarded::AsOthers,
            },
        }
    }

    fn of(self, backend: &Backend, first: Option<&Arc<Origin>>) -> OriginView {
        // A folder and a fixed answer see nothing of the request.
        let sees_headers = |origin: &Origin| origin.is_server() || origin.is_function() || self.hooked;
        let sees_host = |origin: &Origin| origin.host().is_none() && sees_headers(origin);
        OriginView {
            forwarded: if backend.origins(first).any(sees_headers) { self.forwarded } else { Forwarded::AsOthers },
            host: backend.origins(first).any(sees_host),
            scheme: self.scheme || self.may_be_function || backend.origins(first).any(Origin::is_function),
        }
    }
}
