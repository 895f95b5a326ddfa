//! Host to site, path to behavior.
//!
//! Names were resolved when the configuration was loaded: a request looks up its host, nothing else. Paths are read as
//! `path` reads them, and what other servers may read is compared with that.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context as _;
use http::Method;
use http::header;

use crate::cache::Cache;
use crate::cache::key::parts::{FORWARDED_FIELDS, ForwardedFields};
use crate::config::{self, ForwardedHeaders, Geo, ResponseHeaders, ViewerProtocol, WebSocket};
use crate::edge::caching::{Around, Caching};
use crate::edge::error_page::ErrorPages;
use crate::edge::head::Head;
use crate::edge::origin::{Backend, Backends};
use crate::edge::response_headers::Dress;
use crate::edge::signed::Signers;
use crate::edge::viewer::ViewerHeaders;
use crate::function::catalog::Revisions;
use crate::function::revision::Revision;
use crate::path::NormalPath;
use crate::path::pattern::Pattern;
use crate::telemetry::{SiteMetrics, Telemetry};
use crate::wasm::abi::Moment;

/// What sites are built of.
pub(crate) struct Parts<'a> {
    pub(crate) backends: &'a Backends,
    pub(crate) revisions: &'a Revisions,
    pub(crate) cache: &'a Arc<Cache>,
    pub(crate) geo: &'a Geo,
    pub(crate) telemetry: &'a Telemetry,
}

/// All sites, by host.
pub(crate) struct Sites {
    exact: HashMap<String, Arc<Site>>,
    /// By what follows `*.`; the longest suffix wins.
    wildcard: HashMap<String, Arc<Site>>,
    any: Option<Arc<Site>>,
}

pub(crate) struct Site {
    pub(crate) name: Arc<str>,
    pub(crate) default_root_object: Option<String>,
    pub(crate) metrics: SiteMetrics,
    behaviors: Vec<Arc<Behavior>>,
    /// The ids of the keys that its behaviors trust, in order; empty if everybody has access to everything.
    signers: Vec<String>,
    /// None: errors are served as they come.
    pub(crate) error_pages: Option<ErrorPages>,
}

/// What other servers than those that read as we do take a path for.
pub(crate) enum Elsewhere<'a> {
    /// For the same behavior's, as nearly always.
    Nowhere,
    Behavior(&'a Arc<Behavior>),
    /// There are too many ways to read it.
    Unknown,
}

pub(crate) struct Behavior {
    pattern: Pattern,
    pub(crate) backend: Backend,
    pub(crate) viewer_protocol: ViewerProtocol,
    /// None: all.
    allowed_methods: Option<Vec<Method>>,
    hooks: [Option<Arc<Revision>>; 4],
    pub(crate) include_body: bool,
    pub(crate) response_headers: Option<Arc<ResponseHeaders>>,
    pub(crate) forwarded_headers: ForwardedHeaders,
    /// None: nothing is told of the viewer.
    pub(crate) viewer_headers: Option<ViewerHeaders>,
    /// None: nobody is let through to another protocol.
    pub(crate) websocket: Option<WebSocket>,
    /// None: every request goes to the origin as it came.
    pub(crate) caching: Option<Caching>,
    /// None: everybody has access.
    pub(crate) signers: Option<Signers>,
}

impl Sites {
    pub(crate) fn new(sites: &[Arc<config::Site>], parts: &Parts<'_>) -> anyhow::Result<Sites> {
        let mut all = Sites { exact: HashMap::new(), wildcard: HashMap::new(), any: None };
        for site in sites {
            let built = Site::new(site, parts);
            let built = built.with_context(|| format!("site `{}`", site.name))?;
            let built = Arc::new(built);
            for host in &site.hosts {
                let host = host.to_ascii_lowercase();
                if host == "*" {
                    all.any = Some(built.clone());
                } else if let Some(suffix) = host.strip_prefix("*.") {
                    all.wildcard.insert(suffix.to_owned(), built.clone());
                } else {
                    all.exact.insert(host, built.clone());
                }
            }
        }
        Ok(all)
    }

    /// The site of a host, which has no port and may have any case.
    pub(crate) fn find(&self, host: &str) -> Option<&Arc<Site>> {
        if self.exact.is_empty() && self.wildcard.is_empty() {
            return self.any.as_ref();
        }
        if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return self.find_lower(&host.to_ascii_lowercase());
        }
        self.find_lower(host)
    }

    pub(crate) fn is_named(&self, name: &str) -> bool {
        let mut all = self.exact.values().chain(self.wildcard.values()).chain(&self.any);
        all.any(|site| *site.name == *name)
    }

    fn find_lower(&self, host: &str) -> Option<&Arc<Site>> {
        if let Some(site) = self.exact.get(host) {
            return Some(site);
        }
        let mut rest = host;
        while !self.wildcard.is_empty() {
            let Some((_, suffix)) = rest.split_once('.') else { break };
            if let Some(site) = self.wildcard.get(suffix) {
                return Some(site);
            }
            rest = suffix;
        }
        self.any.as_ref()
    }
}

impl Site {
    fn new(site: &config::Site, parts: &Parts<'_>) -> anyhow::Result<Site> {
        let name: Arc<str> = site.name.as_str().into();
        let error_ttls_ms = site.error_pages.iter().filter_map(|page| Some((page.status, page.min_ttl_ms?)));
        let error_ttls_ms: Arc<[(u16, u64)]> = error_ttls_ms.collect();
        let behaviors = site.behaviors.iter().map(|behavior| {
            let built = Behavior::new(behavior, parts, &name, &error_ttls_ms);
            built.map(Arc::new).with_context(|| format!("behavior `{}`", behavior.path))
        });
        let root = site.default_root_object.trim_start_matches('/');
        Ok(Site {
            name: name.clone(),
            default_root_object: (!root.is_empty()).then(|| format!("/{root}")),
            metrics: parts.telemetry.site(&site.name),
            behaviors: behaviors.collect::<anyhow::Result<_>>()?,
            signers: {
                let keys = site.behaviors.iter().flat_map(|behavior| &behavior.trusted_keys);
                let mut ids: Vec<String> = keys.map(|key| key.id.clone()).collect();
                ids.sort_unstable();
                ids.dedup();
                ids
            },
            error_pages: ErrorPages::new(&site.error_pages)?,
        })
    }

    /// Whether both believe the same signers: then it is one which of them a connection was made for.
    pub(crate) fn trusts_as(&self, other: &Site) -> bool {
        std::ptr::eq(self, other) || self.signers == other.signers
    }

    /// The first behavior whose pattern matches; the default one is last and matches everything.
    pub(crate) fn behavior(&self, path: &NormalPath<'_>) -> Option<&Arc<Behavior>> {
        self.behavior_of_text(path.text())
    }

    /// Where the path leads for servers that read it differently.
    pub(crate) fn elsewhere(&self, path: &NormalPath<'_>, own: &Arc<Behavior>) -> Elsewhere<'_> {
        if self.behaviors.len() == 1 {
            return Elsewhere::Nowhere;
        }
        if path.is_too_doubtful() {
            return Elsewhere::Unknown;
        }
        let mut others = path.others().filter_map(|text| self.behavior_of_text(&text));
        others.find(|other| !Arc::ptr_eq(other, own)).map_or(Elsewhere::Nowhere, Elsewhere::Behavior)
    }

    /// Who guards what the edge itself gives for a path: the default root object, or a folder's index. It may have another
    /// behavior than the path that was asked for, and what it has signers for is not to be had without them.
    pub(crate) fn behind(&self, path: &NormalPath<'_>, own: &Arc<Behavior>) -> Option<&Signers> {
        if self.signers.is_empty() {
            return None;
        }
        let root = self.default_root_object.as_deref().filter(|_| path.text() == "/");
        let text = root.unwrap_or(path.text());
        if root.is_none() && !text.ends_with('/') {
            return None;
        }
        let root = root.map(NormalPath::of);
        let text = root.as_ref().map_or(text, NormalPath::text);
        let signers = |text: &str| {
            let other = self.behavior_of_text(text).filter(|other| !Arc::ptr_eq(other, own))?;
            other.signers.as_ref()
        };
        let index = |name: &str| text.ends_with('/').then(|| signers(NormalPath::of(&format!("{text}{name}")).text())).flatten();
        root.as_ref().and_then(|root| signers(root.text())).or_else(|| own.backend.indexes().find_map(index))
    }

    fn behavior_of_text(&self, text: &str) -> Option<&Arc<Behavior>> {
        self.behaviors.iter().find(|behavior| behavior.pattern.matches_path_text(text))
    }
}

impl Behavior {
    fn new(
        behavior: &config::Behavior,
        parts: &Parts<'_>,
        site: &Arc<str>,
        error_ttls_ms: &Arc<[(u16, u64)]>,
    ) -> anyhow::Result<Behavior> {
        let hook = |name: &Option<String>| {
            name.as_ref()
                .map(|name| parts.revisions.get(name).cloned().with_context(|| format!("function `{name}` is not deployed")))
                .transpose()
        };
        let method = |name: &String| Method::from_bytes(name.as_bytes()).with_context(|| format!("method `{name}`"));
        let methods = behavior.allowed_methods.as_ref();
        let methods = methods.map(|methods| methods.iter().map(method).collect::<anyhow::Result<Vec<_>>>());
        let backend = parts.backends.get(&behavior.origin).cloned();
        let backend = backend.with_context(|| format!("no origin `{}`", behavior.origin))?;
        let around = Around { cache: parts.cache, site, error_ttls_ms, any_component: parts.backends.has_component() };
        let caching = behavior.cache.as_ref().map(|policy| Caching::new(behavior, policy, &backend, &around));
        Ok(Behavior {
            pattern: Pattern::path(&behavior.path),
            backend,
            viewer_protocol: behavior.viewer_protocol,
            allowed_methods: methods.transpose()?,
            hooks: [
                hook(&behavior.viewer_request)?,
                hook(&behavior.origin_request)?,
                hook(&behavior.origin_response)?,
                hook(&behavior.viewer_response)?,
            ],
            include_body: behavior.include_body,
            response_headers: behavior.response_headers.clone(),
            forwarded_headers: behavior.forwarded_headers,
            viewer_headers: ViewerHeaders::new(behavior, parts.geo),
            websocket: behavior.websocket,
            caching,
            signers: Signers::new(&behavior.trusted_keys),
        })
    }

    /// Removes what a client says of how it asked, unless the operator has said that clients are proxies: hooks would
    /// believe it.
    pub(crate) fn forget_forwarded(&self, head: &mut Head) {
        if head.forwarded && self.forwarded_headers != ForwardedHeaders::Pass {
            remove_forwarded(head);
        }
    }

    /// Says how the viewer asked, for the key and the origin, in the place of what a client or a hook has said.
    pub(crate) fn tell_forwarded(&self, head: &mut Head, secure: bool) {
        match self.forwarded_headers {
            ForwardedHeaders::Pass => {}
            ForwardedHeaders::Remove => remove_forwarded(head),
            ForwardedHeaders::Set => {
                let host = head.headers.get(header::HOST).cloned();
                ForwardedFields { secure, host: host.as_ref() }.write(&mut head.headers);
            }
        }
    }

    /// None: responses are as they come.
    pub(crate) fn dress(&self, head: &Head) -> Option<Dress<'_>> {
        self.response_headers.as_ref().map(|policy| Dress::new(policy, head))
    }

    pub(crate) fn allows(&self, method: &Method) -> bool {
        // Neither asks for anything that could be had here: TRACE would show what hooks and origins are told.
        !matches!(*method, Method::CONNECT | Method::TRACE)
            && self.allowed_methods.as_ref().is_none_or(|allowed| allowed.contains(method))
    }

    /// As `Allow` tells them.
    pub(crate) fn methods(&self) -> String {
        // All that are registered for more than a few servers; others go on to the origin as well.
        const COMMON: [Method; 7] =
            [Method::GET, Method::HEAD, Method::OPTIONS, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        let methods = self.allowed_methods.as_deref().unwrap_or(&COMMON);
        methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn hook(&self, moment: Moment) -> Option<&Arc<Revision>> {
        self.hooks[moment as usize].as_ref()
    }
}

fn remove_forwarded(head: &mut Head) {
    for name in &FORWARDED_FIELDS {
        head.headers.remove(name);
    }
}
