//! The log of a function's call: what it writes through `edgeward:edge/log`, and to stdout and stderr.
//!
//! Output is split into lines; an unfinished line is kept until the call ends. Above `Limit::LogBytes`
//! the rest of the call's output is accepted and dropped.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use memchr::memchr;
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::limits::worker::{LINE_BYTES, WRITE_BYTES};
use crate::limits::{Limit, Limits};
use crate::wasm::state::{CallLog, StdStream};

/// A handle to the log of the running call. Its one lock is held while a line is copied.
#[derive(Clone)]
pub struct FunctionLog(Arc<Mutex<Lines>>);

struct Lines {
    log: CallLog,
    /// The unfinished lines of stdout and stderr.
    unfinished: [Vec<u8>; 2],
}

impl FunctionLog {
    pub(in crate::wasm) fn new(limits: &Limits) -> FunctionLog {
        let log = CallLog::new(limits.value(Limit::LogBytes));
        FunctionLog(Arc::new(Mutex::new(Lines { log, unfinished: Default::default() })))
    }

    pub fn line(&self, line: &str) {
        self.lock().log.line(line);
    }

    /// Takes the whole log; the next call starts with an empty one.
    pub(in crate::wasm) fn take(&self) -> String {
        let mut lines = self.lock();
        for stream in [StdStream::Stdout, StdStream::Stderr] {
            lines.finish(stream);
        }
        lines.log.take()
    }

    pub(super) fn stream(&self, stream: StdStream) -> LogStream {
        LogStream { log: self.clone(), stream }
    }

    /// Ignores poisoning: a panic with the lock held leaves whole lines behind.
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    /// Costs little per byte, whatever the bytes are: a guest may write only line breaks.
    fn write(&mut self, stream: StdStream, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.log.is_full() {
            let unfinished = &mut self.unfinished[stream as usize];
            if unfinished.is_empty() {
                // Empty lines are not kept.
                let text = bytes.iter().position(|byte| *byte != b'\n').unwrap_or(bytes.len());
                bytes = &bytes[text..];
            }
            let part = &bytes[..bytes.len().min(LINE_BYTES - unfinished.len())];
            match memchr(b'\n', part) {
                Some(end) if unfinished.is_empty() => {
                    self.log.line(&String::from_utf8_lossy(&part[..end]));
                    bytes = &bytes[end + 1..];
                }
                Some(end) => {
                    unfinished.extend_from_slice(&part[..end]);
                    self.finish(stream);
                    bytes = &bytes[end + 1..];
                }
                None => {
                    unfinished.extend_from_slice(part);
                    bytes = &bytes[part.len()..];
                    if unfinished.len() == LINE_BYTES {
                        self.finish(stream);
                    }
                }
            }
        }
    }

    fn finish(&mut self, stream: StdStream) {
        let line = std::mem::take(&mut self.unfinished[stream as usize]);
        if !line.is_empty() {
            self.log.line(&String::from_utf8_lossy(&line));
        }
    }
}

/// A guest's stdout or stderr, always writable.
pub(super) struct LogStream {
    log: FunctionLog,
    stream: StdStream,
}

impl LogStream {
    fn write_all(&self, bytes: &[u8]) {
        self.log.lock().write(self.stream, bytes);
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.log.stream(self.stream))
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.log.stream(self.stream))
    }
}

#[async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > WRITE_BYTES {
            return Err(StreamError::trap("more was written than `check-write` allows"));
        }
        self.write_all(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES)
    }
}

impl AsyncWrite for LogStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let taken = bytes.len().min(WRITE_BYTES);
        self.write_all(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Profile;

    fn log(bytes: u64) -> FunctionLog {
        FunctionLog::new(&Limits::defaults(Profile::Worker).with(Limit::LogBytes, bytes).unwrap())
    }

    #[test]
    fn output_is_cut_into_lines_and_the_streams_do_not_mix() {
        let log = log(1_000);
        let (out, err) = (log.stream(StdStream::Stdout), log.stream(StdStream::Stderr));
        out.write_all(b"hel");
        err.write_all(b"oops\n");
        out.write_all(b"lo\nwor");
        assert_eq!(log.take(), "oops\nhello\nwor");
        assert_eq!(log.take(), "", "the next call starts anew");
    }

    #[test]
    fn a_log_line_without_an_end_is_split_at_the_limit() {
        let log = log(1_000_000);
        log.stream(StdStream::Stdout).write_all(&vec![b'x'; 2 * LINE_BYTES + 1]);
        let lines: Vec<usize> = log.take().lines().map(str::len).collect();
        assert_eq!(lines, [LINE_BYTES, LINE_BYTES, 1]);
        // Nor does the end of a line that is just as long make one more; empty ones are not kept.
        log.stream(StdStream::Stdout).write_all(&[vec![b'x'; LINE_BYTES], b"\ny\n\nz".to_vec()].concat());
        let lines: Vec<usize> = log.take().lines().map(str::len).collect();
        assert_eq!(lines, [LINE_BYTES, 1, 1]);
    }

    #[test]
    fn log_lines_over_the_limit_are_dropped_and_counted() {
        let log = log(100);
        let out = log.stream(StdStream::Stdout);
        for _ in 0..1_000 {
            out.write_all(b"a flood of lines\n");
        }
        let text = log.take();
        assert!(text.len() < 200 && text.contains("log truncated"), "{text}");
    }
}
