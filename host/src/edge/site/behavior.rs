//! What one behavior of a site does with a request: one field for each setting, resolved.

use std::sync::Arc;

use anyhow::Context as _;
use http::Method;
use http::header;

use crate::cache::Cache;
use crate::cache::key::parts::{FORWARDED_FIELDS, ForwardedFields};
use crate::config::{self, ForwardedHeaders, Geo, ResponseHeaders, ViewerProtocol, WebSocket};
use crate::edge::hook::origin_hook::OriginHook;
use crate::edge::origin::announce::announce_for;
use crate::edge::origin::backend::Backend;
use crate::edge::origin::backends::Backends;
use crate::edge::request::head::RequestHead;
use crate::edge::site::caching::{Caching, CachingContext};
use crate::edge::site::response_headers::ResponseHeaderPolicy;
use crate::edge::site::signed::Signers;
use crate::edge::site::viewer_headers::ViewerHeaders;
use crate::function::catalog::{Alias, Aliases};
use crate::function::named::FunctionsByName;
use crate::path::pattern::Pattern;
use crate::telemetry::Telemetry;
use crate::wasm::abi::Moment;

/// What sites are built of.
pub(crate) struct SiteParts<'a> {
    pub(crate) backends: &'a Backends,
    pub(crate) aliases: &'a Aliases,
    pub(crate) named: &'a Arc<FunctionsByName>,
    pub(crate) cache: &'a Arc<Cache>,
    pub(crate) geo: &'a Geo,
    pub(crate) telemetry: &'a Telemetry,
}

/// See the module.
pub(crate) struct Behavior {
    pub(super) pattern: Pattern,
    pub(crate) backend: Backend,
    pub(crate) viewer_protocol: ViewerProtocol,
    /// `None` allows all.
    allowed_methods: Option<Vec<Method>>,
    viewer_hooks: [Option<Arc<Alias>>; 2],
    origin_hooks: [Option<OriginHook>; 2],
    pub(crate) include_body: bool,
    response_headers: Option<Arc<ResponseHeaders>>,
    pub(crate) forwarded_headers: ForwardedHeaders,
    /// `None` adds nothing.
    pub(crate) viewer_headers: Option<ViewerHeaders>,
    /// `None` disables WebSocket.
    pub(crate) websocket: Option<WebSocket>,
    /// `None` sends every request to the origin.
    pub(crate) caching: Option<Caching>,
    /// `None`: everybody has access.
    pub(crate) signers: Option<Signers>,
}

impl Behavior {
    pub(super) fn new(
        behavior: &config::Behavior,
        parts: &SiteParts<'_>,
        site: &Arc<str>,
        error_ttls_ms: &Arc<[(u16, u64)]>,
    ) -> anyhow::Result<Behavior> {
        let hook = |name: &Option<String>| {
            name.as_ref()
                .map(|name| parts.aliases.get(name).cloned().with_context(|| format!("function `{name}` is not deployed")))
                .transpose()
        };
        let origin_hook = |hook: &Option<config::OriginHookName>| {
            hook.as_ref().map(|hook| OriginHook::new(hook, parts.aliases, parts.named, parts.telemetry)).transpose()
        };
        let method = |name: &String| Method::from_bytes(name.as_bytes()).with_context(|| format!("method `{name}`"));
        let methods = behavior.allowed_methods.as_ref();
        let methods = methods.map(|methods| methods.iter().map(method).collect::<anyhow::Result<Vec<_>>>());
        let backend = parts.backends.get(&behavior.origin).cloned();
        let backend = backend.with_context(|| format!("no origin `{}`", behavior.origin))?;
        let around = CachingContext { cache: parts.cache, site, error_ttls_ms, any_function: parts.backends.has_function() };
        let caching = behavior.cache.as_ref().map(|policy| Caching::new(behavior, policy, &backend, &around));
        Ok(Behavior {
            pattern: Pattern::path(&behavior.path),
            backend,
            viewer_protocol: behavior.viewer_protocol,
            allowed_methods: methods.transpose()?,
            viewer_hooks: [hook(&behavior.viewer_request)?, hook(&behavior.viewer_response)?],
            origin_hooks: [origin_hook(&behavior.origin_request)?, origin_hook(&behavior.origin_response)?],
            include_body: behavior.include_body,
            response_headers: behavior.response_headers.clone(),
            forwarded_headers: behavior.forwarded_headers,
            viewer_headers: ViewerHeaders::new(behavior, parts.geo),
            websocket: behavior.websocket,
            caching,
            signers: Signers::new(&behavior.trusted_keys),
        })
    }

    /// Removes what a client says in `Forwarded` and `X-Forwarded-*`, unless the operator has said that clients are
    /// proxies: hooks would believe it.
    pub(crate) fn forget_forwarded_fields(&self, head: &mut RequestHead) {
        if head.forwarded && self.forwarded_headers != ForwardedHeaders::Pass {
            remove_forwarded_fields(head);
        }
    }

    /// Sets, passes or removes `Forwarded` and `X-Forwarded-*` for the key and the origin, whatever a client or a hook has
    /// said there. Where there is no key, `set_forwarded_fields_of` does it.
    pub(crate) fn set_forwarded_fields(&self, head: &mut RequestHead, secure: bool) {
        match self.forwarded_headers {
            ForwardedHeaders::Pass => {}
            ForwardedHeaders::Remove => remove_forwarded_fields(head),
            ForwardedHeaders::Set if self.caching.is_none() => {}
            ForwardedHeaders::Set => write_forwarded_fields(head, secure, None),
        }
    }

    /// Completes what the origin is told of the viewer's request: by the viewer's address, which is in no key.
    pub(crate) fn set_forwarded_fields_of(&self, client_ip: &str, head: &mut RequestHead, secure: bool) {
        match self.forwarded_headers {
            ForwardedHeaders::Pass | ForwardedHeaders::Remove => {}
            ForwardedHeaders::Set if self.caching.is_none() => write_forwarded_fields(head, secure, Some(client_ip)),
            ForwardedHeaders::Set => announce_for(&mut head.headers, client_ip),
        }
    }

    /// `None` leaves responses as they are.
    pub(crate) fn response_header_policy(&self, head: &RequestHead) -> Option<ResponseHeaderPolicy<'_>> {
        self.response_headers.as_ref().map(|policy| ResponseHeaderPolicy::new(policy, head))
    }

    pub(crate) fn allows(&self, method: &Method) -> bool {
        // The edge serves neither: TRACE would show what hooks and origins are told.
        !matches!(*method, Method::CONNECT | Method::TRACE)
            && self.allowed_methods.as_ref().is_none_or(|allowed| allowed.contains(method))
    }

    /// The value of `Allow`.
    pub(crate) fn methods(&self) -> String {
        // The common ones; others go on to the origin as well.
        const COMMON: [Method; 7] =
            [Method::GET, Method::HEAD, Method::OPTIONS, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        let methods = self.allowed_methods.as_deref().unwrap_or(&COMMON);
        methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ")
    }

    /// At the viewer.
    pub(crate) fn hook(&self, moment: Moment) -> Option<&Alias> {
        self.viewer_hooks[usize::from(moment == Moment::ViewerResponse)].as_deref()
    }

    pub(crate) fn origin_hook(&self, moment: Moment) -> Option<&OriginHook> {
        self.origin_hooks[usize::from(moment == Moment::OriginResponse)].as_ref()
    }
}

fn write_forwarded_fields(head: &mut RequestHead, secure: bool, client_ip: Option<&str>) {
    let host = head.headers.get(header::HOST).cloned();
    ForwardedFields { secure, host: host.as_ref() }.write(client_ip, &mut head.headers);
}

fn remove_forwarded_fields(head: &mut RequestHead) {
    for name in &FORWARDED_FIELDS {
        head.headers.remove(name);
    }
}
