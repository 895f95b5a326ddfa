//! I am the names that are needed in each call, made once.

use crate::js::{self, Atom, Ctx, Js};

macro_rules! atoms {
    ($($field:ident $name:literal)*) => {
        pub struct Atoms { $(pub $field: Atom),* }

        impl Atoms {
            pub fn new(ctx: Ctx) -> Js<Atoms> {
                Ok(Atoms { $($field: js::atom(ctx, $name.as_bytes())?),* })
            }
        }
    };
}

atoms! {
    version "version" context "context" viewer "viewer" request "request" response "response"
    distribution_domain_name "distributionDomainName" distribution_id "distributionId" event_type "eventType"
    request_id "requestId" ip "ip"
    method "method" uri "uri" querystring "querystring" headers "headers" cookies "cookies"
    raw_query_string "rawQueryString"
    status_code "statusCode" status_description "statusDescription" body "body" encoding "encoding" data "data"
    value "value" multi_value "multiValue" attributes "attributes"
}

/// Names of headers that most requests have: found in the image, they touch no memory of the call.
const USUAL: &[&str] = &[
    "host",
    "user-agent",
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "dnt",
    "if-modified-since",
    "if-none-match",
    "origin",
    "pragma",
    "priority",
    "range",
    "referer",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-fetch-user",
    "te",
    "upgrade-insecure-requests",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-requested-with",
    "authorization",
    "cloudfront-viewer-country",
    "cloudfront-is-mobile-viewer",
    "cloudfront-is-desktop-viewer",
    "access-control-allow-origin",
    "age",
    "content-encoding",
    "content-security-policy",
    "date",
    "etag",
    "expires",
    "last-modified",
    "location",
    "server",
    "set-cookie",
    "strict-transport-security",
    "vary",
    "x-content-type-options",
    "x-frame-options",
    "referrer-policy",
    "x-xss-protection",
    "permissions-policy",
];

/// Makes the usual names and keeps them.
pub fn intern(ctx: Ctx) -> Js<()> {
    USUAL.iter().try_for_each(|name| js::atom(ctx, name.as_bytes()).map(drop))
}
