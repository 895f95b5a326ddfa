//! The two byte strings of a hook call, as `docs/abi.md` lays them out.
//!
//! `EventWriter` appends to a buffer that the caller keeps, so that a warm call allocates nothing.
//! `Ops` reads a reply without copying. It checks the form only (lengths, codes, UTF-8 where text is
//! needed); `edge::hook` decides what a moment allows.

pub mod guest_side;
pub mod header_rules;

use std::fmt;

use crate::failure::Failure;
use crate::limits;

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[repr(u8)]
pub enum Moment {
    ViewerRequest = 0,
    OriginRequest = 1,
    OriginResponse = 2,
    ViewerResponse = 3,
}

impl Moment {
    pub const ALL: [Moment; 4] = [Moment::ViewerRequest, Moment::OriginRequest, Moment::OriginResponse, Moment::ViewerResponse];

    /// The name in WIT, in CloudFront's `eventType`, in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Moment::ViewerRequest => "viewer-request",
            Moment::OriginRequest => "origin-request",
            Moment::OriginResponse => "origin-response",
            Moment::ViewerResponse => "viewer-response",
        }
    }

    pub fn is_viewer(self) -> bool {
        matches!(self, Moment::ViewerRequest | Moment::ViewerResponse)
    }

    pub fn is_request(self) -> bool {
        matches!(self, Moment::ViewerRequest | Moment::OriginRequest)
    }
}

const VERSION: u8 = 1;
const FAILED: u8 = 32;
const INVALID: u8 = 33;

/// What an answer says that reports a failure instead of giving edits. Seldom asked for more than one byte.
pub fn reported(answer: &[u8]) -> Option<Failure> {
    let [_, FAILED | INVALID, ..] = answer else { return None };
    let kept = |message: &str| message[..message.floor_char_boundary(limits::host::REPORT_BYTES)].to_owned();
    match Ops::parse(answer).ok()?.next()? {
        Ok(Op::Failed(message)) => Some(Failure::Guest(kept(message))),
        Ok(Op::Invalid(message)) => Some(Failure::BadReply(kept(message))),
        _ => None,
    }
}

/// What a hook sees of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventBody<'a> {
    Hidden,
    Whole(&'a [u8]),
    Truncated(&'a [u8]),
}

/// The origin as an origin hook sees it.
#[derive(Debug, Clone, Copy)]
pub struct EventOrigin<'a> {
    pub id: &'a str,
    pub host: &'a str,
    pub port: u16,
    pub tls: bool,
    pub path: &'a str,
    pub connect_timeout_ms: u32,
    pub read_timeout_ms: u32,
}

/// What an event says of the call itself.
#[derive(Debug, Clone, Copy)]
pub struct EventHeader<'a> {
    pub moment: Moment,
    /// Whether the request has a query string, even an empty one.
    pub has_query: bool,
    pub site: &'a str,
    pub request_id: &'a str,
    pub client_ip: &'a str,
    pub edge_location: &'a str,
}

/// Appends an event to a buffer, in the order of the layout:
/// `begin`, `request`, `headers`, `body`, then `origin` + `headers`, then `response`, `headers`, `body`.
pub struct EventWriter<'a> {
    buffer: &'a mut Vec<u8>,
}

impl<'a> EventWriter<'a> {
    /// Clears the buffer and writes the context.
    pub fn begin(buffer: &'a mut Vec<u8>, context: &EventHeader<'_>) -> Self {
        let EventHeader { moment, has_query, site, request_id, client_ip, edge_location } = *context;
        buffer.clear();
        buffer.extend_from_slice(&[VERSION, moment as u8, u8::from(has_query), 0]);
        let mut writer = EventWriter { buffer };
        for text in [site, request_id, client_ip, edge_location] {
            writer.string(text.as_bytes());
        }
        writer
    }

    /// Continues an event that was begun before.
    pub fn resume(buffer: &'a mut Vec<u8>) -> Self {
        EventWriter { buffer }
    }

    pub fn request(&mut self, method: &str, uri: &str, query: &str) {
        self.string(method.as_bytes());
        self.string(uri.as_bytes());
        self.string(query.as_bytes());
    }

    /// At most 65,535 headers; more than that cannot arrive (`limits::request::HEADERS`).
    pub fn headers<'h>(&mut self, headers: impl Iterator<Item = (&'h str, &'h [u8])>) {
        let at = self.buffer.len();
        self.buffer.extend_from_slice(&[0, 0]);
        let mut count: u16 = 0;
        for (name, value) in headers {
            self.string(name.as_bytes());
            self.string(value);
            count = count.saturating_add(1);
        }
        self.buffer[at..at + 2].copy_from_slice(&count.to_le_bytes());
    }

    pub fn body(&mut self, body: EventBody<'_>) {
        let (kind, data): (u8, &[u8]) = match body {
            EventBody::Hidden => (0, &[]),
            EventBody::Whole(data) => (1, data),
            EventBody::Truncated(data) => (2, data),
        };
        self.buffer.push(kind);
        self.string(data);
    }

    /// `headers` must follow.
    pub fn origin(&mut self, origin: &EventOrigin<'_>) {
        self.string(origin.id.as_bytes());
        self.string(origin.host.as_bytes());
        self.buffer.extend_from_slice(&origin.port.to_le_bytes());
        self.buffer.push(u8::from(origin.tls));
        self.string(origin.path.as_bytes());
        self.buffer.extend_from_slice(&origin.connect_timeout_ms.to_le_bytes());
        self.buffer.extend_from_slice(&origin.read_timeout_ms.to_le_bytes());
    }

    /// `headers` and `body` must follow.
    pub fn response(&mut self, status: u16, reason: &str) {
        self.buffer.extend_from_slice(&status.to_le_bytes());
        self.string(reason.as_bytes());
    }

    #[expect(clippy::cast_possible_truncation, reason = "heads and bodies are limited far below 4 GiB")]
    fn string(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.buffer.extend_from_slice(bytes);
    }
}

/// One edit in a reply. `docs/abi.md` has the meanings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op<'a> {
    SetUri(&'a str),
    SetQuery(&'a str),
    SetHeader { name: &'a str, value: &'a [u8] },
    AppendHeader { name: &'a str, value: &'a [u8] },
    RemoveHeader { name: &'a str },
    Respond { status: u16, reason: &'a str },
    SetStatus { status: u16, reason: &'a str },
    SetBody(&'a [u8]),
    SelectOrigin { id: &'a str },
    OriginAddress { host: &'a str, port: u16, tls: bool },
    OriginPath(&'a str),
    OriginHostHeader(&'a str),
    OriginHeader { name: &'a str, value: &'a [u8] },
    ClearOriginHeaders,
    OriginTimeouts { connect_ms: u32, read_ms: u32, attempts: u8 },
    OriginGroup { primary: &'a str, secondary: &'a str, statuses: Statuses<'a> },
    Failed(&'a str),
    Invalid(&'a str),
}

/// A list of at most 16 u16 in a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statuses<'a>(&'a [u8]);

impl Statuses<'_> {
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
    }
}

/// A reply that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    /// Byte offset in the reply.
    pub at: usize,
    pub why: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "answer cannot be read at byte {}: {}", self.at, self.why)
    }
}

impl std::error::Error for Malformed {}

/// Reads the ops of a reply in order; ends after the first error.
pub struct Ops<'a> {
    answer: &'a [u8],
    at: usize,
}

impl<'a> Ops<'a> {
    pub fn parse(answer: &'a [u8]) -> Result<Ops<'a>, Malformed> {
        match answer.first() {
            Some(&VERSION) => Ok(Ops { answer, at: 1 }),
            Some(_) => Err(Malformed { at: 0, why: "version is not 1" }),
            None => Err(Malformed { at: 0, why: "empty; the least is the version byte 1" }),
        }
    }

    fn op(&mut self) -> Result<Op<'a>, Malformed> {
        let start = self.at;
        Ok(match self.u8()? {
            1 => Op::SetUri(self.text()?),
            2 => Op::SetQuery(self.text()?),
            3 => Op::SetHeader { name: self.text()?, value: self.bytes()? },
            4 => Op::AppendHeader { name: self.text()?, value: self.bytes()? },
            5 => Op::RemoveHeader { name: self.text()? },
            6 => Op::Respond { status: self.u16()?, reason: self.text()? },
            7 => Op::SetStatus { status: self.u16()?, reason: self.text()? },
            8 => Op::SetBody(self.bytes()?),
            16 => Op::SelectOrigin { id: self.text()? },
            17 => Op::OriginAddress { host: self.text()?, port: self.u16()?, tls: self.u8()? != 0 },
            18 => Op::OriginPath(self.text()?),
            19 => Op::OriginHostHeader(self.text()?),
            20 => Op::OriginHeader { name: self.text()?, value: self.bytes()? },
            21 => Op::ClearOriginHeaders,
            22 => Op::OriginTimeouts { connect_ms: self.u32()?, read_ms: self.u32()?, attempts: self.u8()? },
            23 => {
                let (primary, secondary) = (self.text()?, self.text()?);
                let at = self.at;
                let count = usize::from(self.u16()?);
                if count > 16 {
                    return Err(Malformed { at, why: "more than 16 statuses in an origin group" });
                }
                Op::OriginGroup { primary, secondary, statuses: Statuses(self.take(count * 2)?) }
            }
            FAILED => Op::Failed(self.text()?),
            INVALID => Op::Invalid(self.text()?),
            _ => return Err(Malformed { at: start, why: "unknown op code" }),
        })
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(n).filter(|&end| end <= self.answer.len());
        let end = end.ok_or(Malformed { at: self.at, why: "ends in the middle of an op" })?;
        let taken = &self.answer[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        let b = self.take(2)?;
        Ok(u16::from_le_bytes([b[0], b[1]]))
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        let b = self.take(4)?;
        Ok(u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let n = self.u32()? as usize;
        self.take(n)
    }

    fn text(&mut self) -> Result<&'a str, Malformed> {
        let at = self.at;
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed { at, why: "text is not UTF-8" })
    }
}

impl<'a> Iterator for Ops<'a> {
    type Item = Result<Op<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.answer.len() {
            return None;
        }
        let op = self.op();
        if op.is_err() {
            self.at = self.answer.len();
        }
        Some(op)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_the_version_alone_has_no_ops() {
        assert_eq!(Ops::parse(&[1]).unwrap().count(), 0);
    }

    #[test]
    fn ops_are_read_in_order() {
        let answer = [&[1u8, 1][..], &2u32.to_le_bytes(), b"/x", &[7, 200, 0], &2u32.to_le_bytes(), b"OK"].concat();
        let ops: Vec<_> = Ops::parse(&answer).unwrap().map(Result::unwrap).collect();
        assert_eq!(ops, [Op::SetUri("/x"), Op::SetStatus { status: 200, reason: "OK" }]);
    }

    #[test]
    fn an_answer_that_begins_with_a_failure_is_one() {
        let answer = |code: u8| [&[1u8, code][..], &3u32.to_le_bytes(), b"why"].concat();
        assert!(matches!(reported(&answer(32)), Some(Failure::Guest(why)) if why == "why"));
        assert!(matches!(reported(&answer(33)), Some(Failure::BadReply(why)) if why == "why"));
        assert!(reported(&answer(1)).is_none() && reported(&[1]).is_none());
        assert!(reported(&answer(32)[..8]).is_none(), "it is malformed, which is told elsewhere");
    }

    #[test]
    fn lengths_beyond_the_end_are_an_error_and_the_end() {
        let answer = [&[1u8, 1][..], &u32::MAX.to_le_bytes(), b"/x"].concat();
        let mut ops = Ops::parse(&answer).unwrap();
        assert_eq!(ops.next().unwrap().unwrap_err().at, 6);
        assert!(ops.next().is_none());
    }
}
