//! For a fuzz target: replies of functions to Lambda@Edge events.

use super::{event, reply};
use crate::wasm::abi::guest_side::OriginEvent;
use crate::wasm::abi::{EventBody, EventHeader, EventOrigin, EventWriter, Moment, Op, Ops};

/// A reply; its first byte says to which event.
pub(in crate::wasm) fn edge_reply(data: &[u8]) {
    let Some((&first, reply)) = data.split_first() else { return };
    let moment = if first & 1 == 0 { Moment::OriginResponse } else { Moment::OriginRequest };
    let bytes = packed(moment);
    let event = OriginEvent::read(&bytes).expect("an event as the edge writes it");
    assert!(!event::of(&event).is_empty());
    let answer = match reply::answer(&event, reply) {
        Ok(answer) => answer,
        Err(why) => return assert!((1..1_024).contains(&why.len()), "{why}"),
    };
    for op in Ops::parse(&answer).expect("its version is right") {
        let op = op.expect("an op as docs/abi.md has it");
        let fits = match op {
            Op::Failed(_) | Op::Invalid(_) => false,
            Op::SetHeader { .. } | Op::AppendHeader { .. } | Op::RemoveHeader { .. } | Op::SetBody(_) => true,
            Op::SetStatus { status, .. } => moment == Moment::OriginResponse && (200..600).contains(&status),
            Op::Respond { status, .. } => moment == Moment::OriginRequest && (200..600).contains(&status),
            _ => moment == Moment::OriginRequest,
        };
        assert!(fits, "{op:?} at {}", moment.name());
    }
}

fn packed(moment: Moment) -> Vec<u8> {
    let mut buffer = Vec::new();
    let header =
        EventHeader { moment, has_query: true, site: "www", request_id: "id", client_ip: "192.0.2.7", edge_location: "TST1" };
    let mut writer = EventWriter::begin(&mut buffer, &header);
    writer.request("PUT", "/a", "b=c");
    let headers: [(&str, &[u8]); 3] = [("host", b"example.com"), ("via", b"1.1 edge"), ("x-a", b"\xff")];
    writer.headers(headers.into_iter());
    writer.body(EventBody::Whole(b"body"));
    let (id, host, path) = ("o", "example.com", "/x");
    writer.origin(&EventOrigin { id, host, port: 443, tls: true, path, connect_timeout_ms: 10_000, read_timeout_ms: 30_000 });
    let headers: [(&str, &[u8]); 1] = [("x-key", b"secret")];
    writer.headers(headers.into_iter());
    if moment == Moment::OriginResponse {
        writer.response(200, "OK");
        let headers: [(&str, &[u8]); 2] = [("set-cookie", b"a=1"), ("set-cookie", b"b=2")];
        writer.headers(headers.into_iter());
        writer.body(EventBody::Hidden);
    }
    buffer
}
