//! Names lead to revisions here. A deployment is all or nothing: a new set of revisions, or every error.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::config::{self, Config, Policy};
use crate::failure::Failure;
use crate::function::admission::Admission;
use crate::function::pool::ViewerPool;
use crate::function::revision::{Code, Revision};
use crate::function::worker_pool::WorkerPool;
use crate::limits::{Compiling, Limit, Profile};
use crate::telemetry::Telemetry;
use crate::wasm::compile::{self, CompileError, Compiler, ComponentSource, HttpVersion};
use crate::wasm::egress::Egress;
use crate::wasm::engine::Engines;
use crate::wasm::state::KeyValueStore;
use crate::wasm::viewer::ViewerCode;
use crate::wasm::worker::WorkerCode;
use crate::wasm::worker::state::Surroundings;

/// The revisions of one configuration, by function name. Immutable.
#[derive(Default)]
pub struct Revisions {
    by_name: BTreeMap<String, Deployed>,
}

struct Deployed {
    revision: Arc<Revision>,
    /// What it was made of: component and settings.
    settings: config::Function,
    digest: [u8; 32],
}

impl Revisions {
    pub fn get(&self, name: &str) -> Option<&Arc<Revision>> {
        self.by_name.get(name).map(|deployed| &deployed.revision)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<Revision>)> {
        self.by_name.iter().map(|(name, deployed)| (name.as_str(), &deployed.revision))
    }
}

/// Why a component cannot be deployed.
#[derive(Debug, thiserror::Error)]
#[error("function `{function}` ({}): {why}", .component.display())]
pub struct DeployError {
    pub function: String,
    pub component: PathBuf,
    pub why: String,
}

/// The same for one function, with the word that it is counted under.
struct Refused {
    reason: &'static str,
    why: anyhow::Error,
}

/// See the module.
pub struct Catalog {
    workers: usize,
    telemetry: Arc<Telemetry>,
    engines: Arc<Engines>,
    /// What was deployed last. The lock is held through a deployment: one at a time.
    current: Mutex<Arc<Revisions>>,
}

impl Catalog {
    /// `workers` is the number of threads that call revisions; AOT files are kept in `data_dir`, and made by `compiler`.
    pub fn new(workers: usize, data_dir: &Path, compiler: Compiler, telemetry: Arc<Telemetry>) -> anyhow::Result<Catalog> {
        let engines = Arc::new(Engines::new(data_dir, compiler).map_err(|error| anyhow::anyhow!("{error:#}"))?);
        Ok(Catalog { workers, telemetry, engines, current: Mutex::default() })
    }

    pub fn engines(&self) -> &Arc<Engines> {
        &self.engines
    }

    /// Compiles what is new or changed (component bytes or settings), keeps the rest with its warm
    /// instances, and smoke-runs each new revision. Blocks for as long as compiling takes: never call it
    /// on a worker.
    pub fn deploy(&self, config: &Config) -> Result<Arc<Revisions>, Vec<DeployError>> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let functions: Vec<_> = config.functions.iter().collect();
        let bounds = config.server.compiling;
        let deployed = in_parallel(&functions, |(name, function)| self.deployed(function, bounds, current.by_name.get(*name)));
        let mut by_name = BTreeMap::new();
        let mut errors = Vec::new();
        for ((name, function), deployed) in functions.into_iter().zip(deployed) {
            match deployed {
                Ok(deployed) => drop(by_name.insert(name.clone(), deployed)),
                Err(refused) => {
                    self.telemetry.deployment_refused(refused.reason);
                    let why = format!("{:#}", refused.why);
                    errors.push(DeployError { function: name.clone(), component: function.component.clone(), why });
                }
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        *current = Arc::new(Revisions { by_name });
        Ok(current.clone())
    }

    fn deployed(&self, function: &config::Function, bounds: Compiling, before: Option<&Deployed>) -> Result<Deployed, Refused> {
        let source = ComponentSource::open(&function.component)
            .map_err(|error| Refused { reason: "read", why: anyhow::anyhow!("cannot be read: {error}") })?;
        let digest = source.sha256;
        if let Some(before) = before
            && before.digest == digest
            && before.settings == *function
        {
            return Ok(Deployed { revision: before.revision.clone(), settings: function.clone(), digest });
        }
        let revision = self.revision(function, &source, bounds).map_err(|why| match why.downcast_ref::<CompileError>() {
            Some(error) => Refused { reason: error.reason().name(), why: anyhow::anyhow!(error.told()) },
            None => Refused { reason: "start", why },
        })?;
        Ok(Deployed { revision: Arc::new(revision), settings: function.clone(), digest })
    }

    /// A revision of one function; its instances are made and warm.
    pub fn revision(&self, function: &config::Function, source: &ComponentSource, bounds: Compiling) -> anyhow::Result<Revision> {
        let compiled = compile::compiled(&self.engines, source, &function.limits, bounds)?;
        let metrics = Arc::new(self.telemetry.function(&function.name));
        let key_values = function.key_value_store.clone().map(|values| values as Arc<dyn KeyValueStore>);
        let code = match function.profile {
            Profile::Viewer => {
                if let Err(why) = &compiled.restorable {
                    tracing::info!(function = function.name, reason = %why, "instances cannot be restored; each call takes a new one");
                }
                let code = ViewerCode::new(&self.engines, &compiled, &function.limits, key_values)?;
                let live_max = function.limits.value(Limit::Instances);
                let pool = ViewerPool::new(code, function.policy, function.min_warm, live_max, self.workers);
                // At least one instance is made now: what fails to start must fail the deployment.
                pool.warm_up(&metrics)?;
                Code::Viewer(Arc::new(pool))
            }
            Profile::Worker => {
                let surroundings = Surroundings {
                    environment: Arc::new(function.environment.0.clone()),
                    key_values,
                    egress: Arc::new(Egress::new(
                        function.network.clone(),
                        function.limits.value(Limit::Connections),
                        metrics.clone(),
                    )),
                };
                let code = WorkerCode::new(
                    &self.engines,
                    &compiled.component,
                    compiled.inspection.http,
                    &function.limits,
                    surroundings,
                )?;
                let min_warm = function.min_warm.unwrap_or(1);
                // A program runs once in its instance.
                let policy = if compiled.inspection.http == Some(HttpVersion::Cgi) { Policy::Fresh } else { function.policy };
                let pool = WorkerPool::new(code, policy, min_warm, self.workers, metrics.clone());
                block_on(pool.warm_up(min_warm))?;
                Code::Worker(pool)
            }
        };
        self.engines.aot.release(&compiled.component);
        let inspection = compiled.inspection;
        let (name, limits) = (function.name.clone(), function.limits.clone());
        let (digest, deployed) = (source.sha256, SystemTime::now());
        Ok(Revision { name, digest, deployed, limits, inspection, metrics, admission: Admission::default(), code })
    }
}

impl KeyValueStore for config::KeyValues {
    fn name(&self) -> &str {
        &self.name
    }

    fn get(&self, key: &str) -> Option<&[u8]> {
        self.values.get(key).map(Vec::as_slice)
    }

    fn count(&self) -> usize {
        self.values.len()
    }

    fn key_at(&self, position: usize) -> Option<&str> {
        self.values.keys().nth(position).map(String::as_str)
    }

    fn keys_after(&self, key: Option<&str>, max: usize) -> Vec<String> {
        let start = key.map_or(Bound::Unbounded, Bound::Excluded);
        self.values.range::<str, _>((start, Bound::Unbounded)).take(max).map(|(key, _)| key.clone()).collect()
    }
}

/// Instances of workers start asynchronously, with timers. Whatever runtime the caller's thread belongs to
/// must not be blocked on, so this one has a thread of its own.
fn block_on<T: Send>(started: impl Future<Output = Result<T, Failure>> + Send) -> anyhow::Result<T> {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(started)?)
    };
    let ran = std::thread::scope(|scope| scope.spawn(run).join());
    ran.unwrap_or_else(|_| Err(anyhow::anyhow!("its start panicked")))
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
