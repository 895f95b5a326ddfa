//! The events of an answer: those of a group, within times and streams, that match, in the order of their times.
//!
//! Segments are in the order of writing, in which times may go back and forth. So an answer keeps the best events found so
//! far, no more than it may have, while one segment after the other is read: memory is that of a segment and of an answer,
//! and segments that can have no better event are not read.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::{fs, io};

use crate::aws::logs::entry::{Entries, EntryKind, LogEntry};
use crate::aws::logs::filter::FilterPattern;
use crate::aws::logs::group::GroupSnapshot;
use crate::aws::logs::segment::LogSegment;
use crate::limits::logs::PAGE_BYTES;

/// Where an event is in a group: by time, and by the order of writing at one time. Never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventKey(pub u128);

impl EventKey {
    /// Before every event of this time.
    pub fn at(time_ms: u64) -> EventKey {
        EventKey(u128::from(time_ms) << u64::BITS)
    }

    fn of(time_ms: u64, position: u64) -> EventKey {
        EventKey(EventKey::at(time_ms).0 | u128::from(position))
    }
}

/// An event that is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectedEvent {
    pub key: EventKey,
    pub time_ms: u64,
    pub ingestion_ms: u64,
    pub stream: String,
    pub message: String,
}

/// Which end of what is asked for comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    Oldest,
    Newest,
}

/// What is asked for: the events after one key and before another.
pub struct EventQuestion<'a> {
    pub after: EventKey,
    pub before: EventKey,
    pub start: StartAt,
    /// At least 1.
    pub limit: usize,
    pub streams: &'a dyn Fn(&str) -> bool,
    pub pattern: &'a FilterPattern,
}

/// See the module.
pub struct EventPage {
    /// By time, whichever end they are from.
    pub events: Vec<SelectedEvent>,
    /// There are others that were asked for.
    pub more: bool,
}

/// An event and how late its turn is.
struct RankedEvent {
    rank: u128,
    event: SelectedEvent,
}

impl PartialEq for RankedEvent {
    fn eq(&self, other: &RankedEvent) -> bool {
        self.rank == other.rank
    }
}

impl Eq for RankedEvent {}

impl PartialOrd for RankedEvent {
    fn partial_cmp(&self, other: &RankedEvent) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RankedEvent {
    fn cmp(&self, other: &RankedEvent) -> Ordering {
        self.rank.cmp(&other.rank)
    }
}

/// The best events so far.
struct BestEvents {
    heap: BinaryHeap<RankedEvent>,
    bytes: usize,
    /// The rank of the best event that had no room: nothing behind it is told.
    ceiling: u128,
}

impl EventQuestion<'_> {
    /// Answers it. Blocks for the disk.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn answer(&self, group: &GroupSnapshot) -> io::Result<EventPage> {
        let mut best = BestEvents { heap: BinaryHeap::new(), bytes: 0, ceiling: u128::MAX };
        let mut segments: Vec<&LogSegment> = group.segments.iter().collect();
        if self.start == StartAt::Newest {
            segments.reverse();
        }
        let after = self.after.max(EventKey(EventKey::at(group.since_ms).0.saturating_sub(1)));
        for segment in segments {
            let (first, last) = (EventKey::of(segment.first_ms, 0), EventKey::of(segment.last_ms, u64::MAX));
            let soonest = match self.start {
                StartAt::Oldest => first,
                StartAt::Newest => last,
            };
            if last <= after || first >= self.before || self.rank(soonest) >= best.ceiling {
                continue;
            }
            let mut bytes = match fs::read(segment.path(&group.folder)) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            // What was written behind it since is for the next question.
            bytes.truncate(usize::try_from(segment.bytes).unwrap_or(usize::MAX));
            for (offset, entry) in Entries::of(&bytes) {
                let position = segment.position(offset);
                let key = EventKey::of(entry.time_ms, position);
                let wanted = entry.kind == EntryKind::Event
                    && key > after
                    && key < self.before
                    && self.rank(key) < best.ceiling
                    && (self.streams)(entry.stream)
                    && group.ended.get(entry.stream).is_none_or(|ended| *ended < position)
                    && self.pattern.matches(entry.message);
                if wanted {
                    self.take(&mut best, key, &entry);
                }
            }
        }
        let mut events: Vec<SelectedEvent> = best.heap.into_sorted_vec().into_iter().map(|ranked| ranked.event).collect();
        if self.start == StartAt::Newest {
            events.reverse();
        }
        Ok(EventPage { events, more: best.ceiling < u128::MAX })
    }

    fn rank(&self, key: EventKey) -> u128 {
        match self.start {
            StartAt::Oldest => key.0,
            StartAt::Newest => u128::MAX - key.0,
        }
    }

    fn take(&self, best: &mut BestEvents, key: EventKey, entry: &LogEntry<'_>) {
        let event = SelectedEvent {
            key,
            time_ms: entry.time_ms,
            ingestion_ms: entry.ingestion_ms,
            stream: entry.stream.to_owned(),
            message: entry.message.to_owned(),
        };
        best.bytes += size(&event);
        best.heap.push(RankedEvent { rank: self.rank(key), event });
        while best.heap.len() > self.limit || (best.bytes > PAGE_BYTES && best.heap.len() > 1) {
            let Some(last) = best.heap.pop() else { break };
            best.bytes -= size(&last.event);
            best.ceiling = last.rank;
        }
    }
}

fn size(event: &SelectedEvent) -> usize {
    event.stream.len() + event.message.len()
}
