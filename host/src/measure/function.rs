//! The stages in the life of a function's environment, through the same door as in production.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::invocation::invocation;
use super::{ColdWarmReport, Distribution, InstanceStage, ns};
use crate::function::call::{Call, Invocation, InvokeOutcome};
use crate::function::lane::WorkerLane;
use crate::function::revision::Revision;
use crate::limits::InstancePolicy;

/// What is measured.
pub struct MeasuredFunction<'a> {
    pub bytes: usize,
    /// Deploys it once more: the second time, nothing is compiled.
    pub deploy: &'a dyn Fn(&EnvironmentKind) -> anyhow::Result<Arc<Revision>>,
    /// It has an INIT: its environments may begin with a snapshot, or run it for themselves.
    pub has_init: bool,
    /// As JSON.
    pub event: Bytes,
}

/// How its environments come to be, and go.
#[derive(Debug, Clone)]
pub struct EnvironmentKind {
    pub policy: InstancePolicy,
    /// How many wait for a call.
    pub provisioned: usize,
    /// Each runs INIT for itself.
    pub own_init: bool,
}

impl EnvironmentKind {
    /// One for each call, made for it.
    const FRESH: EnvironmentKind = EnvironmentKind { policy: InstancePolicy::Fresh, provisioned: 0, own_init: false };

    fn reused(max_calls: u64) -> EnvironmentKind {
        let policy = InstancePolicy::Reuse { max_calls, max_idle: Duration::from_secs(3_600) };
        EnvironmentKind { policy, ..EnvironmentKind::FRESH }
    }
}

/// Measures a function with `rounds` samples of each stage of a call; a deployment is measured a few times only.
pub fn function_cold_warm(
    function: &MeasuredFunction<'_>,
    rounds: usize,
    mut progress: impl FnMut(f64),
) -> anyhow::Result<ColdWarmReport> {
    let start = Instant::now();
    drop((function.deploy)(&EnvironmentKind::FRESH)?);
    let mut stages = vec![Distribution::of(InstanceStage::Compile, vec![ns(start.elapsed())])];
    progress(0.3);
    let mut init = Vec::new();
    for _ in 0..DEPLOYMENTS {
        let start = Instant::now();
        drop((function.deploy)(&EnvironmentKind::FRESH)?);
        init.push(ns(start.elapsed()));
    }
    stages.push(Distribution::of(InstanceStage::Init, init));
    progress(0.5);

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = tokio::task::LocalSet::new();
    let lane = WorkerLane::new(0);
    let call = |revision: &Arc<Revision>| -> anyhow::Result<(InvokeOutcome, Duration)> {
        let call = Call::Invoke(invocation(revision, function.event.clone()));
        let start = Instant::now();
        let outcome = tasks.block_on(&runtime, async { revision.call(&lane, call).await }).into_invoke();
        let took = start.elapsed();
        match &outcome.result {
            Ok(Ok(_)) => Ok((outcome, took)),
            Ok(Err(error)) => anyhow::bail!("{}: {}", error.error_type, error.message),
            Err(failure) => anyhow::bail!("{failure}"),
        }
    };

    let fresh = (function.deploy)(&EnvironmentKind::FRESH)?;
    let code = fresh.worker_code().ok_or_else(|| anyhow::anyhow!("it is no function"))?;
    let (mut instantiate, mut first, mut begun, mut teardown) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let Invocation { event, context, stream, passed } = invocation(&fresh, function.event.clone());
        let start = Instant::now();
        let mut instance = tasks.block_on(&runtime, code.instantiate(None))?;
        let made = Instant::now();
        let called = tasks.block_on(&runtime, instance.invoke(code, event, context, stream, passed));
        let over = Instant::now();
        drop(instance);
        teardown.push(ns(over.elapsed()));
        instantiate.push(ns(made - start));
        first.push(ns(over - made));
        begun.push(ns(over - start));
        drop(called.result?);
    }
    let usage = call(&fresh)?.0.usage;
    progress(0.7);
    // The next environment is made by a task of its own, once the call is over.
    let provisioned = (function.deploy)(&EnvironmentKind { provisioned: 1, ..EnvironmentKind::reused(1) })?;
    let mut waiting = Vec::new();
    for _ in 0..rounds {
        tasks.block_on(&runtime, settled());
        let (outcome, took) = call(&provisioned)?;
        if !outcome.usage.cold {
            waiting.push(ns(took));
        }
    }
    progress(0.8);
    let kept = (function.deploy)(&EnvironmentKind::reused(u64::MAX))?;
    drop(call(&kept)?);
    let mut reused = Vec::new();
    for _ in 0..rounds {
        reused.push(ns(call(&kept)?.1));
    }
    progress(0.9);
    stages.push(Distribution::of(InstanceStage::Instantiate, instantiate));
    stages.push(Distribution::of(InstanceStage::FirstCall, first));
    stages.push(Distribution::of(InstanceStage::Teardown, teardown));
    if function.has_init {
        let plain = (function.deploy)(&EnvironmentKind { own_init: true, ..EnvironmentKind::reused(1) })?;
        let (mut cold, begin) = (Vec::new(), Instant::now());
        while cold.len() < rounds && begin.elapsed() < COLD {
            let (outcome, took) = call(&plain)?;
            anyhow::ensure!(outcome.usage.cold, "an environment was there that should have been made");
            cold.push(ns(took));
            tasks.block_on(&runtime, settled());
        }
        stages.push(Distribution::of(InstanceStage::ColdStart, cold));
        stages.push(Distribution::of(InstanceStage::SnapshotStart, begun));
    } else {
        stages.push(Distribution::of(InstanceStage::ColdStart, begun));
    }
    stages.push(Distribution::of(InstanceStage::ProvisionedStart, waiting));
    stages.push(Distribution::of(InstanceStage::ReusedCall, reused));
    progress(1.0);
    Ok(ColdWarmReport {
        component_bytes: function.bytes,
        hook: "function",
        restorable: false,
        not_restorable_because: None,
        fuel_per_call: usage.fuel,
        utilization_percent: usage.utilization,
        memory_bytes: Some(usage.memory_bytes),
        stages,
    })
}

/// Each takes milliseconds to seconds.
const DEPLOYMENTS: usize = 5;
/// For starts that run INIT.
const COLD: Duration = Duration::from_secs(10);

/// Lets the tasks go on that a call has left behind.
async fn settled() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}
