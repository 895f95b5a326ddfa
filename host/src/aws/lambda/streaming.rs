//! A call whose reply is sent as an event stream: in chunks, while it is written, and then how it ended. Source:
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html> (the framing), and botocore's model.
//!
//!     total length, headers length, CRC of these │ headers │ payload │ CRC of all before

use std::rc::Rc;
use std::sync::Arc;

use http::header::{CONTENT_TYPE, HeaderValue};
use http_body_util::{BodyExt as _, Either};
use serde_json::{Map, Value};

use crate::aws::error::ApiError;
use crate::aws::lambda::invoke::{AdmittedCall, CallInput, run};
use crate::aws::lambda::invoked::{Invoked, RunningCall};
use crate::aws::lambda::registry::Registry;
use crate::aws::request::{ApiResponse, whole};
use crate::aws::streamed_body::{PieceSender, streamed};
use crate::function::call::{ReplyPart, ReplyReceiver, reply_stream};
use crate::function::lane::WorkerLane;
use crate::limits::lambda::STREAM_CHUNK_BYTES;

const HEADER_IS_TEXT: u8 = 7;

/// Runs a call. Its answer begins with the first bytes that the function writes, or when it has ended.
pub async fn invoke(
    registry: &Arc<Registry>,
    lane: &Rc<WorkerLane>,
    admitted: AdmittedCall,
    call: CallInput,
    wants_log: bool,
) -> Result<ApiResponse, ApiError> {
    let (sender, mut parts) = reply_stream();
    let call = CallInput { stream: Some(sender), ..call };
    let running = tokio::task::spawn_local(run(registry.clone(), lane.clone(), admitted, call));
    let body = match parts.recv().await {
        Some(first) => {
            let (pieces, body) = streamed();
            tokio::task::spawn_local(send(pieces, first, parts, running, wants_log));
            Either::Right(body.boxed_unsync())
        }
        None => {
            let invoked = running.await.map_err(|error| ApiError::internal(&error))??;
            let mut body = Vec::new();
            for chunk in invoked.result.iter().flat_map(|reply| reply.chunks(STREAM_CHUNK_BYTES)) {
                message(&mut body, "PayloadChunk", "application/octet-stream", chunk)?;
            }
            complete(&mut body, &invoked, wants_log)?;
            whole(body)
        }
    };
    let mut response = ApiResponse::new(body);
    let kind = HeaderValue::from_static("application/vnd.amazon.eventstream");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

/// Sends what a function writes until it has ended, or nobody wants more.
async fn send(pieces: PieceSender, first: ReplyPart, mut parts: ReplyReceiver, running: RunningCall, wants_log: bool) {
    let mut next = Some(first);
    while let Some(part) = next {
        let mut piece = Vec::new();
        let piece = message(&mut piece, "PayloadChunk", "application/octet-stream", &part.bytes).map(|()| piece.into());
        if pieces.send(piece.map_err(|error| broken_off(&error))).await.is_err() {
            return;
        }
        next = parts.recv().await;
    }
    let ended = match running.await {
        Ok(ended) => ended,
        Err(error) => Err(ApiError::internal(&error)),
    };
    let mut piece = Vec::new();
    let ended = ended.and_then(|invoked| complete(&mut piece, &invoked, wants_log));
    // Who has left is told nothing.
    let _ = pieces.send(ended.map(|()| piece.into()).map_err(|error| broken_off(&error))).await;
}

fn broken_off(error: &ApiError) -> anyhow::Error {
    anyhow::anyhow!("the stream of a reply ends early: {}", error.code)
}

/// How a call has ended, which is the last message.
fn complete(to: &mut Vec<u8>, invoked: &Invoked, wants_log: bool) -> Result<(), ApiError> {
    let mut ended = Map::new();
    if let Err(error) = &invoked.result {
        let details = serde_json::to_string(&error.payload).map_err(|error| ApiError::internal(&error))?;
        ended.insert("ErrorCode".to_owned(), error.payload.error_type.as_str().into());
        ended.insert("ErrorDetails".to_owned(), details.into());
    }
    if wants_log {
        ended.insert("LogResult".to_owned(), invoked.log_tail().into());
    }
    let ended = serde_json::to_vec(&Value::Object(ended)).map_err(|error| ApiError::internal(&error))?;
    message(to, "InvokeComplete", "application/json", &ended)
}

fn message(to: &mut Vec<u8>, event: &str, content_type: &str, payload: &[u8]) -> Result<(), ApiError> {
    let mut headers = Vec::new();
    for (name, value) in [(":message-type", "event"), (":event-type", event), (":content-type", content_type)] {
        headers.push(u8::try_from(name.len()).map_err(|error| ApiError::internal(&error))?);
        headers.extend_from_slice(name.as_bytes());
        headers.push(HEADER_IS_TEXT);
        headers.extend_from_slice(&u16::try_from(value.len()).map_err(|error| ApiError::internal(&error))?.to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let begin = to.len();
    let length = |bytes: usize| u32::try_from(bytes).map(u32::to_be_bytes).map_err(|error| ApiError::internal(&error));
    // Two lengths, their checksum, and the checksum of all.
    to.extend_from_slice(&length(16 + headers.len() + payload.len())?);
    to.extend_from_slice(&length(headers.len())?);
    to.extend_from_slice(&crc32fast::hash(&to[begin..]).to_be_bytes());
    to.extend_from_slice(&headers);
    to.extend_from_slice(payload);
    to.extend_from_slice(&crc32fast::hash(&to[begin..]).to_be_bytes());
    Ok(())
}
