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

use crate::limits::{descriptors, request, tunnel};
use crate::net::frames::Offence;
use crate::net::framing::Refusal;
use crate::net::rules::Place;
use crate::net::stillness::Stillness;
use crate::net::tunnel::Tunnel;
use crate::telemetry::NetMetrics;

pub(crate) const TICK: Duration = Duration::from_millis(1_000 / TICKS_A_SECOND as u64);
pub(crate) const TICKS_A_SECOND: u32 = 4;

/// How long each stage may last, and how many connections a worker may have.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub handshake: Duration,
    pub head: Duration,
    pub idle: Duration,
    pub write: Duration,
    pub stall: Duration,
    /// Of one worker.
    pub connections: usize,
    /// The number of a descriptor from which on idle connections must make room for another one.
    pub descriptors: u64,
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
            descriptors: u64::MAX,
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
    /// Frames of HTTP/2 that are wrong, or too many.
    Offence(Offence),
    /// Idle while others have no room.
    Shed,
    /// Idle while we drain.
    Drained,
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
    was_asked: Cell<bool>,
    /// When a write first found no room; 0: none waits.
    write_blocked: Cell<u32>,
    verdict: Cell<Option<Verdict>>,
    draining: Cell<bool>,
    /// The client was told by its protocol that we drain (HTTP/2): it needs no deadline for that.
    is_told: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    /// What is to be carried once hyper has sent its answer 101.
    switch: RefCell<Option<Box<Tunnel>>>,
    switched: Cell<bool>,
    unflushed: Cell<bool>,
    /// Why the client is not read any further.
    refusal: Cell<Option<Refusal>>,
    /// In ticks: how long a tunnel may be quiet.
    patience: Cell<u32>,
    /// In ticks: how long an answer may be still, where that is longer than the bound.
    stillness: Stillness,
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
    pub(crate) fn take_idle(&self) -> Option<Verdict> {
        let idle = self.verdict.get().filter(|verdict| matches!(verdict, Verdict::Idle | Verdict::Drained));
        if idle.is_some() {
            self.verdict.set(None);
            self.enter(Stage::Idle);
        }
        idle
    }

    /// Whether a request has ever come.
    pub(crate) fn was_asked(&self) -> bool {
        self.was_asked.get()
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

    pub(crate) fn stillness(&self) -> Stillness {
        self.stillness.clone()
    }

    /// A request has come; it lasts until the guard is dropped.
    pub(crate) fn exchange(self: &Rc<Self>) -> ExchangeGuard {
        self.exchanges.set(self.exchanges.get() + 1);
        self.was_asked.set(true);
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

    /// The client hears of the end by GOAWAY.
    pub(crate) fn is_told_to_go(&self) {
        self.is_told.set(true);
    }

    pub(crate) fn now(&self) -> u32 {
        self.clock.get()
    }

    fn is_idle(&self) -> bool {
        self.stage.get() == Stage::Idle && self.verdict.get().is_none()
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
            // A request may be on its way: it is still answered, and told that it was the last.
            Stage::Idle if self.draining.get() && !self.is_told.get() => (lasted >= ticks.drain_idle).then_some(Verdict::Drained),
            Stage::Idle => (lasted > ticks.idle).then_some(Verdict::Idle),
            Stage::Head => (lasted > ticks.head).then_some(Verdict::Head),
            // Whoever answers has shorter deadlines of its own; this one is the last resort.
            Stage::Busy => (lasted > ticks.stall.max(self.stillness.ticks())).then_some(Verdict::Stalled),
            Stage::Tunnel => (lasted > self.patience.get()).then_some(Verdict::Quiet),
        }
    }
}

pub(super) fn ticks(patience: Duration) -> u32 {
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

    /// Whether an answer that begins now is the connection's last.
    pub(crate) fn is_last(&self) -> bool {
        self.pulse.is_draining()
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
            self.pulse.stillness.end();
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
    drain_idle: u32,
}

/// The open connections of one worker.
pub(crate) struct Sweep {
    clock: Rc<Cell<u32>>,
    ticks: Ticks,
    connections: usize,
    open: RefCell<BTreeMap<u64, Rc<Pulse>>>,
    next: Cell<u64>,
    /// When the last one came; 0: none has.
    last: Cell<u32>,
    /// When the last one ended; 0: none has.
    ended: Cell<u32>,
    /// The tick in which nobody was found idle.
    none_idle: Cell<u32>,
    /// The first connection that came after we had begun to drain.
    draining: Cell<Option<u64>>,
    /// Told when a connection has gone while we drain.
    gone: Notify,
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
                drain_idle: ticks(Duration::from_millis(request::DRAIN_IDLE_MS)),
            },
            connections: bounds.connections,
            open: RefCell::default(),
            next: Cell::new(0),
            last: Cell::new(0),
            ended: Cell::new(0),
            none_idle: Cell::new(0),
            draining: Cell::new(None),
            gone: Notify::new(),
            metrics,
        })
    }

    pub(crate) fn metrics(&self) -> &NetMetrics {
        &self.metrics
    }

    pub(crate) fn is_full(&self) -> bool {
        self.open.borrow().len() >= self.connections
    }

    /// Ends some connections that nobody uses, `least` if there are so many, and those first that have been idle for
    /// longest; how many.
    pub(crate) fn shed(&self, least: usize) -> usize {
        // Looking at all of them for each client that finds none would be a way to keep us busy.
        if self.none_idle.get() == self.clock.get() {
            return 0;
        }
        let open = self.open.borrow();
        let mut idle: Vec<&Rc<Pulse>> = open.values().filter(|pulse| pulse.is_idle()).collect();
        let most = (open.len() / descriptors::SHED_PART).max(least);
        if idle.len() > most {
            idle.select_nth_unstable_by_key(most - 1, |pulse| pulse.since.get());
            idle.truncate(most);
        }
        if idle.is_empty() {
            self.none_idle.set(self.clock.get());
        }
        for pulse in &idle {
            pulse.end(Verdict::Shed);
        }
        idle.len()
    }

    /// Counts a connection as open until the entry is dropped.
    pub(crate) fn enter(self: &Rc<Self>, stage: Stage, place: Place) -> Entry {
        let pulse = Rc::new(Pulse {
            clock: self.clock.clone(),
            stage: Cell::new(stage),
            since: Cell::new(self.clock.get()),
            exchanges: Cell::new(0),
            was_asked: Cell::new(false),
            write_blocked: Cell::new(0),
            verdict: Cell::new(None),
            draining: Cell::new(self.draining.get().is_some()),
            is_told: Cell::new(false),
            waker: RefCell::new(None),
            switch: RefCell::new(None),
            switched: Cell::new(false),
            unflushed: Cell::new(false),
            refusal: Cell::new(None),
            patience: Cell::new(0),
            stillness: Stillness::default(),
        });
        let id = self.next.get();
        self.next.set(id + 1);
        self.last.set(self.clock.get());
        self.open.borrow_mut().insert(id, pulse.clone());
        self.metrics.accepted();
        Entry { sweep: self.clone(), id, pulse, _place: place }
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

    /// Tells every connection to finish what it does and close, and those that come from here on too.
    pub(crate) fn drain(&self) {
        if self.draining.get().is_some() {
            return;
        }
        self.draining.set(Some(self.next.get()));
        for pulse in self.open.borrow().values() {
            pulse.draining.set(true);
            pulse.wake();
        }
    }

    pub(crate) async fn emptied(&self) {
        while !self.open.borrow().is_empty() {
            self.gone.notified().await;
        }
    }

    pub(crate) fn now(&self) -> u32 {
        self.clock.get()
    }

    /// When the last connection ended; 0: none has.
    pub(crate) fn ended(&self) -> u32 {
        self.ended.get()
    }

    /// Whether a client has come lately.
    pub(crate) fn is_asked(&self) -> bool {
        self.last.get() != 0 && self.clock.get() - self.last.get() <= self.ticks.drain_idle
    }

    /// Waits until no connection is left that was open when the drain began.
    pub(crate) async fn early_gone(&self) {
        let early = || {
            let oldest = self.open.borrow().first_key_value().map(|(id, _)| *id);
            oldest.zip(self.draining.get()).is_some_and(|(oldest, first)| oldest < first)
        };
        while early() {
            self.gone.notified().await;
        }
    }
}

/// An open connection.
pub(crate) struct Entry {
    sweep: Rc<Sweep>,
    id: u64,
    pulse: Rc<Pulse>,
    _place: Place,
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
        self.sweep.ended.set(self.sweep.clock.get());
        if self.sweep.draining.get().is_some() {
            self.sweep.gone.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Telemetry;

    fn sweep() -> Rc<Sweep> {
        let bounds = Bounds {
            handshake: TICK * 2,
            head: TICK * 3,
            idle: TICK * 5,
            write: TICK * 4,
            stall: TICK * 7,
            connections: 2,
            ..Bounds::default()
        };
        Sweep::new(bounds, Telemetry::new().net())
    }

    fn enter(sweep: &Rc<Sweep>, stage: Stage) -> Entry {
        sweep.enter(stage, Place::uncounted())
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
            let entry = enter(&sweep, stage);
            assert_eq!(ticks_until_verdict(&sweep, entry.pulse()), expected, "{stage:?}");
        }
    }

    #[test]
    fn an_answer_may_be_still_for_as_long_as_its_origin_may_and_the_next_one_may_not() {
        let (sweep, silence) = (sweep(), Duration::from_secs(200));
        let entry = enter(&sweep, Stage::Idle);
        let exchange = entry.pulse().exchange();
        [Duration::ZERO, silence, TICK].into_iter().for_each(|silence| entry.pulse().stillness().allow(silence));
        (0..ticks(silence)).for_each(|_| sweep.tick());
        assert_eq!(entry.pulse().verdict(), None);
        drop(exchange);
        let _next = entry.pulse().exchange();
        assert_eq!(ticks_until_verdict(&sweep, entry.pulse()), Some((8, Verdict::Stalled)));
    }

    #[test]
    fn a_tunnel_ends_one_tick_after_its_patience_and_sooner_when_half_closed() {
        let half = ticks(Duration::from_millis(tunnel::HALF_CLOSED_MS));
        for (patience, closed, expected) in [(6, false, Some(7)), (6, true, Some(7)), (half + 9, true, Some(half + 1))] {
            let sweep = sweep();
            let entry = enter(&sweep, Stage::Idle);
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
        let entry = enter(&sweep, Stage::Idle);
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
        let entry = enter(&sweep, Stage::Idle);
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
        let entry = enter(&sweep, Stage::Idle);
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
        let first = enter(&sweep, Stage::Idle);
        assert!(!sweep.is_full());
        let _second = enter(&sweep, Stage::Idle);
        assert!(sweep.is_full());
        drop(first);
        assert!(!sweep.is_full());
    }

    #[test]
    fn the_longest_idle_make_room_first_and_never_the_busy() {
        let sweep = sweep();
        let oldest = enter(&sweep, Stage::Idle);
        sweep.tick();
        let newest = enter(&sweep, Stage::Idle);
        let busy = enter(&sweep, Stage::Idle);
        let exchange = busy.pulse().exchange();
        assert_eq!((sweep.shed(1), oldest.pulse().verdict(), newest.pulse().verdict()), (1, Some(Verdict::Shed), None));
        assert_eq!((sweep.shed(1), newest.pulse().verdict()), (1, Some(Verdict::Shed)), "who is going is not asked twice");
        assert_eq!((sweep.shed(1), busy.pulse().verdict()), (0, None));
        drop(exchange);
        assert_eq!(sweep.shed(1), 0, "looked for once a tick");
        sweep.tick();
        assert_eq!(sweep.shed(1), 1);
    }

    #[test]
    fn a_drain_gives_an_idle_connection_a_second_for_a_last_request() {
        let second = ticks(Duration::from_millis(request::DRAIN_IDLE_MS));
        let patient = Bounds { idle: TICK * 100, ..Bounds::default() };
        let sweep = Sweep::new(patient, Telemetry::new().net());
        let (long, told) = (enter(&sweep, Stage::Idle), enter(&sweep, Stage::Idle));
        for _ in 0..second {
            sweep.tick();
        }
        let recent = enter(&sweep, Stage::Idle);
        told.pulse().is_told_to_go();
        sweep.drain();
        let late = enter(&sweep, Stage::Idle);
        assert_eq!(ticks_until_verdict(&sweep, long.pulse()), Some((1, Verdict::Drained)));
        assert_eq!(ticks_until_verdict(&sweep, recent.pulse()), Some((second - 1, Verdict::Drained)));
        assert_eq!(late.pulse().verdict(), Some(Verdict::Drained));
        assert_eq!(told.pulse().verdict(), None, "HTTP/2 has its own words");
    }
}
