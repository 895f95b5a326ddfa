//! Configuration reloads, by result.

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
