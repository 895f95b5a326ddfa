//! I own every metric name, span and log field.
//!
//! Hot paths hold the handles (`FunctionMetrics`, …) that they increment: no label is looked up per request.

mod access;
mod edge;
mod function;
mod net;
mod reload;

pub use access::{AccessEntry, Fields, Result};
pub use edge::SiteMetrics;
pub use function::{FunctionMetrics, InstanceEvent};
pub use net::NetMetrics;
pub use reload::ReloadResult;

use prometheus::{Encoder as _, Registry, TextEncoder};

/// All metrics of this process.
pub struct Telemetry {
    registry: Registry,
    functions: function::Families,
    edge: edge::Families,
    net: NetMetrics,
    reloads: reload::Reloads,
}

impl Telemetry {
    #[expect(clippy::new_without_default, reason = "registering metrics is not a default value")]
    pub fn new() -> Telemetry {
        let registry = Registry::new();
        let functions = function::Families::register(&registry);
        let edge = edge::Families::register(&registry);
        let net = NetMetrics::register(&registry);
        let reloads = reload::Reloads::register(&registry);
        Telemetry { registry, functions, edge, net, reloads }
    }

    /// The handles of one function's metrics.
    pub fn function(&self, name: &str) -> FunctionMetrics {
        self.functions.function(name)
    }

    /// The handles of one site's metrics.
    pub fn site(&self, name: &str) -> SiteMetrics {
        self.edge.site(name)
    }

    /// The handles of the process's connections.
    pub fn net(&self) -> NetMetrics {
        self.net.clone()
    }

    /// Counts a reload of the configuration.
    pub fn reloaded(&self, result: ReloadResult) {
        self.reloads.count(result);
    }

    /// Prometheus text format.
    pub fn render(&self) -> String {
        let mut out = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut out).expect("a Vec takes every write");
        String::from_utf8(out).expect("the text format is UTF-8")
    }
}
