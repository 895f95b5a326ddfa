//! `[response_headers_policy.NAME]`: the headers that a behavior adds to and removes from its responses.

use http::{HeaderName, HeaderValue, Method};

use super::origin::{self, header_name};
use super::reader::{TableReader, Text};
use super::{AllowedOrigins, Cors, ResponseHeaders};
use crate::diagnostic::quoted;
use crate::limits::config::{RESPONSE_HEADER_NAMES, RESPONSE_MAX_AGE_S_MAX};

/// CloudFront's managed policies ("Use managed response headers policies").
pub(super) const MANAGED: [&str; 5] = [
    "CORS-and-SecurityHeadersPolicy",
    "CORS-With-Preflight",
    "CORS-with-preflight-and-SecurityHeadersPolicy",
    "SecurityHeadersPolicy",
    "SimpleCORS",
];

pub(super) fn managed(name: &str) -> ResponseHeaders {
    let mut policy = ResponseHeaders::default();
    let preflight = matches!(name, "CORS-With-Preflight" | "CORS-with-preflight-and-SecurityHeadersPolicy");
    if name != "SecurityHeadersPolicy" {
        let mut cors = Cors { origins: AllowedOrigins::Any, ..Cors::default() };
        if preflight {
            cors.methods = Some(HeaderValue::from_static("DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"));
            cors.expose = Some(HeaderValue::from_static("*"));
        }
        policy.cors = Some(cors);
    }
    if !matches!(name, "SimpleCORS" | "CORS-With-Preflight") {
        let header = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        policy.set = vec![header(("x-content-type-options", "nosniff"))];
        let add = [
            ("referrer-policy", "strict-origin-when-cross-origin"),
            ("strict-transport-security", "max-age=31536000"),
            ("x-frame-options", "SAMEORIGIN"),
            ("x-xss-protection", "1; mode=block"),
        ];
        policy.add = add.map(header).into();
    }
    policy
}

pub(super) fn policy(_: &str, table: &mut TableReader<'_>) -> ResponseHeaders {
    let set = headers(table, "set");
    let add = headers(table, "add");
    let remove = table.texts("remove").unwrap_or_default();
    let remove = remove.iter().filter_map(|name| {
        header_name(table, name);
        HeaderName::from_bytes(name.get_ref().as_bytes()).ok()
    });
    let remove: Vec<_> = remove.take(RESPONSE_HEADER_NAMES).collect();
    let server_timing = table.integer("server_timing", 0..=100).and_then(|percent| u8::try_from(percent).ok()).unwrap_or(0);
    let cors = table.table("cors").map(|mut table| {
        let cors = cors(&mut table);
        table.finish();
        cors
    });
    ResponseHeaders { cors, set, add, remove, server_timing }
}

fn headers(table: &mut TableReader<'_>, key: &'static str) -> Vec<(HeaderName, HeaderValue)> {
    // Invalid values have been reported.
    let valid = |(name, value): (String, String)| Some((name.parse().ok()?, value.parse().ok()?));
    origin::headers(table, key).0.into_iter().filter_map(valid).collect()
}

fn cors(table: &mut TableReader<'_>) -> Cors {
    if !table.has("allow_origins") {
        table.missing("allow_origins", "[\"https://www.example.com\"]");
    }
    let texts = table.texts("allow_origins").unwrap_or_default();
    let credentials = table.flag("allow_credentials").unwrap_or(false);
    let origins = origins(table, &texts, credentials);
    let methods = list(table, "allow_methods", |name| name == "ALL" || Method::from_bytes(name.as_bytes()).is_ok());
    let methods = if methods.as_ref().is_some_and(|methods| methods == "ALL") {
        Some(HeaderValue::from_static("GET, DELETE, HEAD, OPTIONS, PATCH, POST, PUT"))
    } else {
        methods
    };
    let is_name = |name: &str| name == "*" || HeaderName::from_bytes(name.as_bytes()).is_ok();
    let headers = list(table, "allow_headers", is_name);
    let expose = list(table, "expose_headers", is_name);
    let max_age = table.integer("max_age_s", 0..=RESPONSE_MAX_AGE_S_MAX).map(HeaderValue::from);
    let overrides = table.flag("override").unwrap_or(true);
    Cors { origins, credentials, methods, headers, expose, max_age, overrides }
}

fn origins(table: &TableReader<'_>, texts: &[Text<'_>], credentials: bool) -> AllowedOrigins {
    if let Some(beyond) = texts.get(RESPONSE_HEADER_NAMES) {
        table.report.error(beyond.span(), "too many origins", format!("at most {RESPONSE_HEADER_NAMES}"));
    }
    if let Some(any) = texts.iter().find(|text| *text.get_ref() == "*") {
        if credentials {
            let remedy = "name the origins: browsers take no credentials from everybody";
            table.report.error(any.span(), "any origin, with credentials", remedy);
        }
        return AllowedOrigins::Any;
    }
    for text in texts {
        if !is_origin(text.get_ref()) {
            let message = format!("`{}` is not an origin", text.get_ref().escape_debug());
            let remedy = "such as \"https://www.example.com\", \"https://*.example.com\" or \"*\", without a path";
            table.report.error(text.span(), message, remedy);
        }
    }
    AllowedOrigins::Some(texts.iter().map(|text| text.get_ref().to_ascii_lowercase()).collect())
}

/// Scheme and host, with the port unless it is the scheme's default; `*` matches the first labels.
fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    let host = authority.strip_prefix("*.").unwrap_or(authority);
    matches!(scheme, "http" | "https")
        && !host.contains(['*', '@'])
        && host.parse::<http::uri::Authority>().is_ok_and(|parsed| parsed.as_str() == host)
}

/// The value of a list header.
fn list(table: &mut TableReader<'_>, key: &'static str, is_valid: impl Fn(&str) -> bool) -> Option<HeaderValue> {
    let texts = table.texts(key)?;
    for text in &texts {
        if !is_valid(text.get_ref()) {
            let message = format!("`{}` is not valid in `{key}`", text.get_ref().escape_debug());
            table.report.error(text.span(), message, format!("such as {}", quoted(["GET", "content-type"])));
        }
    }
    let names: Vec<&str> = texts.iter().map(|text| *text.get_ref()).collect();
    if names.is_empty() { None } else { HeaderValue::from_str(&names.join(", ")).ok() }
}
