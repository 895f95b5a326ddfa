//! What a service manager hears of us: sd_notify's datagrams, and the beats of its watchdog.
//!
//! Without NOTIFY_SOCKET I say nothing. A beat is sent while every worker has come round since the last one: a process with a
//! worker that is stuck is started anew.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context as _;

/// The service manager, if there is one.
#[derive(Default)]
pub struct Notifier {
    manager: Option<(UnixDatagram, SocketAddr)>,
    /// Half of what the manager waits for.
    beat: Option<Duration>,
}

impl Notifier {
    pub fn from_environment() -> anyhow::Result<Notifier> {
        let manager = match std::env::var_os("NOTIFY_SOCKET") {
            None => None,
            Some(address) if address.is_empty() => None,
            Some(address) => {
                let named = match address.as_bytes() {
                    [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
                    path => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path)),
                };
                Some((UnixDatagram::unbound()?, named.context("NOTIFY_SOCKET")?))
            }
        };
        let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
        let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let beat = number("WATCHDOG_USEC").filter(|usec| is_ours && *usec > 0).map(|usec| Duration::from_micros(usec / 2));
        Ok(Notifier { manager, beat })
    }

    pub(super) fn ready(&self) {
        self.say(&format!("READY=1\nSTATUS=serving\nMAINPID={}", std::process::id()));
    }

    pub(super) fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        self.say(&format!("RELOADING=1\nSTATUS=reloading\nMONOTONIC_USEC={}", now.tv_sec * 1_000_000 + now.tv_nsec / 1_000));
    }

    pub(super) fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=draining");
    }

    fn say(&self, message: &str) {
        let Some((socket, manager)) = &self.manager else { return };
        if let Err(error) = socket.send_to_addr(message.as_bytes(), manager) {
            tracing::warn!(%error, "the service manager cannot be told: {}", message.escape_debug());
        }
    }

    /// What each worker must count up, if the manager has a watchdog.
    pub(super) fn beats(self: &Arc<Notifier>, workers: usize) -> anyhow::Result<Option<Beats>> {
        let Some(every) = self.beat.filter(|_| self.manager.is_some()) else { return Ok(None) };
        let beats = Beats { every: every / 2, counts: (0..workers).map(|_| AtomicU32::new(0)).collect() };
        let (notifier, watched) = (self.clone(), beats.clone());
        std::thread::Builder::new().name("edgeward-watchdog".to_owned()).spawn(move || {
            let mut before: Vec<u32> = vec![ENDED; workers];
            loop {
                let now: Vec<u32> = watched.counts.iter().map(|count| count.load(Relaxed)).collect();
                let stuck = now.iter().zip(&before).position(|(now, before)| now == before && *now != ENDED);
                match stuck {
                    None => notifier.say("WATCHDOG=1"),
                    Some(worker) => {
                        tracing::error!(worker, "a worker does not come round; the watchdog is not told that we are well")
                    }
                }
                before = now;
                std::thread::sleep(every);
            }
        })?;
        Ok(Some(beats))
    }
}

/// The count of a worker that has nothing left to do.
const ENDED: u32 = u32::MAX;

/// A count for each worker, and how often it is to be counted up.
#[derive(Clone)]
pub(super) struct Beats {
    every: Duration,
    counts: Arc<[AtomicU32]>,
}

impl Beats {
    /// This worker will not come round any more, and need not.
    pub(super) fn ended(&self, worker: usize) {
        self.counts[worker].store(ENDED, Relaxed);
    }

    /// For a worker's own thread, to its end.
    pub(super) async fn keep(self, worker: usize) {
        loop {
            self.counts[worker].fetch_add(1, Relaxed);
            tokio::time::sleep(self.every).await;
        }
    }
}
