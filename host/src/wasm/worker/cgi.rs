//! One request through `wasi:cli/run@0.2`: a program of the CGI kind (RFC 3875).
//!
//!     request ──► environment, stdin ──► run ──► stdout ──► head ──► caller, with the body
//!                                                              (while the program runs on)
//!
//! A program runs once in its instance: the next call gets another. It has responded when its head is complete; a program
//! that fails before that fails the call, and one that fails later truncates the body, as with any service.

mod environment;
mod head;
mod pipe;

use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes, BytesMut};
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p2::bindings::Command;
use wasmtime_wasi_http::{Error, WasiBody};

use crate::failure::Failure;
use crate::limits::Limit;
use crate::wasm::worker::exchange::Exchange;
use crate::wasm::worker::{WorkerCode, WorkerInstance, failure};
use head::Read;
pub(super) use pipe::{Stdin, Stdout};

impl WorkerInstance {
    pub(super) async fn serve_cgi(
        &mut self,
        code: &WorkerCode,
        program: &Command,
        request: Request<WasiBody>,
        exchange: &mut Exchange,
    ) -> Result<(), Failure> {
        let (request, body) = request.into_parts();
        let output = Stdout::new();
        let variables = environment::variables(&request, &code.surroundings.environment);
        self.store.data_mut().run_as_program(&variables, Stdin::new(body), output.clone());

        let ended = {
            let mut run = pin!(async {
                let returned = program.wasi_cli_run().call_run(&mut self.store).await;
                output.end();
                returned
            });
            let mut head = pin!(read_head(&output, code));
            let (ended, head) = tokio::select! {
                biased;
                head = &mut head => (None, head),
                ended = &mut run => (Some(ended), head.await),
            };
            match (ended, head) {
                // How it ended says more than what it had written.
                (Some(ended), Err(unread)) => match how_it_ended(ended) {
                    Ok(()) => return Err(unread),
                    failed => failed,
                },
                (ended, head) => {
                    let (response, rest) = head?;
                    let body = OutputBody { rest, output: output.clone() };
                    exchange.respond(response.map(|()| body.boxed_unsync()))?;
                    how_it_ended(match ended {
                        Some(ended) => ended,
                        None => run.await,
                    })
                }
            }
        };
        ended.map_err(|ended| match ended {
            ProgramEnd::Failed(error) => failure(&mut self.store, &code.limits, &error),
            ProgramEnd::Status(status) => Failure::Guest(format!("it exited with status {status}")),
        })
    }
}

/// How a program fails.
pub(super) enum ProgramEnd {
    Failed(wasmtime::Error),
    Status(i32),
}

pub(super) fn how_it_ended(returned: wasmtime::Result<Result<(), ()>>) -> Result<(), ProgramEnd> {
    match returned {
        Ok(Ok(())) => Ok(()),
        Ok(Err(())) => Err(ProgramEnd::Status(1)),
        Err(error) => match error.downcast_ref::<I32Exit>() {
            Some(I32Exit(0)) => Ok(()),
            Some(I32Exit(status)) => Err(ProgramEnd::Status(*status)),
            None => Err(ProgramEnd::Failed(error)),
        },
    }
}

/// Waits for the head. Returns it and the bytes that were written behind it.
async fn read_head(output: &Stdout, code: &WorkerCode) -> Result<(Response<()>, Bytes), Failure> {
    let bad = |why: &str| Failure::BadReply(format!("its output is no CGI response: {why}"));
    let mut written = BytesMut::new();
    while let Some(bytes) = std::future::poll_fn(|cx| output.poll_take(cx)).await {
        written.extend_from_slice(&bytes);
        match head::read(&written).map_err(bad)? {
            Read::Head(response, at) => {
                written.advance(at);
                return Ok((response, written.freeze()));
            }
            // Twice the limit, since line breaks and colons do not count as header bytes.
            Read::Part if written.len() as u64 > 2 * code.limits.value(Limit::HeaderBytes) => {
                return Err(code.over(Limit::HeaderBytes));
            }
            Read::Part => {}
        }
    }
    Err(bad("it ended before its head was whole"))
}

/// The body that a program writes behind its head.
struct OutputBody {
    rest: Bytes,
    output: Stdout,
}

impl Body for OutputBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.rest)))));
        }
        self.output.poll_take(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

impl Drop for OutputBody {
    fn drop(&mut self) {
        self.output.leave();
    }
}
