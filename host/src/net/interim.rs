//! Interim responses (1xx) to clients of HTTP/1.1, which hyper cannot send.
//!
//! They are written to the socket between hyper's last response and its next one (`guard`). If a part of the last response
//! still waits to be written, they are dropped: no client depends on them. For HTTP/2 there is no such way: the stream's
//! number and h2's `SendResponse::send_informational` are hidden in hyper's server (hyper 1.12,
//! `proto::h2::server::H2Stream`). Remove this file when hyper's servers can send interim responses.

use std::fmt;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, StatusCode};

use crate::limits::origin::INTERIM_BYTES;

/// Takes interim responses while a request is being answered. One for each connection.
#[derive(Clone, Default)]
pub struct Interim(Arc<InterimQueue>);

#[derive(Default)]
struct InterimQueue {
    /// Checked at every write, where a lock would cost more.
    waiting: AtomicBool,
    bytes: Mutex<Vec<u8>>,
}

impl fmt::Debug for Interim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interim")
    }
}

impl Interim {
    /// Sends an interim response. Others, and those above the limit for one request, are ignored. To be called while the
    /// request's handler is being polled.
    pub fn send(&self, status: StatusCode, headers: &HeaderMap) {
        if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
            return;
        }
        let mut head = Vec::with_capacity(256);
        // Writing to memory does not fail.
        let _ = write!(head, "HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or_default());
        for (name, value) in headers {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                head.extend_from_slice(part);
            }
        }
        head.extend_from_slice(b"\r\n");
        let mut bytes = self.0.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes.len() + head.len() <= INTERIM_BYTES {
            bytes.extend_from_slice(&head);
            self.0.waiting.store(true, Relaxed);
        }
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.0.waiting.load(Relaxed)
    }

    /// Takes what waits to be written; mostly nothing.
    pub(crate) fn take(&self) -> Vec<u8> {
        if !self.0.waiting.swap(false, Relaxed) {
            return Vec::new();
        }
        std::mem::take(&mut *self.0.bytes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
