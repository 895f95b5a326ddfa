//! Sites and behaviors with every name resolved: the snapshot that requests are served from.

use std::collections::HashMap;
use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};
use http::{Method, StatusCode};

use super::origin::{Fixed, HostHeader, Target, TargetKind, TlsClients, Url, authority};
use super::pattern::Pattern;
use crate::config::{self, Config, OriginKind, ViewerProtocol};
use crate::function::catalog::Revisions;
use crate::function::revision::Revision;
use crate::telemetry::{SiteMetrics, Telemetry};

/// See the module. Immutable: a new configuration is a new `Edge`.
pub struct Edge {
    pub(super) location: Arc<str>,
    pub(super) location_header: HeaderValue,
    pub(super) via: HeaderValue,
    pub(super) access_log: bool,
    pub(super) tls: TlsClients,
    targets: HashMap<String, Target>,
    groups: HashMap<String, Group>,
    exact: HashMap<String, Arc<Site>>,
    /// By the part after `*`, which begins with a dot.
    wildcard: HashMap<String, Arc<Site>>,
    any: Option<Arc<Site>>,
    /// Requests for hosts of no site.
    pub(super) unknown: SiteMetrics,
}

pub(super) struct Site {
    pub name: Arc<str>,
    pub default_root_object: String,
    pub metrics: SiteMetrics,
    behaviors: Vec<Behavior>,
}

pub(super) struct Behavior {
    path: Pattern,
    pub origin: Upstream,
    pub viewer_protocol: ViewerProtocol,
    pub methods: Vec<Method>,
    pub viewer_request: Option<Arc<Revision>>,
    pub origin_request: Option<Arc<Revision>>,
    pub origin_response: Option<Arc<Revision>>,
    pub viewer_response: Option<Arc<Revision>>,
    pub include_body: bool,
}

/// What a behavior, or a hook, sends requests to.
#[derive(Clone)]
pub(super) enum Upstream {
    One(Target),
    Group(Group),
}

#[derive(Clone)]
pub(super) struct Group {
    pub primary: Target,
    pub secondary: Target,
    pub statuses: Vec<StatusCode>,
}

impl Edge {
    /// Fails on files that cannot be used (a CA, a folder): names were checked with the configuration.
    pub fn new(config: &Config, revisions: &Revisions, telemetry: &Telemetry) -> anyhow::Result<Edge> {
        let location: Arc<str> = config.server.edge_location.as_str().into();
        let mut edge = Edge {
            location_header: HeaderValue::from_str(&location)?,
            via: HeaderValue::from_str(&format!("1.1 {location}.edgeward (CloudFront)"))?,
            location,
            access_log: config.server.access_log,
            tls: TlsClients::default(),
            targets: HashMap::new(),
            groups: HashMap::new(),
            exact: HashMap::new(),
            wildcard: HashMap::new(),
            any: None,
            unknown: telemetry.site("-"),
        };
        for (name, origin) in &config.origins {
            let target = target(origin, revisions, &mut edge.tls)?;
            edge.targets.insert(name.clone(), target);
        }
        for (name, group) in &config.origin_groups {
            let member = |name: &str| edge.targets.get(name).cloned().ok_or_else(|| anyhow::anyhow!("no origin `{name}`"));
            let (primary, secondary) = (member(&group.primary)?, member(&group.secondary)?);
            let statuses = group.status.iter().filter_map(|&status| StatusCode::from_u16(status).ok()).collect();
            edge.groups.insert(name.clone(), Group { primary, secondary, statuses });
        }
        for site in &config.sites {
            let resolved = Arc::new(edge.site(site, revisions, telemetry)?);
            for host in &site.hosts {
                let host = host.to_ascii_lowercase();
                match host.strip_prefix('*') {
                    Some("") => edge.any = Some(resolved.clone()),
                    Some(suffix) => drop(edge.wildcard.insert(suffix.to_owned(), resolved.clone())),
                    None => drop(edge.exact.insert(host, resolved.clone())),
                }
            }
        }
        Ok(edge)
    }

    fn site(&self, site: &config::Site, revisions: &Revisions, telemetry: &Telemetry) -> anyhow::Result<Site> {
        let behaviors = site.behaviors.iter().map(|behavior| self.behavior(behavior, revisions)).collect::<anyhow::Result<_>>()?;
        Ok(Site {
            name: site.name.as_str().into(),
            default_root_object: site.default_root_object.trim_start_matches('/').to_owned(),
            metrics: telemetry.site(&site.name),
            behaviors,
        })
    }

    fn behavior(&self, behavior: &config::Behavior, revisions: &Revisions) -> anyhow::Result<Behavior> {
        let hook = |name: &Option<String>| match name {
            None => Ok(None),
            Some(name) => revisions.get(name).cloned().map(Some).ok_or_else(|| anyhow::anyhow!("no function `{name}`")),
        };
        let methods = behavior.allowed_methods.iter().map(|method| method.parse()).collect::<Result<_, _>>()?;
        Ok(Behavior {
            path: Pattern::new(&behavior.path),
            origin: self.upstream(&behavior.origin).ok_or_else(|| anyhow::anyhow!("no origin `{}`", behavior.origin))?,
            viewer_protocol: behavior.viewer_protocol,
            methods,
            viewer_request: hook(&behavior.viewer_request)?,
            origin_request: hook(&behavior.origin_request)?,
            origin_response: hook(&behavior.origin_response)?,
            viewer_response: hook(&behavior.viewer_response)?,
            include_body: behavior.include_body,
        })
    }

    /// An origin or origin group by its name.
    pub(super) fn upstream(&self, name: &str) -> Option<Upstream> {
        let one = self.targets.get(name).cloned().map(Upstream::One);
        one.or_else(|| self.groups.get(name).cloned().map(Upstream::Group))
    }

    pub(super) fn target(&self, name: &str) -> Option<&Target> {
        self.targets.get(name)
    }

    /// The site of a host without its port: an exact name, then the longest wildcard, then `*`.
    pub(super) fn find(&self, host: &str) -> Option<&Arc<Site>> {
        let lower;
        let host = if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            lower = host.to_ascii_lowercase();
            lower.as_str()
        } else {
            host
        };
        if let Some(site) = self.exact.get(host) {
            return Some(site);
        }
        if !self.wildcard.is_empty() {
            let dots = host.match_indices('.').map(|(at, _)| &host[at..]);
            if let Some(site) = dots.filter_map(|suffix| self.wildcard.get(suffix)).next() {
                return Some(site);
            }
        }
        self.any.as_ref()
    }
}

impl Site {
    /// The first that matches; the last one matches everything.
    pub(super) fn behavior(&self, path: &str) -> Option<&Behavior> {
        self.behaviors.iter().find(|behavior| behavior.path.matches(path))
    }
}

fn target(origin: &config::Origin, revisions: &Revisions, tls: &mut TlsClients) -> anyhow::Result<Target> {
    let kind = match &origin.kind {
        OriginKind::Url(url) => TargetKind::Url(Arc::new(self::url(origin, url, tls)?)),
        OriginKind::Folder { root, index } => {
            let folder = super::origin::open_folder(root, index).map_err(|error| anyhow::anyhow!("{}: {error}", root.display()))?;
            TargetKind::Folder(Arc::new(folder))
        }
        OriginKind::Fixed { status, headers, body } => TargetKind::Fixed(Arc::new(Fixed {
            status: StatusCode::from_u16(*status)?,
            headers: parse_headers(headers)?,
            body: body.clone(),
        })),
        OriginKind::Component { function } => {
            let revision = revisions.get(function).ok_or_else(|| anyhow::anyhow!("no function `{function}`"))?;
            TargetKind::Component(revision.clone())
        }
    };
    Ok(Target { id: origin.name.as_str().into(), kind })
}

fn url(origin: &config::Origin, url: &config::UrlOrigin, tls: &mut TlsClients) -> anyhow::Result<Url> {
    let client = match (&url.ca, url.tls) {
        (_, false) => None,
        (Some(file), true) => Some(tls.private(file)?),
        (None, true) => Some(tls.public()),
    };
    let host_header = match (&url.host_header, url.forward_host) {
        (_, true) => HostHeader::Viewer,
        (Some(host), false) => HostHeader::Fixed(HeaderValue::from_str(host)?),
        (None, false) => HostHeader::Fixed(authority(&url.host, url.port, url.tls)),
    };
    Ok(Url {
        tls: client,
        host: url.host.clone(),
        port: url.port,
        // Two origins of one address may differ in their CA: they do not share connections.
        pool: format!("{}={}:{}", origin.name, url.host, url.port).into(),
        path: url.path.clone(),
        host_header,
        headers: parse_headers(&url.headers)?,
        connect_timeout: url.connect_timeout,
        connect_attempts: url.connect_attempts,
        read_timeout: url.read_timeout,
        keepalive: url.keepalive,
        max_idle: url.max_idle_per_worker,
    })
}

fn parse_headers(headers: &[(String, String)]) -> anyhow::Result<Vec<(HeaderName, HeaderValue)>> {
    headers.iter().map(|(name, value)| Ok((HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?))).collect()
}
