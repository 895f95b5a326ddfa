//! What a behavior refers to: one origin, or a group of two with failover.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::header::{HeaderName, HeaderValue};
use http::{Response, StatusCode};

use crate::cache::key::Identity;
use crate::config::{self, OriginKind};
use crate::edge::hook::edits::OriginEdits;
use crate::edge::origin::api_function::ApiFunction;
use crate::edge::origin::endpoint::Endpoint;
use crate::edge::origin::folder::Folder;
use crate::edge::origin::identity;
use crate::edge::origin::server::{OriginServer, parse_headers};
use crate::failure::Failure;
use crate::function::catalog::{Alias, Aliases};
use crate::function::named::FunctionsByName;
use crate::limits::Limit;
use crate::limits::lambda::TIMEOUT_S_MAX;
use crate::path::NormalPath;
use crate::telemetry::{OriginMetrics, Telemetry};
use crate::wasm::abi;

/// What a behavior, or a hook, refers to.
#[derive(Clone)]
pub(crate) enum Backend {
    One(Arc<Origin>),
    Group(Arc<FailoverGroup>),
}

/// Two origins, of which the second is asked when the first fails.
pub(crate) struct FailoverGroup {
    pub(crate) primary: Arc<Origin>,
    pub(crate) secondary: Arc<Origin>,
    /// Answers of the primary that count as failures.
    pub(crate) statuses: Vec<u16>,
}

/// An origin. It never changes: an edit by a hook makes another one.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) name: Arc<str>,
    pub(crate) kind: OriginType,
    /// What its answers depend on.
    pub(crate) identity: Identity,
    pub(crate) metrics: Arc<OriginMetrics>,
}

/// What answers for an origin.
#[derive(Clone)]
pub(crate) enum OriginType {
    Server(OriginServer),
    Folder(Arc<Folder>),
    Fixed(Arc<Response<bytes::Bytes>>),
    Component(Arc<Alias>),
    /// Found anew for each request.
    Api(Arc<ApiFunction>),
}

impl Backend {
    /// The origin that is asked first.
    pub(crate) fn primary(&self) -> &Arc<Origin> {
        match self {
            Backend::One(origin) => origin,
            Backend::Group(group) => &group.primary,
        }
    }

    /// The index files that folders serve for a path that ends with a slash.
    pub(crate) fn indexes(&self) -> impl Iterator<Item = &str> {
        self.origins(None).filter_map(|origin| match &origin.kind {
            OriginType::Folder(folder) => folder.index(),
            _ => None,
        })
    }

    /// What its answers depend on; `first` is the primary as a hook has edited it.
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

    /// All origins that a request may reach; `first` is the primary as a hook has edited it.
    pub(crate) fn origins<'a>(&'a self, first: Option<&'a Arc<Origin>>) -> impl Iterator<Item = &'a Origin> {
        let (primary, secondary) = match self {
            Backend::One(origin) => (origin, None),
            Backend::Group(group) => (&group.primary, Some(&group.secondary)),
        };
        [Some(first.unwrap_or(primary)), secondary].into_iter().flatten().map(|origin| &**origin)
    }
}

impl Origin {
    /// As the configuration declares it.
    pub(crate) fn declared(
        origin: &config::Origin,
        aliases: &Aliases,
        named: &Arc<FunctionsByName>,
        telemetry: &Telemetry,
    ) -> anyhow::Result<Origin> {
        let kind = match &origin.kind {
            OriginKind::Url(url) => OriginType::Server(OriginServer::declared(url)?),
            OriginKind::Folder { root, index } => OriginType::Folder(Arc::new(Folder::open(root, index)?)),
            OriginKind::Fixed { status, headers, body } => {
                let mut response = Response::new(body.clone());
                *response.status_mut() = StatusCode::from_u16(*status)?;
                for (name, value) in parse_headers(headers)? {
                    response.headers_mut().append(name, value);
                }
                OriginType::Fixed(Arc::new(response))
            }
            OriginKind::Component { function } => {
                let alias = aliases.get(function).with_context(|| format!("function `{function}` is not deployed"))?;
                OriginType::Component(alias.clone())
            }
            OriginKind::Api { function } => {
                OriginType::Api(Arc::new(ApiFunction { name: function.clone(), functions: named.clone() }))
            }
        };
        let identity = match &kind {
            OriginType::Server(server) => identity::of_server(server),
            _ => identity::of_declared(origin),
        };
        Ok(Origin { name: origin.name.as_str().into(), kind, identity, metrics: Arc::new(telemetry.origin(&origin.name)) })
    }

    /// With a hook's edits; `moved` is where they send it.
    pub(crate) fn edited(&self, edits: &OriginEdits, moved: Option<Arc<Endpoint>>) -> Result<Origin, Failure> {
        let server = match (&self.kind, moved) {
            (OriginType::Server(server), None) => server.clone(),
            (OriginType::Server(server), Some(endpoint)) => server.clone().moved_to(endpoint),
            (_, Some(endpoint)) => OriginServer::with_defaults(endpoint),
            (_, None) => {
                return Err(Failure::BadReply(format!("origin `{}` is not a URL: it has nothing to change", self.name)));
            }
        };
        let server = server.edited(edits);
        let identity = identity::of_server(&server);
        Ok(Origin { kind: OriginType::Server(server), identity, ..self.clone() })
    }

    pub(crate) fn is_server(&self) -> bool {
        matches!(self.kind, OriginType::Server(_))
    }

    /// Whether it is code that this host runs.
    pub(crate) fn is_function(&self) -> bool {
        matches!(self.kind, OriginType::Component(_) | OriginType::Api(_))
    }

    /// The `Host` that it is asked for; `None`: the viewer's.
    pub(crate) fn host(&self) -> Option<&HeaderValue> {
        match &self.kind {
            OriginType::Server(server) => server.host.as_ref(),
            _ => None,
        }
    }

    /// How long it may take to answer; `None` for a file or a fixed answer.
    pub(crate) fn read_timeout(&self) -> Option<Duration> {
        match &self.kind {
            OriginType::Server(server) => Some(server.read_timeout),
            OriginType::Component(alias) => Some(Duration::from_millis(alias.revision().limits().value(Limit::DeadlineMs))),
            // Which function answers is not known yet.
            OriginType::Api(_) => Some(Duration::from_secs(TIMEOUT_S_MAX.unsigned_abs())),
            OriginType::Folder(_) | OriginType::Fixed(_) => None,
        }
    }

    /// Whether a request for this path could leave the path of the origin's URL.
    pub(crate) fn may_be_left_by(&self, path: &str) -> bool {
        matches!(&self.kind, OriginType::Server(server) if !server.path.is_empty() && NormalPath::of(path).may_climb())
    }

    /// The origin as hooks see it. Only a server has an address.
    pub(crate) fn event(&self) -> (abi::EventOrigin<'_>, &[(HeaderName, HeaderValue)]) {
        let ms = |duration: Duration| u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
        let OriginType::Server(server) = &self.kind else {
            let origin = abi::EventOrigin {
                id: &self.name,
                host: "",
                port: 0,
                tls: false,
                path: "",
                connect_timeout_ms: 0,
                read_timeout_ms: 0,
            };
            return (origin, &[]);
        };
        let address = server.endpoint.address();
        let origin = abi::EventOrigin {
            id: &self.name,
            host: address.host(),
            port: address.port(),
            tls: address.is_tls(),
            path: &server.path,
            connect_timeout_ms: ms(server.connect_timeout),
            read_timeout_ms: ms(server.read_timeout),
        };
        (origin, &server.headers)
    }
}
