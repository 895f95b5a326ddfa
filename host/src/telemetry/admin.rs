//! Refusals of the admin port.

use prometheus::IntCounterVec;

use super::register::Register;

/// The handles of the admin port.
#[derive(Clone)]
pub struct AdminMetrics {
    refused: IntCounterVec,
}

impl AdminMetrics {
    pub(super) fn register(register: &Register) -> AdminMetrics {
        let help = "Requests that the admin port refused, by reason: no-host, foreign-host, cross-site, form, token, connections, timeout, body, metrics.";
        AdminMetrics { refused: register.counters("edgeward_admin_refused_total", help, &["reason"]) }
    }

    pub fn refused(&self, reason: &str) {
        self.refused.with_label_values(&[reason]).inc();
    }
}
