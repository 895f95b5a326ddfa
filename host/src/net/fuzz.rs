//! For fuzz targets: what hyper makes of the bytes of a connection, without a socket.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response, request};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;

use crate::limits::request::{H1_BUFFER_BYTES, HEAD_BYTES};

pub(crate) use crate::net::framing::fuzz::framing;

/// A request that hyper gave to its service.
pub(crate) struct HyperMessage {
    pub(crate) parts: request::Parts,
    pub(crate) body: Vec<u8>,
    /// The body has ended as it should.
    pub(crate) whole: bool,
}

/// Every request that hyper finds in these bytes, with the settings of `Protocols`. After the bytes nothing
/// comes, not even an end: what hyper has not told by then it will not tell.
pub(crate) fn hyper_reads(bytes: &[u8]) -> Vec<HyperMessage> {
    const IDLE_POLLS: usize = 4;
    let messages = Rc::new(RefCell::new(Vec::new()));
    let left = Rc::new(RefCell::new(Bytes::copy_from_slice(bytes)));
    let seen = messages.clone();
    let service = service_fn(move |request: Request<Incoming>| read(seen.clone(), request));
    let mut http1 = http1::Builder::new();
    http1.header_read_timeout(None).max_header_size(HEAD_BYTES).max_buf_size(H1_BUFFER_BYTES).half_close(false);
    let mut connection = http1.serve_connection(Wire { left: left.clone() }, service);

    let mut idle = 0;
    let mut before = (0, 0);
    while idle < IDLE_POLLS && Pin::new(&mut connection).poll(&mut Context::from_waker(Waker::noop())).is_pending() {
        let now = (left.borrow().len(), messages.borrow().len());
        idle = if now == before { idle + 1 } else { 0 };
        before = now;
    }
    drop(connection);
    messages.take()
}

async fn read(
    messages: Rc<RefCell<Vec<HyperMessage>>>,
    request: Request<Incoming>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (parts, mut incoming) = request.into_parts();
    let index = messages.borrow().len();
    messages.borrow_mut().push(HyperMessage { parts, body: Vec::new(), whole: false });
    loop {
        match incoming.frame().await {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    messages.borrow_mut()[index].body.extend_from_slice(&data);
                }
            }
            Some(Err(_)) => break,
            None => {
                messages.borrow_mut()[index].whole = true;
                break;
            }
        }
    }
    Ok(Response::new(Empty::new()))
}

/// Gives its bytes, then nothing; takes everything.
struct Wire {
    left: Rc<RefCell<Bytes>>,
}

impl Read for Wire {
    fn poll_read(self: Pin<&mut Self>, _cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let mut left = self.left.borrow_mut();
        if left.is_empty() {
            return Poll::Pending;
        }
        let n = left.len().min(buf.remaining());
        buf.put_slice(&left.split_to(n));
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire {
    fn poll_write(self: Pin<&mut Self>, _cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
