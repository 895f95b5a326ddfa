//! Which page of a site replaces which error (CloudFront: "Generate custom error responses"). The exchange serves it.

use anyhow::Context as _;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName};
use http::uri::PathAndQuery;

use crate::config;
use crate::loops;
use crate::telemetry::ResultType;

/// The pages of one site.
pub(crate) struct ErrorPages {
    pages: Vec<CustomErrorPage>,
}

/// The page for one status.
pub(crate) struct CustomErrorPage {
    of: StatusCode,
    pub(crate) target: PathAndQuery,
    /// What the page is served with.
    pub(crate) status: StatusCode,
}

impl ErrorPages {
    /// `None` if no error of the site has a page.
    pub(crate) fn new(pages: &[config::ErrorPage]) -> anyhow::Result<Option<ErrorPages>> {
        let with_path = pages.iter().filter_map(|page| Some((page, page.path.as_ref()?)));
        let pages = with_path.map(|(page, path)| {
            let of = StatusCode::from_u16(page.status)?;
            let status = page.response_status.map_or(Ok(of), StatusCode::from_u16)?;
            let target = path.parse().with_context(|| format!("error page `{path}`"))?;
            anyhow::Ok(CustomErrorPage { of, target, status })
        });
        let pages: Vec<_> = pages.collect::<anyhow::Result<_>>()?;
        Ok((!pages.is_empty()).then_some(ErrorPages { pages }))
    }

    /// The page for an answer. The answer of a viewer hook is left alone.
    pub(crate) fn page(&self, status: StatusCode, result: ResultType) -> Option<&CustomErrorPage> {
        if result == ResultType::FunctionGeneratedResponse {
            return None;
        }
        self.pages.iter().find(|page| page.of == status)
    }
}

/// The header fields of a request that the request for its error page has, too: no condition, no range, nothing that
/// identifies the client; but those that say where it has been, or two edges that serve each other's pages would ask each
/// other for ever.
pub(crate) fn page_headers(headers: &HeaderMap) -> HeaderMap {
    const KEPT: [HeaderName; 4] = [header::HOST, header::ACCEPT_ENCODING, header::ACCEPT_LANGUAGE, header::USER_AGENT];
    let mut kept: HeaderMap = KEPT.iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone()))).collect();
    loops::LoopMarks::of(headers).append_to(&mut kept);
    kept
}
