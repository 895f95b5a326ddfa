//! One request's life, in the order of CloudFront's (Developer Guide, "How CloudFront processes requests and responses").
//!
//! Straight line, early returns. A behavior without a hook pays one `Option` check for it.

use http::header::{self, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, StatusCode, Version};
use hyper::body::Incoming;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use crate::cache::status::{CacheStatus, Forward};
use crate::config::{ForwardedHeaders, ViewerProtocol};
use crate::edge::Edge;
use crate::edge::body::{Content, PeekError};
use crate::edge::caching::{self, Asker, Caching, Way};
use crate::edge::error_page;
use crate::edge::head::{Head, Trailers};
use crate::edge::header::strip_response;
use crate::edge::hook::edit::{Beside, Flow};
use crate::edge::hook::{self, Asked, Scene};
use crate::edge::hops;
use crate::edge::id::RequestId;
use crate::edge::origin::{Backend, FetchError, Origin, announce, announce_for};
use crate::edge::record::Record;
use crate::edge::respond::{self, Answer, Refusal};
use crate::edge::signed;
use crate::edge::site::{Behavior, Elsewhere, Site};
use crate::edge::tally::Tally;
use crate::edge::tunnel::{self, Place};
use crate::failure::Failure;
use crate::function::revision::Revision;
use crate::limits::Limit;
use crate::net::{Pace, Stillness};
use crate::path::NormalPath;
use crate::telemetry::{Occasion, Open, ResultType, SpanKind};
use crate::wasm::abi::Moment;

pub(crate) async fn run(edge: &Arc<Edge>, record: &mut Record, request: Box<Request<Incoming>>) -> Result<Answer, Refusal> {
    let (parts, incoming) = (*request).into_parts();
    let mut head = Head::admit(parts)?;
    record.saw(&head);
    let site = edge.sites.find(head.host());
    if let Some(tls) = &record.client().tls
        && let Some(sni) = tls.sni.as_deref()
        && !sni.eq_ignore_ascii_case(head.host())
    {
        // A client may have several sites over one connection, but only where that makes no difference to any of them
        // (RFC 9110 section 15.5.20).
        let alike = site.zip(edge.sites.find(sni)).is_none_or(|(asked, named)| asked.trusts_as(named));
        if !tls.covers(head.host()) || !alike {
            return Err(Refusal::Misdirected);
        }
    }
    let site = site.ok_or(Refusal::UnknownHost)?.clone();
    if head.version == Version::HTTP_11 {
        head.interim.clone_from(&record.client().interim);
    }
    record.site = Some(site.clone());
    match &site.error_pages {
        None => visit(edge, record, &site, &mut head, incoming).await,
        Some(pages) => Box::pin(error_page::visit(pages, edge, record, &site, &mut head, incoming)).await,
    }
}

/// From the behavior on.
pub(super) async fn visit(
    edge: &Arc<Edge>,
    record: &Record,
    site: &Arc<Site>,
    head: &mut Head,
    incoming: Incoming,
) -> Result<Answer, Refusal> {
    let mut content = Content::viewer(incoming, Pace::of(record.client().upload_bytes_per_s));
    let secure = record.client().tls.is_some();
    let (behavior, has_signers) = {
        // By the path as it came: a hook that changes it changes neither behavior nor origin.
        let path = NormalPath::of(head.path());
        let behavior = site.behavior(&path).ok_or(Refusal::UnknownHost)?;
        match behavior.viewer_protocol {
            ViewerProtocol::HttpsOnly if !secure => return Err(Refusal::HttpsOnly),
            ViewerProtocol::RedirectToHttps if !secure => return respond::redirect_to_https(head, edge.https_port),
            _ => {}
        }
        if !behavior.allows(&head.method) {
            return Err(Refusal::Method);
        }
        if matches!(head.method, Method::GET | Method::HEAD) && !content.is_empty() {
            return Err(Refusal::BodyOfGet);
        }
        let asked = || signed::Asked::new(head, &path, secure, record.client().peer.ip());
        if let Some(signers) = &behavior.signers {
            signers.admit(&asked())?;
        }
        if path.has_nul() {
            return Err(Refusal::Path("it has a NUL"));
        }
        // What some server takes for another behavior's is neither given out nor stored by this one's rules.
        match site.elsewhere(&path, behavior) {
            Elsewhere::Nowhere => {}
            Elsewhere::Unknown => return Err(Refusal::Path("it has too much that servers read differently")),
            Elsewhere::Behavior(other) => {
                other.signers.as_ref().map_or(Ok(()), |signers| signers.admit(&asked()))?;
                return Err(Refusal::Path("some servers would take it for another behavior's"));
            }
        }
        // Nor is what the edge itself puts in this path's place.
        let behind = site.behind(&path, behavior);
        if let Some(signers) = behind {
            signers.admit(&asked())?;
        }
        (behavior, behavior.signers.is_some() || behind.is_some())
    };
    if let Some(answer) = hops::last(head, behavior) {
        return Ok(answer);
    }
    if has_signers {
        // From here on nobody sees what opened the door: not the hooks, not the key, not the origin.
        signed::strip(head);
    }
    behavior.forget_forwarded(head);
    let dress = behavior.dress(head);
    if let Some(viewer_headers) = &behavior.viewer_headers {
        viewer_headers.tell(record.client(), head.version, &mut head.headers);
    }
    let mut trip = Trip::new(edge, record, site, behavior);
    let scene = trip.scene;
    let mut beside = Beside::default();
    if let Some(hook) = behavior.hook(Moment::ViewerRequest) {
        let flow = hook::viewer_request(scene, hook, head, &mut beside);
        if let Flow::Respond(response) = flow.map_err(failed(scene, head, Moment::ViewerRequest, hook))? {
            hook.metrics().served_request();
            let mut answer = respond::generated(response, Moment::ViewerRequest);
            if let Some(dress) = &dress {
                dress.put_on(&mut answer, &record.id, &edge.location);
            }
            return Ok(answer);
        }
    }
    if let Some(root) = &site.default_root_object
        && NormalPath::of(head.path()).text() == "/"
    {
        head.target = with_path(&head.target, root);
    }

    let mut first = None;
    if let Some(edits) = beside.origin {
        let refuse = |failure| refused(scene, head, Moment::ViewerRequest, behavior, failure);
        trip.backend = edge.backends.choose(&behavior.backend, &edits).map_err(refuse)?;
        // Only the primary of a group is changed.
        first = Some(edge.backends.edit(trip.backend.primary(), &edits).map_err(refuse)?);
    }
    if let Some(hook) = behavior.hook(Moment::ViewerRequest) {
        hook.metrics().served_request();
    }
    let viewer_response = behavior.hook(Moment::ViewerResponse);
    let asked = viewer_response.map(|_| Asked::new(scene, Moment::ViewerResponse, head));
    if head.websocket {
        // Only a server behind a URL can be asked to speak another protocol.
        let primary = first.as_ref().unwrap_or_else(|| trip.backend.primary());
        head.websocket = behavior.websocket.is_some() && primary.is_url();
    }
    // Behind the events of viewer hooks, which would be larger for it.
    behavior.tell_forwarded(head, secure);
    let mut answer = trip.obtain(first, head, &mut content).await?;
    if let Some(dress) = &dress {
        dress.put_on(&mut answer, &record.id, &edge.location);
    }

    // Not for errors of the origin ("Restrictions on edge functions"), of which an answer that its hook made one is one; and
    // a handshake's answer is between its two ends.
    if let (Some(hook), Some(asked)) = (viewer_response, asked)
        && (200..400).contains(&answer.response.status().as_u16())
    {
        let (mut parts, mut content) = answer.response.into_parts();
        let replaced = hook::viewer_response(scene, hook, asked, &mut parts);
        let replaced = replaced.map_err(failed(scene, head, Moment::ViewerResponse, hook))?;
        hook.metrics().served_request();
        if let Some(body) = replaced {
            content = Content::full(body);
        }
        answer.response = http::Response::from_parts(parts, content);
    }
    Ok(answer)
}

/// From the cache at once, or by a way that takes time and so has a future of its own.
async fn cached(
    caching: &Caching,
    trip: &Trip<'_>,
    first: Option<Arc<Origin>>,
    head: &mut Head,
    content: &mut Content,
) -> Result<Answer, Refusal> {
    let way = Way::of(caching, trip, first.as_ref(), head.version);
    let Some(asker) = Asker::new(way, head, content) else {
        let status = CacheStatus::forward(Forward::Method);
        return Box::pin(caching::alone(caching, trip, first, head, content, status)).await;
    };
    let mut span = trip.open_span("cache lookup");
    let lookup = asker.look(head);
    if let Some(span) = &mut span {
        span.note(|span| span.text("edgeward.cache.lookup", lookup.name()));
    }
    drop(span);
    match asker.at_once(head, &lookup) {
        Some(answer) => Ok(answer),
        None => Box::pin(asker.settle(lookup, trip, first, head, content)).await,
    }
}

/// A request to go on as WebSocket: never from the cache, and only if there is a place for what may come of it.
async fn handshake(
    trip: &Trip<'_>,
    first: Option<Arc<Origin>>,
    head: &mut Head,
    content: &mut Content,
) -> Result<Answer, Refusal> {
    tunnel::admit(&head.headers)?;
    let place = Place::take(trip.edge).ok_or(Refusal::Tunnels)?;
    let mut answer = match &trip.behavior.caching {
        None => trip.fetch(first, head, content).await?,
        Some(caching) => caching::alone(caching, trip, first, head, content, CacheStatus::forward(Forward::Bypass)).await?,
    };
    if let (Content::Switched(switched), Some(websocket)) = (answer.response.body_mut(), trip.behavior.websocket) {
        switched.place = Some((place, websocket.idle));
    }
    Ok(answer)
}

/// The way to the origin, and back.
pub(crate) struct Trip<'a> {
    edge: &'a Arc<Edge>,
    scene: Scene<'a>,
    site: &'a Arc<Site>,
    behavior: &'a Arc<Behavior>,
    pub(crate) secure: bool,
    backend: Backend,
    /// None: nobody waits for its answer.
    stillness: Option<&'a Stillness>,
}

/// A trip that goes on when its request has been answered.
pub(crate) struct OwnedTrip {
    edge: Arc<Edge>,
    site: Arc<Site>,
    behavior: Arc<Behavior>,
    id: RequestId,
    client_ip: Arc<str>,
    secure: bool,
    backend: Backend,
    tally: Tally,
}

impl OwnedTrip {
    /// None if the behavior does not cache, which only those do that make such a trip.
    pub(crate) fn lend(&self) -> Option<(Trip<'_>, &Caching)> {
        let caching = self.behavior.caching.as_ref()?;
        let scene = Scene {
            site: &self.site.name,
            id: &self.id,
            client_ip: &self.client_ip,
            edge_location: &self.edge.location,
            metrics: &self.edge.metrics,
            tally: &self.tally,
            // The request that has caused it is over, or will be.
            trace: None,
        };
        let OwnedTrip { edge, site, behavior, secure, backend, .. } = self;
        Some((Trip { edge, scene, site, behavior, secure: *secure, backend: backend.clone(), stillness: None }, caching))
    }
}

/// An answer, and what the origin itself said: none if its request hook answered.
struct Attempt {
    answer: Answer,
    status: Option<StatusCode>,
}

impl<'a> Trip<'a> {
    pub(crate) fn new(edge: &'a Arc<Edge>, record: &'a Record, site: &'a Arc<Site>, behavior: &'a Arc<Behavior>) -> Trip<'a> {
        let client = record.client();
        let scene = Scene {
            site: &site.name,
            id: &record.id,
            client_ip: &client.ip,
            edge_location: &edge.location,
            metrics: &edge.metrics,
            tally: &record.tally,
            trace: record.trace.as_deref(),
        };
        let (secure, backend) = (client.tls.is_some(), behavior.backend.clone());
        Trip { edge, scene, site, behavior, secure, backend, stillness: client.stillness.as_ref() }
    }

    pub(crate) fn client(&self) -> IpAddr {
        self.scene.client_ip.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    /// Who answers, as the configuration or a hook has chosen.
    pub(crate) fn backend(&self) -> &Backend {
        &self.backend
    }

    /// What `announce` adds for the origin: the client's address, and whom the request came through.
    pub(crate) fn added(&self, version: Version) -> (&'a str, &'a HeaderValue) {
        (self.scene.client_ip, self.edge.via.of(version))
    }

    /// None if the request is not traced.
    pub(crate) fn open_span(&self, name: &str) -> Option<Open<'_>> {
        self.scene.trace.map(|trace| trace.open(name, SpanKind::Internal))
    }

    /// What is asked of an origin, which is told that it is a part of this.
    fn open_fetch(&self, origin: &Origin, head: &mut Head) -> Option<Open<'_>> {
        const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
        let mut open = self.scene.trace?.open(head.method.as_str(), SpanKind::Client);
        if let Ok(traceparent) = HeaderValue::from_str(&open.traceparent()) {
            head.headers.insert(TRACEPARENT, traceparent);
        }
        let (event, _) = origin.event();
        open.note(|span| {
            span.text("http.request.method", head.method.as_str());
            span.text("url.path", head.path());
            span.text("edgeward.origin", &origin.name);
            if !event.host.is_empty() {
                span.text("server.address", event.host);
                span.number("server.port", u64::from(event.port));
            }
        });
        Some(open)
    }

    /// The same trip, for a task of its own.
    pub(crate) fn own(&self) -> OwnedTrip {
        OwnedTrip {
            edge: self.edge.clone(),
            site: self.site.clone(),
            behavior: self.behavior.clone(),
            id: *self.scene.id,
            client_ip: self.scene.client_ip.clone(),
            secure: self.secure,
            backend: self.backend.clone(),
            tally: Tally::default(),
        }
    }

    /// The answer in place of one that there is not.
    pub(crate) fn refuse(&self, refusal: &Refusal, path: &str) -> Answer {
        refusal.answer(self.edge, self.scene.occasion(path))
    }

    /// From the cache or from the origin. `first` is the primary as a hook has changed it; what is sent is taken out of
    /// `head` and `content`.
    pub(super) async fn obtain(
        &self,
        first: Option<Arc<Origin>>,
        head: &mut Head,
        content: &mut Content,
    ) -> Result<Answer, Refusal> {
        match &self.behavior.caching {
            _ if head.websocket => Box::pin(handshake(self, first, head, content)).await,
            None => self.fetch(first, head, content).await,
            Some(caching) => cached(caching, self, first, head, content).await,
        }
    }

    /// From the origin; the arguments are those of `obtain`.
    pub(crate) async fn fetch(
        &self,
        first: Option<Arc<Origin>>,
        head: &mut Head,
        content: &mut Content,
    ) -> Result<Answer, Refusal> {
        let group = match &self.backend {
            Backend::One(origin) => {
                let origin = first.as_ref().unwrap_or(origin);
                return Ok(self.attempt(origin, head, content).await?.answer);
            }
            Backend::Group(group) => group,
        };
        let primary = first.as_ref().unwrap_or(&group.primary);
        if !head.is_safe() || !content.is_empty() {
            return Ok(self.attempt(primary, head, content).await?.answer);
        }
        match self.attempt(primary, &mut Box::new(head.clone()), &mut Content::Empty).await {
            Ok(attempt) if attempt.status.is_none_or(|status| !group.statuses.contains(&status.as_u16())) => {
                return Ok(attempt.answer);
            }
            Err(Refusal::Fetch(error)) if error.is_elsewhere() => return Err(Refusal::Fetch(error)),
            Ok(_) | Err(Refusal::Fetch(_) | Refusal::OriginBody(_)) => {}
            Err(refusal) => return Err(refusal),
        }
        primary.metrics.failed_over();
        self.scene.tally.failed_over();
        Ok(self.attempt(&group.secondary, head, content).await?.answer)
    }

    /// An origin has not answered. The log hears of it here, even if another one will answer.
    fn unanswered(&self, origin: &Origin, head: &Head, error: FetchError) -> Refusal {
        let (elsewhere, reason) = (error.is_elsewhere(), error.reason());
        let refusal = Refusal::Fetch(error);
        if !elsewhere {
            let occasion = self.scene.occasion(head.path());
            origin.metrics.failed(reason, Occasion { category: refusal.category(), cause: &refusal, ..occasion });
        }
        refusal
    }

    /// The body of an origin's answer, which a hook was to see, does not come.
    fn broken(&self, origin: &Origin, head: &Head, error: PeekError) -> Refusal {
        let refusal = Refusal::OriginBody(error);
        let occasion = self.scene.occasion(head.path());
        origin.metrics.broke(Occasion { category: refusal.category(), cause: &refusal, ..occasion });
        refusal
    }

    async fn attempt(&self, origin: &Arc<Origin>, head: &mut Head, content: &mut Content) -> Result<Attempt, Refusal> {
        const ID: HeaderName = HeaderName::from_static("x-amz-cf-id");
        let mut origin = origin.clone();
        if let Some(host) = origin.host() {
            head.headers.insert(header::HOST, host.clone());
        }
        announce(&mut head.headers, self.scene.client_ip, self.edge.via_onwards.of(head.version));
        if self.behavior.forwarded_headers == ForwardedHeaders::Set {
            announce_for(&mut head.headers, self.scene.client_ip);
        }
        if let Some(hook) = self.behavior.hook(Moment::OriginRequest) {
            let shown = if self.behavior.include_body {
                Some(Box::pin(content.peek(shown_bytes(hook))).await.map_err(Refusal::Body)?)
            } else {
                None
            };
            let mut beside = Beside::default();
            let (event, headers) = origin.event();
            let flow = hook::origin_request(self.scene, hook, head, shown.as_ref(), &event, headers, &mut beside).await;
            if let Flow::Respond(response) = flow.map_err(failed(self.scene, head, Moment::OriginRequest, hook))? {
                hook.metrics().served_request();
                return Ok(Attempt { answer: respond::generated(response, Moment::OriginRequest), status: None });
            }
            if let Some(body) = beside.body {
                *content = Content::full(body);
                head.headers.remove(header::CONTENT_LENGTH);
            }
            if let Some(edits) = beside.origin {
                let refuse = |failure| refused(self.scene, head, Moment::OriginRequest, self.behavior, failure);
                let Backend::One(chosen) = self.edge.backends.choose(&Backend::One(origin), &edits).map_err(refuse)? else {
                    return Err(refuse(Failure::BadReply("an origin group can only be chosen in viewer-request".to_owned())));
                };
                origin = self.edge.backends.edit(&chosen, &edits).map_err(refuse)?;
                let moved = edits.choice.is_some() || edits.address.is_some() || edits.host_header.is_some();
                if let (true, Some(host)) = (moved, origin.host()) {
                    head.headers.insert(header::HOST, host.clone());
                }
            }
            hook.metrics().served_request();
        }
        if origin.may_be_left_by(head.path()) {
            return Err(Refusal::Path("it leads out of the origin's own"));
        }
        if let Ok(id) = HeaderValue::from_str(self.scene.id.as_str()) {
            head.headers.insert(ID, id);
        }

        if let (Some(stillness), Some(silence)) = (self.stillness, origin.silence()) {
            stillness.allow(silence);
        }
        let origin_response = self.behavior.hook(Moment::OriginResponse);
        let asked = origin_response.map(|_| Asked::new(self.scene, Moment::OriginResponse, head));
        let mut span = self.open_fetch(&origin, head);
        let started = Instant::now();
        self.scene.tally.begin(&origin.metrics);
        let fetched = origin.fetch(head, content, self.secure, started, self.scene.tally).await;
        let mut response = match fetched {
            Ok(response) => response,
            Err(error) => {
                if let Some(span) = &mut span {
                    span.note(|span| span.fail(error.reason()));
                }
                return Err(self.unanswered(&origin, head, error));
            }
        };
        let after = started.elapsed();
        self.scene.tally.answered(after);
        if response.status() == StatusCode::SWITCHING_PROTOCOLS && !matches!(response.body(), Content::Switched(_)) {
            // A component cannot, whatever it says.
            return Err(self.unanswered(&origin, head, FetchError::Switched));
        }
        origin.metrics.answered(response.status().as_u16(), after.as_secs_f64());
        strip_response(response.headers_mut(), head.trailers != Trailers::Dropped);
        let status = response.status();
        if let Some(span) = &mut span {
            span.note(|span| {
                span.number("http.response.status_code", u64::from(status.as_u16()));
                if status.is_client_error() || status.is_server_error() {
                    span.fail(status.as_str());
                }
            });
        }
        // It lasts until the head of the answer: the body comes as fast as the client takes it.
        drop(span);
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Attempt { answer: Answer { response, result: ResultType::Miss }, status: Some(status) });
        }

        if let (Some(hook), Some(asked)) = (origin_response, asked) {
            let (mut parts, mut content) = response.into_parts();
            let shown = if self.behavior.include_body {
                let shown = Box::pin(content.peek(shown_bytes(hook))).await;
                Some(shown.map_err(|error| self.broken(&origin, head, error))?)
            } else {
                None
            };
            let (event, headers) = origin.event();
            let replaced = hook::origin_response(self.scene, hook, asked, &event, headers, &mut parts, shown.as_ref()).await;
            if let Some(body) = replaced.map_err(failed(self.scene, head, Moment::OriginResponse, hook))? {
                content = Content::full(body);
            }
            hook.metrics().served_request();
            response = http::Response::from_parts(parts, content);
        }
        let result = if response.status().as_u16() < 400 { ResultType::Miss } else { ResultType::Error };
        Ok(Attempt { answer: Answer { response, result }, status: Some(status) })
    }
}

fn shown_bytes(hook: &Revision) -> usize {
    usize::try_from(hook.limits().value(Limit::BodyBytes)).unwrap_or(usize::MAX)
}

/// A hook has failed; the log hears of it here.
fn failed<'a>(scene: Scene<'a>, head: &'a Head, moment: Moment, hook: &'a Revision) -> impl FnOnce(Failure) -> Refusal + 'a {
    move |failure| {
        let refusal = Refusal::Hook { moment, function: hook.name().to_owned(), failure };
        let occasion = scene.occasion(head.path());
        hook.metrics().failed_request(Occasion { category: refusal.category(), cause: &refusal, ..occasion });
        refusal
    }
}

/// What the hook of this moment wants cannot be done.
fn refused(scene: Scene<'_>, head: &Head, moment: Moment, behavior: &Behavior, failure: Failure) -> Refusal {
    match behavior.hook(moment) {
        Some(hook) => failed(scene, head, moment, hook)(failure),
        None => Refusal::Hook { moment, function: String::new(), failure },
    }
}

/// The same query on another path, which the configuration has checked.
fn with_path(target: &PathAndQuery, path: &str) -> PathAndQuery {
    let text = match target.query() {
        None => path.to_owned(),
        Some(query) => format!("{path}?{query}"),
    };
    PathAndQuery::from_maybe_shared(bytes::Bytes::from(text)).unwrap_or_else(|_| target.clone())
}
