//! Runs a handler in a unit test, without a host: `cargo test` on the author's machine.
//!
//! ```
//! use edgeward_sdk::testing::Case;
//! use edgeward_sdk::Request;
//!
//! fn handle(req: &mut Request) {
//!     req.set_uri(["/v2", req.uri()]);
//! }
//!
//! let outcome = Case::request("GET", "/x?y").run(handle);
//! assert_eq!(outcome.uri(), Some("/v2/x"));
//! ```
//!
//! I keep the rules of no moment: the host does, and `edgeward test` shows them.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::answer::Answer;
use crate::event::Event;
use crate::read::Cursor;
use crate::{Flow, Request, Response};

thread_local! {
    static STORE: RefCell<BTreeMap<String, Vec<u8>>> = RefCell::default();
    static LOG: RefCell<Vec<String>> = RefCell::default();
}

pub(crate) fn log(text: &str) {
    LOG.with_borrow_mut(|log| log.push(text.to_owned()));
}

pub(crate) fn value(key: &str) -> Option<Vec<u8>> {
    STORE.with_borrow(|store| store.get(key).cloned())
}

pub(crate) fn count() -> u32 {
    STORE.with_borrow(|store| store.len() as u32)
}

/// An event that is put together for a test.
#[derive(Debug, Clone, Default)]
pub struct Case {
    method: String,
    uri: String,
    query: Option<String>,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    origin: bool,
    response: Option<(u16, Vec<(String, String)>, Option<Vec<u8>>)>,
    store: BTreeMap<String, Vec<u8>>,
}

impl Case {
    /// A request; `url` is a path, and a query after `?`.
    pub fn request(method: &str, url: &str) -> Case {
        let (uri, query) = url.split_once('?').map_or((url, None), |(uri, query)| (uri, Some(query)));
        Case { method: method.into(), uri: uri.into(), query: query.map(Into::into), ..Case::default() }
    }

    /// Adds a header to the request.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Case {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Shows the hook a body of the request.
    #[must_use]
    pub fn body(mut self, body: &[u8]) -> Case {
        self.body = Some(body.into());
        self
    }

    /// Makes it an origin moment, with an origin `example` at `origin.example:80`.
    #[must_use]
    pub fn at_origin(mut self) -> Case {
        self.origin = true;
        self
    }

    /// Makes it a response moment.
    #[must_use]
    pub fn response(mut self, status: u16, headers: &[(&str, &str)], body: Option<&[u8]>) -> Case {
        let headers = headers.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        self.response = Some((status, headers, body.map(Into::into)));
        self
    }

    /// Puts a key into the key-value store.
    #[must_use]
    pub fn value(mut self, key: &str, value: &str) -> Case {
        self.store.insert(key.into(), value.into());
        self
    }

    /// Runs a request hook.
    pub fn run<F: Into<Flow>>(&self, handler: impl FnOnce(&mut Request<'_>) -> F) -> Outcome {
        self.with(|event, answer| {
            let flow = handler(&mut Request::new(event, answer)).into();
            if let Flow::Respond(reply) = flow {
                *answer = reply.into_answer();
            }
        })
    }

    /// Runs a response hook.
    pub fn run_response(&self, handler: impl FnOnce(&mut Response<'_>)) -> Outcome {
        self.with(|event, answer| handler(&mut Response::new(event, answer)))
    }

    fn with(&self, run: impl FnOnce(Event<'_>, &mut Answer)) -> Outcome {
        STORE.set(self.store.clone());
        LOG.take();
        let bytes = self.event();
        let mut answer = Answer::unallocated();
        answer.begin();
        run(Event::new(&bytes), &mut answer);
        Outcome { answer: answer.bytes().to_vec(), log: LOG.take() }
    }

    pub(crate) fn event(&self) -> Vec<u8> {
        let moment = match (&self.response, self.origin) {
            (None, false) => 0,
            (None, true) => 1,
            (Some(_), true) => 2,
            (Some(_), false) => 3,
        };
        let mut out = vec![1, moment, u8::from(self.query.is_some()), 0];
        for text in ["test", "0123456789", "192.0.2.1", "local", &self.method, &self.uri] {
            string(&mut out, text.as_bytes());
        }
        string(&mut out, self.query.as_deref().unwrap_or("").as_bytes());
        headers(&mut out, &self.headers);
        body(&mut out, self.body.as_deref());
        if self.origin {
            string(&mut out, b"example");
            string(&mut out, b"origin.example");
            out.extend(80u16.to_le_bytes());
            out.push(0);
            string(&mut out, b"");
            out.extend(10_000u32.to_le_bytes());
            out.extend(30_000u32.to_le_bytes());
            headers(&mut out, &[]);
        }
        if let Some((status, fields, data)) = &self.response {
            out.extend(status.to_le_bytes());
            string(&mut out, b"");
            headers(&mut out, fields);
            body(&mut out, data.as_deref());
        }
        out
    }
}

fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u32).to_le_bytes());
    out.extend(bytes);
}

fn headers(out: &mut Vec<u8>, headers: &[(String, String)]) {
    out.extend((headers.len() as u16).to_le_bytes());
    for (name, value) in headers {
        string(out, name.as_bytes());
        string(out, value.as_bytes());
    }
}

fn body(out: &mut Vec<u8>, body: Option<&[u8]>) {
    out.push(u8::from(body.is_some()));
    string(out, body.unwrap_or_default());
}

/// What a handler asked for.
#[derive(Debug)]
pub struct Outcome {
    answer: Vec<u8>,
    log: Vec<String>,
}

/// One edit, readable.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "docs/abi.md has them")]
pub enum Op {
    SetUri(String),
    SetQuery(String),
    SetHeader(String, String),
    AppendHeader(String, String),
    RemoveHeader(String),
    Respond(u16, String),
    SetStatus(u16, String),
    SetBody(Vec<u8>),
    SelectOrigin(String),
    OriginAddress(String, u16, bool),
    OriginPath(String),
    OriginHostHeader(String),
    OriginHeader(String, String),
    ClearOriginHeaders,
    OriginTimeouts(u32, u32, u8),
    OriginGroup(String, String, Vec<u16>),
}

impl Outcome {
    /// All edits, in order.
    pub fn ops(&self) -> Vec<Op> {
        let mut cursor = Cursor(&self.answer);
        assert_eq!(cursor.u8(), 1, "version");
        let mut ops = Vec::new();
        while !cursor.0.is_empty() {
            ops.push(op(&mut cursor));
        }
        ops
    }

    /// The new path, if one was set.
    pub fn uri(&self) -> Option<&str> {
        self.last(1)
    }

    /// The new query string, if one was set.
    pub fn query(&self) -> Option<&str> {
        self.last(2)
    }

    /// The status of a generated response, or the new status.
    pub fn status(&self) -> Option<u16> {
        self.ops().into_iter().rev().find_map(|op| match op {
            Op::Respond(status, _) | Op::SetStatus(status, _) => Some(status),
            _ => None,
        })
    }

    /// The last value that was set or added for a header.
    pub fn header(&self, name: &str) -> Option<String> {
        self.ops().into_iter().rev().find_map(|op| match op {
            Op::SetHeader(each, value) | Op::AppendHeader(each, value) if each == name => Some(value),
            _ => None,
        })
    }

    /// The new body, or that of the generated response.
    pub fn body(&self) -> Option<Vec<u8>> {
        self.ops().into_iter().rev().find_map(|op| match op {
            Op::SetBody(body) => Some(body),
            _ => None,
        })
    }

    /// Lines written to the log.
    pub fn log(&self) -> &[String] {
        &self.log
    }

    fn last(&self, code: u8) -> Option<&str> {
        let mut cursor = Cursor(&self.answer);
        cursor.u8();
        let mut found = None;
        while let Some(&next) = cursor.0.first() {
            let mut ahead = cursor;
            ahead.u8();
            op(&mut cursor);
            if next == code {
                found = Some(ahead.text());
            }
        }
        found
    }
}

fn op(cursor: &mut Cursor<'_>) -> Op {
    fn text(cursor: &mut Cursor<'_>) -> String {
        cursor.text().to_owned()
    }
    match cursor.u8() {
        1 => Op::SetUri(text(cursor)),
        2 => Op::SetQuery(text(cursor)),
        3 => Op::SetHeader(text(cursor), text(cursor)),
        4 => Op::AppendHeader(text(cursor), text(cursor)),
        5 => Op::RemoveHeader(text(cursor)),
        6 => Op::Respond(cursor.u16(), text(cursor)),
        7 => Op::SetStatus(cursor.u16(), text(cursor)),
        8 => Op::SetBody(cursor.bytes().to_vec()),
        16 => Op::SelectOrigin(text(cursor)),
        17 => Op::OriginAddress(text(cursor), cursor.u16(), cursor.u8() != 0),
        18 => Op::OriginPath(text(cursor)),
        19 => Op::OriginHostHeader(text(cursor)),
        20 => Op::OriginHeader(text(cursor), text(cursor)),
        21 => Op::ClearOriginHeaders,
        22 => Op::OriginTimeouts(cursor.u32(), cursor.u32(), cursor.u8()),
        23 => {
            let (primary, secondary, count) = (text(cursor), text(cursor), cursor.u16());
            Op::OriginGroup(primary, secondary, (0..count).map(|_| cursor.u16()).collect())
        }
        code => panic!("op {code} is not in docs/abi.md"),
    }
}
