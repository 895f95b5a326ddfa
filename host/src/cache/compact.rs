//! Makes copies that take no more memory than their content needs.
//!
//! Values that arrive on a connection are slices of its read buffer: a value of ten bytes keeps many kilobytes alive. So
//! only copies are stored, and small pieces of a stream are copied. This also computes what the allocator takes for a
//! size, so that the bytes counted are the bytes resident.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::limits::cache::COPIED_BYTES;
use crate::limits::cache::weight::{FIELD_BYTES, FIELD_LINE_BYTES, FIELD_NAME_BYTES};

/// Copies fields, with one allocation for all values.
pub(crate) fn headers(headers: &HeaderMap) -> HeaderMap {
    let bytes = headers.values().map(HeaderValue::len).sum();
    let mut text = Vec::with_capacity(bytes);
    headers.values().for_each(|value| text.extend_from_slice(value.as_bytes()));
    let text = Bytes::from(text);
    let mut copied = HeaderMap::with_capacity(headers.keys_len());
    let mut at = 0;
    for (name, value) in headers {
        let until = at + value.len();
        // A copy of a valid value is valid.
        let value = HeaderValue::from_maybe_shared(text.slice(at..until)).unwrap_or_else(|_| value.clone());
        copied.append(name.clone(), value);
        at = until;
    }
    copied
}

/// Copies a value into memory of its own.
pub(crate) fn value(value: &HeaderValue) -> HeaderValue {
    HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| value.clone())
}

/// A piece of a body. A large one stays in its buffer, of which it is a good part.
pub(crate) fn piece(data: Bytes) -> Bytes {
    if data.len() < COPIED_BYTES { Bytes::copy_from_slice(&data) } else { data }
}

/// Merges two neighbours if they are small and the newer is not the smaller one: each byte is copied a few times at most,
/// and a body that arrived byte by byte is not stored byte by byte.
pub(crate) fn merged(older: &Bytes, newer: &Bytes) -> Option<Bytes> {
    let bytes = older.len() + newer.len();
    (newer.len() >= older.len() && bytes < COPIED_BYTES).then(|| [&older[..], &newer[..]].concat().into())
}

/// What the allocator takes for so many bytes: it has four size classes between two powers of two.
pub(crate) fn taken(bytes: u64) -> u64 {
    match bytes {
        0 => 0,
        1..=64 => bytes.next_multiple_of(16),
        _ => bytes.next_multiple_of(1 << ((bytes - 1).ilog2() - 2)),
    }
}

/// The memory of fields that `headers` has copied.
pub(crate) fn header_bytes(headers: &HeaderMap) -> u64 {
    let values: usize = headers.values().map(HeaderValue::len).sum();
    let names: usize = headers.keys().map(name_bytes).sum();
    let more_lines = (headers.len() - headers.keys_len()) as u64;
    // A growing vector may have twice the room.
    headers.capacity() as u64 * FIELD_BYTES + 2 * more_lines * FIELD_LINE_BYTES + taken(values as u64) + names as u64
}

/// The memory of a name, on the high side: standard names are numbers and take none.
pub(crate) fn name_bytes(name: &HeaderName) -> usize {
    name.as_str().len() + FIELD_NAME_BYTES
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn copied_fields_are_the_same_and_hold_no_larger_buffer() {
        let buffer = Bytes::from(vec![b'x'; 8_192]);
        let mut came = HeaderMap::new();
        for (name, at) in [("a", 0), ("b", 10), ("a", 20), ("content-type", 30)] {
            came.append(HeaderName::from_static(name), HeaderValue::from_maybe_shared(buffer.slice(at..at + 5)).unwrap());
        }
        came.insert("empty", HeaderValue::from_static(""));
        let copied = headers(&came);
        assert_eq!(copied, came);
        drop(came);
        assert!(buffer.is_unique());
        assert!(copied.capacity() <= 8, "{}", copied.capacity());
    }

    #[test]
    fn small_pieces_hold_no_larger_buffer() {
        let buffer = Bytes::from(vec![0; 2 * COPIED_BYTES]);
        for (bytes, own) in [(1, true), (COPIED_BYTES - 1, true), (COPIED_BYTES, false), (COPIED_BYTES + 1, false)] {
            let kept = piece(buffer.slice(..bytes));
            assert_eq!((kept.len(), buffer.is_unique()), (bytes, own));
        }
    }

    #[test]
    fn the_allocator_takes_the_next_of_its_sizes() {
        for (bytes, expected) in [(0, 0), (1, 16), (64, 64), (65, 80), (100, 112), (128, 128), (129, 160), (10_000, 10_240)] {
            assert_eq!(taken(bytes), expected, "{bytes}");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_is_a_quarter_more_at_most(bytes in 65_u64..1 << 40) {
            prop_assert!((bytes..=bytes + bytes / 4).contains(&taken(bytes)));
        }

        /// However a body comes, few pieces hold it.
        #[test]
        fn merging_keeps_every_byte_and_leaves_few_pieces(sizes in prop::collection::vec(1_usize..300, 1..400)) {
            let mut pieces: Vec<Bytes> = Vec::new();
            let mut whole = Vec::new();
            for (at, size) in sizes.iter().enumerate() {
                let data = vec![u8::try_from(at % 251).unwrap(); *size];
                whole.extend_from_slice(&data);
                let mut last = Bytes::from(data);
                while let Some(one) = pieces.last().and_then(|older| merged(older, &last)) {
                    pieces.pop();
                    last = one;
                }
                pieces.push(last);
            }
            prop_assert_eq!(pieces.concat(), whole.clone());
            let most = 2 * (usize::BITS - whole.len().leading_zeros()) as usize + 4 * whole.len() / COPIED_BYTES;
            prop_assert!(pieces.len() <= most, "{} pieces", pieces.len());
        }
    }
}
