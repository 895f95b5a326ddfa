//! An origin's connection after it has switched protocols, and the right to one of the worker's WebSocket tunnels.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;

use crate::edge::origin::connect::OriginStream;
use crate::edge::origin::connection::ConnectionSlot;
use crate::telemetry::EdgeMetrics;

/// An origin's connection after its answer 101.
pub(crate) struct Switched {
    pub(crate) stream: OriginStream,
    /// What came with the head of the answer.
    pub(crate) early: Bytes,
    /// The connection counts as one of the origin's until the tunnel ends.
    pub(crate) slot: ConnectionSlot,
    /// Also says how long the tunnel may be quiet. `None` until the exchange has the answer.
    pub(crate) permit: Option<(TunnelPermit, Duration)>,
}

thread_local! {
    /// The tunnels of this worker. Shared with their permits, which may be dropped on another thread.
    static TAKEN: Arc<AtomicUsize> = Arc::default();
}

/// The right to one of a worker's tunnels; dropped, it is free again.
pub(crate) struct TunnelPermit {
    taken: Arc<AtomicUsize>,
    metrics: Arc<EdgeMetrics>,
}

impl TunnelPermit {
    /// `None` if the worker has `max` tunnels.
    pub(crate) fn take(max: usize, metrics: &Arc<EdgeMetrics>) -> Option<TunnelPermit> {
        let taken = TAKEN.with(Arc::clone);
        // Only this thread takes permits, so nobody comes between.
        if taken.load(Relaxed) >= max {
            return None;
        }
        taken.fetch_add(1, Relaxed);
        metrics.tunnel_opened();
        Some(TunnelPermit { taken, metrics: metrics.clone() })
    }
}

impl Drop for TunnelPermit {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Relaxed);
        self.metrics.tunnel_closed();
    }
}
