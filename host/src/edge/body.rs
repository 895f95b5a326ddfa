//! Bodies on their way to a client or an origin, without boxes on the common ways.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use super::origin::OriginBody;
use crate::function::revision::StreamBody;
use crate::telemetry::AccessEntry;

/// See the module.
pub struct Body {
    kind: Kind,
    /// Written when the body has ended, or was given up.
    access: Option<Box<AccessEntry>>,
}

enum Kind {
    Empty,
    Full(Bytes),
    Incoming(Incoming),
    Origin(Box<OriginBody>),
    Stream(StreamBody),
}

impl Body {
    pub fn empty() -> Body {
        Body { kind: Kind::Empty, access: None }
    }

    pub fn full(bytes: Bytes) -> Body {
        Body { kind: if bytes.is_empty() { Kind::Empty } else { Kind::Full(bytes) }, access: None }
    }

    pub fn incoming(body: Incoming) -> Body {
        use http_body::Body as _;
        Body { kind: if body.is_end_stream() { Kind::Empty } else { Kind::Incoming(body) }, access: None }
    }

    pub(super) fn origin(body: Box<OriginBody>) -> Body {
        Body { kind: Kind::Origin(body), access: None }
    }

    pub fn stream(body: StreamBody) -> Body {
        Body { kind: Kind::Stream(body), access: None }
    }

    /// Whether there is certainly nothing in it.
    pub fn is_empty(&self) -> bool {
        matches!(self.kind, Kind::Empty)
    }

    pub(super) fn log_to(&mut self, access: Box<AccessEntry>) {
        self.access = Some(access);
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = anyhow::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, anyhow::Error>>> {
        let this = &mut *self;
        let frame = match &mut this.kind {
            Kind::Empty => Poll::Ready(None),
            Kind::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                this.kind = Kind::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Kind::Incoming(body) => Pin::new(body).poll_frame(cx).map_err(anyhow::Error::from),
            Kind::Origin(body) => body.poll_frame(cx),
            Kind::Stream(body) => Pin::new(body).poll_frame(cx),
        };
        if let (Some(access), Poll::Ready(Some(frame))) = (&mut this.access, &frame) {
            match frame {
                Ok(frame) => access.sent(frame.data_ref().map_or(0, Bytes::len)),
                Err(_) => access.cut(),
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty => true,
            Kind::Full(_) => false,
            Kind::Incoming(body) => body.is_end_stream(),
            Kind::Origin(body) => body.is_end_stream(),
            Kind::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Incoming(body) => body.size_hint(),
            Kind::Origin(body) => body.size_hint(),
            Kind::Stream(body) => body.size_hint(),
        }
    }
}
