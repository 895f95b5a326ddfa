//! What every test needs: an edge, origins, a client, components.

mod client;
mod clock;
#[path = "../components.rs"]
mod components;
mod config;
mod edge;
pub mod mmdb;
mod origin;
pub mod runtime;
mod script;
mod websocket;

pub use client::{Answer, Client, get};
pub use clock::Clock;
pub use config::Config;
pub use edge::{Edge, edgeward, resident_bytes};
pub use origin::{Origin, Reply, Seen, closed_port};
pub use script::{Says, Script};
pub use websocket::{EchoSocket, Socket};

use std::time::{Duration, Instant};

/// The path of a component by its name, such as `spa-rewrite` or `hostile-infinite-loop`.
#[track_caller]
pub fn component(name: &str) -> String {
    let path = components::components().join(format!("{name}.wasm"));
    assert!(path.exists(), "no guest `{name}`: {} is missing", path.display());
    path.display().to_string()
}

/// The folder of the Runtimes that run sources; they are built unless they are there.
pub fn runtimes() -> std::path::PathBuf {
    let runtimes = components::components().with_file_name("runtimes");
    for runtime in ["cloudfront-js", "nodejs", "python3.14"] {
        assert!(runtimes.join(format!("{runtime}.wasm")).exists(), "{} lacks {runtime}", runtimes.display());
    }
    runtimes
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

/// Ten thousand clients, or as many as there are file descriptors for: each needs one here, and one in the edge.
pub fn ten_thousand() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let descriptors: usize = line.split_whitespace().nth(3).and_then(|soft| soft.parse().ok()).unwrap_or(10_500);
    let clients = descriptors.saturating_sub(500).min(10_000);
    assert!(clients >= 500, "at least 1,000 file descriptors are needed");
    clients
}
