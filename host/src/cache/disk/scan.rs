//! I find again, after a restart, what the files hold.
//!
//! I read the heads only, one file after the other, on a thread of my own; requests go on meanwhile, and
//! miss what I have not reached. What was stored in the meantime is newer and stays.

use std::fs;
use std::sync::atomic::Ordering;

use crate::cache::disk::{DiskEntry, DiskTier, file};

impl DiskTier {
    /// Files from after `epoch` come from a time of which no purge is known; they are removed.
    /// `go_on` is asked before each file.
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
                    // A file of this run may have been entered, or be about to be.
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
                tracing::debug!(id, "a file of the cache is of no use and is removed");
                let _ = fs::remove_file(path);
            }
        }
        self.scanned.store(true, Ordering::Release);
    }
}
