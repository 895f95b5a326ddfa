//! One thread, one runtime, one listener of each address: connections never leave their worker.

use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use http_body_util::Either;
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;

use super::sockets::Sockets;
use super::{Shared, api};
use crate::edge;
use crate::function::lane::WorkerLane;
use crate::net::{self, Acceptor, Bounds, DeparturePhase, Entrance};

/// Starts the workers, each with its share of the sockets.
pub(super) fn start(shared: &Arc<Shared>, sockets: &Sockets) -> anyhow::Result<Vec<JoinHandle<anyhow::Result<()>>>> {
    let workers = shared.snapshot.load().server.workers;
    let mut acceptors: Vec<Vec<Acceptor>> = (0..workers).map(|_| Vec::new()).collect();
    let cleartext = sockets.http.iter().map(|listening| (listening, Entrance::Sites, None));
    let encrypted = sockets.https.iter().map(|listening| (listening, Entrance::Sites, shared.tls.clone()));
    let api = sockets.api.iter().map(|listening| (listening, Entrance::Api, None));
    let api_https = sockets.api_https.iter().map(|listening| (listening, Entrance::Api, shared.tls.clone()));
    for (listening, entrance, tls) in cleartext.chain(encrypted).chain(api).chain(api_https) {
        for (acceptors, share) in acceptors.iter_mut().zip(listening.for_workers(workers)?) {
            acceptors.extend(share.into_iter().map(|listener| Acceptor { listener, entrance, tls: tls.clone() }));
        }
    }
    let beats = shared.notifier.beats(workers)?;
    let start = |(index, acceptors)| {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (shared, beats) = (shared.clone(), beats.clone());
        let thread = std::thread::Builder::new().name(format!("edgeward-{index}"));
        Ok(thread.spawn(move || {
            let result = run(&runtime, index, acceptors, &shared, beats.clone().map(|beats| beats.keep(index)));
            if let Some(beats) = beats {
                beats.ended(index);
            }
            // A process with a worker less would lose the connections that the kernel gives to it.
            shared.departure.close();
            // Not dropped: that would wait for a thread that the file system, or the resolver of names, holds up for ever.
            runtime.shutdown_background();
            result
        })?)
    };
    acceptors.into_iter().enumerate().map(start).collect()
}

fn run(
    runtime: &Runtime,
    index: usize,
    acceptors: Vec<Acceptor>,
    shared: &Arc<Shared>,
    beats: Option<impl Future<Output = ()> + 'static>,
) -> anyhow::Result<()> {
    let tasks = LocalSet::new();
    let (rules, departure, metrics) = (shared.rules.clone(), shared.departure.clone(), shared.telemetry.net());
    let bounds = Bounds { descriptors: shared.descriptors.for_clients(), ..Bounds::default() };
    let (snapshots, shared_by_events) = (shared.clone(), shared.clone());
    tasks.block_on(runtime, async move {
        let lane = Rc::new(WorkerLane::new(index));
        let caretaker = lane.clone();
        tokio::task::spawn_local(async move { caretaker.run_deferred().await });
        tokio::task::spawn_local(let_go(snapshots.clone()));
        if let Some(beats) = beats {
            tokio::task::spawn_local(beats);
        }
        let working = tokio::task::spawn_local(api::work(shared_by_events, lane.clone()));
        let serving = net::serve(bounds, acceptors, rules, departure, metrics, move |client, request| {
            let served = match client.entrance {
                Entrance::Sites => Ok(edge::serve(snapshots.snapshot.load().edge.clone(), lane.clone(), client, request)),
                Entrance::Api => Err(Box::pin(api::answer(snapshots.clone(), lane.clone(), client, request))),
            };
            async move {
                match served {
                    Ok(served) => served.await.map(Either::Left),
                    Err(answered) => answered.await.map(Either::Right),
                }
            }
        });
        let served = async {
            // A worker that cannot serve ends at once.
            serving.await.map_err(anyhow::Error::from)?;
            // It panicked, and has said so, or has ended.
            let _ = working.await;
            Ok(())
        };
        tokio::select! {
            result = served => result,
            () = too_late(shared) => {
                tracing::warn!("the drain's time is up; requests that are still open are cut off");
                Ok(())
            }
        }
    })
}

/// Closes the copies of the sockets that are kept for a successor, when the workers close theirs.
async fn let_go(shared: Arc<Shared>) {
    shared.departure.reached(DeparturePhase::Closing).await;
    shared.stop_listening();
}

/// Ends when a drain has taken longer than it may. Half of that time is for those who come while it goes on.
async fn too_late(shared: &Shared) {
    shared.departure.reached(DeparturePhase::Leaving).await;
    let patience = shared.snapshot.load().server.drain;
    tokio::time::sleep(patience / 2).await;
    shared.departure.close();
    tokio::time::sleep(patience / 2).await;
}
