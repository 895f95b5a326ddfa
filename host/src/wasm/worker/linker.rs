//! The imports of a worker component: our own interfaces, WASI 0.2 and 0.3 with wasi:http, and those in `offered`.

use wasmtime::component::Linker;
use wasmtime::{Engine, Result, StoreContextMut};
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};

use crate::wasm::sealed;
use crate::wasm::worker::state::WorkerState;
use crate::wasm::worker::tmp::WorkerFiles;
use crate::wasm::worker::{offered, outgoing, resolve, response_stream, sockets};

const PACKAGES: [&str; 7] = ["wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:http", "wasi:io", "wasi:random", "wasi:sockets"];

/// Whether a worker component may import an interface of this name.
pub fn allows(import: &str) -> bool {
    sealed::OWN.contains(&import)
        || import == response_stream::NAME
        || offered::names().any(|name| name == import)
        || import.split_once('/').is_some_and(|(package, interface)| {
            let version = interface.split_once('@').map_or("", |(_, version)| version);
            // A release candidate has other types.
            let released = |patch: &str| !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit());
            let patch = version.strip_prefix("0.2.").or_else(|| version.strip_prefix("0.3."));
            PACKAGES.contains(&package) && patch.is_some_and(released)
        })
}

/// The imports that are allowed, for a message; `offered::advice` has more about some names.
pub fn allowed() -> String {
    let offered: Vec<&str> = offered::names().collect();
    let own = [&sealed::OWN[..], &[response_stream::NAME]].concat().join(", ");
    format!("{own}, {}, and WASI 0.2 and 0.3 ({})", offered.join(", "), PACKAGES.join(", "))
}

pub fn linker(engine: &Engine) -> Result<Linker<WorkerState>> {
    let mut linker = Linker::new(engine);
    own(&mut linker)?;
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    offered::add(&mut linker)?;
    response_stream::add(&mut linker)?;
    linker.allow_shadowing(true);
    resolve::add(&mut linker)?;
    outgoing::add(&mut linker)?;
    sockets::add(&mut linker)?;
    types::add_to_linker::<WorkerState, WorkerFiles>(&mut linker, WorkerState::files)?;
    preopens::add_to_linker::<WorkerState, WorkerFiles>(&mut linker, WorkerState::files)?;
    linker.allow_shadowing(false);
    Ok(linker)
}

/// The interfaces that viewers have, too.
fn own(linker: &mut Linker<WorkerState>) -> Result<()> {
    linker
        .instance(sealed::OWN[0])?
        .func_wrap("line", |mut store: StoreContextMut<'_, WorkerState>, (text,): (String,)| sealed::line(&mut store, &text))?;
    let mut store = linker.instance(sealed::OWN[1])?;
    store.func_wrap("get", |mut store: StoreContextMut<'_, WorkerState>, (key,): (String,)| {
        Ok((sealed::get(&mut store, &key)?,))
    })?;
    store.func_wrap("count", |mut store: StoreContextMut<'_, WorkerState>, (): ()| Ok((sealed::count(&mut store)?,)))?;
    Ok(())
}
