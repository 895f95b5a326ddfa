//! Requests that the cache does not answer: those with other methods than GET and HEAD, and those that it has no room for.
//!
//! What an unsafe request may have changed at the origin is invalidated here.

use std::sync::Arc;

use http::header;
use http::uri::{Authority, Scheme};
use http::{Method, Response};

use crate::cache::freshness::Mode;
use crate::cache::invalidation;
use crate::cache::status::CacheStatus;
use crate::edge::answer::Answer;
use crate::edge::body::content::Content;
use crate::edge::body::request::RequestBody;
use crate::edge::caching::forward;
use crate::edge::caching::present::{append_cache_status, drop_unforwarded_cookies};
use crate::edge::caching::route::CacheRoute;
use crate::edge::origin::backend::Origin;
use crate::edge::request::head::RequestHead;
use crate::edge::response::rejection::Rejection;
use crate::edge::site::caching::Caching;
use crate::edge::trip::Trip;

/// Asks the origin for this client alone. Takes what is sent out of `head` and `body`.
pub(crate) async fn bypass(
    caching: &Caching,
    trip: &Trip<'_>,
    first: Option<Arc<Origin>>,
    head: &mut RequestHead,
    body: &mut RequestBody,
    status: CacheStatus,
) -> Result<Answer, Rejection> {
    let asked = (!invalidation::is_safe(&head.method)).then(|| head.clone());
    let route = CacheRoute::new(caching, trip, first.as_ref(), head.version);
    forward::own(route.rules(), head);
    let mut answer = trip.fetch(first, head, body).await?;
    if let Some(asked) = asked
        && caching.mode() == Mode::Standards
    {
        invalidate(&route, trip, &asked, &answer.response).await;
    }
    drop_unforwarded_cookies(caching, answer.response.headers_mut());
    append_cache_status(&mut answer, status);
    Ok(answer)
}

/// Invalidates the URIs that an unsafe request may have changed (RFC 9111 section 4.4).
async fn invalidate(route: &CacheRoute<'_>, trip: &Trip<'_>, asked: &RequestHead, response: &Response<Content>) {
    let caching = route.caching;
    let authority = asked.headers.get(header::HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let Some(authority) = authority else { return };
    let scheme = if route.secure { Scheme::HTTPS } else { Scheme::HTTP };
    let host = route.keyed_host(asked);
    let target = invalidation::InvalidationTarget { scheme: &scheme, authority: &authority, path_and_query: &asked.target };
    for target in invalidation::targets(&asked.method, &target, response.status(), response.headers()) {
        let head = RequestHead { target, ..asked.clone() };
        // The target under which objects are stored.
        let target = forward::shared(route.rules(), &head).target;
        if caching.cache.invalidate(&caching.site, &host, target.as_str(), trip.client_ip()) {
            continue;
        }
        // This client has used up its invalidations: forget at least what it would get itself.
        caching.cache.forget(route.key(&Method::GET, &head)).await;
    }
}
