//! Where a response comes from: a URL, a folder, a fixed response or a component.
//!
//! I send one attempt and tell how it failed. Failing over to another origin, and what a client is told,
//! are not decided here.

mod client;
mod connect;
mod folder;
mod forward;
mod pool;

pub(super) use client::OriginBody;
pub(super) use connect::TlsClients;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;

use super::Body;
use super::hook::OriginChange;
use crate::failure::Failure;
use crate::function::revision::Revision;

/// Where one attempt goes. Cheap to clone; a hook's changes make a new one.
#[derive(Clone)]
pub(super) struct Target {
    pub id: Arc<str>,
    pub kind: TargetKind,
}

#[derive(Clone)]
pub(super) enum TargetKind {
    Url(Arc<Url>),
    Folder(Arc<folder::Folder>),
    Fixed(Arc<Fixed>),
    Component(Arc<Revision>),
}

/// An HTTP server.
#[derive(Clone)]
pub(super) struct Url {
    pub tls: Option<Arc<rustls::ClientConfig>>,
    pub host: String,
    pub port: u16,
    /// Key of the pool of connections: everything that makes two connections interchangeable.
    pub pool: Arc<str>,
    pub path: String,
    pub host_header: HostHeader,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub connect_timeout: Duration,
    pub connect_attempts: u32,
    pub read_timeout: Duration,
    pub keepalive: Duration,
    pub max_idle: usize,
}

#[derive(Clone)]
pub(super) enum HostHeader {
    Fixed(HeaderValue),
    /// As the viewer sent it.
    Viewer,
}

/// A response out of the configuration.
pub(super) struct Fixed {
    pub status: StatusCode,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Bytes,
}

/// What failed, in the words of what a client is told.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("cannot resolve `{host}`: {why}")]
    Resolve { host: String, why: String },
    #[error("cannot connect to {address}: {why}")]
    Connect { address: String, why: String },
    #[error("TLS with `{host}` failed: {why}")]
    Tls { host: String, why: String },
    #[error("no connection to `{host}` within {ms} ms")]
    ConnectTimeout { host: String, ms: u128 },
    #[error("no response from `{host}` within {ms} ms")]
    ReadTimeout { host: String, ms: u128 },
    #[error("`{host}` did not answer in HTTP: {why}")]
    Protocol { host: String, why: String },
    #[error("the client's request body ended early")]
    RequestBody,
    #[error("{0}")]
    Component(Failure),
}

/// What an exchange adds to a request for an origin.
pub(super) struct Forwarding<'a> {
    pub client_ip: &'a str,
    pub via: &'a HeaderValue,
    pub request_id: &'a HeaderValue,
    pub tls: bool,
}

impl Target {
    /// Sends a request as the viewer made it (and hooks changed it).
    pub(super) async fn fetch(&self, mut request: Request<Body>, forwarding: &Forwarding<'_>) -> Result<Response<Body>, FetchError> {
        match &self.kind {
            TargetKind::Url(url) => {
                forward::prepare(&mut request, url, forwarding);
                client::send(url, request).await
            }
            TargetKind::Folder(folder) => Ok(folder.respond(&request).await),
            TargetKind::Fixed(fixed) => Ok(fixed.respond()),
            TargetKind::Component(revision) => {
                forward::absolute(&mut request, forwarding);
                let request = request.map(|body| body.boxed_unsync());
                let response = revision.serve_http(request).await.map_err(FetchError::Component)?;
                Ok(response.map(Body::stream))
            }
        }
    }

    /// This target as a hook wants it; what is not an HTTP server has nothing to change.
    pub(super) fn changed(&self, change: &OriginChange, tls: &TlsClients) -> Target {
        let mut url = match &self.kind {
            TargetKind::Url(url) => Url::clone(url),
            _ if change.address.is_none() => return self.clone(),
            _ => Url::blank(),
        };
        if let Some((host, port, secure)) = &change.address {
            url.tls = secure.then(|| tls.public());
            url.pool = format!("{}://{host}:{port}", if *secure { "https" } else { "http" }).into();
            url.host_header = HostHeader::Fixed(authority(host, *port, *secure));
            (url.host, url.port) = (host.clone(), *port);
        }
        if change.clear_headers {
            url.headers.clear();
        }
        url.headers.extend(change.headers.iter().cloned());
        if let Some(path) = &change.path {
            url.path.clone_from(path);
        }
        if let Some(host) = &change.host_header {
            url.host_header = HostHeader::Fixed(host.clone());
        }
        if change.connect_ms > 0 {
            url.connect_timeout = Duration::from_millis(change.connect_ms.into());
        }
        if change.read_ms > 0 {
            url.read_timeout = Duration::from_millis(change.read_ms.into());
        }
        if change.attempts > 0 {
            url.connect_attempts = change.attempts.into();
        }
        Target { id: self.id.clone(), kind: TargetKind::Url(Arc::new(url)) }
    }
}

impl Url {
    /// What a hook's origin has where nothing was configured: CloudFront's defaults.
    fn blank() -> Url {
        Url {
            tls: None,
            host: String::new(),
            port: 80,
            pool: Arc::from(""),
            path: String::new(),
            host_header: HostHeader::Viewer,
            headers: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            connect_attempts: 3,
            read_timeout: Duration::from_secs(30),
            keepalive: Duration::from_secs(5),
            max_idle: 64,
        }
    }
}

impl Fixed {
    fn respond(&self) -> Response<Body> {
        let mut response = Response::new(Body::full(self.body.clone()));
        *response.status_mut() = self.status;
        for (name, value) in &self.headers {
            response.headers_mut().append(name, value.clone());
        }
        response.headers_mut().entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("text/plain; charset=utf-8"));
        response
    }
}

/// `host`, or `host:port` where the port is not the scheme's.
pub(super) fn authority(host: &str, port: u16, tls: bool) -> HeaderValue {
    let text = if port == if tls { 443 } else { 80 } { host.to_owned() } else { format!("{host}:{port}") };
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("invalid"))
}

/// A folder that exists.
pub(super) fn open_folder(root: &std::path::Path, index: &str) -> std::io::Result<folder::Folder> {
    folder::Folder::open(root, index)
}
