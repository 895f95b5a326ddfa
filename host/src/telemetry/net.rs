//! What the sockets did: connections, handshakes, requests by protocol.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// The handles of the sockets' metrics.
#[derive(Clone)]
pub struct NetMetrics {
    open: IntGauge,
    accepted: IntCounter,
    refused: IntCounterVec,
    closed: IntCounterVec,
    handshake_failures: IntCounterVec,
    http1: IntCounter,
    http2: IntCounter,
}

impl NetMetrics {
    pub(super) fn register(registry: &Registry) -> NetMetrics {
        let open = IntGauge::new("edgeward_connections_open", "Open connections.").expect("valid metric");
        let accepted =
            IntCounter::new("edgeward_connections_accepted_total", "Connections accepted.").expect("valid metric");
        let refused = counters(
            "edgeward_connections_refused_total",
            "Connections closed for what they sent, or before they could send anything, by reason.",
            "reason",
        );
        let closed = counters(
            "edgeward_connections_timed_out_total",
            "Connections closed because the client was too slow, by what it was slow at.",
            "reason",
        );
        let handshake_failures =
            counters("edgeward_tls_handshake_failures_total", "TLS handshakes that came to nothing, by reason.", "reason");
        let requests = counters("edgeward_http_requests_total", "Requests that reached the edge, by protocol.", "protocol");
        registry.register(Box::new(open.clone())).expect("registered once");
        registry.register(Box::new(accepted.clone())).expect("registered once");
        for family in [&refused, &closed, &handshake_failures, &requests] {
            registry.register(Box::new(family.clone())).expect("registered once");
        }
        NetMetrics {
            open,
            accepted,
            refused,
            closed,
            handshake_failures,
            http1: requests.with_label_values(&["http/1.1"]),
            http2: requests.with_label_values(&["h2"]),
        }
    }

    pub fn opened(&self) {
        self.open.inc();
        self.accepted.inc();
    }

    pub fn closed(&self) {
        self.open.dec();
    }

    /// A connection that was turned away; `reason` is one of a fixed few words.
    pub fn refused(&self, reason: &'static str) {
        self.refused.with_label_values(&[reason]).inc();
    }

    /// A connection that was too slow.
    pub fn timed_out(&self, reason: &'static str) {
        self.closed.with_label_values(&[reason]).inc();
    }

    pub fn handshake_failed(&self, reason: &'static str) {
        self.handshake_failures.with_label_values(&[reason]).inc();
    }

    /// A request that goes to the handler.
    pub fn request(&self, http2: bool) {
        if http2 { self.http2.inc() } else { self.http1.inc() }
    }
}

fn counters(name: &str, help: &str, label: &str) -> IntCounterVec {
    IntCounterVec::new(Opts::new(name, help), &[label]).expect("valid metric")
}
