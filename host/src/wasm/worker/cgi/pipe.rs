//! The standard streams of one call: stdin is the request's body, stdout becomes the response.
//!
//! Nothing is read ahead, and at most `limits::cgi::PIPE_BYTES` of output are buffered: a program that
//! writes faster than its client reads waits. All handles of a stream share it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use http_body::Body as _;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi_http::WasiBody;

use crate::limits::cgi::PIPE_BYTES;

/// A program's stdin.
#[derive(Clone)]
pub(in crate::wasm::worker) struct Stdin(Arc<Mutex<StdinState>>);

struct StdinState {
    /// `None` at its end.
    body: Option<Pin<Box<WasiBody>>>,
    rest: Bytes,
    broken: bool,
}

impl Stdin {
    pub(in crate::wasm::worker) fn new(body: WasiBody) -> Stdin {
        Stdin(Arc::new(Mutex::new(StdinState { body: Some(Box::pin(body)), rest: Bytes::new(), broken: false })))
    }
}

impl StdinState {
    /// Waits until there are bytes, or the body has ended.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.rest.is_empty()
            && let Some(body) = &mut self.body
        {
            match ready!(body.as_mut().poll_frame(cx)) {
                // A program has no use for trailers.
                Some(Ok(frame)) => self.rest = frame.into_data().unwrap_or_default(),
                Some(Err(_)) => (self.body, self.broken) = (None, true),
                None => self.body = None,
            }
        }
        Poll::Ready(())
    }
}

impl IsTerminal for Stdin {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdinStream for Stdin {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Stdin {
    async fn ready(&mut self) {
        std::future::poll_fn(|cx| lock(&self.0).poll_fill(cx)).await;
    }
}

impl InputStream for Stdin {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let mut incoming = lock(&self.0);
        let _ = incoming.poll_fill(&mut Context::from_waker(Waker::noop()));
        if incoming.rest.is_empty() && incoming.body.is_none() {
            return Err(match incoming.broken {
                true => StreamError::LastOperationFailed(wasmtime::Error::msg("the client has left")),
                false => StreamError::Closed,
            });
        }
        let size = size.min(incoming.rest.len());
        Ok(incoming.rest.split_to(size))
    }
}

impl AsyncRead for Stdin {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let mut incoming = lock(&self.0);
        ready!(incoming.poll_fill(cx));
        if incoming.broken && incoming.rest.is_empty() {
            return Poll::Ready(Err(std::io::ErrorKind::ConnectionAborted.into()));
        }
        let size = buffer.remaining().min(incoming.rest.len());
        buffer.put_slice(&incoming.rest[..size]);
        incoming.rest.advance(size);
        Poll::Ready(Ok(()))
    }
}

/// A program's stdout: both the end that it writes to, and the end that is read.
#[derive(Clone)]
pub(in crate::wasm::worker) struct Stdout(Arc<Mutex<StdoutState>>);

struct StdoutState {
    written: BytesMut,
    /// The program has ended.
    ended: bool,
    /// The reader has gone.
    left: bool,
    reader: Option<Waker>,
    writers: Vec<Waker>,
}

impl Stdout {
    pub(in crate::wasm::worker) fn new() -> Stdout {
        let (reader, writers) = (None, Vec::new());
        Stdout(Arc::new(Mutex::new(StdoutState { written: BytesMut::new(), ended: false, left: false, reader, writers })))
    }

    /// The program has ended: nothing more will be written.
    pub(in crate::wasm::worker) fn end(&self) {
        let mut outgoing = lock(&self.0);
        outgoing.ended = true;
        outgoing.wake_reader();
    }

    /// The reader has gone: drops what is written from now on, and the program gets an error.
    pub(in crate::wasm::worker) fn leave(&self) {
        let mut outgoing = lock(&self.0);
        outgoing.left = true;
        outgoing.written = BytesMut::new();
        outgoing.wake_writers();
    }

    /// Takes everything that has been written. `None` at the end.
    pub(in crate::wasm::worker) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut outgoing = lock(&self.0);
        if !outgoing.written.is_empty() {
            let bytes = outgoing.written.split().freeze();
            outgoing.wake_writers();
            return Poll::Ready(Some(bytes));
        }
        if outgoing.ended {
            return Poll::Ready(None);
        }
        outgoing.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl StdoutState {
    fn room(&self) -> usize {
        PIPE_BYTES - self.written.len()
    }

    /// Writes as many bytes as there is room for.
    fn write(&mut self, bytes: &[u8]) -> usize {
        let bytes = &bytes[..bytes.len().min(self.room())];
        self.written.extend_from_slice(bytes);
        self.wake_reader();
        bytes.len()
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.room() > 0 || self.left {
            return Poll::Ready(());
        }
        if !self.writers.iter().any(|writer| writer.will_wake(cx.waker())) {
            self.writers.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn wake_writers(&mut self) {
        self.writers.drain(..).for_each(Waker::wake);
    }
}

impl IsTerminal for Stdout {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stdout {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Stdout {
    async fn ready(&mut self) {
        std::future::poll_fn(|cx| lock(&self.0).poll_room(cx)).await;
    }
}

impl OutputStream for Stdout {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut outgoing = lock(&self.0);
        if outgoing.left {
            return Err(StreamError::Closed);
        }
        if outgoing.write(&bytes) < bytes.len() {
            return Err(StreamError::trap("more was written than stdout has room for"));
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let outgoing = lock(&self.0);
        if outgoing.left { Err(StreamError::Closed) } else { Ok(outgoing.room()) }
    }
}

impl AsyncWrite for Stdout {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let mut outgoing = lock(&self.0);
        ready!(outgoing.poll_room(cx));
        if outgoing.left {
            return Poll::Ready(Err(std::io::ErrorKind::BrokenPipe.into()));
        }
        Poll::Ready(Ok(outgoing.write(bytes)))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
