//! Gets the answer to an admitted request: from the cache, from the origin, or by a handshake with the origin.

use std::pin::Pin;
use std::sync::Arc;

use crate::cache::status::{CacheStatus, Forward};
use crate::edge::answer::Answer;
use crate::edge::body::content::Content;
use crate::edge::body::request::RequestBody;
use crate::edge::body::switched::TunnelPermit;
use crate::edge::caching::bypass;
use crate::edge::caching::lookup::CacheRequest;
use crate::edge::caching::route::CacheRoute;
use crate::edge::origin::backend::Origin;
use crate::edge::request::head::RequestHead;
use crate::edge::request::websocket::check_handshake;
use crate::edge::response::rejection::Rejection;
use crate::edge::site::caching::Caching;
use crate::edge::trip::Trip;

/// `first` is the primary as a hook has edited it. Takes what is sent out of `head` and `body`.
pub(super) async fn obtain(
    trip: &Trip<'_>,
    first: Option<Arc<Origin>>,
    head: &mut RequestHead,
    body: &mut RequestBody,
) -> Result<Answer, Rejection> {
    if head.websocket {
        // Only a server can be asked to switch protocols; for anything else this is an ordinary request.
        let primary = first.as_ref().unwrap_or_else(|| trip.backend.primary());
        head.websocket = trip.behavior.websocket.is_some() && primary.is_server();
    }
    match &trip.behavior.caching {
        _ if head.websocket => Box::pin(handshake(trip, first, head, body)).await,
        None => trip.fetch(first, head, body).await,
        Some(caching) => match look_up(caching, trip, first, head, body) {
            Cached::Answer(answer) => Ok(answer),
            Cached::Later(future) => future.await,
        },
    }
}

/// What a lookup in the cache leads to.
#[expect(clippy::large_enum_variant, reason = "it lives for one statement")]
enum Cached<'f> {
    Answer(Answer),
    /// Anything but a fresh hit takes time, and a future of its own.
    Later(Pin<Box<dyn Future<Output = Result<Answer, Rejection>> + 'f>>),
}

/// Not an async function: what a lookup needs is then no part of the future of every request.
fn look_up<'f>(
    caching: &'f Caching,
    trip: &'f Trip<'_>,
    first: Option<Arc<Origin>>,
    head: &'f mut RequestHead,
    body: &'f mut RequestBody,
) -> Cached<'f> {
    let route = CacheRoute::new(caching, trip, first.as_ref(), head.version);
    let Some(request) = CacheRequest::new(route, head, body) else {
        let status = CacheStatus::forward(Forward::Method);
        return Cached::Later(Box::pin(bypass(caching, trip, first, head, body, status)));
    };
    let mut span = trip.open_span("cache lookup");
    let lookup = request.look_up(head);
    if let Some(span) = &mut span {
        span.note(|span| span.text("edgeward.cache.lookup", lookup.name()));
    }
    drop(span);
    match request.answer_at_once(head, &lookup) {
        Some(answer) => Cached::Answer(answer),
        None => Cached::Later(Box::pin(request.settle(lookup, trip, first, head, body))),
    }
}

/// A request to go on as WebSocket: never from the cache, and only if the worker may have another tunnel.
async fn handshake(
    trip: &Trip<'_>,
    first: Option<Arc<Origin>>,
    head: &mut RequestHead,
    body: &mut RequestBody,
) -> Result<Answer, Rejection> {
    check_handshake(&head.headers)?;
    let permit = TunnelPermit::take(trip.node.tunnels_max, &trip.node.metrics).ok_or(Rejection::Tunnels)?;
    let mut answer = match &trip.behavior.caching {
        None => trip.fetch(first, head, body).await?,
        Some(caching) => bypass(caching, trip, first, head, body, CacheStatus::forward(Forward::Bypass)).await?,
    };
    if let (Content::Switched(switched), Some(websocket)) = (answer.response.body_mut(), trip.behavior.websocket) {
        switched.permit = Some((permit, websocket.idle));
    }
    Ok(answer)
}
