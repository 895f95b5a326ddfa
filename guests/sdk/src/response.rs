//! I am a response on its way out: at the origin-response and the viewer-response moment.

use std::ops::Deref;

use crate::answer::{Answer, Code};
use crate::event::{Body, Event, Moment};
use crate::read::Headers;
use crate::request::Origin;
use crate::text::Text;

/// A response that a hook reads and edits, and, by `Deref` to [`Event`], the request it answers.
#[derive(Debug)]
pub struct Response<'a> {
    event: Event<'a>,
    answer: &'a mut Answer,
}

impl<'a> Deref for Response<'a> {
    type Target = Event<'a>;

    fn deref(&self) -> &Event<'a> {
        &self.event
    }
}

/// Where a response's parts begin.
struct Parts<'a> {
    status: u16,
    reason: &'a str,
    headers: Headers<'a>,
    body: Body<'a>,
}

impl<'a> Response<'a> {
    #[cfg_attr(target_arch = "wasm32", inline)]
    pub(crate) fn new(event: Event<'a>, answer: &'a mut Answer) -> Response<'a> {
        Response { event, answer }
    }

    fn parts(&self) -> Parts<'a> {
        let mut cursor = self.event.behind_request();
        if self.event.moment() == Moment::OriginResponse {
            Origin::read(&mut cursor);
        }
        Parts { status: cursor.u16(), reason: cursor.text(), headers: cursor.headers(), body: Body::read(&mut cursor) }
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.parts().status
    }

    /// The reason phrase; may be empty.
    pub fn reason(&self) -> &'a str {
        self.parts().reason
    }

    /// The response's headers, in order.
    pub fn headers(&self) -> Headers<'a> {
        self.parts().headers
    }

    /// The first value of a header of the response, by its name in lower case; None if it is not UTF-8.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers().value(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// What is shown of the body: to origin hooks, where the behavior says so.
    pub fn body(&self) -> Body<'a> {
        self.parts().body
    }

    /// The origin that answered; at the origin-response moment.
    pub fn origin(&self) -> Option<Origin<'a>> {
        (self.event.moment() == Moment::OriginResponse).then(|| Origin::read(&mut self.event.behind_request()))
    }

    /// Replaces the status; the reason phrase becomes the status's own.
    pub fn set_status(&mut self, status: u16) {
        self.answer.op(Code::SetStatus).u16(status).text("");
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

    /// Replaces the body.
    pub fn set_body(&mut self, body: impl AsRef<[u8]>) {
        self.answer.op(Code::SetBody).bytes_of(body.as_ref());
    }
}
