//! Worker components behind the door of `Revision`: what they may do, and each limit when it is hit.

mod component;
mod hook;
mod limits;
mod pool;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use edgeward::failure::Failure;
use edgeward::function::build::{BuildFolders, Builder, CodeFile};
use edgeward::function::call::{Call, HookCall, HookOutcome, StreamBody};
use edgeward::function::lane::WorkerLane;
use edgeward::function::revision::Revision;
use edgeward::function::spec::{CodeDigest, CodeId, Spec};
use edgeward::limits::{Compiling, InstancePolicy, Limit, Profile};
use edgeward::loops::LoopMarks;
use edgeward::runtime::RuntimeFolder;
use edgeward::telemetry::Telemetry;
use edgeward::wasm::abi::Moment;
use edgeward::wasm::compile::{Compiler, ComponentSource};
use http::{Request, Response};

/// Engines reserve much address space: one builder for all tests of the process.
static HOST: LazyLock<Host> = LazyLock::new(|| {
    let telemetry = Arc::new(Telemetry::new());
    let directory = tempfile::tempdir().unwrap();
    let compiler = Compiler::Program(env!("CARGO_BIN_EXE_edgeward").into());
    let folders = BuildFolders { compiled: directory.path(), packages: directory.path() };
    let builder = Builder::new(1, folders, compiler, RuntimeFolder::find(None), telemetry.clone()).unwrap();
    Host { builder, telemetry, _directory: directory }
});

struct Host {
    builder: Builder,
    telemetry: Arc<Telemetry>,
    _directory: tempfile::TempDir,
}

/// A function's settings, from the defaults.
pub fn function(name: &str) -> Spec {
    Spec { min_warm: Some(1), ..Spec::new(name, CodeId::Component(CodeDigest([0; 32])), Profile::Worker) }
}

pub fn with(mut function: Spec, limit: Limit, value: u64) -> Spec {
    function.limits = function.limits.with(limit, value).unwrap();
    function
}

pub fn reuse(mut function: Spec, max_calls: u64, max_idle: Duration) -> Spec {
    function.policy = InstancePolicy::Reuse { max_calls, max_idle };
    function
}

pub fn deploy(function: &Spec, wat: &str) -> Arc<Revision> {
    try_deploy(function, wat).unwrap()
}

pub fn try_deploy(function: &Spec, wat: &str) -> anyhow::Result<Arc<Revision>> {
    let code = CodeFile::Component(ComponentSource::from_bytes(&wat::parse_str(wat)?)?);
    let spec = Spec { code: code.id(), ..function.clone() };
    Ok(Arc::new(HOST.builder.build(spec, &code, Compiling::default())?))
}

pub async fn call(revision: &Arc<Revision>, event: &[u8]) -> HookOutcome {
    call_at(revision, Moment::OriginRequest, event).await
}

pub async fn call_at(revision: &Arc<Revision>, moment: Moment, event: &[u8]) -> HookOutcome {
    let call = HookCall::owned(moment, event.to_vec(), LoopMarks::default());
    revision.call(&WorkerLane::new(0), Call::Hook(call)).await.into_hook()
}

pub async fn serve(revision: &Arc<Revision>, request: Request<StreamBody>) -> Result<Response<StreamBody>, Failure> {
    revision.call(&WorkerLane::new(0), Call::Http(request)).await.into_http()
}

/// The value of a metric with exactly these labels; 0 if there is none yet.
pub fn metric(name_and_labels: &str) -> u64 {
    let text = HOST.telemetry.render();
    let line = text.lines().find_map(|line| line.strip_prefix(name_and_labels)?.strip_prefix(' '));
    line.map_or(0, |value| value.trim().parse().unwrap())
}
