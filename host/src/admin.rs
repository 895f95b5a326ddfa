//! I answer health, metrics and drain on a private port.
//!
//! I run on a thread of my own: a worker that is busy, or wrongly blocked, does not make the process look
//! dead. Nothing here is for the public; there is no authentication.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;

use crate::host::Handle;
use crate::limits::{Limit, Profile};

/// Serves until the process ends; the address that is listened on.
pub(crate) fn start(listener: TcpListener, host: Handle) -> anyhow::Result<SocketAddr> {
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("edgeward-admin".to_owned()).spawn(move || {
        let served = runtime.block_on(async { axum::serve(tokio::net::TcpListener::from_std(listener)?, router(host)).await });
        if let Err(error) = served {
            tracing::error!(%error, "the admin port is gone");
        }
    })?;
    Ok(address)
}

fn router(host: Handle) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/drain", post(drain))
        .route("/config/functions", get(functions))
        .with_state(host)
}

/// For a load balancer: whether new requests are welcome.
async fn ready(State(host): State<Handle>) -> (StatusCode, &'static str) {
    if host.is_ready() { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n") }
}

async fn metrics(State(host): State<Handle>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], host.telemetry().render())
}

async fn drain(State(host): State<Handle>) -> (StatusCode, &'static str) {
    host.drain();
    (StatusCode::ACCEPTED, "draining\n")
}

#[derive(Serialize)]
struct Function {
    name: String,
    profile: &'static str,
    moments: Vec<&'static str>,
    http: bool,
    limits: BTreeMap<&'static str, u64>,
}

async fn functions(State(host): State<Handle>) -> Json<Vec<Function>> {
    let revisions = host.revisions();
    let functions = revisions.iter().map(|(name, revision)| Function {
        name: name.to_owned(),
        profile: match revision.profile() {
            Profile::Viewer => "viewer",
            Profile::Worker => "worker",
        },
        moments: revision.moments().iter().map(|moment| moment.name()).collect(),
        http: revision.is_http(),
        limits: Limit::ALL.map(|limit| (limit.name(), revision.limits().value(limit))).into(),
    });
    Json(functions.collect())
}
