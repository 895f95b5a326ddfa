//! The stream between a socket and hyper: it updates the connection's state, and passes what framing and frames allow.
//!
//! After an HTTP/2 error hyper reads nothing more, and what it still writes is dropped: the last frame is a GOAWAY with the
//! reason. What the client still sends is read for a while, so that a reset does not destroy the GOAWAY.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use crate::limits::request::OVER_BYTES;
use crate::net::frames::{self, Http2Error};
use crate::net::framing::Framing;
use crate::net::interim::Interim;
use crate::net::state::{CloseReason, ConnectionState};

/// What an HTTP/2 client with prior knowledge sends first.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The size of an HTTP/2 PING frame (RFC 9113 section 6.7): a read of no more than that is an answer to ours.
const PING_BYTES: usize = 17;

/// The protocol of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// The first bytes of a connection, read to recognise its protocol and then passed on.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    bytes: [u8; PREFACE.len()],
    len: usize,
}

impl Opening {
    /// Reads until the bytes are, or can no longer be, the preface of HTTP/2.
    pub(crate) async fn read<S: AsyncRead + Unpin>(io: &mut S, state: &ConnectionState) -> io::Result<(Opening, Protocol)> {
        let mut opening = Opening::default();
        loop {
            let n = io.read(&mut opening.bytes[opening.len..]).await?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            state.received();
            opening.len += n;
            if !PREFACE.starts_with(&opening.bytes[..opening.len]) {
                return Ok((opening, Protocol::Http1));
            }
            if opening.len == PREFACE.len() {
                return Ok((opening, Protocol::Http2));
            }
        }
    }
}

/// See the module.
pub(crate) struct GuardedStream<S> {
    io: S,
    opening: Opening,
    /// How many bytes of the opening have been passed on.
    given: usize,
    state: Rc<ConnectionState>,
    /// For HTTP/1.1 only: HTTP/2 frames are unambiguous.
    framing: Option<Framing>,
    /// For HTTP/2.
    frames: Option<Box<FrameGuard>>,
    /// For HTTP/1.1: what is to be written before hyper's next response, and the part of it that is being written.
    interim: Option<Interim>,
    preceding: Vec<u8>,
    /// hyper has asked for more after a framing error: it has read everything before the error.
    starved: bool,
}

struct FrameGuard {
    incoming: frames::IncomingFrames,
    outgoing: frames::OutgoingFrames,
    /// After an error, how many bytes are still read, and dropped.
    over: Option<usize>,
}

impl<S> GuardedStream<S> {
    /// With `interim` for HTTP/1.1.
    pub(crate) fn new(io: S, opening: Opening, interim: Option<Interim>, state: Rc<ConnectionState>) -> GuardedStream<S> {
        let framing = interim.is_some().then(Framing::default);
        let frames = interim.is_none().then(|| Box::new(FrameGuard::new(state.now())));
        GuardedStream { io, opening, given: 0, state, framing, frames, interim, preceding: Vec::new(), starved: false }
    }

    pub(crate) fn into_inner(self) -> S {
        self.io
    }
}

impl<S: AsyncWrite + Unpin> GuardedStream<S> {
    /// Writes what precedes a response, if nothing of the last response waits.
    fn poll_preceding(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let (Some(interim), false, true) = (&self.interim, self.state.is_unflushed(), self.preceding.is_empty()) {
            self.preceding = interim.take();
        }
        while !self.preceding.is_empty() {
            let polled = Pin::new(&mut self.io).poll_write(cx, &self.preceding);
            let written = ready!(self.watched(polled))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.preceding.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S> GuardedStream<S> {
    /// In HTTP/2 a written byte may be a ping; `ExchangeBody` reports progress there.
    fn watched<T>(&self, polled: Poll<T>) -> Poll<T> {
        match polled {
            Poll::Pending => self.state.write_waits(),
            Poll::Ready(_) => {
                self.state.wrote();
                if self.framing.is_some() {
                    self.state.moved();
                }
            }
        }
        polled
    }
}

impl FrameGuard {
    fn new(now: u32) -> FrameGuard {
        let incoming = frames::IncomingFrames::after(PREFACE.len(), now);
        FrameGuard { incoming, outgoing: frames::OutgoingFrames::new(), over: None }
    }

    fn sent(&mut self, mut n: usize, bufs: &[io::IoSlice<'_>]) {
        for buf in bufs {
            let part = n.min(buf.len());
            self.incoming.sent(self.outgoing.feed(&buf[..part]));
            n -= part;
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> GuardedStream<S> {
    /// Sends the GOAWAY if possible: not within a frame, and only once.
    fn end_http2(&mut self, cx: &mut Context<'_>, offence: Http2Error) {
        let Some(frames) = &mut self.frames else { return };
        if frames.outgoing.is_between_frames() {
            let farewell = frames.incoming.farewell(offence);
            if Pin::new(&mut self.io).poll_write(cx, &farewell).is_ready() {
                // Under TLS, written bytes have to be flushed.
                let _ = Pin::new(&mut self.io).poll_flush(cx);
            }
        }
        frames.over = Some(OVER_BYTES);
        self.state.end(CloseReason::Http2Error(offence));
    }

    /// Reads and drops what arrives after the GOAWAY.
    fn poll_rest(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(left) = self.frames.as_mut().and_then(|frames| frames.over.as_mut()) else { return Poll::Pending };
        let before = buf.filled().len();
        while *left > 0 {
            ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
            let came = buf.filled().len() - before;
            if came == 0 {
                return Poll::Ready(Ok(()));
            }
            buf.set_filled(before);
            *left = left.saturating_sub(came);
        }
        Poll::Pending
    }
}

impl<S> GuardedStream<S> {
    /// Reads no more after a framing error. A reader that waits for the rest of a body gets an error. Otherwise the connection
    /// ends when the earlier requests are answered; its task learns that from the close reason.
    fn poll_refused(&mut self) -> Poll<io::Result<()>> {
        if self.framing.as_ref().is_some_and(Framing::is_in_body) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "not framed as HTTP wants it")));
        }
        self.starved = true;
        self.state.settle();
        Poll::Pending
    }
}

impl<S> GuardedStream<S> {
    fn is_over(&self) -> bool {
        self.frames.as_ref().is_some_and(|frames| frames.over.is_some())
    }

    fn count_frames(&mut self, written: &Poll<io::Result<usize>>, bufs: &[io::IoSlice<'_>]) {
        if let (Some(frames), Poll::Ready(Ok(n))) = (&mut self.frames, written) {
            frames.sent(*n, bufs);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for GuardedStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_over() {
            return this.poll_rest(cx, buf);
        }
        if this.state.refusal().is_some() {
            return this.poll_refused();
        }
        let before = buf.filled().len();
        if this.given < this.opening.len {
            let n = (this.opening.len - this.given).min(buf.remaining());
            buf.put_slice(&this.opening.bytes[this.given..this.given + n]);
            this.given += n;
        } else {
            ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        }
        let came = buf.filled().len() - before;
        if this.framing.is_none() && came > PING_BYTES {
            this.state.moved();
        }
        if let Some(frames) = &mut this.frames
            && let Err(offence) = frames.incoming.feed(&buf.filled()[before..], this.state.now())
        {
            // hyper gets none of these bytes; the connection's task sees the close reason, and then reads the rest.
            buf.set_filled(before);
            this.end_http2(cx, offence);
            return Poll::Pending;
        }
        if let Some(framing) = &mut this.framing
            && came > 0
        {
            this.state.received();
            // What follows a response 101 is not HTTP.
            if this.state.has_switched() {
                return Poll::Ready(Ok(()));
            }
            let fed = framing.feed(&buf.filled()[before..]);
            for digit in framing.newer() {
                buf.filled_mut()[before + digit] = b'1';
            }
            framing.options().for_each(|is_host_only| this.state.options_asked(is_host_only));
            if let Err(refusal) = fed {
                // hyper gets the bytes before the error; every message that ends in them is valid.
                let sound = framing.sound();
                buf.set_filled(before + sound);
                this.state.refuse(refusal);
                if sound == 0 {
                    return this.poll_refused();
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for GuardedStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_over() {
            return Poll::Ready(Ok(buf.len()));
        }
        ready!(this.poll_preceding(cx))?;
        this.state.flushed(false);
        let polled = Pin::new(&mut this.io).poll_write(cx, buf);
        this.count_frames(&polled, &[io::IoSlice::new(buf)]);
        this.watched(polled)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_over() {
            return Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()));
        }
        ready!(this.poll_preceding(cx))?;
        this.state.flushed(false);
        let io = Pin::new(&mut this.io);
        // A head alone is the usual case, and `write` is cheaper.
        let written = if let [only] = bufs { io.poll_write(cx, only) } else { io.poll_write_vectored(cx, bufs) };
        this.count_frames(&written, bufs);
        this.watched(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_flush(cx);
        ready!(this.watched(polled))?;
        this.state.flushed(true);
        let precedes = this.interim.as_ref().is_some_and(Interim::is_waiting) || !this.preceding.is_empty();
        if precedes {
            ready!(this.poll_preceding(cx))?;
            let polled = Pin::new(&mut this.io).poll_flush(cx);
            ready!(this.watched(polled))?;
        }
        if this.starved {
            this.state.settle();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_shutdown(cx);
        this.watched(polled)
    }
}
