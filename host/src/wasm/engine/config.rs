//! The settings of the two engines, and an engine that compiles for one of them.

use wasmtime::{Config, Engine, Result};

use crate::limits::{Calls, Limit, Profile};
use crate::wasm::fuel;

/// An engine that compiles for the engine of the profile. It has no pool, and so cannot run anything.
pub(in crate::wasm) fn compiling(profile: Profile) -> Result<Engine> {
    Engine::new(&config(profile))
}

/// Equal for engines that can load each other's compiled code, in this process or another.
pub(in crate::wasm) fn digest(engine: &Engine) -> u64 {
    use std::hash::{Hash as _, Hasher as _};
    let mut digest = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut digest);
    digest.finish()
}

pub(super) fn config(profile: Profile) -> Config {
    let stack_bytes = bytes(Limit::StackBytes.maximum(profile));
    let mut config = Config::new();
    config.consume_fuel(true).operator_cost(fuel::operator_costs()).wasm_relaxed_simd(false);
    config.memory_init_cow(true).async_stack_zeroing(false);
    // The address map is a third of a compiled file, and only gives offsets in traps.
    config.generate_address_map(false);
    config.max_wasm_stack(stack_bytes);
    match profile.engine().calls {
        // The dump is how `viewer::State` comes to see a store.
        Calls::Inline => config.concurrency_support(false).coredump_on_trap(true),
        Calls::Async => config.async_stack_size(2 * stack_bytes),
    };
    config
}

pub(super) fn bytes(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
