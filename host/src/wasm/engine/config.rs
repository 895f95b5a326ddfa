//! The settings of the two engines, and an engine that compiles for one of them.

use wasmtime::{Config, Engine, Result};

use crate::limits::{Limit, Profile};
use crate::wasm::fuel;

/// An engine that compiles for the engine of the profile. It has no pool, and so cannot run anything.
pub(in crate::wasm) fn compiling(profile: Profile) -> Result<Engine> {
    Engine::new(&match profile {
        Profile::Viewer => viewer_config(),
        Profile::Worker => worker_config(),
    })
}

/// Equal for engines that can load each other's compiled code, in this process or another.
pub(in crate::wasm) fn digest(engine: &Engine) -> u64 {
    use std::hash::{Hash as _, Hasher as _};
    let mut digest = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut digest);
    digest.finish()
}

pub(super) fn viewer_config() -> Config {
    let mut config = common();
    config
        .concurrency_support(false)
        // How `viewer::State` comes to see a store.
        .coredump_on_trap(true)
        .max_wasm_stack(usize_limit(Limit::StackBytes, Profile::Viewer));
    config
}

pub(super) fn worker_config() -> Config {
    let stack_bytes = usize_limit(Limit::StackBytes, Profile::Worker);
    let mut config = common();
    config.max_wasm_stack(stack_bytes).async_stack_size(2 * stack_bytes);
    config
}

fn common() -> Config {
    let mut config = Config::new();
    config.consume_fuel(true).operator_cost(fuel::operator_costs()).wasm_relaxed_simd(false);
    config.memory_init_cow(true).async_stack_zeroing(false);
    // The address map is a third of a compiled file, and only gives offsets in traps.
    config.generate_address_map(false);
    config
}

pub(super) fn usize_limit(limit: Limit, profile: Profile) -> usize {
    usize::try_from(limit.maximum(profile)).unwrap_or(usize::MAX)
}
