//! The event of an origin hook as a Lambda@Edge event.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use crate::limits::origin::{KEEPALIVE_MS, READ_TIMEOUT_MS};
use crate::wasm::abi::guest_side::{EventResponse, OriginEvent};
use crate::wasm::abi::header_rules::is_disallowed;
use crate::wasm::abi::{EventBody, EventOrigin};

/// The event's JSON.
pub(super) fn of(event: &OriginEvent<'_>) -> Vec<u8> {
    let mut request = json!({
        "clientIp": event.client_ip,
        "method": event.method,
        "uri": event.uri,
        "querystring": event.query,
        "headers": headers(&event.headers),
        "origin": { "custom": Origin::shown(&event.origin).json(&event.origin_headers) },
    });
    let body = match event.body {
        EventBody::Hidden => None,
        EventBody::Whole(data) => Some((data, false)),
        EventBody::Truncated(data) => Some((data, true)),
    };
    if let Some((data, truncated)) = body {
        request["body"] =
            json!({ "inputTruncated": truncated, "action": "read-only", "encoding": "base64", "data": BASE64.encode(data) });
    }
    let mut cf = json!({
        "config": {
            "distributionDomainName": event.site,
            "distributionId": event.site,
            "eventType": event.moment().name(),
            "requestId": event.request_id,
        },
        "request": request,
    });
    if let Some(EventResponse { status, reason, headers: all }) = &event.response {
        cf["response"] = json!({ "status": status.to_string(), "statusDescription": reason, "headers": headers(all) });
    }
    json!({ "Records": [{ "cf": cf }] }).to_string().into_bytes()
}

/// What an event says of an origin, but for its headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) tls: bool,
    pub(super) path: &'a str,
    pub(super) read_timeout_s: u64,
}

impl<'a> Origin<'a> {
    /// One that is no server has its name in the place of a host: a function may read that without looking, and give another.
    pub(super) fn shown(origin: &EventOrigin<'a>) -> Origin<'a> {
        let EventOrigin { id, host, port, tls, path, read_timeout_ms, .. } = *origin;
        if host.is_empty() {
            return Origin { host: id, port: 80, tls: false, path: "", read_timeout_s: READ_TIMEOUT_MS / 1_000 };
        }
        Origin { host, port, tls, path, read_timeout_s: u64::from(read_timeout_ms.div_ceil(1_000)) }
    }

    fn json(&self, custom_headers: &[(&str, &[u8])]) -> Value {
        json!({
            "customHeaders": headers(custom_headers),
            "domainName": self.host,
            // Not known here, and without effect: the default.
            "keepaliveTimeout": KEEPALIVE_MS / 1_000,
            "path": self.path,
            "port": self.port,
            "protocol": if self.tls { "https" } else { "http" },
            "readTimeout": self.read_timeout_s,
            "sslProtocols": ["TLSv1.2"],
        })
    }
}

/// Each name with its values, in order.
fn headers(fields: &[(&str, &[u8])]) -> Map<String, Value> {
    let mut headers = Map::new();
    for (name, value) in shown(fields) {
        let list = headers.entry(name).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(list) = list {
            list.push(json!({ "key": capitalized(name), "value": value }));
        }
    }
    headers
}

/// The fields that a function sees.
pub(super) fn shown<'a>(fields: &[(&'a str, &'a [u8])]) -> impl Iterator<Item = (&'a str, Cow<'a, str>)> {
    fields.iter().filter(|(name, _)| !is_disallowed(name)).map(|&(name, value)| (name, text(value)))
}

/// Bytes that are not UTF-8 are taken for ISO-8859-1, as in CloudFront.
fn text(value: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(value) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => value.iter().copied().map(char::from).collect(),
    }
}

/// `content-type` as `Content-Type`. How the client has spelled it is not known any more: in HTTP/2 all names are in lower
/// case.
fn capitalized(name: &str) -> String {
    let mut begins = true;
    let letter = |letter: char| {
        if std::mem::replace(&mut begins, letter == '-') { letter.to_ascii_uppercase() } else { letter }
    };
    name.chars().map(letter).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::wasm::abi::guest_side::Fields;

    pub(in super::super) const ORIGIN: EventOrigin<'static> = EventOrigin {
        id: "shop",
        host: "example.com",
        port: 443,
        tls: true,
        path: "/v1",
        connect_timeout_ms: 10_000,
        read_timeout_ms: 29_001,
    };

    fn fields<const N: usize>(fields: [(&'static str, &'static [u8]); N]) -> Fields<'static> {
        fields.to_vec()
    }

    pub(in super::super) fn request() -> OriginEvent<'static> {
        OriginEvent {
            site: "www",
            request_id: "id-1",
            client_ip: "192.0.2.7",
            method: "POST",
            uri: "/a%20b",
            query: "x=1&x=2",
            headers: fields([
                ("host", b"example.com"),
                ("via", b"1.1 edge"),
                ("x-many", b"one"),
                ("x-many", b"two"),
                ("x-latin", b"caf\xe9"),
                ("x-cache", b"hidden"),
            ]),
            body: EventBody::Hidden,
            origin: ORIGIN,
            origin_headers: fields([("x-key", b"secret")]),
            response: None,
        }
    }

    pub(in super::super) fn response() -> OriginEvent<'static> {
        let headers = fields([
            ("content-length", b"3"),
            ("content-type", b"text/plain"),
            ("set-cookie", b"a=1"),
            ("set-cookie", b"b=2"),
            ("x-amzn-requestid", b"hidden"),
        ]);
        OriginEvent { response: Some(EventResponse { status: 200, reason: "OK", headers }), ..request() }
    }

    fn shown(event: &OriginEvent<'_>) -> Value {
        let mut event: Value = serde_json::from_slice(&of(event)).unwrap();
        event["Records"][0]["cf"].take()
    }

    #[test]
    fn a_request_becomes_the_event_that_lambda_at_edge_sends() {
        let field = |key: &str, value: &str| json!({"key": key, "value": value});
        let expected = json!({
            "config": {
                "distributionDomainName": "www", "distributionId": "www", "eventType": "origin-request", "requestId": "id-1",
            },
            "request": {
                "clientIp": "192.0.2.7", "method": "POST", "uri": "/a%20b", "querystring": "x=1&x=2",
                "headers": {
                    "host": [field("Host", "example.com")],
                    "via": [field("Via", "1.1 edge")],
                    "x-many": [field("X-Many", "one"), field("X-Many", "two")],
                    "x-latin": [field("X-Latin", "caf\u{e9}")],
                },
                "origin": {"custom": {
                    "customHeaders": {"x-key": [field("X-Key", "secret")]}, "domainName": "example.com", "keepaliveTimeout": 5,
                    "path": "/v1", "port": 443, "protocol": "https", "readTimeout": 30, "sslProtocols": ["TLSv1.2"],
                }},
            },
        });
        assert_eq!(shown(&request()), expected);
    }

    #[test]
    fn a_response_is_shown_beside_its_request_and_without_its_body() {
        let shown = shown(&response());
        assert_eq!(shown["config"]["eventType"], "origin-response");
        assert_eq!(shown["request"]["origin"]["custom"]["domainName"], "example.com");
        let expected = json!({
            "status": "200", "statusDescription": "OK",
            "headers": {
                "content-length": [{"key": "Content-Length", "value": "3"}],
                "content-type": [{"key": "Content-Type", "value": "text/plain"}],
                "set-cookie": [{"key": "Set-Cookie", "value": "a=1"}, {"key": "Set-Cookie", "value": "b=2"}],
            },
        });
        assert_eq!(shown["response"], expected);
    }

    #[test]
    fn a_body_is_in_base64_whatever_it_is() {
        for (body, truncated, data) in [
            (EventBody::Whole(b""), false, ""),
            (EventBody::Whole(b"hi"), false, "aGk="),
            (EventBody::Truncated(b"\xff\0"), true, "/wA="),
        ] {
            let expected = json!({"inputTruncated": truncated, "action": "read-only", "encoding": "base64", "data": data});
            assert_eq!(shown(&OriginEvent { body, ..request() })["request"]["body"], expected);
        }
        assert!(shown(&request())["request"].get("body").is_none());
    }

    #[test]
    fn an_origin_that_is_no_server_is_shown_by_its_name() {
        let folder = EventOrigin { id: "files", host: "", port: 0, read_timeout_ms: 0, path: "", tls: false, ..ORIGIN };
        let custom =
            &shown(&OriginEvent { origin: folder, origin_headers: Vec::new(), ..request() })["request"]["origin"]["custom"];
        assert_eq!((&custom["domainName"], &custom["port"], &custom["protocol"]), (&json!("files"), &json!(80), &json!("http")));
        assert_eq!((&custom["readTimeout"], &custom["customHeaders"]), (&json!(30), &json!({})));
    }
}
