//! The open connections of one worker, and the sweep that ends those that have lasted too long.
//!
//! Each worker has one `Sweep`. It counts ticks and looks at all its connections once a tick, so a deadline is kept to
//! within one tick. Ten thousand slow clients are ten thousand small entries in one table.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::limits::{descriptors, request};
use crate::net::rules::ConnectionPermit;
use crate::net::state::{CloseReason, ConnectionStage, ConnectionState, Ticks};
use crate::net::ticks::ticks;
use crate::telemetry::NetMetrics;

/// How long each stage may last, and how many connections a worker may have.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub handshake: Duration,
    pub head: Duration,
    pub idle: Duration,
    pub write: Duration,
    pub stall: Duration,
    /// The most connections of one worker.
    pub connections: usize,
    /// The descriptor number from which on idle connections must make room for another one.
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

/// The open connections of one worker.
pub(crate) struct Sweep {
    clock: Rc<Cell<u32>>,
    ticks: Ticks,
    connections: usize,
    open: RefCell<BTreeMap<u64, Rc<ConnectionState>>>,
    next: Cell<u64>,
    /// When the last connection was accepted; 0 if none was.
    last: Cell<u32>,
    /// When the last connection ended; 0 if none has.
    ended: Cell<u32>,
    /// The tick in which no connection was found idle.
    none_idle: Cell<u32>,
    /// The id of the first connection after the drain began.
    draining: Cell<Option<u64>>,
    /// Notified when a connection has ended while we drain.
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

    /// Ends idle connections, at least `least` if there are so many, and those first that have been idle for longest.
    /// Returns how many.
    pub(crate) fn shed(&self, least: usize) -> usize {
        // Otherwise clients could make us look at all connections for each of theirs.
        if self.none_idle.get() == self.clock.get() {
            return 0;
        }
        let open = self.open.borrow();
        let mut idle: Vec<&Rc<ConnectionState>> = open.values().filter(|state| state.is_idle()).collect();
        let most = (open.len() / descriptors::SHED_PART).max(least);
        if idle.len() > most {
            idle.select_nth_unstable_by_key(most - 1, |state| state.since());
            idle.truncate(most);
        }
        if idle.is_empty() {
            self.none_idle.set(self.clock.get());
        }
        for state in &idle {
            state.end(CloseReason::Shed);
        }
        idle.len()
    }

    /// Counts a connection as open until the entry is dropped.
    pub(crate) fn enter(self: &Rc<Self>, stage: ConnectionStage, permit: ConnectionPermit) -> OpenConnection {
        let state = Rc::new(ConnectionState::new(self.clock.clone(), stage, self.draining.get().is_some()));
        let id = self.next.get();
        self.next.set(id + 1);
        self.last.set(self.clock.get());
        self.open.borrow_mut().insert(id, state.clone());
        self.metrics.accepted();
        OpenConnection { sweep: self.clone(), id, state, _permit: permit }
    }

    /// Advances the clock by one tick and ends what has lasted too long.
    pub(crate) fn tick(&self) {
        self.clock.set(self.clock.get() + 1);
        for state in self.open.borrow().values() {
            if let Some(close_reason) = state.judge(&self.ticks) {
                state.end(close_reason);
            }
        }
    }

    /// Tells every connection, also those from here on, to finish its exchange and close.
    pub(crate) fn drain(&self) {
        if self.draining.get().is_some() {
            return;
        }
        self.draining.set(Some(self.next.get()));
        for state in self.open.borrow().values() {
            state.drain();
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

    /// When the last connection ended; 0 if none has.
    pub(crate) fn ended(&self) -> u32 {
        self.ended.get()
    }

    /// Whether a client has connected lately.
    pub(crate) fn is_asked(&self) -> bool {
        self.last.get() != 0 && self.clock.get() - self.last.get() <= self.ticks.drain_idle
    }

    /// Waits until no connection is left that was open when the drain began.
    pub(crate) async fn early_ended(&self) {
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
pub(crate) struct OpenConnection {
    sweep: Rc<Sweep>,
    id: u64,
    state: Rc<ConnectionState>,
    _permit: ConnectionPermit,
}

impl OpenConnection {
    pub(crate) fn state(&self) -> &Rc<ConnectionState> {
        &self.state
    }

    pub(crate) fn metrics(&self) -> &NetMetrics {
        &self.sweep.metrics
    }
}

impl Drop for OpenConnection {
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
    use crate::limits::tunnel;
    use crate::net::ticks::TICK;
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

    fn enter(sweep: &Rc<Sweep>, stage: ConnectionStage) -> OpenConnection {
        sweep.enter(stage, ConnectionPermit::uncounted())
    }

    fn ticks_until_verdict(sweep: &Sweep, state: &ConnectionState) -> Option<(u32, CloseReason)> {
        for n in 1..20 {
            sweep.tick();
            if let Some(close_reason) = state.close_reason() {
                return Some((n, close_reason));
            }
        }
        None
    }

    #[test]
    fn each_stage_ends_one_tick_after_its_deadline() {
        for (stage, expected) in [
            (ConnectionStage::Handshake, Some((3, CloseReason::Handshake))),
            (ConnectionStage::Head, Some((4, CloseReason::Head))),
            (ConnectionStage::Idle, Some((6, CloseReason::Idle))),
            (ConnectionStage::Busy, Some((8, CloseReason::Stalled))),
        ] {
            let sweep = sweep();
            let entry = enter(&sweep, stage);
            assert_eq!(ticks_until_verdict(&sweep, entry.state()), expected, "{stage:?}");
        }
    }

    #[test]
    fn a_longer_read_timeout_applies_to_its_own_response_only() {
        let (sweep, silence) = (sweep(), Duration::from_secs(200));
        let entry = enter(&sweep, ConnectionStage::Idle);
        let exchange = entry.state().exchange();
        [Duration::ZERO, silence, TICK].into_iter().for_each(|silence| entry.state().stillness().allow(silence));
        (0..ticks(silence)).for_each(|_| sweep.tick());
        assert_eq!(entry.state().close_reason(), None);
        drop(exchange);
        let _next = entry.state().exchange();
        assert_eq!(ticks_until_verdict(&sweep, entry.state()), Some((8, CloseReason::Stalled)));
    }

    #[test]
    fn a_tunnel_ends_one_tick_after_its_deadline_and_sooner_when_half_closed() {
        let half = ticks(Duration::from_millis(tunnel::HALF_CLOSED_MS));
        for (patience, closed, expected) in [(6, false, Some(7)), (6, true, Some(7)), (half + 9, true, Some(half + 1))] {
            let sweep = sweep();
            let entry = enter(&sweep, ConnectionStage::Idle);
            entry.state().tunnel(TICK * patience);
            // Bytes prolong it.
            for _ in 0..3 {
                sweep.tick();
            }
            entry.state().received();
            if closed {
                entry.state().half_closed();
            }
            let ended = (1..1_000).find(|_| {
                sweep.tick();
                entry.state().close_reason().is_some()
            });
            assert_eq!((ended, entry.state().close_reason()), (expected, Some(CloseReason::Quiet)), "{patience} {closed}");
        }
    }

    #[test]
    fn a_head_that_comes_byte_by_byte_gets_no_more_time_for_each_byte() {
        let sweep = sweep();
        let entry = enter(&sweep, ConnectionStage::Idle);
        for _ in 0..4 {
            entry.state().received();
            assert_eq!(entry.state().close_reason(), None);
            sweep.tick();
        }
        assert_eq!(entry.state().close_reason(), Some(CloseReason::Head));
    }

    #[test]
    fn a_write_that_waits_ends_the_connection_even_when_it_is_busy() {
        let sweep = sweep();
        let entry = enter(&sweep, ConnectionStage::Idle);
        let _exchange = entry.state().exchange();
        entry.state().write_waits();
        sweep.tick();
        entry.state().wrote();
        entry.state().write_waits();
        assert_eq!(ticks_until_verdict(&sweep, entry.state()), Some((5, CloseReason::Write)));
    }

    #[test]
    fn a_connection_is_idle_again_when_its_last_exchange_is_dropped() {
        let sweep = sweep();
        let entry = enter(&sweep, ConnectionStage::Idle);
        let exchanges = [entry.state().exchange(), entry.state().exchange()];
        let [first, second] = exchanges;
        drop(first);
        assert_eq!(entry.state().stage.get(), ConnectionStage::Busy);
        drop(second);
        assert_eq!(entry.state().stage.get(), ConnectionStage::Idle);
    }

    #[test]
    fn a_dropped_entry_frees_its_place() {
        let sweep = sweep();
        let first = enter(&sweep, ConnectionStage::Idle);
        assert!(!sweep.is_full());
        let _second = enter(&sweep, ConnectionStage::Idle);
        assert!(sweep.is_full());
        drop(first);
        assert!(!sweep.is_full());
    }

    #[test]
    fn the_longest_idle_make_room_first_and_never_the_busy() {
        let sweep = sweep();
        let oldest = enter(&sweep, ConnectionStage::Idle);
        sweep.tick();
        let newest = enter(&sweep, ConnectionStage::Idle);
        let busy = enter(&sweep, ConnectionStage::Idle);
        let exchange = busy.state().exchange();
        assert_eq!(
            (sweep.shed(1), oldest.state().close_reason(), newest.state().close_reason()),
            (1, Some(CloseReason::Shed), None)
        );
        assert_eq!(
            (sweep.shed(1), newest.state().close_reason()),
            (1, Some(CloseReason::Shed)),
            "who is going is not asked twice"
        );
        assert_eq!((sweep.shed(1), busy.state().close_reason()), (0, None));
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
        let (long, told) = (enter(&sweep, ConnectionStage::Idle), enter(&sweep, ConnectionStage::Idle));
        for _ in 0..second {
            sweep.tick();
        }
        let recent = enter(&sweep, ConnectionStage::Idle);
        told.state().goaway_sent();
        sweep.drain();
        let late = enter(&sweep, ConnectionStage::Idle);
        assert_eq!(ticks_until_verdict(&sweep, long.state()), Some((1, CloseReason::Drained)));
        assert_eq!(ticks_until_verdict(&sweep, recent.state()), Some((second - 1, CloseReason::Drained)));
        assert_eq!(late.state().close_reason(), Some(CloseReason::Drained));
        assert_eq!(told.state().close_reason(), None, "HTTP/2 has its own words");
    }
}
