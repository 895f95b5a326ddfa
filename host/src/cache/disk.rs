//! The disk tier: objects in files, which may be more and larger than those in memory, and survive a restart.
//!
//! One file is one object (`format`), under a name that is never used again. The index in memory has key,
//! file and size; eviction works as in memory. A lookup does no file I/O. Files are opened, read and written on the
//! blocking pool.
//!
//!     objects/xx/<id>   whole files      tmp/<id>   files being written, removed at start
//!     purges            the rules in force and the last epoch      lock   one process at a time
//!     names             the first name of the last run
//!
//! A damaged file is a miss and is removed: bytes are given out only after their checksum is verified.
//! Space: the files in the index, up to the capacity, and those being written, up to an eighth of it.
//! At start the index is empty; a scan in the background, which reads only the heads, fills it.

mod file;
mod format;
mod scan;
#[cfg(test)]
mod tests;

use file::open_regular;
pub(crate) use file::{BlockReader, Blocks, FileWriter, OpenedObject};

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, Weak};

use bytes::Bytes;
use http::HeaderName;
use quick_cache::sync::Cache as Shards;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};

use crate::cache::key::Key;
use crate::cache::object::{BodyError, Meta};
use crate::cache::purge::{Journal, lock};
use crate::limits;
use crate::limits::cache::weight::{FILE_BLOCK_BYTES, OBJECT_BYTES};
use crate::telemetry::CacheMetrics;
use format::FileHead;

/// More names than a run can use: at 10,000 a second they last for three years. There are enough for 16 million runs.
const NAMES_OF_A_RUN: u64 = 1 << 40;

/// What a key leads to.
#[derive(Clone)]
pub(crate) enum DiskEntry {
    File {
        id: u64,
        body_bytes: u64,
        file_bytes: u64,
        fill_epoch: u64,
        /// The head as a renewal has left it, newer than the file's. A restart forgets it, and renews again.
        renewed: Option<Arc<Renewed>>,
    },
    Vary(Arc<[HeaderName]>),
}

/// A head in memory, counted for as long as it is there.
pub(crate) struct Renewed {
    meta: Arc<Meta>,
    bytes: u64,
    total: Arc<AtomicU64>,
}

impl Drop for Renewed {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

pub(crate) struct DiskTier {
    folder: PathBuf,
    index: Shards<Key, DiskEntry, DiskWeight, DefaultHashBuilder, DiskEviction>,
    capacity: u64,
    object_bytes: u64,
    /// The first id of this run; smaller ids are from earlier runs.
    first_id: u64,
    next_id: AtomicU64,
    /// Bytes of files that are not in the index yet.
    writing_bytes: Arc<AtomicU64>,
    /// Bytes of heads that renewals have left in the index.
    renewed_bytes: Arc<AtomicU64>,
    queued: AtomicU64,
    changing: Mutex<()>,
    journaling: Mutex<()>,
    scanned: AtomicBool,
    metrics: CacheMetrics,
    own: Weak<DiskTier>,
    /// Held open: it is the lock. None once another process has the folder.
    lock: RwLock<Option<FolderLock>>,
}

/// The folder's lock.
struct FolderLock(File);

/// Unlocks rather than only closes: a process that is being spawned has a copy of the descriptor until it executes its
/// program, and the lock would last as long.
impl Drop for FolderLock {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// Why a disk tier could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{}: {error}", .path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{}: another process uses this folder", .0.display())]
    InUse(PathBuf),
}

impl DiskTier {
    /// Creates the folders and reads the rules of purges. Reads no object yet.
    pub(crate) fn open(
        folder: &Path,
        bytes: u64,
        object_bytes: u64,
        metrics: CacheMetrics,
    ) -> Result<(Arc<DiskTier>, Journal), OpenError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            |error| OpenError::Io { path, error }
        };
        create_folder(folder).map_err(at(folder))?;
        let path = folder.join("lock");
        let lock = open_regular(&path, OpenOptions::new().write(true).create(true).truncate(false)).map_err(at(&path))?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => OpenError::InUse(folder.to_owned()),
            fs::TryLockError::Error(error) => OpenError::Io { path, error },
        })?;
        let path = folder.join("tmp");
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&path)(error)),
            _ => create_own_folder(&path).map_err(at(&path))?,
        }
        let (journal, first_id) = match read_journal(folder).and_then(|journal| Ok((journal, next_names(folder)?))) {
            Ok(known) => known,
            Err(error) => {
                // Without the journal everything counts as purged; without the names a name could be used again.
                tracing::warn!(%error, "what the cache has written of itself cannot be read; its objects are dropped");
                let path = folder.join("objects");
                fs::remove_dir_all(&path).map_err(at(&path))?;
                // Otherwise the next start would find it again, and drop what is stored from here on.
                let path = folder.join("purges");
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&path)(error)),
                    _ => (Journal::default(), NAMES_OF_A_RUN),
                }
            }
        };
        write_names(folder, first_id).map_err(at(folder))?;
        let objects = folder.join("objects");
        create_own_folder(&objects).map_err(at(&objects))?;
        for group in 0..=u8::MAX {
            let path = objects.join(format!("{group:02x}"));
            create_own_folder(&path).map_err(at(&path))?;
        }
        let room = (bytes / (4 * object_bytes).max(1)).clamp(1, 16);
        let shards = 1 << room.ilog2();
        let items = usize::try_from(bytes / 32_768).unwrap_or(usize::MAX).max(32 * shards);
        let options = OptionsBuilder::new()
            .weight_capacity(bytes)
            .estimated_items_capacity(items)
            .shards(shards)
            .build()
            .expect("both sizes are given");
        let evicted = DiskEviction { metrics: metrics.clone() };
        let disk = Arc::new_cyclic(|own| DiskTier {
            folder: folder.to_owned(),
            index: Shards::with_options(options, DiskWeight, DefaultHashBuilder::default(), evicted),
            capacity: bytes,
            object_bytes: object_bytes.min(bytes / 8),
            first_id,
            next_id: AtomicU64::new(first_id),
            writing_bytes: Arc::default(),
            renewed_bytes: Arc::default(),
            queued: AtomicU64::new(0),
            changing: Mutex::new(()),
            journaling: Mutex::new(()),
            scanned: AtomicBool::new(false),
            metrics,
            own: own.clone(),
            lock: RwLock::new(Some(FolderLock(lock))),
        });
        Ok((disk, journal))
    }

    /// Gives the folder to another process: nothing is found or stored here any more, and none of its files is touched.
    /// Waits for commits that are under way.
    pub(crate) fn release(&self) {
        let mut lock = self.lock.write().unwrap_or_else(PoisonError::into_inner);
        self.index.clear();
        *lock = None;
    }

    /// Keeps the folder ours while the guard is held. An error if another process has it.
    fn held(&self) -> io::Result<RwLockReadGuard<'_, Option<FolderLock>>> {
        let lock = self.lock.read().unwrap_or_else(PoisonError::into_inner);
        if lock.is_some() { Ok(lock) } else { Err(io::Error::other("another process has the cache's folder")) }
    }

    pub(crate) fn find(&self, key: &Key) -> Option<DiskEntry> {
        self.index.get(key)
    }

    /// Whether this file is still what the key leads to. A sweep removes an object from the index before it retires the
    /// rule that struck it: who has found no rule, and then this, has an object that was not struck.
    pub(crate) fn holds(&self, key: &Key, place: &DiskEntry) -> bool {
        let DiskEntry::File { id, .. } = place else { return false };
        matches!(self.index.peek(key), Some(DiskEntry::File { id: held, .. }) if held == *id)
    }

    pub(crate) fn object_bytes(&self) -> u64 {
        self.object_bytes
    }

    pub(crate) fn objects(&self) -> u64 {
        self.index.len() as u64
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.index.weight()
    }

    pub(crate) fn scanned(&self) -> bool {
        self.scanned.load(Ordering::Acquire)
    }

    /// Opens the file of `key` and checks its head. Removes a damaged file. Blocks.
    pub(crate) fn load(&self, key: &Key, place: &DiskEntry) -> Option<OpenedObject> {
        let DiskEntry::File { id, renewed, .. } = place else { return None };
        let (own, id, key) = (self.own.clone(), *id, *key);
        let damaged = Arc::new(move || {
            if let Some(disk) = own.upgrade() {
                disk.metrics.disk_failed("damaged");
                tokio::task::spawn_blocking(move || disk.remove(&key, id));
            }
        });
        match OpenedObject::open(&self.path(id), damaged) {
            Ok((mut opened, head)) if head.key == key => {
                if let Some(renewed) = renewed {
                    opened.meta = renewed.meta.clone();
                }
                Some(opened)
            }
            // Evicted since it was looked up.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.remove(&key, id);
                None
            }
            Ok(_) | Err(_) => {
                self.metrics.disk_failed("damaged");
                self.remove(&key, id);
                None
            }
        }
    }

    /// As `load`, and verifies the beginning of the body. Blocks.
    pub(crate) fn load_to_stream(&self, key: &Key, place: &DiskEntry) -> Option<OpenedObject> {
        let mut opened = self.load(key, place)?;
        if opened.read_beginning().is_err() {
            self.metrics.disk_failed("damaged");
            self.forget(key, place);
            return None;
        }
        Some(opened)
    }

    /// Reads a whole body. Blocks.
    pub(crate) fn read(&self, key: &Key, place: &DiskEntry, opened: &OpenedObject) -> Result<Bytes, BodyError> {
        let body = opened.read_all();
        if let (Err(_), DiskEntry::File { id, .. }) = (&body, place) {
            self.metrics.disk_failed("damaged");
            self.remove(key, *id);
        }
        body
    }

    /// Begins to write a file. Blocks.
    pub(crate) fn create(&self, key: Key, primary: Key, meta: Meta, fill_epoch: u64) -> io::Result<Spool> {
        let _held = self.held()?;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let temporary = self.folder.join(format!("tmp/{id:016x}"));
        let vary = meta.vary.clone();
        let writer = FileWriter::create(id, &FileHead { key, primary, fill_epoch, meta }, temporary, self.path(id));
        let writer = writer.inspect_err(|_| self.metrics.disk_failed("write"))?;
        let reserved = Reserved { bytes: 0, total: self.writing_bytes.clone(), most: self.capacity / 8 };
        Ok(Spool { writer, reserved, key, primary, vary, fill_epoch, id, body_bytes: 0, object_bytes: self.object_bytes })
    }

    /// Makes the object visible to lookups. Blocks.
    pub(crate) fn commit(&self, spool: Spool) -> io::Result<()> {
        let _held = self.held()?;
        let Spool { writer, reserved: _reserved, key, primary, vary, fill_epoch, id, body_bytes, .. } = spool;
        let file_bytes = writer.commit().inspect_err(|_| self.metrics.disk_failed("write"))?;
        let place = DiskEntry::File { id, body_bytes, file_bytes, fill_epoch, renewed: None };
        self.enter(key, primary, vary, place);
        Ok(())
    }

    /// Writes a whole object, unless too many bytes are being written. Blocks.
    pub(crate) fn store(&self, key: Key, primary: Key, meta: &Meta, body: &[u8], fill_epoch: u64) -> io::Result<()> {
        let mut spool = self.create(key, primary, meta.clone(), fill_epoch)?;
        spool.append(body).inspect_err(|_| self.metrics.disk_failed("write"))?;
        self.commit(spool)
    }

    /// Queues a write. `None` if the queue is full.
    pub(crate) fn queue(&self) -> Option<Queued> {
        let disk = self.own.upgrade()?;
        if self.queued.fetch_add(1, Ordering::Relaxed) >= limits::cache::DISK_WRITES as u64 {
            self.queued.fetch_sub(1, Ordering::Relaxed);
            self.metrics.disk_failed("busy");
            return None;
        }
        Some(Queued { disk })
    }

    /// Renews the head of an object whose file stays as it is. With too many renewed heads in memory the file's head stays
    /// in force, and is stale.
    pub(crate) fn renew(&self, key: &Key, meta: Arc<Meta>) {
        let bytes = meta.bytes() + OBJECT_BYTES;
        let (total, before) = (self.renewed_bytes.clone(), self.renewed_bytes.fetch_add(bytes, Ordering::Relaxed));
        let renewed = Renewed { meta, bytes, total };
        if before + bytes > limits::cache::RENEWED_BYTES {
            return;
        }
        let _changing = lock(&self.changing);
        if let Some(DiskEntry::File { id, body_bytes, file_bytes, fill_epoch, .. }) = self.index.peek(key) {
            let place = DiskEntry::File { id, body_bytes, file_bytes, fill_epoch, renewed: Some(Arc::new(renewed)) };
            let _ = self.index.replace(*key, place, true);
        }
    }

    /// Removes every object that `keep` refuses. Blocks.
    pub(crate) fn sweep(&self, epoch: u64, all: impl Fn(u64) -> bool, keep: impl Fn(&Meta, u64) -> bool) {
        for (key, place) in self.index.iter() {
            let DiskEntry::File { id, fill_epoch, .. } = place else { continue };
            if fill_epoch >= epoch {
                continue;
            }
            let gone =
                all(fill_epoch) || file::read_head(&self.path(id)).is_ok_and(|(.., head)| !keep(&head.meta, head.fill_epoch));
            if gone {
                self.remove(&key, id);
            }
        }
    }

    /// Writes the rules in force, so that a restart knows them. Blocks.
    pub(crate) fn write_journal(&self, journal: impl FnOnce() -> Journal) -> io::Result<()> {
        // Made under the lock: an older journal must not overwrite a newer one.
        let _journaling = lock(&self.journaling);
        let _held = self.held()?;
        let journal = journal();
        let temporary = self.folder.join("tmp/purges");
        let mut file = open_regular(&temporary, OpenOptions::new().write(true).create(true).truncate(true))?;
        file.write_all(&serde_json::to_vec(&journal)?)?;
        file.sync_all()?;
        fs::rename(&temporary, self.folder.join("purges"))?;
        File::open(&self.folder)?.sync_all()
    }

    fn enter(&self, key: Key, primary: Key, vary: Arc<[HeaderName]>, place: DiskEntry) {
        let mut evicted = Vec::new();
        {
            let _changing = lock(&self.changing);
            if let Some((_, DiskEntry::File { id, .. })) = self.index.remove(&key) {
                evicted.push(id);
            }
            self.index.insert_with_lifecycle(key, place, &mut evicted);
            if !vary.is_empty() {
                self.index.insert_with_lifecycle(primary, DiskEntry::Vary(vary), &mut evicted);
            }
        }
        for id in evicted {
            let _ = fs::remove_file(self.path(id));
        }
    }

    /// Removes the file of an object. Blocks.
    pub(crate) fn forget(&self, key: &Key, place: &DiskEntry) {
        if let DiskEntry::File { id, .. } = place {
            self.remove(key, *id);
        }
    }

    /// Removes this very file, not one that has replaced it.
    fn remove(&self, key: &Key, file: u64) {
        self.index.remove_if(key, |place| matches!(place, DiskEntry::File { id, .. } if *id == file));
        if self.held().is_ok() {
            let _ = fs::remove_file(self.path(file));
        }
    }

    fn path(&self, id: u64) -> PathBuf {
        self.folder.join(format!("objects/{:02x}/{id:016x}", id & 0xff))
    }
}

/// Readable by the owner only, since stored responses may be for signed requests. An existing folder keeps its mode.
fn create_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// As `create_folder`, for a folder of ours below it, whose mode is set in any case.
fn create_own_folder(folder: &Path) -> io::Result<()> {
    create_folder(folder)?;
    // A symbolic link would lead this folder, and all files in it, elsewhere.
    if !fs::symlink_metadata(folder)?.is_dir() {
        return Err(io::Error::from(io::ErrorKind::NotADirectory));
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
}

fn read_regular(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular(path, OpenOptions::new().read(true))?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn read_journal(folder: &Path) -> io::Result<Journal> {
    match read_regular(&folder.join("purges")) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Journal::default()),
        Err(error) => Err(error),
    }
}

/// The first name of a new run. No earlier run has used it or a later one, whatever the clock says.
fn next_names(folder: &Path) -> io::Result<u64> {
    // Versions without this file named objects by microseconds since 1970.
    const YEAR_2100_US: u64 = 4_102_444_800_000_000;
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let last = match read_regular(&folder.join("names")) {
        Ok(text) => str::from_utf8(&text).ok().and_then(|text| u64::from_str_radix(text, 16).ok()).ok_or_else(invalid)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => YEAR_2100_US,
        Err(error) => return Err(error),
    };
    last.checked_add(NAMES_OF_A_RUN).ok_or_else(|| io::Error::other("all names are used up"))
}

/// Overwrites the file in place, always with the same length, so that it fits on a full disk.
fn write_names(folder: &Path, first_id: u64) -> io::Result<()> {
    let mut file = open_regular(&folder.join("names"), OpenOptions::new().write(true).create(true).truncate(false))?;
    file.write_all(format!("{first_id:016x}").as_bytes())?;
    file.set_len(16)?;
    file.sync_all()
}

/// An object that is being written to disk.
pub(crate) struct Spool {
    writer: FileWriter,
    reserved: Reserved,
    key: Key,
    primary: Key,
    vary: Arc<[HeaderName]>,
    fill_epoch: u64,
    id: u64,
    body_bytes: u64,
    object_bytes: u64,
}

impl Spool {
    /// Blocks.
    pub(crate) fn append(&mut self, data: &[u8]) -> io::Result<()> {
        self.body_bytes += data.len() as u64;
        if self.body_bytes > self.object_bytes || !self.reserved.grow(data.len() as u64) {
            return Err(io::Error::from(io::ErrorKind::QuotaExceeded));
        }
        self.writer.append(data)
    }

    pub(crate) fn readable(&self) -> u64 {
        self.writer.readable()
    }

    pub(crate) fn blocks(&self) -> Blocks {
        self.writer.blocks()
    }
}

/// Reserves the bytes of a file that is being written.
struct Reserved {
    bytes: u64,
    total: Arc<AtomicU64>,
    most: u64,
}

impl Reserved {
    fn grow(&mut self, bytes: u64) -> bool {
        self.bytes += bytes;
        self.total.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.most
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A queued write.
pub(crate) struct Queued {
    pub(crate) disk: Arc<DiskTier>,
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.disk.queued.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Clone)]
struct DiskWeight;

impl Weighter<Key, DiskEntry> for DiskWeight {
    fn weight(&self, _: &Key, place: &DiskEntry) -> u64 {
        match place {
            DiskEntry::File { file_bytes, .. } => file_bytes.next_multiple_of(FILE_BLOCK_BYTES),
            DiskEntry::Vary(_) => FILE_BLOCK_BYTES,
        }
    }
}

#[derive(Clone)]
struct DiskEviction {
    metrics: CacheMetrics,
}

impl Lifecycle<Key, DiskEntry> for DiskEviction {
    /// The files of evicted objects, removed after the shard's lock is released.
    type RequestState = Vec<u64>;

    fn on_evict(&self, files: &mut Vec<u64>, _: Key, place: DiskEntry) {
        if let DiskEntry::File { id, .. } = place {
            self.metrics.evicted_from_disk();
            files.push(id);
        }
    }
}
