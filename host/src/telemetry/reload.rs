//! Configuration reloads, by result, and components that were refused, by reason.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// What became of a changed configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReloadResult {
    Ok,
    Refused,
}

pub(super) struct Reloads {
    ok: IntCounter,
    refused: IntCounter,
    deployments: IntCounterVec,
}

impl Reloads {
    pub(super) fn register(registry: &Registry) -> Reloads {
        let help = "Configuration reloads by result: ok, or refused with the old one kept.";
        let reloads = IntCounterVec::new(Opts::new("edgeward_config_reloads_total", help), &["result"]).expect("valid metric");
        registry.register(Box::new(reloads.clone())).expect("registered once");
        let help = "Functions that could not be deployed, by reason: what their component is, or would cost to compile.";
        let deployments =
            IntCounterVec::new(Opts::new("edgeward_deployments_refused_total", help), &["reason"]).expect("valid metric");
        registry.register(Box::new(deployments.clone())).expect("registered once");
        Reloads { ok: reloads.with_label_values(&["ok"]), refused: reloads.with_label_values(&["refused"]), deployments }
    }

    pub(super) fn count(&self, result: ReloadResult) {
        match result {
            ReloadResult::Ok => self.ok.inc(),
            ReloadResult::Refused => self.refused.inc(),
        }
    }

    pub(super) fn count_deployment(&self, reason: &'static str) {
        self.deployments.with_label_values(&[reason]).inc();
    }
}
