//! Where answers come from: a server behind a URL, a folder, a fixed response, a component.
//!
//! Names lead to a `Backend` once, when the configuration is loaded, and again only when a hook asks for
//! another origin by name. What a hook changes is laid over a copy: an `Origin` itself never changes.

pub(crate) mod connect;
pub(crate) mod folder;
mod heard;
mod identity;
pub(crate) mod places;
pub(crate) mod pool;
pub(crate) mod upstream;
pub(crate) mod want;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use http::header::{self, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};

use crate::cache::key::Identity;
use crate::config::{self, OriginKind, UrlOrigin};
use crate::edge::body::{Content, PeekError};
use crate::edge::head::{Head, Trailers};
use crate::edge::tally::Tally;
use crate::failure::Failure;
use crate::function::catalog::Revisions;
use crate::function::revision::Revision;
use crate::limits::Limit;
use crate::limits::origin::{self as limits, FILE_TIMEOUT_MS};
use crate::loops;
use crate::path::NormalPath;
use crate::telemetry::{OriginMetrics, Telemetry};
use crate::wasm::abi;
use connect::{Endpoint, Reach};
use folder::Folder;

/// What a behavior, or a hook, refers to.
#[derive(Clone)]
pub(crate) enum Backend {
    One(Arc<Origin>),
    Group(Arc<Group>),
}

impl Backend {
    /// Which origin is asked first.
    pub(crate) fn primary(&self) -> &Arc<Origin> {
        match self {
            Backend::One(origin) => origin,
            Backend::Group(group) => &group.primary,
        }
    }

    /// What folders give for themselves.
    pub(crate) fn indexes(&self) -> impl Iterator<Item = &str> {
        let (first, second) = match self {
            Backend::One(origin) => (origin, None),
            Backend::Group(group) => (&group.primary, Some(&group.secondary)),
        };
        std::iter::once(first).chain(second).filter_map(|origin| match &origin.kind {
            Kind::Folder(folder) => folder.index(),
            _ => None,
        })
    }
}

pub(crate) struct Group {
    pub(crate) primary: Arc<Origin>,
    pub(crate) secondary: Arc<Origin>,
    /// Answers of the primary that count as failures.
    pub(crate) statuses: Vec<u16>,
}

#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) name: Arc<str>,
    pub(crate) kind: Kind,
    /// What its answers depend on.
    pub(crate) identity: Identity,
    pub(crate) metrics: Arc<OriginMetrics>,
}

#[derive(Clone)]
pub(crate) enum Kind {
    Url(Target),
    Folder(Arc<Folder>),
    Fixed(Arc<Response<bytes::Bytes>>),
    Component(Arc<Revision>),
}

/// A server and how to talk to it.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) endpoint: Arc<Endpoint>,
    path: Arc<str>,
    /// None: the viewer's.
    host: Option<HeaderValue>,
    headers: Arc<[(HeaderName, HeaderValue)]>,
    pub(crate) connect_timeout: Duration,
    pub(crate) connect_attempts: u32,
    pub(crate) read_timeout: Duration,
    pub(crate) keepalive: Duration,
    pub(crate) max_idle: usize,
    /// Of one worker, idle ones and tunnels too.
    pub(crate) connections: usize,
}

/// What a hook wants otherwise about the origin of this request.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    pub(crate) choice: Option<Choice>,
    pub(crate) address: Option<(String, u16, bool)>,
    pub(crate) path: Option<String>,
    pub(crate) host_header: Option<HeaderValue>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) clear_headers: bool,
    pub(crate) connect_ms: u32,
    pub(crate) read_ms: u32,
    pub(crate) attempts: u8,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Named(String),
    Group { primary: String, secondary: String, statuses: Vec<u16> },
}

/// Why an origin gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("no connection: {0}")]
    Unreachable(String),
    #[error("no connection within {} ms", .0.as_millis())]
    ConnectTimeout(Duration),
    #[error("no answer within {} ms", .0.as_millis())]
    ReadTimeout(Duration),
    #[error("the connection broke: {0}")]
    Broken(hyper::Error),
    #[error("its body has a transfer coding that it was not asked for")]
    Coding,
    #[error("this machine has nothing left to ask it with: {0}")]
    Exhausted(std::io::Error),
    #[error("this worker has {0} connections to it, as many as it may, and none came free in time")]
    Connections(usize),
    /// Of what the client sends, on its way to the origin.
    #[error("request body: {0}")]
    Body(PeekError),
    #[error(transparent)]
    Component(#[from] Failure),
    #[error("it switched protocols, which it was not asked to do, or not to the one it was asked for")]
    Switched,
    #[error("a hook may not send requests to {0}, which is not a public address or a declared origin")]
    Forbidden(String),
}

impl FetchError {
    /// Whether the origin failed, and not what was asked of it or a limit of ours.
    pub(crate) fn is_the_origins(&self) -> bool {
        use FetchError::{Broken, Coding, ConnectTimeout, ReadTimeout, Unreachable};
        matches!(self, Unreachable(_) | ConnectTimeout(_) | ReadTimeout(_) | Broken(_) | Coding)
    }

    /// Whether it lies neither with the origin nor with what stands in for one: nobody else is asked then, and nothing
    /// remembered.
    pub(crate) fn is_elsewhere(&self) -> bool {
        matches!(self, FetchError::Exhausted(_) | FetchError::Connections(_) | FetchError::Body(_))
    }

    pub(crate) fn reason(&self) -> &'static str {
        match self {
            FetchError::Unreachable(_) => "unreachable",
            FetchError::ConnectTimeout(_) => "connect-timeout",
            FetchError::ReadTimeout(_) => "read-timeout",
            FetchError::Broken(_) => "broken",
            FetchError::Coding => "transfer-coding",
            FetchError::Exhausted(_) => "edge-exhausted",
            FetchError::Connections(_) => "origin-connections",
            FetchError::Body(_) => "request-body",
            FetchError::Component(_) => "component",
            FetchError::Switched => "switched",
            FetchError::Forbidden(_) => "forbidden",
        }
    }
}

/// All origins and groups, by name.
pub(crate) struct Backends {
    by_name: HashMap<String, Backend>,
    /// What hooks may always send requests to.
    declared: HashMap<(String, u16, bool), Arc<Endpoint>>,
}

impl Backends {
    pub(crate) fn new(config: &config::Config, revisions: &Revisions, telemetry: &Telemetry) -> anyhow::Result<Backends> {
        let mut backends = Backends { by_name: HashMap::new(), declared: HashMap::new() };
        for (name, origin) in &config.origins {
            let origin = Origin::new(origin, revisions, telemetry).with_context(|| format!("origin `{name}`"))?;
            if let Kind::Url(target) = &origin.kind {
                backends.declared.insert(target.endpoint.address(), target.endpoint.clone());
            }
            backends.by_name.insert(name.clone(), Backend::One(Arc::new(origin)));
        }
        for (name, group) in &config.origin_groups {
            let group = backends.group(&group.primary, &group.secondary, group.status.clone());
            let group = group.with_context(|| format!("origin group `{name}` refers to an origin that does not exist"))?;
            backends.by_name.insert(name.clone(), group);
        }
        Ok(backends)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Backend> {
        self.by_name.get(name)
    }

    /// Whether a hook may choose a component.
    pub(crate) fn has_component(&self) -> bool {
        let is_component = |backend: &Backend| backend.origins(None).any(|origin| matches!(origin.kind, Kind::Component(_)));
        self.by_name.values().any(is_component)
    }

    fn one(&self, name: &str) -> Option<&Arc<Origin>> {
        match self.by_name.get(name)? {
            Backend::One(origin) => Some(origin),
            Backend::Group(_) => None,
        }
    }

    fn group(&self, primary: &str, secondary: &str, statuses: Vec<u16>) -> Option<Backend> {
        let (primary, secondary) = (self.one(primary)?.clone(), self.one(secondary)?.clone());
        Some(Backend::Group(Arc::new(Group { primary, secondary, statuses })))
    }

    /// The backend that a hook chose, or `current`.
    pub(crate) fn choose(&self, current: &Backend, edits: &Edits) -> Result<Backend, Failure> {
        let chosen = match &edits.choice {
            None => return Ok(current.clone()),
            Some(Choice::Named(name)) => self.get(name).cloned(),
            Some(Choice::Group { primary, secondary, statuses }) => self.group(primary, secondary, statuses.clone()),
        };
        chosen.ok_or_else(|| Failure::BadReply("the chosen origin is not declared in the configuration".to_owned()))
    }

    /// An origin with a hook's edits laid over it.
    pub(crate) fn edit(&self, origin: &Arc<Origin>, edits: &Edits) -> Result<Arc<Origin>, Failure> {
        let changes = edits.address.is_some()
            || edits.path.is_some()
            || edits.host_header.is_some()
            || edits.clear_headers
            || !edits.headers.is_empty()
            || edits.connect_ms + edits.read_ms > 0
            || edits.attempts > 0;
        if !changes {
            return Ok(origin.clone());
        }
        let mut target = match (&origin.kind, &edits.address) {
            (Kind::Url(target), _) => target.clone(),
            (_, Some(_)) => Target::default(),
            _ => return Err(Failure::BadReply(format!("origin `{}` is not a URL: it has nothing to change", origin.name))),
        };
        if let Some((host, port, tls)) = &edits.address {
            target.endpoint = self.endpoint(host, *port, *tls)?;
            target.host = Some(host_header(host, *port, *tls)?);
        }
        if let Some(path) = &edits.path {
            target.path = path.as_str().into();
        }
        if let Some(host) = &edits.host_header {
            target.host = Some(host.clone());
        }
        if edits.clear_headers || !edits.headers.is_empty() {
            let kept = if edits.clear_headers { &[][..] } else { &target.headers };
            target.headers = kept.iter().chain(&edits.headers).cloned().collect();
        }
        let or = |ms: u32, default: Duration| if ms == 0 { default } else { Duration::from_millis(u64::from(ms)) };
        target.connect_timeout = or(edits.connect_ms, target.connect_timeout);
        target.read_timeout = or(edits.read_ms, target.read_timeout);
        if edits.attempts > 0 {
            target.connect_attempts = u32::from(edits.attempts);
        }
        let identity = identity::of_target(&target);
        Ok(Arc::new(Origin { kind: Kind::Url(target), identity, ..Origin::clone(origin) }))
    }

    fn endpoint(&self, host: &str, port: u16, tls: bool) -> Result<Arc<Endpoint>, Failure> {
        if let Some(endpoint) = self.declared.get(&(host.to_owned(), port, tls)) {
            return Ok(endpoint.clone());
        }
        let endpoint =
            Endpoint::new(host, port, tls, None, Reach::Public).map_err(|error| Failure::BadReply(format!("{error:#}")))?;
        Ok(Arc::new(endpoint))
    }
}

impl Origin {
    fn new(origin: &config::Origin, revisions: &Revisions, telemetry: &Telemetry) -> anyhow::Result<Origin> {
        let kind = match &origin.kind {
            OriginKind::Url(url) => Kind::Url(Target::new(url)?),
            OriginKind::Folder { root, index } => Kind::Folder(Arc::new(Folder::open(root, index)?)),
            OriginKind::Fixed { status, headers, body } => {
                let mut response = Response::new(body.clone());
                *response.status_mut() = StatusCode::from_u16(*status)?;
                for (name, value) in parse_headers(headers)? {
                    response.headers_mut().append(name, value);
                }
                Kind::Fixed(Arc::new(response))
            }
            OriginKind::Component { function } => {
                let revision = revisions.get(function).with_context(|| format!("function `{function}` is not deployed"))?;
                Kind::Component(revision.clone())
            }
        };
        let identity = identity::of_declared(origin, &kind);
        Ok(Origin { name: origin.name.as_str().into(), kind, identity, metrics: Arc::new(telemetry.origin(&origin.name)) })
    }

    /// For how long it may say nothing. None: it is a file, or a fixed answer.
    pub(crate) fn silence(&self) -> Option<Duration> {
        match &self.kind {
            Kind::Url(target) => Some(target.read_timeout),
            Kind::Component(revision) => Some(Duration::from_millis(revision.limits().value(Limit::DeadlineMs))),
            Kind::Folder(_) | Kind::Fixed(_) => None,
        }
    }

    /// As hooks see it. Only a URL has an address.
    pub(crate) fn event(&self) -> (abi::EventOrigin<'_>, &[(HeaderName, HeaderValue)]) {
        let ms = |duration: Duration| u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
        let Kind::Url(target) = &self.kind else {
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
        let origin = abi::EventOrigin {
            id: &self.name,
            host: &target.endpoint.host,
            port: target.endpoint.port,
            tls: target.endpoint.is_tls(),
            path: &target.path,
            connect_timeout_ms: ms(target.connect_timeout),
            read_timeout_ms: ms(target.read_timeout),
        };
        (origin, &target.headers)
    }

    pub(crate) fn is_url(&self) -> bool {
        matches!(self.kind, Kind::Url(_))
    }

    /// Whether a request for this path could leave that of the origin's URL.
    pub(crate) fn may_be_left_by(&self, path: &str) -> bool {
        matches!(&self.kind, Kind::Url(target) if !target.path.is_empty() && NormalPath::of(path).may_climb())
    }

    /// The `Host` that this origin is asked for.
    pub(crate) fn host(&self) -> Option<&HeaderValue> {
        match &self.kind {
            Kind::Url(target) => target.host.as_ref(),
            _ => None,
        }
    }

    /// What is sent is taken out of `head` and `content`.
    pub(crate) async fn fetch(
        &self,
        head: &mut Head,
        content: &mut Content,
        tls: bool,
        now: Instant,
        tally: &Tally,
    ) -> Result<Response<Content>, FetchError> {
        if !self.is_url() {
            tally.asked(None, None);
        }
        match &self.kind {
            Kind::Url(target) => Box::pin(upstream::fetch(target, &self.metrics, head, content, now.into(), tally)).await,
            Kind::Folder(folder) => {
                let patience = Duration::from_millis(FILE_TIMEOUT_MS);
                match Box::pin(folder.serve(head)).await {
                    Some(served) => served.map_err(FetchError::Exhausted),
                    None => Err(FetchError::ReadTimeout(patience)),
                }
            }
            Kind::Fixed(response) => Ok(Response::clone(response).map(Content::full)),
            Kind::Component(revision) => {
                let scheme = if tls { "https" } else { "http" };
                let response = Box::pin(revision.serve_http(absolute(head, scheme, content))).await?;
                Ok(response.map(Content::Stream))
            }
        }
    }
}

impl Default for Target {
    /// CloudFront's defaults, for an address that a hook made up.
    fn default() -> Target {
        Target {
            endpoint: Arc::new(Endpoint::nowhere()),
            path: "".into(),
            host: None,
            headers: Arc::new([]),
            connect_timeout: Duration::from_secs(10),
            connect_attempts: 3,
            read_timeout: Duration::from_secs(30),
            keepalive: Duration::from_secs(5),
            max_idle: 32,
            connections: limits::CONNECTIONS,
        }
    }
}

impl Target {
    fn new(url: &UrlOrigin) -> anyhow::Result<Target> {
        let host = match (&url.host_header, url.forward_host) {
            (_, true) => None,
            (Some(host), false) => Some(HeaderValue::from_str(host).context("host header")?),
            (None, false) => Some(host_header(&url.host, url.port, url.tls)?),
        };
        Ok(Target {
            endpoint: Arc::new(Endpoint::new(&url.host, url.port, url.tls, url.ca.as_deref(), Reach::Anywhere)?),
            path: url.path.as_str().into(),
            host,
            headers: parse_headers(&url.headers)?.into(),
            connect_timeout: url.connect_timeout,
            connect_attempts: url.connect_attempts.max(1),
            read_timeout: url.read_timeout,
            keepalive: url.keepalive,
            max_idle: url.max_idle_per_worker,
            connections: url.connections_per_worker,
        })
    }

    /// Takes what is sent out of `head` and `content`.
    pub(crate) fn request(&self, head: &mut Head, content: &mut Content) -> Request<Content> {
        let mut headers = std::mem::take(&mut head.headers);
        let target = if head.asterisk && head.path() == "/" {
            PathAndQuery::from_static("*")
        } else if self.path.is_empty() {
            head.target.clone()
        } else {
            // Both parts were valid by themselves; joined they are too.
            format!("{}{}", self.path, head.target.as_str()).parse().unwrap_or_else(|_| head.target.clone())
        };
        for (name, value) in self.headers.iter() {
            headers.insert(name, value.clone());
        }
        loops::mark(&mut headers);
        // The framing of this connection is hyper's, from what the content says of itself.
        headers.remove(header::TRANSFER_ENCODING);
        if head.version == Version::HTTP_10
            && let Ok(host) = host_header(&self.endpoint.host, self.endpoint.port, self.endpoint.is_tls())
        {
            headers.entry(header::HOST).or_insert(host);
        }
        if content.is_empty() {
            // These are expected to have a body (RFC 9110 section 8.6).
            if matches!(head.method, Method::POST | Method::PUT | Method::PATCH) {
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
        } else if let Some(trailer) = head.trailer.take() {
            headers.insert(header::TRAILER, *trailer);
        }
        if head.trailers == Trailers::Wanted && !head.websocket {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("TE"));
        }
        let mut request = Request::new(std::mem::replace(content, Content::Empty));
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = Uri::from(target);
        *request.headers_mut() = headers;
        request
    }
}

/// A component is asked with the whole URL, as wasi:http wants it.
fn absolute(head: &mut Head, scheme: &str, content: &mut Content) -> Request<crate::function::revision::StreamBody> {
    let authority = head.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(head.target.clone()).build();
    loops::mark(&mut head.headers);
    let mut request = Request::new(std::mem::replace(content, Content::Empty).into_stream());
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = uri.unwrap_or_else(|_| Uri::from(head.target.clone()));
    *request.headers_mut() = std::mem::take(&mut head.headers);
    request
}

fn host_header(host: &str, port: u16, tls: bool) -> Result<HeaderValue, Failure> {
    let text = match (port, tls) {
        (443, true) | (80, false) => host.to_owned(),
        _ => format!("{host}:{port}"),
    };
    HeaderValue::from_str(&text).map_err(|_| Failure::BadReply(format!("`{host}` is not a host")))
}

fn parse_headers(headers: &[(String, String)]) -> anyhow::Result<Vec<(HeaderName, HeaderValue)>> {
    let parse =
        |(name, value): &(String, String)| anyhow::Ok((HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?));
    headers.iter().map(|header| parse(header).with_context(|| format!("header `{}`", header.0))).collect()
}

/// Adds what CloudFront adds to a request for an origin.
pub(crate) fn announce(headers: &mut HeaderMap, client_ip: &str, via: &HeaderValue) {
    const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
    let forwarded = match headers.get(&FORWARDED_FOR) {
        None => HeaderValue::from_str(client_ip),
        Some(_) => {
            // Several lines are one list; a spoofed second line must not hide the address behind it.
            let mut list = Vec::new();
            for value in headers.get_all(&FORWARDED_FOR) {
                list.extend_from_slice(value.as_bytes());
                list.extend_from_slice(b", ");
            }
            list.extend_from_slice(client_ip.as_bytes());
            HeaderValue::from_bytes(&list)
        }
    };
    if let Ok(forwarded) = forwarded {
        headers.insert(FORWARDED_FOR, forwarded);
    }
    headers.append(header::VIA, via.clone());
    headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static("Amazon CloudFront"));
}

/// Adds whom a request is for to what the edge says in `Forwarded` (RFC 7239 section 5.2).
pub(crate) fn announce_for(headers: &mut HeaderMap, client_ip: &str) {
    let Some(said) = headers.get(header::FORWARDED) else { return };
    // An address with colons is quoted, in brackets.
    let (before, after) = if client_ip.contains(':') { ("for=\"[", "]\";") } else { ("for=", ";") };
    let value = [before.as_bytes(), client_ip.as_bytes(), after.as_bytes(), said.as_bytes()].concat();
    if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(value)) {
        headers.insert(header::FORWARDED, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_added_to_who_it_was_forwarded_for() {
        let via = HeaderValue::from_static("1.1 here (edgeward)");
        for (before, after) in
            [(&[][..], "9.9.9.9"), (&["1.1.1.1"], "1.1.1.1, 9.9.9.9"), (&["1.1.1.1", "x"], "1.1.1.1, x, 9.9.9.9")]
        {
            let mut headers = HeaderMap::new();
            for value in before {
                headers.append("x-forwarded-for", HeaderValue::from_static(value));
            }
            headers.insert("via", "1.0 before".parse().unwrap());
            announce(&mut headers, "9.9.9.9", &via);
            assert_eq!(headers.get_all("x-forwarded-for").iter().collect::<Vec<_>>(), [after]);
            assert_eq!(headers.get_all("via").iter().collect::<Vec<_>>(), ["1.0 before", "1.1 here (edgeward)"]);
            assert_eq!(headers["user-agent"], "Amazon CloudFront");
        }
    }
}
