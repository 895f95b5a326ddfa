//! The admin port: what it refused.

use prometheus::{IntCounterVec, Opts, Registry};

/// The handles of the admin port.
#[derive(Clone)]
pub struct AdminMetrics {
    refused: IntCounterVec,
}

impl AdminMetrics {
    pub(super) fn register(registry: &Registry) -> AdminMetrics {
        let help = "Requests that the admin port refused, by reason: no-host, foreign-host, cross-site, form, token, connections, timeout, body, metrics.";
        let refused = IntCounterVec::new(Opts::new("edgeward_admin_refused_total", help), &["reason"]).expect("valid metric");
        registry.register(Box::new(refused.clone())).expect("registered once");
        AdminMetrics { refused }
    }

    pub fn refused(&self, reason: &str) {
        self.refused.with_label_values(&[reason]).inc();
    }
}
