//! The making of TCP sockets, of both generations of WASI: each takes one of the function's connections.
//!
//! In place of the library's, which makes as many as there are descriptors. A socket of WASI 0.2 lives as long as its
//! handle, for its streams are handles below it: so it is counted. The streams of one of WASI 0.3 outlive its handle, and
//! nobody sees them end: so it counts until its instance ends, and that serves no further call.

use wasmtime::component::{Linker, Resource};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::p2;
use wasmtime_wasi::p2::bindings::sockets::network;
use wasmtime_wasi::p2::bindings::sockets::tcp_create_socket::Host as _;
use wasmtime_wasi::p3::bindings::sockets::types::{self, HostTcpSocket as _};
use wasmtime_wasi::sockets::{TcpSocket, WasiSocketsView as _};

use crate::wasm::worker::holdings;
use crate::wasm::worker::state::WorkerState;

/// As the library names them: what is defined again must have the same name.
const P2: &str = "wasi:sockets/tcp-create-socket@0.2.12";
const P3: &str = "wasi:sockets/types@0.3.0";

/// Shadows what is there.
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
