//! One HTTP request through a function: as an event of payload format 2.0, which Lambda's function URLs and HTTP APIs use.
//!
//!     request ──► whole body ──► event ──► handle ──► reply ──► status, headers, body
//!
//! The formats are in `payload`. Lambda's own limit holds for the
//! event (`limits::event`); nothing streams.

use std::time::SystemTime;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use wasmtime_wasi_http::WasiBody;

use crate::failure::Failure;
use crate::limits::event as limits;
use crate::payload::event::{self, EventEndpoint};
use crate::payload::reply;
use crate::wasm::worker::exchange::Exchange;
use crate::wasm::worker::invoke::{HandlerError, InvokeContext};
use crate::wasm::worker::{WorkerCode, WorkerInstance};
use crate::wasm::world::HANDLER;

impl WorkerInstance {
    pub(super) async fn serve_event(
        &mut self,
        code: &WorkerCode,
        request: Request<WasiBody>,
        exchange: &mut Exchange,
    ) -> Result<(), Failure> {
        let Some(handler) = self.handler else {
            return Err(Failure::NotRunnable(format!("it does not export {HANDLER}")));
        };
        // The deadline counts from here: what the body takes to come is part of the call.
        let now = SystemTime::now();
        let (head, body) = request.into_parts();
        let body = match Limited::new(body, limits::BODY_BYTES).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                return exchange.respond(empty(StatusCode::PAYLOAD_TOO_LARGE));
            }
            // The client has left in the middle of it.
            Err(_) => return exchange.respond(empty(StatusCode::BAD_REQUEST)),
        };
        // The edge's own id of the request is the call's.
        let id = head.headers.get("x-amz-cf-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
        let context = InvokeContext::local(&code.surroundings.name, id.to_owned(), &code.limits, now);
        let event = event::of(&head, &body, &context.request_id, &EventEndpoint::default(), now);
        match self.handle(code, handler, event.into(), &context).await? {
            Ok(reply) => match reply::response(&reply) {
                Ok(response) => {
                    exchange.respond(response.map(|body| Full::new(body).map_err(|never| match never {}).boxed_unsync()))?;
                }
                Err(why) => exchange.refuse(Failure::BadReply(format!("its reply is no response: {why}"))),
            },
            Err(HandlerError { error_type, message, stack_trace }) => {
                self.log_stack(code, &stack_trace);
                exchange.refuse(Failure::Guest(format!("{error_type}: {message}")));
            }
        }
        Ok(())
    }
}

fn empty(status: StatusCode) -> Response<WasiBody> {
    let mut response = Response::new(Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    response
}
