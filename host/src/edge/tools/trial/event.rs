//! What a trial shows a hook, whatever form of JSON it was read from.

use anyhow::{Context as _, bail};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode, response};

use crate::edge::body::peek::BodyPreview;
use crate::edge::request::head::RequestHead;
use crate::wasm::abi::{EventOrigin, Moment};

/// A parsed event.
pub(crate) struct TrialEvent {
    pub(crate) moment: Moment,
    pub(super) form: TrialForm,
    pub(super) site: String,
    pub(super) client_ip: String,
    pub(crate) head: RequestHead,
    pub(super) body: Option<BodyPreview>,
    pub(super) origin: TrialOrigin,
    pub(crate) response: Option<response::Parts>,
}

/// How the event was written; what comes of it is written alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TrialForm {
    /// CloudFront Functions' event object, version 1.0.
    Version1,
    /// Lambda@Edge's.
    Records,
}

/// The origin that an origin hook is shown.
#[derive(Debug, Clone)]
pub(super) struct TrialOrigin {
    /// Empty for one that is no server.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: bool,
    pub(super) path: String,
    pub(super) read_timeout_ms: u32,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

impl TrialOrigin {
    /// One that an event says nothing of.
    pub(super) fn unknown() -> TrialOrigin {
        let (host, path) = (String::new(), String::new());
        TrialOrigin { host, port: 0, tls: false, path, read_timeout_ms: 0, headers: Vec::new() }
    }

    pub(super) fn event(&self) -> EventOrigin<'_> {
        EventOrigin {
            id: "trial",
            host: &self.host,
            port: self.port,
            tls: self.tls,
            path: &self.path,
            connect_timeout_ms: 0,
            read_timeout_ms: self.read_timeout_ms,
        }
    }
}

/// The moment that an event names.
pub(super) fn moment(name: &str, place: &str) -> anyhow::Result<Moment> {
    let moment = Moment::ALL.into_iter().find(|moment| moment.name() == name);
    moment
        .with_context(|| format!("{place} `{name}` is none of viewer-request, origin-request, origin-response, viewer-response"))
}

/// A request's head, as a connection would have it.
pub(super) fn request_head(method: &str, uri: &str, query: &str, headers: HeaderMap) -> anyhow::Result<RequestHead> {
    if !uri.starts_with('/') {
        bail!("request.uri `{uri}` does not begin with `/`");
    }
    let uri = if query.is_empty() { uri.to_owned() } else { format!("{uri}?{query}") };
    let mut request = Request::builder().method(method).uri(uri).body(()).context("request.method or request.uri")?;
    *request.headers_mut() = headers;
    let (parts, ()) = request.into_parts();
    let target = parts.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    Ok(RequestHead::new(parts.method, target, parts.headers, parts.version))
}

pub(super) fn response_head(status: u16, headers: HeaderMap) -> anyhow::Result<response::Parts> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).context("the response's status")?;
    *response.headers_mut() = headers;
    Ok(response.into_parts().0)
}

/// Each name with each of its values.
pub(super) fn headers<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let parsed: HeaderName = name.parse().with_context(|| format!("`{name}`"))?;
        headers.append(&parsed, HeaderValue::from_str(value).with_context(|| format!("`{name}`"))?);
    }
    Ok(headers)
}
