//! A call whose reply is sent as an event stream: in chunks, and then how it ended.
//!
//! A function's reply is one piece here, and so is the stream: what streams is the form that clients want. Source:
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html> (the framing), and botocore's model.
//!
//!     total length, headers length, CRC of these │ headers │ payload │ CRC of all before

use http::header::{CONTENT_TYPE, HeaderValue};
use http_body_util::Full;
use serde_json::{Map, Value};

use crate::aws::error::ApiError;
use crate::aws::lambda::invoked::Invoked;
use crate::aws::request::ApiResponse;
use crate::limits::lambda::STREAM_CHUNK_BYTES;

const HEADER_IS_TEXT: u8 = 7;

/// The answer for a call that ran. `log` is the end of its log, in base64, if the caller wants it.
pub fn answer(invoked: &Invoked, log: Option<String>) -> Result<ApiResponse, ApiError> {
    let mut body = Vec::new();
    let mut ended = Map::new();
    match &invoked.result {
        Ok(reply) => {
            for chunk in reply.chunks(STREAM_CHUNK_BYTES) {
                message(&mut body, "PayloadChunk", "application/octet-stream", chunk)?;
            }
        }
        Err(error) => {
            let details = serde_json::to_string(&error.payload).map_err(|error| ApiError::internal(&error))?;
            ended.insert("ErrorCode".to_owned(), error.payload.error_type.as_str().into());
            ended.insert("ErrorDetails".to_owned(), details.into());
        }
    }
    if let Some(log) = log {
        ended.insert("LogResult".to_owned(), log.into());
    }
    let ended = serde_json::to_vec(&Value::Object(ended)).map_err(|error| ApiError::internal(&error))?;
    message(&mut body, "InvokeComplete", "application/json", &ended)?;
    let mut response = ApiResponse::new(Full::from(body));
    let kind = HeaderValue::from_static("application/vnd.amazon.eventstream");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
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
