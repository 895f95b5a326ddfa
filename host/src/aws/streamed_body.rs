//! The body of an answer that is sent while it is made.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::sync::mpsc;

use crate::limits::lambda::STREAM_PIECES;

/// See the module. An error breaks the connection off, so that the client sees that something is missing.
#[derive(Debug)]
pub struct StreamedBody(mpsc::Receiver<anyhow::Result<Bytes>>);

/// Takes the pieces of a body, and waits while the client has not taken those before.
pub type PieceSender = mpsc::Sender<anyhow::Result<Bytes>>;

/// A body, and the way for its pieces.
pub fn streamed() -> (PieceSender, StreamedBody) {
    let (sender, pieces) = mpsc::channel(STREAM_PIECES);
    (sender, StreamedBody(pieces))
}

impl Body for StreamedBody {
    type Data = Bytes;
    type Error = anyhow::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<anyhow::Result<Frame<Bytes>>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
