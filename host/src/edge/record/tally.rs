//! What one request has cost so far: which origin was asked, how long it took, and how long functions took.
//!
//! Whoever knows a part writes it; it is read when the request ends. A tally is part of the request's record: nothing is
//! allocated, and nothing is looked up.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::telemetry::OriginMetrics;

#[derive(Default)]
pub(crate) struct Tally {
    origin: RefCell<Option<Arc<OriginMetrics>>>,
    address: Cell<Option<SocketAddr>>,
    connect: Cell<Option<Duration>>,
    first_byte: Cell<Option<Duration>>,
    tries: Cell<u32>,
    failovers: Cell<u32>,
    calls: Cell<u32>,
    in_functions: Cell<Duration>,
}

impl Tally {
    /// From now on the tally is about this origin.
    pub(crate) fn begin(&self, origin: &Arc<OriginMetrics>) {
        self.origin.replace(Some(origin.clone()));
        self.address.set(None);
        self.connect.set(None);
        self.first_byte.set(None);
    }

    /// A request is being sent. `connect` is `None` if the connection was there already; only a server has an address.
    pub(crate) fn asked(&self, address: Option<SocketAddr>, connect: Option<Duration>) {
        self.address.set(address);
        self.connect.set(connect);
        self.tries.set(self.tries.get() + 1);
    }

    /// The head of an answer has come.
    pub(crate) fn answered(&self, after: Duration) {
        self.first_byte.set(Some(after));
    }

    pub(crate) fn failed_over(&self) {
        self.failovers.set(self.failovers.get() + 1);
    }

    pub(crate) fn called(&self, lasted: Duration) {
        self.calls.set(self.calls.get() + 1);
        self.in_functions.set(self.in_functions.get() + lasted);
    }

    /// The origin that was asked last.
    pub(crate) fn origin(&self) -> Option<Arc<OriginMetrics>> {
        self.origin.borrow().clone()
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.address.get()
    }

    /// How long connecting took for the last try; `None` if the connection was there already.
    pub(crate) fn connect(&self) -> Option<Duration> {
        self.connect.get()
    }

    pub(crate) fn first_byte(&self) -> Option<Duration> {
        self.first_byte.get()
    }

    /// How many requests were sent, whatever came of them.
    pub(crate) fn tries(&self) -> u32 {
        self.tries.get()
    }

    pub(crate) fn failovers(&self) -> u32 {
        self.failovers.get()
    }

    pub(crate) fn calls(&self) -> u32 {
        self.calls.get()
    }

    pub(crate) fn in_functions(&self) -> Duration {
        self.in_functions.get()
    }
}
