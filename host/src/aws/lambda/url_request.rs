//! Requests to function URLs: a request becomes an event of payload format 2.0, and the reply its response.
//!
//! A URL has a host name of its own, `ID.lambda-url.REGION.…`; where no name leads here, the path `/lambda-url/ID/…` does.
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html>, and answers recorded from AWS.

use std::rc::Rc;
use std::sync::Arc;

use http::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN, VARY};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Either};
use serde_json::{Value, json};

use crate::aws::authorization::Caller;
use crate::aws::error::{ApiError, FUNCTION_FAILED};
use crate::aws::lambda::http_call::{HttpCall, HttpCallError, respond};
use crate::aws::lambda::identifier::{FunctionIdentifier, Qualifier};
use crate::aws::lambda::permission::{self, require_url};
use crate::aws::lambda::record::UrlRecord;
use crate::aws::lambda::registry::Registry;
use crate::aws::lambda::streamed_response;
use crate::aws::request::{ApiRequest, ApiResponse, whole};
use crate::failure::Failure;
use crate::function::lane::WorkerLane;
use crate::payload::event::EventEndpoint;

/// Where the path of a URL begins for those who cannot use its host name.
const PATH: &str = "/lambda-url/";

/// A request to a function URL.
pub struct UrlRequest {
    pub id: String,
    /// As the function is to see it.
    path: String,
}

/// A function URL that is there.
pub struct FoundUrl {
    function: FunctionIdentifier,
    pub record: UrlRecord,
}

impl UrlRequest {
    /// `None` if the request is for something else.
    pub fn of(request: &ApiRequest) -> Option<UrlRequest> {
        if let Some(rest) = request.path.strip_prefix(PATH) {
            let (id, path) = rest.split_once('/').unwrap_or((rest, ""));
            return Some(UrlRequest { id: id.to_owned(), path: format!("/{path}") });
        }
        let host = request.headers.get(HOST)?.to_str().ok()?;
        let (id, rest) = host.split_once('.')?;
        rest.starts_with("lambda-url.").then(|| UrlRequest { id: id.to_ascii_lowercase(), path: request.path.clone() })
    }

    /// Which function it is for.
    pub fn find(&self, registry: &Registry) -> Option<FoundUrl> {
        let (name, alias, record) = registry.find_url(&self.id)?;
        Some(FoundUrl { function: FunctionIdentifier { name, qualifier: alias.map(Qualifier::Alias) }, record })
    }
}

/// A refusal, as function URLs tell one.
pub fn forbidden(message: Option<&str>) -> ApiResponse {
    let mut response = told(StatusCode::FORBIDDEN, json!({"Message": message}).to_string());
    let kind = HeaderValue::from_static("AccessDeniedException");
    response.headers_mut().insert(HeaderName::from_static("x-amzn-errortype"), kind);
    response
}

pub const UNAUTHORISED: &str = "Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html";

fn told(status: StatusCode, body: String) -> ApiResponse {
    let mut response = Response::new(whole(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Whether anybody may call it.
pub fn is_public(registry: &Registry, found: &FoundUrl) -> bool {
    permission::is_public(registry, &found.function)
}

/// Answers a request to a URL; `caller` is who has signed it, where that is asked for.
pub async fn answer(
    registry: &Arc<Registry>,
    lane: &Rc<WorkerLane>,
    request: ApiRequest,
    url: UrlRequest,
    found: FoundUrl,
    caller: Option<&Caller>,
) -> ApiResponse {
    let cors = UrlCors::of(found.record.cors.as_ref(), &request.headers);
    if request.method == Method::OPTIONS && request.headers.contains_key("access-control-request-method") && cors.is_some() {
        let mut response = told(StatusCode::OK, String::new());
        response.headers_mut().remove(CONTENT_TYPE);
        if let Some(cors) = cors {
            cors.preflight(response.headers_mut());
        }
        return response;
    }
    if let Some(caller) = caller
        && require_url(registry, caller, &request, &found.function).is_err()
    {
        return forbidden(Some(UNAUTHORISED));
    }
    let mut response = match called(registry, lane, &request, &url, &found, caller).await {
        Ok(response) => response,
        Err(error) if error.status == StatusCode::TOO_MANY_REQUESTS => told(error.status, error.to_json().to_string()),
        Err(error) if error.status.is_client_error() => told(error.status, error.to_json().to_string()),
        Err(_) => told(FUNCTION_FAILED, "Internal Server Error".to_owned()),
    };
    if let Some(cors) = cors {
        cors.answer(response.headers_mut());
    }
    response
}

async fn called(
    registry: &Arc<Registry>,
    lane: &Rc<WorkerLane>,
    request: &ApiRequest,
    url: &UrlRequest,
    found: &FoundUrl,
    caller: Option<&Caller>,
) -> Result<ApiResponse, ApiError> {
    let head = head_of(request, url)?;
    let account = registry.account();
    let authorizer = caller.map(|caller| {
        json!({"iam": {
            "accessKey": caller.access_key, "accountId": account.id, "callerId": caller.user_id, "cognitoIdentity": null,
            "principalOrgId": null, "userArn": caller.arn(), "userId": caller.user_id,
        }})
    });
    let account_id = if caller.is_some() { account.id.as_str() } else { "anonymous" };
    let endpoint = EventEndpoint { id: Some(&url.id), account_id, authorizer };
    let (request_id, received) = (request.id.clone(), request.received);
    let call = HttpCall { request_id, head, body: &request.body, endpoint, received };
    let responded = match found.record.mode.as_str() {
        "RESPONSE_STREAM" => {
            let response = streamed_response::respond(registry, lane, &found.function, call).await;
            response.map(|response| {
                response.map(|body| match body {
                    Either::Left(bytes) => whole(bytes),
                    Either::Right(stream) => Either::Right(stream.boxed_unsync()),
                })
            })
        }
        _ => respond(registry, lane, &found.function, call).await.map(|response| response.map(whole)),
    };
    match responded {
        Ok(response) => Ok(response),
        Err(HttpCallError::NotRun(error)) => Err(error),
        Err(HttpCallError::TooLarge) => Err(ApiError::too_large("RequestEntityTooLargeException", "Request Too Long")),
        Err(HttpCallError::Failed(failure)) => {
            if let Failure::BadReply(why) = failure {
                tracing::info!(function = found.function.name, "{why}");
            }
            Ok(told(FUNCTION_FAILED, "Internal Server Error".to_owned()))
        }
    }
}

/// The head of the request as the function is to see it.
fn head_of(request: &ApiRequest, url: &UrlRequest) -> Result<Parts, ApiError> {
    let uri = if request.query.is_empty() { url.path.clone() } else { format!("{}?{}", url.path, request.query) };
    let head = Request::builder().method(request.method.clone()).uri(uri).body(());
    let (mut head, ()) = head.map_err(|_| ApiError::bad_request("BadRequest", "the path is no path"))?.into_parts();
    head.headers = request.headers.clone();
    // What AWS says itself, a client does not.
    let forged = |name: &HeaderName| {
        let name = name.as_str();
        name.starts_with("x-amzn-") && name != "x-amzn-trace-id" || name.starts_with("x-forwarded-")
    };
    let forged: Vec<HeaderName> = head.headers.keys().filter(|name| forged(name)).cloned().collect();
    forged.iter().for_each(|name| drop(head.headers.remove(name)));
    let mut put = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            head.headers.insert(name, value);
        }
    };
    put("x-forwarded-for", &request.client.to_string());
    put("x-forwarded-proto", request.scheme());
    Ok(head)
}

/// What a URL's CORS settings say to the page that asks.
struct UrlCors<'a> {
    settings: &'a Value,
    origin: &'a HeaderValue,
}

impl<'a> UrlCors<'a> {
    /// `None` if there is nothing to say: no settings, no page, or one that is not allowed.
    fn of(settings: Option<&'a Value>, headers: &'a HeaderMap) -> Option<UrlCors<'a>> {
        let (settings, origin) = (settings?, headers.get(ORIGIN)?);
        let allowed = settings["AllowOrigins"].as_array()?;
        let is_it =
            |allowed: &Value| allowed == "*" || allowed.as_str().is_some_and(|allowed| allowed.as_bytes() == origin.as_bytes());
        allowed.iter().any(is_it).then_some(UrlCors { settings, origin })
    }

    fn list(&self, name: &str) -> Option<HeaderValue> {
        let values: Vec<&str> = self.settings[name].as_array()?.iter().filter_map(Value::as_str).collect();
        HeaderValue::from_str(&values.join(",")).ok().filter(|value| !value.is_empty())
    }

    fn common(&self, headers: &mut HeaderMap) {
        headers.insert("access-control-allow-origin", self.origin.clone());
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if self.settings["AllowCredentials"] == true {
            headers.insert("access-control-allow-credentials", HeaderValue::from_static("true"));
        }
    }

    fn preflight(&self, headers: &mut HeaderMap) {
        self.common(headers);
        for (setting, header) in
            [("AllowMethods", "access-control-allow-methods"), ("AllowHeaders", "access-control-allow-headers")]
        {
            if let Some(value) = self.list(setting) {
                headers.insert(header, value);
            }
        }
        if let Some(age) = self.settings["MaxAge"].as_u64() {
            headers.insert("access-control-max-age", age.into());
        }
    }

    /// The settings take the place of what the function says.
    fn answer(&self, headers: &mut HeaderMap) {
        self.common(headers);
        if let Some(exposed) = self.list("ExposeHeaders") {
            headers.insert("access-control-expose-headers", exposed);
        }
    }
}
