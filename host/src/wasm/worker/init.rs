//! INIT of a function that a Runtime runs: it loads the function's code. What that leaves behind is where all instances begin;
//! or each runs INIT for itself, as Lambda's environments do without SnapStart.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use wasmtime::component::WasmList;

use crate::failure::Failure;
use crate::limits::worker::POLLED_PER_CPU;
use crate::limits::{Limit, Limits, OverMaximum, init as limits};
use crate::wasm::aot::ModuleFile;
use crate::wasm::compile::error::CompileError;
use crate::wasm::compile::{Compiled, RuntimeState};
use crate::wasm::engine::Engines;
use crate::wasm::init::InitError;
use crate::wasm::snapshot::{self, StateLayout, state_module};
use crate::wasm::worker::invoke::HandlerError;
use crate::wasm::worker::state::Surroundings;
use crate::wasm::worker::tmp::KeptStorage;
use crate::wasm::worker::{KeptSnapshot, OwnInit, WorkerCode, WorkerInstance, failure, host, linked};

/// What a Runtime for functions exports besides the handler.
const INTERFACE: &str = "edgeward:runtime/code@0.1.0";

/// Where the instances of a function begin.
pub struct InitialState {
    pub snapshot: ModuleFile,
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
    let RuntimeState { layout, empty } = state(runtime)?;
    let time = |limit, least| function.value(limit).max(least);
    let (cpu_us, ms) = (time(Limit::CpuUs, limits::FUNCTION_CPU_US), time(Limit::DeadlineMs, limits::FUNCTION_MS));
    let limits = timed(function, cpu_us, ms).map_err(|error| not_runnable(&error.to_string()))?;
    let code = WorkerCode::new(engines, runtime, Some(empty), &limits, surroundings)?;
    let mut instance = code.instantiate(None).await.map_err(InitError::Failed)?;
    instance.load(&code, handler, &limits).await?;
    let saved = instance.saved(layout).await;
    let initialised = saved.map_err(|error| InitError::Failed(failure(&mut instance.store, &limits, &error)))?;
    let (log, tmp) = (instance.take_log(), instance.store.data().tmp.keep());
    drop((instance, code));
    // It has no code, so that it is compiled here: its data is copied.
    let snapshot = engines.aot.module_file(&engines.worker, &initialised).map_err(|error| InitError::Failed(host(error)))?;
    Ok(InitialState { snapshot, tmp, log })
}

impl WorkerCode {
    /// The code of a function whose instances begin as INIT has ended.
    pub fn of_snapshot(
        engines: &Engines,
        runtime: &Compiled,
        file: ModuleFile,
        function: &Limits,
        surroundings: Surroundings,
    ) -> Result<WorkerCode, CompileError> {
        let state = file.map(&engines.worker).map_err(CompileError::Wasmtime)?;
        let code = WorkerCode::new(engines, runtime, Some(&state), function, surroundings)?;
        let snapshot = KeptSnapshot { file, linker: engines.worker_linker.clone() };
        Ok(WorkerCode { snapshot: Some(snapshot), ..code })
    }

    /// Maps the snapshot anew, for the instances that are made from now on. As long as the module is there that was mapped
    /// before, the engine's pool keeps memory of its instances that are gone: up to `memory_resident_bytes` of what each has
    /// written, and the pages that it has read.
    pub fn renew(&self) -> wasmtime::Result<()> {
        let Some(snapshot) = &self.snapshot else { return Ok(()) };
        let component = self.pre.load().component().clone();
        let state = snapshot.file.map(component.engine())?;
        self.pre.store(Arc::new(linked(&snapshot.linker, &component, Some(&state))?));
        Ok(())
    }

    /// The code of a function whose instances run INIT, each for itself.
    pub fn with_own_init(
        engines: &Engines,
        runtime: &Compiled,
        handler: &str,
        function: &Limits,
        surroundings: Surroundings,
    ) -> Result<WorkerCode, InitError> {
        let empty = &state(runtime)?.empty;
        let limits = timed(function, limits::FUNCTION_CPU_US, limits::FUNCTION_MS);
        let limits = limits.map_err(|error| not_runnable(&error.to_string()))?;
        let code = WorkerCode::new(engines, runtime, Some(empty), function, surroundings)?;
        Ok(WorkerCode { own_init: Some(OwnInit { handler: handler.to_owned(), limits }), ..code })
    }

    /// Whether its instances run INIT, each for itself.
    pub fn has_own_init(&self) -> bool {
        self.own_init.is_some()
    }
}

fn state(runtime: &Compiled) -> Result<&RuntimeState, InitError> {
    runtime.state.as_ref().ok_or_else(|| not_runnable("it is no Runtime for functions"))
}

fn timed(function: &Limits, cpu_us: u64, ms: u64) -> Result<Limits, OverMaximum> {
    function.clone().with(Limit::CpuUs, cpu_us)?.with(Limit::DeadlineMs, ms)
}

fn not_runnable(why: &str) -> InitError {
    InitError::Failed(Failure::NotRunnable(why.to_owned()))
}

impl WorkerInstance {
    /// Runs INIT on a new instance, if it does so for itself. `log` is what an attempt before has logged; this one, the last,
    /// has as much time as a call. An error of the function's own is that of its first call (`failed_init`).
    pub async fn initialise(&mut self, code: &WorkerCode, log: Option<&str>) -> Result<(), Failure> {
        let Some(init) = &code.own_init else { return Ok(()) };
        let limits = if log.is_some() { &code.limits } else { &init.limits };
        log.unwrap_or_default().lines().for_each(|line| self.store.data().log.line(line));
        match self.load(code, &init.handler, limits).await {
            Ok(()) => Ok(()),
            Err(InitError::Handler(error)) => {
                self.store.data_mut().failed_init = Some(error);
                Ok(())
            }
            Err(InitError::Failed(failure)) => Err(failure),
            Err(error) => Err(Failure::NotRunnable(error.to_string())),
        }
    }

    /// Runs INIT on a new instance, within the time of these limits. After an error the instance must be dropped.
    async fn load(&mut self, code: &WorkerCode, handler: &str, limits: &Limits) -> Result<(), InitError> {
        self.begin(code).map_err(InitError::Failed)?;
        let cpu_us = limits.value(Limit::CpuUs);
        self.store.set_fuel(code.fuel.fuel(cpu_us)).map_err(|error| InitError::Failed(host(error)))?;
        let meter = self.store.data().meter.clone();
        let guest = async {
            let store = &mut self.store;
            let load = self.instance.get_typed_func::<(), ()>(&mut *store, snapshot::LOAD)?;
            load.call_async(&mut *store, ()).await?;
            let interface = self.instance.get_export_index(&mut *store, None, INTERFACE);
            let init = interface.and_then(|index| self.instance.get_export_index(&mut *store, Some(&index), "init"));
            let init = init.ok_or_else(|| wasmtime::Error::msg("it is no Runtime for functions"))?;
            let init = self.instance.get_typed_func::<(&str,), (Result<(), HandlerError>,)>(&mut *store, init)?;
            init.call_async(&mut *store, (handler,)).await
        };
        let polled_max = Duration::from_micros(cpu_us.saturating_mul(POLLED_PER_CPU));
        let deadline = Duration::from_millis(limits.value(Limit::DeadlineMs));
        let over = |limit| InitError::Failed(Failure::Limit { limit, value: limits.value(limit) });
        match timeout(deadline, meter.run(guest, polled_max)).await {
            Ok(Ok(Ok((Ok(()),)))) => Ok(()),
            Ok(Ok(Ok((Err(error),)))) => Err(InitError::Handler(error)),
            Ok(Ok(Err(error))) => Err(InitError::Failed(failure(&mut self.store, limits, &error))),
            Ok(Err(limit)) => Err(over(limit)),
            Err(_) => Err(over(Limit::DeadlineMs)),
        }
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
