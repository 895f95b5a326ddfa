//! The two engines, viewer and worker, and what they share.
//!
//! Fuel, support for concurrency and the geometry of the pool are per engine (facts measured in
//! `docs/performance.md`):
//! - *viewer*: 2 MiB memories in many slots, synchronous calls only, no asynchronous machinery;
//! - *worker*: memories up to 4 GiB, asynchronous, yields its thread after each time slice.

pub(super) mod config;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use wasmtime::component::Linker;
use wasmtime::{Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Result};

use crate::limits::{Limit, Profile};
use crate::wasm::aot::AotCache;
use crate::wasm::compile::process::Compiler;
use crate::wasm::compile::size::Size;
use crate::wasm::fuel::FuelScale;
use crate::wasm::sealed;
use crate::wasm::state::ViewerState;
use crate::wasm::worker::linker;
use crate::wasm::worker::state::WorkerState;
use config::{usize_limit, viewer_config, worker_config};

/// Live viewer instances in the process. Each takes two memory slots (one for marks) of 4 GiB of address
/// space, and at most seven mappings of the kernel's `vm.max_map_count`.
pub const VIEWER_INSTANCES: u32 = 6_000;
/// Live worker instances in the process.
pub const WORKER_INSTANCES: u32 = 1_000;

/// See the module. One for the process.
pub struct Engines {
    pub viewer: Engine,
    pub worker: Engine,
    pub fuel: FuelScale,
    pub aot: AotCache,
    pub(super) compiler: Compiler,
    /// The number of live viewer instances.
    pub(super) viewer_live: Arc<AtomicU32>,
    pub(super) viewer_linker: Linker<ViewerState>,
    pub(super) worker_linker: Linker<WorkerState>,
}

impl Engines {
    /// `data_dir` holds the compiled files, which `compiler` makes.
    pub fn new(data_dir: &Path, compiler: Compiler) -> Result<Engines> {
        let aot = AotCache::open(data_dir)?;
        let viewer = Engine::new(viewer_config().allocation_strategy(InstanceAllocationStrategy::Pooling(viewer_pool())))?;
        let worker = Engine::new(worker_config().allocation_strategy(InstanceAllocationStrategy::Pooling(worker_pool())))?;
        let fuel = FuelScale::measure(&viewer)?;
        let viewer_linker = sealed::linker(&viewer)?;
        let worker_linker = linker::linker(&worker)?;
        Ok(Engines { viewer, worker, fuel, aot, compiler, viewer_live: Arc::default(), viewer_linker, worker_linker })
    }
}

fn viewer_pool() -> PoolingAllocationConfig {
    let profile = Profile::Viewer;
    let mut pool = pool(profile);
    // A component counts its nested components too; memories are the scarce resource.
    pool.total_component_instances(VIEWER_INSTANCES * 4)
        .total_core_instances(VIEWER_INSTANCES * 8)
        .total_memories(VIEWER_INSTANCES * 2)
        .total_tables(VIEWER_INSTANCES * 4)
        .linear_memory_keep_resident(usize_limit(Limit::MemoryBytes, profile))
        .table_keep_resident(64 << 10)
        .max_unused_warm_slots(1_000)
        .pagemap_scan(pagemap_scan());
    pool
}

fn worker_pool() -> PoolingAllocationConfig {
    let mut pool = pool(Profile::Worker);
    pool.total_component_instances(WORKER_INSTANCES)
        .total_core_instances(WORKER_INSTANCES * 8)
        .total_memories(WORKER_INSTANCES * 2)
        .total_tables(WORKER_INSTANCES * 4)
        .total_stacks(WORKER_INSTANCES * 2)
        .linear_memory_keep_resident(2 << 20)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(64 << 10)
        .pagemap_scan(pagemap_scan());
    pool
}

/// The room of one instance; `compile::Inspection::check` refuses components that do not fit.
fn pool(profile: Profile) -> PoolingAllocationConfig {
    let room = Size::room(profile);
    let number = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    let bytes = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
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
        .max_tables_per_module(number(room.tables_per_module));
    pool
}

/// `PAGEMAP_SCAN` (Linux 6.7) finds the pages to reset without touching the others.
fn pagemap_scan() -> Enabled {
    Enabled::Auto
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Compiler, Engines};

    /// One for all tests: a second one's pools do not fit beside it into the address space.
    pub(crate) fn engines() -> &'static Engines {
        static ENGINES: std::sync::LazyLock<(Engines, tempfile::TempDir)> = std::sync::LazyLock::new(|| {
            let directory = tempfile::tempdir().unwrap();
            (Engines::new(directory.path(), Compiler::Unbounded).unwrap(), directory)
        });
        &ENGINES.0
    }
}
