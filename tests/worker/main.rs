//! Worker components behind the door of `Revision`: what they may do, and each limit when it is hit.

mod component;
mod hook;
mod limits;
mod pool;

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use edgeward::config::{Function, Policy};
use edgeward::function::catalog::Catalog;
use edgeward::function::revision::{Outcome, Revision};
use edgeward::limits::{Compiling, Limit, Limits, Profile};
use edgeward::loops::LoopMarks;
use edgeward::telemetry::Telemetry;
use edgeward::wasm::abi::Moment;
use edgeward::wasm::compile::{CompileError, Compiler, ComponentSource};

/// Engines reserve much address space: one catalog for all tests of the process.
static HOST: LazyLock<Host> = LazyLock::new(|| {
    let telemetry = Arc::new(Telemetry::new());
    let directory = tempfile::tempdir().unwrap();
    let compiler = Compiler::Program(env!("CARGO_BIN_EXE_edgeward").into());
    let catalog = Catalog::new(1, directory.path(), compiler, telemetry.clone()).unwrap();
    Host { catalog, telemetry, _directory: directory }
});

struct Host {
    catalog: Catalog,
    telemetry: Arc<Telemetry>,
    _directory: tempfile::TempDir,
}

/// A function's settings, from the defaults.
pub fn function(name: &str) -> Function {
    Function {
        name: name.to_owned(),
        component: PathBuf::new(),
        profile: Profile::Worker,
        limits: Limits::defaults(Profile::Worker),
        policy: Policy::Fresh,
        min_warm: Some(1),
        key_value_store: None,
        network: Default::default(),
        environment: Default::default(),
    }
}

pub fn with(mut function: Function, limit: Limit, value: u64) -> Function {
    function.limits = function.limits.with(limit, value).unwrap();
    function
}

pub fn reuse(mut function: Function, max_calls: u64, max_idle: Duration) -> Function {
    function.policy = Policy::Reuse { max_calls, max_idle };
    function
}

pub fn deploy(function: &Function, wat: &str) -> Arc<Revision> {
    try_deploy(function, wat).unwrap()
}

pub fn try_deploy(function: &Function, wat: &str) -> anyhow::Result<Arc<Revision>> {
    let source = ComponentSource::from_bytes(&wat::parse_str(wat)?)?;
    let revision = HOST.catalog.revision(function, &source, Compiling::default());
    // With its remedy, as a deployment says it.
    let told = |why: anyhow::Error| why.downcast_ref().map(CompileError::told).map_or(why, anyhow::Error::msg);
    revision.map(Arc::new).map_err(told)
}

pub async fn call(revision: &Arc<Revision>, event: &[u8]) -> Outcome {
    revision.call_origin(Moment::OriginRequest, event.to_vec(), LoopMarks::default()).await
}

/// The value of a metric with exactly these labels; 0 if there is none yet.
pub fn metric(name_and_labels: &str) -> u64 {
    let text = HOST.telemetry.render();
    let line = text.lines().find_map(|line| line.strip_prefix(name_and_labels)?.strip_prefix(' '));
    line.map_or(0, |value| value.trim().parse().unwrap())
}
