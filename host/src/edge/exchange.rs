//! One request's life, in the order in which it happens.
//!
//! A viewer hook runs inline: no task, no wait. Everything that may wait is an `.await` here or in `origin`.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery};
use http::{Method, Request, Response, StatusCode, request, response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;

use super::event::{self, Context};
use super::hook::{self, Changes, Flow, OriginChange};
use super::origin::{Forwarding, Target};
use super::respond::Refusal;
use super::site::{Behavior, Edge, Group, Site, Upstream};
use super::{Body, headers};
use crate::cache::{self, Key};
use crate::config::ViewerProtocol;
use crate::failure::Failure;
use crate::function::revision::{Outcome, Revision};
use crate::limits::{Limit, request as request_limits};
use crate::net::Client;
use crate::telemetry::{AccessEntry, Fields, Result as ResultType, SiteMetrics};
use crate::wasm::abi::{self, Moment};

const X_CACHE: HeaderName = HeaderName::from_static("x-cache");
const X_AMZ_CF_POP: HeaderName = HeaderName::from_static("x-amz-cf-pop");
const X_AMZ_CF_ID: HeaderName = HeaderName::from_static("x-amz-cf-id");

thread_local! {
    /// The event of a viewer hook is written here: once it is large enough, nothing is allocated.
    static EVENT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Answers one request. Never fails: what goes wrong is a response, too.
pub async fn serve(edge: Arc<Edge>, client: Client, request: Request<Incoming>) -> Response<Body> {
    let start = Instant::now();
    let request_id = RequestId::next();
    let log = edge.access_log.then(|| begin_log(&edge, &client, &request, &request_id));
    let method = request.method().clone();
    let site = host(&request).map(|host| edge.find(&host).cloned());
    let open = OpenRequest::begin(site.as_ref().ok().cloned().flatten(), edge.clone());
    let (mut response, result) = match &site {
        Ok(Some(site)) => {
            let exchange = Exchange { edge: &edge, site, client: &client, request_id: &request_id };
            exchange.run(request).await.unwrap_or_else(|refusal| {
                refusal.log(&site.name, request_id.as_str());
                refusal.respond(request_id.as_str())
            })
        }
        Ok(None) => refused(StatusCode::NOT_FOUND, "no-such-site").respond(request_id.as_str()),
        Err(()) => refused(StatusCode::BAD_REQUEST, "host").respond(request_id.as_str()),
    };
    let headers = response.headers_mut();
    headers.insert(X_CACHE, result.x_cache());
    headers.append(header::VIA, edge.via.clone());
    headers.insert(X_AMZ_CF_POP, edge.location_header.clone());
    headers.insert(X_AMZ_CF_ID, request_id.header());
    open.finish(result, response.status(), start);
    if method == Method::HEAD {
        *response.body_mut() = Body::empty();
    }
    if let Some(mut fields) = log {
        fields.status = response.status().as_u16();
        fields.result = result.name();
        response.body_mut().log_to(Box::new(AccessEntry::new(start, fields)));
    }
    response
}

/// A request that counts as open until it is finished, or its future is dropped with the connection.
struct OpenRequest {
    site: Option<Arc<Site>>,
    edge: Arc<Edge>,
    finished: bool,
}

impl OpenRequest {
    fn begin(site: Option<Arc<Site>>, edge: Arc<Edge>) -> OpenRequest {
        let open = OpenRequest { site, edge, finished: false };
        open.metrics().begun();
        open
    }

    fn metrics(&self) -> &SiteMetrics {
        self.site.as_ref().map_or(&self.edge.unknown, |site| &site.metrics)
    }

    fn finish(mut self, result: ResultType, status: StatusCode, start: Instant) {
        self.finished = true;
        self.metrics().finished(result, status.as_u16(), start.elapsed());
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        if !self.finished {
            self.metrics().abandoned();
        }
    }
}

struct Exchange<'a> {
    edge: &'a Edge,
    site: &'a Site,
    client: &'a Client,
    request_id: &'a RequestId,
}

/// A response on its way to the client, and what it is.
type Answered = (Response<Body>, ResultType);

impl Exchange<'_> {
    async fn run(&self, request: Request<Incoming>) -> Result<Answered, Refusal> {
        let (mut parts, body) = request.into_parts();
        check_request(&parts)?;
        let behavior = self.site.behavior(parts.uri.path()).ok_or(refused(StatusCode::FORBIDDEN, "no-behavior"))?;
        self.check_protocol(behavior, &parts)?;
        if !behavior.methods.contains(&parts.method) {
            return Err(refused(StatusCode::FORBIDDEN, "method"));
        }

        let mut origin = None;
        if let Some(function) = &behavior.viewer_request {
            match self.viewer_request(function, &mut parts)? {
                Flow::Continue(changes) => origin = changes.origin,
                Flow::Respond(generated) => return Ok((generated.map(Body::full), ResultType::FunctionGeneratedResponse)),
            }
        }
        if parts.uri.path() == "/" && !self.site.default_root_object.is_empty() {
            self.default_root_object(&mut parts)?;
        }

        let key = Key { site: &self.site.name, path_and_query: parts.uri.path_and_query().map_or("/", PathAndQuery::as_str) };
        // The duty is void when it is dropped; a store will fill it from the response.
        let _lookup = cache::lookup(key, &parts.method);

        let upstream = self.upstream(behavior, origin.as_deref())?;
        let viewer = behavior.viewer_response.is_some().then(|| copy_head(&parts));
        let (response, result) = self.ask(behavior, upstream, parts, Body::incoming(body)).await?;
        let (mut parts, mut body) = response.into_parts();
        headers::strip_hop_by_hop(&mut parts.headers);
        // CloudFront runs it for no response of 400 or above.
        if let (Some(function), Some(viewer), true) = (&behavior.viewer_response, &viewer, parts.status.as_u16() < 400) {
            if let Some(replaced) = self.viewer_response(function, viewer, &mut parts)? {
                parts.headers.remove(header::CONTENT_LENGTH);
                body = Body::full(replaced);
            }
        }
        Ok((Response::from_parts(parts, body), result))
    }

    fn check_protocol(&self, behavior: &Behavior, parts: &request::Parts) -> Result<(), Refusal> {
        match (behavior.viewer_protocol, &self.client.tls) {
            (ViewerProtocol::AllowAll, _) | (_, Some(_)) => Ok(()),
            (ViewerProtocol::HttpsOnly, None) => Err(refused(StatusCode::FORBIDDEN, "https-only")),
            (ViewerProtocol::RedirectToHttps, None) => {
                let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
                let host = host.rsplit_once(':').map_or(host, |(name, _)| name);
                let path = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
                let location = HeaderValue::from_str(&format!("https://{host}{path}"));
                Err(location.map_or(refused(StatusCode::BAD_REQUEST, "host"), Refusal::Redirect))
            }
        }
    }

    fn default_root_object(&self, parts: &mut request::Parts) -> Result<(), Refusal> {
        let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let path = format!("/{}{query}", self.site.default_root_object);
        parts.uri = path.parse().map_err(|_| refused(StatusCode::BAD_REQUEST, "uri"))?;
        Ok(())
    }

    fn upstream(&self, behavior: &Behavior, change: Option<&OriginChange>) -> Result<Upstream, Refusal> {
        let Some(change) = change else { return Ok(behavior.origin.clone()) };
        let unknown = |name: &str| Refusal::Hook {
            moment: Moment::ViewerRequest,
            failure: Failure::BadReply(format!("origin `{name}` is not declared")),
        };
        let mut upstream = match (&change.select, &change.group) {
            (_, Some((primary, secondary, statuses))) => Upstream::Group(Group {
                primary: self.edge.target(primary).cloned().ok_or_else(|| unknown(primary))?,
                secondary: self.edge.target(secondary).cloned().ok_or_else(|| unknown(secondary))?,
                statuses: statuses.iter().filter_map(|&status| StatusCode::from_u16(status).ok()).collect(),
            }),
            (Some(name), None) => self.edge.upstream(name).ok_or_else(|| unknown(name))?,
            (None, None) => behavior.origin.clone(),
        };
        // Of a group only the primary is changed (CloudFront: updateRequestOrigin).
        let (Upstream::One(target) | Upstream::Group(Group { primary: target, .. })) = &mut upstream;
        *target = target.changed(change, &self.edge.tls);
        Ok(upstream)
    }

    /// One attempt, or two where the behavior's origin is a group and the method may be repeated.
    async fn ask(&self, behavior: &Behavior, upstream: Upstream, parts: request::Parts, body: Body) -> Result<Answered, Refusal> {
        let group = match upstream {
            Upstream::One(target) => return self.attempt(behavior, target, parts, body).await,
            Upstream::Group(group) => group,
        };
        let repeatable = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS) && body.is_empty();
        if !repeatable {
            return self.attempt(behavior, group.primary, parts, body).await;
        }
        let first = self.attempt(behavior, group.primary, copy_head(&parts), Body::empty()).await;
        let failed_over = match &first {
            Ok((response, _)) => group.statuses.contains(&response.status()),
            Err(Refusal::Origin(error)) => {
                tracing::info!(site = &*self.site.name, request_id = self.request_id.as_str(), %error, "failing over");
                true
            }
            Err(_) => false,
        };
        if failed_over { self.attempt(behavior, group.secondary, parts, Body::empty()).await } else { first }
    }

    /// The origin hooks around one request to one origin.
    async fn attempt(&self, behavior: &Behavior, mut target: Target, mut parts: request::Parts, mut body: Body) -> Result<Answered, Refusal> {
        if let Some(function) = &behavior.origin_request {
            match self.origin_request(function, behavior, &mut target, &mut parts, &mut body).await? {
                Some(generated) => return Ok((generated.map(Body::full), ResultType::LambdaGeneratedResponse)),
                None => {}
            }
        }
        let asked = behavior.origin_response.is_some().then(|| copy_head(&parts));
        let id = self.request_id.header();
        let forwarding = Forwarding { client_ip: &self.client.ip, via: &self.edge.via, request_id: &id, tls: self.client.tls.is_some() };
        let start = Instant::now();
        let fetched = target.fetch(Request::from_parts(parts, body), &forwarding).await;
        self.site.metrics.origin(start.elapsed());
        let mut response = fetched.map_err(|error| {
            self.site.metrics.origin_failed();
            Refusal::Origin(error)
        })?;
        if let (Some(function), Some(asked)) = (&behavior.origin_response, &asked) {
            response = self.origin_response(function, &target, asked, response).await?;
        }
        Ok((response, ResultType::Miss))
    }

    fn viewer_request(&self, function: &Arc<Revision>, parts: &mut request::Parts) -> Result<Flow, Refusal> {
        let moment = Moment::ViewerRequest;
        let answer = self.call_viewer(function, moment, |buffer| event::of_request(buffer, moment, &self.context(), parts, abi::Body::Hidden, None))?;
        hook::apply_to_request(moment, &answer, function.limits(), parts).map_err(|failure| Refusal::Hook { moment, failure })
    }

    fn viewer_response(&self, function: &Arc<Revision>, asked: &request::Parts, parts: &mut response::Parts) -> Result<Option<Bytes>, Refusal> {
        let moment = Moment::ViewerResponse;
        let answer =
            self.call_viewer(function, moment, |buffer| event::of_response(buffer, moment, &self.context(), asked, None, parts, abi::Body::Hidden))?;
        hook::apply_to_response(moment, &answer, function.limits(), parts).map_err(|failure| Refusal::Hook { moment, failure })
    }

    fn call_viewer(&self, function: &Arc<Revision>, moment: Moment, write: impl FnOnce(&mut Vec<u8>)) -> Result<Vec<u8>, Refusal> {
        let start = Instant::now();
        let outcome = EVENT.with_borrow_mut(|buffer| {
            write(buffer);
            function.call_viewer(moment, buffer)
        });
        self.site.metrics.hook(moment as usize, start.elapsed());
        self.answer(function, moment, outcome)
    }

    async fn origin_request(
        &self,
        function: &Arc<Revision>,
        behavior: &Behavior,
        target: &mut Target,
        parts: &mut request::Parts,
        body: &mut Body,
    ) -> Result<Option<Response<Bytes>>, Refusal> {
        let moment = Moment::OriginRequest;
        let failed = |failure| Refusal::Hook { moment, failure };
        let mut seen = None;
        if behavior.include_body {
            let max = usize::try_from(function.limits().value(Limit::BodyBytes)).unwrap_or(usize::MAX);
            seen = Some(read_body(body, max).await?);
        }
        let shown = seen.as_deref().map_or(abi::Body::Hidden, abi::Body::Whole);
        let mut buffer = Vec::new();
        event::of_request(&mut buffer, moment, &self.context(), parts, shown, Some(target));
        let start = Instant::now();
        let outcome = function.call_origin(moment, buffer).await;
        self.site.metrics.hook(moment as usize, start.elapsed());
        let answer = self.answer(function, moment, outcome)?;
        match hook::apply_to_request(moment, &answer, function.limits(), parts).map_err(failed)? {
            Flow::Respond(generated) => return Ok(Some(generated)),
            Flow::Continue(Changes { body: replaced, origin }) => {
                if let Some(replaced) = replaced {
                    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(replaced.len()));
                    *body = Body::full(replaced);
                }
                if let Some(change) = origin {
                    if let Some(name) = &change.select {
                        let found = self.edge.target(name).cloned();
                        *target = found.ok_or_else(|| failed(Failure::BadReply(format!("origin `{name}` is not declared"))))?;
                    }
                    *target = target.changed(&change, &self.edge.tls);
                }
            }
        }
        Ok(None)
    }

    async fn origin_response(&self, function: &Arc<Revision>, target: &Target, asked: &request::Parts, response: Response<Body>) -> Result<Response<Body>, Refusal> {
        let moment = Moment::OriginResponse;
        let (mut parts, mut body) = response.into_parts();
        let mut buffer = Vec::new();
        event::of_response(&mut buffer, moment, &self.context(), asked, Some(target), &parts, abi::Body::Hidden);
        let start = Instant::now();
        let outcome = function.call_origin(moment, buffer).await;
        self.site.metrics.hook(moment as usize, start.elapsed());
        let answer = self.answer(function, moment, outcome)?;
        let replaced = hook::apply_to_response(moment, &answer, function.limits(), &mut parts);
        if let Some(replaced) = replaced.map_err(|failure| Refusal::Hook { moment, failure })? {
            parts.headers.remove(header::CONTENT_LENGTH);
            parts.headers.remove(header::CONTENT_ENCODING);
            body = Body::full(replaced);
        }
        Ok(Response::from_parts(parts, body))
    }

    fn answer(&self, function: &Arc<Revision>, moment: Moment, outcome: Outcome) -> Result<Vec<u8>, Refusal> {
        if !outcome.log.is_empty() {
            for line in outcome.log.lines() {
                tracing::info!(target: "function", function = function.name(), request_id = self.request_id.as_str(), "{line}");
            }
        }
        outcome.result.map_err(|failure| Refusal::Hook { moment, failure })
    }

    fn context(&self) -> Context<'_> {
        Context {
            site: &self.site.name,
            request_id: self.request_id.as_str(),
            client_ip: &self.client.ip,
            edge_location: &self.edge.location,
        }
    }
}

fn refused(status: StatusCode, category: &'static str) -> Refusal {
    Refusal::Request { status, category }
}

/// The host that is asked for, without its port: RFC 9110 §7.2, RFC 9112 §3.2.
fn host(request: &Request<Incoming>) -> Result<String, ()> {
    if let Some(authority) = request.uri().authority() {
        return Ok(authority.host().to_owned());
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(()) };
    let authority = Authority::try_from(host.as_bytes()).map_err(|_| ())?;
    if authority.as_str().contains('@') {
        return Err(());
    }
    Ok(authority.host().to_owned())
}

fn check_request(parts: &request::Parts) -> Result<(), Refusal> {
    let url = parts.uri.path_and_query().map_or(1, |path| path.as_str().len());
    if url > request_limits::URL_BYTES {
        return Err(refused(StatusCode::URI_TOO_LONG, "uri-too-long"));
    }
    let bytes: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if bytes + url > request_limits::HEAD_BYTES {
        return Err(refused(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head-too-large"));
    }
    if parts.method == Method::CONNECT || !parts.uri.path().starts_with('/') {
        return Err(refused(StatusCode::BAD_REQUEST, "uri"));
    }
    Ok(())
}

/// Reads a body that an origin hook is to see. One that is larger than that is refused: CloudFront
/// truncates what the function sees, and we do not forward what nobody has looked at whole.
async fn read_body(body: &mut Body, max: usize) -> Result<Bytes, Refusal> {
    let whole = std::mem::replace(body, Body::empty());
    let read = Limited::new(whole, max).collect().await;
    let bytes = read.map_err(|_| refused(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large"))?.to_bytes();
    *body = Body::full(bytes.clone());
    Ok(bytes)
}

fn copy_head(parts: &request::Parts) -> request::Parts {
    let mut request = Request::new(());
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = parts.uri.clone();
    *request.version_mut() = parts.version;
    *request.headers_mut() = parts.headers.clone();
    request.into_parts().0
}

fn begin_log(edge: &Edge, client: &Client, request: &Request<Incoming>, id: &RequestId) -> Fields {
    let text = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("-").to_owned();
    Fields {
        edge_location: edge.location.to_string(),
        peer: client.peer,
        method: request.method().to_string(),
        host: request.uri().authority().map_or_else(|| text(header::HOST), ToString::to_string),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or("-").to_owned(),
        user_agent: text(header::USER_AGENT),
        referer: text(header::REFERER),
        request_id: id.as_str().to_owned(),
        protocol: if client.tls.is_some() { "https" } else { "http" },
        version: format!("{:?}", request.version()),
        tls_protocol: client.tls.as_ref().map_or("-", |tls| tls.protocol),
        tls_cipher: client.tls.as_ref().map_or("-", |tls| tls.cipher),
        status: 0,
        result: "-",
        traceparent: text(HeaderName::from_static("traceparent")),
    }
}

/// 32 hexadecimal digits: the process's own, then a count, mixed so that neighbours do not look alike.
struct RequestId([u8; 32]);

impl RequestId {
    fn next() -> RequestId {
        use std::hash::{BuildHasher as _, RandomState};
        thread_local! {
            static SEED: (u64, u64) = (RandomState::new().hash_one(1), RandomState::new().hash_one(2));
            static COUNT: Cell<u64> = const { Cell::new(0) };
        }
        let count = COUNT.get().wrapping_add(1);
        COUNT.set(count);
        let (high, low) = SEED.with(|seed| *seed);
        let low = (low ^ count).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut digits = [0; 32];
        let value = (u128::from(high) << 64) | u128::from(low ^ (low >> 29));
        for (i, digit) in digits.iter_mut().enumerate() {
            *digit = b"0123456789abcdef"[((value >> (124 - 4 * i)) & 15) as usize];
        }
        RequestId(digits)
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    fn header(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).unwrap_or(HeaderValue::from_static("-"))
    }
}
