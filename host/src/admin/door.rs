//! Admission to the admin port: web pages of other origins cannot use it through a browser.
//!
//! The port is private, but browsers in the same network are not: any page can make one send a request to `localhost`,
//! and DNS rebinding (a name that its owner points here) lets that page read the response. So a request must name an
//! address, `localhost`, or a configured name, and the origin that a browser reports must be this port itself. Reading is
//! refused like changing: metrics and lookups are private, too.
//!
//! With a token, every request needs it, except health and readiness, since load balancers have none.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Version, header};

use crate::config::AdminAccess;
use crate::limits::admin::SHOWN_CHARS;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AdminRefusal {
    /// No Host, or several.
    NoHost,
    /// Host is not one of ours.
    ForeignHost,
    /// Sent by a page of another origin.
    CrossSite,
    /// Sent by a form.
    Form,
    /// Without the token, or with a wrong one.
    Token,
}

impl AdminRefusal {
    /// The label in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            AdminRefusal::NoHost => "no-host",
            AdminRefusal::ForeignHost => "foreign-host",
            AdminRefusal::CrossSite => "cross-site",
            AdminRefusal::Form => "form",
            AdminRefusal::Token => "token",
        }
    }

    pub(super) fn status(self) -> StatusCode {
        match self {
            AdminRefusal::NoHost => StatusCode::BAD_REQUEST,
            AdminRefusal::ForeignHost => StatusCode::MISDIRECTED_REQUEST,
            AdminRefusal::CrossSite => StatusCode::FORBIDDEN,
            AdminRefusal::Form => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            AdminRefusal::Token => StatusCode::UNAUTHORIZED,
        }
    }

    /// The explanation for the client.
    pub(super) fn text(self, request: &Request) -> String {
        match self {
            AdminRefusal::NoHost => "one Host is expected\n".to_owned(),
            AdminRefusal::ForeignHost => {
                let host = request.headers().get(header::HOST).map_or(&b""[..], |host| host.as_bytes());
                let host: String = String::from_utf8_lossy(host).chars().take(SHOWN_CHARS).flat_map(char::escape_debug).collect();
                format!(
                    "the admin port is asked by its address or as `localhost`; for `{host}`, add it to `server.admin_hosts`\n"
                )
            }
            AdminRefusal::CrossSite => "a page of another site may not ask the admin port\n".to_owned(),
            AdminRefusal::Form => "a form may not ask the admin port; bodies are application/json\n".to_owned(),
            AdminRefusal::Token => {
                "the token of `server.admin_token_file` is expected: `Authorization: Bearer TOKEN`\n".to_owned()
            }
        }
    }
}

/// Admits or refuses a request.
pub(super) fn admit(access: &AdminAccess, request: &Request) -> Result<(), AdminRefusal> {
    let headers = request.headers();
    let host = host(request)?;
    if let Some(host) = &host
        && !is_ours(access, host.host())
    {
        return Err(AdminRefusal::ForeignHost);
    }
    if is_cross_site(headers, host.as_ref()) {
        return Err(AdminRefusal::CrossSite);
    }
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if changes && is_form(headers) {
        return Err(AdminRefusal::Form);
    }
    let open = matches!(request.uri().path(), "/healthz" | "/readyz");
    if let Some(token) = &access.token
        && !open
    {
        let bearer = only(headers, &header::AUTHORIZATION).and_then(|value| {
            let (scheme, given) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| given.trim())
        });
        if !bearer.is_some_and(|given| token.is(given)) {
            return Err(AdminRefusal::Token);
        }
    }
    Ok(())
}

/// The requested authority. Only HTTP/1.0 may omit it, which browsers do not use.
fn host(request: &Request) -> Result<Option<Authority>, AdminRefusal> {
    let named = match request.uri().authority() {
        Some(authority) => Some(authority.clone()),
        None if request.headers().contains_key(header::HOST) => {
            let host = only(request.headers(), &header::HOST).ok_or(AdminRefusal::NoHost)?;
            Some(host.parse().map_err(|_| AdminRefusal::ForeignHost)?)
        }
        None => None,
    };
    match named {
        None if request.version() > Version::HTTP_10 => Err(AdminRefusal::NoHost),
        Some(authority) if authority.as_str().contains('@') => Err(AdminRefusal::ForeignHost),
        named => Ok(named),
    }
}

fn is_ours(access: &AdminAccess, host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let name = host.strip_suffix('.').unwrap_or(host);
    bare.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || access.hosts.iter().any(|ours| ours.eq_ignore_ascii_case(name))
}

/// `same-site` is not enough: another port of the same host is another origin.
fn is_cross_site(headers: &HeaderMap, host: Option<&Authority>) -> bool {
    let fetched = headers.get_all(SEC_FETCH_SITE).iter().any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"));
    let ours = |origin: &[u8]| {
        let origin = std::str::from_utf8(origin).unwrap_or_default();
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|authority| host.is_some_and(|host| authority.eq_ignore_ascii_case(host.as_str())))
    };
    fetched || headers.get_all(header::ORIGIN).iter().any(|origin| !ours(origin.as_bytes()))
}

/// The content types of forms, and of scripts without a preflight (the Fetch standard's simple requests).
fn is_form(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_TYPE).iter().any(|value| {
        let kind = value.as_bytes().split(|&byte| byte == b';' || byte == b',').next().unwrap_or_default().trim_ascii();
        ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"]
            .iter()
            .any(|form| kind.eq_ignore_ascii_case(form.as_bytes()))
    })
}

/// The value of a header that occurs exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;
    use crate::config::Token;

    const TOKEN: &str = "0123456789abcdef";

    fn asked(access: &AdminAccess, method: &str, headers: &[(&str, &str)]) -> Result<(), AdminRefusal> {
        let mut request = Request::builder().method(method).uri("/metrics");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        admit(access, &request.body(Body::empty()).unwrap())
    }

    #[test]
    fn a_request_is_for_an_address_localhost_or_a_name_of_the_configuration() {
        let access = AdminAccess { hosts: vec!["admin.internal".to_owned()], token: None };
        for host in [
            "127.0.0.1",
            "127.0.0.1:9090",
            "[::1]:9090",
            "10.1.2.3:80",
            "localhost",
            "LocalHost:9090",
            "localhost.:1",
            "admin.internal",
            "Admin.Internal:9090",
        ] {
            assert_eq!(asked(&access, "GET", &[("host", host)]), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:9090",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "a.admin.internal",
            "admin",
            "localhost@evil.example",
            "evil@localhost",
            "0x7f000001",
            "",
            ":9090",
            "[localhost]",
            "localhost, evil.example",
        ] {
            assert_eq!(asked(&access, "GET", &[("host", host)]), Err(AdminRefusal::ForeignHost), "{host}");
        }
        assert_eq!(asked(&access, "GET", &[]), Err(AdminRefusal::NoHost));
        assert_eq!(asked(&access, "GET", &[("host", "localhost"), ("host", "localhost")]), Err(AdminRefusal::NoHost));
        let old = Request::builder().uri("/readyz").version(Version::HTTP_10).body(Body::empty()).unwrap();
        assert_eq!(admit(&access, &old), Ok(()));
        let absolute = Request::builder().uri("http://evil.example/metrics").header("host", "localhost");
        assert_eq!(admit(&access, &absolute.body(Body::empty()).unwrap()), Err(AdminRefusal::ForeignHost));
    }

    #[test]
    fn what_another_page_sends_is_refused_reading_and_changing_alike() {
        let access = AdminAccess::default();
        let host = ("host", "localhost:9090");
        for method in ["GET", "POST"] {
            for (name, value) in [
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-site", "same-site"),
                ("sec-fetch-site", "Same-Origin"),
                ("sec-fetch-site", ""),
                ("origin", "http://evil.example"),
                ("origin", "http://localhost:8080"),
                ("origin", "http://localhost"),
                ("origin", "null"),
                ("origin", "localhost:9090"),
                ("origin", ""),
                ("origin", "http://localhost:9090.evil.example"),
            ] {
                assert_eq!(
                    asked(&access, method, &[host, (name, value)]),
                    Err(AdminRefusal::CrossSite),
                    "{method} {name}: {value}"
                );
            }
            for (name, value) in [
                ("sec-fetch-site", "same-origin"),
                ("sec-fetch-site", "none"),
                ("origin", "http://localhost:9090"),
                ("origin", "https://LOCALHOST:9090"),
            ] {
                assert_eq!(asked(&access, method, &[host, (name, value)]), Ok(()), "{method} {name}: {value}");
            }
            let both = [host, ("origin", "http://localhost:9090"), ("sec-fetch-site", "cross-site")];
            assert_eq!(asked(&access, method, &both), Err(AdminRefusal::CrossSite));
        }
    }

    #[test]
    fn requests_that_a_form_can_send_change_nothing() {
        let access = AdminAccess::default();
        for kind in [
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "Text/Plain;charset=utf-8",
            " text/plain",
            "text/plain, application/json",
        ] {
            assert_eq!(asked(&access, "POST", &[("host", "[::1]"), ("content-type", kind)]), Err(AdminRefusal::Form), "{kind}");
            assert_eq!(asked(&access, "GET", &[("host", "[::1]"), ("content-type", kind)]), Ok(()), "{kind}");
        }
        assert_eq!(asked(&access, "POST", &[("host", "[::1]"), ("content-type", "application/json")]), Ok(()));
        assert_eq!(asked(&access, "POST", &[("host", "[::1]")]), Ok(()));
    }

    #[test]
    fn with_a_token_only_who_has_it_is_let_in() {
        let access = AdminAccess { hosts: Vec::new(), token: Some(Token::new(TOKEN)) };
        let with = |value: &str| asked(&access, "GET", &[("host", "localhost"), ("authorization", value)]);
        assert_eq!(with(&format!("Bearer {TOKEN}")), Ok(()));
        assert_eq!(with(&format!("bearer {TOKEN}")), Ok(()));
        for wrong in ["Bearer 0123456789abcdeg", "Bearer 0123456789abcde", "Basic 0123456789abcdef", TOKEN, "Bearer", ""] {
            assert_eq!(with(wrong), Err(AdminRefusal::Token), "{wrong}");
        }
        assert_eq!(asked(&access, "GET", &[("host", "localhost")]), Err(AdminRefusal::Token));
        let health = Request::builder().uri("/healthz").header("host", "localhost").body(Body::empty()).unwrap();
        assert_eq!(admit(&access, &health), Ok(()));
        assert!(!format!("{access:?}").contains(TOKEN));
    }
}
