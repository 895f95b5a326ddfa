//! One HTTP request through a function: admitted, run and logged as every other call.
//!
//!     whom is it for? ──► is there room? ──► event ──► run ──► reply ──► response
//!
//! The formats are `payload`'s. Whoever has the request says what a client is told of a failure: function URLs
//! (`url_request`), or the sites that functions are origins of (below).

use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, StatusCode};

use crate::aws::error::ApiError;
use crate::aws::lambda::identifier::{FunctionIdentifier, Qualifier};
use crate::aws::lambda::invoke::{CallInput, admit, resolves, run};
use crate::aws::lambda::invoked::{Invoked, RunningCall};
use crate::aws::lambda::registry::Registry;
use crate::aws::lambda::traced::{CallTrace, TraceAnswer};
use crate::failure::{Failure, Scope};
use crate::function::call::ReplySender;
use crate::function::lane::WorkerLane;
use crate::function::named::{NamedFunctions, NamedResponse};
use crate::function_name::QualifiedName;
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

impl NamedFunctions for Registry {
    fn has(&self, name: &QualifiedName) -> bool {
        resolves(self, &identifier(name))
    }

    fn respond(self: Arc<Self>, lane: &Rc<WorkerLane>, name: &QualifiedName, request: Request<Bytes>) -> NamedResponse {
        let (lane, function) = (lane.clone(), identifier(name));
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let request_id = uuid::Uuid::new_v4().to_string();
            let (endpoint, received) = (EventEndpoint::default(), SystemTime::now());
            let call = HttpCall { request_id: request_id.clone(), head, body: &body, endpoint, received };
            respond(&self, &lane, &function, call).await.or_else(|error| match error {
                HttpCallError::TooLarge => {
                    let mut response = Response::new(Bytes::new());
                    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
                    Ok(response)
                }
                HttpCallError::NotRun(error) => Err(not_run(&function, &error)),
                // The function's own log has this id.
                HttpCallError::Failed(Failure::Guest(error)) => Err(Failure::Guest(format!("{error} (RequestId: {request_id})"))),
                HttpCallError::Failed(failure) => Err(failure),
            })
        })
    }
}

fn identifier(name: &QualifiedName) -> FunctionIdentifier {
    let QualifiedName { name, qualifier } = name.clone();
    FunctionIdentifier { name, qualifier: qualifier.as_deref().map(Qualifier::of) }
}

fn not_run(function: &FunctionIdentifier, error: &ApiError) -> Failure {
    let why = error.message.as_deref().unwrap_or(error.code);
    match error.status {
        StatusCode::TOO_MANY_REQUESTS => Failure::Throttled(Scope::Concurrency),
        StatusCode::INTERNAL_SERVER_ERROR => Failure::Host(why.to_owned()),
        _ => Failure::NotRunnable(format!("function `{}` of the AWS APIs: {why}", function.name)),
    }
}
