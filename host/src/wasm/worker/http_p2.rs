//! One request through `wasi:http/incoming-handler@0.2`.

use std::pin::pin;

use http::Request;
use http::uri::Scheme as UriScheme;
use tokio::sync::oneshot;
use wasmtime_wasi_http::p2::bindings::Proxy;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;
use wasmtime_wasi_http::{WasiBody, WasiHttpView as _};

use crate::failure::Failure;
use crate::wasm::worker::exchange::Exchange;
use crate::wasm::worker::{WorkerCode, WorkerInstance, failure, host};

type P2Response = Result<http::Response<HyperOutgoingBody>, ErrorCode>;

impl WorkerInstance {
    /// The guest responds through an out-parameter while it runs; it ends when it returns.
    pub(super) async fn serve_p2(
        &mut self,
        code: &WorkerCode,
        proxy: &Proxy,
        request: Request<WasiBody>,
        exchange: &mut Exchange,
    ) -> Result<(), Failure> {
        let scheme = if request.uri().scheme() == Some(&UriScheme::HTTPS) { Scheme::Https } else { Scheme::Http };
        let (sender, mut answer) = oneshot::channel();
        let mut http = self.store.data_mut().http();
        let request = http.new_incoming_request(scheme, request).map_err(host)?;
        let out = http.new_response_outparam(sender).map_err(host)?;

        let returned = {
            let mut call = pin!(proxy.wasi_http_incoming_handler().call_handle(&mut self.store, request, out));
            let early = tokio::select! {
                biased;
                answer = &mut answer => Err(answer),
                returned = &mut call => Ok(returned),
            };
            match early {
                Ok(returned) => returned,
                Err(Ok(answer)) => {
                    respond(exchange, answer)?;
                    call.await
                }
                // The out-parameter was dropped unused: the guest's result says why.
                Err(Err(_)) => call.await,
            }
        };
        if let Err(error) = returned {
            return Err(failure(&mut self.store, &code.limits, &error));
        }
        // A guest that responds and returns without waiting.
        if let Ok(answer) = answer.try_recv() {
            return respond(exchange, answer);
        }
        if !exchange.has_responded() {
            exchange.refuse(Failure::Guest("it returned without a response".to_owned()));
        }
        Ok(())
    }
}

fn respond(exchange: &mut Exchange, answer: P2Response) -> Result<(), Failure> {
    match answer {
        Ok(response) => exchange.respond(response),
        Err(code) => {
            exchange.refuse(Failure::Guest(format!("{code:?}")));
            Ok(())
        }
    }
}
