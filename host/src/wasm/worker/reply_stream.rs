//! A reply that a function writes piece by piece: by `edgeward:function/response-stream` (`response_stream`), or to stdout.
//!
//!     function ─ write ──► sent to who wants it so, within bounds, or gathered ──► the reply

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::limits::Limit;
use crate::limits::invoke::{STREAM_BYTES, STREAM_PART_BYTES, STREAM_PARTS};

/// A part of a reply.
#[derive(Debug, Clone)]
pub struct ReplyPart {
    /// Of the whole reply, as the function names it.
    pub content_type: Option<Arc<str>>,
    /// At most `STREAM_PART_BYTES`.
    pub bytes: Bytes,
}

/// Takes the parts of a reply on their way to the caller.
#[derive(Clone)]
pub struct ReplySender(mpsc::Sender<ReplyPart>);

pub type ReplyReceiver = mpsc::Receiver<ReplyPart>;

/// A way for one reply.
pub fn reply_stream() -> (ReplySender, ReplyReceiver) {
    let (sender, receiver) = mpsc::channel(STREAM_PARTS);
    (ReplySender(sender), receiver)
}

/// What is on its way.
pub(super) struct OutgoingPart {
    sender: ReplySender,
    part: ReplyPart,
}

impl OutgoingPart {
    /// Waits for room. A caller who has left gets nothing, and the function goes on, as on Lambda.
    pub(super) async fn send(self) {
        let ReplyPart { content_type, mut bytes } = self.part;
        loop {
            let part = bytes.split_to(bytes.len().min(STREAM_PART_BYTES));
            let sent = self.sender.0.send(ReplyPart { content_type: content_type.clone(), bytes: part }).await;
            if sent.is_err() || bytes.is_empty() {
                return;
            }
        }
    }
}

/// What the running call has written.
#[derive(Default)]
pub(super) struct WrittenReply {
    content_type: Option<Arc<str>>,
    /// Whether anything was.
    is_begun: bool,
    bytes: u64,
    bytes_max: u64,
    /// Where there is no sender.
    gathered: Vec<u8>,
    sender: Option<ReplySender>,
}

impl WrittenReply {
    /// Of a call whose caller wants it in one piece, which may have so many bytes.
    pub(super) fn gathered(bytes_max: u64) -> WrittenReply {
        WrittenReply { bytes_max, ..WrittenReply::default() }
    }

    /// Of a call whose caller wants it as it is written.
    pub(super) fn sent(sender: ReplySender) -> WrittenReply {
        WrittenReply { bytes_max: STREAM_BYTES, sender: Some(sender), ..WrittenReply::default() }
    }

    pub(super) fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// Before anything is written.
    pub(super) fn set_content_type(&mut self, content_type: String) {
        if !self.is_begun {
            self.content_type = Some(content_type.into());
        }
    }

    /// Takes bytes. What is to be sent is returned.
    ///
    /// # Errors
    /// They are too many.
    pub(super) fn write(&mut self, bytes: Bytes) -> Result<Option<OutgoingPart>, Limit> {
        self.is_begun = true;
        self.bytes += bytes.len() as u64;
        if self.bytes > self.bytes_max {
            return Err(Limit::ReplyBytes);
        }
        match &self.sender {
            Some(sender) => {
                let part = ReplyPart { content_type: self.content_type.clone(), bytes };
                Ok(Some(OutgoingPart { sender: sender.clone(), part }))
            }
            None => {
                self.gathered.extend_from_slice(&bytes);
                Ok(None)
            }
        }
    }

    /// What was gathered; nothing if it was sent. `None` if the function has written nothing.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        self.is_begun.then(|| std::mem::take(&mut self.gathered))
    }
}
