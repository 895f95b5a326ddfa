//! What one connection is doing and since when, and whether it must end for that.
//!
//! A deadline costs a request a few stores: no timer is armed, no clock is read. The sweep counts the ticks and judges
//! each connection once a tick.
//!
//!     Handshake ──► Idle ──first byte──► Head ──whole head──► Busy (n exchanges) ──last one ends──► Idle
//!                                                                 └──101 is sent──► Tunnel (to its end)
//!
//! A connection's task is the only one that ends it: a close reason is stored here, and wakes the task.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use crate::limits::tunnel;
use crate::net::frames::Http2Error;
use crate::net::framing::FramingError;
use crate::net::stillness::Stillness;
use crate::net::ticks::ticks;
use crate::net::tunnel::Tunnel;

/// Why a connection must close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloseReason {
    Handshake,
    Idle,
    Head,
    Write,
    Stalled,
    /// A tunnel without traffic.
    Quiet,
    Refused(FramingError),
    /// Invalid HTTP/2 frames, or too many.
    Http2Error(Http2Error),
    /// Idle while other clients need its descriptor.
    Shed,
    /// Idle while we drain.
    Drained,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionStage {
    Handshake,
    Idle,
    /// Some bytes of a request's head have arrived. HTTP/1.1 only: in HTTP/2 bytes may also be pings.
    Head,
    Busy,
    /// The connection has switched to another protocol.
    Tunnel,
}

/// One connection's state.
pub(crate) struct ConnectionState {
    clock: Rc<Cell<u32>>,
    pub(super) stage: Cell<ConnectionStage>,
    since: Cell<u32>,
    exchanges: Cell<u32>,
    has_served: Cell<bool>,
    /// Since when a write waits; 0 if none does.
    write_blocked: Cell<u32>,
    close_reason: Cell<Option<CloseReason>>,
    draining: Cell<bool>,
    /// The client has been sent a GOAWAY (HTTP/2), so that draining needs no deadline.
    is_told: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    /// The tunnel that begins once hyper has sent its response 101.
    switch: RefCell<Option<Box<Tunnel>>>,
    switched: Cell<bool>,
    unflushed: Cell<bool>,
    /// The framing error after which the client is not read any further.
    refusal: Cell<Option<FramingError>>,
    /// For each OPTIONS with a host in its target that hyper has not passed on yet: whether it is about the whole server.
    /// hyper's buffer bounds how many there are.
    options: Cell<VecDeque<bool>>,
    /// In ticks: how long a tunnel may be quiet.
    patience: Cell<u32>,
    /// In ticks: how long a response may pause, where that is longer than the bound.
    stillness: Stillness,
}

impl ConnectionState {
    /// A connection that begins in this stage. `draining` if the worker drains already.
    pub(super) fn new(clock: Rc<Cell<u32>>, stage: ConnectionStage, draining: bool) -> ConnectionState {
        ConnectionState {
            stage: Cell::new(stage),
            since: Cell::new(clock.get()),
            exchanges: Cell::new(0),
            has_served: Cell::new(false),
            write_blocked: Cell::new(0),
            close_reason: Cell::new(None),
            draining: Cell::new(draining),
            is_told: Cell::new(false),
            waker: RefCell::new(None),
            switch: RefCell::new(None),
            switched: Cell::new(false),
            unflushed: Cell::new(false),
            refusal: Cell::new(None),
            options: Cell::default(),
            patience: Cell::new(0),
            stillness: Stillness::default(),
            clock,
        }
    }

    /// The worker drains: the connection finishes what it does, and closes.
    pub(super) fn drain(&self) {
        self.draining.set(true);
        self.wake();
    }

    /// A request OPTIONS with a host in its target has been read; whether the target is nothing else.
    pub(crate) fn options_asked(&self, is_host_only: bool) {
        let mut asked = self.options.take();
        asked.push_back(is_host_only);
        self.options.set(asked);
    }

    /// The same of the next such request that hyper passes on.
    pub(crate) fn is_about_the_server(&self) -> bool {
        let mut asked = self.options.take();
        let is_about_the_server = asked.pop_front().unwrap_or(false);
        self.options.set(asked);
        is_about_the_server
    }

    /// The tick in which the stage began, or something last moved.
    pub(super) fn since(&self) -> u32 {
        self.since.get()
    }

    pub(crate) fn enter(&self, stage: ConnectionStage) {
        self.stage.set(stage);
        self.since.set(self.clock.get());
    }

    /// Bytes of an HTTP/1.1 connection have arrived. Slow bytes do not prolong a head.
    pub(crate) fn received(&self) {
        match self.stage.get() {
            ConnectionStage::Idle => self.enter(ConnectionStage::Head),
            ConnectionStage::Busy | ConnectionStage::Tunnel => self.moved(),
            ConnectionStage::Head | ConnectionStage::Handshake => {}
        }
    }

    /// Bytes were read or written while a request is answered, or through a tunnel.
    pub(crate) fn moved(&self) {
        if matches!(self.stage.get(), ConnectionStage::Busy | ConnectionStage::Tunnel) {
            self.since.set(self.clock.get());
        }
    }

    pub(crate) fn write_waits(&self) {
        if self.write_blocked.get() == 0 {
            self.write_blocked.set(self.clock.get());
        }
    }

    /// The socket has taken what was written. Whether that was a part of a response depends on the protocol.
    pub(crate) fn wrote(&self) {
        self.write_blocked.set(0);
    }

    /// Takes the close reason back if it is that the connection is idle: the connection goes on, under all deadlines,
    /// until its client has been told.
    pub(crate) fn take_idle(&self) -> Option<CloseReason> {
        let idle =
            self.close_reason.get().filter(|close_reason| matches!(close_reason, CloseReason::Idle | CloseReason::Drained));
        if idle.is_some() {
            self.close_reason.set(None);
            self.enter(ConnectionStage::Idle);
        }
        idle
    }

    /// Whether a request has ever arrived.
    pub(crate) fn has_served(&self) -> bool {
        self.has_served.get()
    }

    /// The response that is sent now is the last of HTTP. What arrives from here on is passed on unread.
    pub(crate) fn switch(&self, tunnel: Tunnel) {
        self.switched.set(true);
        *self.switch.borrow_mut() = Some(Box::new(tunnel));
    }

    pub(crate) fn has_switched(&self) -> bool {
        self.switched.get()
    }

    pub(crate) fn take_switch(&self) -> Option<Tunnel> {
        self.switch.borrow_mut().take().map(|tunnel| *tunnel)
    }

    /// Whether bytes that hyper has written may still be unflushed.
    pub(crate) fn is_unflushed(&self) -> bool {
        self.unflushed.get()
    }

    pub(crate) fn flushed(&self, flushed: bool) {
        self.unflushed.set(!flushed);
    }

    /// The client has sent something that two readers could understand differently. Its earlier requests are answered
    /// first.
    pub(crate) fn refuse(&self, refusal: FramingError) {
        self.refusal.set(Some(refusal));
    }

    pub(crate) fn refusal(&self) -> Option<FramingError> {
        self.refusal.get()
    }

    /// Closes the connection for its framing error, once every response is sent.
    pub(crate) fn settle(&self) {
        if let (Some(refusal), 0, false) = (self.refusal.get(), self.exchanges.get(), self.unflushed.get()) {
            self.end(CloseReason::Refused(refusal));
        }
    }

    /// A tunnel begins, and may be quiet for so long.
    pub(crate) fn tunnel(&self, patience: Duration) {
        self.patience.set(ticks(patience));
        self.enter(ConnectionStage::Tunnel);
    }

    /// One side of the tunnel has closed.
    pub(crate) fn half_closed(&self) {
        self.patience.set(self.patience.get().min(ticks(Duration::from_millis(tunnel::HALF_CLOSED_MS))));
    }

    pub(crate) fn stillness(&self) -> Stillness {
        self.stillness.clone()
    }

    /// Begins an exchange, which lasts until the guard is dropped.
    pub(crate) fn exchange(self: &Rc<Self>) -> ExchangeGuard {
        self.exchanges.set(self.exchanges.get() + 1);
        self.has_served.set(true);
        self.enter(ConnectionStage::Busy);
        ExchangeGuard { state: self.clone() }
    }

    pub(crate) fn exchanges(&self) -> u32 {
        self.exchanges.get()
    }

    pub(crate) fn end(&self, close_reason: CloseReason) {
        if self.close_reason.get().is_none() {
            self.close_reason.set(Some(close_reason));
            self.wake();
        }
    }

    pub(crate) fn close_reason(&self) -> Option<CloseReason> {
        self.close_reason.get()
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Registers the task to wake for a close reason or a drain.
    pub(crate) fn attend(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// The client has been sent a GOAWAY.
    pub(crate) fn goaway_sent(&self) {
        self.is_told.set(true);
    }

    pub(crate) fn now(&self) -> u32 {
        self.clock.get()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.stage.get() == ConnectionStage::Idle && self.close_reason.get().is_none()
    }

    pub(super) fn judge(&self, ticks: &Ticks) -> Option<CloseReason> {
        let now = self.clock.get();
        let blocked = self.write_blocked.get();
        if blocked != 0 && now - blocked > ticks.write {
            return Some(CloseReason::Write);
        }
        let lasted = now - self.since.get();
        match self.stage.get() {
            ConnectionStage::Handshake => (lasted > ticks.handshake).then_some(CloseReason::Handshake),
            // A request may be on its way: it is still answered, and its response says that it is the last.
            ConnectionStage::Idle if self.draining.get() && !self.is_told.get() => {
                (lasted >= ticks.drain_idle).then_some(CloseReason::Drained)
            }
            ConnectionStage::Idle => (lasted > ticks.idle).then_some(CloseReason::Idle),
            ConnectionStage::Head => (lasted > ticks.head).then_some(CloseReason::Head),
            // Origins and functions have shorter deadlines of their own; this one is the last resort.
            ConnectionStage::Busy => (lasted > ticks.stall.max(self.stillness.ticks())).then_some(CloseReason::Stalled),
            ConnectionStage::Tunnel => (lasted > self.patience.get()).then_some(CloseReason::Quiet),
        }
    }
}

/// A request whose response has not been sent entirely.
pub(crate) struct ExchangeGuard {
    state: Rc<ConnectionState>,
}

impl ExchangeGuard {
    /// A part of the response has been taken: the client reads.
    pub(crate) fn moved(&self) {
        self.state.moved();
    }

    /// Whether a response that begins now is the connection's last.
    pub(crate) fn is_last(&self) -> bool {
        self.state.is_draining()
    }

    /// Whether a part of an earlier response is still unflushed.
    pub(crate) fn is_unflushed(&self) -> bool {
        self.state.is_unflushed()
    }

    /// This is the connection's last exchange: its response is 101.
    pub(crate) fn switch(&self, tunnel: Tunnel) {
        self.state.switch(tunnel);
    }
}

impl Drop for ExchangeGuard {
    fn drop(&mut self) {
        let left = self.state.exchanges.get() - 1;
        self.state.exchanges.set(left);
        if left == 0 {
            self.state.stillness.end();
            self.state.enter(ConnectionStage::Idle);
        }
    }
}

/// How many ticks each stage may last.
pub(super) struct Ticks {
    pub(super) handshake: u32,
    pub(super) head: u32,
    pub(super) idle: u32,
    pub(super) write: u32,
    pub(super) stall: u32,
    pub(super) drain_idle: u32,
}
