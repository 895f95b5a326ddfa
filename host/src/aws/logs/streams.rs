//! Which streams a group has, as its records tell it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::aws::logs::entry::{EntryKind, LogEntry};
use crate::aws::logs::segment::LogSegment;
use crate::limits::logs::IDLE_STREAMS;

/// What is known of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamState {
    pub created_ms: u64,
    /// `None` while it has none.
    pub events: Option<StreamEvents>,
    /// The segment of its last record.
    last_segment: u64,
}

/// Of the events of a stream: the time of the earliest and of the latest, and when the newest was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamEvents {
    pub first_ms: u64,
    pub last_ms: u64,
    pub ingestion_ms: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct LogStreams {
    pub by_name: BTreeMap<Arc<str>, StreamState>,
    /// Streams that were deleted, and the position of the record that says so: events before it are gone.
    pub ended: Arc<HashMap<Arc<str>, u64>>,
}

impl LogStreams {
    /// Takes note of a record of a segment.
    pub fn note(&mut self, segment: &LogSegment, position: u64, entry: &LogEntry<'_>) {
        if entry.kind == EntryKind::Ended {
            self.by_name.remove(entry.stream);
            Arc::make_mut(&mut self.ended).insert(entry.stream.into(), position);
            return;
        }
        if !self.by_name.contains_key(entry.stream) {
            let created_ms = if entry.kind == EntryKind::Began { entry.time_ms } else { entry.ingestion_ms };
            let state = StreamState { created_ms, events: None, last_segment: segment.number };
            self.by_name.insert(entry.stream.into(), state);
        }
        let Some(stream) = self.by_name.get_mut(entry.stream) else { return };
        stream.last_segment = segment.number;
        if entry.kind == EntryKind::Event {
            let before = stream.events.unwrap_or(StreamEvents { first_ms: u64::MAX, last_ms: 0, ingestion_ms: 0 });
            stream.events = Some(StreamEvents {
                first_ms: before.first_ms.min(entry.time_ms),
                last_ms: before.last_ms.max(entry.time_ms),
                ingestion_ms: before.ingestion_ms.max(entry.ingestion_ms),
            });
        }
    }

    /// Forgets what was in the segments up to a number. Returns the youngest of the streams that have no record left, and when
    /// they began: they are to be declared again.
    pub fn forget_up_to(&mut self, number: u64, first_ms: u64) -> Vec<(u64, Arc<str>)> {
        if !self.ended.is_empty() {
            Arc::make_mut(&mut self.ended).retain(|_, position| LogSegment::number_of(*position) > number);
        }
        let mut idle = Vec::new();
        self.by_name.retain(|name, stream| {
            let is_left = stream.last_segment > number;
            if !is_left {
                idle.push((stream.created_ms, name.clone()));
            } else if let Some(events) = &mut stream.events {
                events.first_ms = events.first_ms.max(first_ms).min(events.last_ms);
            }
            is_left
        });
        idle.sort_unstable_by(|a, b| b.cmp(a));
        idle.truncate(IDLE_STREAMS);
        idle
    }
}
