//! Connections: their number, refusals and closes by reason, and requests by protocol.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::register::Register;

/// The handles of the process's connections.
#[derive(Clone)]
pub struct NetMetrics {
    open: IntGauge,
    accepted: IntCounter,
    http1: IntCounter,
    http2: IntCounter,
    refused: IntCounterVec,
    ended: IntCounterVec,
    descriptors: IntGaugeVec,
}

impl NetMetrics {
    pub(super) fn register(register: &Register) -> NetMetrics {
        let requests = register.counters("edgeward_net_requests_total", "Requests, by protocol.", &["protocol"]);
        NetMetrics {
            open: register.gauge("edgeward_net_connections_open", "Open client connections."),
            accepted: register.counter("edgeward_net_connections_accepted_total", "Client connections that were accepted."),
            http1: requests.with_label_values(&["http/1.1"]),
            http2: requests.with_label_values(&["h2"]),
            refused: register.counters(
                "edgeward_net_refused_total",
                "Connections and requests that were refused before a request was complete, by reason.",
                &["reason"],
            ),
            ended: register.counters(
                "edgeward_net_connections_ended_total",
                "Connections ended by us, by reason: slow-handshake, slow-head, slow-reader, idle, stalled, quiet-tunnel, or shed \
                 (idle while descriptors or places were short).",
                &["reason"],
            ),
            descriptors: register.gauges(
                "edgeward_net_descriptors",
                "File descriptors: the limit of the process, and how many of them clients may take.",
                &["of"],
            ),
        }
    }

    pub fn descriptors(&self, limit: u64, for_clients: u64) {
        for (of, number) in [("process", limit), ("clients", for_clients)] {
            self.descriptors.with_label_values(&[of]).set(i64::try_from(number).unwrap_or(i64::MAX));
        }
    }

    pub fn accepted(&self) {
        self.accepted.inc();
        self.open.inc();
    }

    pub fn closed(&self) {
        self.open.dec();
    }

    pub fn request(&self, http2: bool) {
        if http2 { self.http2.inc() } else { self.http1.inc() }
    }

    pub fn refused(&self, reason: &str) {
        self.refused.with_label_values(&[reason]).inc();
    }

    pub fn ended(&self, reason: &str) {
        self.ended.with_label_values(&[reason]).inc();
    }
}
