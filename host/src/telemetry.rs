//! I own every metric name, span and log field.
//!
//! Hot paths hold handles (`FunctionMetrics`, …) to the counters that they increment: no label lookup per request.

mod access;
mod admin;
mod api;
mod cache;
mod edge;
mod emf;
mod function;
mod histogram;
mod lambda;
mod lambda_events;
mod line;
mod net;
mod process;
mod register;
mod reload;
mod repeats;
mod time;
mod trace;

pub use access::{AccessLog, Line};
pub use admin::AdminMetrics;
pub use api::{ApiMetrics, HeldBytes};
pub use cache::{CacheMetrics, CacheTier, FillResult};
pub use edge::{EdgeMetrics, OriginMetrics, ResultType, SiteMetrics};
pub use emf::EmfSample;
pub use function::{Audit, FunctionMetrics, InstanceEvent};
pub use lambda::{LambdaMetrics, RunningExecution};
pub use line::{SIGNED, is_one_line, is_signed, one_line_json, one_line_text, shown_path, without_signature};
pub use net::NetMetrics;
pub use register::{Family, FamilyKind};
pub use reload::{HandoverResult, ReloadResult};
pub use repeats::Occasion;
pub use time::Timestamp;
pub use trace::{OpenSpan, Span, SpanKind, Trace, TraceContext, TraceSettings, Tracer, XraySegment};

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::SystemTime;

use prometheus::{Encoder as _, IntCounter, TextEncoder};

use register::Register;
use repeats::{Recurrences, Recurring, Subject};

/// All metrics of this process.
pub struct Telemetry {
    register: Register,
    process: process::Process,
    recurrences: Recurrences,
    functions: function::FunctionFamilies,
    edge: edge::EdgeFamilies,
    net: NetMetrics,
    admin: AdminMetrics,
    api: ApiMetrics,
    cache: CacheMetrics,
    reloads: reload::Reloads,
    handovers: reload::Handovers,
    access: OnceLock<AccessLog>,
    access_dropped: IntCounter,
    tracer: OnceLock<Tracer>,
    spans_dropped: trace::Dropped,
}

impl Telemetry {
    #[expect(clippy::new_without_default, reason = "registering metrics is not a default value")]
    pub fn new() -> Telemetry {
        let register = Register::default();
        let process = process::Process::register(&register);
        let recurrences = Recurrences::register(&register);
        let functions = function::FunctionFamilies::register(&register);
        let edge = edge::EdgeFamilies::register(&register);
        let net = NetMetrics::register(&register);
        let admin = AdminMetrics::register(&register);
        let api = ApiMetrics::register(&register);
        let cache = CacheMetrics::register(&register, recurrences.of(Recurring::CacheJournal, Subject::Edge));
        let reloads = reload::Reloads::register(&register);
        let handovers = reload::Handovers::register(&register);
        let access_dropped = register.counter(
            "edgeward_access_log_lines_dropped_total",
            "Lines of the access log that were lost because its reader was too slow.",
        );
        let spans_dropped = trace::Dropped::register(&register);
        let (access, tracer) = (OnceLock::new(), OnceLock::new());
        Telemetry {
            register,
            process,
            recurrences,
            functions,
            edge,
            net,
            admin,
            api,
            cache,
            reloads,
            handovers,
            access,
            access_dropped,
            tracer,
            spans_dropped,
        }
    }

    /// The handles of one function's metrics.
    pub fn function(&self, name: &str) -> FunctionMetrics {
        let of = |recurring| self.recurrences.of(recurring, Subject::Function(name.to_owned()));
        let failures = [Recurring::HookFailure, Recurring::ServiceFailure].map(of);
        self.functions.function(name, failures, self.recurrences.chatter(name))
    }

    /// The handles of the process's connections.
    pub fn net(&self) -> NetMetrics {
        self.net.clone()
    }

    /// The handles of the admin port.
    pub fn admin(&self) -> AdminMetrics {
        self.admin.clone()
    }

    /// The handles of the AWS APIs.
    pub fn api(&self) -> ApiMetrics {
        self.api.clone()
    }

    /// The handles of the cache.
    pub fn cache(&self) -> CacheMetrics {
        self.cache.clone()
    }

    /// Counts a reload of the configuration.
    pub fn reloaded(&self, result: ReloadResult) {
        self.reloads.count(result);
    }

    /// Counts a function that could not be deployed.
    pub fn deployment_refused(&self, reason: &'static str) {
        self.reloads.count_deployment(reason);
    }

    /// Counts a handover of the listening sockets.
    pub fn handed_over(&self, result: HandoverResult) {
        self.handovers.count(result);
    }

    /// The handles shared by all sites.
    pub fn edge(&self) -> EdgeMetrics {
        self.edge.edge(
            [Recurring::EdgeExhausted, Recurring::EdgePanic, Recurring::ResponseBroke]
                .map(|of| self.recurrences.of(of, Subject::Edge)),
        )
    }

    /// The handles of one site.
    pub fn site(&self, name: &str) -> SiteMetrics {
        self.edge.site(name)
    }

    /// The handles of one origin.
    pub fn origin(&self, name: &str) -> OriginMetrics {
        let of = |recurring| self.recurrences.of(recurring, Subject::Origin(name.to_owned()));
        self.edge.origin(name, of(Recurring::OriginFailure), of(Recurring::OriginBroke))
    }

    /// The access log, on standard output. The first use starts its writer thread.
    pub fn access_log(&self) -> std::io::Result<AccessLog> {
        if let Some(log) = self.access.get() {
            return Ok(log.clone());
        }
        let log = AccessLog::to(std::io::stdout(), self.access_dropped.clone())?;
        Ok(self.access.get_or_init(|| log).clone())
    }

    /// The tracer. Only the settings of the first call count.
    pub fn tracer(&self, settings: TraceSettings) -> std::io::Result<Tracer> {
        if let Some(tracer) = self.tracer.get() {
            return Ok(tracer.clone());
        }
        let tracer = Tracer::start(settings, self.spans_dropped.clone())?;
        Ok(self.tracer.get_or_init(|| tracer).clone())
    }

    /// The tracer, if it has been started.
    pub fn started_tracer(&self) -> Option<Tracer> {
        self.tracer.get().cloned()
    }

    /// The certificates in use: the file of the chain, the first host, and when it expires.
    pub fn certificates(&self, all: &[(PathBuf, String, SystemTime)]) {
        self.process.certificates(all);
    }

    /// All families of metrics, including those without a sample yet, sorted by name.
    pub fn families(&self) -> Vec<Family> {
        self.register.families()
    }

    /// To be called before the process ends: writes pending summaries to the log, and waits for queued lines of the access log
    /// and queued spans.
    pub fn flush(&self) {
        self.recurrences.flush();
        if let Some(tracer) = self.tracer.get() {
            tracer.flush();
        }
        if let Some(log) = self.access.get() {
            log.flush();
        }
    }

    /// Prometheus text format.
    pub fn render(&self) -> String {
        let mut out = Vec::new();
        TextEncoder::new().encode(&self.register.gather(), &mut out).expect("a Vec takes every write");
        String::from_utf8(out).expect("the text format is UTF-8")
    }
}
