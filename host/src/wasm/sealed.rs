//! What a viewer hook may import: its log, its key-value store, and a WASI that leads nowhere.
//!
//! Rust's standard library imports WASI even where a program uses none of it. So that such components load,
//! `wasi:{cli,clocks,filesystem,io,random}@0.2` is here, sealed: no argument, no variable, no file, a clock
//! that stands still during a call, random numbers that are the call's own, and output that goes to the
//! function's log. What is not listed in `WASI` is refused by name at deployment.

use std::sync::Arc;

use wasmtime::component::{Component, Linker, Resource, ResourceType};
use wasmtime::{Engine, Error, Result, StoreContextMut};

use crate::limits::Limit;
use crate::wasm::state::{KeyValueStore, ViewerState};

/// WASI interfaces that are sealed, without their versions (all of 0.2).
const WASI: [&str; 22] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/timezone",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:io/io",
];

/// Our own interfaces, with their versions.
pub const OWN: [&str; 2] = ["edgeward:edge/log@0.1.0", "edgeward:edge/key-value-store@0.1.0"];

/// The longest log line and key that are looked at; the rest would be dropped anyway.
const RANDOM_BYTES_MAX: u64 = 4_096;

/// Whether a viewer component may import an interface of this name.
pub fn allows(import: &str) -> bool {
    OWN.contains(&import)
        || import.split_once('@').is_some_and(|(name, version)| WASI.contains(&name) && version.starts_with("0.2."))
}

/// What may be imported, for a message.
pub fn allowed() -> String {
    format!("{}, and WASI 0.2 as Rust's standard library links it (sealed)", OWN.join(", "))
}

/// What our own interfaces (`OWN`) need to find beside an instance.
pub(super) trait Beside: Sized + 'static {
    /// Counts a call of the guest into the host that moves so many bytes, or ends it.
    fn charge(store: &mut StoreContextMut<'_, Self>, bytes: usize) -> Result<()>;
    fn log_line(&mut self, line: &str);
    fn key_values(&self) -> Option<Arc<dyn KeyValueStore>>;
}

impl Beside for ViewerState {
    fn charge(store: &mut StoreContextMut<'_, ViewerState>, bytes: usize) -> Result<()> {
        charge(store, bytes)
    }

    fn log_line(&mut self, line: &str) {
        self.log.line(line);
    }

    fn key_values(&self) -> Option<Arc<dyn KeyValueStore>> {
        self.key_values.clone()
    }
}

struct OutputStream;

pub(super) fn linker(engine: &Engine) -> Result<Linker<ViewerState>> {
    let mut linker = Linker::new(engine);
    own(&mut linker)?;
    environment(&mut linker)?;
    clocks(&mut linker)?;
    random(&mut linker)?;
    output(&mut linker)?;
    Ok(linker)
}

/// The linker for one component: interfaces of `WASI` that have no function above trap when called.
pub(super) fn linker_for(shared: &Linker<ViewerState>, component: &Component) -> Result<Linker<ViewerState>> {
    let mut linker = shared.clone();
    linker.define_unknown_imports_as_traps(component)?;
    Ok(linker)
}

fn own(linker: &mut Linker<ViewerState>) -> Result<()> {
    linker
        .instance(OWN[0])?
        .func_wrap("line", |mut store: StoreContextMut<'_, ViewerState>, (text,): (String,)| line(&mut store, &text))?;
    let mut store = linker.instance(OWN[1])?;
    store.func_wrap("get", |mut store: StoreContextMut<'_, ViewerState>, (key,): (String,)| Ok((get(&mut store, &key)?,)))?;
    store.func_wrap("count", |mut store: StoreContextMut<'_, ViewerState>, (): ()| Ok((count(&mut store)?,)))?;
    Ok(())
}

/// `log.line`, for both profiles; so are the next two.
pub(super) fn line<S: Beside>(store: &mut StoreContextMut<'_, S>, text: &str) -> Result<()> {
    S::charge(store, text.len())?;
    store.data_mut().log_line(text);
    Ok(())
}

pub(super) fn get<S: Beside>(store: &mut StoreContextMut<'_, S>, key: &str) -> Result<Option<Vec<u8>>> {
    let found = store.data().key_values().and_then(|values| values.get(key).map(<[u8]>::to_vec));
    S::charge(store, key.len() + found.as_ref().map_or(0, Vec::len))?;
    Ok(found)
}

pub(super) fn count<S: Beside>(store: &mut StoreContextMut<'_, S>) -> Result<u32> {
    S::charge(store, 0)?;
    let count = store.data().key_values().map_or(0, |values| values.count());
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Host code burns no fuel by itself. A call costs as much as 0.3 µs of guest code, and a byte as much as
/// copying it twice.
fn charge(store: &mut StoreContextMut<'_, ViewerState>, bytes: usize) -> Result<()> {
    const PER_CALL: u64 = 12_000;
    const PER_BYTE: u64 = 4;
    store.data_mut().enter()?;
    let cost = PER_CALL + PER_BYTE * bytes as u64;
    match store.get_fuel()?.checked_sub(cost) {
        Some(left) => store.set_fuel(left),
        None => {
            store.data_mut().exceeded = Some(Limit::CpuUs);
            store.set_fuel(0)?;
            Err(Error::msg("fuel used up by calls into the host"))
        }
    }
}

fn environment(linker: &mut Linker<ViewerState>) -> Result<()> {
    let mut environment = linker.instance("wasi:cli/environment@0.2.0")?;
    environment.func_wrap("get-environment", |mut store: StoreContextMut<'_, ViewerState>, (): ()| {
        charge(&mut store, 0)?;
        Ok((Vec::<(String, String)>::new(),))
    })?;
    environment.func_wrap("get-arguments", |mut store: StoreContextMut<'_, ViewerState>, (): ()| {
        charge(&mut store, 0)?;
        Ok((Vec::<String>::new(),))
    })?;
    environment.func_wrap("initial-cwd", |mut store: StoreContextMut<'_, ViewerState>, (): ()| {
        charge(&mut store, 0)?;
        Ok((None::<String>,))
    })?;
    Ok(())
}

fn clocks(linker: &mut Linker<ViewerState>) -> Result<()> {
    let mut clock = linker.instance("wasi:clocks/monotonic-clock@0.2.0")?;
    for name in ["now", "resolution"] {
        clock.func_wrap(name, |mut store: StoreContextMut<'_, ViewerState>, (): ()| {
            charge(&mut store, 0)?;
            Ok((store.data().now_ns,))
        })?;
    }
    Ok(())
}

fn random(linker: &mut Linker<ViewerState>) -> Result<()> {
    for (interface, bytes, number) in [
        ("wasi:random/random@0.2.0", "get-random-bytes", "get-random-u64"),
        ("wasi:random/insecure@0.2.0", "get-insecure-random-bytes", "get-insecure-random-u64"),
    ] {
        let mut random = linker.instance(interface)?;
        random.func_wrap(bytes, |mut store: StoreContextMut<'_, ViewerState>, (count,): (u64,)| {
            let count = count.min(RANDOM_BYTES_MAX);
            charge(&mut store, usize::try_from(count).unwrap_or(usize::MAX))?;
            let state = store.data_mut();
            Ok(((0..count).map(|_| next_random(state).to_le_bytes()[0]).collect::<Vec<u8>>(),))
        })?;
        random.func_wrap(number, |mut store: StoreContextMut<'_, ViewerState>, (): ()| {
            charge(&mut store, 0)?;
            Ok((next_random(store.data_mut()),))
        })?;
    }
    linker.instance("wasi:random/insecure-seed@0.2.0")?.func_wrap(
        "insecure-seed",
        |mut store: StoreContextMut<'_, ViewerState>, (): ()| {
            charge(&mut store, 0)?;
            let state = store.data_mut();
            Ok(((next_random(state), next_random(state)),))
        },
    )?;
    Ok(())
}

/// SplitMix64: good enough to seed hash maps, which is all that a pure hook has use for.
fn next_random(state: &mut ViewerState) -> u64 {
    state.random = state.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = state.random;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn output(linker: &mut Linker<ViewerState>) -> Result<()> {
    for (interface, function) in [("wasi:cli/stdout@0.2.0", "get-stdout"), ("wasi:cli/stderr@0.2.0", "get-stderr")] {
        linker.instance(interface)?.func_wrap(function, |mut store: StoreContextMut<'_, ViewerState>, (): ()| {
            charge(&mut store, 0)?;
            store.data_mut().handles.moved();
            Ok((Resource::<OutputStream>::new_own(0),))
        })?;
    }
    let mut streams = linker.instance("wasi:io/streams@0.2.0")?;
    streams.resource("output-stream", ResourceType::host::<OutputStream>(), |mut store, _| {
        store.data_mut().handles.moved();
        Ok(())
    })?;
    Ok(())
}
