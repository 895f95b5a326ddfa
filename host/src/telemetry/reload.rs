//! Configuration reloads and hand-overs between processes, by result, and components that were refused, by reason.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// What became of a changed configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReloadResult {
    Ok,
    Refused,
}

/// What became of a hand-over of the listening sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandoverResult {
    /// From a predecessor.
    Taken,
    /// To a successor, which serves.
    Given,
    /// To a successor that was never ready.
    Lost,
}

pub(super) struct Handovers(IntCounterVec);

impl Handovers {
    pub(super) fn register(registry: &Registry) -> Handovers {
        let help = "Hand-overs of the listening sockets by result: taken, given, or lost with a successor that did not start.";
        let handovers = IntCounterVec::new(Opts::new("edgeward_handovers_total", help), &["result"]).expect("valid metric");
        registry.register(Box::new(handovers.clone())).expect("registered once");
        Handovers(handovers)
    }

    pub(super) fn count(&self, result: HandoverResult) {
        let result = match result {
            HandoverResult::Taken => "taken",
            HandoverResult::Given => "given",
            HandoverResult::Lost => "lost",
        };
        self.0.with_label_values(&[result]).inc();
    }
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
