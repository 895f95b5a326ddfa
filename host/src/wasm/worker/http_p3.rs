//! One request through `wasi:http/handler@0.3`.

use http::Request;
use wasmtime_wasi_http::p3::Request as WasiRequest;
use wasmtime_wasi_http::p3::bindings::Service;
use wasmtime_wasi_http::{WasiBody, WasiHttpView as _};

use crate::failure::Failure;
use crate::wasm::worker::exchange::{BodyState, Exchange};
use crate::wasm::worker::{WorkerCode, WorkerInstance, failure};

/// Why a guest's run ended early.
enum RunError {
    Error(wasmtime::Error),
    Failure(Failure),
}

impl WorkerInstance {
    /// The guest returns its response and may go on: it ends when none of its tasks is left, and what it
    /// connected to the body has been read.
    pub(super) async fn serve_p3(
        &mut self,
        code: &WorkerCode,
        service: &Service,
        request: Request<WasiBody>,
        exchange: &mut Exchange,
    ) -> Result<(), Failure> {
        let http = self.store.data_mut().http();
        let (request, received) = WasiRequest::from_http(http.hooks, request);
        // A timeout does not work in here (wasmtime#11869): the caller has it.
        let run = self.store.run_concurrent(async |accessor| {
            let answer = service.handle(accessor, request).await.map_err(RunError::Error)?;
            match answer {
                Ok(response) => {
                    let response =
                        accessor.with(|mut store| response.into_http(&mut store, received)).map_err(RunError::Error)?;
                    exchange.respond(response).map_err(RunError::Failure)?;
                }
                Err(code) => exchange.refuse(Failure::Guest(format!("{code:?}"))),
            }
            std::future::poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
            // A stream of the host that the guest passes on makes progress only while the store runs.
            let mut body = exchange.body();
            let _ = body.wait_for(|state| *state != BodyState::Open).await;
            Ok(())
        });
        match run.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(RunError::Failure(failure))) => Err(failure),
            Ok(Err(RunError::Error(error))) | Err(error) => Err(failure(&mut self.store, &code.limits, &error)),
        }
    }
}
