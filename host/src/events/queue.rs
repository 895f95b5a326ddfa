//! Lines of events that wait, and the claims of those that are worked on.
//!
//! A line has the events of one receiver. An event is on disk before `accept` returns, and leaves it when its claim is settled: it
//! is done, or it is to be tried again later. A claim that is dropped, or dies with the process, leaves its event as it was, so
//! that an event is tried at least once.
//!
//! What of a line is due and near is in memory (`ready`); the rest is on disk only, however much it is. What is `taken` is skipped
//! when more is read: from before the commit that puts an event on disk until its arrival is noted, and from when it is in memory
//! until the commit that settles it.
//!
//!     accept ──► taken ──► disk ──► arrived ──► ready ──► claim ──► done, again ──► disk ──► no longer taken
//!                                      └► no longer taken ─► read ─┘  └► dropped: no longer taken, read again
//!
//! An event that arrives when all that is due is in memory goes there itself, without being read; else the line is read once more,
//! as when something changes while it is being read. A line in which an event is about to arrive is not left.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

use crate::events::clock::EventClock;
use crate::events::event::{EventError, QueuedEvent};
use crate::limits::events::{PEEK_BYTES, READY, READY_BYTES, WAITING_BYTES, WRITE_AGAIN_MS};
use crate::store::{Backlog, LineChange, LineEntry, LinePlace, LineTotal, StoreError, WantedEntries};

/// Where events are put that cannot be read: they were written by a newer program, or by nobody.
const UNREADABLE: &str = "unreadable";

/// Why an event was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    #[error("{WAITING_BYTES} bytes of events wait already")]
    Full,
    #[error(transparent)]
    Event(#[from] EventError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// When an event is due, and what it is, whoever it is for.
pub type PeekedEvent = (u64, Result<QueuedEvent<serde_json::Value>, EventError>);

/// See the module.
pub struct EventQueue {
    backlog: Backlog,
    pub clock: EventClock,
    lines: Mutex<BTreeMap<Arc<str>, Arc<EventLine>>>,
    /// Names of lines that have events and are not worked on.
    opened: Mutex<VecDeque<Arc<str>>>,
    has_opened: Notify,
    /// Of each millisecond, in this process: less than half a million.
    first_number: u64,
    last_number: AtomicU64,
}

/// The events of one receiver.
pub struct EventLine {
    name: Arc<str>,
    waiting: Mutex<Waiting>,
    changed: Notify,
    /// Held by who reads.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Waiting {
    ready: VecDeque<LineEntry>,
    /// What is about to arrive, in `ready`, claimed, or settled and still on disk.
    taken: HashSet<LinePlace>,
    /// Whether all that is due is taken. What is due later is `next`, if it is known.
    is_whole: bool,
    /// Whether something has changed since the reader began.
    has_changed: bool,
    next_ms: Option<u64>,
}

impl EventQueue {
    pub fn new(backlog: Backlog, clock: EventClock) -> Result<Arc<EventQueue>, StoreError> {
        let (lines, opened, has_opened) = (Mutex::default(), Mutex::default(), Notify::new());
        let (first_number, last_number) = (uuid::Uuid::new_v4().as_u64_pair().0 >> 45, AtomicU64::new(0));
        let queue = Arc::new(EventQueue { backlog, clock, lines, opened, has_opened, first_number, last_number });
        for name in queue.backlog.lines()?.into_keys().filter(|name| name != UNREADABLE) {
            queue.line(&name);
        }
        Ok(queue)
    }

    /// The next line that has events and that nobody works on. Each is told once, until it is left.
    pub async fn opened(&self) -> Arc<str> {
        loop {
            let first = self.opened.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            match first {
                Some(name) => return name,
                None => self.has_opened.notified().await,
            }
        }
    }

    /// Keeps an event for the receiver of a line. Ends when it is on disk. An event whose caller leaves meanwhile is kept, too.
    pub async fn accept<H>(self: &Arc<Self>, line: &str, event: &QueuedEvent<H>) -> Result<(), AcceptError>
    where
        H: Serialize + DeserializeOwned,
    {
        self.accept_all(vec![self.prepare(line, event)?]).await
    }

    /// Keeps events, all of them or none, as one.
    pub async fn accept_all(self: &Arc<Self>, events: Vec<PreparedEvent>) -> Result<(), AcceptError> {
        if events.is_empty() {
            return Ok(());
        }
        let bytes: usize = events.iter().map(|event| event.entry.bytes.len()).sum();
        let waiting = u64::try_from(bytes).ok().and_then(|bytes| bytes.checked_add(self.backlog.bytes()));
        if waiting.is_none_or(|waiting| waiting > WAITING_BYTES) {
            return Err(AcceptError::Full);
        }
        let changes = events.iter().map(PreparedEvent::change).collect();
        let arrivals: Vec<Arrival> = events.into_iter().map(|event| self.coming(event)).collect();
        let (clock, kept) = (self.clock.clone(), self.backlog.change(changes));
        // A task of its own: until their arrival is noted, nobody works on them.
        let noted = tokio::spawn(async move {
            kept.await?;
            arrivals.into_iter().for_each(|arrival| arrival.note(&clock));
            Ok(())
        });
        noted.await.unwrap_or_else(|error| Err(StoreError::Io(std::io::Error::other(error)).into()))
    }

    /// An event that is to be kept: with others, or in the place of another, from which it follows and for which there is room
    /// whatever waits.
    pub fn prepare<H>(&self, line: &str, event: &QueuedEvent<H>) -> Result<PreparedEvent, EventError>
    where
        H: Serialize + DeserializeOwned,
    {
        let bytes = event.to_bytes()?;
        let now_ms = self.clock.now_ms();
        let place = LinePlace { due_ms: now_ms, number: self.number(now_ms) };
        Ok(PreparedEvent { line: line.into(), entry: LineEntry { place, bytes } })
    }

    /// In the order of time; below the milliseconds there is room for a million. Unique, also if the clock is set back between two
    /// processes: each begins at another number of a millisecond.
    fn number(&self, now_ms: u64) -> u64 {
        let next = |last: u64| Some((last + 1).max((now_ms << 20) + self.first_number));
        let last = self.last_number.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or_else(|last| last);
        next(last).unwrap_or(last)
    }

    /// Keeps readers from an event that is about to be on disk.
    fn coming(&self, PreparedEvent { line, entry }: PreparedEvent) -> Arrival {
        // Held until the event is taken: the line may be left in between.
        let mut lines = self.lines();
        let line = self.line_in(&mut lines, &line);
        line.waiting().taken.insert(entry.place);
        Arrival { line, place: entry.place, entry: Some(entry) }
    }

    fn lines(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<EventLine>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The line of a name. One that nobody works on is told to who does.
    pub fn line(&self, name: &str) -> Arc<EventLine> {
        self.line_in(&mut self.lines(), name)
    }

    fn line_in(&self, lines: &mut BTreeMap<Arc<str>, Arc<EventLine>>, name: &str) -> Arc<EventLine> {
        if let Some(line) = lines.get(name) {
            return line.clone();
        }
        let name: Arc<str> = name.into();
        let (waiting, changed, reading) = (Mutex::default(), Notify::new(), tokio::sync::Mutex::default());
        let line = Arc::new(EventLine { name: name.clone(), waiting, changed, reading });
        lines.insert(name.clone(), line.clone());
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).push_back(name);
        self.has_opened.notify_one();
        line
    }

    /// Forgets a line in which nothing waits; its name is told again when something does. Returns whether it is forgotten.
    pub fn leave(&self, line: &Arc<EventLine>) -> bool {
        let mut lines = self.lines();
        let waiting = line.waiting();
        let is_empty = waiting.is_whole && waiting.taken.is_empty() && waiting.next_ms.is_none();
        drop(waiting);
        if is_empty {
            lines.remove(&line.name);
        }
        is_empty
    }

    /// The next event that is due, when it is. One claimant of a line gets each.
    ///
    /// Ends with nothing when nothing waits, not even for later.
    pub async fn claim<H>(self: &Arc<Self>, line: &Arc<EventLine>) -> Result<Option<EventClaim<H>>, StoreError>
    where
        H: Serialize + DeserializeOwned,
    {
        loop {
            let first = line.waiting().ready.pop_front();
            if let Some(entry) = first {
                match QueuedEvent::of_bytes(&entry.bytes) {
                    Ok(event) => return Ok(Some(self.claimed(line, entry.place, event))),
                    Err(error) => self.set_aside(line, entry, &error).await,
                }
                continue;
            }
            let _alone = line.reading.lock().await;
            if !line.waiting().ready.is_empty() {
                continue;
            }
            if !line.begin_reading() {
                match line.expects() {
                    Expected::Nothing => return Ok(None),
                    Expected::Claimed => line.changed.notified().await,
                    Expected::At(next_ms) => tokio::select! {
                        () = self.clock.reached(next_ms) => line.waiting().is_whole = false,
                        () = line.changed.notified() => {}
                    },
                }
                continue;
            }
            let (queue, reader) = (self.clone(), line.clone());
            let read = tokio::task::spawn_blocking(move || queue.read(&reader)).await;
            read.unwrap_or_else(|error| Err(StoreError::Io(std::io::Error::other(error))))?;
        }
    }

    /// Reads what is due of a line. Blocks.
    fn read(&self, line: &EventLine) -> Result<(), StoreError> {
        let taken = line.waiting().taken.clone();
        let wanted = WantedEntries { until_ms: self.clock.now_ms(), entries: READY, bytes: READY_BYTES };
        let due = self.backlog.due(&line.name, wanted, |place| taken.contains(&place))?;
        let mut waiting = line.waiting();
        let left_due = due.next.is_some_and(|next| next.due_ms <= wanted.until_ms);
        waiting.is_whole = !left_due && !waiting.has_changed;
        waiting.next_ms = due.next.map(|next| next.due_ms);
        for entry in due.entries {
            // One that has come and been brought to disk since the look at what is taken is noted by who brought it.
            if waiting.taken.insert(entry.place) {
                waiting.ready.push_back(entry);
            }
        }
        Ok(())
    }

    fn claimed<H>(self: &Arc<Self>, line: &Arc<EventLine>, place: LinePlace, event: QueuedEvent<H>) -> EventClaim<H> {
        EventClaim { event, held: Held { queue: self.clone(), line: line.clone(), place, is_settled: false } }
    }

    async fn set_aside(self: &Arc<Self>, line: &Arc<EventLine>, entry: LineEntry, error: &EventError) {
        tracing::error!(line = %line.name, "an event cannot be read, and is kept in the line `{UNREADABLE}`: {error}");
        let held = Held { queue: self.clone(), line: line.clone(), place: entry.place, is_settled: false };
        held.settle(vec![LineChange::Put { line: UNREADABLE.into(), entry }]).await;
    }

    /// What waits, by line.
    pub fn totals(&self) -> Result<BTreeMap<String, LineTotal>, StoreError> {
        self.backlog.lines()
    }

    /// Milliseconds since the first event of a line was accepted, of those that are due first.
    pub fn oldest_ms(&self, line: &str) -> Result<Option<u64>, StoreError> {
        let first = self.backlog.due(line, WantedEntries { until_ms: 0, entries: 0, bytes: 0 }, |_| false)?.next;
        Ok(first.map(|first| self.clock.now_ms().saturating_sub(first.number >> 20)))
    }

    /// The first events of a line, with when they are due in milliseconds since 1970. None is taken. Blocks for the disk.
    pub fn peek(&self, line: &str, most: usize) -> Result<Vec<PeekedEvent>, StoreError> {
        let wanted = WantedEntries { until_ms: u64::MAX, entries: most, bytes: PEEK_BYTES };
        let first = self.backlog.due(line, wanted, |_| false)?.entries;
        Ok(first.into_iter().map(|entry| (entry.place.due_ms, QueuedEvent::of_bytes(&entry.bytes))).collect())
    }
}

impl EventLine {
    pub fn name(&self) -> &str {
        &self.name
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is something to read; what changes from now on is noted.
    fn begin_reading(&self) -> bool {
        let mut waiting = self.waiting();
        waiting.has_changed = false;
        !waiting.is_whole
    }

    /// Lets readers see a place that was taken, and has them look.
    fn put_back(&self, place: LinePlace) {
        let mut waiting = self.waiting();
        waiting.taken.remove(&place);
        waiting.is_whole = false;
        waiting.has_changed = true;
        drop(waiting);
        self.changed.notify_one();
    }

    fn expects(&self) -> Expected {
        let waiting = self.waiting();
        match waiting.next_ms {
            Some(next_ms) => Expected::At(next_ms),
            None if waiting.taken.is_empty() => Expected::Nothing,
            None => Expected::Claimed,
        }
    }
}

/// What a line waits for in which nothing is due.
enum Expected {
    Nothing,
    /// What is worked on may come back.
    Claimed,
    /// Something is due then.
    At(u64),
}

/// An event that is ready to be kept.
#[derive(Debug)]
pub struct PreparedEvent {
    line: Arc<str>,
    entry: LineEntry,
}

impl PreparedEvent {
    fn change(&self) -> LineChange {
        LineChange::Put { line: self.line.clone(), entry: self.entry.clone() }
    }
}

/// An event that is about to be on disk. Dropped, it may be there or not: its line is read again.
struct Arrival {
    line: Arc<EventLine>,
    place: LinePlace,
    /// `None` once it is in memory.
    entry: Option<LineEntry>,
}

impl Arrival {
    /// Notes that it is on disk.
    fn note(mut self, clock: &EventClock) {
        let mut waiting = self.line.waiting();
        // What waits on disk comes first.
        if waiting.is_whole && self.place.due_ms <= clock.now_ms() && waiting.ready.len() < READY {
            waiting.ready.extend(self.entry.take());
        }
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        if self.entry.is_some() {
            self.line.put_back(self.place);
        } else {
            self.line.changed.notify_one();
        }
    }
}

/// An event that is worked on.
pub struct EventClaim<H> {
    pub event: QueuedEvent<H>,
    held: Held,
}

impl<H: Serialize + DeserializeOwned> EventClaim<H> {
    /// The event is over; what follows from it is kept in the same moment. Ends when that is on disk.
    pub async fn done(self, followed_by: Vec<PreparedEvent>) {
        let changes = followed_by.iter().map(PreparedEvent::change).collect();
        let queue = self.held.queue.clone();
        let arrivals: Vec<_> = followed_by.into_iter().map(|prepared| queue.coming(prepared)).collect();
        self.held.settle(changes).await;
        arrivals.into_iter().for_each(|arrival| arrival.note(&queue.clock));
    }

    /// The event is due again later, as it is now.
    pub async fn again(self, wait_ms: u64) {
        let (queue, line) = (self.held.queue.clone(), self.held.line.clone());
        let bytes = match self.event.to_bytes() {
            Ok(bytes) => bytes,
            // Dropped, it is due at once, as it was.
            Err(error) => return tracing::error!(line = %line.name, "an event is not put off: {error}"),
        };
        let old = self.held.place;
        // Not where it was: that place is given back when the claim is settled.
        let place = LinePlace { due_ms: (queue.clock.now_ms() + wait_ms).max(old.due_ms + 1), number: old.number };
        let prepared = PreparedEvent { line: line.name.clone(), entry: LineEntry { place, bytes } };
        let change = prepared.change();
        let arrival = queue.coming(prepared);
        self.held.settle(vec![change]).await;
        arrival.note(&queue.clock);
    }
}

/// The place of an event that is worked on, until it is settled or dropped.
struct Held {
    queue: Arc<EventQueue>,
    line: Arc<EventLine>,
    place: LinePlace,
    is_settled: bool,
}

impl Held {
    /// Removes the event and makes the changes, in one commit, however often it has to be tried: it must not be worked on again.
    async fn settle(mut self, changes: Vec<LineChange>) {
        let removed = LineChange::Remove { line: self.line.name.clone(), place: self.place };
        let changes: Vec<_> = std::iter::once(removed).chain(changes).collect();
        while let Err(error) = self.queue.backlog.change(changes.clone()).await {
            tracing::error!(line = %self.line.name, "an event that is over is still kept; it is removed when that is possible: {error}");
            tokio::time::sleep(Duration::from_millis(WRITE_AGAIN_MS)).await;
        }
        self.is_settled = true;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.is_settled {
            self.line.waiting().taken.remove(&self.place);
            self.line.changed.notify_one();
        } else {
            self.line.put_back(self.place);
        }
    }
}

#[cfg(test)]
mod tests;
