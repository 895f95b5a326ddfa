//! Configuration reloads and hand-overs between processes, by result.

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
}

impl Reloads {
    pub(super) fn register(registry: &Registry) -> Reloads {
        let help = "Configuration reloads by result: ok, or refused with the old one kept.";
        let reloads = IntCounterVec::new(Opts::new("edgeward_config_reloads_total", help), &["result"]).expect("valid metric");
        registry.register(Box::new(reloads.clone())).expect("registered once");
        Reloads { ok: reloads.with_label_values(&["ok"]), refused: reloads.with_label_values(&["refused"]) }
    }

    pub(super) fn count(&self, result: ReloadResult) {
        match result {
            ReloadResult::Ok => self.ok.inc(),
            ReloadResult::Refused => self.refused.inc(),
        }
    }
}
