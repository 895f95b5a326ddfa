//! A viewer's request becomes an origin's: CloudFront's "how requests are processed and forwarded".

use http::header::{self, HeaderName, HeaderValue};
use http::uri::{PathAndQuery, Uri};
use http::{Request, Version};

use super::{Forwarding, HostHeader, Url};
use crate::edge::Body;
use crate::edge::headers::{append_to_list, strip_hop_by_hop};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_AMZ_CF_ID: HeaderName = HeaderName::from_static("x-amz-cf-id");

/// Host, path prefix, headers of the hop and of the way.
pub(super) fn prepare(request: &mut Request<Body>, url: &Url, forwarding: &Forwarding<'_>) {
    *request.version_mut() = Version::HTTP_11;
    if !url.path.is_empty() || request.uri().authority().is_some() {
        let own = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
        let joined = [url.path.as_str(), own].concat();
        if let Ok(uri) = Uri::from_maybe_shared(bytes::Bytes::from(joined)) {
            *request.uri_mut() = uri;
        }
    }
    let headers = request.headers_mut();
    strip_hop_by_hop(headers);
    headers.remove(header::EXPECT);
    append_to_list(headers, &X_FORWARDED_FOR, forwarding.client_ip.as_bytes());
    headers.append(header::VIA, forwarding.via.clone());
    headers.insert(X_AMZ_CF_ID, forwarding.request_id.clone());
    headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static("Amazon CloudFront"));
    if let HostHeader::Fixed(host) = &url.host_header {
        headers.insert(header::HOST, host.clone());
    }
    for (name, value) in &url.headers {
        headers.insert(name, value.clone());
    }
}

/// wasi:http wants a scheme and an authority.
pub(super) fn absolute(request: &mut Request<Body>, forwarding: &Forwarding<'_>) {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost").to_owned();
    let path = request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    let uri = Uri::builder().scheme(if forwarding.tls { "https" } else { "http" }).authority(host).path_and_query(path).build();
    if let Ok(uri) = uri {
        *request.uri_mut() = uri;
    }
    let headers = request.headers_mut();
    strip_hop_by_hop(headers);
    append_to_list(headers, &X_FORWARDED_FOR, forwarding.client_ip.as_bytes());
}
