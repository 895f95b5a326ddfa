//! The connections of the admin port: bounded in number and in time.
//!
//! hyper's deadline for a head closes silent and slow clients, the request's deadline covers slow bodies, and the
//! connection's deadline covers clients that do not read.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::limits::admin::{ACCEPT_PAUSE_MS, CONNECTION_MS, HEAD_BYTES, HEAD_TIMEOUT_MS};
use crate::telemetry::AdminMetrics;

/// Serves a bounded number of connections until `until`; open ones end after their current request.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    counters: AdminMetrics,
    connections_max: usize,
    until: impl Future<Output = ()>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        // Applies to idle connections, too.
        .header_read_timeout(Duration::from_millis(HEAD_TIMEOUT_MS))
        .max_buf_size(HEAD_BYTES);
    let places = Arc::new(Semaphore::new(connections_max));
    let open = GracefulShutdown::new();
    let mut until = std::pin::pin!(until);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut until => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                pause(&error).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            counters.refused("connections");
            continue;
        };
        let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
        let connection = tokio::time::timeout(Duration::from_millis(CONNECTION_MS), open.watch(connection));
        tokio::spawn(async move {
            let _place = place;
            if let Ok(Err(error)) = connection.await {
                tracing::debug!(%error, "a connection of the admin port ended");
            }
        });
    }
    drop(listener);
    open.shutdown().await;
}

/// Pauses after an error: without descriptors, accept would fail in a busy loop.
async fn pause(error: &io::Error) {
    tracing::debug!(%error, "the admin port cannot accept a connection");
    tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
}
