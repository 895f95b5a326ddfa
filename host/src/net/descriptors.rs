//! File descriptors: the limit is raised, and some are reserved.
//!
//! The kernel assigns the lowest free number. So the number of a new connection's descriptor says how many are in use
//! at least: nothing has to be counted, and those of origins, files and libraries are included. If a client's number is
//! in the reserve, an idle client loses its connection. The reserve is for origins, reloads, the admin port and files.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limits::descriptors::{TELL_AGAIN_MS, reserve};

/// The limit of descriptors, and the reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptors {
    pub limit: u64,
    /// Descriptors that clients do not get.
    pub reserve: u64,
}

impl Descriptors {
    /// Raises the soft limit to the hard one.
    pub fn raise() -> Descriptors {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        if current != maximum
            && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        {
            tracing::warn!(%error, "the limit of file descriptors cannot be raised");
        }
        // `None` means unlimited.
        Descriptors::of(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
    }

    fn of(limit: u64) -> Descriptors {
        Descriptors { limit, reserve: reserve(limit) }
    }

    /// A client's connection with this number or a higher one is in the reserve.
    pub fn for_clients(self) -> u64 {
        self.limit - self.reserve
    }
}

/// Logs that descriptors are short, at most once a minute for the whole process. The metrics count how often.
pub(super) fn warn_of_shortage(why: &str) {
    static TOLD: AtomicU64 = AtomicU64::new(0);
    static BEGIN: OnceLock<Instant> = OnceLock::new();
    // Never 0, which means "not logged yet".
    let begin = BEGIN.get_or_init(Instant::now);
    let now = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1;
    let told = TOLD.load(Relaxed);
    let due = told == 0 || now - told.min(now) >= TELL_AGAIN_MS;
    if due && TOLD.compare_exchange(told, now, Relaxed, Relaxed).is_ok() {
        tracing::warn!(
            "{why}; idle connections are closed to make room (`ulimit -n`; edgeward_net_connections_ended_total tells how many)"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::descriptors::{RESERVE_MAX, functions};

    #[test]
    fn some_descriptors_are_reserved_and_at_most_the_maximum() {
        for (limit, for_clients) in
            [(0, 0), (120, 90), (1_024, 768), (4 * RESERVE_MAX, 3 * RESERVE_MAX), (1 << 20, (1 << 20) - RESERVE_MAX)]
        {
            assert_eq!(Descriptors::of(limit).for_clients(), for_clients, "{limit}");
        }
        assert_eq!(Descriptors::of(u64::MAX).reserve, RESERVE_MAX);
        for (limit, connections) in [(0, 0), (1_024, 384), (2_048, 768)] {
            assert_eq!(functions(limit), connections, "{limit}");
        }
    }
}
