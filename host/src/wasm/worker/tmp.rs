//! `/tmp` of an instance: empty at first, or as INIT has left it, with a size that is never exceeded.
//!
//! It is a file system of its own and no folder of the host. Names are in memory, and so are the first blocks of its files;
//! the others are in one file of the host that has no name, made when it is needed. So an instance that does not write pays
//! nothing, no path leads to the host or to another instance, and nothing is left when the instance has gone, or the process.
//!
//!     wasi:filesystem@0.2 ─► host ─┬─► descriptors of ours: tree ─► blocks ─► memory, or the file
//!                                  └─► all others: wasmtime-wasi, read-only folders
//!
//! While all of it is in memory, a call does its work at once. From the first block on that is not (and where INIT has left
//! much), each is done on one of tokio's threads for blocking work, one at a time: an instance never has two of them.

mod blocks;
mod host;
mod storage;
mod streams;
mod tree;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

use crate::limits::tmp::INLINE_NODES;
use crate::limits::{Limit, Limits};
use storage::Storage;
use tree::{NodeId, ROOT, TreeResult};

pub use host::{FilesView, WorkerFiles};
pub use storage::KeptStorage;

/// Where a function finds it.
const NAME: &str = "/tmp";

/// See the module.
pub struct TmpFolder(Arc<SharedTmp>);

/// What an instance's descriptors and streams share.
struct SharedTmp {
    /// Made when it is first used.
    storage: Mutex<Option<Storage>>,
    bytes_max: u64,
    /// Of the host.
    folder: Arc<Path>,
    kept: Option<Arc<KeptStorage>>,
    /// Whether work is done on the thread that asks for it; never again, once it may wait for a disk.
    inline: AtomicBool,
    /// For what is done on another thread, in turn.
    turn: Arc<Semaphore>,
    /// What is open no longer. It is let go of by the next that works on the storage: who drops a descriptor must not wait.
    released: Mutex<Vec<NodeId>>,
    /// Bytes in streams that are not yet written.
    pending: AtomicUsize,
}

/// What an instance that has failed leaves for the one that takes its place.
pub struct LeftFiles(Storage);

impl LeftFiles {
    /// Whether to drop it takes long.
    pub fn is_slow_to_drop(&self) -> bool {
        !self.0.is_small()
    }
}

/// A node that stays as long as I live.
struct OpenNode {
    tmp: Arc<SharedTmp>,
    id: NodeId,
}

impl TmpFolder {
    /// `folder` is the host's, for what does not stay in memory. What INIT has kept counts for nothing where an instance has
    /// left its own.
    pub(super) fn new(limits: &Limits, folder: Arc<Path>, kept: Option<Arc<KeptStorage>>, left: Option<LeftFiles>) -> TmpFolder {
        let slow = kept.as_ref().is_some_and(|kept| kept.is_slow()) || left.as_ref().is_some_and(LeftFiles::is_slow_to_drop);
        let inline = !slow;
        TmpFolder(Arc::new(SharedTmp {
            storage: Mutex::new(left.map(|left| left.0)),
            bytes_max: limits.value(Limit::EphemeralStorageBytes),
            folder,
            kept,
            inline: AtomicBool::new(inline),
            turn: Arc::new(Semaphore::new(1)),
            released: Mutex::default(),
            pending: AtomicUsize::new(0),
        }))
    }

    /// Takes what is in it, for other instances to begin with. Nothing may be open in it any more.
    pub(super) fn keep(&self) -> Option<Arc<KeptStorage>> {
        let taken = self.0.storage.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.and_then(Storage::keep).map(Arc::new)
    }

    /// Takes what is in it, once the work that is under way is done. The instance must not run again. `None` if there is
    /// nothing in it.
    pub(super) fn leave(&self) -> impl Future<Output = Option<LeftFiles>> + Send + use<> {
        let tmp = self.0.clone();
        async move {
            let _turn = tmp.turn.acquire().await.ok()?;
            // What the instance has asked for and was not begun will not be.
            tmp.turn.close();
            let mut storage = tmp.storage.lock().unwrap_or_else(PoisonError::into_inner);
            // What holds nothing goes with the instance.
            let mut left = storage.take_if(|storage| storage.holds_something())?;
            left.close();
            Some(LeftFiles(left))
        }
    }

    /// Whether to drop it takes long.
    pub(super) fn is_slow_to_drop(&self) -> bool {
        !self.0.inline.load(Ordering::Relaxed)
            || self
                .0
                .storage
                .try_lock()
                .is_ok_and(|storage| storage.as_ref().is_some_and(|storage| storage.tree.nodes() > INLINE_NODES))
    }

    fn root(&self) -> Arc<OpenNode> {
        Arc::new(OpenNode { tmp: self.0.clone(), id: ROOT })
    }
}

impl SharedTmp {
    /// Works on the storage, wherever that may be done. `bytes` is what the work may add.
    async fn run<T: Send + 'static>(
        self: &Arc<SharedTmp>,
        bytes: usize,
        work: impl FnOnce(&mut Storage) -> TreeResult<T> + Send + 'static,
    ) -> TreeResult<T> {
        if self.is_inline(bytes) {
            return self.with(work);
        }
        let turn = self.turn.clone().acquire_owned().await.map_err(|_| ErrorCode::Io)?;
        let tmp = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let done = tmp.with(work);
            drop(turn);
            done
        });
        done.await.map_err(|_| ErrorCode::Io)?
    }

    /// Whether work is done on this thread that may add so many bytes: they stay in memory, with all others.
    fn is_inline(&self, bytes: usize) -> bool {
        if !self.inline.load(Ordering::Relaxed) {
            return false;
        }
        let fits = bytes == 0 || self.with(|storage| storage.has_room_in_memory_for(bytes));
        self.inline.store(fits, Ordering::Relaxed);
        fits
    }

    /// Works on the storage on this thread.
    fn with<T>(&self, work: impl FnOnce(&mut Storage) -> T) -> T {
        let mut storage = self.storage.lock().unwrap_or_else(PoisonError::into_inner);
        let storage = storage.get_or_insert_with(|| Storage::new(self.bytes_max, self.folder.clone(), self.kept.clone()));
        for id in std::mem::take(&mut *self.released.lock().unwrap_or_else(PoisonError::into_inner)) {
            storage.tree.release(id);
        }
        let done = work(storage);
        storage.sweep();
        done
    }
}

impl OpenNode {
    /// The storage must have retained it.
    fn new(tmp: &Arc<SharedTmp>, id: NodeId) -> Arc<OpenNode> {
        Arc::new(OpenNode { tmp: tmp.clone(), id })
    }
}

impl Drop for OpenNode {
    fn drop(&mut self) {
        // The folder itself stays, and was not retained.
        if self.id != ROOT {
            self.tmp.released.lock().unwrap_or_else(PoisonError::into_inner).push(self.id);
        }
    }
}
