//! INIT of a function that a Runtime runs: it loads the function's code, once; what that leaves behind is where all
//! instances begin.

use std::sync::Arc;

use wasmtime::Module;
use wasmtime::component::WasmList;

use crate::failure::Failure;
use crate::limits::{Limit, Limits, init as limits};
use crate::wasm::compile::Compiled;
use crate::wasm::engine::Engines;
use crate::wasm::init::InitError;
use crate::wasm::snapshot::{self, StateLayout, state_module};
use crate::wasm::worker::invoke::HandlerError;
use crate::wasm::worker::state::Surroundings;
use crate::wasm::worker::tmp::KeptStorage;
use crate::wasm::worker::{WorkerCode, WorkerInstance, failure, host};

/// What a Runtime for functions exports besides the handler.
const INTERFACE: &str = "edgeward:runtime/code@0.1.0";

/// Where the instances of a function begin.
pub struct InitialState {
    pub module: Module,
    /// What INIT has written to `/tmp`.
    pub tmp: Option<Arc<KeptStorage>>,
    /// What INIT logged.
    pub log: String,
}

/// Runs INIT under limits of its own for its time, and else those of the function. `handler` names the handler as Lambda
/// does.
pub async fn initial_state(
    engines: &Engines,
    runtime: &Compiled,
    handler: &str,
    function: &Limits,
    surroundings: Surroundings,
) -> Result<InitialState, InitError> {
    let layout = runtime.state.as_ref().ok_or_else(|| not_runnable("it is no Runtime for functions"))?;
    let mut limits = function.clone();
    for (limit, least) in [(Limit::CpuUs, limits::FUNCTION_CPU_US), (Limit::DeadlineMs, limits::FUNCTION_MS)] {
        let value = function.value(limit).max(least);
        limits = limits.with(limit, value).map_err(|error| not_runnable(&error.to_string()))?;
    }
    let empty = state(engines, &state_module(layout, &[], &layout.globals))?;
    let code = WorkerCode::new(engines, runtime, Some(&empty), &limits, surroundings)?;
    let mut instance = code.instantiate().await.map_err(InitError::Failed)?;
    let initialised = instance.init(&code, layout, handler).await?;
    let (log, tmp) = (instance.take_log(), instance.store.data().tmp.keep());
    drop((instance, code));
    Ok(InitialState { module: state(engines, &initialised)?, tmp, log })
}

/// It has no code, so that it is compiled here: its data is copied.
fn state(engines: &Engines, module: &[u8]) -> Result<Module, InitError> {
    Module::new(&engines.worker, module).map_err(|error| InitError::Failed(host(error)))
}

fn not_runnable(why: &str) -> InitError {
    InitError::Failed(Failure::NotRunnable(why.to_owned()))
}

impl WorkerInstance {
    /// Runs INIT on a new instance, and returns the state module of what it has left. The instance must be dropped.
    async fn init(&mut self, code: &WorkerCode, layout: &StateLayout, handler: &str) -> Result<Vec<u8>, InitError> {
        self.begin(code).map_err(InitError::Failed)?;
        let meter = self.store.data().meter.clone();
        let ran = WorkerInstance::within(code, &meter, async {
            let store = &mut self.store;
            let load = self.instance.get_typed_func::<(), ()>(&mut *store, snapshot::LOAD)?;
            load.call_async(&mut *store, ()).await?;
            let interface = self.instance.get_export_index(&mut *store, None, INTERFACE);
            let init = interface.and_then(|index| self.instance.get_export_index(&mut *store, Some(&index), "init"));
            let init = init.ok_or_else(|| wasmtime::Error::msg("it is no Runtime for functions"))?;
            let init = self.instance.get_typed_func::<(&str,), (Result<(), HandlerError>,)>(&mut *store, init)?;
            init.call_async(&mut *store, (handler,)).await
        });
        match ran.await.map_err(InitError::Failed)? {
            Ok((Ok(()),)) => {}
            Ok((Err(error),)) => return Err(InitError::Handler(error)),
            Err(error) => return Err(InitError::Failed(failure(&mut self.store, &code.limits, &error))),
        }
        self.saved(layout).await.map_err(|error| InitError::Failed(failure(&mut self.store, &code.limits, &error)))
    }

    async fn saved(&mut self, layout: &StateLayout) -> wasmtime::Result<Vec<u8>> {
        let (store, instance) = (&mut self.store, &self.instance);
        store.set_fuel(limits::SAVE_FUEL)?;
        store.set_hostcall_fuel(usize::MAX);
        let memory = instance.get_typed_func::<(), (WasmList<u8>,)>(&mut *store, snapshot::MEMORY)?;
        let (memory,) = memory.call_async(&mut *store, ()).await?;
        let globals = instance.get_typed_func::<(), (Vec<u64>,)>(&mut *store, snapshot::GLOBALS)?;
        let (globals,) = globals.call_async(&mut *store, ()).await?;
        let globals: Vec<_> = layout.globals.iter().zip(globals).map(|(before, bits)| before.with(bits)).collect();
        Ok(state_module(layout, memory.as_le_slice(&*store), &globals))
    }
}
