//! Which site serves a host, and which of its behaviors serves a path.
//!
//! Names are resolved when the configuration is loaded: a request looks up its host, and nothing else. Paths are read as
//! `path` reads them; how other servers may read them is compared with that. Nothing here is async.

pub(crate) mod behavior;
pub(crate) mod caching;
pub(crate) mod error_pages;
pub(crate) mod response_headers;
pub(crate) mod signed;
pub(crate) mod viewer_headers;

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context as _;

use crate::config;
use crate::edge::site::behavior::{Behavior, SiteParts};
use crate::edge::site::error_pages::ErrorPages;
use crate::edge::site::signed::Signers;
use crate::path::NormalPath;
use crate::telemetry::SiteMetrics;

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
    /// The ids of all keys that its behaviors trust, sorted; empty if everything is public.
    signers: Vec<String>,
    /// `None`: errors are served as they come.
    pub(crate) error_pages: Option<ErrorPages>,
}

/// What servers that read a path differently take it for.
pub(crate) enum OtherReading<'a> {
    /// A path of the same behavior, as nearly always.
    Same,
    Behavior(&'a Arc<Behavior>),
    /// There are too many ways to read it.
    Unknown,
}

impl Sites {
    pub(crate) fn new(sites: &[Arc<config::Site>], parts: &SiteParts<'_>) -> anyhow::Result<Sites> {
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
    fn new(site: &config::Site, parts: &SiteParts<'_>) -> anyhow::Result<Site> {
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

    /// Whether both trust the same keys. Then it does not matter which of them a connection was made for.
    pub(crate) fn trusts_as(&self, other: &Site) -> bool {
        std::ptr::eq(self, other) || self.signers == other.signers
    }

    /// The first behavior whose pattern matches; the default one is last and matches everything.
    pub(crate) fn behavior(&self, path: &NormalPath<'_>) -> Option<&Arc<Behavior>> {
        self.behavior_of_text(path.text())
    }

    /// Which behavior the path belongs to for servers that read it differently.
    pub(crate) fn other_reading(&self, path: &NormalPath<'_>, own: &Arc<Behavior>) -> OtherReading<'_> {
        if self.behaviors.len() == 1 {
            return OtherReading::Same;
        }
        if path.is_too_doubtful() {
            return OtherReading::Unknown;
        }
        let mut others = path.others().filter_map(|text| self.behavior_of_text(&text));
        others.find(|other| !Arc::ptr_eq(other, own)).map_or(OtherReading::Same, OtherReading::Behavior)
    }

    /// The signers of what the edge itself serves for a path: the default root object, or a folder's index. That may belong
    /// to another behavior than the path that was asked for, whose signatures it then needs as well.
    pub(crate) fn implied_signers(&self, path: &NormalPath<'_>, own: &Arc<Behavior>) -> Option<&Signers> {
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
