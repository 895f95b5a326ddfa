//! A response that may be streamed: it begins when its head is there, and its body is sent while the function writes it. For
//! function URLs whose `InvokeMode` is `RESPONSE_STREAM`, and for sites.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http_body_util::Either;

use crate::aws::error::ApiError;
use crate::aws::lambda::http_call::{BegunCall, HttpCall, HttpCallError, begin, no_response, response_of};
use crate::aws::lambda::identifier::FunctionIdentifier;
use crate::aws::lambda::invoked::{Invoked, RunningCall};
use crate::aws::lambda::registry::Registry;
use crate::function::call::{ReplyStart, StreamedReply, reply_stream};
use crate::function::lane::WorkerLane;

/// In one piece, if the function has not streamed it.
pub type StreamedResponse = Response<Either<Bytes, StreamedReply>>;

/// Must run on a `LocalSet`. The call goes on when this, or the response, is dropped.
pub async fn respond(
    registry: &Arc<Registry>,
    lane: &Rc<WorkerLane>,
    function: &FunctionIdentifier,
    call: HttpCall<'_>,
) -> Result<StreamedResponse, HttpCallError> {
    let (sender, mut parts) = reply_stream();
    let BegunCall { running, trace } = begin(registry, lane, function, call, Some(sender))?;
    let start = ReplyStart::read(&mut parts).await.map_err(no_response)?;
    if let ReplyStart::Response(mut response) = start {
        trace.put(response.headers_mut());
        return Ok(response.map(|first| Either::Right(StreamedReply::new(first, parts, Box::pin(ended(running))))));
    }
    let invoked = running.await.map_err(|error| ApiError::internal(&error))??;
    match start {
        ReplyStart::Unfinished if invoked.result.is_ok() => {
            Err(no_response("its stream ends before the head of the response does".to_owned()))
        }
        _ => response_of(invoked, &trace).map(|response| response.map(Either::Left)),
    }
}

/// A call that fails in the middle breaks the response off.
async fn ended(running: RunningCall) -> Result<(), &'static str> {
    match running.await {
        Ok(Ok(Invoked { result: Ok(_), .. })) => Ok(()),
        Ok(Ok(Invoked { result: Err(_), .. })) => Err("the function failed in the middle of its reply"),
        Ok(Err(_)) | Err(_) => Err("the call ended in the middle of its reply"),
    }
}
