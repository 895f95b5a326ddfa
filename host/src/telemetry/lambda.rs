//! Lambda's metrics of a function
//! (<https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html>).

use std::sync::{PoisonError, RwLock};

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::histogram::{Histogram, HistogramVec};
use super::lambda_events::{AsynchronousFamilies, AsynchronousMetrics};
use super::register::{Register, readable};

/// The series of all functions.
#[derive(Clone)]
pub(super) struct LambdaFamilies {
    invocations: IntCounterVec,
    errors: IntCounterVec,
    throttles: IntCounterVec,
    duration: HistogramVec,
    running: IntGaugeVec,
    provisioned: IntCounterVec,
    spillover: IntCounterVec,
    asynchronous: AsynchronousFamilies,
}

impl LambdaFamilies {
    pub(super) fn register(register: &Register) -> LambdaFamilies {
        let counters = |name, help| register.counters(name, help, &["function"]);
        LambdaFamilies {
            invocations: counters("edgeward_lambda_invocations_total", "Calls of a function that ran (Lambda's Invocations)."),
            errors: counters("edgeward_lambda_errors_total", "Calls of a function that ended with an error (Lambda's Errors)."),
            throttles: register.counters(
                "edgeward_lambda_throttles_total",
                "Calls of a function that were refused for want of concurrency, by Lambda's reason (Lambda's Throttles).",
                &["function", "reason"],
            ),
            duration: register.histograms(
                "edgeward_lambda_duration_seconds",
                "Time that a call took once it had its environment (Lambda's Duration).",
                "function",
                readable(-5, 3),
            ),
            running: register.gauges(
                "edgeward_lambda_concurrent_executions",
                "Calls of a function that run (Lambda's ConcurrentExecutions).",
                &["function"],
            ),
            provisioned: counters(
                "edgeward_lambda_provisioned_concurrency_invocations_total",
                "Calls that ran on provisioned concurrency (Lambda's ProvisionedConcurrencyInvocations).",
            ),
            spillover: counters(
                "edgeward_lambda_provisioned_concurrency_spillover_invocations_total",
                "Calls for which no provisioned concurrency was left (Lambda's ProvisionedConcurrencySpilloverInvocations).",
            ),
            asynchronous: AsynchronousFamilies::register(register),
        }
    }

    pub(super) fn function(&self, name: &str) -> LambdaMetrics {
        let of = |family: &IntCounterVec| family.with_label_values(&[name]);
        LambdaMetrics {
            name: name.to_owned(),
            invocations: of(&self.invocations),
            errors: of(&self.errors),
            provisioned: of(&self.provisioned),
            spillover: of(&self.spillover),
            duration: self.duration.with_label_values(&[name]),
            running: self.running.with_label_values(&[name]),
            asynchronous: self.asynchronous.function(name),
            families: self.clone(),
            is_gone: RwLock::default(),
        }
    }
}

/// The handles of one function.
pub struct LambdaMetrics {
    name: String,
    invocations: IntCounter,
    errors: IntCounter,
    provisioned: IntCounter,
    spillover: IntCounter,
    duration: Histogram,
    running: IntGauge,
    pub asynchronous: AsynchronousMetrics,
    families: LambdaFamilies,
    /// Read by a call that is refused while it counts itself, so that it leaves nothing behind in the series of what is gone.
    is_gone: RwLock<bool>,
}

/// A call that runs, until this is dropped.
pub struct RunningExecution(IntGauge);

impl LambdaMetrics {
    /// A call is admitted. `provisioned` says whether it has a place that is provisioned, if its version has any.
    pub fn began(&self, provisioned: Option<bool>) -> RunningExecution {
        match provisioned {
            Some(true) => self.provisioned.inc(),
            Some(false) => self.spillover.inc(),
            None => {}
        }
        self.running.inc();
        RunningExecution(self.running.clone())
    }

    /// A call has ended, after so long in its environment.
    pub fn invoked(&self, failed: bool, seconds: f64) {
        self.invocations.inc();
        self.duration.observe(seconds);
        if failed {
            self.errors.inc();
        }
    }

    /// A call was refused.
    pub fn throttled(&self, reason: &str) {
        let is_gone = self.is_gone.read().unwrap_or_else(PoisonError::into_inner);
        if !*is_gone {
            self.families.throttles.with_label_values(&[self.name.as_str(), reason]).inc();
        }
    }

    /// The function is gone: nobody asks for its series any more. What a call says that still runs is not told.
    pub fn forget(&self, reasons: &[&str]) {
        let mut is_gone = self.is_gone.write().unwrap_or_else(PoisonError::into_inner);
        *is_gone = true;
        let LambdaFamilies { invocations, errors, throttles, duration, running, provisioned, spillover, asynchronous } =
            &self.families;
        asynchronous.forget(&self.name);
        let name = [self.name.as_str()];
        // One that has no sample was not there.
        for family in [invocations, errors, provisioned, spillover] {
            let _ = family.remove_label_values(&name);
        }
        let _ = duration.remove_label_values(&name);
        let _ = running.remove_label_values(&name);
        for reason in reasons {
            let _ = throttles.remove_label_values(&[name[0], reason]);
        }
    }
}

impl Drop for RunningExecution {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use crate::telemetry::Telemetry;

    #[test]
    fn a_call_that_is_refused_when_its_function_has_gone_leaves_no_series() {
        let telemetry = Telemetry::new();
        let function = telemetry.api().function("shop");
        function.throttled("Rate");
        let running = function.began(Some(true));
        assert!(telemetry.render().contains("edgeward_lambda_throttles_total{function=\"shop\",reason=\"Rate\"} 1\n"));
        function.forget(&["Rate"]);
        // What a call tells that has found the function before.
        function.throttled("Rate");
        function.invoked(true, 1.0);
        drop(running);
        assert!(!telemetry.render().contains("shop"), "{}", telemetry.render());
        // Another one of that name begins anew.
        telemetry.api().function("shop").throttled("Rate");
        assert!(telemetry.render().contains("edgeward_lambda_throttles_total{function=\"shop\",reason=\"Rate\"} 1\n"));
    }
}
