//! Asks an origin, whatever it is: a server, a folder, a fixed answer, a component, a function of the AWS APIs.

use std::rc::Rc;
use std::time::{Duration, Instant};

use http::header;
use http::{Request, Response, Uri};

use crate::edge::body::content::Content;
use crate::edge::body::request::RequestBody;
use crate::edge::origin::backend::{Origin, OriginType};
use crate::edge::origin::error::FetchError;
use crate::edge::origin::upstream;
use crate::edge::record::tally::Tally;
use crate::edge::request::head::RequestHead;
use crate::function::call::{Call, StreamBody};
use crate::function::lane::WorkerLane;
use crate::limits::origin::FILE_TIMEOUT_MS;
use crate::loops;

/// Takes the headers out of `head` and the body out of `body`. `tls`: the viewer came by HTTPS.
pub(crate) async fn fetch(
    origin: &Origin,
    lane: &Rc<WorkerLane>,
    head: &mut RequestHead,
    body: &mut RequestBody,
    tls: bool,
    now: Instant,
    tally: &Tally,
) -> Result<Response<Content>, FetchError> {
    if !origin.is_server() {
        tally.asked(None, None);
    }
    match &origin.kind {
        OriginType::Server(server) => Box::pin(upstream::fetch(server, &origin.metrics, head, body, now.into(), tally)).await,
        OriginType::Folder(folder) => {
            let timeout = Duration::from_millis(FILE_TIMEOUT_MS);
            match Box::pin(folder.serve(head)).await {
                Some(served) => served.map_err(FetchError::Exhausted),
                None => Err(FetchError::ReadTimeout(timeout)),
            }
        }
        OriginType::Fixed(response) => Ok(Response::clone(response).map(Content::full)),
        OriginType::Component(alias) => {
            let scheme = if tls { "https" } else { "http" };
            let reply = alias.hold().call(lane, Call::Http(component_request(head, scheme, body))).await;
            Ok(reply.into_http()?.map(Content::Stream))
        }
        OriginType::Api(function) => Box::pin(function.serve(lane, head, body)).await,
    }
}

/// A component is asked for the whole URL, as wasi:http requires.
fn component_request(head: &mut RequestHead, scheme: &str, body: &mut RequestBody) -> Request<StreamBody> {
    let authority = head.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(head.target.clone()).build();
    loops::mark(&mut head.headers);
    let mut request = Request::new(std::mem::replace(body, RequestBody::Empty).into_stream());
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = uri.unwrap_or_else(|_| Uri::from(head.target.clone()));
    *request.headers_mut() = std::mem::take(&mut head.headers);
    request
}
