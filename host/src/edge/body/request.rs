//! The body of a request on its way to an origin.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::edge::body::PolledFrame;
use crate::edge::body::peek::{BodyPreview, Joined, PeekError, peek};
use crate::edge::request::header_rules::clean_trailers;
use crate::function::call::StreamBody;
use crate::net::{Pace, SteadyBody};

/// Where the bytes of a request's body come from; an enum, so that a request boxes nothing.
pub(crate) enum RequestBody {
    Empty,
    /// A hook has replaced it.
    Full(Bytes),
    Viewer(SteadyBody),
    /// A hook has seen its beginning.
    Joined(Box<Joined<RequestBody>>),
    Watched(Box<Watched>),
}

/// A body that shows how it progresses to whoever waits for what it is sent to.
pub(crate) struct Watched {
    body: RequestBody,
    progress: Arc<Progress>,
}

/// What is known of a body that somebody else is sending.
#[derive(Default)]
pub(crate) struct Progress {
    moves: AtomicU32,
    awaited: AtomicBool,
    failed: Mutex<Option<PeekError>>,
}

impl Progress {
    /// Changes whenever a part of the body is taken.
    pub(crate) fn moves(&self) -> u32 {
        self.moves.load(Relaxed)
    }

    /// Whether the next part was asked for and has not come. The receiver has nothing to do until it comes.
    pub(crate) fn is_awaited(&self) -> bool {
        self.awaited.load(Relaxed)
    }

    /// Why the body broke off, returned once. The receiver is not to blame for what came of that.
    pub(crate) fn take_failure(&self) -> Option<PeekError> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn fail(&self, error: anyhow::Error) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(PeekError::of(error));
    }
}

impl RequestBody {
    pub(crate) fn viewer(incoming: Incoming, pace: Pace) -> RequestBody {
        if incoming.is_end_stream() { RequestBody::Empty } else { RequestBody::Viewer(SteadyBody::new(incoming, pace)) }
    }

    pub(crate) fn full(bytes: Bytes) -> RequestBody {
        if bytes.is_empty() { RequestBody::Empty } else { RequestBody::Full(bytes) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, RequestBody::Empty)
    }

    pub(crate) fn watched(self, progress: Arc<Progress>) -> RequestBody {
        RequestBody::Watched(Box::new(Watched { body: self, progress }))
    }

    /// For a component; boxed, because its type may not name ours.
    pub(crate) fn into_stream(self) -> StreamBody {
        self.boxed_unsync()
    }

    /// Reads the first `most` bytes; all of them stay in the body.
    pub(crate) async fn peek(&mut self, most: usize) -> Result<BodyPreview, PeekError> {
        let (preview, whole) = peek(std::mem::replace(self, RequestBody::Empty), most).await?;
        *self = whole.map_or(RequestBody::Empty, RequestBody::Joined);
        Ok(preview)
    }
}

impl Watched {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> PolledFrame {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.progress.awaited.store(polled.is_pending(), Relaxed);
        let frame = ready!(polled);
        self.progress.moves.fetch_add(1, Relaxed);
        Poll::Ready(frame.map(|frame| {
            frame.map_err(|error| {
                self.progress.fail(error);
                anyhow::anyhow!("the body to be sent broke off")
            })
        }))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = anyhow::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> PolledFrame {
        match &mut *self {
            RequestBody::Empty => Poll::Ready(None),
            RequestBody::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = RequestBody::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            RequestBody::Viewer(incoming) => {
                let frame = ready!(Pin::new(incoming).poll_frame(cx).map_err(anyhow::Error::new));
                Poll::Ready(frame.map(|frame| frame.map(clean_trailers)))
            }
            RequestBody::Joined(joined) => joined.poll_frame(cx),
            RequestBody::Watched(watched) => watched.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            RequestBody::Empty => true,
            RequestBody::Full(_) => false,
            RequestBody::Viewer(incoming) => incoming.is_end_stream(),
            RequestBody::Joined(joined) => joined.is_end_stream(),
            RequestBody::Watched(watched) => watched.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            RequestBody::Empty => SizeHint::with_exact(0),
            RequestBody::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            RequestBody::Viewer(incoming) => incoming.size_hint(),
            RequestBody::Joined(joined) => joined.size_hint(),
            RequestBody::Watched(watched) => watched.body.size_hint(),
        }
    }
}
