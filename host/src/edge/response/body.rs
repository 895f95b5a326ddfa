//! The body that a client gets: content that counts, and that closes the request's record when it ends or is dropped.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, SizeHint};

use crate::edge::body::PolledFrame;
use crate::edge::body::content::Content;
use crate::edge::record::RequestRecord;

/// See the module.
pub struct ResponseBody {
    content: Content,
    /// `None` once it is closed, or when it goes on without this body.
    record: Option<Box<RequestRecord>>,
    /// Why the body ends too early, returned once what came before has had its turn to be written.
    broken: Option<anyhow::Error>,
}

impl ResponseBody {
    pub(crate) fn new(content: Content, record: Box<RequestRecord>) -> ResponseBody {
        ResponseBody { content, record: Some(record), broken: None }
    }

    /// For an answer whose record goes on without a body.
    pub(crate) fn empty() -> ResponseBody {
        ResponseBody { content: Content::Empty, record: None, broken: None }
    }

    /// The last byte has been handed over: a client that leaves now has got everything.
    fn ended(&mut self) {
        if let Some(mut record) = self.record.take() {
            record.complete();
        }
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = anyhow::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> PolledFrame {
        let this = &mut *self;
        if let Some(error) = this.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let polled = ready!(Pin::new(&mut this.content).poll_frame(cx));
        match &polled {
            Some(Ok(frame)) => {
                if let (Some(record), Some(data)) = (&mut this.record, frame.data_ref()) {
                    record.sent(data.len());
                }
                // hyper does not poll again once a body says that it has ended.
                if this.content.is_end_stream() {
                    this.ended();
                }
            }
            Some(Err(error)) => {
                if let Some(record) = &mut this.record {
                    record.broke(error);
                }
            }
            None => this.ended(),
        }
        if let Some(Err(error)) = polled {
            // On an error hyper closes at once and drops what it has not written, even the head: a client would see no
            // answer at all. It writes when a body is pending.
            this.broken = Some(error);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        // A body without content (HEAD, 304, a redirect) is never polled.
        if self.content.is_end_stream() {
            self.ended();
        }
    }
}
