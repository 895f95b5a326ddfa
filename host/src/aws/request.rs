//! A request to the API, whole, and what is answered.

#[cfg(test)]
pub mod trial;

use std::net::IpAddr;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::{Either, Full};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::aws::error::ApiError;
use crate::function::call::StreamBody;
use crate::percent::{decoded, form_decoded};

/// What is sent back.
pub type ApiResponse = Response<ApiBody>;

/// Whole, or sent while it is made.
pub type ApiBody = Either<Full<Bytes>, StreamBody>;

/// A body in one piece.
pub fn whole(bytes: impl Into<Bytes>) -> ApiBody {
    Either::Left(Full::new(bytes.into()))
}

/// The id of a request, on every answer.
pub static REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
static ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// See the module.
pub struct ApiRequest {
    /// A UUID.
    pub id: String,
    pub method: Method,
    /// As it was sent, percent-encoded.
    pub path: String,
    /// As it was sent, without `?`.
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub client: IpAddr,
    /// Over TLS.
    pub secure: bool,
    pub received: SystemTime,
}

impl ApiRequest {
    /// How the client has reached this host, and would again.
    pub fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    /// A header that is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The parts of the path, decoded each; a slash at its end is as good as none.
    pub fn segments(&self) -> Vec<String> {
        self.path.trim_matches('/').split('/').map(decoded).collect()
    }

    /// All values of a parameter.
    pub fn parameters<'a>(&'a self, name: &'a str) -> impl Iterator<Item = String> + 'a {
        self.query.split('&').filter_map(move |pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (form_decoded(key) == name).then(|| form_decoded(value))
        })
    }

    pub fn parameter(&self, name: &str) -> Option<String> {
        self.parameters(name).next()
    }

    /// The body, which is JSON; an empty one is `{}`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        let body: &[u8] = if self.body.is_empty() { b"{}" } else { &self.body };
        let wrong = |why: String| ApiError::bad_request("SerializationException", format!("Could not parse the request: {why}"));
        // A list would be read as members by their position.
        if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            return Err(wrong("a JSON object is expected".to_owned()));
        }
        serde_json::from_slice(body).map_err(|error| wrong(error.to_string()))
    }
}

/// An answer in JSON.
pub fn json(status: StatusCode, value: &impl Serialize) -> Result<ApiResponse, ApiError> {
    let body = serde_json::to_vec(value).map_err(|error| ApiError::internal(&error))?;
    let mut response = Response::new(whole(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> ApiResponse {
    let mut response = Response::new(whole(Bytes::new()));
    *response.status_mut() = status;
    response
}

/// An error, as services of the protocols `rest-json` and `json` tell it.
pub fn refusal(error: &ApiError) -> ApiResponse {
    let mut members = error.to_json();
    if let Value::Object(members) = &mut members
        && error.message.is_none()
    {
        members.retain(|_, value| !value.is_null());
        members.insert("Message".to_owned(), Value::Null);
    }
    let body = serde_json::to_vec(&members).unwrap_or_default();
    let mut response = Response::new(whole(body));
    *response.status_mut() = error.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ERROR_TYPE.clone(), HeaderValue::from_static(error.code));
    if let Some(seconds) = error.retry_after_s {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn request(path: &str, query: &str) -> ApiRequest {
        ApiRequest {
            id: "id".to_owned(),
            method: Method::GET,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            client: IpAddr::from([127, 0, 0, 1]),
            secure: false,
            received: SystemTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_path_is_cut_before_it_is_decoded() {
        let one = request("/2015-03-31/functions/f%3Alive%2fx/", "Qualifier=%24LATEST&tagKeys=a+b&tagKeys=%");
        assert_eq!(one.segments(), ["2015-03-31", "functions", "f:live/x"]);
        assert_eq!(one.parameter("Qualifier").as_deref(), Some("$LATEST"));
        assert_eq!(one.parameters("tagKeys").collect::<Vec<_>>(), ["a b", "%"]);
        assert_eq!(one.parameter("none"), None);
    }
}
