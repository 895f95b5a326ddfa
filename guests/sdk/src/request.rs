//! I am a request on its way in: at the viewer-request and the origin-request moment.

use std::ops::Deref;

use crate::answer::{Answer, Code};
use crate::event::{Body, Event, Moment};
use crate::read::{Cursor, Headers};
use crate::text::Text;

/// A request that a hook reads and edits. Reading is [`Event`]'s, and gives what arrived.
#[derive(Debug)]
pub struct Request<'a> {
    event: Event<'a>,
    answer: &'a mut Answer,
}

/// The origin that a request is about to be sent to.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// Its name in the configuration.
    pub id: &'a str,
    /// Where it is.
    pub host: &'a str,
    /// Where it is.
    pub port: u16,
    /// Whether it is reached over TLS.
    pub tls: bool,
    /// What is put before the path; `` or `/x`.
    pub path: &'a str,
    /// How long connecting may take.
    pub connect_timeout_ms: u32,
    /// How long a read may take.
    pub read_timeout_ms: u32,
    /// What the configuration adds to requests to it.
    pub headers: Headers<'a>,
}

impl<'a> Origin<'a> {
    pub(crate) fn read(cursor: &mut Cursor<'a>) -> Origin<'a> {
        Origin {
            id: cursor.text(),
            host: cursor.text(),
            port: cursor.u16(),
            tls: cursor.u8() != 0,
            path: cursor.text(),
            connect_timeout_ms: cursor.u32(),
            read_timeout_ms: cursor.u32(),
            headers: cursor.headers(),
        }
    }
}

impl<'a> Deref for Request<'a> {
    type Target = Event<'a>;

    fn deref(&self) -> &Event<'a> {
        &self.event
    }
}

impl<'a> Request<'a> {
    #[cfg_attr(target_arch = "wasm32", inline)]
    pub(crate) fn new(event: Event<'a>, answer: &'a mut Answer) -> Request<'a> {
        Request { event, answer }
    }

    /// The first value of a header, by its name in lower case; see [`Event::request_header`].
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.event.request_header(name)
    }

    /// The headers, in order.
    pub fn headers(&self) -> Headers<'a> {
        self.event.request_headers()
    }

    /// What is shown of the body: to origin hooks, where the behavior says so.
    pub fn body(&self) -> Body<'a> {
        self.event.request_body()
    }

    /// The origin; at the origin-request moment.
    pub fn origin(&self) -> Option<Origin<'a>> {
        (self.event.moment() == Moment::OriginRequest).then(|| Origin::read(&mut self.event.behind_request()))
    }

    /// Replaces the path. It begins with `/`.
    pub fn set_uri(&mut self, uri: impl Text) {
        self.answer.op(Code::SetUri).text(uri);
    }

    /// Replaces the query string, without `?`; an empty one removes it.
    pub fn set_query(&mut self, query: impl Text) {
        self.answer.op(Code::SetQuery).text(query);
    }

    /// Sets a header in place of all values it has.
    pub fn set_header(&mut self, name: &str, value: impl Text) {
        self.answer.op(Code::SetHeader).text(name).text(value);
    }

    /// Adds a value to a header.
    pub fn append_header(&mut self, name: &str, value: impl Text) {
        self.answer.op(Code::AppendHeader).text(name).text(value);
    }

    /// Removes a header.
    pub fn remove_header(&mut self, name: &str) {
        self.answer.op(Code::RemoveHeader).text(name);
    }

    /// Replaces the body; at the origin-request moment.
    pub fn set_body(&mut self, body: impl AsRef<[u8]>) {
        self.answer.op(Code::SetBody).bytes_of(body.as_ref());
    }

    /// Sends the request to the origin that the configuration gives this name; in viewer-request also
    /// to an origin group.
    pub fn select_origin(&mut self, id: &str) {
        self.answer.op(Code::SelectOrigin).text(id);
    }

    /// Sends the request to this host.
    pub fn set_origin_address(&mut self, host: impl Text, port: u16, tls: bool) {
        self.answer.op(Code::OriginAddress).text(host).u16(port).u8(u8::from(tls));
    }

    /// Puts a prefix before the path, at the origin only.
    pub fn set_origin_path(&mut self, path: impl Text) {
        self.answer.op(Code::OriginPath).text(path);
    }

    /// Sets the Host header that the origin sees.
    pub fn set_origin_host_header(&mut self, host: impl Text) {
        self.answer.op(Code::OriginHostHeader).text(host);
    }

    /// Adds a header for the origin only.
    pub fn add_origin_header(&mut self, name: &str, value: impl Text) {
        self.answer.op(Code::OriginHeader).text(name).text(value);
    }

    /// Drops the headers that the configuration adds for the origin.
    pub fn clear_origin_headers(&mut self) {
        self.answer.op(Code::ClearOriginHeaders);
    }

    /// Sets how long connecting and reading may take, and how often connecting is tried; 0 keeps what is
    /// configured.
    pub fn set_origin_timeouts(&mut self, connect_ms: u32, read_ms: u32, attempts: u8) {
        self.answer.op(Code::OriginTimeouts).u32(connect_ms).u32(read_ms).u8(attempts);
    }

    /// Tries a second origin where the first fails or answers with one of `statuses` (at most 16), for this
    /// request only.
    pub fn set_origin_group(&mut self, primary: &str, secondary: &str, statuses: &[u16]) {
        self.answer.op(Code::OriginGroup).text(primary).text(secondary).u16(statuses.len() as u16);
        for &status in statuses {
            self.answer.u16(status);
        }
    }
}
