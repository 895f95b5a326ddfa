//! One call of a function: an event and a context go in, a reply or the function's own error comes out.
//!
//! A component that exports `edgeward:function/handler` is called. A program (`wasi:cli/run`) gets the event on stdin and
//! the context in its environment; its stdout is the reply, and an exit status other than 0 an error.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use wasmtime::component::{ComponentType, Func, Lower};
use wasmtime_wasi::p2::bindings::Command;

use crate::failure::Failure;
use crate::limits::{Limit, Limits};
use crate::loops::LoopMarks;
use crate::wasm::worker::cgi::{ProgramEnd, Stdin, Stdout, how_it_ended};
use crate::wasm::worker::reply_stream::{ReplySender, WrittenReply};
use crate::wasm::worker::{Http, WorkerCallResult, WorkerCode, WorkerInstance, failure, host};
use crate::wasm::world::HANDLER;

pub use crate::wasm::worker::handler_error::{HandlerError, HandlerResult};

/// The call, as `edgeward:function/handler` describes it.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lower)]
#[component(record)]
pub struct InvokeContext {
    #[component(name = "request-id")]
    pub request_id: String,
    #[component(name = "function-name")]
    pub function_name: String,
    /// `$LATEST`, or a number.
    #[component(name = "function-version")]
    pub function_version: String,
    #[component(name = "invoked-function-arn")]
    pub invoked_function_arn: String,
    #[component(name = "memory-limit-mb")]
    pub memory_limit_mb: u32,
    /// Milliseconds since 1970.
    #[component(name = "deadline-ms")]
    pub deadline_ms: u64,
    #[component(name = "log-group-name")]
    pub log_group_name: String,
    #[component(name = "log-stream-name")]
    pub log_stream_name: String,
    /// A JSON object.
    #[component(name = "client-context")]
    pub client_context: Option<String>,
    #[component(name = "trace-id")]
    pub trace_id: Option<String>,
}

impl InvokeContext {
    /// Of a call that begins now, of a function that is in no account and has neither versions nor aliases.
    pub fn local(name: &str, request_id: String, limits: &Limits, now: SystemTime) -> InvokeContext {
        const LATEST: &str = "$LATEST";
        InvokeContext {
            request_id,
            function_name: name.to_owned(),
            function_version: LATEST.to_owned(),
            invoked_function_arn: format!("arn:aws:lambda:local:000000000000:function:{name}"),
            memory_limit_mb: u32::try_from(limits.value(Limit::MemoryBytes) >> 20).unwrap_or(u32::MAX),
            deadline_ms: milliseconds(now + Duration::from_millis(limits.value(Limit::DeadlineMs))),
            log_group_name: format!("/aws/lambda/{name}"),
            log_stream_name: LATEST.to_owned(),
            client_context: None,
            trace_id: None,
        }
    }
}

/// Since 1970.
pub(super) fn milliseconds(time: SystemTime) -> u64 {
    u64::try_from(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

impl WorkerInstance {
    /// Runs one call. After a failure the instance must be dropped; an error of the function's own is none. What the function
    /// writes piece by piece goes to `stream`, if there is one, and is not in the reply. `passed` is where the request has been
    /// that the event is of.
    pub async fn invoke(
        &mut self,
        code: &WorkerCode,
        event: Bytes,
        context: InvokeContext,
        stream: Option<ReplySender>,
        passed: LoopMarks,
    ) -> WorkerCallResult<HandlerResult> {
        self.store.data_mut().set_loop_marks(passed);
        let result = self.invoke_within(code, event, context, stream).await;
        // The stream ends with the call.
        self.store.data_mut().reply = WrittenReply::default();
        WorkerCallResult { result, fuel: self.fuel_used(code) }
    }

    async fn invoke_within(
        &mut self,
        code: &WorkerCode,
        event: Bytes,
        context: InvokeContext,
        stream: Option<ReplySender>,
    ) -> Result<HandlerResult, Failure> {
        self.begin(code)?;
        if let Some(stream) = stream {
            self.store.data_mut().reply = WrittenReply::sent(stream);
        }
        let meter = self.store.data().meter.clone();
        match (self.handler, self.http.clone().as_deref()) {
            (Some(handler), _) => WorkerInstance::within(code, &meter, self.handle(code, handler, event, &context)).await?,
            (None, Some(Http::Cgi(program))) => {
                WorkerInstance::within(code, &meter, self.run_program(code, program, event, &context)).await?
            }
            (None, _) => Err(Failure::NotRunnable(format!("it exports neither {HANDLER} nor wasi:cli/run"))),
        }
    }

    /// Calls `handle`. It does not end with the call's deadline by itself: `within` sees to that.
    pub(super) async fn handle(
        &mut self,
        code: &WorkerCode,
        handler: Func,
        event: Bytes,
        context: &InvokeContext,
    ) -> Result<HandlerResult, Failure> {
        if let Some(error) = self.failed_init().cloned() {
            self.exited = true;
            return Ok(Err(error));
        }
        let typed = handle_type(&handler, self)?;
        match typed.call_async(&mut self.store, (&event, context)).await {
            Ok((Ok(reply),)) if reply.len() as u64 > code.limits.value(Limit::ReplyBytes) => Err(code.over(Limit::ReplyBytes)),
            Ok((answer,)) => {
                self.exited = answer.as_ref().is_err_and(HandlerError::is_exit);
                let written = self.store.data_mut().reply.take();
                Ok(answer.map(|reply| written.unwrap_or(reply)))
            }
            Err(error) => Err(failure(&mut self.store, &code.limits, &error)),
        }
    }

    /// Where nobody gets the stack of a function's own error, the log has it.
    pub(super) fn log_stack(&self, code: &WorkerCode, stack_trace: &[String]) {
        if code.is_runtime {
            return;
        }
        for line in stack_trace {
            self.store.data().log.line(line);
        }
    }

    async fn run_program(
        &mut self,
        code: &WorkerCode,
        program: &Command,
        event: Bytes,
        context: &InvokeContext,
    ) -> Result<HandlerResult, Failure> {
        let output = Stdout::new();
        let stdin = Stdin::new(Full::new(event).map_err(|never| match never {}).boxed_unsync());
        self.store.data_mut().run_as_program(&variables(context, &code.surroundings.environment), stdin, output.clone());
        let mut reply = std::mem::take(&mut self.store.data_mut().reply);
        let ended = {
            let mut run = pin!(async {
                let returned = program.wasi_cli_run().call_run(&mut self.store).await;
                output.end();
                returned
            });
            let mut read = pin!(async {
                while let Some(bytes) = poll_fn(|cx| output.poll_take(cx)).await {
                    match reply.write(bytes) {
                        Ok(None) => {}
                        Ok(Some(part)) => part.send().await,
                        Err(limit) => return Err(code.over(limit)),
                    }
                }
                Ok(())
            });
            let (ended, read) = tokio::select! {
                ended = &mut run => (Some(ended), read.await),
                read = &mut read => (None, read),
            };
            read?;
            how_it_ended(match ended {
                Some(ended) => ended,
                None => run.await,
            })
        };
        match ended {
            Ok(()) => Ok(Ok(reply.take().unwrap_or_default())),
            Err(ProgramEnd::Failed(error)) => Err(failure(&mut self.store, &code.limits, &error)),
            Err(ProgramEnd::Status(status)) => Ok(Err(HandlerError {
                error_type: "Runtime.ExitError".to_owned(),
                message: format!("RequestId: {} Error: Runtime exited with error: exit status {status}", context.request_id),
                stack_trace: Vec::new(),
            })),
        }
    }
}

type HandleFunc<'a> = wasmtime::component::TypedFunc<(&'a [u8], &'a InvokeContext), (HandlerResult,)>;

fn handle_type<'a>(handler: &Func, instance: &WorkerInstance) -> Result<HandleFunc<'a>, Failure> {
    handler.typed(&instance.store).map_err(host)
}

/// The function's own variables, then the context under the names that Lambda's runtimes have for it.
fn variables(context: &InvokeContext, own: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut variables = own.clone();
    let mut set = |name: &str, value: String| drop(variables.insert(name.to_owned(), value));
    set("AWS_LAMBDA_FUNCTION_NAME", context.function_name.clone());
    set("AWS_LAMBDA_FUNCTION_VERSION", context.function_version.clone());
    set("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", context.memory_limit_mb.to_string());
    set("AWS_LAMBDA_LOG_GROUP_NAME", context.log_group_name.clone());
    set("AWS_LAMBDA_LOG_STREAM_NAME", context.log_stream_name.clone());
    set("LAMBDA_RUNTIME_AWS_REQUEST_ID", context.request_id.clone());
    set("LAMBDA_RUNTIME_DEADLINE_MS", context.deadline_ms.to_string());
    set("LAMBDA_RUNTIME_INVOKED_FUNCTION_ARN", context.invoked_function_arn.clone());
    if let Some(client_context) = &context.client_context {
        set("LAMBDA_RUNTIME_CLIENT_CONTEXT", client_context.clone());
    }
    if let Some(trace_id) = &context.trace_id {
        set("_X_AMZN_TRACE_ID", trace_id.clone());
    }
    variables
}
