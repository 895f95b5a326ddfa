//! The way of one request to its origin and back.
//!
//! ```text
//! fetch ─► the primary ──failed──► the secondary, if there is one
//!            │
//!            └─ attempt: origin-request hook ─► send ─► origin-response hook
//! ```
//!
//! A behavior without hooks pays one `Option` check for each. Nothing is known of the cache here.

use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode, Version};

use crate::edge::answer::Answer;
use crate::edge::body::content::Content;
use crate::edge::body::peek::PeekError;
use crate::edge::body::request::RequestBody;
use crate::edge::hook::edit::Flow;
use crate::edge::hook::edits::{HookEdits, OriginEdits};
use crate::edge::hook::origin_hook::OriginHook;
use crate::edge::hook::{self, HookContext, ResponseEvent};
use crate::edge::node::Node;
use crate::edge::origin::announce::announce;
use crate::edge::origin::backend::{Backend, FailoverGroup, Origin};
use crate::edge::origin::error::FetchError;
use crate::edge::origin::fetch::fetch;
use crate::edge::record::RequestRecord;
use crate::edge::record::tally::Tally;
use crate::edge::request::head::{RequestHead, Trailers};
use crate::edge::request::header_rules::strip_response;
use crate::edge::request::id::RequestId;
use crate::edge::response::generated;
use crate::edge::response::rejection::Rejection;
use crate::edge::site::Site;
use crate::edge::site::behavior::Behavior;
use crate::edge::site::caching::Caching;
use crate::failure::Failure;
use crate::function::lane::WorkerLane;
use crate::net::Stillness;
use crate::telemetry::{FunctionMetrics, Occasion, OpenSpan, ResultType, SpanKind};
use crate::wasm::abi::Moment;

const ID: HeaderName = HeaderName::from_static("x-amz-cf-id");

/// Headers that are added to a request for an origin, so that their map grows once: `Forwarded` and `X-Forwarded-*` (5),
/// `Via`, `User-Agent`, `X-Amz-Cf-Id` and `CDN-Loop`.
const OWN_HEADERS: usize = 9;

/// See the module.
pub(crate) struct Trip<'a> {
    pub(crate) node: &'a Arc<Node>,
    pub(crate) context: HookContext<'a>,
    site: &'a Arc<Site>,
    pub(crate) behavior: &'a Arc<Behavior>,
    /// Whether the viewer came by HTTPS.
    pub(crate) secure: bool,
    /// Who answers, as the configuration or a hook has chosen.
    pub(crate) backend: Backend,
    /// `None` if no client waits for the answer.
    stillness: Option<&'a Stillness>,
}

/// A trip that goes on after its request has been answered.
pub(crate) struct OwnedTrip {
    node: Arc<Node>,
    site: Arc<Site>,
    behavior: Arc<Behavior>,
    id: RequestId,
    client_ip: Arc<str>,
    lane: Rc<WorkerLane>,
    secure: bool,
    backend: Backend,
    tally: Tally,
}

impl OwnedTrip {
    /// `None` if the behavior does not cache; only behaviors that do make such trips.
    pub(crate) fn lend(&self) -> Option<(Trip<'_>, &Caching)> {
        let caching = self.behavior.caching.as_ref()?;
        let context = HookContext {
            site: &self.site.name,
            id: &self.id,
            client_ip: &self.client_ip,
            lane: &self.lane,
            edge_location: &self.node.location,
            metrics: &self.node.metrics,
            tally: &self.tally,
            // The request that caused it has been answered, or will be.
            trace: None,
        };
        let OwnedTrip { node, site, behavior, secure, backend, .. } = self;
        Some((Trip { node, context, site, behavior, secure: *secure, backend: backend.clone(), stillness: None }, caching))
    }
}

/// An answer, and the origin's own status: `None` if its request hook answered.
struct Attempt {
    answer: Answer,
    status: Option<StatusCode>,
}

/// What an origin-request hook leads to.
#[expect(clippy::large_enum_variant, reason = "it lives for one statement")]
enum AfterOriginRequest {
    /// Ask this origin.
    Ask(Arc<Origin>),
    Answer(Answer),
}

impl<'a> Trip<'a> {
    pub(crate) fn new(
        node: &'a Arc<Node>,
        lane: &'a Rc<WorkerLane>,
        record: &'a RequestRecord,
        site: &'a Arc<Site>,
        behavior: &'a Arc<Behavior>,
    ) -> Trip<'a> {
        let client = record.client();
        let context = HookContext {
            site: &site.name,
            id: &record.id,
            client_ip: &client.ip,
            lane,
            edge_location: &node.location,
            metrics: &node.metrics,
            tally: &record.tally,
            trace: record.trace.as_deref(),
        };
        let (secure, backend) = (client.tls.is_some(), behavior.backend.clone());
        Trip { node, context, site, behavior, secure, backend, stillness: client.stillness.as_ref() }
    }

    pub(crate) fn client_ip(&self) -> IpAddr {
        self.context.client_ip.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    /// What `announce` adds for the origin: the client's address, and `Via`.
    pub(crate) fn added_for_origin(&self, version: Version) -> (&'a str, &'a HeaderValue) {
        (self.context.client_ip, self.node.via.of(version))
    }

    /// `None` if the request is not traced.
    pub(crate) fn open_span(&self, name: &str) -> Option<OpenSpan<'_>> {
        self.context.trace.map(|trace| trace.open(name, SpanKind::Internal))
    }

    /// The same trip, for a task of its own.
    pub(crate) fn own(&self) -> OwnedTrip {
        OwnedTrip {
            node: self.node.clone(),
            site: self.site.clone(),
            behavior: self.behavior.clone(),
            id: *self.context.id,
            client_ip: self.context.client_ip.clone(),
            lane: self.context.lane.clone(),
            secure: self.secure,
            backend: self.backend.clone(),
            tally: Tally::default(),
        }
    }

    /// Builds the error response.
    pub(crate) fn reject(&self, rejection: &Rejection, path: &str) -> Answer {
        rejection.answer(self.node, self.context.occasion(path))
    }

    /// Asks the origin, or the second one of a group if the first fails. `first` is the primary as a hook has edited it.
    /// Takes what is sent out of `head` and `body`.
    pub(crate) async fn fetch(
        &self,
        first: Option<Arc<Origin>>,
        head: &mut RequestHead,
        body: &mut RequestBody,
    ) -> Result<Answer, Rejection> {
        match &self.backend {
            Backend::One(origin) => {
                let origin = first.as_ref().unwrap_or(origin);
                Ok(self.attempt(origin, head, body).await?.answer)
            }
            Backend::Group(group) => Box::pin(self.fetch_from_group(group, first, head, body)).await,
        }
    }

    async fn fetch_from_group(
        &self,
        group: &FailoverGroup,
        first: Option<Arc<Origin>>,
        head: &mut RequestHead,
        body: &mut RequestBody,
    ) -> Result<Answer, Rejection> {
        let primary = first.as_ref().unwrap_or(&group.primary);
        if !head.is_safe() || !body.is_empty() {
            return Ok(self.attempt(primary, head, body).await?.answer);
        }
        match self.attempt(primary, &mut head.clone(), &mut RequestBody::Empty).await {
            Ok(attempt) if attempt.status.is_none_or(|status| !group.statuses.contains(&status.as_u16())) => {
                return Ok(attempt.answer);
            }
            Err(Rejection::Fetch(error)) if error.is_elsewhere() => return Err(Rejection::Fetch(error)),
            Ok(_) | Err(Rejection::Fetch(_) | Rejection::OriginBody(_)) => {}
            Err(rejection) => return Err(rejection),
        }
        primary.metrics.failed_over();
        self.context.tally.failed_over();
        Ok(self.attempt(&group.secondary, head, body).await?.answer)
    }

    /// Asks one origin, with its hooks. Their futures are boxed: a request without hooks does not pay for their size.
    async fn attempt(&self, origin: &Arc<Origin>, head: &mut RequestHead, body: &mut RequestBody) -> Result<Attempt, Rejection> {
        let mut origin = origin.clone();
        self.address(&origin, head);
        if let Some(hook) = self.behavior.origin_hook(Moment::OriginRequest) {
            match Box::pin(self.run_origin_request(hook, origin, head, body)).await? {
                AfterOriginRequest::Ask(chosen) => origin = chosen,
                AfterOriginRequest::Answer(answer) => return Ok(Attempt { answer, status: None }),
            }
        }
        if origin.may_be_left_by(head.path()) {
            return Err(Rejection::Path("it leads out of the path of the origin's URL"));
        }
        if let Ok(id) = HeaderValue::from_str(self.context.id.as_str()) {
            head.headers.insert(ID, id);
        }
        let response_hook = self.behavior.origin_hook(Moment::OriginResponse);
        let response_hook = response_hook.map(|hook| (hook, ResponseEvent::new(self.context, Moment::OriginResponse, head)));
        let mut response = self.send(&origin, head, body).await?;
        let status = response.status();
        // A handshake's answer concerns its two ends alone.
        if let Some((hook, event)) = response_hook
            && status != StatusCode::SWITCHING_PROTOCOLS
        {
            response = Box::pin(self.run_origin_response(hook, event, &origin, head, response)).await?;
        }
        let result = if response.status().as_u16() < 400 { ResultType::Miss } else { ResultType::Error };
        Ok(Attempt { answer: Answer { response, result }, status: Some(status) })
    }

    /// Adds what every origin is told: its `Host`, and who asks by way of whom.
    fn address(&self, origin: &Origin, head: &mut RequestHead) {
        head.headers.reserve(OWN_HEADERS);
        self.behavior.set_forwarded_fields_of(self.context.client_ip, head, self.secure);
        if let Some(host) = origin.host() {
            head.headers.insert(header::HOST, host.clone());
        }
        announce(&mut head.headers, self.context.client_ip, self.node.via_onwards.of(head.version));
    }

    async fn run_origin_request(
        &self,
        hook: &OriginHook,
        origin: Arc<Origin>,
        head: &mut RequestHead,
        body: &mut RequestBody,
    ) -> Result<AfterOriginRequest, Rejection> {
        let moment = Moment::OriginRequest;
        let hook = &hook.hold().map_err(not_held(self.context, head, moment))?;
        let preview = match self.behavior.include_body {
            true => Some(body.peek(hook.preview_bytes()).await.map_err(Rejection::Body)?),
            false => None,
        };
        let mut edits = HookEdits::default();
        let (event, headers) = origin.event();
        let flow = hook::origin_request(self.context, hook, head, preview.as_ref(), &event, headers, &mut edits).await;
        if let Flow::Respond(response) = flow.map_err(hook_failed(self.context, head, moment, hook.metrics()))? {
            hook.metrics().served_request();
            return Ok(AfterOriginRequest::Answer(generated::by_hook(response, moment)));
        }
        if let Some(replaced) = edits.body {
            *body = RequestBody::full(replaced);
            head.headers.remove(header::CONTENT_LENGTH);
        }
        let origin = match edits.origin {
            None => origin,
            Some(edits) => {
                let edited = self.edit_origin(origin, &edits);
                let edited = edited.map_err(hook_failed(self.context, head, moment, hook.metrics()))?;
                if let (true, Some(host)) = (edits.move_the_request(), edited.host()) {
                    head.headers.insert(header::HOST, host.clone());
                }
                edited
            }
        };
        hook.metrics().served_request();
        Ok(AfterOriginRequest::Ask(origin))
    }

    fn edit_origin(&self, origin: Arc<Origin>, edits: &OriginEdits) -> Result<Arc<Origin>, Failure> {
        let backends = &self.node.backends;
        match backends.choose(&Backend::One(origin), edits)? {
            Backend::One(chosen) => backends.edit(&chosen, edits),
            Backend::Group(_) => Err(Failure::BadReply("an origin group can only be chosen in viewer-request".to_owned())),
        }
    }

    /// Sends the request; returns when the head of the response has come.
    async fn send(
        &self,
        origin: &Arc<Origin>,
        head: &mut RequestHead,
        body: &mut RequestBody,
    ) -> Result<Response<Content>, Rejection> {
        if let (Some(stillness), Some(timeout)) = (self.stillness, origin.read_timeout()) {
            stillness.allow(timeout);
        }
        // The span ends with the head of the response: the body comes as fast as the client takes it.
        let mut span = self.open_fetch_span(origin, head);
        let started = Instant::now();
        self.context.tally.begin(&origin.metrics);
        let mut response = match fetch(origin, self.context.lane, head, body, self.secure, started, self.context.tally).await {
            Ok(response) => response,
            Err(error) => {
                if let Some(span) = &mut span {
                    span.note(|span| span.fail(error.reason()));
                }
                return Err(self.not_answered(origin, head, error));
            }
        };
        let after = started.elapsed();
        self.context.tally.answered(after);
        let status = response.status();
        if status == StatusCode::SWITCHING_PROTOCOLS && !matches!(response.body(), Content::Switched(_)) {
            // A component cannot switch protocols, whatever it says.
            return Err(self.not_answered(origin, head, FetchError::Switched));
        }
        origin.metrics.answered(status.as_u16(), after.as_secs_f64());
        strip_response(response.headers_mut(), head.trailers != Trailers::Dropped);
        if let Some(span) = &mut span {
            span.note(|span| {
                span.number("http.response.status_code", u64::from(status.as_u16()));
                if status.is_client_error() || status.is_server_error() {
                    span.fail(status.as_str());
                }
            });
        }
        Ok(response)
    }

    async fn run_origin_response(
        &self,
        hook: &OriginHook,
        event: ResponseEvent,
        origin: &Arc<Origin>,
        head: &RequestHead,
        response: Response<Content>,
    ) -> Result<Response<Content>, Rejection> {
        let moment = Moment::OriginResponse;
        let hook = &hook.hold().map_err(not_held(self.context, head, moment))?;
        let (mut parts, mut content) = response.into_parts();
        let preview = match self.behavior.include_body {
            true => {
                let preview = content.peek(hook.preview_bytes()).await;
                Some(preview.map_err(|error| self.body_broke(origin, head, error))?)
            }
            false => None,
        };
        let (origin_event, headers) = origin.event();
        let replaced =
            hook::origin_response(self.context, hook, event, &origin_event, headers, &mut parts, preview.as_ref()).await;
        if let Some(body) = replaced.map_err(hook_failed(self.context, head, moment, hook.metrics()))? {
            content = Content::full(body);
        }
        hook.metrics().served_request();
        Ok(Response::from_parts(parts, content))
    }

    /// Opens the span of a request to an origin, and tells the origin that its work belongs to it.
    fn open_fetch_span(&self, origin: &Origin, head: &mut RequestHead) -> Option<OpenSpan<'_>> {
        const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
        let mut open = self.context.trace?.open(head.method.as_str(), SpanKind::Client);
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

    /// Logs that an origin has not answered, even if another one will.
    fn not_answered(&self, origin: &Origin, head: &RequestHead, error: FetchError) -> Rejection {
        let (elsewhere, reason) = (error.is_elsewhere(), error.reason());
        let rejection = Rejection::Fetch(error);
        if !elsewhere {
            let occasion = self.context.occasion(head.path());
            origin.metrics.failed(reason, Occasion { category: rejection.category(), cause: &rejection, ..occasion });
        }
        rejection
    }

    /// Logs that the body of an origin's answer, which a hook was to see, did not come.
    fn body_broke(&self, origin: &Origin, head: &RequestHead, error: PeekError) -> Rejection {
        let rejection = Rejection::OriginBody(error);
        let occasion = self.context.occasion(head.path());
        origin.metrics.broke(Occasion { category: rejection.category(), cause: &rejection, ..occasion });
        rejection
    }
}

/// Logs that a hook has failed.
pub(crate) fn hook_failed<'a>(
    context: HookContext<'a>,
    head: &'a RequestHead,
    moment: Moment,
    hook: &'a FunctionMetrics,
) -> impl FnOnce(Failure) -> Rejection + 'a {
    let failed = not_held(context, head, moment);
    move |failure| failed((failure, hook))
}

/// The same of one that had no version to run.
fn not_held<'a>(
    context: HookContext<'a>,
    head: &'a RequestHead,
    moment: Moment,
) -> impl FnOnce((Failure, &'a FunctionMetrics)) -> Rejection + 'a {
    move |(failure, metrics)| {
        let rejection = Rejection::Hook { moment, function: metrics.name().to_owned(), failure };
        let occasion = context.occasion(head.path());
        metrics.failed_request(Occasion { category: rejection.category(), cause: &rejection, ..occasion });
        rejection
    }
}
