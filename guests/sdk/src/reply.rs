//! I am a response that a hook makes itself, and the decision to send it.

use crate::answer::{Answer, Code};
use crate::text::Text;

/// A response that is generated at the edge; the request goes no further.
#[derive(Debug)]
pub struct Reply(Answer);

impl Reply {
    /// A response with this status, no headers and no body.
    pub fn new(status: u16) -> Reply {
        Reply::with_reason(status, "")
    }

    /// As `new`, with a reason phrase of its own (HTTP/1.1 only).
    pub fn with_reason(status: u16, reason: &str) -> Reply {
        let mut answer = Answer::unallocated();
        answer.begin();
        answer.op(Code::Respond).u16(status).text(reason);
        Reply(answer)
    }

    /// Sends the client to another place, with 301, 302, 303, 307 or 308.
    pub fn redirect(status: u16, location: impl Text) -> Reply {
        Reply::new(status).header("location", location)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Text) -> Reply {
        self.0.op(Code::AppendHeader).text(name).text(value);
        self
    }

    /// Sets the body. The host adds `content-length`.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Reply {
        self.0.op(Code::SetBody).bytes_of(body.as_ref());
        self
    }

    #[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
    pub(crate) fn into_answer(self) -> Answer {
        self.0
    }
}

/// What becomes of a request. A handler may return anything that turns into it: `()`, a [`Reply`], an
/// `Option<Reply>`, or a `Result<(), Reply>` for checks that end with `?`.
#[derive(Debug)]
pub enum Flow {
    /// It goes on, with the edits made.
    Continue,
    /// It is answered here; the edits are forgotten.
    Respond(Reply),
}

impl From<()> for Flow {
    fn from((): ()) -> Flow {
        Flow::Continue
    }
}

impl From<Reply> for Flow {
    fn from(reply: Reply) -> Flow {
        Flow::Respond(reply)
    }
}

impl From<Option<Reply>> for Flow {
    fn from(reply: Option<Reply>) -> Flow {
        reply.map_or(Flow::Continue, Flow::Respond)
    }
}

impl<T: Into<Flow>> From<Result<T, Reply>> for Flow {
    fn from(result: Result<T, Reply>) -> Flow {
        result.map_or_else(Flow::Respond, Into::into)
    }
}
