//! I answer health, metrics and drain on a private port.
//!
//! I run on a thread of my own: a busy or blocked worker does not make the process look dead. Nothing here is
//! public; `door` decides which requests are admitted.

mod door;
mod functions;
mod serve;

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http_body_util::BodyExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::cache::{self, Cache, Purge, PurgeError, Stats};
use crate::config::AdminAccess;
use crate::function::revision::Revision;
use crate::limits::admin as limits;
use crate::telemetry::{AdminMetrics, one_line_json};

/// The host's functions. The host knows me; I do not know it.
pub(crate) struct Desk {
    pub(crate) access: Box<dyn Fn() -> Arc<AdminAccess> + Send + Sync>,
    pub(crate) counters: AdminMetrics,
    pub(crate) is_ready: Box<dyn Fn() -> bool + Send + Sync>,
    pub(crate) drain: Box<dyn Fn() + Send + Sync>,
    pub(crate) metrics: Box<dyn Fn() -> String + Send + Sync>,
    pub(crate) revisions: Box<dyn Fn() -> Vec<Arc<Revision>> + Send + Sync>,
    pub(crate) has_site: Box<dyn Fn(&str) -> bool + Send + Sync>,
    /// The name of the site that serves a host.
    pub(crate) site_of_host: Box<SiteOfHost>,
    pub(crate) look_up: Box<LookUp>,
    pub(crate) cache: Arc<Cache>,
}

type SiteOfHost = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Looks up what a request would find in the cache: `null` for nothing, or an error. Both are JSON. May block.
type LookUp = dyn Fn(serde_json::Value) -> Result<serde_json::Value, String> + Send + Sync;

/// Serves a bounded number of connections until `until` or the end of the process. Returns the listening address.
pub(crate) fn start(
    listener: TcpListener,
    desk: Desk,
    connections_max: usize,
    until: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<SocketAddr> {
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("edgeward-admin".to_owned()).spawn(move || {
        let served = runtime.block_on(async {
            let (listener, counters) = (tokio::net::TcpListener::from_std(listener)?, desk.counters.clone());
            serve::serve(listener, router(desk), counters, connections_max, until).await;
            std::io::Result::Ok(())
        });
        if let Err(error) = served {
            tracing::error!(%error, "the admin port is gone");
        }
    })?;
    Ok(address)
}

fn router(desk: Desk) -> Router {
    let desk = Arc::new(desk);
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/drain", post(drain))
        .route("/config/functions", get(functions::all))
        .route("/cache", get(stats))
        .route("/cache/lookups", post(look_up))
        .route("/cache/purges", post(purge))
        .route("/cache/purges/{number}", get(purge_status))
        .layer(DefaultBodyLimit::max(limits::BODY_BYTES))
        // Outermost, so that it covers unknown paths.
        .layer(middleware::from_fn_with_state(desk.clone(), admitted))
        .with_state(desk)
}

async fn admitted(State(desk): State<Arc<Desk>>, request: Request, next: Next) -> Response {
    let Err(refusal) = door::admit(&(desk.access)(), &request) else {
        // The time includes a slow body.
        let patience = Duration::from_millis(limits::REQUEST_MS);
        let answered = tokio::time::timeout(patience, next.run(request)).await;
        let response = answered.unwrap_or_else(|_| (StatusCode::REQUEST_TIMEOUT, "it took too long\n").into_response());
        match response.status() {
            StatusCode::REQUEST_TIMEOUT => desk.counters.refused("timeout"),
            StatusCode::PAYLOAD_TOO_LARGE => desk.counters.refused("body"),
            _ => {}
        }
        return response;
    };
    desk.counters.refused(refusal.name());
    let mut response = (refusal.status(), refusal.text(&request)).into_response();
    if refusal.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    }
    response
}

/// JSON as one line, whatever is in it.
struct JsonLine<T>(T);

impl<T: Serialize> IntoResponse for JsonLine<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(text) => ([(header::CONTENT_TYPE, "application/json")], one_line_json(text)).into_response(),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
        }
    }
}

/// For load balancers: whether new requests are accepted.
async fn ready(State(desk): State<Arc<Desk>>) -> (StatusCode, &'static str) {
    if (desk.is_ready)() { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n") }
}

async fn metrics(State(desk): State<Arc<Desk>>) -> Response {
    static IN_FLIGHT: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(limits::METRICS_AT_ONCE)));
    let Ok(place) = IN_FLIGHT.clone().try_acquire_owned() else {
        desk.counters.refused("metrics");
        let text = "as many ask for metrics as may\n";
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], text).into_response();
    };
    // Updates the gauges of the cache.
    desk.cache.stats();
    let response = ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (desk.metrics)()).into_response();
    // The permit is released after the last byte.
    response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _ = &place;
            frame
        }))
    })
}

async fn drain(State(desk): State<Arc<Desk>>) -> (StatusCode, &'static str) {
    (desk.drain)();
    (StatusCode::ACCEPTED, "draining\n")
}

async fn stats(State(desk): State<Arc<Desk>>) -> JsonLine<Stats> {
    JsonLine(desk.cache.stats())
}

async fn look_up(
    State(desk): State<Arc<Desk>>,
    Json(sought): Json<serde_json::Value>,
) -> Result<JsonLine<serde_json::Value>, (StatusCode, String)> {
    let looked = tokio::task::spawn_blocking(move || (desk.look_up)(sought)).await;
    match looked {
        Ok(Ok(found)) => Ok(JsonLine(found)),
        Ok(Err(why)) => Err((StatusCode::BAD_REQUEST, format!("{why}\n"))),
        Err(error) => Err((StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"))),
    }
}

/// What to purge: everything, a site, a path of a site (`*` matches any characters), or a surrogate key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PurgeRequest {
    #[serde(default)]
    everything: bool,
    site: Option<String>,
    /// Names the site that serves it, instead of `site`.
    host: Option<String>,
    path: Option<String>,
    tag: Option<String>,
}

/// CloudFront's values for an invalidation's status.
#[derive(Serialize)]
struct PurgeState {
    number: u64,
    status: &'static str,
    /// Stored responses that it removed, from memory and disk each. `None` if it was too long ago.
    purged: Option<u64>,
}

impl PurgeState {
    /// `None` for an unknown number.
    fn of(cache: &Cache, number: u64) -> Option<PurgeState> {
        let status = if cache.is_swept(number)? { "Completed" } else { "InProgress" };
        Some(PurgeState { number, status, purged: cache.purged(number) })
    }
}

type PurgeAnswer = Result<(StatusCode, JsonLine<PurgeState>), (StatusCode, String)>;

/// The purge applies when this responds; it is `Completed` when the bytes are removed.
async fn purge(State(desk): State<Arc<Desk>>, Json(mut request): Json<PurgeRequest>) -> PurgeAnswer {
    if let (Some(host), None) = (&request.host, &request.site) {
        let site = (desk.site_of_host)(host);
        let none = || (StatusCode::NOT_FOUND, format!("no site serves `{}`\n", host.escape_debug()));
        (request.site, request.host) = (Some(site.ok_or_else(none)?), None);
    }
    let purge = match request {
        PurgeRequest { everything: true, site: None, host: None, path: None, tag: None } => Purge::Everything,
        PurgeRequest { everything: false, site: Some(site), host: None, path: None, tag: None } => Purge::Site { site },
        PurgeRequest { everything: false, site: Some(site), host: None, path: Some(pattern), tag: None } => {
            Purge::Path { site, pattern }
        }
        PurgeRequest { everything: false, site, host: None, path: None, tag: Some(tag) } => Purge::Tag { site, tag },
        _ => {
            let forms = "one of {\"everything\": true}, {\"site\"}, {\"site\", \"path\"}, {\"tag\"}, {\"site\", \"tag\"}; \"host\" may stand for \"site\"\n";
            return Err((StatusCode::BAD_REQUEST, forms.to_owned()));
        }
    };
    // Otherwise a misspelled name would seem to have been purged.
    if let Purge::Site { site } | Purge::Path { site, .. } | Purge::Tag { site: Some(site), .. } = &purge
        && !(desk.has_site)(site)
    {
        return Err((StatusCode::NOT_FOUND, format!("no site is called `{}`\n", site.escape_debug())));
    }
    if let Purge::Path { pattern, .. } = &purge
        && !pattern.starts_with('/')
    {
        return Err((StatusCode::BAD_REQUEST, format!("{}\n", cache::no_path(pattern))));
    }
    match desk.cache.purge(purge).await {
        Ok(number) => {
            let state = PurgeState::of(&desk.cache, number).unwrap_or(PurgeState { number, status: "InProgress", purged: None });
            Ok((StatusCode::CREATED, JsonLine(state)))
        }
        Err(error) => {
            let status = match error {
                PurgeError::TooMany => StatusCode::TOO_MANY_REQUESTS,
                PurgeError::TooLong => StatusCode::BAD_REQUEST,
                PurgeError::Journal(_) => StatusCode::INSUFFICIENT_STORAGE,
            };
            Err((status, format!("{error}\n")))
        }
    }
}

async fn purge_status(State(desk): State<Arc<Desk>>, Path(number): Path<u64>) -> PurgeAnswer {
    let state = PurgeState::of(&desk.cache, number);
    let state = state.ok_or_else(|| (StatusCode::NOT_FOUND, format!("there was no purge {number}\n")))?;
    Ok((StatusCode::OK, JsonLine(state)))
}
