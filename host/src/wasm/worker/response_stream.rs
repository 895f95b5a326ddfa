//! `edgeward:function/response-stream`: a function writes its reply piece by piece.

use wasmtime::component::Linker;
use wasmtime::{Error, Result, StoreContextMut};

use crate::wasm::sealed::HostServices as _;
use crate::wasm::worker::state::WorkerState;

pub(super) const NAME: &str = "edgeward:function/response-stream@0.1.0";

pub(super) fn add(linker: &mut Linker<WorkerState>) -> Result<()> {
    let mut instance = linker.instance(NAME)?;
    instance.func_wrap("set-content-type", |mut store: StoreContextMut<'_, WorkerState>, (content_type,): (String,)| {
        WorkerState::charge(&mut store, content_type.len())?;
        store.data_mut().reply.set_content_type(content_type);
        Ok(())
    })?;
    instance.func_wrap_async("write", |mut store: StoreContextMut<'_, WorkerState>, (bytes,): (Vec<u8>,)| {
        Box::new(async move {
            WorkerState::charge(&mut store, bytes.len())?;
            let state = store.data_mut();
            match state.reply.write(bytes.into()) {
                Ok(None) => Ok(()),
                Ok(Some(part)) => {
                    part.send().await;
                    Ok(())
                }
                Err(limit) => {
                    state.exceeded = Some(limit);
                    Err(Error::msg("over a limit in the host"))
                }
            }
        })
    })
}
