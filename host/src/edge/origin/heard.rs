//! An origin's bytes before hyper reads them: what is said before an answer is taken out here.
//!
//! hyper drops answers 1xx, however many come. So the first bytes after a request are looked at: those of a 1xx are
//! parsed, kept for whoever asked (`Ear`) and counted, and only the answer itself goes on. A newer HTTP/1 than 1.1 is
//! read as 1.1 (RFC 9110 section 2.5).
//!
//!     asked ─► Listening ──1xx──► kept, and on listening
//!                  └── anything else ─► Passing ─► hyper, byte for byte, until the next request
//!
//! An answer of which no byte is 1xx costs a comparison of its first 12 bytes, and no copy.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::edge::origin::connect::Stream;
use crate::limits::origin::{HEADERS, INTERIM_BYTES, INTERIMS};

/// `HTTP/1.1 200`.
const STATUS_BYTES: usize = 12;

/// What has been said before an answer, shared with whoever waits for that.
#[derive(Default)]
pub(crate) struct Ear {
    asked: AtomicBool,
    heard: AtomicBool,
    interims: Mutex<Vec<(StatusCode, HeaderMap)>>,
}

impl Ear {
    /// A request is about to go: the next byte begins an answer.
    pub(crate) fn asked(&self) {
        self.asked.store(true, Relaxed);
    }

    /// What has come since the last time.
    pub(crate) fn take(&self) -> Vec<(StatusCode, HeaderMap)> {
        if !self.heard.swap(false, Relaxed) {
            return Vec::new();
        }
        std::mem::take(&mut *self.interims.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn hear(&self, interim: (StatusCode, HeaderMap)) {
        self.interims.lock().unwrap_or_else(PoisonError::into_inner).push(interim);
        self.heard.store(true, Relaxed);
    }
}

/// See the module.
pub(crate) struct Attentive {
    stream: Stream,
    ear: Arc<Ear>,
    listening: Option<Listening>,
    /// Read, and not yet given on.
    held: Vec<u8>,
}

#[derive(Default)]
struct Listening {
    interims: u32,
    bytes: usize,
}

/// What the bytes so far are the beginning of.
#[derive(Debug, PartialEq, Eq)]
enum Beginning {
    Answer,
    Interim,
    Unknown,
}

impl Attentive {
    pub(crate) fn new(stream: Stream, ear: Arc<Ear>) -> Attentive {
        Attentive { stream, ear, listening: None, held: Vec::new() }
    }

    /// The stream, and what was read of it that nobody has had.
    pub(crate) fn into_parts(self) -> (Stream, Vec<u8>) {
        (self.stream, self.held)
    }

    /// Takes out of what is held all that comes before the answer. Whether the answer has begun.
    fn listen(&mut self) -> io::Result<bool> {
        let Some(listening) = &mut self.listening else { return Ok(true) };
        loop {
            match beginning(&self.held) {
                Beginning::Answer => {
                    read_as_1_1(&mut self.held);
                    self.listening = None;
                    return Ok(true);
                }
                Beginning::Unknown => return Ok(false),
                Beginning::Interim => {
                    read_as_1_1(&mut self.held);
                    let (length, interim) = match interim(&self.held)? {
                        Some(parsed) => parsed,
                        None if listening.bytes + self.held.len() > INTERIM_BYTES => return Err(endless()),
                        None => return Ok(false),
                    };
                    listening.interims += 1;
                    listening.bytes += length;
                    if listening.interims > INTERIMS || listening.bytes > INTERIM_BYTES {
                        return Err(endless());
                    }
                    self.held.drain(..length);
                    // Nobody here has asked whether to go on (RFC 9110 section 10.1.1).
                    if interim.0 != StatusCode::CONTINUE {
                        self.ear.hear(interim);
                    }
                }
            }
        }
    }
}

fn endless() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "more answers 1xx than anybody needs")
}

fn beginning(bytes: &[u8]) -> Beginning {
    const BEFORE: &[u8] = b"HTTP/1.";
    let common = bytes.len().min(BEFORE.len());
    match bytes {
        _ if bytes[..common] != BEFORE[..common] => Beginning::Answer,
        // 101 is an answer: another protocol follows it.
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

/// The first head, and how long it is. None: it is not whole.
fn interim(bytes: &[u8]) -> io::Result<Option<(usize, (StatusCode, HeaderMap))>> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidData, "an answer 1xx that is no HTTP");
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

impl AsyncRead for Attentive {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ear.asked.swap(false, Relaxed) {
            this.listening = Some(Listening::default());
        }
        loop {
            if this.listening.is_none() {
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
                // The end. What there was is for hyper to judge.
                this.listening = None;
                continue;
            }
            if this.held.is_empty() && beginning(came) == Beginning::Answer {
                read_as_1_1(came);
                this.listening = None;
                return Poll::Ready(Ok(()));
            }
            this.held.extend_from_slice(came);
            buffer.set_filled(before);
            this.listen()?;
        }
    }
}

impl AsyncWrite for Attentive {
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

    /// What hyper would read of these bytes, which come in pieces of `cut`, and what was heard before.
    async fn heard(said: &[u8], cut: usize) -> (io::Result<Vec<u8>>, Vec<u16>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut origin = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        origin.set_nodelay(true).unwrap();
        let ear = Arc::new(Ear::default());
        let mut attentive = Attentive::new(Stream::Plain(listener.accept().await.unwrap().0), ear.clone());
        ear.asked();
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
                match attentive.read(&mut some).await? {
                    0 => return Ok(all),
                    n => all.extend_from_slice(&some[..n]),
                }
            }
        };
        let (_, read) = tokio::join!(saying, reading);
        (read, ear.take().iter().map(|(status, _)| status.as_u16()).collect())
    }

    #[tokio::test]
    async fn what_comes_before_an_answer_is_heard_and_the_answer_is_read_as_it_is() {
        const HINT: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n";
        for (before, heard_before) in [
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
                    let (read, statuses) = heard(format!("{before}{answer}").as_bytes(), cut).await;
                    assert_eq!(String::from_utf8(read.unwrap()).unwrap(), answer, "{before:?} {cut}");
                    assert_eq!(statuses, heard_before, "{before:?} {cut}");
                }
            }
        }
        let (read, statuses) = heard(b"HTTP/1.2 103 x\r\n\r\nHTTP/1.9 200 OK\r\n\r\n", 4).await;
        assert_eq!((read.unwrap(), statuses), (b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![103]));
    }

    #[tokio::test]
    async fn there_may_be_as_many_as_the_limit_and_of_as_many_bytes() {
        let hints = |n: u32| format!("{}HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 103 x\r\n\r\n".repeat(n as usize));
        for (n, fine) in [(INTERIMS - 1, true), (INTERIMS, true), (INTERIMS + 1, false)] {
            assert_eq!(heard(hints(n).as_bytes(), 4096).await.0.is_ok(), fine, "{n}");
        }
        let (before, after) = ("HTTP/1.1 103 x\r\nlink: ", "\r\n\r\n");
        let large = |n: usize| format!("{before}{}{after}HTTP/1.1 200 OK\r\n\r\n", "x".repeat(n - before.len() - after.len()));
        for (n, fine) in [(INTERIM_BYTES - 1, true), (INTERIM_BYTES, true), (INTERIM_BYTES + 1, false)] {
            assert_eq!(heard(large(n).as_bytes(), 4096).await.0.is_ok(), fine, "{n}");
        }
        let endless = format!("{before}{}", "x".repeat(2 * INTERIM_BYTES));
        assert!(heard(endless.as_bytes(), 4096).await.0.is_err());
        assert!(heard(b"HTTP/1.1 103 x\r\nno field\r\n\r\n", 4096).await.0.is_err());
    }
}
