//! Slow and idle connections are ended here, once a second, without a timer for each.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

use crate::limits::request;
use crate::telemetry::NetMetrics;

/// What a connection is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The rest of a request's head, since its first byte (or the handshake's end).
    Head,
    /// A request; open streams are none.
    Idle,
    /// The handler, the client's body, or the client's reading of the response.
    Busy,
}

/// What the sweeper knows of one connection.
pub(super) struct Pulse {
    phase: Cell<Phase>,
    since: Cell<Instant>,
    now: Rc<Cell<Instant>>,
    abort: RefCell<Option<AbortHandle>>,
}

impl Pulse {
    pub(super) fn phase(&self) -> Phase {
        self.phase.get()
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.since.set(self.now.get());
    }

    /// Bytes went in or out. Slow bytes do not prolong a head.
    pub(super) fn moved(&self) {
        if self.phase.get() != Phase::Head {
            self.since.set(self.now.get());
        }
    }

    pub(super) fn set_abort(&self, handle: AbortHandle) {
        *self.abort.borrow_mut() = Some(handle);
    }

    fn limit(&self) -> (Duration, &'static str) {
        let (ms, reason) = match self.phase.get() {
            Phase::Head => (request::HEAD_TIMEOUT_MS, "slow-head"),
            Phase::Idle => (request::IDLE_TIMEOUT_MS, "idle"),
            Phase::Busy => (request::STALL_TIMEOUT_MS, "stalled"),
        };
        (Duration::from_millis(ms), reason)
    }
}

/// All connections of one worker, and its clock of one second.
#[derive(Clone)]
pub(super) struct Sweeper {
    now: Rc<Cell<Instant>>,
    pulses: Rc<RefCell<Vec<Weak<Pulse>>>>,
}

impl Sweeper {
    pub(super) fn new() -> Sweeper {
        Sweeper { now: Rc::new(Cell::new(Instant::now())), pulses: Rc::default() }
    }

    pub(super) fn watch(&self) -> Rc<Pulse> {
        let pulse = Rc::new(Pulse {
            phase: Cell::new(Phase::Head),
            since: Cell::new(self.now.get()),
            now: self.now.clone(),
            abort: RefCell::new(None),
        });
        self.pulses.borrow_mut().push(Rc::downgrade(&pulse));
        pulse
    }

    /// Runs as long as its worker.
    pub(super) async fn run(self, metrics: NetMetrics) {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        loop {
            let now = tick.tick().await.into_std();
            self.now.set(now);
            self.pulses.borrow_mut().retain(|pulse| {
                let Some(pulse) = pulse.upgrade() else { return false };
                let (limit, reason) = pulse.limit();
                if now.saturating_duration_since(pulse.since.get()) <= limit {
                    return true;
                }
                if let Some(abort) = pulse.abort.borrow_mut().take() {
                    abort.abort();
                    metrics.ended(reason);
                }
                false
            });
        }
    }
}
