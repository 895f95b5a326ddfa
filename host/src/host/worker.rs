//! One thread, one runtime, one listener of each address: connections never leave their worker.

use std::future::pending;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;

use super::Shared;
use crate::edge;
use crate::function::pool;
use crate::net::{self, Acceptor};

/// Starts as many workers as each address has sockets.
pub(super) fn start(
    shared: &Arc<Shared>,
    http: Vec<Vec<TcpListener>>,
    https: Vec<Vec<TcpListener>>,
) -> anyhow::Result<Vec<JoinHandle<anyhow::Result<()>>>> {
    let workers = shared.snapshot.load().server.workers;
    let mut acceptors: Vec<Vec<Acceptor>> = (0..workers).map(|_| Vec::new()).collect();
    let cleartext = http.into_iter().map(|sockets| (sockets, None));
    let encrypted = https.into_iter().map(|sockets| (sockets, shared.tls.clone()));
    for (sockets, tls) in cleartext.chain(encrypted) {
        for (acceptors, listener) in acceptors.iter_mut().zip(sockets) {
            acceptors.push(Acceptor { listener, tls: tls.clone() });
        }
    }
    let start = |(index, acceptors)| {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let shared = shared.clone();
        let thread = std::thread::Builder::new().name(format!("edgeward-{index}"));
        Ok(thread.spawn(move || {
            pool::enter_worker(index);
            let result = run(&runtime, acceptors, &shared);
            // A process with a worker less would lose the connections that the kernel gives to it.
            shared.drain.send_replace(true);
            // Not dropped: that would wait for a thread that the file system, or the resolver of names, holds up for ever.
            runtime.shutdown_background();
            result
        })?)
    };
    acceptors.into_iter().enumerate().map(start).collect()
}

fn run(runtime: &Runtime, acceptors: Vec<Acceptor>, shared: &Arc<Shared>) -> anyhow::Result<()> {
    let tasks = LocalSet::new();
    let (drain, metrics) = (shared.drain.subscribe(), shared.telemetry.net());
    let snapshots = shared.clone();
    tasks.block_on(runtime, async move {
        tokio::task::spawn_local(pool::caretaker());
        let serving = net::serve(acceptors, drain, metrics, move |client, request| {
            edge::serve(snapshots.snapshot.load().edge.clone(), client, request)
        });
        tokio::select! {
            result = serving => result.map_err(anyhow::Error::from),
            () = too_late(shared) => {
                tracing::warn!("the drain's time is up; requests that are still open are cut off");
                Ok(())
            }
        }
    })
}

/// Ends when a drain has taken longer than it may.
async fn too_late(shared: &Shared) {
    let mut drain = shared.drain.subscribe();
    if drain.wait_for(|draining| *draining).await.is_err() {
        return pending().await;
    }
    let patience = shared.snapshot.load().server.drain;
    tokio::time::sleep(patience).await;
}
