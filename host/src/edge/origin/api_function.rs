//! A function of the AWS APIs as an origin: the request, read whole, becomes an event, and its reply the response. One that it
//! writes piece by piece is passed on as it comes.

use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::uri::Uri;
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use tokio::sync::Semaphore;

use crate::edge::body::content::Content;
use crate::edge::body::request::RequestBody;
use crate::edge::origin::error::FetchError;
use crate::edge::request::head::RequestHead;
use crate::function::lane::WorkerLane;
use crate::function::named::{FunctionsByName, NamedBody};
use crate::function_name::QualifiedName;
use crate::limits::event::{BODY_BYTES, BODY_BYTES_ALL};
use crate::loops;

/// See the module.
pub(crate) struct ApiFunction {
    pub(crate) name: QualifiedName,
    pub(crate) functions: Arc<FunctionsByName>,
}

impl ApiFunction {
    /// Takes the headers out of `head` and the body out of `body`.
    pub(crate) async fn serve(
        &self,
        lane: &Rc<WorkerLane>,
        head: &mut RequestHead,
        body: &mut RequestBody,
    ) -> Result<Response<Content>, FetchError> {
        let Some(body) = whole(body).await? else {
            let mut response = Response::new(Content::Empty);
            *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
            return Ok(response);
        };
        loops::mark(&mut head.headers);
        let mut request = Request::new(body);
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = Uri::from(head.target.clone());
        *request.headers_mut() = std::mem::take(&mut head.headers);
        let response = self.functions.respond(lane, &self.name, request).await?;
        Ok(response.map(|body| match body {
            NamedBody::Whole(bytes) => Content::full(bytes),
            NamedBody::Stream(stream) => Content::Stream(stream),
        }))
    }
}

/// The whole body; `None` if it is too large for an event. All that are being read have a room together.
async fn whole(body: &mut RequestBody) -> Result<Option<Bytes>, FetchError> {
    static ROOM: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(BODY_BYTES_ALL >> 10));
    // What is too large by its own account is read all the same: a client that is still sending would not hear the answer.
    let declared = body.size_hint().upper().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(BODY_BYTES);
    let _room = ROOM.acquire_many(u32::try_from(declared.min(BODY_BYTES).div_ceil(1 << 10)).unwrap_or(u32::MAX)).await;
    let preview = body.peek(BODY_BYTES).await.map_err(FetchError::Body)?;
    *body = RequestBody::Empty;
    Ok((!preview.truncated).then(|| preview.data.into()))
}
