//! An immutable pair of code and settings, and the one question it answers: `call`.

mod worker;

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::failure::{Failure, Scope};
use crate::function::call::{Call, Calling, HookCall, HookOutcome, InvokeOutcome, MemoryUse, Reply, Usage};
use crate::function::concurrency::throttle::UtilizationThrottle;
use crate::function::lane::WorkerLane;
use crate::function::pool::{Cleanliness, InstanceSource, ViewerPool};
use crate::function::spec::Spec;
use crate::function::worker_pool::WorkerPool;
use crate::limits::{CLOCK_ANCHOR_MS, Limit, Limits, Profile};
use crate::telemetry::FunctionMetrics;
use crate::wasm::abi::{self, Moment};
use crate::wasm::compile::Inspection;
use crate::wasm::worker::WorkerCode;

/// See the module.
pub struct Revision {
    pub(super) spec: Spec,
    pub(super) deployed: SystemTime,
    pub(super) code_bytes: u64,
    pub(super) inspection: Inspection,
    pub(super) metrics: Arc<FunctionMetrics>,
    pub(super) throttle: UtilizationThrottle,
    pub(super) code: Code,
}

/// What runs.
pub(super) enum Code {
    Viewer(Arc<ViewerPool>),
    Worker(Arc<WorkerPool>),
}

thread_local! {
    /// A moment by both clocks.
    static ANCHOR: Cell<Option<(Instant, u64)>> = const { Cell::new(None) };
}

/// Nanoseconds since 1970. The wall clock is asked once a second: a step of it is noticed that late, and each
/// call is spared a reading.
fn wall_ns(now: Instant) -> u64 {
    if let Some((anchor, ns)) = ANCHOR.get() {
        let since = now.saturating_duration_since(anchor);
        if since < Duration::from_millis(CLOCK_ANCHOR_MS) {
            return ns + u64::from(since.subsec_nanos());
        }
    }
    let ns = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let ns = u64::try_from(ns).unwrap_or(u64::MAX);
    ANCHOR.set(Some((now, ns)));
    ns
}

impl Revision {
    /// What makes instances of it, for whoever measures that; none of a viewer hook.
    pub fn worker_code(&self) -> Option<&WorkerCode> {
        match &self.code {
            Code::Viewer(_) => None,
            Code::Worker(pool) => Some(pool.code()),
        }
    }

    /// What its instances begin with, as it is on disk.
    pub fn snapshot_bytes(&self) -> u64 {
        self.worker_code().map_or(0, WorkerCode::snapshot_bytes)
    }

    /// What it was made of.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    pub fn name(&self) -> &str {
        &self.spec.name
    }

    pub fn metrics(&self) -> &FunctionMetrics {
        &self.metrics
    }

    /// Of its component, or of its source without the Runtime and layers.
    pub fn code_bytes(&self) -> u64 {
        self.code_bytes
    }

    /// When it was made.
    pub fn deployed(&self) -> SystemTime {
        self.deployed
    }

    pub fn profile(&self) -> Profile {
        self.spec.profile()
    }

    pub fn limits(&self) -> &Limits {
        &self.spec.limits
    }

    pub fn inspection(&self) -> &Inspection {
        &self.inspection
    }

    /// Which hooks the component exports.
    pub fn moments(&self) -> &[Moment] {
        &self.inspection.moments
    }

    /// What becomes of an instance of a viewer function between two calls.
    pub fn cleanliness(&self) -> Option<Cleanliness<'_>> {
        match &self.code {
            Code::Viewer(pool) => Some(pool.cleanliness()),
            Code::Worker(_) => None,
        }
    }

    /// Whether it is a wasi:http handler.
    pub fn is_http(&self) -> bool {
        self.inspection.http.is_some()
    }

    /// Runs a call. A viewer hook is over when this returns; everything else runs while it is awaited, wherever that is.
    pub fn call<'a>(self: &'a Arc<Self>, lane: &WorkerLane, call: Call<'a>) -> Calling<'a> {
        match (&self.code, call) {
            (Code::Viewer(pool), Call::Hook(hook)) => Calling::Over(Reply::Hook(self.run_inline(pool, lane, &hook))),
            (Code::Viewer(_), Call::Http(_)) => {
                let why = "it is a viewer function".to_owned();
                Calling::Over(Reply::Http(Err(Failure::NotRunnable(why))))
            }
            (Code::Viewer(_), Call::Invoke(_)) => {
                let failure = Failure::NotRunnable("it is a viewer function".to_owned());
                Calling::Over(Reply::Invoke(Box::new(InvokeOutcome::refused(failure))))
            }
            (Code::Worker(pool), Call::Hook(hook)) => {
                let lane = lane.number();
                Calling::Running(Box::pin(async move { Reply::Hook(self.run_hook(pool, lane, hook).await) }))
            }
            (Code::Worker(pool), Call::Http(request)) => {
                let lane = lane.number();
                Calling::Running(Box::pin(async move { Reply::Http(self.serve_http(pool, lane, request).await) }))
            }
            (Code::Worker(pool), Call::Invoke(invocation)) => {
                let lane = lane.number();
                Calling::Running(Box::pin(async move { Reply::Invoke(Box::new(self.run_invoke(pool, lane, invocation).await)) }))
            }
        }
    }

    /// Runs a viewer hook: synchronous, no lock waited for, at most the CPU limit long.
    fn run_inline(&self, pool: &ViewerPool, lane: &WorkerLane, call: &HookCall<'_>) -> HookOutcome {
        let start = Instant::now();
        if !self.throttle.admits(start) {
            self.metrics.failed("throttled:utilization", 0.0, 0);
            return HookOutcome::refused(Failure::Throttled(Scope::Utilization));
        }
        let (mut instance, source) = match pool.take(lane, start) {
            Ok(taken) => taken,
            Err(failure) => {
                self.metrics.failed(&failure.label(), start.elapsed().as_secs_f64(), 0);
                return HookOutcome::refused(failure);
            }
        };
        let now_ns = wall_ns(start);
        let called = instance.inner().call(pool.code(), call.moment, &call.event, now_ns, now_ns.rotate_left(32));
        let log = instance.inner().take_log();
        let elapsed = start.elapsed();
        let memory_bytes = match (call.memory, &called.result) {
            (MemoryUse::Unmeasured, _) => 0,
            (MemoryUse::Measured, Ok(_)) => instance.inner().memory_bytes(pool.code()).unwrap_or_default(),
            // A trapped store is never entered again.
            (MemoryUse::Measured, Err(_)) => instance.inner().mapped_bytes(),
        };
        let cpu = Duration::from_micros(self.limits().value(Limit::CpuUs));
        // The instance of a call that reports a failure is as good as any.
        let reported = called.result.as_ref().ok().and_then(|answer| abi::reported(answer));
        match (&called.result, &reported) {
            (Ok(_), None) => {
                self.throttle.ended(start, elapsed, cpu);
                self.metrics.succeeded(elapsed.as_secs_f64(), called.fuel);
                pool.put_back(lane, instance);
            }
            (Ok(_), Some(failure)) => {
                self.throttle.ended(start, elapsed, cpu);
                self.metrics.failed(&failure.label(), elapsed.as_secs_f64(), called.fuel);
                pool.put_back(lane, instance);
            }
            (Err(failure), _) => {
                self.throttle.failed(start, elapsed, cpu, failure);
                self.metrics.failed(&failure.label(), elapsed.as_secs_f64(), called.fuel);
                pool.replace(lane, instance, failure.category());
            }
        }
        let usage = Usage {
            fuel: called.fuel,
            utilization: pool.code().utilization(called.fuel),
            cold: source == InstanceSource::Cold,
            memory_bytes,
            duration_us: u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            waited_us: 0,
        };
        HookOutcome { result: reported.map_or(called.result, Err), usage, log, init_log: String::new() }
    }
}
