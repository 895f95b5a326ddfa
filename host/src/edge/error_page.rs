//! I serve a page of the site in place of an error (CloudFront: "Generate custom error responses").
//!
//! The page is asked for as any client would ask for it, by the first behavior that matches its path: through the
//! cache, with origin hooks and without viewer hooks. What a viewer hook answered itself is left alone.

use std::sync::Arc;

use anyhow::Context as _;
use http::header::{self, HeaderMap, HeaderName};
use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use hyper::body::Incoming;

use crate::config;
use crate::edge::Edge;
use crate::edge::body::Content;
use crate::edge::exchange::{self, Trip};
use crate::edge::head::Head;
use crate::edge::record::Record;
use crate::edge::respond::{Answer, Refusal};
use crate::edge::site::Site;
use crate::loops;
use crate::path::NormalPath;
use crate::telemetry::ResultType;

/// Of one site.
pub(crate) struct ErrorPages {
    pages: Vec<ErrorPage>,
}

struct ErrorPage {
    of: StatusCode,
    target: PathAndQuery,
    status: StatusCode,
}

impl ErrorPages {
    /// None if no error of the site has a page.
    pub(crate) fn new(pages: &[config::ErrorPage]) -> anyhow::Result<Option<ErrorPages>> {
        let with_path = pages.iter().filter_map(|page| Some((page, page.path.as_ref()?)));
        let pages = with_path.map(|(page, path)| {
            let of = StatusCode::from_u16(page.status)?;
            let status = page.response_status.map_or(Ok(of), StatusCode::from_u16)?;
            let target = path.parse().with_context(|| format!("error page `{path}`"))?;
            anyhow::Ok(ErrorPage { of, target, status })
        });
        let pages: Vec<_> = pages.collect::<anyhow::Result<_>>()?;
        Ok((!pages.is_empty()).then_some(ErrorPages { pages }))
    }

    fn page(&self, answer: &Answer) -> Option<&ErrorPage> {
        if answer.result == ResultType::FunctionGeneratedResponse {
            return None;
        }
        self.pages.iter().find(|page| page.of == answer.response.status())
    }
}

/// As `exchange::visit`, with a page in place of an error.
pub(super) async fn visit(
    pages: &ErrorPages,
    edge: &Arc<Edge>,
    record: &Record,
    site: &Arc<Site>,
    head: &mut Head,
    incoming: Incoming,
) -> Result<Answer, Refusal> {
    let (headers, version) = (kept(&head.headers), head.version);
    let dress = site.behavior(&NormalPath::of(head.path())).and_then(|behavior| behavior.dress(head));
    let answer = match exchange::visit(edge, record, site, head, incoming).await {
        Ok(answer) => answer,
        Err(refusal) => refusal.answer(edge, record.occasion()),
    };
    let Some(page) = pages.page(&answer) else { return Ok(answer) };
    let Some(behavior) = site.behavior(&NormalPath::of(page.target.path())) else { return Ok(answer) };
    let method = if record.method == Method::HEAD { Method::HEAD } else { Method::GET };
    let mut head = Head::new(method, page.target.clone(), headers, version);
    behavior.tell_forwarded(&mut head, record.client().tls.is_some());
    let trip = Trip::new(edge, record, site, behavior);
    let mut served = trip.obtain(None, &mut head, &mut Content::Empty).await?;
    // A page that is not there says so by its own status.
    if served.response.status() == StatusCode::OK {
        *served.response.status_mut() = page.status;
        served.result = answer.result;
    }
    if let Some(dress) = dress {
        dress.put_on(&mut served, &record.id, &edge.location);
    }
    Ok(served)
}

/// What of a request goes for the page, too: no condition, no range, nothing that says who asks; but where it has been, or
/// two edges that serve each other's pages would ask each other for ever.
fn kept(headers: &HeaderMap) -> HeaderMap {
    const KEPT: [HeaderName; 4] = [header::HOST, header::ACCEPT_ENCODING, header::ACCEPT_LANGUAGE, header::USER_AGENT];
    let mut kept: HeaderMap = KEPT.iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone()))).collect();
    loops::LoopMarks::of(headers).put_on(&mut kept);
    kept
}
