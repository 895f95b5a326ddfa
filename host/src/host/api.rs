//! The AWS APIs of a host: their store is opened, their requests are read whole.
//!
//! A predecessor keeps its store until it has ended, which is after this process serves. Until then requests to the APIs are
//! answered with 503, which clients try again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::sync::{Arc, LazyLock, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{HOST, HeaderValue, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use tokio::sync::Semaphore;

use super::Shared;
use super::shared_functions::{defined, warn_of_missing};
use crate::aws::request::{self, ApiRequest, ApiResponse};
use crate::aws::{Api, ApiSettings};
use crate::config::Server;
use crate::function::build::Builder;
use crate::function::lane::WorkerLane;
use crate::limits::handover::ASK_AGAIN_MS;
use crate::limits::lambda::{REQUEST_BYTES, REQUEST_BYTES_ALL};
use crate::net::{Client, DeparturePhase, Pace, SteadyBody};
use crate::store::StoreError;

/// Opens the APIs; where a predecessor still has the store, in the background.
pub(super) fn open(
    shared: &Arc<Shared>,
    server: &Server,
    address: SocketAddr,
    builder: Arc<Builder>,
    waits: bool,
) -> anyhow::Result<()> {
    match opened(shared, server, address, builder.clone()) {
        Err(error) if waits && is_in_use(&error) => {
            let (shared, server) = (shared.clone(), server.clone());
            std::thread::Builder::new().name("edgeward-api".to_owned()).spawn(move || {
                loop {
                    std::thread::sleep(Duration::from_millis(ASK_AGAIN_MS));
                    match opened(&shared, &server, address, builder.clone()) {
                        Err(error) if is_in_use(&error) => {}
                        Err(error) => return tracing::error!("the AWS APIs are not served: {error:#}"),
                        Ok(()) => return,
                    }
                }
            })?;
            Ok(())
        }
        result => result,
    }
}

fn is_in_use(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<StoreError>(), Some(StoreError::InUse(_)))
}

fn opened(shared: &Shared, server: &Server, address: SocketAddr, builder: Arc<Builder>) -> anyhow::Result<()> {
    let endpoint = reachable(address);
    let (api, first) = Api::open(ApiSettings {
        data_dir: &server.data_dir,
        account: server.api_account.clone(),
        builder,
        compiling: server.compiling,
        grants: server.api_network.clone(),
        buckets: server.api_buckets.as_deref(),
        hot_reload: &server.api_hot_reload,
        vpcs: server.vpcs.clone(),
        endpoint,
        workers: server.workers,
        metrics: shared.telemetry.api(),
        may_move_clock: server.api_movable_clock,
        tracer: shared.telemetry.started_tracer(),
    })?;
    if let Some(first) = first {
        // Not in the log: logs are kept, and go to others.
        println!("The first identity is made. Its secret is shown this once; `edgeward credentials create` makes more.");
        println!("  export AWS_ACCESS_KEY_ID={}", first.access_key);
        println!("  export AWS_SECRET_ACCESS_KEY={}", first.secret_key);
    }
    shared.publisher.named.open(api.functions());
    let (schedules, departure) = (api.clone(), shared.departure.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let work = move || runtime.block_on(schedules.schedules(departure.reached(DeparturePhase::Leaving)));
    let ticking = std::thread::Builder::new().name("edgeward-ticks".to_owned()).spawn(work)?;
    *shared.ticking.lock().unwrap_or_else(PoisonError::into_inner) = Some(ticking);
    // There is one of these in a process.
    let _ = shared.api.set(api);
    share_functions(shared);
    Ok(())
}

/// Tells each plane of the other's functions that are in force now, if the APIs are open. They are opened on one thread, and
/// configurations come into force on another: whoever is the second to take the lock tells what the first has not seen.
pub(super) fn share_functions(shared: &Shared) {
    let _one_at_a_time = shared.sharing.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(api) = shared.api.get() else { return };
    let snapshot = shared.snapshot.load();
    api.define(&defined(&snapshot));
    warn_of_missing(&snapshot.config, &shared.publisher.named);
}

/// Calls functions for events that wait, from when the APIs are open until the host leaves.
pub(super) async fn work(shared: Arc<Shared>, lane: Rc<WorkerLane>) {
    let leaving = || shared.departure.reached(DeparturePhase::Leaving);
    let api = tokio::select! {
        api = shared.api.wait() => api,
        () = leaving() => return,
    };
    api.work(lane, leaving()).await;
}

/// Where this machine reaches what listens on an address.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Answers a request to the APIs.
pub(super) async fn answer(
    shared: Arc<Shared>,
    lane: Rc<WorkerLane>,
    client: Arc<Client>,
    request: Request<Incoming>,
) -> ApiResponse {
    let Some(api) = shared.api.get().cloned() else { return refused(StatusCode::SERVICE_UNAVAILABLE, "not open yet") };
    let (mut parts, body) = request.into_parts();
    // What HTTP/2 says beside the headers is signed as one of them.
    if let (None, Some(authority)) = (parts.headers.get(HOST), parts.uri.authority())
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        parts.headers.insert(HOST, host);
    }
    let body = match whole(&client, body).await {
        Ok(body) => body,
        Err(refusal) => return refusal,
    };
    let request = ApiRequest {
        id: uuid::Uuid::new_v4().to_string(),
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
        client: client.peer.ip().to_canonical(),
        secure: client.tls.is_some(),
        received: SystemTime::now(),
    };
    api.answer(&lane, request).await
}

/// A body in memory, of which all together may have so many bytes.
async fn whole(client: &Client, body: Incoming) -> Result<Bytes, ApiResponse> {
    static ROOM: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(REQUEST_BYTES_ALL >> 10));
    // What is not declared may be as large as any.
    let declared = body.size_hint().upper().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(REQUEST_BYTES);
    if declared > REQUEST_BYTES {
        return Err(refused(StatusCode::PAYLOAD_TOO_LARGE, "a request may have 70167211 bytes"));
    }
    let kib = u32::try_from((declared >> 10) + 1).unwrap_or(u32::MAX);
    let _room = ROOM.acquire_many(kib).await;
    let body = Limited::new(SteadyBody::new(body, Pace::of(client.upload_bytes_per_s)), REQUEST_BYTES);
    match body.collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(refused(StatusCode::PAYLOAD_TOO_LARGE, "a request may have 70167211 bytes"))
        }
        Err(error) => Err(refused(StatusCode::BAD_REQUEST, &error.to_string())),
    }
}

/// Before anything is known of who asks.
fn refused(status: StatusCode, why: &str) -> ApiResponse {
    let body = serde_json::json!({"message": why}).to_string();
    let mut response = Response::new(request::whole(body));
    *response.status_mut() = status;
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
