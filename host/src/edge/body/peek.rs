//! The beginning of a body, read early for a hook. Nothing of the body is lost: what was read stands before the rest.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;

use crate::edge::body::PolledFrame;
use crate::limits;
use crate::net::RequestBodyError;

/// The beginning of a body, as an origin hook sees it.
pub(crate) struct BodyPreview {
    pub(crate) data: Vec<u8>,
    pub(crate) truncated: bool,
}

/// Frames that were read early, and the rest of the body.
pub(crate) struct Joined<B> {
    read: VecDeque<Frame<Bytes>>,
    rest: B,
}

/// Why a body did not come.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeekError {
    #[error("no byte of the body came within {} ms", limits::origin::BODY_READ_TIMEOUT_MS)]
    Timeout,
    #[error("the body broke off: {0:#}")]
    Broken(anyhow::Error),
}

impl PeekError {
    /// A client that stalls meets the body's own timeout, which is as long as that of `peek`.
    pub(crate) fn of(error: anyhow::Error) -> PeekError {
        match error.downcast_ref::<RequestBodyError>() {
            Some(RequestBodyError::Stalled(_) | RequestBodyError::Slow(_)) => PeekError::Timeout,
            _ => PeekError::Broken(error),
        }
    }
}

/// Reads the first `most` bytes. The second part of the result is the whole body; `None` if it is empty.
pub(crate) async fn peek<B>(mut rest: B, most: usize) -> Result<(BodyPreview, Option<Box<Joined<B>>>), PeekError>
where
    B: Body<Data = Bytes, Error = anyhow::Error> + Unpin,
{
    let mut preview = BodyPreview { data: Vec::new(), truncated: false };
    let mut read = VecDeque::new();
    let timeout = Duration::from_millis(limits::origin::BODY_READ_TIMEOUT_MS);
    while !rest.is_end_stream() && !preview.truncated {
        let frame = match tokio::time::timeout(timeout, rest.frame()).await {
            Err(_) => return Err(PeekError::Timeout),
            Ok(None) => break,
            Ok(Some(frame)) => frame.map_err(PeekError::of)?,
        };
        if let Some(data) = frame.data_ref() {
            let taken = data.len().min(most - preview.data.len());
            preview.data.extend_from_slice(&data[..taken]);
            preview.truncated = taken < data.len();
        }
        read.push_back(frame);
    }
    let is_empty = read.is_empty() && rest.is_end_stream();
    Ok((preview, (!is_empty).then(|| Box::new(Joined { read, rest }))))
}

impl<B> Joined<B>
where
    B: Body<Data = Bytes, Error = anyhow::Error> + Unpin,
{
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> PolledFrame {
        match self.read.pop_front() {
            Some(frame) => PolledFrame::Ready(Some(Ok(frame))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.read.is_empty() && self.rest.is_end_stream()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        let read: u64 = self.read.iter().filter_map(Frame::data_ref).map(|data| data.len() as u64).sum();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + read);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + read);
        }
        hint
    }
}
