//! I run tasks, and wait for the host when none can run.
//!
//!     block_on / run ─► what is ready, in order ─► has the call its answer? ─► yes: return, keep the rest
//!                             ▲                              │ no
//!                             └── wake whom it concerns ◄── wait for the first pollable or timer

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_task::{Runnable, Task};
use slab::Slab;
use wasip2::clocks::monotonic_clock;
use wasip2::io::poll::{Pollable, poll};

static READY: Mutex<VecDeque<Runnable>> = Mutex::new(VecDeque::new());

thread_local! {
    static WAITING: RefCell<Waiting> = const { RefCell::new(Waiting::new()) };
}

/// What can wake a task.
struct Waiting {
    pollables: Slab<Entry>,
    /// By the time when they are due, and then by age.
    timers: BTreeMap<(u64, u64), Waker>,
    next_timer: u64,
    /// The host's clock less this is the loop's, which stands still in a snapshot.
    offset: u64,
    frozen_at: Option<u64>,
}

struct Entry {
    /// None if it belonged to the instance that the snapshot was taken of: it never becomes ready.
    pollable: Option<Pollable>,
    waker: Option<Waker>,
}

impl Waiting {
    const fn new() -> Waiting {
        Waiting { pollables: Slab::new(), timers: BTreeMap::new(), next_timer: 0, offset: 0, frozen_at: None }
    }

    fn now(&self) -> u64 {
        monotonic_clock::now().wrapping_sub(self.offset)
    }

    fn has_io(&self) -> bool {
        self.pollables.iter().any(|(_, entry)| entry.waker.is_some() && entry.pollable.is_some())
    }

    /// Wakers of what has become ready. `block` waits until something has; None if nothing ever will.
    fn ready(&mut self, block: bool) -> Option<Vec<Waker>> {
        let mut ready = Vec::new();
        if block {
            let mut keys = Vec::new();
            let mut pollables = Vec::new();
            for (key, entry) in &self.pollables {
                if let (Some(pollable), true) = (&entry.pollable, entry.waker.is_some()) {
                    keys.push(key);
                    pollables.push(pollable);
                }
            }
            let timer =
                self.timers.keys().next().map(|(due, _)| monotonic_clock::subscribe_duration(due.saturating_sub(self.now())));
            pollables.extend(timer.as_ref());
            if pollables.is_empty() {
                return None;
            }
            for index in poll(&pollables) {
                if let Some(key) = keys.get(index as usize) {
                    ready.extend(self.pollables[*key].waker.take());
                }
            }
        } else {
            for (_, entry) in &mut self.pollables {
                if entry.waker.is_some() && entry.pollable.as_ref().is_some_and(Pollable::ready) {
                    ready.extend(entry.waker.take());
                }
            }
        }
        if !self.timers.is_empty() {
            let later = self.timers.split_off(&(self.now().saturating_add(1), 0));
            ready.extend(std::mem::replace(&mut self.timers, later).into_values());
        }
        Some(ready)
    }
}

/// Wakes what is ready. False if nothing can become ready any more.
fn wake(block: bool) -> bool {
    // Wakers run foreign code, which may come back here.
    let ready = WAITING.with_borrow_mut(|waiting| waiting.ready(block));
    let Some(ready) = ready else { return false };
    ready.into_iter().for_each(Waker::wake);
    true
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs the loop until the future has a result; what else runs in the loop goes on in the next call of this. None if the
/// future waits for something that cannot come.
pub fn run<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let flag = Arc::new(Flag(AtomicBool::new(true)));
    let waker = Waker::from(flag.clone());
    loop {
        if flag.0.swap(false, Ordering::Relaxed)
            && let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker))
        {
            return Some(output);
        }
        // A turn is what is ready now: a task that makes itself ready again does not keep the host's events out.
        let turn = READY.lock().unwrap().len();
        for _ in 0..turn {
            let next = READY.lock().unwrap().pop_front();
            if let Some(runnable) = next {
                runnable.run();
            }
        }
        let is_idle = !flag.0.load(Ordering::Relaxed) && READY.lock().unwrap().is_empty();
        if !wake(is_idle) {
            return None;
        }
    }
}

/// As `run`, of a future that always has a result in the end.
pub fn block_on<F: Future>(future: F) -> F::Output {
    run(future).expect("a future that nothing can complete")
}

/// A task of the loop, beside the one that a call waits for.
pub fn spawn<F>(future: F) -> Task<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let (runnable, task) = async_task::spawn_local(future, |runnable| READY.lock().unwrap().push_back(runnable));
    runnable.schedule();
    task
}

/// Whether a task waits for something that the host does.
pub fn has_io() -> bool {
    WAITING.with_borrow(Waiting::has_io)
}

/// Before a snapshot: lets go of what the host holds. Whoever waits for it waits for ever.
pub fn freeze() {
    WAITING.with_borrow_mut(|waiting| {
        for (_, entry) in &mut waiting.pollables {
            entry.pollable = None;
        }
        waiting.frozen_at = Some(waiting.now());
    });
}

/// After a snapshot: timers have as long to go as they had. Does nothing but once.
pub fn thaw() {
    WAITING.with_borrow_mut(|waiting| {
        if let Some(then) = waiting.frozen_at.take() {
            waiting.offset = monotonic_clock::now().wrapping_sub(then);
        }
    });
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A pollable that tasks of the loop can wait for.
#[derive(Clone)]
pub struct AsyncPollable(Rc<Registration>);

struct Registration {
    key: usize,
}

impl Drop for Registration {
    fn drop(&mut self) {
        drop(WAITING.with_borrow_mut(|waiting| waiting.pollables.remove(self.key)));
    }
}

impl AsyncPollable {
    pub fn new(pollable: Pollable) -> AsyncPollable {
        let entry = Entry { pollable: Some(pollable), waker: None };
        AsyncPollable(Rc::new(Registration { key: WAITING.with_borrow_mut(|waiting| waiting.pollables.insert(entry)) }))
    }

    /// One future at a time may wait for it.
    pub fn wait_for(&self) -> WaitFor {
        WaitFor { pollable: self.clone() }
    }
}

#[must_use = "does nothing unless awaited"]
pub struct WaitFor {
    pollable: AsyncPollable,
}

impl Future for WaitFor {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        WAITING.with_borrow_mut(|waiting| {
            let entry = &mut waiting.pollables[self.pollable.0.key];
            if entry.pollable.as_ref().is_some_and(Pollable::ready) {
                entry.waker = None;
                return Poll::Ready(());
            }
            entry.waker = Some(cx.waker().clone());
            Poll::Pending
        })
    }
}

impl Drop for WaitFor {
    fn drop(&mut self) {
        WAITING.with_borrow_mut(|waiting| waiting.pollables[self.pollable.0.key].waker = None);
    }
}

/// Waits this long, and at least for the loop's next turn.
pub fn sleep(duration: Duration) -> Sleep {
    Sleep { duration, timer: None }
}

#[must_use = "does nothing unless awaited"]
pub struct Sleep {
    duration: Duration,
    timer: Option<(u64, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        WAITING.with_borrow_mut(|waiting| match self.timer {
            Some(timer) => match waiting.timers.get_mut(&timer) {
                Some(waker) => {
                    waker.clone_from(cx.waker());
                    Poll::Pending
                }
                None => Poll::Ready(()),
            },
            None => {
                let due = waiting.now().saturating_add(nanoseconds(self.duration));
                let timer = (due, waiting.next_timer);
                waiting.next_timer += 1;
                waiting.timers.insert(timer, cx.waker().clone());
                self.timer = Some(timer);
                Poll::Pending
            }
        })
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            WAITING.with_borrow_mut(|waiting| waiting.timers.remove(&timer));
        }
    }
}
