//! What a connection is doing and since when, and the sweep that ends the ones that do it too long.
//!
//! Deadlines cost a request nothing but a few stores: no timer is armed, no clock is read. Each worker
//! has one `Sweep` that counts ticks and looks at all its connections once a tick, so a deadline is kept
//! to within one tick. Ten thousand slow clients are ten thousand small entries in one table.
//!
//!     Handshake ──► Idle ──first byte──► Head ──whole head──► Busy (n exchanges) ──last one ends──► Idle
//!                                                                 └──101 is sent──► Tunnel (to its end)
//!
//! A connection's task is the only one that ends it: I leave a verdict and wake the task.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::sync::Notify;

use crate::limits::{request, tunnel};
use crate::net::framing::Refusal;
use crate::net::tunnel::Tunnel;
use crate::telemetry::NetMetrics;

pub(crate) const TICK: Duration = Duration::from_millis(250);

/// How long each stage may last, and how many connections a worker may have.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub handshake: Duration,
    pub head: Duration,
    pub idle: Duration,
    pub write: Duration,
    pub stall: Duration,
    pub connections: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            handshake: Duration::from_millis(request::TLS_HANDSHAKE_MS),
            head: Duration::from_millis(request::HEAD_TIMEOUT_MS),
            idle: Duration::from_millis(request::IDLE_TIMEOUT_MS),
            write: Duration::from_millis(request::WRITE_STALL_MS),
            stall: Duration::from_millis(request::STALL_TIMEOUT_MS),
            connections: request::CONNECTIONS_PER_WORKER,
        }
    }
}

/// Why a connection is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Handshake,
    Idle,
    Head,
    Write,
    Stalled,
    /// A tunnel through which nothing came.
    Quiet,
    Refused(Refusal),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Handshake,
    Idle,
    /// Some bytes of a request's head are here. HTTP/1.1 only: in HTTP/2 bytes may also be pings.
    Head,
    Busy,
    /// Another protocol is spoken: there are no requests any more.
    Tunnel,
}

/// One connection's state.
pub(crate) struct Pulse {
    clock: Rc<Cell<u32>>,
    stage: Cell<Stage>,
    since: Cell<u32>,
    exchanges: Cell<u32>,
    /// When a write first found no room; 0: none waits.
    write_blocked: Cell<u32>,
    verdict: Cell<Option<Verdict>>,
    draining: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    /// What is to be carried once hyper has sent its answer 101.
    switch: RefCell<Option<Box<Tunnel>>>,
    switched: Cell<bool>,
    unflushed: Cell<bool>,
    /// Why the client is not read any further.
    refusal: Cell<Option<Refusal>>,
    /// In ticks: how long a tunnel may be quiet.
    patience: Cell<u32>,
}

impl Pulse {
    pub(crate) fn enter(&self, stage: Stage) {
        self.stage.set(stage);
        self.since.set(self.clock.get());
    }

    /// Bytes of an HTTP/1.1 connection have come. Slow bytes do not prolong a head.
    pub(crate) fn received(&self) {
        match self.stage.get() {
            Stage::Idle => self.enter(Stage::Head),
            Stage::Busy | Stage::Tunnel => self.moved(),
            Stage::Head | Stage::Handshake => {}
        }
    }

    /// Bytes went in or out while a request is answered, or through a tunnel.
    pub(crate) fn moved(&self) {
        if matches!(self.stage.get(), Stage::Busy | Stage::Tunnel) {
            self.since.set(self.clock.get());
        }
    }

    pub(crate) fn write_waits(&self) {
        if self.write_blocked.get() == 0 {
            self.write_blocked.set(self.clock.get());
        }
    }

    /// The socket has taken what was written. Whether anything of an answer moved with it, the protocol knows.
    pub(crate) fn wrote(&self) {
        self.write_blocked.set(0);
    }

    /// The verdict, if it is that nobody has asked for anything. Taken back with this: the connection goes on
    /// until its client has been told, and under all deadlines.
    pub(crate) fn take_idle(&self) -> bool {
        let idle = self.verdict.get() == Some(Verdict::Idle);
        if idle {
            self.verdict.set(None);
            self.enter(Stage::Idle);
        }
        idle
    }

    /// The answer that goes out now is the last of HTTP. What comes from here on is not looked at.
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

    /// Whether something that hyper has written may still wait for room.
    pub(crate) fn is_unflushed(&self) -> bool {
        self.unflushed.get()
    }

    pub(crate) fn flushed(&self, flushed: bool) {
        self.unflushed.set(!flushed);
    }

    /// The client has said something that two readers could understand differently. What it has asked for before is
    /// answered first.
    pub(crate) fn refuse(&self, refusal: Refusal) {
        self.refusal.set(Some(refusal));
    }

    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.refusal.get()
    }

    /// Ends the connection for what was refused, once every answer is out.
    pub(crate) fn settle(&self) {
        if let (Some(refusal), 0, false) = (self.refusal.get(), self.exchanges.get(), self.unflushed.get()) {
            self.end(Verdict::Refused(refusal));
        }
    }

    /// A tunnel begins, and may be quiet for so long.
    pub(crate) fn tunnel(&self, patience: Duration) {
        self.patience.set(ticks(patience));
        self.enter(Stage::Tunnel);
    }

    /// One side of the tunnel has closed.
    pub(crate) fn half_closed(&self) {
        self.patience.set(self.patience.get().min(ticks(Duration::from_millis(tunnel::HALF_CLOSED_MS))));
    }

    /// A request has come; it lasts until the guard is dropped.
    pub(crate) fn exchange(self: &Rc<Self>) -> ExchangeGuard {
        self.exchanges.set(self.exchanges.get() + 1);
        self.enter(Stage::Busy);
        ExchangeGuard { pulse: self.clone() }
    }

    pub(crate) fn exchanges(&self) -> u32 {
        self.exchanges.get()
    }

    pub(crate) fn end(&self, verdict: Verdict) {
        if self.verdict.get().is_none() {
            self.verdict.set(Some(verdict));
            self.wake();
        }
    }

    pub(crate) fn verdict(&self) -> Option<Verdict> {
        self.verdict.get()
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// The task to wake for a verdict or a drain.
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

    fn judge(&self, ticks: &Ticks) -> Option<Verdict> {
        let now = self.clock.get();
        let blocked = self.write_blocked.get();
        if blocked != 0 && now - blocked > ticks.write {
            return Some(Verdict::Write);
        }
        let lasted = now - self.since.get();
        match self.stage.get() {
            Stage::Handshake => (lasted > ticks.handshake).then_some(Verdict::Handshake),
            Stage::Idle => (lasted > ticks.idle).then_some(Verdict::Idle),
            Stage::Head => (lasted > ticks.head).then_some(Verdict::Head),
            // Whoever answers has shorter deadlines of its own; this one is the last resort.
            Stage::Busy => (lasted > ticks.stall).then_some(Verdict::Stalled),
            Stage::Tunnel => (lasted > self.patience.get()).then_some(Verdict::Quiet),
        }
    }
}

fn ticks(patience: Duration) -> u32 {
    u32::try_from(patience.as_millis() / TICK.as_millis()).unwrap_or(u32::MAX).max(1)
}

/// A request that has come and whose answer has not wholly gone.
pub(crate) struct ExchangeGuard {
    pulse: Rc<Pulse>,
}

impl ExchangeGuard {
    /// Something of the answer has been asked for: its client takes what it is sent.
    pub(crate) fn moved(&self) {
        self.pulse.moved();
    }

    /// Whether what is written now would come after something of an earlier answer.
    pub(crate) fn is_unflushed(&self) -> bool {
        self.pulse.is_unflushed()
    }

    /// This is the connection's last exchange: its answer is 101.
    pub(crate) fn switch(&self, tunnel: Tunnel) {
        self.pulse.switch(tunnel);
    }
}

impl Drop for ExchangeGuard {
    fn drop(&mut self) {
        let left = self.pulse.exchanges.get() - 1;
        self.pulse.exchanges.set(left);
        if left == 0 {
            self.pulse.enter(Stage::Idle);
        }
    }
}

struct Ticks {
    handshake: u32,
    head: u32,
    idle: u32,
    write: u32,
    stall: u32,
}

/// The open connections of one worker.
pub(crate) struct Sweep {
    clock: Rc<Cell<u32>>,
    ticks: Ticks,
    connections: usize,
    open: RefCell<BTreeMap<u64, Rc<Pulse>>>,
    next: Cell<u64>,
    draining: Cell<bool>,
    /// Told when the last connection has gone.
    emptied: Notify,
    metrics: NetMetrics,
}

impl Sweep {
    pub(crate) fn new(bounds: Bounds, metrics: NetMetrics) -> Rc<Sweep> {
        Rc::new(Sweep {
            // 0 means "none" in `write_blocked`; 32 bits of ticks are 34 years.
            clock: Rc::new(Cell::new(1)),
            ticks: Ticks {
                handshake: ticks(bounds.handshake),
                head: ticks(bounds.head),
                idle: ticks(bounds.idle),
                write: ticks(bounds.write),
                stall: ticks(bounds.stall),
            },
            connections: bounds.connections,
            open: RefCell::default(),
            next: Cell::new(0),
            draining: Cell::new(false),
            emptied: Notify::new(),
            metrics,
        })
    }

    pub(crate) fn metrics(&self) -> &NetMetrics {
        &self.metrics
    }

    pub(crate) fn is_full(&self) -> bool {
        self.open.borrow().len() >= self.connections
    }

    /// Counts a connection as open until the entry is dropped.
    pub(crate) fn enter(self: &Rc<Self>, stage: Stage) -> Entry {
        let pulse = Rc::new(Pulse {
            clock: self.clock.clone(),
            stage: Cell::new(stage),
            since: Cell::new(self.clock.get()),
            exchanges: Cell::new(0),
            write_blocked: Cell::new(0),
            verdict: Cell::new(None),
            draining: Cell::new(self.draining.get()),
            waker: RefCell::new(None),
            switch: RefCell::new(None),
            switched: Cell::new(false),
            unflushed: Cell::new(false),
            refusal: Cell::new(None),
            patience: Cell::new(0),
        });
        let id = self.next.get();
        self.next.set(id + 1);
        self.open.borrow_mut().insert(id, pulse.clone());
        self.metrics.accepted();
        Entry { sweep: self.clone(), id, pulse }
    }

    /// Advances the clock by one tick and ends what has lasted too long.
    pub(crate) fn tick(&self) {
        self.clock.set(self.clock.get() + 1);
        for pulse in self.open.borrow().values() {
            if let Some(verdict) = pulse.judge(&self.ticks) {
                pulse.end(verdict);
            }
        }
    }

    /// Tells every connection to finish what it does and close.
    pub(crate) fn drain(&self) {
        self.draining.set(true);
        for pulse in self.open.borrow().values() {
            pulse.draining.set(true);
            pulse.wake();
        }
    }

    pub(crate) async fn emptied(&self) {
        while !self.open.borrow().is_empty() {
            self.emptied.notified().await;
        }
    }
}

/// An open connection.
pub(crate) struct Entry {
    sweep: Rc<Sweep>,
    id: u64,
    pulse: Rc<Pulse>,
}

impl Entry {
    pub(crate) fn pulse(&self) -> &Rc<Pulse> {
        &self.pulse
    }

    pub(crate) fn metrics(&self) -> &NetMetrics {
        &self.sweep.metrics
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.sweep.open.borrow_mut().remove(&self.id);
        self.sweep.metrics.closed();
        if self.sweep.open.borrow().is_empty() {
            self.sweep.emptied.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Telemetry;

    fn sweep() -> Rc<Sweep> {
        let bounds =
            Bounds { handshake: TICK * 2, head: TICK * 3, idle: TICK * 5, write: TICK * 4, stall: TICK * 7, connections: 2 };
        Sweep::new(bounds, Telemetry::new().net())
    }

    fn ticks_until_verdict(sweep: &Sweep, pulse: &Pulse) -> Option<(u32, Verdict)> {
        for n in 1..20 {
            sweep.tick();
            if let Some(verdict) = pulse.verdict() {
                return Some((n, verdict));
            }
        }
        None
    }

    #[test]
    fn each_stage_ends_one_tick_after_its_patience() {
        for (stage, expected) in [
            (Stage::Handshake, Some((3, Verdict::Handshake))),
            (Stage::Head, Some((4, Verdict::Head))),
            (Stage::Idle, Some((6, Verdict::Idle))),
            (Stage::Busy, Some((8, Verdict::Stalled))),
        ] {
            let sweep = sweep();
            let entry = sweep.enter(stage);
            assert_eq!(ticks_until_verdict(&sweep, entry.pulse()), expected, "{stage:?}");
        }
    }

    #[test]
    fn a_tunnel_ends_one_tick_after_its_patience_and_sooner_when_half_closed() {
        let half = ticks(Duration::from_millis(tunnel::HALF_CLOSED_MS));
        for (patience, closed, expected) in [(6, false, Some(7)), (6, true, Some(7)), (half + 9, true, Some(half + 1))] {
            let sweep = sweep();
            let entry = sweep.enter(Stage::Idle);
            entry.pulse().tunnel(TICK * patience);
            // Bytes prolong it.
            for _ in 0..3 {
                sweep.tick();
            }
            entry.pulse().received();
            if closed {
                entry.pulse().half_closed();
            }
            let ended = (1..1_000).find(|_| {
                sweep.tick();
                entry.pulse().verdict().is_some()
            });
            assert_eq!((ended, entry.pulse().verdict()), (expected, Some(Verdict::Quiet)), "{patience} {closed}");
        }
    }

    #[test]
    fn a_head_that_comes_byte_by_byte_gets_no_more_time_for_each_byte() {
        let sweep = sweep();
        let entry = sweep.enter(Stage::Idle);
        for _ in 0..4 {
            entry.pulse().received();
            assert_eq!(entry.pulse().verdict(), None);
            sweep.tick();
        }
        assert_eq!(entry.pulse().verdict(), Some(Verdict::Head));
    }

    #[test]
    fn a_write_that_waits_ends_the_connection_even_when_it_is_busy() {
        let sweep = sweep();
        let entry = sweep.enter(Stage::Idle);
        let _exchange = entry.pulse().exchange();
        entry.pulse().write_waits();
        sweep.tick();
        entry.pulse().wrote();
        entry.pulse().write_waits();
        assert_eq!(ticks_until_verdict(&sweep, entry.pulse()), Some((5, Verdict::Write)));
    }

    #[test]
    fn a_connection_is_idle_again_when_its_last_exchange_is_dropped() {
        let sweep = sweep();
        let entry = sweep.enter(Stage::Idle);
        let exchanges = [entry.pulse().exchange(), entry.pulse().exchange()];
        let [first, second] = exchanges;
        drop(first);
        assert_eq!(entry.pulse().stage.get(), Stage::Busy);
        drop(second);
        assert_eq!(entry.pulse().stage.get(), Stage::Idle);
    }

    #[test]
    fn a_dropped_entry_makes_room() {
        let sweep = sweep();
        let first = sweep.enter(Stage::Idle);
        assert!(!sweep.is_full());
        let _second = sweep.enter(Stage::Idle);
        assert!(sweep.is_full());
        drop(first);
        assert!(!sweep.is_full());
    }
}
