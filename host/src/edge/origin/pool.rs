//! Each worker's idle connections to origins, and its lanes: no lock, and no task per connection.
//!
//! ```text
//! take ──► in use ──put──► idle ──► taken again (last in, first out); or given to one who waits for a slot
//!            │               └────► swept, when idle for too long
//!            └─ broken, or not at a message's end: dropped
//! ```

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::edge::origin::connection::Connection;
use crate::edge::origin::endpoint::Endpoint;
use crate::edge::origin::error::FetchError;
use crate::edge::origin::server::OriginServer;
use crate::edge::origin::slots::{Entered, Lane, SlotOffer};
use crate::limits::origin;
use crate::telemetry::OriginMetrics;

type ConnectionLane = Lane<Box<Connection>>;

struct Idle {
    connection: Box<Connection>,
    until: Instant,
}

#[derive(Default)]
struct Pool {
    idle: HashMap<Arc<Endpoint>, Vec<Idle>>,
    swept: bool,
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
    static LANES: RefCell<HashMap<Arc<Endpoint>, Weak<ConnectionLane>>> = RefCell::default();
}

/// Takes the connection that was used last, if it is still alive.
pub(crate) fn take(server: &OriginServer, now: Instant) -> Option<Box<Connection>> {
    loop {
        let idle = POOL.with_borrow_mut(|pool| pool.idle.get_mut(&server.endpoint)?.pop())?;
        let mut connection = idle.connection;
        if idle.until > now && connection.is_ready() {
            connection.timer().disarm();
            return Some(connection);
        }
    }
}

/// Keeps a connection whose answer has been read, or gives it to whoever waits. Drops one that is not at a message's end.
pub(crate) fn put(mut connection: Box<Connection>) {
    let idle_enough = !connection.has_ended() && (connection.sender.is_ready() || connection.is_ready());
    if !idle_enough {
        return;
    }
    let Some(connection) = hand_over(connection) else { return };
    if connection.max_idle == 0 {
        return;
    }
    let until = Instant::now() + connection.keepalive;
    // Connections are dropped outside the borrow.
    let (_surplus, sweep) = POOL.with_borrow_mut(|pool| {
        let most = connection.max_idle;
        let endpoint = connection.endpoint.clone();
        let idle = pool.idle.entry(endpoint).or_default();
        let surplus = (idle.len() >= most).then(|| idle.remove(0));
        idle.push(Idle { connection, until });
        (surplus, !std::mem::replace(&mut pool.swept, true))
    });
    if sweep {
        // The task may end with its runtime, and the idle connections with it.
        tokio::task::spawn_local(sweeper());
    }
}

/// Once a second closes what was idle for too long; ends when nothing is left.
async fn sweeper() {
    loop {
        tokio::time::sleep(Duration::from_millis(origin::SWEEP_MS)).await;
        let now = Instant::now();
        let (_expired, left) = POOL.with_borrow_mut(|pool| {
            let mut expired = Vec::new();
            pool.idle.retain(|_, idle| {
                // Oldest first.
                let fresh = idle.iter().position(|idle| idle.until > now).unwrap_or(idle.len());
                expired.extend(idle.drain(..fresh));
                !idle.is_empty()
            });
            pool.swept = !pool.idle.is_empty();
            (expired, pool.swept)
        });
        if !left {
            return;
        }
    }
}

/// Waits for a slot, or for an idle connection that somebody gives back. Called when `take` has found none.
pub(crate) async fn turn(server: &OriginServer, metrics: &OriginMetrics) -> Result<SlotOffer<Box<Connection>>, FetchError> {
    let waiting = match lane_of(&server.endpoint).enter(server.connections_max) {
        Entered::Slot(slot) => return Ok(SlotOffer::New(slot)),
        Entered::Waits(waiting) => waiting,
        Entered::Full => return Err(FetchError::Connections(server.connections_max)),
    };
    metrics.waited();
    match tokio::time::timeout(server.connect_timeout, waiting).await {
        Ok(Ok(turn)) => Ok(turn),
        // A lane lives as long as one of its slots.
        Ok(Err(_)) | Err(_) => Err(FetchError::Connections(server.connections_max)),
    }
}

fn lane_of(endpoint: &Arc<Endpoint>) -> Arc<ConnectionLane> {
    LANES.with_borrow_mut(|lanes| {
        if let Some(lane) = lanes.get(endpoint).and_then(Weak::upgrade) {
            return lane;
        }
        // Hooks can make up any number of endpoints.
        if lanes.len().is_power_of_two() {
            lanes.retain(|_, lane| lane.strong_count() > 0);
        }
        let lane = Arc::new(ConnectionLane::default());
        lanes.insert(endpoint.clone(), Arc::downgrade(&lane));
        lane
    })
}

/// Gives an idle connection to whoever has waited longest; gives it back if nobody waits.
fn hand_over(connection: Box<Connection>) -> Option<Box<Connection>> {
    match connection.slot().awaited() {
        None => Some(connection),
        Some(lane) => lane.hand_over(connection),
    }
}
