//! Configuration reloads and handovers between processes by result, and refused components by reason.

use prometheus::{IntCounter, IntCounterVec, IntGauge};

use super::register::Register;

/// The result of a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReloadResult {
    Ok,
    Refused,
}

/// The result of a handover of the listening sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandoverResult {
    /// From a predecessor.
    Taken,
    /// To a successor that serves.
    Given,
    /// To a successor that never became ready.
    Lost,
}

pub(super) struct Handovers(IntCounterVec);

impl Handovers {
    pub(super) fn register(register: &Register) -> Handovers {
        let help = "Handovers of the listening sockets, by result: taken, given, or lost (the successor did not start).";
        Handovers(register.counters("edgeward_handovers_total", help, &["result"]))
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
    latest_ok: IntGauge,
    deployments: IntCounterVec,
}

impl Reloads {
    pub(super) fn register(register: &Register) -> Reloads {
        let help = "Configuration reloads, by result: ok, or refused (the old configuration stays in force).";
        let reloads = register.counters("edgeward_config_reloads_total", help, &["result"]);
        let help = "Functions that could not be deployed, by reason.";
        let deployments = register.counters("edgeward_deployments_refused_total", help, &["reason"]);
        let latest_ok = register
            .gauge("edgeward_config_last_reload_ok", "1 if the configuration in the file is in force, 0 after a refused reload.");
        latest_ok.set(1);
        Reloads {
            ok: reloads.with_label_values(&["ok"]),
            refused: reloads.with_label_values(&["refused"]),
            latest_ok,
            deployments,
        }
    }

    pub(super) fn count(&self, result: ReloadResult) {
        match result {
            ReloadResult::Ok => self.ok.inc(),
            ReloadResult::Refused => self.refused.inc(),
        }
        self.latest_ok.set(i64::from(result == ReloadResult::Ok));
    }

    pub(super) fn count_deployment(&self, reason: &'static str) {
        self.deployments.with_label_values(&[reason]).inc();
    }
}
