//! A worker's accept loops: every connection is counted, entered in the sweep and served to its end.

use std::future::Future;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_local};

use crate::net::connection::{self, Protocols};
use crate::net::sweep::{Bounds, Stage, Sweep, TICK};
use crate::net::{Client, TlsSlot};
use crate::telemetry::NetMetrics;

/// Where connections come from, and how.
pub struct Acceptor {
    pub listener: std::net::TcpListener,
    /// None for cleartext.
    pub tls: Option<Arc<TlsSlot>>,
}

/// Becomes true when connections are to end after their current request.
pub type Drain = watch::Receiver<bool>;

/// Accepts on all sockets of this worker until `drain`, then waits for the connections to end. Runs on a
/// `LocalSet`; the caller bounds how long it waits, and what is still open then ends with the `LocalSet`.
///
/// # Errors
/// A listener could not be given to the runtime.
pub async fn serve<H, F, B>(acceptors: Vec<Acceptor>, drain: Drain, metrics: NetMetrics, handler: H) -> io::Result<()>
where
    H: Fn(Client, Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    serve_within(Bounds::default(), acceptors, drain, metrics, handler).await
}

/// `serve` with other bounds than those of `limits::request`.
///
/// # Errors
/// As `serve`.
pub async fn serve_within<H, F, B>(
    bounds: Bounds,
    acceptors: Vec<Acceptor>,
    mut drain: Drain,
    metrics: NetMetrics,
    handler: H,
) -> io::Result<()>
where
    H: Fn(Client, Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let sweep = Sweep::new(bounds, metrics);
    let protocols = Rc::new(Protocols::new());
    let handler = Rc::new(handler);
    // Dropping a set ends its tasks.
    let mut accepting = JoinSet::new();
    for acceptor in acceptors {
        let listener = TcpListener::from_std(acceptor.listener)?;
        accepting.spawn_local(accept(listener, acceptor.tls, sweep.clone(), protocols.clone(), handler.clone()));
    }
    let mut ticking = JoinSet::new();
    ticking.spawn_local(tick(sweep.clone()));

    // Whoever could begin the drain is gone: nobody could end it later.
    let _ = drain.wait_for(|draining| *draining).await;
    accepting.shutdown().await;
    sweep.drain();
    sweep.emptied().await;
    Ok(())
}

async fn tick(sweep: Rc<Sweep>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        sweep.tick();
    }
}

async fn accept<H, F, B>(
    listener: TcpListener,
    tls: Option<Arc<TlsSlot>>,
    sweep: Rc<Sweep>,
    protocols: Rc<Protocols>,
    handler: Rc<H>,
) where
    H: Fn(Client, Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly: without the pause this would spin.
                sweep.metrics().refused("accept");
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        if sweep.is_full() {
            sweep.metrics().refused("connections");
            continue;
        }
        let client = Client { peer, ip: peer.ip().to_canonical().to_string().into(), tls: None, interim: None };
        let (protocols, handler) = (protocols.clone(), handler.clone());
        // Detached: the sweep knows every connection, and the drain waits for them through it.
        match &tls {
            None => {
                let entry = sweep.enter(Stage::Idle);
                spawn_local(connection::serve_cleartext(stream, client, entry, protocols, handler));
            }
            Some(slot) => {
                let entry = sweep.enter(Stage::Handshake);
                spawn_local(connection::serve_tls(stream, slot.clone(), client, entry, protocols, handler));
            }
        }
    }
}
