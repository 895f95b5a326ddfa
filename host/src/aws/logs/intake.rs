//! What functions log, on its way to the disk.
//!
//!     append ──► queue of bounded bytes ──► writer ──► lines ──► group
//!        └─ no room: dropped, counted, and told in the log group
//!
//! `append` costs a lock, a move of the text and two short names. To wake a thread costs fifty times as much, so it does that
//! only for the first text after a silence, and for the one that fills half of the queue:
//!
//!     asleep ──text──► writes all that waits, by group ──► naps 10 ms ──texts──► writes …
//!        ▲                                                    └─ no text ──┐
//!        └─────────────────────────────────────────────────────────────────┘
//!
//! Text in the queue is lost with the process: what came during the nap.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{io, thread};

use crate::aws::logs::entry::{EntryKind, LogEntry};
use crate::aws::logs::group::GroupRecord;
use crate::aws::logs::groups::{Groups, NewGroup};
use crate::aws::logs::lines::lines;
use crate::limits::logs::{NAME_BYTES, RETENTION_CHECK_S, WAITING_BYTES, WAITING_OVERHEAD_BYTES, WRITER_NAP_MS};

/// See the module. Dropped, it writes what waits and ends its thread.
pub struct Intake {
    shared: Arc<IntakeShared>,
    writer: Option<JoinHandle<()>>,
}

struct IntakeShared {
    queue: Mutex<IntakeQueue>,
    /// To the writer.
    work: Condvar,
    /// To those who wait until nothing is left.
    idle: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct IntakeQueue {
    texts: VecDeque<FunctionText>,
    bytes: usize,
    /// Texts that did not fit, by group, since the writer last came.
    refused: BTreeMap<Box<str>, RefusedTexts>,
    /// The writer is to be woken by the next text.
    asleep: bool,
    /// It writes what it has taken.
    writes: bool,
    /// Somebody waits for it: no nap.
    awaited: usize,
    ends: bool,
}

struct RefusedTexts {
    stream: Box<str>,
    last_ms: u64,
    count: u64,
}

struct FunctionText {
    group: Box<str>,
    stream: Box<str>,
    now_ms: u64,
    text: String,
}

impl FunctionText {
    fn bytes(&self) -> usize {
        WAITING_OVERHEAD_BYTES + self.group.len() + self.stream.len() + self.text.len()
    }
}

impl IntakeQueue {
    fn has_work(&self) -> bool {
        !self.texts.is_empty() || !self.refused.is_empty()
    }
}

impl Intake {
    /// Starts the writer.
    ///
    /// # Errors
    /// No thread could be had.
    pub fn start(groups: Arc<Groups>) -> io::Result<Intake> {
        let shared = Arc::new(IntakeShared {
            queue: Mutex::default(),
            work: Condvar::new(),
            idle: Condvar::new(),
            dropped: AtomicU64::new(0),
        });
        let writer = shared.clone();
        let writer = thread::Builder::new().name("logs".to_owned()).spawn(move || writer.run(&groups))?;
        Ok(Intake { shared, writer: Some(writer) })
    }

    /// Hands a text over, which is what one call of a function has logged. Never waits for the disk.
    pub fn append(&self, group: &str, stream: &str, now_ms: u64, text: String) {
        // A record has no room for a longer one.
        let stream = &stream[..stream.floor_char_boundary(NAME_BYTES)];
        let text = FunctionText { group: group.into(), stream: stream.into(), now_ms, text };
        let bytes = text.bytes();
        let mut queue = self.shared.queue();
        if queue.bytes + bytes > WAITING_BYTES {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            let refused = RefusedTexts { stream: text.stream, last_ms: now_ms, count: 0 };
            let refused = queue.refused.entry(text.group).or_insert(refused);
            refused.count += 1;
            refused.last_ms = now_ms;
            if std::mem::take(&mut queue.asleep) {
                self.shared.work.notify_one();
            }
            return;
        }
        let was_half_full = queue.bytes > WAITING_BYTES / 2;
        queue.bytes += bytes;
        queue.texts.push_back(text);
        let wake = std::mem::take(&mut queue.asleep) || (!was_half_full && queue.bytes > WAITING_BYTES / 2);
        drop(queue);
        if wake {
            self.shared.work.notify_one();
        }
    }

    /// Texts that were dropped: those for which there was no room, and those that the disk refused.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Waits until what was appended before is written. Blocks.
    pub fn flush(&self) {
        let mut queue = self.shared.queue();
        queue.awaited += 1;
        self.shared.work.notify_one();
        while queue.has_work() || queue.writes {
            queue = self.shared.idle.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.awaited -= 1;
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.shared.queue().ends = true;
        self.shared.work.notify_one();
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the writer of logs has panicked");
        }
    }
}

impl IntakeShared {
    fn queue(&self) -> MutexGuard<'_, IntakeQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, groups: &Groups) {
        let every = Duration::from_secs(RETENTION_CHECK_S);
        let mut check = Instant::now() + every;
        let mut queue = self.queue();
        loop {
            // While texts come, they are written together; its end and `flush` do not wait for that.
            if queue.awaited == 0 && !queue.ends && queue.bytes <= WAITING_BYTES / 2 {
                queue = self.rest(queue, Duration::from_millis(WRITER_NAP_MS));
            }
            while !queue.has_work() && !queue.ends && Instant::now() < check {
                queue.asleep = true;
                queue = self.rest(queue, check.saturating_duration_since(Instant::now()));
            }
            queue.asleep = false;
            let (texts, refused) = (std::mem::take(&mut queue.texts), std::mem::take(&mut queue.refused));
            let ends = queue.ends && texts.is_empty() && refused.is_empty();
            queue.bytes = 0;
            queue.writes = true;
            drop(queue);

            self.write(groups, texts, refused);
            if Instant::now() >= check {
                groups.expire(now_ms());
                check = Instant::now() + every;
            }
            queue = self.queue();
            queue.writes = false;
            self.idle.notify_all();
            if ends {
                return;
            }
        }
    }

    /// Waits until it is woken, or for so long.
    fn rest<'a>(&self, queue: MutexGuard<'a, IntakeQueue>, time: Duration) -> MutexGuard<'a, IntakeQueue> {
        self.work.wait_timeout(queue, time).unwrap_or_else(PoisonError::into_inner).0
    }

    fn write(&self, groups: &Groups, texts: VecDeque<FunctionText>, refused: BTreeMap<Box<str>, RefusedTexts>) {
        let mut by_group: BTreeMap<Box<str>, Vec<FunctionText>> = BTreeMap::new();
        for mut text in texts {
            let group = std::mem::take(&mut text.group);
            by_group.entry(group).or_default().push(text);
        }
        for (group, RefusedTexts { stream, last_ms, count }) in refused {
            let text = format!("edgeward: {count} texts of this log group were dropped, since the disk was too slow\n");
            let text = FunctionText { group: "".into(), stream, now_ms: last_ms, text };
            by_group.entry(group).or_default().push(text);
        }
        let ingestion_ms = now_ms();
        for (group, texts) in by_group {
            let entries: Vec<LogEntry<'_>> = texts
                .iter()
                .flat_map(|text| lines(&text.text).map(move |line| (text, line)))
                .map(|(text, line)| LogEntry {
                    kind: EntryKind::Event,
                    time_ms: text.now_ms,
                    ingestion_ms,
                    stream: &text.stream,
                    message: line,
                })
                .collect();
            if let Err(error) = into_group(groups, &group, &entries) {
                self.dropped.fetch_add(texts.len() as u64, Ordering::Relaxed);
                tracing::error!("{} texts of the log group {group} are lost: {error}", texts.len());
            }
        }
    }
}

/// Writes to a group, which is made if it is not there.
fn into_group(groups: &Groups, name: &str, entries: &[LogEntry<'_>]) -> io::Result<()> {
    let Some(last) = entries.last() else { return Ok(()) };
    loop {
        let group = match groups.find(name) {
            Some(group) => group,
            None => match groups.create(GroupRecord::new(name, last.ingestion_ms))? {
                NewGroup::Made(group) | NewGroup::Known(group) => group,
                NewGroup::TooMany => return Err(io::Error::other("there are too many log groups")),
            },
        };
        match groups.write(&group, entries) {
            // It was deleted meanwhile.
            Err(_) if group.state().gone => {}
            written => return written,
        }
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
