//! One log group: its record, its segments, and which streams it has.
//!
//! What is in the segments is read when the group is first used; from then on only their bounds and the streams are in memory.
//! A reader gets a snapshot of the segments and reads them without the lock, so that it does not hold up a writer; one that
//! is removed meanwhile has no events for it.
//!
//! A failed write leaves nothing: the group is read again from the disk.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::aws::logs::entry::{EntryKind, LogEntry};
use crate::aws::logs::segment::LogSegment;
use crate::aws::logs::streams::{LogStreams, StreamState};
use crate::aws::private_file;
use crate::limits::logs::{DAY_MS, GROUP_BYTES, SEGMENT_BYTES, TOTAL_BYTES, TOTAL_LOW_BYTES};

const RECORD: &str = "group.json";

/// How much is kept, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct LogBounds {
    pub segment: u64,
    pub group: u64,
    pub total: u64,
    pub total_low: u64,
}

impl Default for LogBounds {
    fn default() -> LogBounds {
        LogBounds { segment: SEGMENT_BYTES, group: GROUP_BYTES, total: TOTAL_BYTES, total_low: TOTAL_LOW_BYTES }
    }
}

/// What is written down of a group besides its events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRecord {
    pub name: String,
    pub created_ms: u64,
    #[serde(default)]
    pub retention_days: Option<u32>,
    /// `STANDARD` or another of AWS's names; nothing depends on it.
    pub class: String,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

impl GroupRecord {
    /// As a group is that a function begins.
    pub fn new(name: &str, created_ms: u64) -> GroupRecord {
        let class = "STANDARD".to_owned();
        GroupRecord { name: name.to_owned(), created_ms, retention_days: None, class, tags: BTreeMap::new() }
    }
}

/// The segments at a moment, to be read without the group.
pub struct GroupSnapshot {
    pub folder: PathBuf,
    pub segments: Vec<LogSegment>,
    /// Streams that were deleted, and where.
    pub ended: Arc<HashMap<Arc<str>, u64>>,
    /// Events that are older are no longer there.
    pub since_ms: u64,
}

/// A group, under its lock.
pub struct GroupState {
    pub record: GroupRecord,
    /// It was deleted, and whoever still has it must look again.
    pub gone: bool,
    folder: PathBuf,
    bounds: LogBounds,
    total: Arc<AtomicU64>,
    loaded: bool,
    segments: VecDeque<LogSegment>,
    next_number: u64,
    streams: LogStreams,
}

impl GroupState {
    /// A new group, on disk.
    pub fn create(folder: PathBuf, record: GroupRecord, bounds: LogBounds, total: Arc<AtomicU64>) -> io::Result<GroupState> {
        fs::create_dir(&folder)?;
        let mut group = GroupState::unread(folder, record, bounds, total, Vec::new());
        group.loaded = true;
        group.save()?;
        Ok(group)
    }

    /// The group of a folder, or `None` where one was not made or not deleted to its end.
    pub fn open(folder: PathBuf, bounds: LogBounds, total: Arc<AtomicU64>) -> io::Result<Option<GroupState>> {
        let record = match fs::read(folder.join(RECORD)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let record: GroupRecord = serde_json::from_slice(&record)?;
        let segments = LogSegment::list(&folder)?;
        total.fetch_add(segments.iter().map(|segment| segment.bytes).sum(), Ordering::Relaxed);
        Ok(Some(GroupState::unread(folder, record, bounds, total, segments)))
    }

    fn unread(
        folder: PathBuf,
        record: GroupRecord,
        bounds: LogBounds,
        total: Arc<AtomicU64>,
        segments: Vec<LogSegment>,
    ) -> GroupState {
        let next_number = segments.last().map_or(1, |last| last.number + 1);
        let (segments, streams) = (segments.into(), LogStreams::default());
        GroupState { record, gone: false, folder, bounds, total, loaded: false, segments, next_number, streams }
    }

    /// Writes the record down: the new one or, whatever ends the process, the one before.
    pub fn save(&self) -> io::Result<()> {
        private_file::replace(&self.folder.join(RECORD), &serde_json::to_vec(&self.record)?)
    }

    /// Bytes of its events.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// The number, the size and the time of writing of each segment.
    pub fn segments(&self) -> impl Iterator<Item = &LogSegment> {
        self.segments.iter()
    }

    /// All streams by name. Reads the segments, if nobody has.
    pub fn streams(&mut self) -> io::Result<&BTreeMap<Arc<str>, StreamState>> {
        self.load()?;
        Ok(&self.streams.by_name)
    }

    pub fn snapshot(&mut self, now_ms: u64) -> io::Result<GroupSnapshot> {
        self.load()?;
        Ok(GroupSnapshot {
            folder: self.folder.clone(),
            segments: self.segments.iter().copied().collect(),
            ended: self.streams.ended.clone(),
            since_ms: self.kept_since(now_ms),
        })
    }

    /// Writes entries in their order, and removes the oldest segments if there are too many bytes then.
    pub fn write(&mut self, entries: &[LogEntry<'_>]) -> io::Result<()> {
        self.load()?;
        let now_ms = entries.last().map_or(0, |last| last.ingestion_ms);
        let written = self.append(entries).and_then(|()| {
            let mut over = self.bytes().saturating_sub(self.bounds.group);
            let front = self.segments.iter().take_while(|segment| {
                let remove = over > 0;
                over = over.saturating_sub(segment.bytes);
                remove
            });
            self.remove(front.count(), now_ms)
        });
        if written.is_err() {
            self.loaded = false;
        }
        written
    }

    /// Removes the segments whose last event is older than the group's retention.
    pub fn expire(&mut self, now_ms: u64) -> io::Result<()> {
        let since_ms = self.kept_since(now_ms);
        if since_ms == 0 || self.segments.front().is_none_or(|first| first.written_ms >= since_ms) {
            return Ok(());
        }
        self.load()?;
        let old = |segment: &&LogSegment| segment.last_ms.max(segment.written_ms) < since_ms;
        self.remove(self.segments.iter().take_while(old).count(), now_ms)
    }

    /// Removes the segments up to a number, this one included.
    pub fn remove_up_to(&mut self, number: u64, now_ms: u64) -> io::Result<()> {
        self.load()?;
        self.remove(self.segments.iter().take_while(|segment| segment.number <= number).count(), now_ms)
    }

    /// Removes everything. The record goes first: what is left without one is nobody's.
    pub fn delete(&mut self) -> io::Result<()> {
        fs::remove_file(self.folder.join(RECORD))?;
        self.gone = true;
        self.total.fetch_sub(self.bytes(), Ordering::Relaxed);
        self.segments.clear();
        self.streams = LogStreams::default();
        fs::remove_dir_all(&self.folder)
    }

    fn kept_since(&self, now_ms: u64) -> u64 {
        self.record.retention_days.map_or(0, |days| now_ms.saturating_sub(u64::from(days) * DAY_MS))
    }

    fn load(&mut self) -> io::Result<()> {
        if self.loaded {
            return Ok(());
        }
        let before = self.bytes();
        self.streams = LogStreams::default();
        let mut segments: VecDeque<LogSegment> = LogSegment::list(&self.folder)?.into();
        for segment in &mut segments {
            segment.scan(&self.folder, |segment, position, entry| self.streams.note(segment, position, entry))?;
        }
        self.next_number = self.next_number.max(segments.back().map_or(1, |last| last.number + 1));
        self.segments = segments;
        self.total.fetch_sub(before, Ordering::Relaxed);
        self.total.fetch_add(self.bytes(), Ordering::Relaxed);
        self.loaded = true;
        Ok(())
    }

    fn append(&mut self, entries: &[LogEntry<'_>]) -> io::Result<()> {
        let mut waiting = Vec::new();
        for entry in entries {
            // A stream begins with a record of its own: its events may be older or newer than it is.
            if entry.kind == EntryKind::Event && !self.streams.by_name.contains_key(entry.stream) {
                let began = LogEntry { kind: EntryKind::Began, time_ms: entry.ingestion_ms, message: "", ..*entry };
                self.put(&mut waiting, &began)?;
            }
            self.put(&mut waiting, entry)?;
        }
        self.flush(&mut waiting)
    }

    fn put(&mut self, waiting: &mut Vec<u8>, entry: &LogEntry<'_>) -> io::Result<()> {
        let bytes = self.bounds.segment;
        if self.segments.back().is_none_or(|last| !last.has_room(waiting.len() as u64, entry, bytes)) {
            self.flush(waiting)?;
            self.segments.push_back(LogSegment::new(self.next_number));
            self.next_number += 1;
        }
        let Some(segment) = self.segments.back_mut() else { return Ok(()) };
        let offset = usize::try_from(segment.bytes).unwrap_or(usize::MAX) + waiting.len();
        segment.note(entry);
        self.streams.note(segment, segment.position(offset), entry);
        entry.encode(waiting);
        Ok(())
    }

    fn flush(&mut self, waiting: &mut Vec<u8>) -> io::Result<()> {
        if let Some(segment) = self.segments.back_mut()
            && !waiting.is_empty()
        {
            segment.append(&self.folder, waiting)?;
            self.total.fetch_add(waiting.len() as u64, Ordering::Relaxed);
            waiting.clear();
        }
        Ok(())
    }

    /// Removes the first segments. A stream whose last record was there ends, unless it is among the youngest.
    fn remove(&mut self, count: usize, now_ms: u64) -> io::Result<()> {
        let mut last_number = 0;
        for segment in self.segments.iter().take(count).copied().collect::<Vec<_>>() {
            remove_file(&segment.path(&self.folder))?;
            self.segments.pop_front();
            self.total.fetch_sub(segment.bytes, Ordering::Relaxed);
            last_number = segment.number;
        }
        if last_number == 0 {
            return Ok(());
        }
        let first_ms = self.segments.iter().map(|segment| segment.first_ms).min().unwrap_or(0);
        let idle = self.streams.forget_up_to(last_number, first_ms);
        let again: Vec<LogEntry<'_>> = idle
            .iter()
            .map(|(began_ms, stream)| LogEntry {
                kind: EntryKind::Began,
                time_ms: *began_ms,
                ingestion_ms: now_ms,
                stream,
                message: "",
            })
            .collect();
        self.append(&again)
    }
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
