//! I measure the cost of a start (cold, from the shelf, warm, reused) and, in `fuel`, the time that a unit of fuel buys.
//!
//! Everything runs in this process through the same code as in production (`function`, `wasm`), on one
//! thread. I know no command line: `cli::bench` prints the results.

mod chart;
mod events;
mod fuel;
mod function;
mod host_calls;
mod invocation;
mod minimal;
mod shares;

pub use chart::{human, svg};
pub use events::{EventLoad, EventRates, event_rates};
pub use fuel::{Class, Prices};
pub use function::{EnvironmentKind, MeasuredFunction, function_cold_warm};
pub use shares::{ThreadShare, endless, shares};

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::failure::Failure;
use crate::function::lane::WorkerLane;
use crate::function::pool::ViewerPool;
use crate::limits::{Compiling, InstancePolicy, Limit, Limits, Profile, shelf};
use crate::runtime::{Runtimes, SourceCode};
use crate::telemetry::Telemetry;
use crate::wasm::abi::{EventBody, EventHeader, EventWriter, Moment};
use crate::wasm::compile::{self, ComponentSource};
use crate::wasm::engine::Engines;
use crate::wasm::viewer::{ViewerCallResult, ViewerCode, ViewerInstance};

/// Measures how long code of each kind, and calls into the host, run per unit of fuel. `progress` is called with the
/// completed fraction.
pub fn fuel(engines: &Engines, progress: impl FnMut(f64)) -> anyhow::Result<Prices> {
    let mut prices = fuel::code(engines, progress)?;
    prices.kinds.extend(host_calls::host_calls(engines)?);
    Ok(prices)
}

/// A measured stage in the life of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceStage {
    /// Compiling the component; measured once.
    Compile,
    /// Mapping and linking the compiled file, for a function that this process has not run yet.
    FromDisk,
    /// INIT of a source, with a Runtime that is there: what deploying one more function takes.
    Init,
    /// Creating a store and an instance.
    Instantiate,
    /// Taking a ready instance from the shelf.
    Checkout,
    /// The first call on a new instance.
    FirstCall,
    /// A call on a restored instance: clean, as in production.
    WarmCall,
    /// Restoring an instance.
    Restore,
    /// A call on a used instance (policy `reuse`).
    ReusedCall,
    /// Dropping an instance.
    Teardown,
    /// A call of a function for which an environment is made, with its INIT.
    ColdStart,
    /// The same, where the environment begins with what INIT has left at deployment.
    SnapshotStart,
    /// A call that finds an environment which has served none.
    ProvisionedStart,
}

impl InstanceStage {
    pub fn name(self) -> &'static str {
        match self {
            InstanceStage::Compile => "compile",
            InstanceStage::FromDisk => "from disk",
            InstanceStage::Init => "init",
            InstanceStage::Instantiate => "instantiate",
            InstanceStage::Checkout => "shelf checkout",
            InstanceStage::FirstCall => "first call",
            InstanceStage::WarmCall => "warm call (clean)",
            InstanceStage::Restore => "restore",
            InstanceStage::ReusedCall => "reused call",
            InstanceStage::Teardown => "teardown",
            InstanceStage::ColdStart => "cold start",
            InstanceStage::SnapshotStart => "snapshot start",
            InstanceStage::ProvisionedStart => "provisioned start",
        }
    }
}

/// The distribution of one stage, in nanoseconds.
#[derive(Debug, Clone, Serialize)]
pub struct Distribution {
    pub stage: &'static str,
    pub samples: usize,
    pub p50_ns: u64,
    pub p90_ns: u64,
    pub p99_ns: u64,
    pub p999_ns: u64,
}

impl Distribution {
    fn of(stage: InstanceStage, mut samples: Vec<u64>) -> Distribution {
        samples.sort_unstable();
        let at = |per_mille: usize| {
            samples.get((samples.len() * per_mille / 1000).min(samples.len().saturating_sub(1))).copied().unwrap_or(0)
        };
        Distribution {
            stage: stage.name(),
            samples: samples.len(),
            p50_ns: at(500),
            p90_ns: at(900),
            p99_ns: at(990),
            p999_ns: at(999),
        }
    }
}

/// The result of `cold_warm`.
#[derive(Debug, Clone, Serialize)]
pub struct ColdWarmReport {
    pub component_bytes: usize,
    pub hook: &'static str,
    /// Whether instances can be restored after a call, and if not, why.
    pub restorable: bool,
    pub not_restorable_because: Option<String>,
    pub fuel_per_call: u64,
    pub utilization_percent: u8,
    /// Of an instance of a function, after a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    pub stages: Vec<Distribution>,
}

impl ColdWarmReport {
    /// What was measured, in words.
    pub fn kind(&self) -> String {
        if self.memory_bytes.is_some() { self.hook.to_owned() } else { format!("{} hook", self.hook) }
    }
}

/// What is measured.
pub enum MeasuredCode<'a> {
    Component(&'a [u8]),
    /// A source, with the Runtimes of this measurement.
    Source(&'a Runtimes, &'a SourceCode),
}

impl MeasuredCode<'_> {
    fn bytes(&self) -> usize {
        match self {
            MeasuredCode::Component(bytes) => bytes.len(),
            MeasuredCode::Source(_, source) => source.text.len(),
        }
    }

    /// Its code, and which hooks it has.
    fn code(&self, engines: &Engines) -> anyhow::Result<(ViewerCode, Vec<Moment>)> {
        let (limits, bounds) = (Limits::defaults(Profile::Viewer), Compiling::default().waited_for());
        match self {
            MeasuredCode::Component(bytes) => {
                let compiled = compile::compiled(engines, &ComponentSource::from_bytes(bytes)?, &limits, bounds)?;
                Ok((ViewerCode::new(engines, &compiled, &limits, None)?, compiled.inspection.moments))
            }
            MeasuredCode::Source(runtimes, source) => {
                let (runtime, code, _) = runtimes.function(engines, source, &limits, bounds, None)?;
                Ok((code, runtime.inspection.moments.clone()))
            }
        }
    }
}

/// Measures a viewer hook with `rounds` samples per stage. `progress` is called with the completed fraction.
pub fn cold_warm(
    engines: &Engines,
    subject: &MeasuredCode<'_>,
    rounds: usize,
    mut progress: impl FnMut(f64),
) -> anyhow::Result<ColdWarmReport> {
    let start = Instant::now();
    let (_, moments) = subject.code(engines)?;
    let moment = moments.into_iter().find(|moment| moment.is_viewer()).ok_or_else(|| anyhow::anyhow!("no viewer hook"))?;
    let event = sample_event(moment);
    let mut stages = vec![Distribution::of(InstanceStage::Compile, vec![ns(start.elapsed())])];

    let mut load = Vec::new();
    for _ in 0..(rounds / 20).max(1) {
        let start = Instant::now();
        let (code, _) = subject.code(engines)?;
        load.push(ns(start.elapsed()));
        drop(code);
    }
    let loaded = match subject {
        MeasuredCode::Component(_) => InstanceStage::FromDisk,
        MeasuredCode::Source(..) => InstanceStage::Init,
    };
    stages.push(Distribution::of(loaded, load));
    progress(0.2);

    let (code, _) = subject.code(engines)?;
    let (mut instantiate, mut first, mut teardown) = (Vec::new(), Vec::new(), Vec::new());
    let mut last = ViewerCallResult { result: Ok(Vec::new()), fuel: 0 };
    for _ in 0..rounds {
        let start = Instant::now();
        let mut instance = code.instantiate()?;
        let made = Instant::now();
        last = call(&code, &mut instance, moment, &event)?;
        let called = Instant::now();
        drop(instance);
        teardown.push(ns(called.elapsed()));
        instantiate.push(ns(made - start));
        first.push(ns(called - made));
    }
    stages.push(Distribution::of(InstanceStage::Instantiate, instantiate));
    stages.push(Distribution::of(InstanceStage::FirstCall, first));
    progress(0.5);

    let (mut warm, mut restore, mut reused) = (Vec::new(), Vec::new(), Vec::new());
    if code.is_restorable() {
        let mut instance = code.instantiate()?;
        for _ in 0..rounds {
            let start = Instant::now();
            call(&code, &mut instance, moment, &event)?;
            let called = Instant::now();
            anyhow::ensure!(instance.restore(), "an instance could not be restored");
            restore.push(ns(called.elapsed()));
            warm.push(ns(called - start));
        }
        stages.push(Distribution::of(InstanceStage::WarmCall, warm));
        stages.push(Distribution::of(InstanceStage::Restore, restore));
    }
    progress(0.7);
    let mut instance = code.instantiate()?;
    for _ in 0..rounds {
        let start = Instant::now();
        let called = call(&code, &mut instance, moment, &event);
        reused.push(ns(start.elapsed()));
        // A guest that leaks reaches its memory limit at some point, which ends the instance.
        if called.is_err() {
            instance = code.instantiate()?;
        }
    }
    stages.push(Distribution::of(InstanceStage::ReusedCall, reused));
    progress(0.9);
    stages.push(Distribution::of(InstanceStage::Checkout, checkout(subject.code(engines)?.0, rounds)?));
    stages.push(Distribution::of(InstanceStage::Teardown, teardown));
    progress(1.0);

    Ok(ColdWarmReport {
        component_bytes: subject.bytes(),
        hook: moment.name(),
        restorable: code.is_restorable(),
        not_restorable_because: code.unrestorable().map(str::to_owned),
        fuel_per_call: last.fuel,
        utilization_percent: code.utilization(last.fuel),
        memory_bytes: None,
        stages,
    })
}

fn call(code: &ViewerCode, instance: &mut ViewerInstance, moment: Moment, event: &[u8]) -> Result<ViewerCallResult, Failure> {
    let called = instance.call(code, moment, event, 0, 0);
    match called.result {
        Ok(_) => Ok(called),
        Err(failure) => Err(failure),
    }
}

fn checkout(code: ViewerCode, rounds: usize) -> anyhow::Result<Vec<u64>> {
    let metrics = Arc::new(Telemetry::new().function("bench"));
    let live_max = Limits::defaults(Profile::Viewer).value(Limit::Instances);
    let pool = ViewerPool::new(code, InstancePolicy::Fresh, None, live_max, 1, metrics);
    pool.warm_up(shelf::VIEWER)?;
    let lane = WorkerLane::new(0);
    let mut samples = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let start = Instant::now();
        let (instance, _) = pool.take(&lane, start)?;
        samples.push(ns(start.elapsed()));
        pool.put_back(&lane, instance);
    }
    Ok(samples)
}

/// A browser's request with 15 headers.
pub fn sample_event(moment: Moment) -> Vec<u8> {
    const HEADERS: [(&str, &str); 15] = [
        ("host", "www.example.com"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("accept-language", "en-US,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("dnt", "1"),
        ("connection-hint", "keep-alive"),
        ("cookie", "session=0a1b2c3d4e5f60718293a4b5c6d7e8f9; theme=dark; variant=b"),
        ("upgrade-insecure-requests", "1"),
        ("sec-fetch-dest", "document"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-site", "none"),
        ("sec-fetch-user", "?1"),
        ("priority", "u=0, i"),
        ("cloudfront-viewer-country", "CH"),
    ];
    let mut buffer = Vec::new();
    let context = EventHeader {
        moment,
        has_query: true,
        site: "example",
        request_id: "bench-0000",
        client_ip: "192.0.2.7",
        edge_location: "local",
    };
    let mut event = EventWriter::begin(&mut buffer, &context);
    event.request("GET", "/docs/", "page=2&sort=name");
    event.headers(HEADERS.iter().map(|(name, value)| (*name, value.as_bytes())));
    event.body(EventBody::Hidden);
    if !moment.is_request() {
        event.response(200, "OK");
        event.headers([("content-type", &b"text/html"[..]), ("cache-control", b"max-age=60")].into_iter());
        event.body(EventBody::Hidden);
    }
    buffer
}

/// The smallest viewer hook: it changes nothing.
pub fn minimal_hook() -> Vec<u8> {
    minimal::component()
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
