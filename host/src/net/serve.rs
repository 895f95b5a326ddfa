//! A worker's accept loops: every connection is counted, registered in the sweep, and served to its end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, spawn_local};

use crate::limits::descriptors::{PAUSE_MS, PAUSE_MS_MAX};
use crate::limits::request::{BACKLOG, DRAIN_IDLE_MS};
use crate::net::client::{Client, Entrance};
use crate::net::connection::{self, HttpServer};
use crate::net::departure::{Departure, DeparturePhase};
use crate::net::descriptors;
use crate::net::leftover;
use crate::net::rules::ClientRules;
use crate::net::state::ConnectionStage;
use crate::net::sweep::{Bounds, Sweep};
use crate::net::ticks::TICK;
use crate::net::tls::TlsSlot;
use crate::telemetry::NetMetrics;

/// A listening socket, and the protocol on it.
pub struct Acceptor {
    pub listener: std::net::TcpListener,
    pub entrance: Entrance,
    /// `None` for cleartext.
    pub tls: Option<Arc<TlsSlot>>,
}

/// Accepts on all sockets of this worker until the departure closes, then waits for the connections to end. Runs
/// on a `LocalSet`. The caller bounds how long it waits; connections that are still open then end with the `LocalSet`.
///
/// # Errors
/// A listener could not be registered with the runtime.
pub async fn serve<H, F, B>(
    bounds: Bounds,
    acceptors: Vec<Acceptor>,
    rules: Arc<ClientRules>,
    departure: Arc<Departure>,
    metrics: NetMetrics,
    handler: H,
) -> io::Result<()>
where
    H: Fn(Arc<Client>, Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let sweep = Sweep::new(bounds, metrics);
    let server = Rc::new(HttpServer::new(handler));
    // Dropping a set ends its tasks.
    let mut accepting = JoinSet::new();
    for acceptor in acceptors {
        let listener = TcpListener::from_std(acceptor.listener)?;
        let listening = Listener {
            entrance: acceptor.entrance,
            tls: acceptor.tls,
            descriptors: bounds.descriptors,
            sweep: sweep.clone(),
            rules: rules.clone(),
            server: server.clone(),
        };
        accepting.spawn_local(listening.attend(listener, departure.clone()));
    }
    let mut ticking = JoinSet::new();
    ticking.spawn_local(tick(sweep.clone()));

    departure.reached(DeparturePhase::Leaving).await;
    // Under load clients would be refused before a successor that is started at once could ask for the sockets.
    let busy = Duration::from_millis(if sweep.is_asked() { DRAIN_IDLE_MS } else { 0 });
    let least = tokio::time::sleep(departure.least().unwrap_or(busy));
    sweep.drain();
    sweep.early_ended().await;
    // Once a successor serves, listening on helps no client.
    tokio::select! {
        () = least => {}
        () = departure.reached(DeparturePhase::Closing) => {}
    }
    departure.early_ended();
    while accepting.join_next().await.is_some() {}
    sweep.emptied().await;
    Ok(())
}

async fn tick(sweep: Rc<Sweep>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        sweep.tick();
        if leftover::is_due(sweep.now(), sweep.ended()) {
            leftover::give_back();
        }
    }
}

/// What a listening socket does with the connections it accepts.
struct Listener<H> {
    entrance: Entrance,
    tls: Option<Arc<TlsSlot>>,
    descriptors: u64,
    sweep: Rc<Sweep>,
    rules: Arc<ClientRules>,
    server: Rc<HttpServer<H>>,
}

impl<H, F, B> Listener<H>
where
    H: Fn(Arc<Client>, Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Accepts until the departure closes.
    async fn attend(self, listener: TcpListener, departure: Arc<Departure>) {
        let mut closing = pin!(departure.reached(DeparturePhase::Closing));
        let mut pause = PAUSE_MS;
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut closing => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    pause = PAUSE_MS;
                    self.receive(stream, peer).await;
                }
                Err(error) if is_client_error(&error) => self.sweep.metrics().refused("accept"),
                Err(error) => {
                    self.sweep.metrics().refused("accept");
                    self.sweep.shed(1);
                    descriptors::warn_of_shortage(&format!("cannot accept a connection: {error}"));
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                    pause = (2 * pause).min(PAUSE_MS_MAX);
                }
            }
        }
        // Connections from here on are told that their response is the last, even if this worker's drain has not begun.
        self.sweep.drain();
        if let Ok(listener) = listener.into_std() {
            self.empty_queue(listener).await;
        }
    }

    /// Accepts what is in the socket's queue: the clients see an open connection, which closing would reset.
    async fn empty_queue(self, listener: std::net::TcpListener) {
        // Accepts directly: the runtime may not know of them yet.
        for _ in 0..BACKLOG {
            let Ok((stream, peer)) = listener.accept() else { return };
            if let Ok(()) = stream.set_nonblocking(true)
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                self.receive(stream, peer).await;
            }
        }
    }

    async fn receive(&self, stream: TcpStream, peer: SocketAddr) {
        let metrics = self.sweep.metrics();
        let Some(permit) = self.rules.admit(peer.ip()) else { return metrics.refused("client-connections") };
        // The kernel assigns the lowest free number, so at least this many are in use.
        let number = u64::try_from(stream.as_raw_fd()).unwrap_or(0);
        let scarce = number >= self.descriptors;
        if scarce {
            descriptors::warn_of_shortage("file descriptors are short");
        }
        if scarce || self.sweep.is_full() {
            // As many as there are too many: new connections fill these holes before a high number is assigned again.
            let beyond = usize::try_from(number.saturating_sub(self.descriptors)).unwrap_or(0);
            if self.sweep.shed(beyond + 1) == 0 {
                return metrics.refused(if scarce { "descriptors" } else { "connections" });
            }
            // Lets the connections that were shed close before others are accepted.
            tokio::task::yield_now().await;
        }
        let client = Client {
            entrance: self.entrance,
            peer,
            ip: peer.ip().to_canonical().to_string().into(),
            tls: None,
            upload_bytes_per_s: self.rules.upload_bytes_per_s(),
            interim: None,
            stillness: None,
        };
        let server = self.server.clone();
        // Detached: the sweep knows every connection, and the drain waits for them through it.
        match &self.tls {
            None => {
                let entry = self.sweep.enter(ConnectionStage::Idle, permit);
                spawn_local(connection::serve_cleartext(stream, client, entry, server));
            }
            Some(slot) => {
                let entry = self.sweep.enter(ConnectionStage::Handshake, permit);
                spawn_local(connection::serve_tls(stream, slot.clone(), client, entry, server));
            }
        }
    }
}

/// Whether the client has gone before it was accepted; then nothing is wrong here.
fn is_client_error(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, TimedOut};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | TimedOut)
}
