//! WebSocket at both ends: a client, and an origin that echoes.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async, client_async};

use super::{PATIENCE, eventually};

/// What was asked for, by whom the handshake was seen.
#[derive(Debug, Clone)]
pub struct Asked {
    pub target: String,
    pub headers: http::HeaderMap,
}

/// A server that agrees to WebSocket and sends every message back. Below `/forbidden` it answers 403, and at
/// `leave` it goes without a word.
pub struct EchoSocket {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// Connections that are open.
    open: Arc<()>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Drop for EchoSocket {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl EchoSocket {
    pub fn start() -> EchoSocket {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (asked, open) = (Arc::new(Mutex::new(Vec::new())), Arc::new(()));
        let (log, counted) = (asked.clone(), open.clone());
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let (log, open) = (log.clone(), counted.clone());
                tokio::spawn(async move {
                    echo(stream, log).await;
                    drop(open);
                });
            }
        });
        EchoSocket { address, asked, open, runtime: Some(runtime) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    #[track_caller]
    pub fn last(&self) -> Asked {
        self.asked().last().cloned().expect("the origin was asked")
    }

    #[track_caller]
    pub fn wait_until_left(&self) {
        // The server's own, the accepting task's.
        eventually("all connections of the origin have ended", || Arc::strong_count(&self.open) == 2);
    }
}

// The error's size is the crate's choice.
#[allow(clippy::result_large_err, reason = "the callback's type is the crate's")]
async fn echo(stream: TcpStream, log: Arc<Mutex<Vec<Asked>>>) {
    let answer = |request: &Request, mut response: Response| {
        let target = request.uri().to_string();
        log.lock().unwrap().push(Asked { target: target.clone(), headers: request.headers().clone() });
        if target.starts_with("/forbidden") {
            let refusal = http::Response::builder().status(403).header("content-length", 2).header("x-origin", "no");
            let refusal: ErrorResponse = refusal.body(Some("no".to_owned())).unwrap();
            return Err(refusal);
        }
        if let Some(protocol) = request.headers().get("sec-websocket-protocol") {
            response.headers_mut().insert("sec-websocket-protocol", protocol.clone());
        }
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr_async(stream, answer).await else { return };
    while let Some(Ok(message)) = socket.next().await {
        if message == Message::text("leave") {
            return;
        }
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            return;
        }
    }
}

/// A client's end of a WebSocket.
pub struct Socket<S> {
    stream: WebSocketStream<S>,
    /// The answer to its handshake.
    pub answer: http::Response<Option<Vec<u8>>>,
}

impl Socket<TcpStream> {
    pub async fn open(address: SocketAddr, target: &str) -> Socket<TcpStream> {
        Socket::try_open(address, target, &[]).await.unwrap_or_else(|answer| panic!("no WebSocket: {answer:?}"))
    }

    /// An error is the answer that was not 101.
    pub async fn try_open(
        address: SocketAddr,
        target: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Socket<TcpStream>, http::Response<Option<Vec<u8>>>> {
        Socket::over(TcpStream::connect(address).await.unwrap(), target, headers).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    pub async fn over(
        stream: S,
        target: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Socket<S>, http::Response<Option<Vec<u8>>>> {
        let mut request = format!("ws://www.example.com{target}").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        match within(client_async(request, stream)).await {
            Ok((stream, answer)) => Ok(Socket { stream, answer }),
            Err(tungstenite::Error::Http(answer)) => Err(*answer),
            Err(error) => panic!("the handshake broke: {error}"),
        }
    }

    pub async fn send(&mut self, message: Message) {
        within(self.stream.send(message)).await.expect("the edge takes messages");
    }

    /// The next message; none when the other side is gone, with or without a word.
    pub async fn next(&mut self) -> Option<Message> {
        within(self.stream.next()).await?.ok()
    }

    pub async fn echoes(&mut self, message: Message) {
        self.send(message.clone()).await;
        assert!(self.next().await.as_ref() == Some(&message), "the message comes back");
    }

    /// Closes as RFC 6455 wants it, and waits for the other side to have agreed.
    pub async fn close(mut self) {
        within(self.stream.close(None)).await.expect("the edge takes the close");
        assert!(matches!(self.next().await, Some(Message::Close(_))));
        assert!(self.next().await.is_none());
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it happens in time")
}
