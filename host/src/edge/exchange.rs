//! One request's life, in the order of CloudFront's (Developer Guide, "How CloudFront processes requests and responses").
//!
//! ```text
//! run ─► head ─► Site ─► visit: admission ─► viewer-request ─► obtain (cache, origin) ─► viewer-response
//!                          └─ an error that has a page ─► obtain the page
//! ```
//!
//! Straight-line code with early returns. A behavior without a hook pays one `Option` check for it.

mod admission;
mod obtain;
mod viewer_hooks;

use std::rc::Rc;
use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{Method, Request, StatusCode, Version};
use hyper::body::Incoming;

use crate::edge::answer::Answer;
use crate::edge::body::request::RequestBody;
use crate::edge::exchange::admission::Admitted;
use crate::edge::exchange::obtain::obtain;
use crate::edge::exchange::viewer_hooks::AfterViewerRequest;
use crate::edge::hook::ResponseEvent;
use crate::edge::node::Node;
use crate::edge::record::RequestRecord;
use crate::edge::request::head::RequestHead;
use crate::edge::request::spare;
use crate::edge::response::max_forwards;
use crate::edge::response::rejection::Rejection;
use crate::edge::site::behavior::Behavior;
use crate::edge::site::error_pages::{ErrorPages, page_headers};
use crate::edge::site::response_headers::ResponseHeaderPolicy;
use crate::edge::site::{Site, Sites, signed};
use crate::edge::trip::Trip;
use crate::function::lane::WorkerLane;
use crate::net::Pace;
use crate::path::NormalPath;
use crate::wasm::abi::Moment;

/// Answers a request; the edge's own headers are added later.
pub(crate) async fn run(
    node: &Arc<Node>,
    sites: &Sites,
    lane: &Rc<WorkerLane>,
    record: &mut RequestRecord,
    request: Box<Request<Incoming>>,
) -> Result<Answer, Rejection> {
    let (parts, incoming) = (*request).into_parts();
    let mut head = RequestHead::admit(parts)?;
    record.saw(&head);
    let site = admission::site(sites, record.client(), &head)?.clone();
    if head.version == Version::HTTP_11 {
        head.interim.clone_from(&record.client().interim);
    }
    record.site = Some(site.clone());
    let mut body = RequestBody::viewer(incoming, Pace::of(record.client().upload_bytes_per_s));
    let visit = Visit { node, lane, record, site: &site };
    let answer = match &site.error_pages {
        None => visit.serve(&mut head, &mut body).await,
        Some(pages) => Box::pin(visit.serve_with_pages(pages, &mut head, &mut body)).await,
    };
    spare::keep(head.headers);
    answer
}

/// One request at its site.
struct Visit<'a> {
    node: &'a Arc<Node>,
    lane: &'a Rc<WorkerLane>,
    record: &'a RequestRecord,
    site: &'a Arc<Site>,
}

impl Visit<'_> {
    /// Everything from the choice of a behavior on.
    async fn serve(&self, head: &mut RequestHead, body: &mut RequestBody) -> Result<Answer, Rejection> {
        let Visit { node, record, site, .. } = *self;
        let (behavior, is_signed) = match admission::admit(site, head, body, record.client(), node.https_port)? {
            Admitted::Serve { behavior, is_signed } => (behavior, is_signed),
            Admitted::Redirect(answer) => return Ok(answer),
        };
        if let Some(answer) = max_forwards::answer_last_hop(head, behavior) {
            return Ok(answer);
        }
        if is_signed {
            // From here on nobody sees the signature: no hook, no key, no origin.
            signed::strip(head);
        }
        behavior.forget_forwarded_fields(head);
        let policy = behavior.response_header_policy(head);
        if let Some(viewer_headers) = &behavior.viewer_headers {
            viewer_headers.add_to(&mut head.headers, record.client(), head.version);
        }

        let mut trip = self.trip(behavior);
        let first = match viewer_hooks::request(&mut trip, head)? {
            AfterViewerRequest::Proceed(first) => first,
            AfterViewerRequest::Answer(mut answer) => {
                self.apply(policy.as_ref(), &mut answer);
                return Ok(answer);
            }
        };
        if let Some(root) = &site.default_root_object
            && NormalPath::of(head.path()).text() == "/"
        {
            head.target = with_path(&head.target, root);
        }
        let response_hook = behavior.hook(Moment::ViewerResponse);
        let response_hook = response_hook.map(|hook| (hook, ResponseEvent::new(trip.context, Moment::ViewerResponse, head)));

        // After the events of viewer hooks, which would be larger for it.
        behavior.set_forwarded_fields(head, trip.secure);
        let mut answer = obtain(&trip, first, head, body).await?;
        self.apply(policy.as_ref(), &mut answer);

        // Not for errors ("Restrictions on edge functions"), nor for a handshake's answer, which concerns its two ends alone.
        if let Some((hook, event)) = response_hook
            && (200..400).contains(&answer.response.status().as_u16())
        {
            viewer_hooks::response(&trip, hook, event, head, &mut answer)?;
        }
        Ok(answer)
    }

    /// As `serve`, with the site's page in place of an error. The page is obtained as a client would get it: by the first
    /// behavior that matches its path, through the cache, with origin hooks, without viewer hooks.
    async fn serve_with_pages(
        &self,
        pages: &ErrorPages,
        head: &mut RequestHead,
        body: &mut RequestBody,
    ) -> Result<Answer, Rejection> {
        let Visit { node, record, site, .. } = *self;
        let (headers, version) = (page_headers(&head.headers), head.version);
        let policy = site.behavior(&NormalPath::of(head.path())).and_then(|behavior| behavior.response_header_policy(head));
        let answer = match self.serve(head, body).await {
            Ok(answer) => answer,
            Err(rejection) => rejection.answer(node, record.occasion()),
        };
        let Some(page) = pages.page(answer.response.status(), answer.result) else { return Ok(answer) };
        let Some(behavior) = site.behavior(&NormalPath::of(page.target.path())) else { return Ok(answer) };
        let method = if record.method == Method::HEAD { Method::HEAD } else { Method::GET };
        let mut head = RequestHead::new(method, page.target.clone(), headers, version);
        behavior.set_forwarded_fields(&mut head, record.client().tls.is_some());
        let trip = self.trip(behavior);
        let mut served = obtain(&trip, None, &mut head, &mut RequestBody::Empty).await?;
        // A page that is missing keeps its own status.
        if served.response.status() == StatusCode::OK {
            *served.response.status_mut() = page.status;
            served.result = answer.result;
        }
        self.apply(policy.as_ref(), &mut served);
        Ok(served)
    }

    fn trip<'t>(&'t self, behavior: &'t Arc<Behavior>) -> Trip<'t> {
        Trip::new(self.node, self.lane, self.record, self.site, behavior)
    }

    fn apply(&self, policy: Option<&ResponseHeaderPolicy<'_>>, answer: &mut Answer) {
        if let Some(policy) = policy {
            policy.apply(answer.response.headers_mut(), answer.result, &self.record.id, &self.node.location);
        }
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
