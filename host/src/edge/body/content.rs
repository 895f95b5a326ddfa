//! Where the bytes of an answer come from: an origin, a file, a component, the cache, a hook.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::cache::HitBody;
use crate::edge::body::PolledFrame;
use crate::edge::body::compressed::Compressed;
use crate::edge::body::file::FileContent;
use crate::edge::body::peek::{BodyPreview, Joined, PeekError, peek};
use crate::edge::body::switched::Switched;
use crate::edge::body::upstream::Upstream;
use crate::edge::request::header_rules::clean_trailers;
use crate::function::call::StreamBody;

/// See the module. An enum, so that an answer boxes nothing.
pub(crate) enum Content {
    Empty,
    Full(Bytes),
    Upstream(Upstream),
    File(FileContent),
    /// A component's answer.
    Stream(StreamBody),
    Stored(HitBody),
    Compressed(Box<Compressed<Content>>),
    /// One after the other.
    Sequence(VecDeque<Content>),
    /// A hook has seen its beginning.
    Joined(Box<Joined<Content>>),
    /// No body: the origin has switched protocols, and this is its connection.
    Switched(Box<Switched>),
}

impl Content {
    pub(crate) fn full(bytes: Bytes) -> Content {
        if bytes.is_empty() { Content::Empty } else { Content::Full(bytes) }
    }

    /// Reads the first `most` bytes; all of them stay in the content.
    pub(crate) async fn peek(&mut self, most: usize) -> Result<BodyPreview, PeekError> {
        let (preview, whole) = peek(std::mem::replace(self, Content::Empty), most).await?;
        *self = whole.map_or(Content::Empty, Content::Joined);
        Ok(preview)
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = anyhow::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> PolledFrame {
        match &mut *self {
            Content::Empty | Content::Switched(_) => Poll::Ready(None),
            Content::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Content::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Content::Upstream(upstream) => {
                let frame = ready!(upstream.poll_frame(cx));
                Poll::Ready(frame.map(|frame| frame.map(clean_trailers)))
            }
            Content::File(file) => file.poll_frame(cx),
            Content::Stream(stream) => {
                let frame = ready!(Pin::new(stream).poll_frame(cx));
                Poll::Ready(frame.map(|frame| frame.map(clean_trailers)))
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
            Content::Joined(joined) => joined.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Content::Empty | Content::Switched(_) => true,
            Content::Full(_) => false,
            Content::Upstream(upstream) => upstream.is_end_stream(),
            Content::File(file) => file.remaining() == 0,
            Content::Stream(stream) => stream.is_end_stream(),
            Content::Stored(stored) => stored.is_end_stream(),
            Content::Compressed(compressed) => compressed.is_end_stream(),
            Content::Sequence(contents) => contents.iter().all(Content::is_end_stream),
            Content::Joined(joined) => joined.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Content::Empty | Content::Switched(_) => SizeHint::with_exact(0),
            Content::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Upstream(upstream) => upstream.size_hint(),
            Content::File(file) => SizeHint::with_exact(file.remaining()),
            Content::Stream(stream) => stream.size_hint(),
            Content::Stored(stored) => stored.size_hint(),
            Content::Compressed(_) => SizeHint::default(),
            Content::Sequence(contents) => {
                let exact = contents.iter().map(|content| content.size_hint().exact()).sum::<Option<u64>>();
                exact.map_or_else(SizeHint::default, SizeHint::with_exact)
            }
            Content::Joined(joined) => joined.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    /// Chunks of unknown total length, as from a client that sends chunked.
    struct Chunks(VecDeque<&'static str>);

    impl Body for Chunks {
        type Data = Bytes;
        type Error = anyhow::Error;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> PolledFrame {
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
    async fn an_empty_body_is_complete() {
        let seen = Content::Empty.peek(10).await.unwrap();
        assert!(seen.data.is_empty() && !seen.truncated);
    }
}
