//! Creates TCP sockets, for WASI 0.2 and 0.3: each takes one of the function's connections.
//!
//! Replaces the library's functions, which create as many as there are descriptors. A socket of WASI 0.2 lives as long as
//! its handle, since its streams are child handles: so the handles are counted. The streams of a WASI 0.3 socket outlive
//! its handle, and their end cannot be observed: so it counts until its instance ends, which serves no further call.

use wasmtime::component::{Linker, Resource};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::p2;
use wasmtime_wasi::p2::bindings::sockets::network;
use wasmtime_wasi::p2::bindings::sockets::tcp_create_socket::Host as _;
use wasmtime_wasi::p3::bindings::sockets::types::{self, HostTcpSocket as _};
use wasmtime_wasi::sockets::{TcpSocket, WasiSocketsView as _};

use crate::wasm::worker::holdings;
use crate::wasm::worker::state::WorkerState;

/// The library's names: a definition that replaces one must have the same name.
const P2: &str = "wasi:sockets/tcp-create-socket@0.2.12";
const P3: &str = "wasi:sockets/types@0.3.0";

/// Replaces the library's definitions.
pub(super) fn add(linker: &mut Linker<WorkerState>) -> Result<()> {
    linker.instance(P2)?.func_wrap(
        "create-tcp-socket",
        |mut store: StoreContextMut<'_, WorkerState>, (family,): (network::IpAddressFamily,)| {
            let state = store.data_mut();
            let open = holdings::sockets(&mut state.table);
            state.permits.p2.truncate(open);
            let Some(permit) = state.sockets.permit() else {
                return Ok((Err(network::ErrorCode::NewSocketLimit),));
            };
            let created: Resource<p2::TcpSocket> = match state.sockets().create_tcp_socket(family) {
                Ok(created) => created,
                Err(error) => return Ok((Err(error.downcast()?),)),
            };
            state.permits.p2.push(permit);
            Ok((Ok(created),))
        },
    )?;
    linker.instance(P3)?.func_wrap(
        "[static]tcp-socket.create",
        |mut store: StoreContextMut<'_, WorkerState>, (family,): (types::IpAddressFamily,)| {
            let state = store.data_mut();
            let Some(permit) = state.sockets.permit() else {
                let why = "too many connections are open".to_owned();
                return Ok((Err(types::ErrorCode::Other(Some(why))),));
            };
            let created: Resource<TcpSocket> = match state.sockets().create(family) {
                Ok(created) => created,
                Err(error) => return Ok((Err(error.downcast()?),)),
            };
            state.permits.p3.push(permit);
            Ok((Ok(created),))
        },
    )
}
