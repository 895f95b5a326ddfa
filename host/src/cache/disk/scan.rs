//! Finds the objects of an earlier run after a restart.
//!
//! The scan reads only the heads, one file after the other, on its own thread. Requests go on meanwhile, and
//! miss what the scan has not reached. Objects that were stored in the meantime are newer and stay.

use std::fs;
use std::sync::atomic::Ordering;

use crate::cache::disk::{DiskEntry, DiskTier, file};

impl DiskTier {
    /// Removes files from after `epoch`, since the journal does not have the purges of that time.
    /// Stops when `go_on`, which is called before each file, returns false.
    pub(crate) fn scan(&self, epoch: u64, go_on: impl Fn() -> bool) {
        for group in 0..=u8::MAX {
            let Ok(entries) = fs::read_dir(self.folder.join(format!("objects/{group:02x}"))) else { continue };
            for entry in entries.flatten() {
                let Ok(_held) = self.held() else { return };
                if !go_on() {
                    return;
                }
                let path = entry.path();
                let name = entry.file_name();
                let named = name.to_str().and_then(|name| u64::from_str_radix(name, 16).ok());
                let id = match file::read_head(&path) {
                    // A file of this run is in the index, or about to be.
                    Ok((_, prelude, _)) if prelude.id >= self.first_id => continue,
                    Ok((_, prelude, head)) if named == Some(prelude.id) && head.fill_epoch <= epoch => {
                        let file_bytes = prelude.file_bytes().unwrap_or(u64::MAX);
                        let (id, body_bytes, fill_epoch) = (prelude.id, prelude.body_bytes, head.fill_epoch);
                        let place = DiskEntry::File { id, body_bytes, file_bytes, fill_epoch, renewed: None };
                        match self.index.peek(&head.key) {
                            Some(DiskEntry::File { id: other, .. }) if other > id => {}
                            _ => {
                                self.enter(head.key, head.primary, head.meta.vary, place);
                                continue;
                            }
                        }
                        id
                    }
                    // Evicted since the folder was listed.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                    Err(error) if error.kind() == std::io::ErrorKind::Unsupported => named.unwrap_or_default(),
                    _ => {
                        self.metrics.disk_failed("damaged");
                        named.unwrap_or_default()
                    }
                };
                tracing::debug!(id, "an unusable file of the cache is removed");
                let _ = fs::remove_file(path);
            }
        }
        self.scanned.store(true, Ordering::Release);
    }
}
