//! The interfaces of `edgeward:edge`, the function's log and its key-value store; and that of `edgeward:runtime` for a call.
//!
//! Both profiles have them; a worker's linker wraps `line`, `get` and `count`.

use std::sync::Arc;

use wasmtime::component::{LinkerInstance, WasmStr};
use wasmtime::{Result, StoreContextMut};

use super::define::{SealedCaller, func, pay, pay_bytes};
use super::random;
use crate::limits;
use crate::wasm::fuel::host_call;
use crate::wasm::state::{KeyValueStore, ViewerState};

/// The interfaces with their versions.
pub const OWN: [&str; 2] = ["edgeward:edge/log@0.1.0", "edgeward:edge/key-value-store@0.1.0"];

/// What a Runtime asks of a call: the clock of `sealed::clocks` and the numbers of `sealed::random`, without handles and
/// lists.
pub const CALL: &str = "edgeward:runtime/call@0.1.0";

/// What these interfaces need of a worker's state.
pub(in crate::wasm) trait HostServices: Sized + 'static {
    /// Counts a call of the guest into the host that moves so many bytes; an error ends the call.
    fn charge(store: &mut StoreContextMut<'_, Self>, bytes: usize) -> Result<()>;
    fn log_line(&mut self, line: &str);
    fn key_values(&self) -> Option<Arc<dyn KeyValueStore>>;
}

/// `log.line`, for a worker. The next two are for workers, too.
pub(in crate::wasm) fn line<S: HostServices>(store: &mut StoreContextMut<'_, S>, text: &str) -> Result<()> {
    S::charge(store, text.len())?;
    store.data_mut().log_line(text);
    Ok(())
}

pub(in crate::wasm) fn get<S: HostServices>(store: &mut StoreContextMut<'_, S>, key: &str) -> Result<Option<Vec<u8>>> {
    let found = store.data().key_values().and_then(|values| values.get(key).map(<[u8]>::to_vec));
    S::charge(store, key.len() + found.as_ref().map_or(0, Vec::len))?;
    Ok(found)
}

pub(in crate::wasm) fn count<S: HostServices>(store: &mut StoreContextMut<'_, S>) -> Result<u32> {
    S::charge(store, 0)?;
    Ok(counted(store.data().key_values().as_deref()))
}

fn counted(values: Option<&dyn KeyValueStore>) -> u32 {
    u32::try_from(values.map_or(0, KeyValueStore::count)).unwrap_or(u32::MAX)
}

pub(super) fn log(log: &mut LinkerInstance<'_, ViewerState>) -> Result<()> {
    func(log, "line", |store, (text,): (WasmStr,)| {
        let room = store.data().log.room();
        // Only the part of a long line that is kept is copied; all of it is validated as text.
        let (len, kept) = {
            let text = text.to_str(&*store)?;
            (text.len(), text[..text.floor_char_boundary(room + 1)].to_owned())
        };
        pay_bytes(store, len, host_call::TEXT_BYTE_EIGHTHS)?;
        store.data_mut().log.line(&kept);
        Ok(())
    })
}

pub(super) fn call(call: &mut LinkerInstance<'_, ViewerState>) -> Result<()> {
    const NS_PER_MS: u64 = 1_000_000;
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are below 2^53")]
    func(call, "now-ms", |store, (): ()| Ok(((store.data().now_ns / NS_PER_MS) as f64,)))?;
    // The same however often a call asks.
    func(call, "seed", |store, (): ()| Ok((random::next(&mut store.data().seed.clone()),)))
}

pub(super) fn key_value_store(values: &mut LinkerInstance<'_, ViewerState>) -> Result<()> {
    func(values, "get", |store, (key,): (WasmStr,)| Ok((lookup(store, &key)?,)))?;
    func(values, "count", |store, (): ()| Ok((counted(store.data().key_values.as_deref()),)))
}

fn lookup(store: &mut SealedCaller<'_>, key: &WasmStr) -> Result<Option<Vec<u8>>> {
    let (key_len, found) = {
        let key = key.to_str(&*store)?;
        let values = store.data().key_values.as_ref().filter(|_| key.len() <= limits::config::KV_KEY_BYTES);
        (key.len(), values.and_then(|values| values.get(&key).map(<[u8]>::to_vec)))
    };
    pay(store, host_call::LOOKUP)?;
    pay_bytes(store, key_len, host_call::TEXT_BYTE_EIGHTHS)?;
    pay_bytes(store, found.as_ref().map_or(0, Vec::len), host_call::GIVEN_BYTE_EIGHTHS)?;
    Ok(found)
}
