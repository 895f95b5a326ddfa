//! One append-only file of a group's records, and what is known of it without reading it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::aws::logs::entry::{Entries, EntryKind, LogEntry};
use crate::limits::logs::SEGMENT_BYTES;

/// Bits of the place of an event within its segment.
const OFFSET_BITS: u32 = SEGMENT_BYTES.trailing_zeros();
const EXTENSION: &str = "log";

/// See the module. The times are those of events and may be in any order; without an event, `first_ms` is after `last_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSegment {
    /// From 1; a later segment has a greater number.
    pub number: u64,
    pub bytes: u64,
    pub first_ms: u64,
    pub last_ms: u64,
    /// When its last record was written.
    pub written_ms: u64,
}

impl LogSegment {
    pub fn new(number: u64) -> LogSegment {
        LogSegment { number, bytes: 0, first_ms: u64::MAX, last_ms: 0, written_ms: 0 }
    }

    /// The segments in a folder, in order, of which only number, size and the time of writing are known.
    pub fn list(folder: &Path) -> io::Result<Vec<LogSegment>> {
        let mut segments = Vec::new();
        for file in fs::read_dir(folder)? {
            let file = file?;
            let path = file.path();
            let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            let (Some(number), Some(EXTENSION)) = (number, path.extension().and_then(|extension| extension.to_str())) else {
                continue;
            };
            let metadata = file.metadata()?;
            let written = metadata.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let written_ms = u64::try_from(written.as_millis()).unwrap_or(u64::MAX);
            segments.push(LogSegment { bytes: metadata.len(), written_ms, ..LogSegment::new(number) });
        }
        segments.sort_by_key(|segment| segment.number);
        Ok(segments)
    }

    pub fn path(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{:08}.{EXTENSION}", self.number))
    }

    /// The position of the record at an offset: later records of a group have greater ones.
    pub fn position(&self, offset: usize) -> u64 {
        (self.number << OFFSET_BITS) | offset as u64
    }

    /// The number of the segment that a position is in.
    pub fn number_of(position: u64) -> u64 {
        position >> OFFSET_BITS
    }

    /// Whether a record still belongs into it, after `waiting` bytes.
    pub fn has_room(&self, waiting: u64, entry: &LogEntry<'_>, segment_bytes: u64) -> bool {
        self.bytes + waiting == 0 || self.bytes + waiting + entry.encoded_bytes() <= segment_bytes
    }

    /// Takes note of a record.
    pub fn note(&mut self, entry: &LogEntry<'_>) {
        if entry.kind == EntryKind::Event {
            self.first_ms = self.first_ms.min(entry.time_ms);
            self.last_ms = self.last_ms.max(entry.time_ms);
        }
        self.written_ms = self.written_ms.max(entry.ingestion_ms);
    }

    /// Reads it whole, tells each record with its position, and cuts off what is torn or damaged.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn scan(&mut self, folder: &Path, mut each: impl FnMut(&LogSegment, u64, &LogEntry<'_>)) -> io::Result<()> {
        let path = self.path(folder);
        let bytes = fs::read(&path)?;
        let mut entries = Entries::of(&bytes);
        for (offset, entry) in entries.by_ref() {
            self.note(&entry);
            each(self, self.position(offset), &entry);
        }
        let end = entries.end() as u64;
        if end < bytes.len() as u64 {
            tracing::warn!("{}: cut {} damaged bytes off", path.display(), bytes.len() as u64 - end);
            OpenOptions::new().write(true).open(&path)?.set_len(end)?;
        }
        self.bytes = end;
        Ok(())
    }

    /// Writes records at its end: all of them or, if the disk refuses, none.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn append(&mut self, folder: &Path, records: &[u8]) -> io::Result<()> {
        // Logs hold what functions were sent.
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(self.path(folder))?;
        if let Err(error) = file.write_all(records) {
            file.set_len(self.bytes)?;
            return Err(error);
        }
        self.bytes += records.len() as u64;
        Ok(())
    }
}
