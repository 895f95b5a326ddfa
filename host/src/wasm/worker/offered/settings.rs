//! `wasi:config` and Spin's variables: the function's environment, name by name.

use wasmtime::component::{ComponentType, Lift, Linker, Lower};
use wasmtime::{Result, StoreContextMut};

use crate::wasm::sealed::HostServices as _;
use crate::wasm::worker::state::WorkerState;

/// `runtime` is the former name of `store`.
const CONFIG: [&str; 3] = ["wasi:config/store@0.2.0-rc.1", "wasi:config/store@0.2.0-draft", "wasi:config/runtime@0.2.0-draft"];
const SPIN: &str = "fermyon:spin/variables@2.0.0";

pub(super) const NAMES: [&str; 4] = [CONFIG[0], CONFIG[1], CONFIG[2], SPIN];

/// Neither case happens: all values are local.
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum WasiConfigError {
    #[component(name = "upstream")]
    Upstream(String),
    #[component(name = "io")]
    Io(String),
}

#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum VariableError {
    #[component(name = "invalid-name")]
    InvalidName(String),
    #[component(name = "undefined")]
    Undefined(String),
    #[component(name = "provider")]
    Provider(String),
    #[component(name = "other")]
    Other(String),
}

pub(super) fn add(linker: &mut Linker<WorkerState>) -> Result<()> {
    for name in CONFIG {
        let mut config = linker.instance(name)?;
        config.func_wrap("get", |mut store: StoreContextMut<'_, WorkerState>, (key,): (String,)| {
            let found = store.data().environment.get(&key).cloned();
            WorkerState::charge(&mut store, key.len() + found.as_ref().map_or(0, String::len))?;
            Ok((Ok::<_, WasiConfigError>(found),))
        })?;
        config.func_wrap("get-all", |mut store: StoreContextMut<'_, WorkerState>, (): ()| {
            let environment = store.data().environment.clone();
            WorkerState::charge(&mut store, environment.iter().map(|(name, value)| name.len() + value.len()).sum())?;
            let all: Vec<(String, String)> = environment.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
            Ok((Ok::<_, WasiConfigError>(all),))
        })?;
    }
    linker.instance(SPIN)?.func_wrap("get", |mut store: StoreContextMut<'_, WorkerState>, (name,): (String,)| {
        let found = store.data().environment.get(&name).cloned();
        WorkerState::charge(&mut store, name.len() + found.as_ref().map_or(0, String::len))?;
        let undefined = || VariableError::Undefined(format!("no variable of this name in the function's environment: {name}"));
        Ok((found.ok_or_else(undefined),))
    })
}
