//! What waits: the entries of lines, each line in the order in which its entries are due.
//!
//! A file of redb of its own, so that a change of a function waits for no event. One thread writes. All that is asked of it while
//! it is at the disk becomes one transaction, so that those who wait share the cost of bringing it there (group commit); a caller
//! hears of its change when the change is on disk, whole.
//!
//!     change ─┐
//!     change ─┼─► thread ──► one transaction ──► disk ──► each is told
//!     change ─┘
//!
//! Commits are in two phases, and have the state of the allocator with them: what a dying process leaves is opened at once, however
//! much waits, and is the state after one of its commits. The price is a second write to disk for each.
//!
//! The file does not shrink while it is open. Space that entries leave is used again.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use tokio::sync::oneshot;

use crate::limits::events::{CACHE_BYTES, COMMIT_BYTES, COMPACT_BYTES};
use crate::store::{StoreError, boxed, private};

const FILE: &str = "events.redb";
/// By line, due time in milliseconds since 1970, and number.
const ENTRIES: TableDefinition<'static, (&'static str, u64, u64), &'static [u8]> = TableDefinition::new("entries");
/// Entries of a line, and their bytes.
const TOTALS: TableDefinition<'static, &'static str, (u64, u64)> = TableDefinition::new("totals");

/// Where an entry stands in its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinePlace {
    /// Milliseconds since 1970.
    pub due_ms: u64,
    /// No two entries of a line have the same.
    pub number: u64,
}

/// An entry of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineEntry {
    pub place: LinePlace,
    pub bytes: Bytes,
}

/// A change of one line.
#[derive(Debug, Clone)]
pub enum LineChange {
    Put {
        line: Arc<str>,
        entry: LineEntry,
    },
    /// Removes an entry, if it is there.
    Remove {
        line: Arc<str>,
        place: LinePlace,
    },
}

/// What waits in a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LineTotal {
    pub entries: u64,
    pub bytes: u64,
}

/// Which entries of a line are asked for: no more once there are so many, or they have so many bytes.
#[derive(Debug, Clone, Copy)]
pub struct WantedEntries {
    pub until_ms: u64,
    pub entries: usize,
    pub bytes: usize,
}

/// Entries that were found, and where the first is that was left, if any was.
#[derive(Debug)]
pub struct Due {
    pub entries: Vec<LineEntry>,
    pub next: Option<LinePlace>,
}

/// Changes that are made together, and who waits for them.
struct CommitJob {
    changes: Vec<LineChange>,
    committed: oneshot::Sender<Result<(), StoreError>>,
}

/// What is asked of the thread. Each job is somebody's who waits for it, or has settled an event.
#[derive(Default)]
struct JobQueue {
    jobs: Mutex<WaitingJobs>,
    came: Condvar,
}

#[derive(Default)]
struct WaitingJobs {
    waiting: VecDeque<CommitJob>,
    /// Nobody asks any more, or nobody writes.
    is_over: bool,
}

/// See the module.
pub struct Backlog {
    database: Arc<Database>,
    asked: Arc<JobQueue>,
    bytes: Arc<AtomicU64>,
}

impl Backlog {
    /// Opens the backlog of a data folder, which is made where there is none. Blocks.
    pub fn open(data_dir: &Path) -> Result<Backlog, StoreError> {
        let file = private(data_dir, FILE)?;
        let mut database = redb::Builder::new().set_cache_size(CACHE_BYTES).create(&file).map_err(|error| match error {
            redb::DatabaseError::DatabaseAlreadyOpen => StoreError::InUse(file.display().to_string()),
            other => boxed(other),
        })?;
        let mut creation = database.begin_write().map_err(boxed)?;
        // As each commit, so that the next start is quick also if none follows.
        creation.set_quick_repair(true);
        creation.open_table(ENTRIES).map_err(boxed)?;
        creation.open_table(TOTALS).map_err(boxed)?;
        creation.commit().map_err(boxed)?;
        let totals = totals(&database)?;
        if totals.is_empty() && std::fs::metadata(&file)?.len() > COMPACT_BYTES {
            database.compact().map_err(boxed)?;
        }
        let bytes = Arc::new(AtomicU64::new(totals.values().map(|total| total.bytes).sum()));
        let database = Arc::new(database);
        let asked = Arc::new(JobQueue::default());
        let writer = Writer { database: database.clone(), asked: asked.clone(), bytes: bytes.clone() };
        std::thread::Builder::new().name("edgeward-events".to_owned()).spawn(move || writer.run())?;
        Ok(Backlog { database, asked, bytes })
    }

    /// Makes changes, all of them or none. They are asked for at once; the future ends when they are on disk, and may be dropped.
    pub fn change(&self, changes: Vec<LineChange>) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        let (committed, told) = oneshot::channel();
        let mut asked = self.asked.lock();
        // Nobody would ever be told by a thread that is gone: a job that is dropped is told below.
        if !asked.is_over {
            asked.waiting.push_back(CommitJob { changes, committed });
        }
        drop(asked);
        self.asked.came.notify_one();
        async move { told.await.unwrap_or_else(|_| Err(StoreError::Io(std::io::Error::other("the thread that writes is gone")))) }
    }

    /// The first entries of a line that are due, but for those to skip, in their order. Blocks for the disk.
    pub fn due(&self, line: &str, wanted: WantedEntries, is_skipped: impl Fn(LinePlace) -> bool) -> Result<Due, StoreError> {
        let reading = self.database.begin_read().map_err(boxed)?;
        let table = reading.open_table(ENTRIES).map_err(boxed)?;
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for found in table.range((line, 0, 0)..=(line, u64::MAX, u64::MAX)).map_err(boxed)? {
            let (key, value) = found.map_err(boxed)?;
            let (_, due_ms, number) = key.value();
            let place = LinePlace { due_ms, number };
            if is_skipped(place) {
                continue;
            }
            if due_ms > wanted.until_ms || entries.len() >= wanted.entries || bytes >= wanted.bytes {
                return Ok(Due { entries, next: Some(place) });
            }
            let value = Bytes::copy_from_slice(value.value());
            bytes += value.len();
            entries.push(LineEntry { place, bytes: value });
        }
        Ok(Due { entries, next: None })
    }

    /// The lines that have entries.
    pub fn lines(&self) -> Result<BTreeMap<String, LineTotal>, StoreError> {
        totals(&self.database)
    }

    /// Of all entries that are on disk.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// What was asked for is still done.
impl Drop for Backlog {
    fn drop(&mut self) {
        self.asked.lock().is_over = true;
        self.asked.came.notify_one();
    }
}

impl JobQueue {
    fn lock(&self) -> MutexGuard<'_, WaitingJobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What waits, up to the size of a commit, as soon as there is something. Nothing when nobody asks any more.
    fn next(&self) -> Vec<CommitJob> {
        let mut asked = self.lock();
        while asked.waiting.is_empty() && !asked.is_over {
            asked = self.came.wait(asked).unwrap_or_else(PoisonError::into_inner);
        }
        let (mut jobs, mut bytes) = (Vec::new(), 0);
        while bytes < COMMIT_BYTES
            && let Some(job) = asked.waiting.pop_front()
        {
            bytes += job.changes.iter().map(weight).sum::<usize>();
            jobs.push(job);
        }
        jobs
    }
}

fn totals(database: &Database) -> Result<BTreeMap<String, LineTotal>, StoreError> {
    let reading = database.begin_read().map_err(boxed)?;
    let table = reading.open_table(TOTALS).map_err(boxed)?;
    let mut totals = BTreeMap::new();
    for found in table.iter().map_err(boxed)? {
        let (line, total) = found.map_err(boxed)?;
        let (entries, bytes) = total.value();
        totals.insert(line.value().to_owned(), LineTotal { entries, bytes });
    }
    Ok(totals)
}

struct Writer {
    database: Arc<Database>,
    asked: Arc<JobQueue>,
    bytes: Arc<AtomicU64>,
}

impl Writer {
    fn run(&self) {
        let _ended = WriterEnd(&self.asked);
        loop {
            let jobs = self.asked.next();
            if jobs.is_empty() {
                return;
            }
            let written = self.write(&jobs);
            if let Err(error) = &written {
                tracing::error!("events cannot be written: {error}");
            }
            for job in jobs {
                let told = match &written {
                    Ok(()) => Ok(()),
                    Err(error) => Err(StoreError::Io(std::io::Error::other(error.to_string()))),
                };
                // Who does not wait need not hear of it.
                let _ = job.committed.send(told);
            }
        }
    }

    /// One transaction: all of it is on disk when this returns, or nothing.
    fn write(&self, jobs: &[CommitJob]) -> Result<(), StoreError> {
        let mut transaction = self.database.begin_write().map_err(boxed)?;
        transaction.set_quick_repair(true);
        let mut differences: BTreeMap<&str, LineDifference> = BTreeMap::new();
        let mut all = 0_i64;
        {
            let mut entries = transaction.open_table(ENTRIES).map_err(boxed)?;
            for change in jobs.iter().flat_map(|job| &job.changes) {
                let line: &str = change.line();
                let difference = differences.entry(line).or_default();
                match change {
                    LineChange::Put { entry: LineEntry { place, bytes }, .. } => {
                        let old = entries.insert((line, place.due_ms, place.number), bytes.as_ref()).map_err(boxed)?;
                        difference.gone(old.map(|old| old.value().len()));
                        difference.came(bytes.len());
                    }
                    LineChange::Remove { place, .. } => {
                        let old = entries.remove((line, place.due_ms, place.number)).map_err(boxed)?;
                        difference.gone(old.map(|old| old.value().len()));
                    }
                }
            }
            let mut totals = transaction.open_table(TOTALS).map_err(boxed)?;
            for (line, difference) in differences {
                let (entries, bytes) = totals.get(line).map_err(boxed)?.map_or((0, 0), |total| total.value());
                let total = (entries.saturating_add_signed(difference.entries), bytes.saturating_add_signed(difference.bytes));
                all += difference.bytes;
                if total.0 == 0 {
                    totals.remove(line).map_err(boxed)?;
                } else {
                    totals.insert(line, total).map_err(boxed)?;
                }
            }
        }
        transaction.commit().map_err(boxed)?;
        // This thread alone changes it.
        self.bytes.store(self.bytes.load(Ordering::Relaxed).saturating_add_signed(all), Ordering::Relaxed);
        Ok(())
    }
}

/// Tells those who wait when the thread ends, also if it has panicked.
struct WriterEnd<'a>(&'a JobQueue);

impl Drop for WriterEnd<'_> {
    fn drop(&mut self) {
        let mut asked = self.0.lock();
        asked.is_over = true;
        asked.waiting.clear();
    }
}

impl LineChange {
    fn line(&self) -> &Arc<str> {
        let (LineChange::Put { line, .. } | LineChange::Remove { line, .. }) = self;
        line
    }
}

fn weight(change: &LineChange) -> usize {
    match change {
        LineChange::Put { entry, .. } => entry.bytes.len(),
        LineChange::Remove { .. } => 0,
    }
}

/// What a transaction makes of a line's total.
#[derive(Default)]
struct LineDifference {
    entries: i64,
    bytes: i64,
}

impl LineDifference {
    fn came(&mut self, bytes: usize) {
        self.entries += 1;
        self.bytes += signed(bytes);
    }

    fn gone(&mut self, bytes: Option<usize>) {
        if let Some(bytes) = bytes {
            self.entries -= 1;
            self.bytes -= signed(bytes);
        }
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(line: &str, due_ms: u64, number: u64, bytes: &'static str) -> LineChange {
        let entry = LineEntry { place: LinePlace { due_ms, number }, bytes: Bytes::from_static(bytes.as_bytes()) };
        LineChange::Put { line: line.into(), entry }
    }

    fn texts(backlog: &Backlog, line: &str) -> Vec<String> {
        let all = WantedEntries { until_ms: u64::MAX, entries: 100, bytes: 1 << 20 };
        backlog
            .due(line, all, |_| false)
            .unwrap()
            .entries
            .into_iter()
            .map(|entry| String::from_utf8(entry.bytes.to_vec()).unwrap())
            .collect()
    }

    #[tokio::test]
    async fn entries_are_in_the_order_in_which_they_are_due_and_outlive_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let backlog = Backlog::open(folder.path()).unwrap();
        backlog.change(vec![put("a", 20, 1, "second"), put("a", 10, 2, "first"), put("ab", 1, 3, "another's")]).await.unwrap();
        backlog.change(vec![put("a", 20, 4, "third")]).await.unwrap();
        assert!(matches!(Backlog::open(folder.path()), Err(StoreError::InUse(_))));
        assert_eq!(texts(&backlog, "a"), ["first", "second", "third"]);
        let first = LinePlace { due_ms: 10, number: 2 };
        for (until_ms, entries, bytes, skipped, expected, next) in [
            (9, 9, 99, None, 0, Some(first)),
            (10, 9, 99, None, 1, Some(LinePlace { due_ms: 20, number: 1 })),
            (10, 9, 99, Some(first), 0, Some(LinePlace { due_ms: 20, number: 1 })),
            (20, 9, 99, Some(first), 2, None),
            (20, 1, 99, None, 1, Some(LinePlace { due_ms: 20, number: 1 })),
            // The second is what makes it enough.
            (20, 9, 6, None, 2, Some(LinePlace { due_ms: 20, number: 4 })),
        ] {
            let due = backlog.due("a", WantedEntries { until_ms, entries, bytes }, |place| Some(place) == skipped).unwrap();
            assert_eq!((due.entries.len(), due.next), (expected, next), "{until_ms} {entries} {bytes} {skipped:?}");
        }
        drop(backlog);
        let backlog = opened_again(folder.path());
        assert_eq!(texts(&backlog, "a"), ["first", "second", "third"]);
        assert_eq!(backlog.lines().unwrap()["a"], LineTotal { entries: 3, bytes: 16 });
        assert_eq!(backlog.bytes(), 25);
    }

    #[tokio::test]
    async fn totals_are_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let backlog = Backlog::open(folder.path()).unwrap();
        backlog.change(vec![put("a", 1, 1, "12345"), put("a", 2, 2, "123"), put("b", 1, 1, "1")]).await.unwrap();
        let remove = |due_ms, number| LineChange::Remove { line: "a".into(), place: LinePlace { due_ms, number } };
        // One that is put in the place of another, one that is moved, one that is not there.
        backlog.change(vec![put("a", 1, 1, "1"), remove(2, 2), put("a", 9, 2, "123"), remove(7, 7)]).await.unwrap();
        assert_eq!(backlog.lines().unwrap()["a"], LineTotal { entries: 2, bytes: 4 });
        backlog.change(vec![remove(1, 1), remove(9, 2)]).await.unwrap();
        assert_eq!(backlog.lines().unwrap().into_keys().collect::<Vec<_>>(), ["b"]);
        assert_eq!(backlog.bytes(), 1);
    }

    #[tokio::test]
    async fn a_change_that_nobody_waits_for_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let backlog = Backlog::open(folder.path()).unwrap();
        drop(backlog.change(vec![put("a", 1, 1, "one")]));
        // Changes are made in the order in which they are asked for.
        backlog.change(Vec::new()).await.unwrap();
        assert_eq!(texts(&backlog, "a"), ["one"]);
    }

    #[tokio::test]
    async fn nobody_waits_for_a_thread_that_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let backlog = Backlog::open(folder.path()).unwrap();
        // As if the thread had panicked.
        let waiting = backlog.asked.clone();
        drop(WriterEnd(&waiting));
        let error = backlog.change(vec![put("a", 1, 1, "one")]).await.unwrap_err();
        assert!(error.to_string().contains("the thread that writes is gone"), "{error}");
    }

    /// The thread that writes lets go of the file after the backlog is dropped.
    fn opened_again(folder: &Path) -> Backlog {
        loop {
            match Backlog::open(folder) {
                Err(StoreError::InUse(_)) => std::thread::yield_now(),
                opened => return opened.unwrap(),
            }
        }
    }
}
