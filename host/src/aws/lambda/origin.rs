//! Functions that are origins of sites, or hooks (`hook`): whoever asks has proved nothing, and a failure is the site's to tell.

use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Either};

use crate::aws::lambda::hook::{HookOfSite, site_failure};
use crate::aws::lambda::http_call::{HttpCall, HttpCallError};
use crate::aws::lambda::identifier::{FunctionIdentifier, Qualifier};
use crate::aws::lambda::invoke::resolves;
use crate::aws::lambda::registry::Registry;
use crate::aws::lambda::streamed_response::respond;
use crate::failure::Failure;
use crate::function::call::StreamedReply;
use crate::function::lane::WorkerLane;
use crate::function::named::{NamedBody, NamedFunctions, NamedHook, NamedResponse};
use crate::function_name::QualifiedName;
use crate::payload::event::EventEndpoint;

impl NamedFunctions for Registry {
    fn has(&self, name: &QualifiedName) -> bool {
        resolves(self, &identifier(name))
    }

    fn respond(self: Arc<Self>, lane: &Rc<WorkerLane>, name: &QualifiedName, request: Request<Bytes>) -> NamedResponse {
        let (lane, function) = (lane.clone(), identifier(name));
        Box::pin(async move {
            let (head, sent) = request.into_parts();
            let request_id = uuid::Uuid::new_v4().to_string();
            let (endpoint, received) = (EventEndpoint::default(), SystemTime::now());
            let call = HttpCall { request_id: request_id.clone(), head, body: &sent, endpoint, received };
            let answered = respond(&self, &lane, &function, call).await;
            answered.map(|response| response.map(body)).or_else(|error| match error {
                HttpCallError::TooLarge => {
                    let mut response = Response::new(NamedBody::Whole(Bytes::new()));
                    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
                    Ok(response)
                }
                HttpCallError::NotRun(error) => Err(site_failure(&function.name, &error)),
                // The function's own log has this id.
                HttpCallError::Failed(Failure::Guest(error)) => Err(Failure::Guest(format!("{error} (RequestId: {request_id})"))),
                HttpCallError::Failed(failure) => Err(failure),
            })
        })
    }

    fn hook(self: Arc<Self>, name: &QualifiedName) -> Result<Box<dyn NamedHook>, Failure> {
        match HookOfSite::find(self, identifier(name)) {
            Ok(hook) => Ok(Box::new(hook)),
            Err(error) => Err(site_failure(&name.name, &error)),
        }
    }
}

fn identifier(name: &QualifiedName) -> FunctionIdentifier {
    let QualifiedName { name, qualifier } = name.clone();
    FunctionIdentifier { name, qualifier: qualifier.as_deref().map(Qualifier::of) }
}

fn body(body: Either<Bytes, StreamedReply>) -> NamedBody {
    match body {
        Either::Left(bytes) => NamedBody::Whole(bytes),
        Either::Right(stream) => NamedBody::Stream(stream.boxed_unsync()),
    }
}
