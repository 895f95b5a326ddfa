//! Lets large instances go, on a thread that nobody waits for.
//!
//! To give a hundred megabytes back to the system takes milliseconds, and a worker has other requests. Here no more
//! waits than may exist: an instance keeps its slot until it is gone.

use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};

/// What is to go, in the order of its parts.
type Load = Box<dyn Send>;

static LANE: LazyLock<Option<Sender<Load>>> = LazyLock::new(|| {
    let (sender, loads) = channel::<Load>();
    let thread = std::thread::Builder::new().name("edgeward-teardown".to_owned());
    let started = thread.spawn(move || loads.into_iter().for_each(drop));
    started.inspect_err(|error| tracing::warn!("no thread to drop instances on: {error}")).ok()?;
    Some(sender)
});

/// Drops `load` on the lane; here, where there is none.
pub(super) fn let_go(load: impl Send + 'static) {
    if let Some(lane) = &*LANE {
        // A lane that has ended gives the load back, and so it goes here.
        let _ = lane.send(Box::new(load));
    }
}
