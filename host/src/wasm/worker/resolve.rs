//! `wasi:sockets/ip-name-lookup`, for WASI 0.2 and 0.3, restricted by the function's grants.
//!
//! Replaces the library's, which resolves all names or none, and logs no reason. Resolving is awaited here, while other
//! tasks have the thread; the guest gets a complete list.

use std::net::IpAddr;

use wasmtime::component::{Accessor, Linker, Resource, ResourceType};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::sockets::network;
use wasmtime_wasi::p2::{DynPollable, Network, Pollable, subscribe};
use wasmtime_wasi::p3::bindings::sockets::{ip_name_lookup, types};

use crate::wasm::sealed::HostServices as _;
use crate::wasm::worker::state::WorkerState;

/// The library's names: a definition that replaces one must have the same name.
const P2: &str = "wasi:sockets/ip-name-lookup@0.2.12";
const P3: &str = "wasi:sockets/ip-name-lookup@0.3.0";

/// The remaining addresses of a resolved name.
struct Addresses(std::vec::IntoIter<IpAddr>);

#[async_trait]
impl Pollable for Addresses {
    async fn ready(&mut self) {}
}

/// Replaces the library's definitions.
pub(super) fn add(linker: &mut Linker<WorkerState>) -> Result<()> {
    let mut lookup = linker.instance(P2)?;
    lookup.resource("resolve-address-stream", ResourceType::host::<Addresses>(), |mut store, rep| {
        store.data_mut().table.delete(Resource::<Addresses>::new_own(rep))?;
        Ok(())
    })?;
    lookup.func_wrap_async(
        "resolve-addresses",
        |mut store: StoreContextMut<'_, WorkerState>, (network, name): (Resource<Network>, String)| {
            Box::new(async move {
                WorkerState::charge(&mut store, name.len())?;
                store.data().table.get(&network)?;
                let sockets = store.data().sockets.clone();
                let Ok(found) = sockets.resolve(&name).await else {
                    return Ok((Err(network::ErrorCode::NameUnresolvable),));
                };
                Ok((Ok(store.data_mut().table.push(Addresses(found.into_iter()))?),))
            })
        },
    )?;
    lookup.func_wrap(
        "[method]resolve-address-stream.resolve-next-address",
        |mut store: StoreContextMut<'_, WorkerState>, (stream,): (Resource<Addresses>,)| {
            WorkerState::charge(&mut store, 0)?;
            let next = store.data_mut().table.get_mut(&stream)?.0.next();
            Ok((Ok::<_, network::ErrorCode>(next.map(network::IpAddress::from)),))
        },
    )?;
    lookup.func_wrap(
        "[method]resolve-address-stream.subscribe",
        |mut store: StoreContextMut<'_, WorkerState>, (stream,): (Resource<Addresses>,)| {
            WorkerState::charge(&mut store, 0)?;
            let pollable: Resource<DynPollable> = subscribe(&mut store.data_mut().table, stream)?;
            Ok((pollable,))
        },
    )?;
    linker.instance(P3)?.func_wrap_concurrent("resolve-addresses", |accessor: &Accessor<WorkerState>, (name,): (String,)| {
        Box::pin(async move {
            let sockets = accessor.with(|mut access| {
                let mut store = wasmtime::AsContextMut::as_context_mut(&mut access);
                WorkerState::charge(&mut store, name.len())?;
                Ok::<_, wasmtime::Error>(store.data().sockets.clone())
            })?;
            let found = sockets.resolve(&name).await.map_err(|_| ip_name_lookup::ErrorCode::NameUnresolvable);
            Ok((found.map(|found| found.into_iter().map(types::IpAddress::from).collect::<Vec<_>>()),))
        })
    })
}
