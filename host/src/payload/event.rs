//! A request as an event of payload format 2.0.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::percent::form_decoded;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PayloadEvent<'a> {
    version: &'static str,
    route_key: &'static str,
    raw_path: &'a str,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
    headers: Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    query_string_parameters: Map<String, Value>,
    request_context: EventContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventContext<'a> {
    account_id: &'a str,
    api_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<Value>,
    domain_name: &'a str,
    domain_prefix: &'a str,
    http: RequestLine<'a>,
    request_id: &'a str,
    route_key: &'static str,
    stage: &'static str,
    time: String,
    time_epoch: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestLine<'a> {
    method: &'a str,
    path: &'a str,
    protocol: &'static str,
    source_ip: &'a str,
    user_agent: &'a str,
}

/// Where a request has come to.
pub struct EventEndpoint<'a> {
    /// Of a function URL; else the first label of the host is taken.
    pub id: Option<&'a str>,
    /// `anonymous` where nobody had to say who they are.
    pub account_id: &'a str,
    /// Who has signed the request.
    pub authorizer: Option<Value>,
}

impl Default for EventEndpoint<'_> {
    fn default() -> Self {
        EventEndpoint { id: None, account_id: "anonymous", authorizer: None }
    }
}

/// The event's JSON. Several headers or parameters of one name are joined by commas; cookies have a list of their own.
pub fn of(head: &Parts, body: &[u8], request_id: &str, endpoint: &EventEndpoint<'_>, now: SystemTime) -> Vec<u8> {
    let text = |name: HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let host = Some(text(header::HOST)).filter(|host| !host.is_empty());
    let host = host.or_else(|| head.uri.authority().map(http::uri::Authority::as_str)).unwrap_or_default();
    let first_label = host.split('.').next().unwrap_or_default();
    let client = text(HeaderName::from_static("x-forwarded-for")).rsplit(',').next().unwrap_or_default().trim();
    let is_text = body.is_empty() || is_text(&head.headers) && std::str::from_utf8(body).is_ok();
    let encoded = || if is_text { String::from_utf8_lossy(body).into_owned() } else { BASE64.encode(body) };
    let event = PayloadEvent {
        version: "2.0",
        route_key: "$default",
        raw_path: head.uri.path(),
        raw_query_string: head.uri.query().unwrap_or_default(),
        cookies: cookies(&head.headers),
        headers: headers(&head.headers),
        query_string_parameters: parameters(head.uri.query().unwrap_or_default()),
        request_context: EventContext {
            account_id: endpoint.account_id,
            api_id: endpoint.id.unwrap_or(first_label),
            authorizer: endpoint.authorizer.clone(),
            domain_name: host,
            domain_prefix: first_label,
            http: RequestLine {
                method: head.method.as_str(),
                path: head.uri.path(),
                protocol: "HTTP/1.1",
                source_ip: client,
                user_agent: text(header::USER_AGENT),
            },
            request_id,
            route_key: "$default",
            stage: "$default",
            time: log_time(now),
            time_epoch: u64::try_from(now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(u64::MAX),
        },
        body: (!body.is_empty()).then(encoded),
        is_base64_encoded: !is_text,
    };
    serde_json::to_vec(&event).expect("keys are text, and nothing in it can fail")
}

fn headers(all: &HeaderMap) -> Map<String, Value> {
    let mut headers = Map::new();
    for name in all.keys().filter(|name| *name != header::COOKIE) {
        let values: Vec<_> = all.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        headers.insert(name.as_str().to_owned(), Value::String(values.join(",")));
    }
    headers
}

fn cookies(all: &HeaderMap) -> Vec<String> {
    let fields = all.get_all(header::COOKIE).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let pairs = fields.flat_map(|field| field.split(';').map(|pair| pair.trim().to_owned()).collect::<Vec<_>>());
    pairs.filter(|pair| !pair.is_empty()).collect()
}

/// Names and values are decoded.
fn parameters(query: &str) -> Map<String, Value> {
    let mut parameters = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = form_decoded(value);
        match parameters.entry(form_decoded(name)).or_insert(Value::Null) {
            Value::String(before) => {
                before.push(',');
                before.push_str(&value);
            }
            first => *first = Value::String(value),
        }
    }
    parameters
}

/// Which bodies Lambda passes on as text; all others are in base64.
fn is_text(headers: &HeaderMap) -> bool {
    const TYPES: [&str; 4] =
        ["application/json", "application/javascript", "application/xml", "application/x-www-form-urlencoded"];
    if headers.contains_key(header::CONTENT_ENCODING) {
        return false;
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.starts_with("text/") || essence.ends_with("+json") || essence.ends_with("+xml") || TYPES.contains(&essence.as_str())
}

/// As in access logs: `12/Mar/2020:19:03:58 +0000`.
fn log_time(time: SystemTime) -> String {
    // Of `Thu, 12 Mar 2020 19:03:58 GMT`.
    let http = httpdate::fmt_http_date(time);
    match http.split(' ').collect::<Vec<_>>()[..] {
        [_, day, month, year, clock, _] => format!("{day}/{month}/{year}:{clock} +0000"),
        _ => http,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Request;
    use serde_json::json;

    use super::*;

    fn event(request: http::request::Builder, body: &[u8]) -> Value {
        let (head, ()) = request.body(()).unwrap().into_parts();
        serde_json::from_slice(&of(
            &head,
            body,
            "id-1",
            &EventEndpoint::default(),
            UNIX_EPOCH + Duration::from_millis(1_583_348_638_390),
        ))
        .unwrap()
    }

    #[test]
    fn a_request_becomes_the_event_that_function_urls_send() {
        let request = Request::post("https://www.example.com/a%20b/c?p=1&p=2&q=%C3%A9+x&flag")
            .header("host", "www.example.com")
            .header("x-many", "one")
            .header("x-many", "two")
            .header("cookie", "a=1; b=2")
            .header("content-type", "application/json; charset=utf-8")
            .header("user-agent", "test/1")
            .header("x-forwarded-for", "10.0.0.1, 192.0.2.7");
        let expected = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": "/a%20b/c", "rawQueryString": "p=1&p=2&q=%C3%A9+x&flag",
            "cookies": ["a=1", "b=2"],
            "headers": {
                "host": "www.example.com", "x-many": "one,two", "content-type": "application/json; charset=utf-8",
                "user-agent": "test/1", "x-forwarded-for": "10.0.0.1, 192.0.2.7",
            },
            "queryStringParameters": {"p": "1,2", "q": "é x", "flag": ""},
            "requestContext": {
                "accountId": "anonymous", "apiId": "www", "domainName": "www.example.com", "domainPrefix": "www",
                "http": {
                    "method": "POST", "path": "/a%20b/c", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.7", "userAgent": "test/1",
                },
                "requestId": "id-1", "routeKey": "$default", "stage": "$default",
                "time": "04/Mar/2020:19:03:58 +0000", "timeEpoch": 1_583_348_638_390u64,
            },
            "body": "{\"x\":1}", "isBase64Encoded": false,
        });
        assert_eq!(event(request, b"{\"x\":1}"), expected);
    }

    #[test]
    fn what_is_no_text_is_in_base64() {
        for (content_type, body, expected, is_encoded) in [
            ("image/png", b"\x89PNG".as_slice(), "iVBORw==", true),
            ("text/plain", b"hi", "hi", false),
            ("text/plain", b"\xff", "/w==", true),
            ("application/problem+json", b"{}", "{}", false),
        ] {
            let told = event(Request::post("/").header("content-type", content_type), body);
            assert_eq!((&told["body"], &told["isBase64Encoded"]), (&json!(expected), &json!(is_encoded)), "{content_type}");
        }
        let compressed = Request::post("/").header("content-type", "text/plain").header("content-encoding", "gzip");
        assert_eq!(event(compressed, b"x")["body"], "eA==");
        assert!(event(Request::get("/"), b"").get("body").is_none());
    }
}
