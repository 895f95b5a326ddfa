//! The redirect of a viewer that must use HTTPS.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode, Version};

use crate::edge::answer::Answer;
use crate::edge::body::content::Content;
use crate::edge::request::head::RequestHead;
use crate::edge::response::rejection::Rejection;
use crate::telemetry::ResultType;

/// Redirects to the same URL by HTTPS. A client that names a port reached the port that we listen on, and so will its next
/// request: `https_port` is named, unless it is 443. One that names no port came to port 80, whatever maps that to ours. A
/// request other than GET and HEAD must be repeated unchanged, for which HTTP/1.0 has no status ("Require HTTPS for
/// communication between viewers and CloudFront").
pub(crate) fn redirect_to_https(head: &RequestHead, https_port: Option<u16>) -> Result<Answer, Rejection> {
    if head.host().is_empty() {
        return Err(Rejection::HttpsOnly);
    }
    let status = match head.method {
        Method::GET | Method::HEAD => StatusCode::MOVED_PERMANENTLY,
        _ if head.version < Version::HTTP_11 => return Err(Rejection::HttpsOnly),
        _ => StatusCode::TEMPORARY_REDIRECT,
    };
    let port = https_port.filter(|&port| port != 443 && head.names_port()).map_or_else(String::new, |port| format!(":{port}"));
    let mut location = String::with_capacity(8 + head.host().len() + port.len() + head.target.as_str().len());
    for part in ["https://", head.host(), &port, head.target.as_str()] {
        location.push_str(part);
    }
    let mut response = Response::new(Content::Empty);
    *response.status_mut() = status;
    if let Ok(location) = HeaderValue::from_maybe_shared(Bytes::from(location)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(Answer { response, result: ResultType::Redirect })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_to_https_leads_to_the_port_that_we_listen_on() {
        for (host, port, there) in [
            ("a.test", Some(8443), "https://a.test/b?c"),
            ("a.test:8080", Some(8443), "https://a.test:8443/b?c"),
            ("a.test:8080", Some(443), "https://a.test/b?c"),
            ("a.test:8080", None, "https://a.test/b?c"),
            ("[::1]:8080", Some(8443), "https://[::1]:8443/b?c"),
            ("[::1]", Some(8443), "https://[::1]/b?c"),
        ] {
            let headers = http::HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
            let head = RequestHead::new(Method::GET, http::uri::PathAndQuery::from_static("/b?c"), headers, Version::HTTP_11);
            let answer = redirect_to_https(&head, port).unwrap();
            assert_eq!(answer.response.headers()[header::LOCATION], there, "{host} {port:?}");
        }
    }
}
