//! A request as the environment of a CGI program (RFC 3875, section 4).
//!
//! Headers become `HTTP_` and their name in upper case; several of a name are joined. Headers whose names would
//! collide (a name with `_`) are left out, and `Proxy`, which HTTP clients read from `HTTP_PROXY`. The program is its own
//! script: `SCRIPT_NAME` is empty, and `PATH_INFO` the whole path, decoded.

use std::collections::BTreeMap;

use http::request::Parts;
use http::{HeaderMap, HeaderName, header};

use crate::network::HostPort;

/// All variables of a call: the function's own, then the request's, which win.
pub(super) fn variables(request: &Parts, own: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut variables = own.clone();
    // A setting must not pass for a client's header.
    variables.retain(|name, _| !name.starts_with("HTTP_"));
    let mut set = |name: &str, value: String| drop(variables.insert(name.to_owned(), value));
    let tls = request.uri.scheme_str() == Some("https");
    set("GATEWAY_INTERFACE", "CGI/1.1".to_owned());
    set("SERVER_SOFTWARE", concat!("edgeward/", env!("CARGO_PKG_VERSION")).to_owned());
    set("SERVER_PROTOCOL", "HTTP/1.1".to_owned());
    set("REQUEST_METHOD", request.method.to_string());
    set("REQUEST_SCHEME", if tls { "https" } else { "http" }.to_owned());
    set("REQUEST_URI", request.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string));
    set("QUERY_STRING", request.uri.query().unwrap_or_default().to_owned());
    set("SCRIPT_NAME", String::new());
    set("PATH_INFO", decoded(request.uri.path()));
    if tls {
        set("HTTPS", "on".to_owned());
    }
    let authority = text(&request.headers, &header::HOST);
    let authority = authority.or_else(|| request.uri.authority().map(ToString::to_string)).unwrap_or_default();
    if let Ok(server) = HostPort::parse(&authority, if tls { 443 } else { 80 }) {
        set("SERVER_NAME", server.host.to_string());
        set("SERVER_PORT", server.port.to_string());
    }
    let address = text(&request.headers, &HeaderName::from_static("x-forwarded-for"));
    let address = address.and_then(|all| all.rsplit(',').next().map(|last| last.trim().to_owned())).unwrap_or_default();
    set("REMOTE_ADDR", address.clone());
    set("REMOTE_HOST", address);
    for (variable, name) in [("CONTENT_TYPE", header::CONTENT_TYPE), ("CONTENT_LENGTH", header::CONTENT_LENGTH)] {
        if let Some(value) = text(&request.headers, &name) {
            set(variable, value);
        }
    }
    for name in request.headers.keys() {
        let is_own = *name == header::CONTENT_TYPE || *name == header::CONTENT_LENGTH || name == "proxy";
        if !is_own && !name.as_str().contains('_') {
            let variable = format!("HTTP_{}", name.as_str().to_ascii_uppercase().replace('-', "_"));
            set(&variable, text(&request.headers, name).unwrap_or_default());
        }
    }
    variables
}

/// All values of a header, joined. Bytes that are not UTF-8 are replaced, since variables are text.
fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let separator = if *name == header::COOKIE { "; " } else { ", " };
    let values: Vec<_> = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    (!values.is_empty()).then(|| values.join(separator).replace('\0', ""))
}

/// Decodes percent-encodings. A zero byte stays encoded, and so does a path that would not be UTF-8.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let encoded = (*first == b'%').then(|| std::str::from_utf8(tail.get(..2)?).ok()).flatten();
        match encoded.and_then(|digits| u8::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))) {
            Some(0) | None => bytes.push(*first),
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(request: http::request::Builder, own: &[(&str, &str)]) -> BTreeMap<String, String> {
        let own = own.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        variables(&request.body(()).unwrap().into_parts().0, &own)
    }

    #[test]
    fn a_request_is_told_as_rfc_3875_says() {
        let request = http::Request::post("https://www.example.com:8443/a%20b/%C3%A9?x=%41&y")
            .header("host", "WWW.example.com:8443")
            .header("content-type", "text/plain")
            .header("content-length", "3")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .header("accept", "a")
            .header("accept", "b")
            .header("x-forwarded-for", "10.0.0.1, 192.0.2.7");
        let variables = of(request, &[("MODE", "strict"), ("PATH_INFO", "/mine"), ("HTTP_X_ADMIN", "yes")]);
        for (name, value) in [
            ("GATEWAY_INTERFACE", "CGI/1.1"),
            ("REQUEST_METHOD", "POST"),
            ("REQUEST_URI", "/a%20b/%C3%A9?x=%41&y"),
            ("PATH_INFO", "/a b/é"),
            ("SCRIPT_NAME", ""),
            ("QUERY_STRING", "x=%41&y"),
            ("SERVER_NAME", "www.example.com"),
            ("SERVER_PORT", "8443"),
            ("HTTPS", "on"),
            ("REMOTE_ADDR", "192.0.2.7"),
            ("CONTENT_TYPE", "text/plain"),
            ("CONTENT_LENGTH", "3"),
            ("HTTP_COOKIE", "a=1; b=2"),
            ("HTTP_ACCEPT", "a, b"),
            ("HTTP_HOST", "WWW.example.com:8443"),
            ("MODE", "strict"),
        ] {
            assert_eq!(variables.get(name).map(String::as_str), Some(value), "{name}");
        }
        for name in ["HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH", "HTTP_X_ADMIN"] {
            assert_eq!(variables.get(name), None, "{name}");
        }
    }

    #[test]
    fn no_header_passes_for_another_or_for_a_setting() {
        let request =
            http::Request::get("http://a/").header("proxy", "http://evil").header("x_real", "no").header("x-real", "yes");
        let variables = of(request, &[]);
        assert_eq!(variables.get("HTTP_PROXY"), None);
        assert_eq!(variables["HTTP_X_REAL"], "yes");
        assert_eq!((variables["SERVER_NAME"].as_str(), variables["SERVER_PORT"].as_str()), ("a", "80"));
        assert_eq!(variables.get("HTTPS"), None);
    }

    #[test]
    fn a_path_is_decoded_where_that_is_text() {
        for (path, told) in [
            ("/a%2Fb", "/a/b"),
            ("/%", "/%"),
            ("/%4", "/%4"),
            ("/%+1", "/%+1"),
            ("/%00x", "/%00x"),
            ("/%ff", "/%ff"),
            ("/%25", "/%"),
        ] {
            assert_eq!(decoded(path), told);
        }
    }
}
