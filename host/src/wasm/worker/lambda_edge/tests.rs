//! Events for the tests of both conversions.

use crate::wasm::abi::guest_side::{Fields, OriginEvent, ResponseHead};
use crate::wasm::abi::{EventBody, EventOrigin};

pub(super) const ORIGIN: EventOrigin<'static> = EventOrigin {
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

pub(super) fn request() -> OriginEvent<'static> {
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

pub(super) fn response() -> OriginEvent<'static> {
    let headers = fields([
        ("content-length", b"3"),
        ("content-type", b"text/plain"),
        ("set-cookie", b"a=1"),
        ("set-cookie", b"b=2"),
        ("x-amzn-requestid", b"hidden"),
    ]);
    OriginEvent { response: Some(ResponseHead { status: 200, reason: "OK", headers }), ..request() }
}
