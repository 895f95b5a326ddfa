//! One HTTP request through a function: as an event of payload format 2.0, which Lambda's function URLs and HTTP APIs use.
//!
//!     request ──► whole body ──► event ──► handle ──► reply ──► status, headers, body
//!                                             └─ writes piece by piece ──► the same, while it runs
//!
//! The formats are in `payload`. Lambda's own limit holds for the event (`limits::event`).

use std::pin::pin;
use std::time::SystemTime;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use tokio::sync::oneshot;
use wasmtime_wasi_http::{Error, WasiBody};

use crate::failure::Failure;
use crate::limits::event as limits;
use crate::payload::event::{self, EventEndpoint};
use crate::payload::reply;
use crate::wasm::worker::exchange::Exchange;
use crate::wasm::worker::invoke::{HandlerError, InvokeContext};
use crate::wasm::worker::reply_stream::{ReplyReceiver, WrittenReply, reply_stream};
use crate::wasm::worker::streamed_reply::{ReplyStart, StreamedReply};
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
        let (sender, mut parts) = reply_stream();
        self.store.data_mut().reply = WrittenReply::sent(sender);
        let (whole, handled) = {
            let mut call = pin!(async {
                let handled = self.handle(code, handler, event.into(), &context).await;
                // The stream ends with the call.
                self.store.data_mut().reply = WrittenReply::default();
                handled
            });
            let (handled, start) = {
                let mut start = pin!(ReplyStart::read(&mut parts));
                tokio::select! {
                    biased;
                    start = &mut start => (None, start),
                    handled = &mut call => (Some(handled), start.await),
                }
            };
            let whole = match start {
                Ok(ReplyStart::Response(response)) => Some(begin(exchange, response, parts)?),
                Ok(ReplyStart::Nothing) => None,
                Ok(ReplyStart::Unfinished) => {
                    // How the call has ended says more.
                    if let Some(Ok(Ok(_))) = handled {
                        exchange.refuse(no_response("its stream ends before the head of the response does"));
                    }
                    None
                }
                Err(why) => {
                    exchange.refuse(no_response(&why));
                    // Nobody reads on: what the function still writes is lost, and does not wait.
                    drop(parts);
                    None
                }
            };
            let handled = match handled {
                Some(handled) => handled,
                None => call.await,
            };
            (whole, handled?)
        };
        match (handled, whole) {
            // Who has left need not be told.
            (Ok(_), Some(whole)) => drop(whole.send(())),
            (Ok(_), None) if exchange.has_responded() => {}
            (Ok(reply), None) => match reply::response(&reply) {
                Ok(response) => {
                    exchange.respond(response.map(|body| Full::new(body).map_err(|never| match never {}).boxed_unsync()))?;
                }
                Err(why) => exchange.refuse(no_response(&why)),
            },
            // A body that has begun breaks off.
            (Err(HandlerError { error_type, message, stack_trace }), _) => {
                self.log_stack(code, &stack_trace);
                exchange.refuse(Failure::Guest(format!("{error_type}: {message}")));
            }
        }
        Ok(())
    }
}

/// Gives the head to the caller. What is returned says that the body, which goes on, is whole.
fn begin(exchange: &mut Exchange, response: Response<Bytes>, parts: ReplyReceiver) -> Result<oneshot::Sender<()>, Failure> {
    let (whole, ended) = oneshot::channel();
    let ended = Box::pin(async { ended.await.map_err(|_| "the function failed in the middle of its reply") });
    let body = |first| StreamedReply::new(first, parts, ended).map_err(|error| Error::InternalError(Some(error.to_string())));
    exchange.respond(response.map(|first| body(first).boxed_unsync()))?;
    Ok(whole)
}

fn no_response(why: &str) -> Failure {
    Failure::BadReply(format!("its reply is no response: {why}"))
}

fn empty(status: StatusCode) -> Response<WasiBody> {
    let mut response = Response::new(Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    response
}
