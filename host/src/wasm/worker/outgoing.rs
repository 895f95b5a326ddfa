//! A guest's request without a path is for the root, as WIT says ("an empty path and empty query"); the library
//! calls such a URI invalid. Shadows its two functions that send; the library does the rest.

use http::uri::PathAndQuery;
use wasmtime::component::{Accessor, Linker, Resource};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler::Host as _;
use wasmtime_wasi_http::p2::types::HostOutgoingRequest;
use wasmtime_wasi_http::p3::Request;
use wasmtime_wasi_http::p3::bindings::http::client::HostWithStore;
use wasmtime_wasi_http::{RequestOptions, WasiHttp, WasiHttpView};

use crate::wasm::worker::state::WorkerState;

/// The library's names: a definition that replaces one must have the same name.
const P2: &str = "wasi:http/outgoing-handler@0.2.12";
const P3: &str = "wasi:http/client@0.3.0";

pub(super) fn add(linker: &mut Linker<WorkerState>) -> Result<()> {
    linker.instance(P2)?.func_wrap(
        "handle",
        |mut store: StoreContextMut<'_, WorkerState>,
         (request, options): (Resource<HostOutgoingRequest>, Option<Resource<RequestOptions>>)| {
            let mut http = store.data_mut().http();
            http.table.get_mut(&request)?.path_with_query.get_or_insert_with(|| "/".to_owned());
            Ok((match http.handle(request, options) {
                Ok(response) => Ok(response),
                Err(error) => Err(error.downcast()?),
            },))
        },
    )?;
    linker.instance(P3)?.func_wrap_concurrent("send", |accessor: &Accessor<WorkerState>, (request,): (Resource<Request>,)| {
        let http = accessor.with_getter::<WasiHttp>(<WorkerState as WasiHttpView>::http);
        Box::pin(async move {
            http.with(|mut access| -> Result<()> {
                let request = access.get().table.get_mut(&request)?;
                request.path_with_query.get_or_insert_with(|| PathAndQuery::from_static("/"));
                Ok(())
            })?;
            Ok((match <WasiHttp as HostWithStore<WorkerState>>::send(&http, request).await {
                Ok(response) => Ok(response),
                Err(error) => Err(error.downcast()?),
            },))
        })
    })
}
