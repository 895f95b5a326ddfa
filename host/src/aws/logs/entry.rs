//! One record of a segment: an event, or that a stream began or ended.
//!
//!     length u32 | crc32 u32 | kind u8 | time u64 | ingestion u64 | length of stream u16 | stream | message
//!
//! Numbers are little-endian; `length` is that of what follows the checksum, which is over the same bytes. A record that is
//! cut off or damaged ends the segment: what is behind it has no known beginning.

use std::ops::Range;

/// Bytes before the kind.
const PRELUDE: usize = 8;
/// Bytes from the kind up to the stream.
const HEAD: usize = 19;

/// What a record says of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    Event,
    /// The stream is there since `time_ms`.
    Began,
    /// The stream was deleted: its events before this record are gone.
    Ended,
}

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEntry<'a> {
    pub kind: EntryKind,
    /// When it happened, as its writer says.
    pub time_ms: u64,
    pub ingestion_ms: u64,
    pub stream: &'a str,
    pub message: &'a str,
}

impl LogEntry<'_> {
    /// Appends the record.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        // The lengths are bounded by `limits::logs`, far below what these numbers hold.
        let length = u32::try_from(HEAD + self.stream.len() + self.message.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.push(match self.kind {
            EntryKind::Event => 0,
            EntryKind::Began => 1,
            EntryKind::Ended => 2,
        });
        out.extend_from_slice(&self.time_ms.to_le_bytes());
        out.extend_from_slice(&self.ingestion_ms.to_le_bytes());
        out.extend_from_slice(&u16::try_from(self.stream.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend_from_slice(self.stream.as_bytes());
        out.extend_from_slice(self.message.as_bytes());
        let crc = crc32fast::hash(&out[start + PRELUDE..]);
        out[start + 4..start + PRELUDE].copy_from_slice(&crc.to_le_bytes());
    }

    /// Bytes that `encode` appends.
    pub fn encoded_bytes(&self) -> u64 {
        (PRELUDE + HEAD + self.stream.len() + self.message.len()) as u64
    }
}

/// The whole records of a segment, in order, and where each is.
pub struct Entries<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Entries<'a> {
    pub fn of(bytes: &'a [u8]) -> Entries<'a> {
        Entries { bytes, at: 0 }
    }

    /// Where the last whole record ends, once there is no other.
    pub fn end(&self) -> usize {
        self.at
    }

    fn decode(&self) -> Option<(Range<usize>, LogEntry<'a>)> {
        let rest = &self.bytes[self.at..];
        let length = usize::try_from(u32_at(rest, 0)?).ok()?;
        let body = rest.get(PRELUDE..PRELUDE.checked_add(length)?)?;
        if crc32fast::hash(body) != u32_at(rest, 4)? {
            return None;
        }
        let kind = match body.first()? {
            0 => EntryKind::Event,
            1 => EntryKind::Began,
            2 => EntryKind::Ended,
            _ => return None,
        };
        let stream_end = HEAD + usize::from(u16::from_le_bytes(body.get(17..HEAD)?.try_into().ok()?));
        let entry = LogEntry {
            kind,
            time_ms: u64_at(body, 1)?,
            ingestion_ms: u64_at(body, 9)?,
            stream: std::str::from_utf8(body.get(HEAD..stream_end)?).ok()?,
            message: std::str::from_utf8(body.get(stream_end..)?).ok()?,
        };
        Some((self.at..self.at + PRELUDE + length, entry))
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = (usize, LogEntry<'a>);

    fn next(&mut self) -> Option<(usize, LogEntry<'a>)> {
        let (place, entry) = self.decode()?;
        self.at = place.end;
        Some((place.start, entry))
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_damaged_record_ends_the_segment() {
        let mut bytes = Vec::new();
        let entries = ["one", "", "drei ä"].map(|message| LogEntry {
            kind: EntryKind::Event,
            time_ms: 1,
            ingestion_ms: 2,
            stream: "2026/01/01/[1]a",
            message,
        });
        let mut ends = Vec::new();
        for entry in &entries {
            entry.encode(&mut bytes);
            ends.push(bytes.len());
            assert_eq!(bytes.len() as u64, entries.iter().take(ends.len()).map(LogEntry::encoded_bytes).sum::<u64>());
        }
        for cut in 0..=bytes.len() {
            let mut reading = Entries::of(&bytes[..cut]);
            let whole = ends.iter().filter(|end| **end <= cut).count();
            assert!(reading.by_ref().map(|(_, entry)| entry).eq(entries[..whole].iter().copied()));
            assert_eq!(reading.end(), whole.checked_sub(1).map_or(0, |last| ends[last]));
        }
        for at in ends[0]..ends[1] {
            let mut wrong = bytes.clone();
            wrong[at] ^= 1;
            assert_eq!(Entries::of(&wrong).count(), 1, "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Entries::of(&bytes).count();
        }
    }
}
