//! What every test needs: an edge, origins, a client, components.

mod client;
mod components;
mod edge;
mod origin;

pub use client::{Answer, Client, get};
pub use components::component;
pub use edge::{Edge, edgeward};
pub use origin::{Origin, Reply, closed_port};

use std::time::{Duration, Instant};

/// How long anything that must happen may take before the test fails. Generous: the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks until the answer is yes. For states of another process that cannot be waited for in any other way.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}: not after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
