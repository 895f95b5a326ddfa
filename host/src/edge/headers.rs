//! Which headers hooks may see and change (CloudFront: "Restrictions on edge functions"), and which end at
//! this hop (RFC 9110 §7.6.1).

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::wasm::abi::Moment;

/// Never shown to a hook; adding one is an error.
pub(super) fn is_disallowed(name: &str) -> bool {
    match name.as_bytes().first() {
        Some(b'c') => name == "connection",
        Some(b'e') => name == "expect",
        Some(b'k') => name == "keep-alive",
        Some(b'p') => matches!(name, "proxy-authenticate" | "proxy-authorization" | "proxy-connection"),
        Some(b't') => name == "trailer",
        Some(b'u') => name == "upgrade",
        Some(b'x') => {
            matches!(
                name,
                "x-accel-buffering" | "x-accel-charset" | "x-accel-limit-rate" | "x-accel-redirect" | "x-cache" | "x-forwarded-proto" | "x-real-ip"
            ) || name.starts_with("x-amz-cf-")
                || name.starts_with("x-edge-")
                || matches!(
                    name,
                    "x-amzn-auth"
                        | "x-amzn-cf-billing"
                        | "x-amzn-cf-id"
                        | "x-amzn-cf-xff"
                        | "x-amzn-errortype"
                        | "x-amzn-fle-profile"
                        | "x-amzn-header-count"
                        | "x-amzn-header-order"
                        | "x-amzn-lambda-integration-tag"
                        | "x-amzn-requestid"
                )
        }
        _ => false,
    }
}

/// Shown, but not to be changed at this moment.
pub(super) fn is_read_only(moment: Moment, name: &str) -> bool {
    match moment {
        Moment::ViewerRequest => matches!(name, "content-length" | "host" | "transfer-encoding" | "via"),
        Moment::OriginRequest => matches!(
            name,
            "accept-encoding"
                | "content-length"
                | "if-modified-since"
                | "if-none-match"
                | "if-range"
                | "if-unmodified-since"
                | "transfer-encoding"
                | "via"
        ),
        Moment::OriginResponse => matches!(name, "transfer-encoding" | "via"),
        Moment::ViewerResponse => matches!(name, "warning" | "via" | "content-length" | "transfer-encoding"),
    }
}

/// Removes what concerns one connection only, with what `Connection` names.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    const HOP: [HeaderName; 8] = [
        header::CONNECTION,
        HeaderName::from_static("keep-alive"),
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    if let Some(listed) = headers.get(header::CONNECTION).cloned() {
        for name in listed.to_str().unwrap_or_default().split(',') {
            let name = name.trim();
            // Naming these in `Connection` is an old way to make a proxy drop what it must keep.
            if !name.eq_ignore_ascii_case("host") && !name.eq_ignore_ascii_case("content-length") {
                headers.remove(name);
            }
        }
    }
    for name in HOP {
        if headers.contains_key(&name) {
            headers.remove(name);
        }
    }
}

/// `old, new`, or `new` where there was none.
pub(super) fn append_to_list(headers: &mut HeaderMap, name: &HeaderName, value: &[u8]) {
    let joined = match headers.get(name) {
        Some(old) => [old.as_bytes(), b", ", value].concat(),
        None => value.to_vec(),
    };
    if let Ok(joined) = HeaderValue::from_maybe_shared(bytes::Bytes::from(joined)) {
        headers.insert(name, joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_hop_go_and_those_that_connection_names() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("connection", "close, X-Mine, host"), ("x-mine", "1"), ("host", "a"), ("te", "trailers"), ("accept", "*/*")] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        strip_hop_by_hop(&mut headers);
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "host"]);
    }

    #[test]
    fn cloudfronts_list_is_disallowed_and_common_headers_are_not() {
        for name in ["connection", "expect", "x-edge-anything", "x-amz-cf-id", "x-amzn-requestid", "x-cache", "x-real-ip", "upgrade"] {
            assert!(is_disallowed(name), "{name}");
        }
        for name in ["cookie", "x-forwarded-for", "content-type", "x-custom", "te", "x-amz-date"] {
            assert!(!is_disallowed(name), "{name}");
        }
    }
}
