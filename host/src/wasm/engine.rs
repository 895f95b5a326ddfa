//! The two engines, viewer and worker, and what they share.
//!
//! Fuel, support for concurrency and the geometry of the pool are per engine: a row of `limits::Profile` for each (facts
//! measured in `docs/performance.md`):
//! - *viewer*: 2 MiB memories in many slots, synchronous calls only, no asynchronous machinery;
//! - *worker*: memories up to 4 GiB, asynchronous, yields its thread after each time slice.

pub(super) mod config;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use wasmtime::component::Linker;
use wasmtime::{Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Result};

use crate::limits::{Calls, Profile};
use crate::wasm::aot::AotCache;
use crate::wasm::compile::process::Compiler;
use crate::wasm::compile::refusals::Refusals;
use crate::wasm::compile::size::Size;
use crate::wasm::fuel::FuelScale;
use crate::wasm::sealed;
use crate::wasm::state::ViewerState;
use crate::wasm::worker::linker;
use crate::wasm::worker::state::WorkerState;
use config::{bytes, config};

/// See the module. One for the process.
pub struct Engines {
    pub viewer: Engine,
    pub worker: Engine,
    pub fuel: FuelScale,
    pub aot: AotCache,
    pub(super) compiler: Compiler,
    pub(super) refusals: Refusals,
    /// The number of live viewer instances.
    pub(super) viewer_live: Arc<AtomicU32>,
    pub(super) viewer_linker: Linker<ViewerState>,
    pub(super) worker_linker: Arc<Linker<WorkerState>>,
}

impl Engines {
    /// `data_dir` holds the compiled files, which `compiler` makes.
    pub fn new(data_dir: &Path, compiler: Compiler) -> Result<Engines> {
        let aot = AotCache::open(data_dir)?;
        let (viewer, worker) = (running(Profile::Viewer)?, running(Profile::Worker)?);
        let fuel = FuelScale::measure(&viewer)?;
        let viewer_linker = sealed::linker(&viewer)?;
        let worker_linker = Arc::new(linker::linker(&worker)?);
        let (refusals, viewer_live) = (Refusals::default(), Arc::default());
        Ok(Engines { viewer, worker, fuel, aot, compiler, refusals, viewer_live, viewer_linker, worker_linker })
    }
}

fn running(profile: Profile) -> Result<Engine> {
    Engine::new(config(profile).allocation_strategy(InstanceAllocationStrategy::Pooling(pool(profile))))
}

/// The room of one instance; `compile::Inspection::check` refuses components that do not fit.
fn pool(profile: Profile) -> PoolingAllocationConfig {
    let (shape, room) = (profile.engine(), Size::room(profile));
    let number = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.max_memory_size(bytes(room.memory_bytes))
        .table_elements(bytes(room.table_elements))
        // Between components that call each other the engine adds modules, fewer than there are others.
        .max_core_instances_per_component(number(2 * room.core_instances + 1))
        // The size is that of the original component; compiling adds a little.
        .max_core_instance_size(bytes(2 * room.instance_bytes))
        .max_component_instance_size(bytes(2 * room.instance_bytes_all))
        .max_memories_per_component(number(room.memories))
        .max_memories_per_module(number(room.memories_per_module))
        .max_tables_per_component(number(room.tables))
        .max_tables_per_module(number(room.tables_per_module))
        .total_component_instances(shape.instances * shape.component_instances_each)
        .total_core_instances(shape.instances * shape.core_instances_each)
        .total_memories(shape.instances * shape.memories_each)
        .total_tables(shape.instances * shape.tables_each)
        .linear_memory_keep_resident(shape.memory_resident_bytes)
        .table_keep_resident(shape.table_resident_bytes)
        .pagemap_scan(pagemap_scan());
    if let Some(slots) = shape.warm_slots {
        pool.max_unused_warm_slots(slots);
    }
    if shape.calls == Calls::Async {
        pool.total_stacks(shape.instances * shape.stacks_each).async_stack_keep_resident(shape.stack_resident_bytes);
    }
    pool
}

/// `PAGEMAP_SCAN` (Linux 6.7) finds the pages to reset without touching the others.
fn pagemap_scan() -> Enabled {
    Enabled::Auto
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Arc, Compiler, Engines};

    /// One for all tests: a second one's pools do not fit beside it into the address space.
    pub(crate) fn engines() -> &'static Arc<Engines> {
        static ENGINES: std::sync::LazyLock<(Arc<Engines>, tempfile::TempDir)> = std::sync::LazyLock::new(|| {
            let directory = tempfile::tempdir().unwrap();
            (Arc::new(Engines::new(directory.path(), Compiler::Unbounded).unwrap()), directory)
        });
        &ENGINES.0
    }
}
