//! Instances of a worker component, and one call on one of them: an origin hook, or an HTTP request.
//!
//! A call is asynchronous. It runs on the thread that polls it, and yields that thread after each
//! `limits::worker::SLICE_US`, so that a busy guest does not delay others (`meter`). It ends at the first of: its reply,
//! its fuel, its deadline, a limit of its memory, tables, stack, handles or host calls.
//!
//! A call that failed, or whose future was dropped, leaves its store in an unknown state: such an
//! instance must be dropped, and is never entered again.

mod cgi;
pub mod exchange;
mod handler_error;
mod holdings;
mod hook;
mod http_p2;
mod http_p3;
pub mod init;
pub mod invoke;
pub(super) mod lambda_edge;
pub(super) mod linker;
mod meter;
pub(super) mod offered;
mod outgoing;
pub(super) mod output;
mod payload;
pub mod reply_stream;
mod resolve;
mod response_stream;
mod sockets;
pub mod state;
pub mod streamed_reply;
pub mod tmp;
mod toll;
mod turn;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use tokio::time::timeout;
use wasmtime::component::{Component, ComponentExportIndex, Func, Instance, InstancePre, Linker};
use wasmtime::{Module, Store};
use wasmtime_wasi::p2::bindings::{Command, CommandIndices};
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyIndices};
use wasmtime_wasi_http::p3::bindings::{Service, ServiceIndices};

use crate::failure::Failure;
use crate::limits::{Limit, Limits, instantiation, worker};
use crate::wasm::abi::Moment;
use crate::wasm::aot::ModuleFile;
use crate::wasm::compile::Compiled;
use crate::wasm::compile::error::CompileError;
use crate::wasm::engine::Engines;
use crate::wasm::fuel::FuelScale;
use crate::wasm::snapshot;
use crate::wasm::state as shared;
use crate::wasm::worker::invoke::HandlerError;
use crate::wasm::worker::reply_stream::WrittenReply;
use crate::wasm::worker::state::{Surroundings, WorkerState, usize_value};
use crate::wasm::worker::tmp::LeftFiles;
use crate::wasm::world::{HANDLER, HttpVersion, interface};

/// A body that streams through a component.
pub type StreamBody = UnsyncBoxBody<Bytes, anyhow::Error>;

const START_TIMEOUT: Duration = Duration::from_millis(instantiation::WORKER_MS);

/// A worker component, linked and ready to be instantiated.
pub struct WorkerCode {
    pre: ArcSwap<InstancePre<WorkerState>>,
    handles: [Option<ComponentExportIndex>; Moment::ALL.len()],
    handler: Option<ComponentExportIndex>,
    http: Option<HttpIndices>,
    limits: Limits,
    cpu_fuel: u64,
    start_fuel: u64,
    fuel: FuelScale,
    deadline: Duration,
    surroundings: Surroundings,
    own_init: Option<OwnInit>,
    snapshot: Option<KeptSnapshot>,
    snapshot_bytes: u64,
    /// A Runtime has written a function's own error to the log itself, with its stack.
    is_runtime: bool,
}

/// How an instance runs INIT for itself (`init`).
struct OwnInit {
    handler: String,
    /// Of the first attempt; for the second it has as much time as a call.
    limits: Limits,
}

/// What the instances of a function of a Runtime begin with, where INIT has been run before.
struct KeptSnapshot {
    file: ModuleFile,
    linker: Arc<Linker<WorkerState>>,
}

enum HttpIndices {
    P2(ProxyIndices),
    P3(ServiceIndices),
    Event,
    Cgi(CommandIndices),
}

enum Http {
    P2(Proxy),
    P3(Service),
    Event,
    Cgi(Command),
}

/// One instance in its store.
pub struct WorkerInstance {
    store: Store<WorkerState>,
    instance: Instance,
    handles: [Option<Func>; Moment::ALL.len()],
    handler: Option<Func>,
    exited: bool,
    /// Shared with the running call, which holds the store.
    http: Option<Arc<Http>>,
}

/// The result of a call, and the fuel it used.
pub struct WorkerCallResult<T> {
    pub result: Result<T, Failure>,
    pub fuel: u64,
}

impl WorkerCode {
    /// `state` is what the instances of a function of a Runtime begin with.
    pub fn new(
        engines: &Engines,
        compiled: &Compiled,
        state: Option<&Module>,
        limits: &Limits,
        surroundings: Surroundings,
    ) -> Result<WorkerCode, CompileError> {
        let (component, http) = (&compiled.component, compiled.inspection.http);
        let pre = linked(&engines.worker_linker, component, state).map_err(CompileError::Wasmtime)?;
        let handles = Moment::ALL.map(|moment| {
            let instance = component.get_export_index(None, interface(moment))?;
            component.get_export_index(Some(&instance), "handle")
        });
        let handler = component.get_export_index(None, HANDLER);
        let handler = handler.and_then(|instance| component.get_export_index(Some(&instance), "handle"));
        let http = match http {
            None => None,
            Some(HttpVersion::P2) => Some(HttpIndices::P2(ProxyIndices::new(&pre).map_err(CompileError::Wasmtime)?)),
            Some(HttpVersion::P3) => Some(HttpIndices::P3(ServiceIndices::new(&pre).map_err(CompileError::Wasmtime)?)),
            Some(HttpVersion::Event) => Some(HttpIndices::Event),
            Some(HttpVersion::Cgi) => Some(HttpIndices::Cgi(CommandIndices::new(&pre).map_err(CompileError::Wasmtime)?)),
        };
        let cpu_us = limits.value(Limit::CpuUs);
        Ok(WorkerCode {
            pre: ArcSwap::from_pointee(pre),
            handles,
            handler,
            http,
            limits: limits.clone(),
            cpu_fuel: engines.fuel.fuel(cpu_us),
            start_fuel: engines.fuel.fuel(cpu_us.max(instantiation::WORKER_CPU_US)),
            fuel: engines.fuel,
            deadline: Duration::from_millis(limits.value(Limit::DeadlineMs)),
            surroundings,
            own_init: None,
            snapshot: None,
            snapshot_bytes: state.map_or(0, |state| {
                let image = state.image_range();
                (image.end.addr() - image.start.addr()) as u64
            }),
            is_runtime: state.is_some(),
        })
    }

    /// What its instances begin with, as it is on disk.
    pub fn snapshot_bytes(&self) -> u64 {
        self.snapshot_bytes
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// A percentage of the CPU limit, rounded up, at most 100.
    pub fn utilization(&self, fuel: u64) -> u8 {
        let percent = fuel.saturating_mul(100).div_ceil(self.cpu_fuel.max(1));
        u8::try_from(percent.min(100)).unwrap_or(100)
    }

    /// Makes an instance, which finds in `/tmp` what another one has left there. Start functions run within `START_TIMEOUT`.
    /// If it is to run INIT for itself, that comes next (`WorkerInstance::initialise`).
    pub async fn instantiate(&self, left: Option<LeftFiles>) -> Result<WorkerInstance, Failure> {
        let state = WorkerState::new(&self.limits, &self.surroundings, left).map_err(host)?;
        let pre = self.pre.load_full();
        let mut store = Store::new(pre.engine(), state);
        store.limiter(|state| &mut state.growth);
        let handles_max = usize_value(&self.limits, Limit::Handles);
        store.set_max_component_handles(handles_max);
        store.set_hostcall_fuel(worker::HOST_CALL_BYTES + usize_value(&self.limits, Limit::ReplyBytes));
        if let Some(table) = store.concurrent_resource_table() {
            table.set_max_capacity(handles_max);
        }
        store.fuel_async_yield_interval(Some(self.fuel.fuel(worker::LOOK_US_MIN))).map_err(host)?;
        store.set_fuel(self.start_fuel).map_err(host)?;
        let meter = store.data().meter.clone();
        store.call_hook_async(toll::Toll { meter: meter.clone(), fuel: self.fuel });

        let start = meter.run(pre.instantiate_async(&mut store), START_TIMEOUT);
        let instance = match timeout(START_TIMEOUT, start).await {
            Ok(Ok(Ok(instance))) => instance,
            Ok(Ok(Err(error))) => return Err(failure(&mut store, &self.limits, &error)),
            Ok(Err(limit)) => return Err(self.over(limit)),
            Err(_) => return Err(Failure::NotRunnable(format!("its start took longer than {} s", START_TIMEOUT.as_secs()))),
        };
        let mut handles = [None; Moment::ALL.len()];
        for (handle, index) in handles.iter_mut().zip(&self.handles) {
            *handle = index.and_then(|index| instance.get_func(&mut store, index));
        }
        let handler = self.handler.and_then(|index| instance.get_func(&mut store, index));
        let http = match &self.http {
            None => None,
            Some(HttpIndices::P2(indices)) => Some(Http::P2(indices.load(&mut store, &instance).map_err(host)?)),
            Some(HttpIndices::P3(indices)) => Some(Http::P3(indices.load(&mut store, &instance).map_err(host)?)),
            Some(HttpIndices::Event) => Some(Http::Event),
            Some(HttpIndices::Cgi(indices)) => Some(Http::Cgi(indices.load(&mut store, &instance).map_err(host)?)),
        };
        let http = http.map(Arc::new);
        Ok(WorkerInstance { store, instance, handles, handler, exited: false, http })
    }

    fn over(&self, limit: Limit) -> Failure {
        Failure::Limit { limit, value: self.limits.value(limit) }
    }
}

impl WorkerInstance {
    /// Resets the accounting for a new call.
    fn begin(&mut self, code: &WorkerCode) -> Result<(), Failure> {
        let state = self.store.data_mut();
        state.meter.reset();
        state.exceeded = None;
        state.reply = WrittenReply::gathered(code.limits.value(Limit::ReplyBytes));
        state.growth.take_denied(&code.limits);
        self.store.set_fuel(code.cpu_fuel).map_err(host)
    }

    /// Runs `guest`, which is a call on a store, within its time limits.
    async fn within<T>(code: &WorkerCode, meter: &meter::Meter, guest: impl Future<Output = T>) -> Result<T, Failure> {
        match timeout(code.deadline, meter.run(guest, meter.polled_max())).await {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(limit)) => Err(code.over(limit)),
            Err(_) => Err(code.over(Limit::DeadlineMs)),
        }
    }

    fn fuel_used(&self, code: &WorkerCode) -> u64 {
        code.cpu_fuel.saturating_sub(self.store.get_fuel().unwrap_or(0))
    }

    pub fn take_log(&mut self) -> String {
        self.store.data().log.take()
    }

    /// The function's own error of its INIT. All that such an instance is good for is to answer a call with it.
    pub fn failed_init(&self) -> Option<&HandlerError> {
        self.store.data().failed_init.as_ref()
    }

    /// Whether the function has said that its process has ended. Such an instance must serve no other call.
    pub fn has_exited(&self) -> bool {
        self.exited
    }

    /// Whether the host still works for a call that has ended. Such an instance must serve no other call.
    pub fn is_busy(&mut self) -> bool {
        self.store.data_mut().is_busy()
    }

    /// Takes what is in `/tmp`, for an instance that takes the place of this one, which must not be used again.
    pub fn leave_files(&self) -> impl Future<Output = Option<LeftFiles>> + Send + use<> {
        self.store.data().tmp.leave()
    }

    pub fn memory_bytes(&self) -> u64 {
        self.store.data().growth.memory_bytes()
    }

    /// Whether to drop it takes milliseconds: its memory is given back to the system, and what its handles hold in the
    /// host, and what it waits for, is freed piece by piece.
    pub fn is_slow_to_drop(&mut self) -> bool {
        let most = worker::TEARDOWN_INLINE_HANDLES;
        self.memory_bytes() > worker::TEARDOWN_INLINE_BYTES
            || self.store.data().is_slow_to_drop()
            || self.store.data_mut().holds_more_than(most)
            || self.store.concurrent_resource_table().is_some_and(|tasks| holdings::are_more_than(tasks, most))
    }
}

fn linked(
    linker: &Linker<WorkerState>,
    component: &Component,
    state: Option<&Module>,
) -> wasmtime::Result<InstancePre<WorkerState>> {
    let Some(state) = state else { return linker.instantiate_pre(component) };
    let mut linker = linker.clone();
    linker.root().module(snapshot::STATE, state)?;
    linker.instantiate_pre(component)
}

fn failure(store: &mut Store<WorkerState>, limits: &Limits, error: &wasmtime::Error) -> Failure {
    let state = store.data_mut();
    let exceeded = state.exceeded.take();
    match shared::failure(&mut state.growth, exceeded, limits, error) {
        // A reply that is sent as it is written may be longer.
        Failure::Limit { limit: Limit::ReplyBytes, .. } => {
            Failure::Limit { limit: Limit::ReplyBytes, value: state.reply.bytes_max() }
        }
        failure => failure,
    }
}

fn host(error: wasmtime::Error) -> Failure {
    Failure::Host(format!("{error:#}"))
}
