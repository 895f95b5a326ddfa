//! One HTTP request through a function: admitted, run and logged as every other call.
//!
//!     whom is it for? ──► is there room? ──► event ──► run ──► reply ──► response
//!
//! The formats are `payload`'s. Whoever has the request says what a client is told of a failure: function URLs
//! (`url_request`), or the sites that functions are origins of (`origin`).

use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::Response;
use http::request::Parts;

use crate::aws::error::ApiError;
use crate::aws::lambda::identifier::FunctionIdentifier;
use crate::aws::lambda::invoke::{CallInput, admit, run};
use crate::aws::lambda::invoked::{Invoked, RunningCall};
use crate::aws::lambda::registry::Registry;
use crate::aws::lambda::traced::{CallTrace, TraceAnswer};
use crate::failure::Failure;
use crate::function::call::ReplySender;
use crate::function::lane::WorkerLane;
use crate::limits::invoke::EVENT_BYTES;
use crate::loops::LoopMarks;
use crate::payload::event::{self, EventEndpoint};
use crate::payload::reply;

/// A request, whole.
pub struct HttpCall<'a> {
    pub request_id: String,
    /// As the function is to see it.
    pub head: Parts,
    pub body: &'a Bytes,
    pub endpoint: EventEndpoint<'a>,
    pub received: SystemTime,
}

/// A call that runs.
pub struct BegunCall {
    pub running: RunningCall,
    /// For the response.
    pub trace: TraceAnswer,
}

/// Why there is no response.
pub enum HttpCallError {
    /// The request makes an event that is too large.
    TooLarge,
    /// Nothing has run.
    NotRun(ApiError),
    /// The function has run, and not replied with a response.
    Failed(Failure),
}

impl From<ApiError> for HttpCallError {
    fn from(error: ApiError) -> HttpCallError {
        HttpCallError::NotRun(error)
    }
}

/// Must run on a `LocalSet`. The call goes on when this is dropped.
pub async fn respond(
    registry: &Arc<Registry>,
    lane: &Rc<WorkerLane>,
    function: &FunctionIdentifier,
    call: HttpCall<'_>,
) -> Result<Response<Bytes>, HttpCallError> {
    let BegunCall { running, trace } = begin(registry, lane, function, call, None)?;
    response_of(running.await.map_err(|error| ApiError::internal(&error))??, &trace)
}

/// Begins the call. What the function writes piece by piece goes to `stream`.
pub fn begin(
    registry: &Arc<Registry>,
    lane: &Rc<WorkerLane>,
    function: &FunctionIdentifier,
    call: HttpCall<'_>,
    stream: Option<ReplySender>,
) -> Result<BegunCall, HttpCallError> {
    let admitted = admit(registry, function)?;
    let HttpCall { request_id, mut head, body, endpoint, received } = call;
    let trace = CallTrace::begin(registry.tracer.as_ref(), &head.headers, &admitted.deployed, "http");
    let answer = trace.answer();
    // The caller's own, or one that begins here.
    if !head.headers.contains_key("x-amzn-trace-id") {
        answer.put(&mut head.headers);
    }
    let event = event::of(&head, body, &request_id, &endpoint, received);
    if event.len() > EVENT_BYTES {
        return Err(HttpCallError::TooLarge);
    }
    let passed = LoopMarks::of(&head.headers);
    let call = CallInput { request_id, event: event.into(), client_context: None, trace, stream, passed };
    let running = tokio::task::spawn_local(run(registry.clone(), lane.clone(), admitted, call));
    Ok(BegunCall { running, trace: answer })
}

/// What a call that has ended responds.
pub fn response_of(invoked: Invoked, trace: &TraceAnswer) -> Result<Response<Bytes>, HttpCallError> {
    let reply = invoked.result.map_err(|error| HttpCallError::Failed(error.failure))?;
    let mut response = reply::response(&reply).map_err(no_response)?;
    trace.put(response.headers_mut());
    Ok(response)
}

pub fn no_response(why: String) -> HttpCallError {
    HttpCallError::Failed(Failure::BadReply(format!("its reply is no response: {why}")))
}
