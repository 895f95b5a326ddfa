//! What a request becomes when its origin has agreed to go on as WebSocket.
//!
//! ```text
//! head ─► TunnelPermit ─► origin, over a connection of its own ─► 101 ─► Switched ─► `net` carries bytes ─► record
//!                                                                └─ anything else is an ordinary answer
//! ```
//!
//! A worker has a limited number of tunnels; a request that gets no permit is refused before the origin hears of it. The
//! request's record lasts as long as the tunnel, so that the log's line has both byte counts. `net` carries the bytes and
//! holds the deadlines. Frames are not looked at.

use http::header::{self, HeaderValue};
use http::{Response, response};

use crate::edge::body::switched::{Switched, TunnelPermit};
use crate::edge::origin::connection::ConnectionSlot;
use crate::edge::record::RequestRecord;
use crate::edge::request::websocket;
use crate::edge::response::body::ResponseBody;
use crate::net::{Side, Switch, Tunnel, Witness};
use crate::telemetry::ResultType;

/// Builds the answer after which the connection is a tunnel.
pub(crate) fn begin(
    switched: Switched,
    mut parts: response::Parts,
    result: ResultType,
    mut record: Box<RequestRecord>,
) -> Response<ResponseBody> {
    let Switched { stream, early, slot, permit } = switched;
    // An answer that another protocol follows has no body, whatever the origin says.
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    parts.headers.insert(header::UPGRADE, websocket::PROTOCOL);
    record.switched();
    record.answered(&parts, result);
    let (permit, idle) = permit.unzip();
    let witness = Box::new(TunnelRecord { record, _permit: permit, _slot: slot });
    let tunnel = Tunnel { far: Box::new(stream), early, patience: idle.unwrap_or_default(), witness };
    parts.extensions.insert(Switch::new(tunnel));
    Response::from_parts(parts, ResponseBody::empty())
}

/// Counts what a tunnel carries until it ends.
struct TunnelRecord {
    record: Box<RequestRecord>,
    _permit: Option<TunnelPermit>,
    _slot: ConnectionSlot,
}

impl Witness for TunnelRecord {
    fn passed(&mut self, to: Side, bytes: u64) {
        match to {
            Side::Viewer => {
                self.record.sent(usize::try_from(bytes).unwrap_or(usize::MAX));
                self.record.node.metrics.tunnelled_to_viewer(bytes);
            }
            Side::Far => {
                self.record.received(bytes);
                self.record.node.metrics.tunnelled_to_origin(bytes);
            }
        }
    }

    fn broke(&mut self, side: Side) {
        self.record.tunnel_broke(side);
    }
}
