//! What a request becomes when its origin has agreed to go on as WebSocket.
//!
//!     Head ─► Place ─► origin, over a connection of its own ─► 101 ─► Switched ─► `net` carries bytes ─► Record
//!                                                             └─ anything else is an ordinary answer
//!
//! A worker has so many places and no more; who finds none is refused before the origin hears of it. The
//! request's record goes along and is closed by the end of the tunnel: the log's line then has both counts.
//! `net` does the carrying and holds the deadlines. I know nothing of frames: what passes is not looked at.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, response};

use crate::edge::Edge;
use crate::edge::body::Body;
use crate::edge::origin::connect::Stream;
use crate::edge::origin::places;
use crate::edge::record::Record;
use crate::edge::response::refusal::Refusal;
use crate::net::{Side, Switch, Tunnel, Witness};
use crate::telemetry::ResultType;

/// The only protocol that is passed through.
pub(crate) const PROTOCOL: HeaderValue = HeaderValue::from_static("websocket");

/// The only version that there is (RFC 6455 section 4.1).
pub(crate) const VERSION: HeaderValue = HeaderValue::from_static("13");

/// What a server of WebSocket answers to this key (RFC 6455 section 4.2.2).
pub(crate) fn accept_of(key: &HeaderValue) -> HeaderValue {
    const PROTOCOL_ID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let mut context = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key.as_bytes().trim_ascii());
    context.update(PROTOCOL_ID);
    let accept = base64::engine::general_purpose::STANDARD.encode(context.finish());
    HeaderValue::from_str(&accept).unwrap_or(HeaderValue::from_static(""))
}

/// Whether a handshake has what the client must say in it (RFC 6455 section 4.2.1): an origin that is asked without is not to
/// blame for its answer.
pub(crate) fn admit(headers: &HeaderMap) -> Result<(), Refusal> {
    let one = |name: HeaderName| {
        let mut lines = headers.get_all(name).iter();
        lines.next().filter(|_| lines.next().is_none()).map(|line| line.as_bytes().trim_ascii())
    };
    if one(header::SEC_WEBSOCKET_VERSION) != Some(VERSION.as_bytes()) {
        return Err(Refusal::WebSocketVersion);
    }
    let mut nonce = [0; 18];
    let key = one(header::SEC_WEBSOCKET_KEY).unwrap_or_default();
    match base64::engine::general_purpose::STANDARD.decode_slice(key, &mut nonce) {
        Ok(16) => Ok(()),
        _ => Err(Refusal::Malformed("Sec-WebSocket-Key is not one of 16 bytes")),
    }
}

/// An origin's connection behind its answer 101.
pub(crate) struct Switched {
    pub(crate) stream: Stream,
    /// What came with the answer's head.
    pub(crate) early: Bytes,
    /// The connection counts as one of the origin's until the tunnel ends.
    pub(crate) at_origin: places::Place,
    /// And how long the tunnel may be quiet. None until the exchange has the answer.
    pub(crate) place: Option<(Place, Duration)>,
}

thread_local! {
    /// Taken places of this worker. Shared with them, since nothing says that they end on this thread.
    static TAKEN: Arc<AtomicUsize> = Arc::default();
}

/// One of the worker's places for a tunnel; free again when dropped.
pub(crate) struct Place {
    taken: Arc<AtomicUsize>,
    edge: Arc<Edge>,
}

impl Place {
    pub(crate) fn take(edge: &Arc<Edge>) -> Option<Place> {
        let taken = TAKEN.with(Arc::clone);
        // Only this thread takes: nobody comes between.
        if taken.load(Relaxed) >= edge.tunnels_max {
            return None;
        }
        taken.fetch_add(1, Relaxed);
        edge.metrics.tunnel_opened();
        Some(Place { taken, edge: edge.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Relaxed);
        self.edge.metrics.tunnel_closed();
    }
}

/// The answer after which the connection is a tunnel.
pub(crate) fn begin(
    switched: Switched,
    mut parts: response::Parts,
    result: ResultType,
    mut record: Box<Record>,
) -> Response<Body> {
    let Switched { stream, early, at_origin, place } = switched;
    // An answer that is followed by another protocol has no body, whatever the origin says of one.
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    parts.headers.insert(header::UPGRADE, PROTOCOL);
    record.switched();
    record.answered(&parts, result);
    let (place, patience) = place.unzip();
    let witness = Box::new(Passage { record, _place: place, _at_origin: at_origin });
    let tunnel = Tunnel { far: Box::new(stream), early, patience: patience.unwrap_or_default(), witness };
    parts.extensions.insert(Switch::new(tunnel));
    Response::from_parts(parts, Body::empty())
}

/// What is remembered of a tunnel until it has ended.
struct Passage {
    record: Box<Record>,
    _place: Option<Place>,
    _at_origin: places::Place,
}

impl Witness for Passage {
    fn passed(&mut self, to: Side, bytes: u64) {
        match to {
            Side::Viewer => {
                self.record.sent(usize::try_from(bytes).unwrap_or(usize::MAX));
                self.record.edge.metrics.tunnelled_to_viewer(bytes);
            }
            Side::Far => {
                self.record.received(bytes);
                self.record.edge.metrics.tunnelled_to_origin(bytes);
            }
        }
    }

    fn broke(&mut self, side: Side) {
        self.record.tunnel_broke(side);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_the_key_of_the_rfc_is_the_one_of_the_rfc() {
        let accept = accept_of(&HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
