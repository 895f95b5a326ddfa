//! Idle connections to origins, one pool for each worker thread, last in, first out.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Url;
use super::client::Connection;

struct Idle {
    connection: Connection,
    until: Instant,
}

thread_local! {
    static POOL: RefCell<HashMap<Arc<str>, Vec<Idle>>> = RefCell::default();
}

/// The connection that was used last and is still open.
pub(super) fn take(url: &Url) -> Option<Connection> {
    POOL.with_borrow_mut(|pool| {
        let idle = pool.get_mut(&url.pool)?;
        while let Some(mut last) = idle.pop() {
            if last.connection.is_open() {
                return Some(last.connection);
            }
        }
        None
    })
}

/// Keeps a connection whose response has been read to its end.
pub(super) fn put(url: &Url, connection: Connection) {
    POOL.with_borrow_mut(|pool| {
        if pool.is_empty() {
            tokio::task::spawn_local(sweep());
        }
        let until = Instant::now() + url.keepalive;
        let idle = match pool.get_mut(&url.pool) {
            Some(idle) => idle,
            None => pool.entry(url.pool.clone()).or_default(),
        };
        if idle.len() < url.max_idle {
            idle.push(Idle { connection, until });
        }
    });
}

/// Closes what has idled too long; ends when nothing is left, and begins again with the next connection.
async fn sweep() {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = Instant::now();
        let empty = POOL.with_borrow_mut(|pool| {
            pool.retain(|_, idle| {
                idle.retain_mut(|idle| idle.until > now && idle.connection.is_open());
                !idle.is_empty()
            });
            pool.is_empty()
        });
        if empty {
            return;
        }
    }
}
