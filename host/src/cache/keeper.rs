//! The background thread: sweeps out what purges have struck, and writes their journal.

use std::sync::atomic::Ordering;
use std::sync::{Weak, mpsc};
use std::time::{Duration, Instant};

use crate::cache::tiers::Tiers;
use crate::limits::cache::{INVALIDATIONS_WRITTEN_MS, SWEEP_PATIENCE_MS};

/// What the keeper is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    Sweep,
    /// Write the invalidations, soon: more may come.
    WriteInvalidations,
}

/// The background thread: sweeps when a purge has come, and now and then for invalidations; ends with the cache.
pub(super) fn keep(tiers: &Weak<Tiers>, work: &mpsc::Receiver<Work>) {
    // When the invalidations are to be written, and whether there is something to sweep out.
    let (mut due, mut sweeps): (Option<Instant>, bool) = (None, false);
    loop {
        let told = match due {
            _ if sweeps => work.try_recv().map_err(|error| match error {
                mpsc::TryRecvError::Empty => mpsc::RecvTimeoutError::Timeout,
                mpsc::TryRecvError::Disconnected => mpsc::RecvTimeoutError::Disconnected,
            }),
            None => work.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
            Some(due) => work.recv_timeout(due.saturating_duration_since(Instant::now())),
        };
        match told {
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Ok(Work::WriteInvalidations) => due = Some(Instant::now() + Duration::from_millis(INVALIDATIONS_WRITTEN_MS)),
            Ok(Work::Sweep) => sweeps = true,
        }
        let Some(tiers) = tiers.upgrade() else { return };
        if due.is_some_and(|due| due <= Instant::now()) {
            due = None;
            // Before the write: an invalidation from here on sends another message.
            tiers.invalidations_pending.store(false, Ordering::Release);
            tiers.write_invalidations();
            sweeps = true;
        }
        if sweeps {
            // Waits a little for older fills, and tries again until those have ended.
            sweeps = !tiers.sweep();
        }
    }
}

impl Tiers {
    fn write_invalidations(&self) {
        self.write_journal("what requests have made doubtful could not be written; a restart may use it again");
    }

    /// Removes what purges have struck, as soon as no older fill can still store something. Returns whether it is done.
    fn sweep(&self) -> bool {
        let epoch = self.purges.epoch();
        if !self.purges.wants_sweeping() {
            return true;
        }
        if !self.purges.older_work_ended(epoch, Duration::from_millis(SWEEP_PATIENCE_MS)) {
            return false;
        }
        self.memory.sweep(|stored| !self.purges.take(&stored.meta, stored.fill_epoch));
        if let Some(disk) = &self.disk {
            let all = |fill_epoch| {
                let struck = self.purges.strike_unseen(fill_epoch);
                if struck {
                    self.purges.count_unseen(fill_epoch);
                }
                struck
            };
            disk.sweep(epoch, all, |meta, fill_epoch| !self.purges.take(meta, fill_epoch));
        }
        self.purges.retire(epoch);
        self.write_journal("the cache's purges could not be written; a restart sweeps again");
        true
    }

    /// Clients can cause a write with every request, so the metrics count failures and the log is throttled.
    fn write_journal(&self, otherwise: &str) {
        let Some(disk) = &self.disk else { return };
        match disk.write_journal(|| self.purges.journal()) {
            Ok(()) => self.metrics.journal_written(),
            Err(error) => self.metrics.journal_failed(&format_args!("{otherwise}: {error}")),
        }
    }
}
