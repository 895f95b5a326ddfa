//! What every test needs: an edge, origins, a client, components.

mod client;
#[path = "../components.rs"]
mod components;
mod edge;
mod origin;
mod websocket;

pub use client::{Answer, Client, get};
pub use edge::{Edge, edgeward};
pub use origin::{Origin, Reply, closed_port};
pub use websocket::{EchoSocket, Socket};

use std::time::{Duration, Instant};

/// The path of a component by its name, such as `spa-rewrite` or `hostile-infinite-loop`.
#[track_caller]
pub fn component(name: &str) -> String {
    let path = components::components().join(format!("{name}.wasm"));
    assert!(path.exists(), "no guest `{name}`: {} is missing", path.display());
    path.display().to_string()
}

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
