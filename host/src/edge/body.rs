//! Bodies on their way through: from a client to an origin, and back.
//!
//! `Content` is where the bytes come from; an enum, so that a request boxes nothing. `Body` is what a
//! client gets: `Content` that counts, and that closes the request's record when it ends or is dropped.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::cache::HitBody;
use crate::edge::caching::compress::Compressed;
use crate::edge::header::retain_trailers;
use crate::edge::hook::Shown;
use crate::edge::origin::folder::FileContent;
use crate::edge::origin::upstream::Upstream;
use crate::edge::record::Record;
use crate::edge::tunnel::Switched;
use crate::function::revision::StreamBody;
use crate::limits;
use crate::net::{Pace, RequestBodyError, SteadyBody};

type Polled = Poll<Option<Result<Frame<Bytes>, anyhow::Error>>>;

/// What a client gets.
pub struct Body {
    content: Content,
    record: Option<Box<Record>>,
    /// Why it ends too early, told when what came before has had its turn to be written.
    broken: Option<anyhow::Error>,
}

impl Body {
    pub(crate) fn new(content: Content, record: Box<Record>) -> Body {
        Body { content, record: Some(record), broken: None }
    }

    /// Of an answer whose record goes on without it.
    pub(crate) fn empty() -> Body {
        Body { content: Content::Empty, record: None, broken: None }
    }

    /// The last byte has been handed over: what follows is not the client's fault any more.
    fn ended(&mut self) {
        if let Some(mut record) = self.record.take() {
            record.complete();
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = anyhow::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
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
                // hyper does not ask again once a body says that it is over.
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
            // hyper closes at once on an error, and drops what it has not written, be it the head: a client would take that
            // for no answer at all. It writes when a body has nothing to give.
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

impl Drop for Body {
    fn drop(&mut self) {
        // A body that had nothing to say (HEAD, 304, a redirect) is never polled.
        if self.content.is_end_stream() {
            self.ended();
        }
    }
}

/// Where a body's bytes come from.
pub(crate) enum Content {
    Empty,
    Full(Bytes),
    Viewer(SteadyBody),
    Upstream(Upstream),
    File(FileContent),
    Stream(StreamBody),
    Stored(HitBody),
    Compressed(Box<Compressed>),
    /// One after the other.
    Sequence(VecDeque<Content>),
    Joined(Box<Joined>),
    Watched(Box<Watched>),
    /// No body at all: the origin has switched protocols, and this is what its connection has become.
    Switched(Box<Switched>),
}

/// Frames that a hook has seen, and the rest that it has not.
pub(crate) struct Joined {
    seen: VecDeque<Frame<Bytes>>,
    rest: Content,
}

/// Content that shows another party that it moves.
pub(crate) struct Watched {
    content: Content,
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
    /// Changes whenever a part of it was taken.
    pub(crate) fn moves(&self) -> u32 {
        self.moves.load(Relaxed)
    }

    /// Whether its next part was asked for and is not here. What it is sent to has nothing to do until it is.
    pub(crate) fn is_awaited(&self) -> bool {
        self.awaited.load(Relaxed)
    }

    /// Why it did not come to its end, told once. Whoever was sent it is not to blame for what came of that.
    pub(crate) fn take_failure(&self) -> Option<PeekError> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn fail(&self, error: anyhow::Error) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(PeekError::of(error));
    }
}

/// Why the beginning of a body could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeekError {
    #[error("no byte of the body came within {} ms", limits::origin::BODY_READ_TIMEOUT_MS)]
    Timeout,
    #[error("the body broke off: {0:#}")]
    Broken(anyhow::Error),
}

impl PeekError {
    /// A client that stalls runs out of the body's own patience, which is as long as ours.
    fn of(error: anyhow::Error) -> PeekError {
        match error.downcast_ref::<RequestBodyError>() {
            Some(RequestBodyError::Stalled(_) | RequestBodyError::Slow(_)) => PeekError::Timeout,
            _ => PeekError::Broken(error),
        }
    }
}

impl Content {
    pub(crate) fn viewer(incoming: Incoming, pace: Pace) -> Content {
        if incoming.is_end_stream() { Content::Empty } else { Content::Viewer(SteadyBody::new(incoming, pace)) }
    }

    pub(crate) fn full(bytes: Bytes) -> Content {
        if bytes.is_empty() { Content::Empty } else { Content::Full(bytes) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Content::Empty)
    }

    pub(crate) fn watched(self, progress: Arc<Progress>) -> Content {
        Content::Watched(Box::new(Watched { content: self, progress }))
    }

    /// For a component; boxed, because its type may not name ours.
    pub(crate) fn into_stream(self) -> StreamBody {
        match self {
            Content::Stream(stream) => stream,
            content => content.boxed_unsync(),
        }
    }

    /// Reads the first `most` bytes; all of them stay in the content.
    pub(crate) async fn peek(&mut self, most: usize) -> Result<Shown, PeekError> {
        let mut shown = Shown { data: Vec::new(), truncated: false };
        let mut seen = VecDeque::new();
        let mut rest = std::mem::replace(self, Content::Empty);
        let timeout = Duration::from_millis(limits::origin::BODY_READ_TIMEOUT_MS);
        while !rest.is_end_stream() && !shown.truncated {
            let frame = match tokio::time::timeout(timeout, rest.frame()).await {
                Err(_) => return Err(PeekError::Timeout),
                Ok(None) => break,
                Ok(Some(frame)) => frame.map_err(PeekError::of)?,
            };
            if let Some(data) = frame.data_ref() {
                let taken = data.len().min(most - shown.data.len());
                shown.data.extend_from_slice(&data[..taken]);
                shown.truncated = taken < data.len();
            }
            seen.push_back(frame);
        }
        let ended = rest.is_end_stream();
        *self = if seen.is_empty() && ended { Content::Empty } else { Content::Joined(Box::new(Joined { seen, rest })) };
        Ok(shown)
    }
}

/// Of trailers, what may pass.
fn clean(mut frame: Frame<Bytes>) -> Frame<Bytes> {
    if let Some(trailers) = frame.trailers_mut() {
        retain_trailers(trailers);
    }
    frame
}

impl HttpBody for Content {
    type Data = Bytes;
    type Error = anyhow::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        match &mut *self {
            Content::Empty | Content::Switched(_) => Poll::Ready(None),
            Content::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Content::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Content::Viewer(incoming) => {
                let frame = ready!(Pin::new(incoming).poll_frame(cx).map_err(anyhow::Error::new));
                Poll::Ready(frame.map(|frame| frame.map(clean)))
            }
            Content::Upstream(upstream) => {
                let frame = ready!(upstream.poll_frame(cx));
                Poll::Ready(frame.map(|frame| frame.map(clean)))
            }
            Content::File(file) => file.poll_frame(cx),
            Content::Stream(stream) => {
                let frame = ready!(Pin::new(stream).poll_frame(cx));
                Poll::Ready(frame.map(|frame| frame.map(clean)))
            }
            Content::Stored(stored) => Pin::new(stored).poll_frame(cx).map_err(anyhow::Error::new),
            Content::Compressed(compressed) => compressed.poll_frame(cx),
            Content::Sequence(contents) => {
                while let Some(content) = contents.front_mut() {
                    match ready!(Pin::new(content).poll_frame(cx)) {
                        None => drop(contents.pop_front()),
                        frame => return Poll::Ready(frame),
                    }
                }
                Poll::Ready(None)
            }
            Content::Joined(joined) => match joined.seen.pop_front() {
                Some(frame) => Poll::Ready(Some(Ok(frame))),
                None => Pin::new(&mut joined.rest).poll_frame(cx),
            },
            Content::Watched(watched) => {
                let polled = Pin::new(&mut watched.content).poll_frame(cx);
                watched.progress.awaited.store(polled.is_pending(), Relaxed);
                let frame = ready!(polled);
                watched.progress.moves.fetch_add(1, Relaxed);
                Poll::Ready(frame.map(|frame| {
                    frame.map_err(|error| {
                        watched.progress.fail(error);
                        anyhow::anyhow!("the body to be sent broke off")
                    })
                }))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Content::Empty | Content::Switched(_) => true,
            Content::Full(_) => false,
            Content::Viewer(incoming) => incoming.is_end_stream(),
            Content::Upstream(upstream) => upstream.is_end_stream(),
            Content::File(file) => file.remaining() == 0,
            Content::Stream(stream) => stream.is_end_stream(),
            Content::Stored(stored) => stored.is_end_stream(),
            Content::Compressed(compressed) => compressed.is_end_stream(),
            Content::Sequence(contents) => contents.iter().all(Content::is_end_stream),
            Content::Joined(joined) => joined.seen.is_empty() && joined.rest.is_end_stream(),
            Content::Watched(watched) => watched.content.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Content::Empty | Content::Switched(_) => SizeHint::with_exact(0),
            Content::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Viewer(incoming) => incoming.size_hint(),
            Content::Upstream(upstream) => upstream.size_hint(),
            Content::File(file) => SizeHint::with_exact(file.remaining()),
            Content::Stream(stream) => stream.size_hint(),
            Content::Stored(stored) => stored.size_hint(),
            Content::Compressed(_) => SizeHint::default(),
            Content::Sequence(contents) => {
                let exact = contents.iter().map(|content| content.size_hint().exact()).sum::<Option<u64>>();
                exact.map_or_else(SizeHint::default, SizeHint::with_exact)
            }
            Content::Joined(joined) => {
                let seen: u64 = joined.seen.iter().filter_map(Frame::data_ref).map(|data| data.len() as u64).sum();
                let rest = joined.rest.size_hint();
                let mut hint = SizeHint::new();
                hint.set_lower(rest.lower() + seen);
                if let Some(upper) = rest.upper() {
                    hint.set_upper(upper + seen);
                }
                hint
            }
            Content::Watched(watched) => watched.content.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Chunks of unknown total length, as from a client that sends chunked.
    struct Chunks(VecDeque<&'static str>);

    impl HttpBody for Chunks {
        type Data = Bytes;
        type Error = anyhow::Error;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Polled {
            Poll::Ready(self.0.pop_front().map(|chunk| Ok(Frame::data(Bytes::from_static(chunk.as_bytes())))))
        }
    }

    fn chunks(chunks: &[&'static str]) -> Content {
        Content::Stream(Chunks(chunks.iter().copied().collect()).boxed_unsync())
    }

    #[tokio::test]
    async fn peeking_shows_the_beginning_and_loses_nothing() {
        for (most, shown, truncated) in
            [(0, "", true), (3, "abc", true), (5, "abcde", true), (6, "abcdef", false), (9, "abcdef", false)]
        {
            let mut content = chunks(&["ab", "cd", "ef"]);
            let seen = content.peek(most).await.unwrap();
            assert_eq!((&seen.data[..], seen.truncated), (shown.as_bytes(), truncated), "{most}");
            assert_eq!(content.collect().await.unwrap().to_bytes(), "abcdef");
        }
    }

    #[tokio::test]
    async fn an_empty_body_is_whole() {
        let seen = Content::Empty.peek(10).await.unwrap();
        assert!(seen.data.is_empty() && !seen.truncated);
    }
}
