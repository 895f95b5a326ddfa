//! Takes interim responses (1xx) out of an origin's bytes before hyper reads them.
//!
//! hyper drops interim responses, however many come. So the first bytes after a request are examined: those of a 1xx are
//! parsed, counted, and kept for the request (`Interims`); only the final response goes on. A newer HTTP/1 than 1.1 is
//! read as 1.1 (RFC 9110 section 2.5).
//!
//! ```text
//! asked ─► scanning ──1xx──► kept, and on scanning
//!              └── anything else ─► passing ─► hyper, byte for byte, until the next request
//! ```
//!
//! An answer without a 1xx costs a comparison of its first 12 bytes, and no copy.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::edge::origin::connect::OriginStream;
use crate::limits::origin::{HEADERS, INTERIM_BYTES, INTERIMS};

/// `HTTP/1.1 200`.
const STATUS_BYTES: usize = 12;

/// Interim responses that have come, shared with the request that waits for the final one.
#[derive(Default)]
pub(crate) struct Interims {
    asked: AtomicBool,
    some: AtomicBool,
    queue: Mutex<Vec<(StatusCode, HeaderMap)>>,
}

impl Interims {
    /// A request is about to go: the next byte begins an answer.
    pub(crate) fn asked(&self) {
        self.asked.store(true, Relaxed);
    }

    /// What has come since the last time.
    pub(crate) fn take(&self) -> Vec<(StatusCode, HeaderMap)> {
        if !self.some.swap(false, Relaxed) {
            return Vec::new();
        }
        std::mem::take(&mut *self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&self, interim: (StatusCode, HeaderMap)) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push(interim);
        self.some.store(true, Relaxed);
    }
}

/// See the module.
pub(crate) struct InterimReader {
    stream: OriginStream,
    interims: Arc<Interims>,
    /// `None` while bytes are passed on.
    scan: Option<InterimScan>,
    /// Read, and not yet passed on.
    held: Vec<u8>,
}

#[derive(Default)]
struct InterimScan {
    interims: u32,
    bytes: usize,
}

/// What the bytes so far begin.
#[derive(Debug, PartialEq, Eq)]
enum Beginning {
    Answer,
    Interim,
    Unknown,
}

impl InterimReader {
    pub(crate) fn new(stream: OriginStream, interims: Arc<Interims>) -> InterimReader {
        InterimReader { stream, interims, scan: None, held: Vec::new() }
    }

    /// The stream, and what was read of it and not passed on.
    pub(crate) fn into_parts(self) -> (OriginStream, Vec<u8>) {
        (self.stream, self.held)
    }

    /// Takes all interim responses out of what is held. Returns whether the final response has begun.
    fn scan(&mut self) -> io::Result<bool> {
        let Some(scan) = &mut self.scan else { return Ok(true) };
        loop {
            match beginning(&self.held) {
                Beginning::Answer => {
                    read_as_1_1(&mut self.held);
                    self.scan = None;
                    return Ok(true);
                }
                Beginning::Unknown => return Ok(false),
                Beginning::Interim => {
                    read_as_1_1(&mut self.held);
                    let (length, interim) = match interim(&self.held)? {
                        Some(parsed) => parsed,
                        None if scan.bytes + self.held.len() > INTERIM_BYTES => return Err(endless()),
                        None => return Ok(false),
                    };
                    scan.interims += 1;
                    scan.bytes += length;
                    if scan.interims > INTERIMS || scan.bytes > INTERIM_BYTES {
                        return Err(endless());
                    }
                    self.held.drain(..length);
                    // The edge does not send `Expect: 100-continue` (RFC 9110 section 10.1.1).
                    if interim.0 != StatusCode::CONTINUE {
                        self.interims.push(interim);
                    }
                }
            }
        }
    }
}

fn endless() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "too many interim responses (1xx)")
}

fn beginning(bytes: &[u8]) -> Beginning {
    const BEFORE: &[u8] = b"HTTP/1.";
    let common = bytes.len().min(BEFORE.len());
    match bytes {
        _ if bytes[..common] != BEFORE[..common] => Beginning::Answer,
        // 101 is a final response: another protocol follows it.
        [_, _, _, _, _, _, _, _, b' ', b'1', second, third, ..] if (*second, *third) != (b'0', b'1') => Beginning::Interim,
        [_, _, _, _, _, _, _, _, b' ', b'1', ..] if bytes.len() < STATUS_BYTES => Beginning::Unknown,
        _ if bytes.len() > 9 => Beginning::Answer,
        _ => Beginning::Unknown,
    }
}

fn read_as_1_1(bytes: &mut [u8]) {
    if let Some(minor @ b'2'..=b'9') = bytes.get_mut(7) {
        *minor = b'1';
    }
}

/// The first head, and its length; `None` if it is not complete.
fn interim(bytes: &[u8]) -> io::Result<Option<(usize, (StatusCode, HeaderMap))>> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidData, "an interim response (1xx) is not HTTP");
    let mut fields = vec![httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut fields);
    let length = match response.parse(bytes).map_err(|_| invalid())? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial => return Ok(None),
    };
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or_else(invalid)?;
    let mut headers = HeaderMap::new();
    for field in response.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| invalid())?;
        let value = HeaderValue::from_bytes(field.value).map_err(|_| invalid())?;
        headers.append(name, value);
    }
    Ok(Some((length, (status, headers))))
}

impl AsyncRead for InterimReader {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.interims.asked.swap(false, Relaxed) {
            this.scan = Some(InterimScan::default());
        }
        loop {
            if this.scan.is_none() {
                if this.held.is_empty() {
                    return Pin::new(&mut this.stream).poll_read(cx, buffer);
                }
                let given = this.held.len().min(buffer.remaining());
                buffer.put_slice(&this.held[..given]);
                this.held.drain(..given);
                return Poll::Ready(Ok(()));
            }
            let before = buffer.filled().len();
            ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
            let came = &mut buffer.filled_mut()[before..];
            if came.is_empty() {
                // The end of the stream. hyper judges what came before.
                this.scan = None;
                continue;
            }
            if this.held.is_empty() && beginning(came) == Beginning::Answer {
                read_as_1_1(came);
                this.scan = None;
                return Poll::Ready(Ok(()));
            }
            this.held.extend_from_slice(came);
            buffer.set_filled(before);
            this.scan()?;
        }
    }
}

impl AsyncWrite for InterimReader {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// What hyper would read of these bytes, which come in pieces of `cut`, and which interim responses came before.
    async fn read(said: &[u8], cut: usize) -> (io::Result<Vec<u8>>, Vec<u16>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut origin = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        origin.set_nodelay(true).unwrap();
        let interims = Arc::<Interims>::default();
        let stream = OriginStream::Plain(listener.accept().await.unwrap().0);
        let mut reader = InterimReader::new(stream, interims.clone());
        interims.asked();
        let said = said.to_vec();
        let saying = async move {
            for piece in said.chunks(cut) {
                if origin.write_all(piece).await.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let reading = async {
            let mut all = Vec::new();
            // A buffer that is smaller than what may be held.
            let mut some = [0; 7];
            loop {
                match reader.read(&mut some).await? {
                    0 => return Ok(all),
                    n => all.extend_from_slice(&some[..n]),
                }
            }
        };
        let (_, read) = tokio::join!(saying, reading);
        (read, interims.take().iter().map(|(status, _)| status.as_u16()).collect())
    }

    #[tokio::test]
    async fn what_comes_before_an_answer_is_kept_and_the_answer_is_read_as_it_is() {
        const HINT: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n";
        for (before, kept_before) in [
            ("".to_owned(), vec![]),
            (HINT.to_owned(), vec![103]),
            (format!("{HINT}HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 x\r\n\r\n{HINT}"), vec![103, 102, 103]),
        ] {
            for answer in [
                "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 103 no head\r\n\r\n",
                "HTTP/1.0 404 x\r\n\r\n",
                "HTTP/1.1 101 x\r\n\r\n",
                "no HTTP",
                "HTTP/2",
            ] {
                for cut in [1, 5, 4096] {
                    let (read, statuses) = read(format!("{before}{answer}").as_bytes(), cut).await;
                    assert_eq!(String::from_utf8(read.unwrap()).unwrap(), answer, "{before:?} {cut}");
                    assert_eq!(statuses, kept_before, "{before:?} {cut}");
                }
            }
        }
        let (read, statuses) = read(b"HTTP/1.2 103 x\r\n\r\nHTTP/1.9 200 OK\r\n\r\n", 4).await;
        assert_eq!((read.unwrap(), statuses), (b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![103]));
    }

    #[tokio::test]
    async fn there_may_be_as_many_as_the_limit_and_of_as_many_bytes() {
        let hints = |n: u32| format!("{}HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 103 x\r\n\r\n".repeat(n as usize));
        for (n, fine) in [(INTERIMS - 1, true), (INTERIMS, true), (INTERIMS + 1, false)] {
            assert_eq!(read(hints(n).as_bytes(), 4096).await.0.is_ok(), fine, "{n}");
        }
        let (before, after) = ("HTTP/1.1 103 x\r\nlink: ", "\r\n\r\n");
        let large = |n: usize| format!("{before}{}{after}HTTP/1.1 200 OK\r\n\r\n", "x".repeat(n - before.len() - after.len()));
        for (n, fine) in [(INTERIM_BYTES - 1, true), (INTERIM_BYTES, true), (INTERIM_BYTES + 1, false)] {
            assert_eq!(read(large(n).as_bytes(), 4096).await.0.is_ok(), fine, "{n}");
        }
        let endless = format!("{before}{}", "x".repeat(2 * INTERIM_BYTES));
        assert!(read(endless.as_bytes(), 4096).await.0.is_err());
        assert!(read(b"HTTP/1.1 103 x\r\nno field\r\n\r\n", 4096).await.0.is_err());
    }
}
