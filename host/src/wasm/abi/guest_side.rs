//! The guest's side of a hook call: reads the event of an origin hook, writes an answer.
//!
//! For functions that do not speak the hook's interface: the host translates for them, as an SDK does for a component. The
//! events come from `EventWriter`, so that one that cannot be read is a bug of the host.

use crate::wasm::abi::{EventBody, EventOrigin, Moment, Op, VERSION};

/// Names and values, in order. Names are in lower case.
pub type Fields<'a> = Vec<(&'a str, &'a [u8])>;

/// An event of an origin hook.
pub struct OriginEvent<'a> {
    pub site: &'a str,
    pub request_id: &'a str,
    pub client_ip: &'a str,
    pub method: &'a str,
    pub uri: &'a str,
    /// Without `?`.
    pub query: &'a str,
    pub headers: Fields<'a>,
    pub body: EventBody<'a>,
    pub origin: EventOrigin<'a>,
    /// What is added to a request to this origin.
    pub origin_headers: Fields<'a>,
    /// In origin-response only.
    pub response: Option<EventResponse<'a>>,
}

/// The origin's response, but for its body.
pub struct EventResponse<'a> {
    pub status: u16,
    pub reason: &'a str,
    pub headers: Fields<'a>,
}

impl<'a> OriginEvent<'a> {
    /// `None` if the bytes are no event of an origin hook.
    pub fn read(bytes: &'a [u8]) -> Option<OriginEvent<'a>> {
        let mut reader = Reader(bytes);
        let (version, moment, _flags) = (reader.u8()?, reader.u8()?, reader.u16()?);
        let is_response = moment == Moment::OriginResponse as u8;
        if version != VERSION || !(is_response || moment == Moment::OriginRequest as u8) {
            return None;
        }
        let (site, request_id, client_ip, _location) = (reader.text()?, reader.text()?, reader.text()?, reader.text()?);
        let (method, uri, query) = (reader.text()?, reader.text()?, reader.text()?);
        let (headers, body) = (reader.fields()?, reader.body()?);
        let origin = EventOrigin {
            id: reader.text()?,
            host: reader.text()?,
            port: reader.u16()?,
            tls: reader.u8()? != 0,
            path: reader.text()?,
            connect_timeout_ms: reader.u32()?,
            read_timeout_ms: reader.u32()?,
        };
        let origin_headers = reader.fields()?;
        let response = match is_response {
            true => Some(EventResponse { status: reader.u16()?, reason: reader.text()?, headers: reader.fields()? }),
            false => None,
        };
        Some(OriginEvent { site, request_id, client_ip, method, uri, query, headers, body, origin, origin_headers, response })
    }

    pub fn moment(&self) -> Moment {
        if self.response.is_some() { Moment::OriginResponse } else { Moment::OriginRequest }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let n = self.u32()?;
        self.take(n as usize)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    fn fields(&mut self) -> Option<Fields<'a>> {
        let count = self.u16()?;
        (0..count).map(|_| Some((self.text()?, self.bytes()?))).collect()
    }

    fn body(&mut self) -> Option<EventBody<'a>> {
        let (kind, data) = (self.u8()?, self.bytes()?);
        Some(match kind {
            0 => EventBody::Hidden,
            1 => EventBody::Whole(data),
            _ => EventBody::Truncated(data),
        })
    }
}

/// Writes the ops of an answer, in order.
pub struct AnswerWriter(Vec<u8>);

impl AnswerWriter {
    /// An answer that changes nothing.
    pub fn begin() -> AnswerWriter {
        AnswerWriter(vec![VERSION])
    }

    /// An answer of this op alone.
    pub fn only(op: &Op<'_>) -> Vec<u8> {
        let mut writer = AnswerWriter::begin();
        writer.op(op);
        writer.finish()
    }

    pub fn op(&mut self, op: &Op<'_>) {
        match *op {
            Op::SetUri(uri) => self.text(1, uri),
            Op::SetQuery(query) => self.text(2, query),
            Op::SetHeader { name, value } => self.field(3, name, value),
            Op::AppendHeader { name, value } => self.field(4, name, value),
            Op::RemoveHeader { name } => self.text(5, name),
            Op::Respond { status, reason } => self.status(6, status, reason),
            Op::SetStatus { status, reason } => self.status(7, status, reason),
            Op::SetBody(body) => {
                self.0.push(8);
                self.bytes(body);
            }
            Op::SelectOrigin { id } => self.text(16, id),
            Op::OriginAddress { host, port, tls } => {
                self.text(17, host);
                self.0.extend_from_slice(&port.to_le_bytes());
                self.0.push(u8::from(tls));
            }
            Op::OriginPath(path) => self.text(18, path),
            Op::OriginHostHeader(host) => self.text(19, host),
            Op::OriginHeader { name, value } => self.field(20, name, value),
            Op::ClearOriginHeaders => self.0.push(21),
            Op::OriginTimeouts { connect_ms, read_ms, attempts } => {
                self.0.push(22);
                self.0.extend_from_slice(&connect_ms.to_le_bytes());
                self.0.extend_from_slice(&read_ms.to_le_bytes());
                self.0.push(attempts);
            }
            Op::OriginGroup { primary, secondary, statuses } => {
                self.field(23, primary, secondary.as_bytes());
                let at = self.0.len();
                self.0.extend_from_slice(&[0, 0]);
                let mut count: u16 = 0;
                for status in statuses.iter() {
                    self.0.extend_from_slice(&status.to_le_bytes());
                    count += 1;
                }
                self.0[at..at + 2].copy_from_slice(&count.to_le_bytes());
            }
            Op::Failed(message) => self.text(32, message),
            Op::Invalid(message) => self.text(33, message),
        }
    }

    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    fn text(&mut self, code: u8, text: &str) {
        self.0.push(code);
        self.bytes(text.as_bytes());
    }

    fn field(&mut self, code: u8, name: &str, value: &[u8]) {
        self.text(code, name);
        self.bytes(value);
    }

    fn status(&mut self, code: u8, status: u16, reason: &str) {
        self.0.push(code);
        self.0.extend_from_slice(&status.to_le_bytes());
        self.bytes(reason.as_bytes());
    }

    #[expect(clippy::cast_possible_truncation, reason = "an answer is made of a reply, which is limited far below 4 GiB")]
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.0.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wasm::abi::{EventHeader, EventWriter, Ops};

    fn event(moment: Moment) -> Vec<u8> {
        let mut buffer = Vec::new();
        let header =
            EventHeader { moment, has_query: true, site: "www", request_id: "id", client_ip: "192.0.2.7", edge_location: "TST1" };
        let mut writer = EventWriter::begin(&mut buffer, &header);
        writer.request("PUT", "/a", "b=c");
        writer.headers([("d", b"e".as_slice()), ("f", b"\xff".as_slice())].into_iter());
        writer.body(EventBody::Truncated(b"body"));
        writer.origin(&EventOrigin {
            id: "o",
            host: "example.com",
            port: 443,
            tls: true,
            path: "/x",
            connect_timeout_ms: 1,
            read_timeout_ms: 2,
        });
        writer.headers([("g", b"h".as_slice())].into_iter());
        if moment == Moment::OriginResponse {
            writer.response(404, "Gone fishing");
            writer.headers([("i", b"j".as_slice())].into_iter());
            writer.body(EventBody::Hidden);
        }
        buffer
    }

    #[test]
    fn an_event_is_read_as_it_was_written() {
        for moment in [Moment::OriginRequest, Moment::OriginResponse] {
            let bytes = event(moment);
            let event = OriginEvent::read(&bytes).unwrap();
            assert_eq!((event.site, event.request_id, event.client_ip, event.moment()), ("www", "id", "192.0.2.7", moment));
            assert_eq!((event.method, event.uri, event.query), ("PUT", "/a", "b=c"));
            assert_eq!(event.headers, [("d", b"e".as_slice()), ("f", b"\xff".as_slice())]);
            assert_eq!(event.body, EventBody::Truncated(b"body"));
            let EventOrigin { id, host, port, tls, path, connect_timeout_ms, read_timeout_ms } = event.origin;
            assert_eq!((id, host, port, tls, path), ("o", "example.com", 443, true, "/x"));
            assert_eq!((connect_timeout_ms, read_timeout_ms, event.origin_headers), (1, 2, vec![("g", b"h".as_slice())]));
            let response = event.response.map(|response| (response.status, response.reason, response.headers));
            let expected = (404, "Gone fishing", vec![("i", b"j".as_slice())]);
            assert_eq!(response, (moment == Moment::OriginResponse).then_some(expected));
        }
        let whole = event(Moment::OriginRequest);
        assert!((0..whole.len()).all(|end| OriginEvent::read(&whole[..end]).is_none()));
        assert!(OriginEvent::read(&event(Moment::ViewerRequest)).is_none());
    }

    #[test]
    fn every_op_is_read_as_it_was_written() {
        let group =
            [&[1u8, 23, 1, 0, 0, 0][..], b"p", &[1, 0, 0, 0], b"s", &[2, 0], &500u16.to_le_bytes(), &503u16.to_le_bytes()];
        let group = group.concat();
        let ops = [
            Op::SetUri("/x"),
            Op::SetQuery("y=z"),
            Op::SetHeader { name: "a", value: b"\xff" },
            Op::AppendHeader { name: "a", value: b"" },
            Op::RemoveHeader { name: "b" },
            Op::Respond { status: 302, reason: "Found" },
            Op::SetStatus { status: 599, reason: "" },
            Op::SetBody(b"\0\xff"),
            Op::SelectOrigin { id: "o" },
            Op::OriginAddress { host: "example.com", port: 8443, tls: true },
            Op::OriginPath("/p"),
            Op::OriginHostHeader("h"),
            Op::OriginHeader { name: "c", value: b"d" },
            Op::ClearOriginHeaders,
            Op::OriginTimeouts { connect_ms: 1, read_ms: 70_000, attempts: 3 },
            Ops::parse(&group).unwrap().next().unwrap().unwrap(),
            Op::Failed("why"),
            Op::Invalid("é"),
        ];
        let mut writer = AnswerWriter::begin();
        ops.iter().for_each(|op| writer.op(op));
        let answer = writer.finish();
        let read: Vec<_> = Ops::parse(&answer).unwrap().map(Result::unwrap).collect();
        assert_eq!(read, ops);
        assert_eq!(AnswerWriter::only(&ops[15]), group);
    }
}
