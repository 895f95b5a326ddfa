//! What the way of one request has cost so far: which origin was asked, and what functions took.
//!
//! Written down on the way by whoever knows it, read when the request ends. I lie in the request's record: nothing is
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
    /// From here on it is about this origin.
    pub(crate) fn begin(&self, origin: &Arc<OriginMetrics>) {
        self.origin.replace(Some(origin.clone()));
        self.address.set(None);
        self.connect.set(None);
        self.first_byte.set(None);
    }

    /// A request is being sent, over a connection that took so long to make, or was there. What is no server has no address.
    pub(crate) fn asked(&self, address: Option<SocketAddr>, connect: Option<Duration>) {
        self.address.set(address);
        self.connect.set(connect);
        self.tries.set(self.tries.get() + 1);
    }

    /// The head of an answer is here.
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

    /// The last one that was asked.
    pub(crate) fn origin(&self) -> Option<Arc<OriginMetrics>> {
        self.origin.borrow().clone()
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.address.get()
    }

    /// Of the connection that was made for the last try. None: it was there.
    pub(crate) fn connect(&self) -> Option<Duration> {
        self.connect.get()
    }

    pub(crate) fn first_byte(&self) -> Option<Duration> {
        self.first_byte.get()
    }

    /// Requests that were sent, whatever came of them.
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
