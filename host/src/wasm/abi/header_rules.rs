//! Which headers a hook may not see, and which it may not change: CloudFront's lists (Lambda@Edge, "Restrictions on HTTP
//! headers"), as tables.

use crate::wasm::abi::Moment;

/// Hooks neither see these nor may add them. Names are in lower case.
pub fn is_disallowed(name: &str) -> bool {
    // Most headers start with another letter: one comparison decides.
    match name.as_bytes().first() {
        Some(b'c') => name == "connection",
        Some(b'e') => name == "expect",
        Some(b'k') => name == "keep-alive",
        Some(b'p') => matches!(name, "proxy-authenticate" | "proxy-authorization" | "proxy-connection"),
        Some(b't') => matches!(name, "trailer" | "te"),
        Some(b'u') => name == "upgrade",
        Some(b'x') => is_disallowed_extension(name),
        _ => false,
    }
}

fn is_disallowed_extension(name: &str) -> bool {
    matches!(
        name,
        "x-accel-buffering"
            | "x-accel-charset"
            | "x-accel-limit-rate"
            | "x-accel-redirect"
            | "x-amzn-auth"
            | "x-amzn-cf-billing"
            | "x-amzn-cf-id"
            | "x-amzn-cf-xff"
            | "x-amzn-errortype"
            | "x-amzn-fle-profile"
            | "x-amzn-header-count"
            | "x-amzn-header-order"
            | "x-amzn-lambda-integration-tag"
            | "x-amzn-requestid"
            | "x-cache"
            | "x-forwarded-proto"
            | "x-real-ip"
    ) || name.starts_with("x-amz-cf-")
        || name.starts_with("x-edge-")
}

/// Hooks see these but may not change them at that moment.
pub fn is_read_only(moment: Moment, name: &str) -> bool {
    match moment {
        Moment::ViewerRequest => {
            matches!(name, "cdn-loop" | "content-length" | "host" | "transfer-encoding" | "via" | "cloudfront-viewer-country")
        }
        Moment::OriginRequest => matches!(
            name,
            "accept-encoding"
                | "cdn-loop"
                | "content-length"
                | "if-modified-since"
                | "if-none-match"
                | "if-range"
                | "if-unmodified-since"
                | "transfer-encoding"
                | "via"
        ),
        Moment::OriginResponse => matches!(name, "transfer-encoding" | "via"),
        // The edge frames messages: a changed Transfer-Encoding would let a hook split the connection.
        Moment::ViewerResponse => matches!(name, "warning" | "via" | "transfer-encoding"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disallowed_headers_are_those_of_the_table() {
        for name in
            ["connection", "expect", "te", "upgrade", "x-edge-anything", "x-amz-cf-id", "x-cache", "x-real-ip", "x-accel-charset"]
        {
            assert!(is_disallowed(name), "{name}");
        }
        for name in
            ["host", "cookie", "x-forwarded-for", "x-custom", "content-type", "transfer-encoding", "x-amz-date", "x-edgeward"]
        {
            assert!(!is_disallowed(name), "{name}");
        }
    }

    #[test]
    fn read_only_headers_depend_on_the_moment() {
        assert!(is_read_only(Moment::ViewerRequest, "host"));
        assert!(!is_read_only(Moment::OriginRequest, "host"));
        assert!(is_read_only(Moment::OriginRequest, "if-none-match"));
        assert!(!is_read_only(Moment::ViewerRequest, "if-none-match"));
        assert!(Moment::ALL.iter().all(|&moment| is_read_only(moment, "via") && is_read_only(moment, "transfer-encoding")));
        assert!(is_read_only(Moment::ViewerResponse, "warning"));
    }
}
