//! A function URL whose reply is streamed (`InvokeMode` `RESPONSE_STREAM`): the response begins when its head is there, and
//! its body is sent while the function writes it.

use bytes::{Bytes, BytesMut};
use http::Response;
use http_body_util::Either;

use crate::aws::error::ApiError;
use crate::aws::lambda::invoked::{Invoked, RunningCall};
use crate::aws::request::ApiResponse;
use crate::aws::streamed_body::{PieceSender, streamed};
use crate::function::call::ReplyReceiver;
use crate::limits::invoke::STREAM_HEAD_BYTES;
use crate::payload::reply::{self, StreamHead};

/// How a reply begins.
pub enum BegunReply {
    Streamed(ApiResponse),
    /// The function has written nothing, and the call has ended.
    Ended(Result<Invoked, ApiError>),
    /// It is no response: why.
    NoResponse(String),
}

/// Waits for the head. Who drops the response does not end the call.
pub async fn begun(mut parts: ReplyReceiver, running: RunningCall) -> BegunReply {
    let mut written = BytesMut::new();
    loop {
        let Some(part) = parts.recv().await else {
            let ended = running.await.unwrap_or_else(|error| Err(ApiError::internal(&error)));
            return if written.is_empty() {
                BegunReply::Ended(ended)
            } else {
                BegunReply::NoResponse("its stream ends before the head of the response does".to_owned())
            };
        };
        written.extend_from_slice(&part.bytes);
        match reply::stream_head(part.content_type.as_deref(), &written) {
            Ok(StreamHead::Whole(response)) => return BegunReply::Streamed(with_body(response, parts, running)),
            Ok(StreamHead::Part) if written.len() > STREAM_HEAD_BYTES => {
                return BegunReply::NoResponse(format!("the head of its stream has more than {STREAM_HEAD_BYTES} bytes"));
            }
            Ok(StreamHead::Part) => {}
            Err(why) => return BegunReply::NoResponse(why),
        }
    }
}

fn with_body(response: Response<Bytes>, parts: ReplyReceiver, running: RunningCall) -> ApiResponse {
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
