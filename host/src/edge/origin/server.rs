//! A server behind a URL, how patiently it is asked, and what a request to it looks like.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::header::{self, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Uri, Version};

use crate::config::UrlOrigin;
use crate::edge::body::request::RequestBody;
use crate::edge::hook::edits::OriginEdits;
use crate::edge::origin::address::OriginAddress;
use crate::edge::origin::endpoint::{Endpoint, Reach};
use crate::edge::request::head::{RequestHead, Trailers};
use crate::limits::origin as limits;
use crate::loops;

/// A server and how to talk to it.
#[derive(Clone)]
pub(crate) struct OriginServer {
    pub(crate) endpoint: Arc<Endpoint>,
    /// Stands before the path of every request.
    pub(crate) path: Arc<str>,
    /// `None`: the viewer's `Host` is passed on.
    pub(crate) host: Option<HeaderValue>,
    pub(crate) headers: Arc<[(HeaderName, HeaderValue)]>,
    pub(crate) connect_timeout: Duration,
    pub(crate) connect_attempts: u32,
    pub(crate) read_timeout: Duration,
    pub(crate) keepalive: Duration,
    pub(crate) max_idle: usize,
    /// Of one worker, idle ones and tunnels included.
    pub(crate) connections_max: usize,
}

impl OriginServer {
    /// As the configuration declares it.
    pub(crate) fn declared(url: &UrlOrigin) -> anyhow::Result<OriginServer> {
        let address = OriginAddress::new(&url.host, url.port, url.tls)?;
        let host = match (&url.host_header, url.forward_host) {
            (_, true) => None,
            (Some(host), false) => Some(HeaderValue::from_str(host).context("host header")?),
            (None, false) => Some(address.host_header().clone()),
        };
        Ok(OriginServer {
            endpoint: Arc::new(Endpoint::new(address, url.ca.as_deref(), Reach::Anywhere)?),
            path: url.path.as_str().into(),
            host,
            headers: parse_headers(&url.headers)?.into(),
            connect_timeout: url.connect_timeout,
            connect_attempts: url.connect_attempts.max(1),
            read_timeout: url.read_timeout,
            keepalive: url.keepalive,
            max_idle: url.max_idle_per_worker,
            connections_max: url.connections_per_worker,
        })
    }

    /// With CloudFront's defaults, for an address that a hook chose.
    pub(crate) fn with_defaults(endpoint: Arc<Endpoint>) -> OriginServer {
        OriginServer {
            host: Some(endpoint.address().host_header().clone()),
            endpoint,
            path: "".into(),
            headers: Arc::new([]),
            connect_timeout: Duration::from_millis(limits::CONNECT_TIMEOUT_MS),
            connect_attempts: limits::CONNECT_ATTEMPTS,
            read_timeout: Duration::from_millis(limits::READ_TIMEOUT_MS),
            keepalive: Duration::from_millis(limits::KEEPALIVE_MS),
            max_idle: limits::IDLE,
            connections_max: limits::CONNECTIONS,
        }
    }

    /// The same settings at another address, whose name is then the `Host`.
    pub(crate) fn moved_to(self, endpoint: Arc<Endpoint>) -> OriginServer {
        OriginServer { host: Some(endpoint.address().host_header().clone()), endpoint, ..self }
    }

    /// With all that a hook changes except the address.
    pub(crate) fn edited(mut self, edits: &OriginEdits) -> OriginServer {
        if let Some(path) = &edits.path {
            self.path = path.as_str().into();
        }
        if let Some(host) = &edits.host_header {
            self.host = Some(host.clone());
        }
        if edits.clear_headers || !edits.headers.is_empty() {
            let kept = if edits.clear_headers { &[][..] } else { &self.headers };
            self.headers = kept.iter().chain(&edits.headers).cloned().collect();
        }
        self.connect_timeout = edits.connect_timeout.unwrap_or(self.connect_timeout);
        self.read_timeout = edits.read_timeout.unwrap_or(self.read_timeout);
        self.connect_attempts = edits.connect_attempts.map_or(self.connect_attempts, |attempts| attempts.get().into());
        self
    }

    /// The request to send. Takes the headers out of `head` and the body out of `body`.
    pub(crate) fn request(&self, head: &mut RequestHead, body: &mut RequestBody) -> Request<RequestBody> {
        let mut headers = std::mem::take(&mut head.headers);
        let target = if head.asterisk && head.path() == "/" {
            PathAndQuery::from_static("*")
        } else if self.path.is_empty() {
            head.target.clone()
        } else {
            // Both parts are valid by themselves; joined they are, too.
            format!("{}{}", self.path, head.target.as_str()).parse().unwrap_or_else(|_| head.target.clone())
        };
        for (name, value) in self.headers.iter() {
            headers.insert(name, value.clone());
        }
        loops::mark(&mut headers);
        // hyper frames this connection, from what the body says of its length.
        headers.remove(header::TRANSFER_ENCODING);
        if head.version == Version::HTTP_10 {
            headers.entry(header::HOST).or_insert_with(|| self.endpoint.address().host_header().clone());
        }
        if body.is_empty() {
            // These methods are expected to have a body (RFC 9110 section 8.6).
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
        let mut request = Request::new(std::mem::replace(body, RequestBody::Empty));
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = Uri::from(target);
        *request.headers_mut() = headers;
        request
    }
}

/// Header fields of the configuration, which has checked them.
pub(crate) fn parse_headers(headers: &[(String, String)]) -> anyhow::Result<Vec<(HeaderName, HeaderValue)>> {
    let parse =
        |(name, value): &(String, String)| anyhow::Ok((HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?));
    headers.iter().map(|header| parse(header).with_context(|| format!("header `{}`", header.0))).collect()
}
