//! I publish what a configuration says of functions: all of it, or nothing and every error.
//!
//! A file is one publisher among others. What it says becomes specifications (`function::spec`); those that are as they
//! were keep their revision, with its warm instances.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::config::{self, Config};
use crate::function::build::{Builder, DeployError};
use crate::function::catalog::Revisions;
use crate::function::revision::Revision;
use crate::function::spec::{CodeDigest, KeyValues, Spec};
use crate::limits::Compiling;
use crate::telemetry::Telemetry;
use crate::wasm::compile::Source;

/// A function of a configuration that cannot be deployed.
#[derive(Debug, thiserror::Error)]
#[error("function `{function}` ({}): {error}", .component.display())]
pub(super) struct Refused {
    function: String,
    component: PathBuf,
    error: DeployError,
}

/// The revisions of all functions of a configuration; those that are in `before` with the same code and settings are
/// kept. Compiles, on all CPUs: never call it on a worker.
pub(super) fn revisions(
    config: &Config,
    before: &Revisions,
    builder: &Builder,
    telemetry: &Telemetry,
) -> Result<Revisions, Vec<Refused>> {
    let functions: Vec<_> = config.functions.values().collect();
    let bounds = config.server.compiling;
    let built = in_parallel(&functions, |function| revision(function, before.get(&function.name), builder, bounds));
    let (mut revisions, mut refused) = (Vec::new(), Vec::new());
    for (function, built) in functions.into_iter().zip(built) {
        match built {
            Ok(revision) => revisions.push((function.name.clone(), revision)),
            Err(error) => {
                telemetry.deployment_refused(error.code());
                let (function, component) = (function.name.clone(), function.component.clone());
                refused.push(Refused { function, component, error });
            }
        }
    }
    if refused.is_empty() { Ok(revisions.into_iter().collect()) } else { Err(refused) }
}

fn revision(
    function: &config::Function,
    before: Option<&Arc<Revision>>,
    builder: &Builder,
    bounds: Compiling,
) -> Result<Arc<Revision>, DeployError> {
    let source = Source::open(&function.component)?;
    let spec = spec(function, CodeDigest(source.sha256));
    match before {
        Some(before) if *before.spec() == spec => Ok(before.clone()),
        _ => builder.build(spec, &source, bounds).map(Arc::new),
    }
}

/// What a configuration says of a function.
fn spec(function: &config::Function, code: CodeDigest) -> Spec {
    let store = function.key_value_store.as_ref();
    Spec {
        name: function.name.clone(),
        code,
        limits: function.limits.clone(),
        policy: function.policy,
        min_warm: function.min_warm,
        environment: function.environment.0.clone(),
        grants: function.network.clone(),
        key_values: store.map(|store| Arc::new(KeyValues { name: store.name.clone(), values: store.values.0.clone() })),
    }
}

/// Does a piece of work for each item, on as many threads as there are CPUs. The results are in the order of the items.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(items.len());
    let next = AtomicUsize::new(0);
    let lane = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return done };
            done.push((index, work(item)));
        }
    };
    let mut results: Vec<(usize, R)> = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..threads).map(|_| scope.spawn(lane)).collect();
        let join = |lane: std::thread::ScopedJoinHandle<'_, Vec<_>>| {
            lane.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        lanes.into_iter().flat_map(join).collect()
    });
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
