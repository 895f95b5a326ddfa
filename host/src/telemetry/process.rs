//! The operating system's view of the process, the build, and the expiry of certificates.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::IntGaugeVec;
use prometheus::process_collector::ProcessCollector;

use super::register::{FamilyKind, Register};

pub(super) struct Process {
    certificates: IntGaugeVec,
}

impl Process {
    pub(super) fn register(register: &Register) -> Process {
        let kind = |name: &str| if name.ends_with("_total") { FamilyKind::Counter } else { FamilyKind::Gauge };
        register.collector(ProcessCollector::for_self(), kind);
        let help = "Always 1; the versions are in the labels.";
        let build = register.gauges("edgeward_build_info", help, &["version", "wasmtime", "target"]);
        build.with_label_values(&[env!("CARGO_PKG_VERSION"), env!("EDGEWARD_WASMTIME"), env!("EDGEWARD_TARGET")]).set(1);
        Process {
            certificates: register.gauges(
                "edgeward_certificate_not_after_seconds",
                "Time at which a certificate expires, in seconds since the epoch, by the file of its chain and its first host.",
                &["chain", "host"],
            ),
        }
    }

    /// Removes those that are no longer in use.
    pub(super) fn certificates(&self, all: &[(PathBuf, String, SystemTime)]) {
        self.certificates.reset();
        for (chain, host, not_after) in all {
            let seconds = not_after.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let chain = chain.to_string_lossy();
            self.certificates.with_label_values(&[&*chain, host.as_str()]).set(i64::try_from(seconds).unwrap_or(i64::MAX));
        }
    }
}
