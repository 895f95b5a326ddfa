//! Instances of a viewer component, and one call on one of them.
//!
//! A call is synchronous and runs on the caller's thread. Its overhead: setting and reading fuel, one copy of the event
//! into the guest and one of the reply out of it, and afterwards the restoring of the kilobytes that the call has
//! written from the image.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use wasmtime::component::{ComponentExportIndex, Func, Instance, InstancePre, TypedFunc};
use wasmtime::{Global, Memory, Ref, Store, Table, Val, WasmCoreDump};

use crate::failure::Failure;
use crate::limits::{self, Limit, Limits, Profile, instantiation};
use crate::wasm::abi::Moment;
use crate::wasm::compile::{CompileError, Compiled};
use crate::wasm::engine::Engines;
use crate::wasm::init::source::{self, InitError, Source};
use crate::wasm::restore::Flavour;
use crate::wasm::state::{self, KeyValueStore, ViewerState};
use crate::wasm::world::interface;
use crate::wasm::{restore, sealed, touched};

/// A viewer component, linked and ready to be instantiated.
pub struct ViewerCode {
    pre: InstancePre<ViewerState>,
    handles: [Option<ComponentExportIndex>; Moment::ALL.len()],
    restore: Option<ComponentExportIndex>,
    pages: Option<ComponentExportIndex>,
    /// Of a Runtime: what INIT has made of its source, and what puts that into an instance.
    overlay: Option<Overlay>,
    /// Memory of an instance that is ours.
    own_bytes: u64,
    limits: Limits,
    cpu_fuel: u64,
    live: Arc<AtomicU32>,
    key_values: Option<Arc<dyn KeyValueStore>>,
    unrestorable: Option<String>,
}

struct Overlay {
    bytes: Arc<[u8]>,
    load: ComponentExportIndex,
}

/// One instance in its store. Unused until `call`.
pub struct ViewerInstance {
    store: Store<ViewerState>,
    instance: Instance,
    handles: [Option<Func>; Moment::ALL.len()],
    restore: Option<TypedFunc<(), ()>>,
    _counted: Counted,
}

/// Counts a live instance until it is dropped.
struct Counted(Arc<AtomicU32>);

impl Counted {
    fn new(live: &Arc<AtomicU32>) -> Counted {
        live.fetch_add(1, Relaxed);
        Counted(live.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// The result of a call, and the fuel it used.
pub struct ViewerCallResult {
    pub result: Result<Vec<u8>, Failure>,
    pub fuel: u64,
}

impl ViewerCode {
    pub fn new(
        engines: &Engines,
        compiled: &Compiled,
        limits: &Limits,
        key_values: Option<Arc<dyn KeyValueStore>>,
    ) -> Result<ViewerCode, CompileError> {
        let component = &compiled.component;
        let pre = engines.viewer_linker.instantiate_pre(component).map_err(CompileError::Wasmtime)?;
        let handles = Moment::ALL.map(|moment| {
            let instance = component.get_export_index(None, interface(moment).as_str())?;
            component.get_export_index(Some(&instance), "handle")
        });
        let own_bytes = match (&compiled.restorable, compiled.flavour) {
            (Ok(()), Flavour::Function) => restore::MARKS_BYTES,
            (Ok(()), Flavour::Runtime) => restore::MARKS_BYTES + restore::OVERLAY_BYTES,
            (Err(_), _) => 0,
        };
        Ok(ViewerCode {
            pre,
            handles,
            restore: compiled.restorable.is_ok().then(|| component.get_export_index(None, restore::RESTORE)).flatten(),
            pages: compiled.restorable.is_ok().then(|| component.get_export_index(None, restore::PAGES)).flatten(),
            overlay: None,
            own_bytes,
            limits: limits.clone(),
            cpu_fuel: engines.fuel.fuel(limits.value(Limit::CpuUs)),
            live: engines.viewer_live.clone(),
            key_values,
            unrestorable: compiled.restorable.as_ref().err().map(ToString::to_string),
        })
    }

    /// The code of a Runtime with what INIT has made of a source.
    pub fn with_overlay(self, compiled: &Compiled, bytes: Arc<[u8]>) -> Result<ViewerCode, CompileError> {
        let load = compiled.component.get_export_index(None, restore::LOAD);
        let load = load.ok_or_else(|| CompileError::Invalid("it is no Runtime".to_owned()))?;
        Ok(ViewerCode { overlay: Some(Overlay { bytes, load }), ..self })
    }

    /// Why instances cannot be restored.
    pub fn unrestorable(&self) -> Option<&str> {
        self.unrestorable.as_deref()
    }

    /// Whether so many instances of all functions are live that none should be kept without need.
    pub fn is_crowded(&self) -> bool {
        self.live.load(Relaxed) >= Profile::Viewer.engine().instances / 2
    }

    pub fn is_restorable(&self) -> bool {
        self.restore.is_some()
    }

    /// A percentage of the CPU limit, rounded up, at most 100.
    pub fn utilization(&self, fuel: u64) -> u8 {
        let percent = fuel.saturating_mul(100).div_ceil(self.cpu_fuel.max(1));
        u8::try_from(percent.min(100)).unwrap_or(100)
    }

    pub fn cpu_fuel(&self) -> u64 {
        self.cpu_fuel
    }

    pub fn instantiate(&self) -> Result<ViewerInstance, Failure> {
        let mut store = Store::new(self.pre.engine(), ViewerState::new(&self.limits, self.own_bytes, self.key_values.clone()));
        store.limiter(|state| &mut state.growth);
        sealed::bound(&mut store);
        store.data_mut().begin(&self.limits, 0, 0);
        store.set_fuel(self.cpu_fuel.saturating_mul(instantiation::VIEWER_CALLS)).map_err(host)?;
        let instance = match self.pre.instantiate(&mut store) {
            Ok(instance) => instance,
            Err(error) => return Err(failure(&mut store, &self.limits, &error)),
        };
        if let Some(Overlay { bytes, load }) = &self.overlay {
            let load = instance.get_typed_func::<(&[u8],), ()>(&mut store, load).map_err(host)?;
            load.call(&mut store, (bytes,)).map_err(host)?;
        }
        let mut handles = [None; Moment::ALL.len()];
        for (handle, index) in handles.iter_mut().zip(&self.handles) {
            *handle = index.and_then(|index| instance.get_func(&mut store, index));
        }
        let restore = self.restore.map(|index| instance.get_typed_func(&mut store, index)).transpose().map_err(host)?;
        Ok(ViewerInstance { store, instance, handles, restore, _counted: Counted::new(&self.live) })
    }
}

impl ViewerInstance {
    /// Runs one hook. After a failure the instance must be dropped: a trapped store is never entered again.
    pub fn call(&mut self, code: &ViewerCode, moment: Moment, event: &[u8], now_ns: u64, seed: u64) -> ViewerCallResult {
        self.store.data_mut().begin(&code.limits, now_ns, seed);
        let Some(handle) = self.handles[moment as usize] else {
            let why = format!("it does not export {}", interface(moment));
            return ViewerCallResult { result: Err(Failure::NotRunnable(why)), fuel: 0 };
        };
        if let Err(error) = self.store.set_fuel(code.cpu_fuel) {
            return ViewerCallResult { result: Err(host(error)), fuel: 0 };
        }
        let result = call_with(handle, &mut self.store, event);
        let fuel = code.cpu_fuel.saturating_sub(self.store.get_fuel().unwrap_or(0));
        let reply_max = code.limits.value(Limit::ReplyBytes);
        let result = match result {
            Ok(answer) if answer.len() as u64 > reply_max => Err(Failure::Limit { limit: Limit::ReplyBytes, value: reply_max }),
            Ok(answer) => Ok(answer),
            Err(error) => Err(failure(&mut self.store, &code.limits, &error)),
        };
        ViewerCallResult { result, fuel }
    }

    /// Restores the instance to its initial state. Returns false if that is not possible. To be called only after a call
    /// that did not fail.
    pub fn restore(&mut self) -> bool {
        let Some(restore) = &self.restore else { return false };
        self.store.data().handles.is_initial()
            && self.store.set_fuel(limits::restore::FUEL).is_ok()
            && restore.call(&mut self.store, ()).is_ok()
    }

    /// Ends the instance, to read its state. `None` if it cannot be restored. Not to be called after a call that failed.
    pub fn into_state(mut self) -> Option<StoreState> {
        let restore = self.restore?;
        // Without fuel it traps at its first instruction, and the engine dumps everything in the store.
        self.store.set_fuel(0).ok()?;
        let error = restore.call(&mut self.store, ()).err()?;
        let dump = error.downcast_ref::<WasmCoreDump>()?;
        let (memories, globals) = (dump.memories().to_vec(), dump.globals().to_vec());
        let mut tables = Vec::new();
        for instance in dump.instances() {
            tables.extend(instance.exports(&mut self.store).filter_map(wasmtime::Export::into_table));
        }
        Some(StoreState { store: self.store, memories, globals, tables, _counted: self._counted })
    }

    /// Runs INIT on an instance that has no overlay yet, with a budget of its own, and returns what it has changed. The
    /// instance must be dropped.
    pub(super) fn init(&mut self, code: &ViewerCode, given: &Source<'_>) -> Result<Vec<u8>, InitError> {
        let store = &mut self.store;
        store.data_mut().begin(&code.limits, given.now_ns, given.seed);
        store.set_hostcall_fuel(limits::init::HOST_CALL_BYTES);
        let ran = store.set_fuel(given.fuel).and_then(|()| {
            let interface = self.instance.get_export_index(&mut *store, None, source::INTERFACE);
            let init = interface.and_then(|index| self.instance.get_export_index(&mut *store, Some(&index), "init"));
            let init = init.ok_or_else(|| wasmtime::Error::msg("it is no Runtime"))?;
            let init = self.instance.get_typed_func::<(&str, &str, &str), (Result<(), String>,)>(&mut *store, init)?;
            init.call(&mut *store, (given.dialect, given.file, given.text))
        });
        match ran {
            Ok((Ok(()),)) => {}
            Ok((Err(message),)) => return Err(InitError::thrown(message)),
            Err(error) => {
                // The budget of INIT is not that of a call.
                return Err(InitError::Failed(match failure(store, &code.limits, &error) {
                    Failure::Limit { limit: limit @ Limit::CpuUs, .. } => Failure::Limit { limit, value: limits::init::CPU_US },
                    failure => failure,
                }));
            }
        }
        if !store.data().handles.is_initial() {
            return Err(InitError::Handles);
        }
        let saved = store.set_fuel(limits::restore::FUEL).and_then(|()| {
            let save = self.instance.get_typed_func::<(), (Vec<u8>,)>(&mut *store, restore::SAVE)?;
            save.call(&mut *store, ())
        });
        match saved {
            // A list has the globals at least.
            Ok((overlay,)) if overlay.is_empty() => Err(InitError::TooLarge),
            Ok((overlay,)) => Ok(overlay),
            Err(error) => Err(InitError::Failed(host(error))),
        }
    }

    pub fn take_log(&mut self) -> String {
        self.store.data_mut().log.take()
    }

    /// The size of the memory as the guest sees it. Calls the guest if the instance can be restored, so it is only for
    /// reports, and only after a call that did not fail.
    pub fn memory_bytes(&mut self, code: &ViewerCode) -> Result<u64, Failure> {
        let Some(index) = code.pages else { return Ok(self.store.data().growth.memory_bytes()) };
        self.store.set_fuel(limits::restore::FUEL).map_err(host)?;
        let pages = self.instance.get_typed_func::<(), (u32,)>(&mut self.store, index).map_err(host)?;
        let (pages,) = pages.call(&mut self.store, ()).map_err(host)?;
        Ok(u64::from(pages) * restore::PAGE_BYTES)
    }

    /// The memory that the instance has mapped, without the host's: for a restorable one its limit.
    pub fn mapped_bytes(&self) -> u64 {
        self.store.data().growth.memory_bytes()
    }
}

/// All memories and globals of a store, including our marks, as the engine sees them, in any instance, exported or not.
/// Of the tables those that an instance exports; an embedder cannot read handles.
pub struct StoreState {
    store: Store<ViewerState>,
    memories: Vec<Memory>,
    globals: Vec<Global>,
    tables: Vec<Table>,
    _counted: Counted,
}

impl StoreState {
    /// Describes the first difference to another instance of the same component.
    pub fn difference(&mut self, other: &mut StoreState) -> Option<String> {
        let counts = |state: &StoreState| (state.memories.len(), state.globals.len(), state.tables.len());
        if counts(self) != counts(other) {
            return Some("the stores have other memories, globals or tables".to_owned());
        }
        for (number, (memory, same)) in self.memories.iter().zip(&other.memories).enumerate() {
            if let Some(at) = touched::first_difference(memory.data(&self.store), same.data(&other.store)) {
                return Some(format!("memory {number} differs at byte {at}"));
            }
        }
        for (number, (global, same)) in self.globals.iter().zip(&other.globals).enumerate() {
            if bits(&global.get(&mut self.store)) != bits(&same.get(&mut other.store)) {
                return Some(format!("global {number} differs"));
            }
        }
        for number in 0..self.tables.len() {
            if self.table(number) != other.table(number) {
                return Some(format!("table {number} differs"));
            }
        }
        None
    }

    /// Which elements of a table are null. Functions cannot be compared across stores.
    fn table(&mut self, number: usize) -> Vec<bool> {
        let (table, store) = (&self.tables[number], &mut self.store);
        let null = |element: Ref| matches!(element, Ref::Func(None) | Ref::Extern(None));
        (0..table.size(&*store)).map(|at| table.get(&mut *store, at).is_none_or(null)).collect()
    }
}

/// The bits of a value, to compare; of a reference, whether it is null.
fn bits(value: &Val) -> u128 {
    match value {
        Val::I32(bits) => u128::from(bits.cast_unsigned()),
        Val::I64(bits) => u128::from(bits.cast_unsigned()),
        Val::F32(bits) => u128::from(*bits),
        Val::F64(bits) => u128::from(*bits),
        Val::V128(bits) => bits.as_u128(),
        Val::FuncRef(func) => u128::from(func.is_some()),
        _ => 0,
    }
}

/// Checking the type at each call costs some ten nanoseconds, and allows the event to be borrowed.
fn call_with(handle: Func, store: &mut Store<ViewerState>, event: &[u8]) -> wasmtime::Result<Vec<u8>> {
    let typed = handle.typed::<(&[u8],), (Vec<u8>,)>(&*store)?;
    typed.call(store, (event,)).map(|(answer,)| answer)
}

fn failure(store: &mut Store<ViewerState>, limits: &Limits, error: &wasmtime::Error) -> Failure {
    let state = store.data_mut();
    let exceeded = state.exceeded.take();
    state::failure(&mut state.growth, exceeded, limits, error)
}

fn host(error: wasmtime::Error) -> Failure {
    Failure::Host(format!("{error:#}"))
}
