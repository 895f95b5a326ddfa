//! I turn sockets into HTTP connections: TCP and TLS, HTTP/1.1 and HTTP/2, limits on heads and slow clients.
//!
//! I know no routes: a request goes to the handler I was given. Each worker thread has its own listening
//! sockets (`SO_REUSEPORT`) and serves what they accept to the end; nothing is shared between workers.
//!
//!     socket ─► accept ─► TLS? ─► Opening (h2 preface?) ─► Guarded (framing, pulse) ─► hyper ─► handler
//!
//! A request that reaches the handler has one meaning: its extent was certain (`framing`), and its Host
//! header is the authority it is for. A handler that reads a request's body wraps it in `SteadyBody`.

mod body;
mod connection;
mod framing;
mod guard;
mod pulse;
mod tls;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use crate::limits::request::{ACCEPT_BACKLOG, CONNECTIONS_PER_WORKER};
use crate::telemetry::NetMetrics;

pub use body::{BodyError, SteadyBody};
pub use pulse::Patience;
pub use tls::{TlsError, TlsSlot};

use connection::Protocols;
use pulse::{Stage, Sweep, TICK};

/// The other end of a connection, as a request's handler sees it.
#[derive(Debug, Clone)]
pub struct Client {
    pub peer: SocketAddr,
    /// The peer's IP address as text; made once per connection, for hooks and logs.
    pub ip: Arc<str>,
    /// Some for TLS.
    pub tls: Option<Tls>,
}

/// What a TLS handshake agreed on, as the access log names it.
#[derive(Debug, Clone)]
pub struct Tls {
    /// `TLSv1.2` or `TLSv1.3`.
    pub protocol: &'static str,
    pub cipher: &'static str,
    pub sni: Option<Arc<str>>,
}

/// An address could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {why}")]
pub struct BindError {
    pub address: SocketAddr,
    #[source]
    pub why: std::io::Error,
}

/// Binds one listening socket for each worker to the same address. With port 0 all get the same free port.
pub fn bind(address: SocketAddr, workers: usize) -> Result<Vec<TcpListener>, BindError> {
    let mut bound = address;
    let mut listeners = Vec::with_capacity(workers);
    for _ in 0..workers {
        let listener = listen(bound).map_err(|why| BindError { address, why })?;
        bound = listener.local_addr().map_err(|why| BindError { address, why })?;
        listeners.push(listener);
    }
    Ok(listeners)
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    // Accepted sockets inherit it.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(ACCEPT_BACKLOG)?;
    Ok(socket.into())
}

/// A bound socket and what is spoken on it.
pub enum Listener {
    /// HTTP/1.1, or HTTP/2 by prior knowledge.
    Cleartext(TcpListener),
    /// TLS; ALPN chooses.
    Tls(TcpListener, Arc<TlsSlot>),
}

/// Tells all workers to drain.
pub struct Drain {
    deadline: watch::Sender<Option<Instant>>,
}

/// What a worker watches to know that it must drain.
#[derive(Clone)]
pub struct DrainSignal {
    deadline: watch::Receiver<Option<Instant>>,
}

impl Drain {
    pub fn new() -> (Drain, DrainSignal) {
        let (sender, receiver) = watch::channel(None);
        (Drain { deadline: sender }, DrainSignal { deadline: receiver })
    }

    /// Open requests may finish for this long.
    pub fn begin(&self, patience: Duration) {
        self.deadline.send_replace(Some(Instant::now() + patience));
    }
}

impl DrainSignal {
    /// Waits for the drain to begin; a dropped `Drain` is a drain without patience.
    async fn begun(mut self) -> Instant {
        match self.deadline.wait_for(Option::is_some).await {
            Ok(deadline) => deadline.unwrap_or_else(Instant::now),
            Err(_) => Instant::now(),
        }
    }
}

/// How a worker's connections ended when it was drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// All had finished.
    Clean,
    /// This many had not at the deadline; they end with the `LocalSet`.
    Cut(usize),
}

/// Accepts and serves until it is drained. Must run in a `LocalSet`: requests stay on this thread.
///
/// # Errors
/// A listener could not be given to the runtime.
pub async fn serve<H, F, B>(
    listeners: Vec<Listener>,
    handler: H,
    patience: Patience,
    metrics: NetMetrics,
    drain: DrainSignal,
) -> std::io::Result<Drained>
where
    H: Fn(Client, Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let sweep = Sweep::new(patience, metrics);
    let protocols = Rc::new(Protocols::new());
    let handler = Rc::new(handler);
    // Dropping a set ends its tasks.
    let mut acceptors = tokio::task::JoinSet::new();
    for listener in listeners {
        let (listener, tls) = match listener {
            Listener::Cleartext(listener) => (listener, None),
            Listener::Tls(listener, slot) => (listener, Some(TlsAcceptor::from(slot.config()))),
        };
        let listener = tokio::net::TcpListener::from_std(listener)?;
        acceptors.spawn_local(accept(listener, tls, sweep.clone(), protocols.clone(), handler.clone()));
    }
    let mut ticker = tokio::task::JoinSet::new();
    ticker.spawn_local({
        let sweep = sweep.clone();
        async move {
            let mut interval = tokio::time::interval(TICK);
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                interval.tick().await;
                sweep.tick();
            }
        }
    });

    let deadline = drain.begun().await;
    acceptors.shutdown().await;
    sweep.drain();
    let drained = tokio::time::timeout_at(deadline, sweep.emptied()).await;
    Ok(if drained.is_ok() { Drained::Clean } else { Drained::Cut(sweep.len()) })
}

async fn accept<H, F, B>(
    listener: tokio::net::TcpListener,
    tls: Option<TlsAcceptor>,
    sweep: Rc<Sweep>,
    protocols: Rc<Protocols>,
    handler: Rc<H>,
) where
    H: Fn(Client, Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Mostly: no file descriptor is left. One may be soon; asking again at once would only spin.
                sweep.metrics().refused("accept");
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        if sweep.len() >= CONNECTIONS_PER_WORKER {
            sweep.metrics().refused("connections");
            continue;
        }
        let client = Client { peer, ip: peer.ip().to_canonical().to_string().into(), tls: None };
        let (protocols, handler) = (protocols.clone(), handler.clone());
        // Detached: the sweep knows every connection, and the drain waits for them through it.
        match &tls {
            None => {
                let entry = sweep.enter(Stage::Idle);
                tokio::task::spawn_local(connection::serve_cleartext(stream, client, entry, protocols, handler));
            }
            Some(acceptor) => {
                let (entry, acceptor) = (sweep.enter(Stage::Handshake), acceptor.clone());
                tokio::task::spawn_local(connection::serve_tls(stream, acceptor, client, entry, protocols, handler));
            }
        }
    }
}
