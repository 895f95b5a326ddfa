//! One HTTP request through a function: as an event of payload format 2.0, which Lambda's function URLs and HTTP APIs use.
//!
//!     request ──► whole body ──► event ──► handle ──► reply ──► status, headers, body
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads>. Lambda's own limit holds for the
//! event (`limits::event`); nothing streams.

mod event;
mod reply;

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use wasmtime_wasi_http::WasiBody;

use crate::failure::Failure;
use crate::limits::{Limit, event as limits};
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
        let (head, body) = request.into_parts();
        let body = match Limited::new(body, limits::BODY_BYTES).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                return exchange.respond(empty(StatusCode::PAYLOAD_TOO_LARGE));
            }
            // The client has left in the middle of it.
            Err(_) => return exchange.respond(empty(StatusCode::BAD_REQUEST)),
        };
        let now = SystemTime::now();
        let context = context(code, &head, now);
        let event = event::of(&head, &body, &context.request_id, now);
        match self.handle(code, handler, event.into(), &context).await? {
            Ok(reply) => match reply::response(&reply) {
                Ok(response) => {
                    exchange.respond(response.map(|body| Full::new(body).map_err(|never| match never {}).boxed_unsync()))?;
                }
                Err(why) => exchange.refuse(Failure::BadReply(format!("its reply is no response: {why}"))),
            },
            Err(HandlerError { error_type, message, stack_trace }) => {
                for line in &stack_trace {
                    self.store.data().log.line(line);
                }
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

/// The edge's own id of the request is the call's.
fn context(code: &WorkerCode, head: &http::request::Parts, now: SystemTime) -> InvokeContext {
    let request_id = head.headers.get("x-amz-cf-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    let name = &code.surroundings.name;
    let deadline = now + Duration::from_millis(code.limits.value(Limit::DeadlineMs));
    InvokeContext {
        request_id,
        function_name: name.to_string(),
        function_version: "$LATEST".to_owned(),
        invoked_function_arn: format!("arn:aws:lambda:local:000000000000:function:{name}"),
        memory_limit_mb: u32::try_from(code.limits.value(Limit::MemoryBytes) >> 20).unwrap_or(u32::MAX),
        deadline_ms: event::milliseconds(deadline),
        log_group_name: format!("/aws/lambda/{name}"),
        log_stream_name: "$LATEST".to_owned(),
        client_context: None,
        trace_id: None,
    }
}
