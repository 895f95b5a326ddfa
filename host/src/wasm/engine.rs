//! The two engines, viewer and worker, and what they share.
//!
//! Fuel, support for concurrency and the geometry of the pool are per engine (facts measured in
//! `docs/performance.md`):
//! - *viewer*: 2 MiB memories in many slots, synchronous calls only, no asynchronous machinery;
//! - *worker*: memories up to 4 GiB, asynchronous, leaves its thread to others after each slice of time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use wasmtime::component::Linker;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Result};

use crate::limits::{Limit, Profile};
use crate::wasm::aot::AotCache;
use crate::wasm::compile::{Compiler, Size};
use crate::wasm::fuel::{self, FuelScale};
use crate::wasm::sealed;
use crate::wasm::state::ViewerState;
use crate::wasm::worker;
use crate::wasm::worker::state::WorkerState;

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
    /// Viewer instances that live now.
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
        let worker_linker = worker::linker::linker(&worker)?;
        Ok(Engines { viewer, worker, fuel, aot, compiler, viewer_live: Arc::default(), viewer_linker, worker_linker })
    }
}

/// An engine that compiles what that of the profile will run. It has no pool, and so no room to run it.
pub(super) fn compiling(profile: Profile) -> Result<Engine> {
    Engine::new(&match profile {
        Profile::Viewer => viewer_config(),
        Profile::Worker => worker_config(),
    })
}

/// Equal for engines of which one takes what the other has compiled, in this process or another.
pub(super) fn digest(engine: &Engine) -> u64 {
    use std::hash::{Hash as _, Hasher as _};
    let mut digest = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut digest);
    digest.finish()
}

fn viewer_config() -> Config {
    let mut config = common();
    config
        .concurrency_support(false)
        // How `viewer::State` comes to see a store.
        .coredump_on_trap(true)
        .max_wasm_stack(usize_limit(Limit::StackBytes, Profile::Viewer));
    config
}

fn worker_config() -> Config {
    let stack_bytes = usize_limit(Limit::StackBytes, Profile::Worker);
    let mut config = common();
    config.max_wasm_stack(stack_bytes).async_stack_size(2 * stack_bytes);
    config
}

fn viewer_pool() -> PoolingAllocationConfig {
    let profile = Profile::Viewer;
    let mut pool = pool(profile);
    // A component counts those that it is made of; memories are what is scarce.
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

/// With the room of one instance; `compile::Inspection::check` refuses what does not fit.
fn pool(profile: Profile) -> PoolingAllocationConfig {
    let room = Size::room(profile);
    let number = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    let bytes = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.max_memory_size(bytes(room.memory_bytes))
        .table_elements(bytes(room.table_elements))
        // Between components that call each other the engine puts modules of its own, fewer than there are others.
        .max_core_instances_per_component(number(2 * room.core_instances + 1))
        // What is counted is what came; compiling adds a little to it.
        .max_core_instance_size(bytes(2 * room.instance_bytes))
        .max_component_instance_size(bytes(2 * room.instance_bytes_all))
        .max_memories_per_component(number(room.memories))
        .max_memories_per_module(number(room.memories_per_module))
        .max_tables_per_component(number(room.tables))
        .max_tables_per_module(number(room.tables_per_module));
    pool
}

fn common() -> Config {
    let mut config = Config::new();
    config.consume_fuel(true).operator_cost(fuel::operator_costs()).wasm_relaxed_simd(false);
    config.memory_init_cow(true).async_stack_zeroing(false);
    // Which byte of the component an instruction came from: a third of a compiled file, for the offsets in traps.
    config.generate_address_map(false);
    config
}

/// `PAGEMAP_SCAN` (Linux 6.7) finds the pages to reset without touching the others.
fn pagemap_scan() -> Enabled {
    Enabled::Auto
}

fn usize_limit(limit: Limit, profile: Profile) -> usize {
    usize::try_from(limit.maximum(profile)).unwrap_or(usize::MAX)
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
