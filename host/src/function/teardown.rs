//! Lets large instances go, on a thread that nobody waits for.
//!
//! To give a hundred megabytes back to the system takes milliseconds, and a worker has other requests. Here no more
//! waits than may exist: an instance keeps its slot until it is gone.
//!
//! Where a core is busy, the thread yields it to a worker that wakes: at equal priority it would run for its whole time
//! slice, 3 ms, while requests wait.

use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::limits::worker::TEARDOWN_NICE;

/// What is to go, in the order of its parts.
type Load = Box<dyn Send>;

static LANE: LazyLock<Option<Sender<Load>>> = LazyLock::new(|| {
    let (sender, loads) = channel::<Load>();
    let thread = std::thread::Builder::new().name("edgeward-teardown".to_owned());
    let started = thread.spawn(move || run(loads));
    started.inspect_err(|error| tracing::warn!("no thread to drop instances on: {error}")).ok()?;
    Some(sender)
});

fn run(loads: Receiver<Load>) {
    // On Linux a priority is that of one thread.
    if let Err(error) = rustix::process::nice(TEARDOWN_NICE) {
        tracing::warn!("instances are dropped at the priority of a worker: {error}");
    }
    loads.into_iter().for_each(drop);
}

/// Drops `load` on the lane; here, where there is none.
pub(super) fn let_go(load: impl Send + 'static) {
    if let Some(lane) = &*LANE {
        // A lane that has ended gives the load back, and so it goes here.
        let _ = lane.send(Box::new(load));
    }
}
