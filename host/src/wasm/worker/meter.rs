//! Measures the thread time of a call, and decides when other tasks get the thread.
//!
//! Fuel bounds the guest's own instructions. The host's work for it burns none: WASI's functions, the engine's
//! own (streams, futures, tasks, growing memories), the engine's loop around asynchronous tasks. So the clock is read
//! whenever the guest's code is left and entered again, and the time between is charged to its fuel (`toll`). One
//! place covers all of them, and new interfaces too: `Store::call_hook` surrounds everything that
//! can fail. It cannot interrupt the host; so what one call into the host may request is bounded
//! (`limits::worker`).
//!
//! ```text
//!  guest's code ── fuel ──► left ────► host, engine, waiting ────► entered ─┬─► guest's code
//!       ▲                                                          charge   │
//!       └────────────── next turn ◄──── give way ◄──── slice is over? ──────┘
//! ```
//!
//! The clock counts only the time polled: it stands still while a call waits. It also covers what fuel does not, such as
//! page faults: a guest whose code takes longer than its fuel says is checked more often.

use std::pin::pin;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use tokio::task::coop::has_budget_remaining;

use crate::limits::{Limit, Limits, worker};
use crate::wasm::worker::turn::Turns;

/// The accounting of the call that runs in an instance. All times are nanoseconds of the time polled.
#[derive(Debug)]
pub(super) struct Meter {
    epoch: Instant,
    /// The part of the time since `epoch` in which the call was not polled.
    waited: AtomicU64,
    stopped: AtomicU64,
    /// When the guest's code was last left, and entered.
    left: AtomicU64,
    entered: AtomicU64,
    slice_end: AtomicU64,
    /// Fuel, in microseconds, until the guest is checked.
    look_us: AtomicU64,
    host_calls: AtomicU64,
    host_calls_max: u64,
    polled_max: Duration,
    turns: Turns,
}

impl Meter {
    pub(super) fn new(limits: &Limits, cpu_share: u32) -> Meter {
        let polled_us = limits.value(Limit::CpuUs).saturating_mul(worker::POLLED_PER_CPU);
        Meter {
            epoch: Instant::now(),
            waited: AtomicU64::new(0),
            stopped: AtomicU64::new(0),
            left: AtomicU64::new(0),
            entered: AtomicU64::new(0),
            slice_end: AtomicU64::new(0),
            look_us: AtomicU64::new(worker::LOOK_US_MIN),
            host_calls: AtomicU64::new(0),
            host_calls_max: limits.value(Limit::HostCalls),
            polled_max: Duration::from_micros(polled_us),
            turns: Turns::new(cpu_share),
        }
    }

    /// A call begins.
    pub(super) fn reset(&self) {
        self.host_calls.store(0, Relaxed);
    }

    /// Counts a call into the host. If it was one too many, the guest ends on its return.
    pub(super) fn enter(&self) {
        self.host_calls.fetch_add(1, Relaxed);
    }

    pub(super) fn is_over_host_calls(&self) -> bool {
        self.host_calls.load(Relaxed) > self.host_calls_max
    }

    /// How long a call may be polled in all.
    pub(super) fn polled_max(&self) -> Duration {
        self.polled_max
    }

    /// Runs a guest until it ends or exceeds a limit; then it is dropped.
    pub(super) async fn run<F: Future>(&self, guest: F, polled_max: Duration) -> Result<F::Output, Limit> {
        let mut guest = pin!(guest);
        let alarm = Arc::new(Alarm::new());
        let waker = Waker::from(alarm.clone());
        let polled_max = u64::try_from(polled_max.as_nanos()).unwrap_or(u64::MAX);
        let end = self.stopped.load(Relaxed).saturating_add(polled_max);
        std::future::poll_fn(|cx| {
            alarm.is_for(cx.waker());
            if !self.turns.take() {
                let _ = pin!(tokio::task::yield_now()).poll(cx);
                return Poll::Pending;
            }
            self.start();
            loop {
                alarm.hold();
                let poll = guest.as_mut().poll(&mut Context::from_waker(&waker));
                let has_rung = alarm.release();
                let now = self.now();
                self.stopped.store(now, Relaxed);
                let poll = match poll {
                    Poll::Ready(output) => Poll::Ready(Ok(output)),
                    Poll::Pending if self.is_over_host_calls() => Poll::Ready(Err(Limit::HostCalls)),
                    Poll::Pending if now > end => Poll::Ready(Err(Limit::CpuUs)),
                    // It only yielded, and its slice is not over yet.
                    Poll::Pending if has_rung && now < self.slice_end.load(Relaxed) && has_budget_remaining() => continue,
                    Poll::Pending => Poll::Pending,
                };
                if poll.is_pending() && has_rung {
                    // Yields behind all tasks and the I/O driver, not only behind the tasks that are ready now.
                    let _ = pin!(tokio::task::yield_now()).poll(cx);
                }
                return poll;
            }
        })
        .await
    }

    fn start(&self) {
        let now = self.since_epoch();
        let stopped = self.stopped.load(Relaxed);
        self.waited.store(now.saturating_sub(stopped), Relaxed);
        self.slice_end.store(stopped + worker::SLICE_US * 1_000, Relaxed);
    }

    fn now(&self) -> u64 {
        self.since_epoch().saturating_sub(self.waited.load(Relaxed))
    }

    fn since_epoch(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The guest's code is left. Sets how long it may run next time before it is checked.
    pub(super) fn leave(&self) {
        let now = self.now();
        self.left.store(now, Relaxed);
        let ran_us = now.saturating_sub(self.entered.load(Relaxed)) / 1_000;
        let look_us = self.look_us.load(Relaxed);
        let next = if ran_us > worker::STRETCH_US { worker::LOOK_US_MIN } else { (look_us * 2).min(worker::LOOK_US_MAX) };
        if next != look_us {
            self.look_us.store(next, Relaxed);
        }
    }

    /// Fuel, in microseconds, until the guest is checked next.
    pub(super) fn look_us(&self) -> u64 {
        self.look_us.load(Relaxed)
    }

    /// The guest's code is entered. Returns how long it was left for, and whether the slice is over.
    pub(super) fn come_back(&self) -> (u64, bool) {
        let now = self.now();
        self.entered.store(now, Relaxed);
        let outside = now.saturating_sub(self.left.load(Relaxed));
        (outside, now >= self.slice_end.load(Relaxed))
    }
}

/// The guest's waker: a wake-up while the guest is polled is remembered, one at other times is passed on.
struct Alarm {
    state: AtomicU8,
    task: Mutex<Waker>,
}

const IDLE: u8 = 0;
const HELD: u8 = 1;
const RANG: u8 = 2;

impl Alarm {
    fn new() -> Alarm {
        Alarm { state: AtomicU8::new(IDLE), task: Mutex::new(Waker::noop().clone()) }
    }

    fn is_for(&self, task: &Waker) {
        self.task.lock().unwrap_or_else(PoisonError::into_inner).clone_from(task);
    }

    /// A wake-up between this and `release` is returned by the latter; one after it reaches the task.
    fn hold(&self) {
        self.state.store(HELD, SeqCst);
    }

    fn release(&self) -> bool {
        self.state.swap(IDLE, SeqCst) == RANG
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.compare_exchange(HELD, RANG, SeqCst, SeqCst) == Err(IDLE) {
            self.task.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
        }
    }
}
