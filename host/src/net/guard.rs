//! The stream between a socket and hyper: it reports to the pulse and passes what framing lets through.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use crate::net::framing::Framing;
use crate::net::sweep::{Pulse, Verdict};

/// What an HTTP/2 client with prior knowledge sends first.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A PING frame of HTTP/2 (RFC 9113 section 6.7): a read of no more than that is an answer to ours.
const PING_BYTES: usize = 17;

/// The protocol of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// The first bytes of a connection, read to tell its protocol and then given on.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    bytes: [u8; PREFACE.len()],
    len: usize,
}

impl Opening {
    /// Reads until the bytes are, or can no longer be, the preface of HTTP/2.
    pub(crate) async fn read<S: AsyncRead + Unpin>(io: &mut S, pulse: &Pulse) -> io::Result<(Opening, Protocol)> {
        let mut opening = Opening::default();
        loop {
            let n = io.read(&mut opening.bytes[opening.len..]).await?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            pulse.received();
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
pub(crate) struct Guarded<S> {
    io: S,
    opening: Opening,
    /// How much of the opening has been given on.
    given: usize,
    pulse: Rc<Pulse>,
    /// For HTTP/1.1; HTTP/2 frames cannot be read in two ways.
    framing: Option<Framing>,
}

impl<S> Guarded<S> {
    pub(crate) fn new(io: S, opening: Opening, protocol: Protocol, pulse: Rc<Pulse>) -> Guarded<S> {
        let framing = (protocol == Protocol::Http1).then(Framing::default);
        Guarded { io, opening, given: 0, pulse, framing }
    }

    pub(crate) fn into_inner(self) -> S {
        self.io
    }
}

impl<S> Guarded<S> {
    /// In HTTP/2 a written byte may be a ping: what moves there, `ExchangeBody` tells.
    fn watched<T>(&self, polled: Poll<T>) -> Poll<T> {
        match polled {
            Poll::Pending => self.pulse.write_waits(),
            Poll::Ready(_) => {
                self.pulse.wrote();
                if self.framing.is_some() {
                    self.pulse.moved();
                }
            }
        }
        polled
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
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
            this.pulse.moved();
        }
        if let Some(framing) = &mut this.framing
            && came > 0
        {
            this.pulse.received();
            // What follows an answer 101 is no HTTP.
            if !this.pulse.has_switched()
                && let Err(refusal) = framing.feed(&buf.filled()[before..])
            {
                // hyper gets none of these bytes; the connection's task reads the verdict next.
                buf.set_filled(before);
                this.pulse.end(Verdict::Refused(refusal));
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_write(cx, buf);
        this.watched(polled)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let io = Pin::new(&mut this.io);
        // A head alone is the usual case, and `write` is the cheaper call.
        let written = if let [only] = bufs { io.poll_write(cx, only) } else { io.poll_write_vectored(cx, bufs) };
        this.watched(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_flush(cx);
        this.watched(polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_shutdown(cx);
        this.watched(polled)
    }
}
