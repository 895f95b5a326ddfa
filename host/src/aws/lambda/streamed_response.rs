//! A response that may be streamed: it begins when its head is there, and its body is sent while the function writes it. For
//! function URLs whose `InvokeMode` is `RESPONSE_STREAM`, and for sites.

use std::rc::Rc;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::Response;
use http_body_util::Either;

use crate::aws::error::ApiError;
use crate::aws::lambda::http_call::{BegunCall, HttpCall, HttpCallError, begin, no_response, response_of};
use crate::aws::lambda::identifier::FunctionIdentifier;
use crate::aws::lambda::invoked::{Invoked, RunningCall};
use crate::aws::lambda::registry::Registry;
use crate::aws::streamed_body::{PieceSender, StreamedBody, streamed};
use crate::function::call::{ReplyReceiver, reply_stream};
use crate::function::lane::WorkerLane;
use crate::limits::invoke::STREAM_HEAD_BYTES;
use crate::payload::reply::{self, StreamHead};

/// In one piece, if the function has not streamed it.
pub type StreamedResponse = Response<Either<Bytes, StreamedBody>>;

/// Must run on a `LocalSet`. The call goes on when this, or the response, is dropped.
pub async fn respond(
    registry: &Arc<Registry>,
    lane: &Rc<WorkerLane>,
    function: &FunctionIdentifier,
    call: HttpCall<'_>,
) -> Result<StreamedResponse, HttpCallError> {
    let (sender, mut parts) = reply_stream();
    let BegunCall { running, trace } = begin(registry, lane, function, call, Some(sender))?;
    let mut written = BytesMut::new();
    while let Some(part) = parts.recv().await {
        written.extend_from_slice(&part.bytes);
        match reply::stream_head(part.content_type.as_deref(), &written).map_err(no_response)? {
            StreamHead::Whole(mut response) => {
                trace.put(response.headers_mut());
                return Ok(with_body(response, parts, running));
            }
            StreamHead::Part if written.len() > STREAM_HEAD_BYTES => {
                return Err(no_response(format!("the head of its stream has more than {STREAM_HEAD_BYTES} bytes")));
            }
            StreamHead::Part => {}
        }
    }
    let invoked = running.await.map_err(|error| ApiError::internal(&error))??;
    if written.is_empty() || invoked.result.is_err() {
        return response_of(invoked, &trace).map(|response| response.map(Either::Left));
    }
    Err(no_response("its stream ends before the head of the response does".to_owned()))
}

fn with_body(response: Response<Bytes>, parts: ReplyReceiver, running: RunningCall) -> StreamedResponse {
    let (pieces, body) = streamed();
    let (head, first) = response.into_parts();
    tokio::task::spawn_local(send(pieces, first, parts, running));
    Response::from_parts(head, Either::Right(body))
}

/// A call that fails in the middle breaks the response off.
async fn send(pieces: PieceSender, first: Bytes, mut parts: ReplyReceiver, running: RunningCall) {
    let mut next = Some(first);
    while let Some(bytes) = next {
        if !bytes.is_empty() && pieces.send(Ok(bytes)).await.is_err() {
            return;
        }
        next = parts.recv().await.map(|part| part.bytes);
    }
    let failed = match running.await {
        Ok(Ok(Invoked { result: Ok(_), .. })) => return,
        Ok(Ok(Invoked { result: Err(_), .. })) => "the function failed in the middle of its reply",
        Ok(Err(_)) | Err(_) => "the call ended in the middle of its reply",
    };
    let _ = pieces.send(Err(anyhow::anyhow!(failed))).await;
}
