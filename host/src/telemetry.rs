//! I own every metric name, span and log field.
//!
//! Hot paths hold the handles (`FunctionMetrics`, …) that they increment: no label is looked up per request.

mod function;

pub use function::{FunctionMetrics, InstanceEvent};

use prometheus::{Encoder as _, Registry, TextEncoder};

/// All metrics of this process.
pub struct Telemetry {
    registry: Registry,
    functions: function::Families,
}

impl Telemetry {
    #[expect(clippy::new_without_default, reason = "registering metrics is not a default value")]
    pub fn new() -> Telemetry {
        let registry = Registry::new();
        let functions = function::Families::register(&registry);
        Telemetry { registry, functions }
    }

    /// The handles of one function's metrics.
    pub fn function(&self, name: &str) -> FunctionMetrics {
        self.functions.function(name)
    }

    /// Prometheus text format.
    pub fn render(&self) -> String {
        let mut out = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut out).expect("a Vec takes every write");
        String::from_utf8(out).expect("the text format is UTF-8")
    }
}
