//! A reply that is a response, and is sent while the function writes it: first its head, then its body.
//!
//!     parts ──► head is whole ──► response ──► body: what came with the head, further parts, how the call ended
//!
//! A body ends well only if its call has: a client can tell a whole response from one that breaks off.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::Response;
use http_body::{Body, Frame};

use crate::limits::invoke::STREAM_HEAD_BYTES;
use crate::payload::reply::{self, StreamHead};
use crate::wasm::worker::reply_stream::ReplyReceiver;

/// What the first parts of a reply are.
pub enum ReplyStart {
    /// With the part of its body that has come.
    Response(Response<Bytes>),
    /// The call has ended, and written nothing.
    Nothing,
    /// The call has ended before the head of the response did.
    Unfinished,
}

impl ReplyStart {
    /// Waits for the head.
    ///
    /// # Errors
    /// What is written is no response.
    pub async fn read(parts: &mut ReplyReceiver) -> Result<ReplyStart, String> {
        let mut written = BytesMut::new();
        while let Some(part) = parts.recv().await {
            let looked_at = written.len();
            written.extend_from_slice(&part.bytes);
            match reply::stream_head(part.content_type.as_deref(), &written, looked_at)? {
                StreamHead::Whole(response) => return Ok(ReplyStart::Response(response)),
                StreamHead::Part if written.len() > STREAM_HEAD_BYTES => {
                    return Err(format!("the head of its stream has more than {STREAM_HEAD_BYTES} bytes"));
                }
                StreamHead::Part => {}
            }
        }
        Ok(if written.is_empty() { ReplyStart::Nothing } else { ReplyStart::Unfinished })
    }
}

/// How a call has ended whose reply is under way; or what broke it off.
pub type StreamEnd = Pin<Box<dyn Future<Output = Result<(), &'static str>> + Send>>;

/// The body of such a response. Dropped, it leaves the call alone.
pub struct StreamedReply {
    first: Bytes,
    parts: ReplyReceiver,
    /// `None` once it has been told.
    end: Option<StreamEnd>,
}

impl StreamedReply {
    /// `first` came with the head.
    pub fn new(first: Bytes, parts: ReplyReceiver, end: StreamEnd) -> StreamedReply {
        StreamedReply { first, parts, end: Some(end) }
    }
}

impl Body for StreamedReply {
    type Data = Bytes;
    type Error = anyhow::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<anyhow::Result<Frame<Bytes>>>> {
        loop {
            let next = std::mem::take(&mut self.first);
            if !next.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(next))));
            }
            match ready!(self.parts.poll_recv(cx)) {
                Some(part) => self.first = part.bytes,
                None => break,
            }
        }
        let Some(end) = &mut self.end else { return Poll::Ready(None) };
        let ended = ready!(end.as_mut().poll(cx));
        self.end = None;
        Poll::Ready(ended.err().map(|why| Err(anyhow::anyhow!(why))))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::wasm::worker::reply_stream::{ReplySender, WrittenReply, reply_stream};

    const HEAD: &[u8] = b"{\"statusCode\":203}\0\0\0\0\0\0\0\0";

    /// Writes these pieces, of a reply with a head.
    async fn written(sender: ReplySender, pieces: &[&'static [u8]]) {
        let mut reply = WrittenReply::sent(sender);
        reply.set_content_type("application/vnd.awslambda.http-integration-response".to_owned());
        for piece in pieces {
            if let Some(part) = reply.write(Bytes::from_static(piece)).unwrap() {
                part.send().await;
            }
        }
    }

    async fn start(pieces: &[&'static [u8]]) -> (Result<ReplyStart, String>, ReplyReceiver) {
        let (sender, mut parts) = reply_stream();
        written(sender, pieces).await;
        (ReplyStart::read(&mut parts).await, parts)
    }

    #[tokio::test]
    async fn a_response_begins_when_its_head_is_whole_and_ends_as_its_call_does() {
        let (begun, parts) = start(&[&HEAD[..7], &HEAD[7..], b"a", b"", b"bc"]).await;
        let Ok(ReplyStart::Response(response)) = begun else { panic!("no response") };
        assert_eq!(response.status(), 203);
        let body = StreamedReply::new(response.into_body(), parts, Box::pin(async { Ok(()) }));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "abc");

        // Wherever the head is cut.
        for cut in 0..=HEAD.len() {
            let (begun, _) = start(&[&HEAD[..cut], &HEAD[cut..]]).await;
            assert!(matches!(begun, Ok(ReplyStart::Response(_))), "{cut}");
        }

        let (_, parts) = start(&[HEAD, b"a"]).await;
        let mut body = StreamedReply::new(Bytes::from_static(b"0"), parts, Box::pin(async { Err("it failed") }));
        for piece in ["0", "a"] {
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), piece);
        }
        assert_eq!(body.frame().await.unwrap().unwrap_err().to_string(), "it failed");
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn what_is_no_response_is_told_apart() {
        assert!(matches!(start(&[]).await.0, Ok(ReplyStart::Nothing)));
        assert!(matches!(start(&[&HEAD[..20]]).await.0, Ok(ReplyStart::Unfinished)));
        let wrong = start(&[b"[]\0\0\0\0\0\0\0\0"]).await.0;
        assert_eq!(wrong.err().as_deref(), Some("the head of its stream is no object"));
        const MOST: &[u8] = &[b'a'; STREAM_HEAD_BYTES];
        assert!(matches!(start(&[MOST]).await.0, Ok(ReplyStart::Unfinished)));
        let long = start(&[MOST, b"a"]).await.0;
        assert_eq!(long.err().as_deref(), Some("the head of its stream has more than 65536 bytes"));
    }
}
